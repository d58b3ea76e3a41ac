package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/agent/client"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/fleet"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// TestRecordsAreLocked: somebody holds the file of records with another program. Devices are told to come back, /readyz says that it is the store, and
// afterwards the server goes on by itself with all that it acknowledged.
func TestRecordsAreLocked(t *testing.T) {
	t.Parallel()
	var dir string
	s := serve(t, storyStart, func(c *app.Config) { dir, c.Unlimited = c.Dir, true })
	p := s.enrolled(t, 1, phone.Madrid)
	acknowledged := s.sequence(t, p)
	other, err := sql.Open("sqlite", "file:"+filepath.Join(dir, sqlite.FileName))
	must(t, err)
	defer other.Close()
	held, err := other.Conn(t.Context())
	must(t, err)
	defer held.Close()
	_, err = held.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	must(t, err)
	refusedFor(t, p.CheckIn(t.Context()), "store-unavailable")
	for path, says := range map[string]string{"/readyz": `"at":"store"`, "/healthz": "ok"} {
		answer, err := s.http.Get(s.base + path)
		must(t, err)
		text, err := io.ReadAll(answer.Body)
		must(t, errors.Join(err, answer.Body.Close()))
		if (answer.StatusCode == http.StatusOK) != (path == "/healthz") || !strings.Contains(string(text), says) {
			t.Errorf("%s: %d %s", path, answer.StatusCode, text)
		}
	}
	if now := s.sequence(t, p); now != acknowledged {
		t.Errorf("sequence %d while it is locked, %d acknowledged", now, acknowledged)
	}
	_, err = held.ExecContext(t.Context(), "ROLLBACK")
	must(t, err)
	s.comesBack(t, "locked", p, acknowledged)
}

// TestRecordsAreDamaged: the page with a device's record was overwritten. The device is told to come back, and not that nobody knows it, which it would take
// for a reason to enrol anew; the server runs on; and with the page put back nothing is missing.
func TestRecordsAreDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &server{clock: fleet.NewClock(storyStart), base: "http://127.0.0.1:1"}
	open := func() {
		a, err := app.Open(t.Context(), app.Config{Dir: dir, BaseURL: s.base, Sandbox: true, Unlimited: true, ManualWork: true, PasswordCost: 4,
			Policy: app.Document{Name: "terms-2021-09.yaml", Source: policies.Terms202109}, Now: s.clock.Now})
		must(t, err)
		s.App = a
	}
	s.http = &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) { return direct(s.App, r) })}
	open()
	p := s.enrolled(t, 1, phone.Madrid)
	acknowledged := s.sequence(t, p)
	must(t, s.Close())
	file := filepath.Join(dir, sqlite.FileName)
	whole, err := os.ReadFile(file)
	must(t, err)
	damaged := bytes.Clone(whole)
	at := 4096 * (rootPage(t, file, "device") - 1)
	copy(damaged[at:at+100], bytes.Repeat([]byte{0xff}, 100))
	must(t, os.WriteFile(file, damaged, 0o600))

	open()
	refusedFor(t, p.CheckIn(t.Context()), "store-unavailable")
	if answer, err := s.http.Get(s.base + "/healthz"); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %v, %v", answer, err)
	}
	must(t, s.Close())
	if x, err := sqlite.Examine(t.Context(), file, true); err == nil && len(x.Faults) == 0 {
		t.Error("the damage cannot be found")
	}

	must(t, os.WriteFile(file, whole, 0o600))
	open()
	s.comesBack(t, "damaged", p, acknowledged)
	must(t, s.Close())
}

// refusedFor expects a 503 of that name.
func refusedFor(t *testing.T, err error, name string) {
	t.Helper()
	var refused *client.Problem
	if !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable || refused.Type != problemType+name {
		t.Errorf("refused with %v", err)
	}
}

// rootPage is the number of the first page of a table, which has all of it while it is small.
func rootPage(t *testing.T, file, table string) (page int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	must(t, err)
	defer db.Close()
	must(t, db.QueryRowContext(context.Background(), "SELECT rootpage FROM sqlite_schema WHERE name = ?", table).Scan(&page))
	return page
}
