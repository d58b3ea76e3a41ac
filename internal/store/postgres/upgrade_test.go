package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

// nextRelease has one step more than this program: it lets no record be written as this program does.
func nextRelease(t *testing.T) fs.FS {
	t.Helper()
	next := fstest.MapFS{}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := migrations.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		next[name] = &fstest.MapFile{Data: text}
	}
	next[fmt.Sprintf("migrations/%04d_later.sql", firstStep+len(names))] = &fstest.MapFile{Data: []byte("ALTER TABLE device ADD COLUMN later integer; ALTER TABLE event ADD COLUMN later integer")}
	return next
}

// TestUpgradeBesideAServerThatRuns: the next release does not change the records under a server of this one. It names it, and the server goes on.
func TestUpgradeBesideAServerThatRuns(t *testing.T) {
	url := pgtest.Database(t)
	db := openedAt(t, url, Options{})
	newTally(t, db, 1)
	starting, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if newer, err := Open(starting, url, Options{steps: nextRelease(t)}); !errors.Is(err, errOlder) || !strings.Contains(err.Error(), holderName()) {
		t.Errorf("the next release: %v", err)
		if err == nil {
			_ = newer.Close()
		}
	}
	if err := db.Update(t.Context(), count1(0)); err != nil {
		t.Errorf("this one, afterwards: %v", err)
	}
	openedAt(t, url, Options{}) // and others of this release can be started
}

// TestUpgradeBesideAServerThatIsPaused: a server that was silent for so long that it counted as gone wakes up after the next release has changed the
// schema. It writes nothing any more, in no way, says why, and cannot be started again; what it had under way before is there.
func TestUpgradeBesideAServerThatIsPaused(t *testing.T) {
	url := pgtest.Database(t)
	paused := openedAt(t, url, Options{Lease: time.Hour}) // does not renew while the test runs
	newTally(t, paused, 1)
	term := leads(t, paused)
	wrote, gate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { // what it has under way
		done <- paused.Update(context.Background(), func(tx authority.Tx) error {
			if err := tx.AddEvent(authority.Event{Kind: "in time"}); err != nil {
				return err
			}
			close(wrote)
			<-gate
			return nil
		})
	}()
	<-wrote
	rootOf(t, url)("UPDATE server SET seen_at = seen_at - interval '1 minute'")
	rootOf(t, url)("UPDATE leader SET expires_at = expires_at - interval '1 day'")
	opening := make(chan error, 1)
	var newer *DB
	go func() {
		var err error
		newer, err = Open(context.Background(), url, Options{Lease: time.Hour, steps: nextRelease(t)}) // does not look for silent ones either
		opening <- err
	}()
	select {
	case <-waiting(t, url):
	case err := <-opening:
		t.Fatalf("the next release did not wait for what is under way: %v", err)
	}
	close(gate)
	if err := errors.Join(<-opening, <-done); err != nil {
		t.Fatal(err)
	}
	defer newer.Close()
	// First what does not look at a receipt: it has heard of nothing yet.
	if err := term.renew(t.Context(), &session{config: paused.config}); !errors.Is(err, ErrDeposed) {
		t.Errorf("its term is renewed: %v", err)
	}
	if _, err := paused.Campaign(t.Context()); !errors.Is(err, ErrSchema) {
		t.Errorf("it leads again: %v", err)
	}
	for name, attempt := range map[string]func() error{
		"light": func() error { return paused.Update(t.Context(), count1(0)) },
		"whole": func() error { return paused.Update(t.Context(), event(1, 1)) },
		"beside": func() error {
			return paused.Transact(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO series (name, value) VALUES ('x', 1)")
				return err
			})
		},
		"lead": func() error { _, err := paused.Campaign(t.Context()); return err },
	} {
		if err := attempt(); !errors.Is(err, authority.ErrStoreUnavailable) || !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "newer release") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d, err := deviceOf(t, newer, 0); err != nil || d.Sequence != 0 || len(events(t, newer)) != 1 {
		t.Errorf("it has written: %+v, %d events, %v", d, len(events(t, newer)), err)
	}
	if err := newer.Update(t.Context(), count1(0)); err != nil {
		t.Errorf("the next release: %v", err)
	}
	if _, err := Open(t.Context(), url, Options{}); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "newer release") {
		t.Errorf("started again: %v", err)
	}
}

// waiting is closed when a connection to the database waits for a lock.
func waiting(t *testing.T, url string) <-chan struct{} {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan struct{})
	go func() {
		defer c.Close(context.Background())
		for n := 0; n == 0; time.Sleep(5 * time.Millisecond) {
			err := c.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&n)
			if err != nil {
				return
			}
		}
		close(seen)
	}()
	return seen
}
