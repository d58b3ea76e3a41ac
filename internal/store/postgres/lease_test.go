package postgres

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

func TestSecondServer(t *testing.T) {
	url := pgtest.Database(t)
	first := openedAt(t, url, Options{Lease: time.Second})
	for i := range 4 {
		began := time.Now()
		_, err := Open(t.Context(), url, Options{Lease: time.Second})
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), holderName()) {
			t.Errorf("the second server gets %v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it is told after %v", took)
		}
		time.Sleep(time.Duration(i) * 60 * time.Millisecond) // at another moment between two renewals
	}
	var began time.Time
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	openedAt(t, url, Options{Lease: time.Minute})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a lease that was given back was waited for: %v", took)
	}
}

// TestPausedServer: a server that was paused for so long that another one took over commits nothing any more, whatever it has under way.
func TestPausedServer(t *testing.T) {
	url := pgtest.Database(t)
	former := openedAt(t, url, Options{Lease: time.Hour}) // does not renew while the test runs
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(former.Update(t.Context(), func(tx authority.Tx) error { return tx.InsertDevice(fleetDevice(1)) }))
	root, err := pgx.Connect(t.Context(), url)
	must(err)
	defer root.Close(context.Background())
	_, err = root.Exec(t.Context(), "UPDATE lease SET expires_at = clock_timestamp()")
	must(err)

	began, gate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() { // it has begun and not yet written when the other one takes over
		done <- former.Update(context.Background(), func(tx authority.Tx) error {
			if _, err := tx.CountDevices(); err != nil {
				return err
			}
			once.Do(func() { close(began) })
			<-gate
			return tx.AddEvent(authority.Event{Kind: "stale"})
		})
	}()
	<-began
	next := openedAt(t, url, Options{})
	close(gate)
	for what, err := range map[string]error{"that had begun": <-done, "light": former.Update(t.Context(), count1(1)),
		"whole": former.Update(t.Context(), func(tx authority.Tx) error { return tx.AddEvent(authority.Event{Kind: "stale"}) })} {
		if !errors.Is(err, authority.ErrStoreUnavailable) || !strings.Contains(err.Error(), "taken over") {
			t.Errorf("an update %s gets %v", what, err)
		}
	}
	must(next.Update(t.Context(), count1(1)))
	must(next.View(t.Context(), func(tx authority.Tx) error {
		d, err := tx.Device(fleetID(1))
		if err == nil && d.Sequence != 1 {
			t.Errorf("sequence %d", d.Sequence)
		}
		return err
	}))
	if list := events(t, next); len(list) != 0 {
		t.Errorf("%v", list)
	}
}

// TestDeadServer: after kill -9 nobody renews, and the next server waits for the lease to end, no longer.
func TestDeadServer(t *testing.T) {
	url := pgtest.Database(t)
	if err := openedAt(t, url, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	root, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close(context.Background())
	if _, err := root.Exec(t.Context(), "UPDATE lease SET holder = 'dead', expires_at = clock_timestamp() + interval '3 s'"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	openedAt(t, url, Options{})
	if took := time.Since(began); took < 2*time.Second || took > 8*time.Second {
		t.Errorf("it began after %v", took)
	}
}

func TestOtherDatabasesAreRefused(t *testing.T) {
	for name, tc := range map[string]struct{ sql, says string }{
		"another program's": {"CREATE TABLE theirs (x int)", "another program"},
		"newer schema": {`CREATE TABLE schema_step (number integer NOT NULL PRIMARY KEY, name text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now());
			INSERT INTO schema_step VALUES (99, 'x')`, "newer release"},
		"no schema": {"DROP SCHEMA public", "search_path"},
	} {
		url := pgtest.Database(t)
		root, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close(context.Background())
		if _, err := root.PgConn().Exec(t.Context(), tc.sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), url, Options{}); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for url, says := range map[string]string{
		"postgres://nobody:secret@127.0.0.1:1/none?connect_timeout=2": "cannot connect",
		"postgres://nobody:secret@127.0.0.1:port/none":                "write it as postgres://",
		pgtest.Shared(t).URL("none"):                                  `"none" does not exist`,
	} {
		_, err := Open(t.Context(), url, Options{})
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestServerThatCouldLose is refused: its commits are not durable.
func TestServerThatCouldLose(t *testing.T) {
	c, err := pgtest.Start("fsync = off", "synchronous_commit = off")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := Open(t.Context(), c.Database(t), Options{}); err == nil || !strings.Contains(err.Error(), "fsync=off") {
		t.Errorf("%v", err)
	}
}

// TestSynchronousCommit is asked for where the database's own setting is weaker.
func TestSynchronousCommit(t *testing.T) {
	url := pgtest.Database(t)
	root, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close(context.Background())
	if _, err := root.Exec(t.Context(), "ALTER DATABASE "+root.Config().Database+" SET synchronous_commit = off"); err != nil {
		t.Fatal(err)
	}
	db := openedAt(t, url, Options{})
	s := <-db.writers
	defer func() { db.writers <- s }()
	var setting string
	if err := s.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.conn.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&setting); err != nil || setting != "on" {
		t.Errorf("%s, %v", setting, err)
	}
}

// TestMigrationsAtOnce: of many servers that start on an empty database at the same time each finds the newest schema.
func TestMigrationsAtOnce(t *testing.T) {
	for range 3 {
		url := pgtest.Database(t)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				c, err := pgx.Connect(context.Background(), url)
				if err == nil {
					defer c.Close(context.Background())
					err = migrate(context.Background(), c)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		db := openedAt(t, url, Options{})
		if err := db.Update(t.Context(), func(tx authority.Tx) error { return tx.InsertDevice(fleetDevice(1)) }); err != nil {
			t.Error(err)
		}
	}
}

func TestBelongsToOneLedger(t *testing.T) {
	db := opened(t, Options{})
	for _, ledger := range []string{"one", "one"} {
		if err := db.BelongTo(t.Context(), ledger); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.BelongTo(t.Context(), "another"); err == nil || !strings.Contains(err.Error(), "belong to the ledger one") {
		t.Errorf("%v", err)
	}
}
