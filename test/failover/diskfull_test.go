package failover

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/fleet/load"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// limit of a file of the database: a little more than a segment of its log, which has its size from the start.
const limit = 17 << 20

// TestDiskFull: the database has no room for the lines of time lines any more, while a whole server serves devices. They are told to come back,
// /readyz says why, what was acknowledged is kept, and all goes on by itself once there is room.
func TestDiskFull(t *testing.T) {
	db, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Stop(); err != nil {
			t.Error(err)
		}
	}()
	url := db.Database(t)
	a, err := app.Open(t.Context(), app.Config{Dir: t.TempDir(), Database: url, BaseURL: "http://127.0.0.1:8470", Sandbox: true, Unlimited: true, PasswordCost: 4,
		Policy: app.Document{Name: "terms-2026-11.yaml", Source: policies.Current}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	target := load.Local(a.Handler())
	const devices, each = 24, 14
	fleet, facts, err := load.Enrol(t.Context(), target, devices, 7, 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range fleet {
		d.BeginEmpty(territory.DayOf(facts.Now()) - each)
	}
	tokens, err := load.Sign(t.Context(), fleet, devices*each, facts, 7, nil)
	if err != nil {
		t.Fatal(err)
	}
	plan := load.Plan{Connections: 8}
	before := load.Fire(t.Context(), target, tokens.All[:devices], plan)
	if before.Accepted != devices {
		t.Fatalf("with room: %d of %d, %v", before.Accepted, devices, before.Errors)
	}

	db.LimitFiles(limit)
	if err := errors.Join(db.Kill(), db.Restart()); err != nil {
		t.Fatal(err)
	}
	fill(t, url)
	rest := tokens.All[devices:]
	kept, refused := map[int]bool{}, 0
	for i := range rest { // in their order, so that it is known which of a device's came before
		r := load.Fire(t.Context(), target, rest[i:i+1], plan)
		if r.Accepted == 1 {
			kept[i] = true
		} else if refused++; r.Errors["store-unavailable"] != 1 {
			t.Errorf("a device was told %v", r.Errors)
		}
	}
	if refused == 0 {
		t.Fatal("no check-in needed room: nothing was tried")
	}
	if status, text := readiness(a); status != http.StatusServiceUnavailable || !strings.Contains(text, "disk is full") {
		t.Errorf("/readyz answers %d: %s", status, text)
	}

	db.LimitFiles(0)
	if err := errors.Join(db.Kill(), db.Restart()); err != nil {
		t.Fatal(err)
	}
	again := 0
	for i := range rest {
		r := load.Fire(t.Context(), target, rest[i:i+1], plan)
		switch {
		case kept[i] && r.Accepted == 1:
			t.Errorf("check-in %d was acknowledged while the disk was full, and is lost", i)
		case r.Accepted == 1:
			again++
		case r.Errors["store-unavailable"] > 0:
			t.Errorf("there is room, and a device was told %v", r.Errors)
		}
	}
	t.Logf("while the disk was full %d check-ins were acknowledged and %d told to come back, of which %d were taken then", len(kept), refused, again)
	if again == 0 {
		t.Error("none of those that were told to come back was taken")
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		status, text := readiness(a)
		if status == http.StatusOK {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("there is room, and /readyz answers %d: %s", status, text)
		}
	}
}

// fill lets the table of time lines grow until there is no room.
func fill(t *testing.T, url string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, rows := range []int{2000, 1} { // the last page is filled with the smallest rows
		for i := 0; err == nil; i++ {
			if i > 100_000 {
				t.Fatal("the table has more room than was given to it")
			}
			_, err = c.Exec(t.Context(), `INSERT INTO event (device, at, kind, ground_kind, ground, actor, detail)
				SELECT decode(repeat('00', 16), 'hex'), 0, 'k', 0, '', '', CASE WHEN $1 > 1 THEN repeat(md5(n::text), 10) ELSE '' END FROM generate_series(1, $1::int) AS n`, rows)
		}
		if !strings.Contains(err.Error(), "could not extend file") {
			t.Fatal(err)
		}
		err = nil
	}
}

func readiness(a *app.App) (int, string) {
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return w.Code, w.Body.String()
}
