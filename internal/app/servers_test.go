package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

const serversOrigin = "servers.example/ledger"

// openServer opens a server on a database. It is closed at the end of the test, unless it is before.
func openServer(t *testing.T, url string, change func(*Config)) (*App, error) {
	t.Helper()
	cfg := Config{Dir: t.TempDir(), Database: url, BaseURL: "http://127.0.0.1:1", Origin: serversOrigin, PasswordCost: 4}
	change(&cfg)
	a, err := Open(t.Context(), cfg)
	if err == nil {
		t.Cleanup(func() { _ = a.Close() })
	}
	return a, err
}

func mustOpen(t *testing.T, url string, change func(*Config)) *App {
	t.Helper()
	a, err := openServer(t, url, change)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// until waits for something that other goroutines bring about.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for !done() {
		select {
		case <-t.Context().Done():
			t.Fatal("never: ", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Two servers with the same keys share records, ledger and the secret of their pages. One leads; when it stops the other does, and what was appended
// is proved by both.
func TestTwoServers(t *testing.T) {
	url, keys := pgtest.Database(t), t.TempDir()
	first := mustOpen(t, url, func(c *Config) { c.Keys = keys })
	second := mustOpen(t, url, func(c *Config) { c.Keys = keys })
	if first.OneTimePassword == "" || second.OneTimePassword != "" || first.secret != second.secret || first.Ledger.LogKey() != second.Ledger.LogKey() {
		t.Error("they are not two servers of one authority")
	}
	if !first.Leads() || second.Leads() {
		t.Fatalf("%v and %v lead", first.Leads(), second.Leads())
	}
	if _, err := second.Ledger.Append(t.Context(), []byte("leaf")); !errors.Is(err, ledger.ErrNotLeader) {
		t.Errorf("a follower appended: %v", err)
	}
	index, err := first.Ledger.Append(t.Context(), []byte("leaf"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Ledger.Proof(t.Context(), index); err != nil {
		t.Error(err)
	}
	ready := func(a *App) int {
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return w.Code
	}
	until(t, "both are ready", func() bool { return ready(first) == http.StatusOK && ready(second) == http.StatusOK })
	ran := make(chan bool, 16)
	working, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- second.whileLeading(working, func(ctx context.Context) error { ran <- second.Leads(); <-ctx.Done(); return nil })
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if !<-ran {
		t.Error("work began while another server led")
	}
	if index, err := second.Ledger.Append(t.Context(), []byte("another leaf")); err != nil || index != 1 {
		t.Errorf("at %d, %v", index, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A server whose keys are not those of the database does not start, and makes none.
func TestServersShareTheirKeys(t *testing.T) {
	url, keys := pgtest.Database(t), t.TempDir()
	mustOpen(t, url, func(c *Config) { c.Keys = keys })
	empty := t.TempDir()
	if _, err := openServer(t, url, func(c *Config) { c.Keys = empty }); err == nil || !strings.Contains(err.Error(), "Copy the folder keys") {
		t.Errorf("%v", err)
	}
	if made, _ := os.ReadDir(empty); len(made) > 0 {
		t.Errorf("it made %v", made)
	}
	if err := os.CopyFS(filepath.Join(empty, "copy"), os.DirFS(keys)); err != nil {
		t.Fatal(err)
	}
	for _, name := range keyFiles {
		if err := os.Chmod(filepath.Join(empty, "copy", name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(empty, "copy", "unlock-master.key"), []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openServer(t, url, func(c *Config) { c.Keys = filepath.Join(empty, "copy") }); err == nil || !strings.Contains(err.Error(), "not all those of the other servers") {
		t.Errorf("%v", err)
	}
}

// A server whose clock is an hour off does not start; one whose clock goes wrong takes no evidence and lets another one lead, until it is right.
func TestClockIsOff(t *testing.T) {
	url, keys := pgtest.Database(t), t.TempDir()
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		_, err := openServer(t, url, func(c *Config) { c.Keys = keys; c.Now = func() time.Time { return time.Now().Add(off) } })
		if err == nil || !strings.Contains(err.Error(), "the clock of this server is off") {
			t.Fatalf("%s: %v", off, err)
		}
	}
	var off atomic.Int64
	a := mustOpen(t, url, func(c *Config) {
		c.Keys, c.ClockEvery = keys, 10*time.Millisecond
		c.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	})
	b := mustOpen(t, url, func(c *Config) { c.Keys = keys })
	off.Store(int64(time.Hour))
	until(t, "the other one leads", b.Leads)
	if a.Leads() {
		t.Error("both lead")
	}
	if err := a.look(t.Context()); err == nil || !strings.Contains(err.Error(), "NTP") {
		t.Errorf("ready with %v", err)
	}
	for _, tc := range []struct {
		method, path string
		refused      bool
	}{{http.MethodPost, protocol.PathCheckIn, true}, {http.MethodPost, protocol.PathEnrol, true}, {http.MethodGet, protocol.PathEpoch, true},
		{http.MethodPost, "/owner", true}, {http.MethodGet, "/healthz", false}, {http.MethodGet, "/ledger/key", false}} {
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, strings.NewReader("x")))
		refused := w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") != "" && strings.Contains(w.Body.String(), "clock")
		if refused != tc.refused {
			t.Errorf("%s %s: %d %s", tc.method, tc.path, w.Code, w.Body)
		}
	}
	off.Store(0)
	until(t, "its clock is right again", func() bool { return a.look(t.Context()) == nil })
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "it leads again", a.Leads)
}

// A newer release changes the schema while this server stands still. When it wakes up it is not ready, says why, takes nothing and does not lead.
func TestNewerReleaseTookOver(t *testing.T) {
	url := pgtest.Database(t)
	a := mustOpen(t, url, func(*Config) {})
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, statement := range []string{"BEGIN", "INSERT INTO schema_step VALUES (99, 'later')", "UPDATE receipt SET fenced_at = clock_timestamp()", "DELETE FROM server",
		"UPDATE leader SET term = term + 1, server = 1, expires_at = clock_timestamp() + interval '1 hour'", "COMMIT"} {
		if _, err := c.Exec(t.Context(), statement); err != nil {
			t.Fatal(statement, err)
		}
	}
	until(t, "it leads no more", func() bool { return !a.Leads() })
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "newer release") {
		t.Errorf("/readyz: %d %s", w.Code, w.Body)
	}
	err = a.store.Update(t.Context(), func(tx authority.Tx) error { return tx.AddEvent(authority.Event{Kind: "late"}) })
	if !errors.Is(err, authority.ErrStoreUnavailable) {
		t.Errorf("written: %v", err)
	}
}

// An installation with records in PostgreSQL and its ledger in the data folder goes on with the ledger in the database: the same key, the same
// entries. Another server, which does not have the folder, does not begin a new ledger meanwhile.
func TestLedgerMovesIn(t *testing.T) {
	url, dir := pgtest.Database(t), t.TempDir()
	keys, folder := filepath.Join(dir, "keys"), filepath.Join(dir, "ledger")
	if err := mustOpen(t, pgtest.Database(t), func(c *Config) { c.Keys = keys }).Close(); err != nil { // makes the keys
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(folder, 0o700), os.Rename(filepath.Join(keys, ledgerKey), filepath.Join(folder, ledgerKey))); err != nil {
		t.Fatal(err)
	}
	old, err := ledger.Open(t.Context(), folder, ledger.Options{Origin: serversOrigin})
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range []string{"one", "two", "three"} {
		if _, err := old.Append(t.Context(), []byte(leaf)); err != nil {
			t.Fatal(err)
		}
	}
	key := old.LogKey()
	if err := old.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The database as the migration found it: bound to that ledger, which is elsewhere.
	store, err := openStoreOnly(t, url)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"INSERT INTO belongs (ledger) VALUES ('" + key + "')", "ALTER TABLE ledger DISABLE TRIGGER ledger_grows",
		"UPDATE ledger SET elsewhere = true", "ALTER TABLE ledger ENABLE TRIGGER ledger_grows"} {
		if _, err := store.Exec(t.Context(), statement); err != nil {
			t.Fatal(statement, err)
		}
	}
	other := t.TempDir() // has the keys, and not the folder
	for _, name := range keyFiles {
		from := filepath.Join(keys, name)
		if name == ledgerKey {
			from = filepath.Join(folder, name)
		}
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(other, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openServer(t, url, func(c *Config) { c.Keys = other }); !errors.Is(err, ledger.ErrElsewhere) {
		t.Errorf("a server without the folder: %v", err)
	}
	a := mustOpen(t, url, func(c *Config) { c.Dir = dir })
	until(t, "it leads", a.Leads)
	if index, err := a.Ledger.Append(t.Context(), []byte("four")); err != nil || index != 3 {
		t.Errorf("at %d, %v", index, err)
	}
	if a.Ledger.LogKey() != key {
		t.Error("another key")
	}
	if _, err := ledger.Open(t.Context(), folder, ledger.Options{}); !errors.Is(err, ledger.ErrMoved) {
		t.Errorf("the folder was opened: %v", err)
	}
}

// openStoreOnly makes the tables of a database and connects to it.
func openStoreOnly(t *testing.T, url string) (*pgx.Conn, error) {
	t.Helper()
	a := mustOpen(t, url, func(c *Config) {})
	err := a.store.Update(t.Context(), func(tx authority.Tx) error { _, err := tx.NextNumber("made"); return err })
	if err := errors.Join(err, a.Close()); err != nil {
		return nil, err
	}
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	_, err = c.Exec(t.Context(), "DELETE FROM belongs")
	return c, err
}
