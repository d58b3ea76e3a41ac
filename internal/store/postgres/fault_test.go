package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

// cluster is a server of the test's own, to be ill-treated.
func cluster(t *testing.T) *pgtest.Cluster {
	t.Helper()
	c, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// tally is what callers were told, to be compared with what is there.
type tally struct {
	db           *DB
	name         string // of its events
	devices      int
	acknowledged []atomic.Int64 // by device, of light updates
	tried        []atomic.Int64
	events       sync.Map // name of each event that was acknowledged
	refused      atomic.Int64
	conflicts    atomic.Int64 // of exchanges: somebody else has written the device since it was viewed
}

func newTally(t *testing.T, db *DB, devices int) *tally {
	t.Helper()
	y := &tally{db: db, devices: devices, acknowledged: make([]atomic.Int64, devices), tried: make([]atomic.Int64, devices)}
	err := db.Update(t.Context(), func(tx authority.Tx) error {
		for n := range devices {
			if err := tx.InsertDevice(fleetDevice(n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// work makes light and whole updates in turns until stop is closed. Any error but ErrStoreUnavailable is a fault.
func (y *tally) work(t *testing.T, n int, stop <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		var err error
		name := fmt.Sprintf("%sevent-%d-%d", y.name, n, i)
		if i%3 == 0 {
			err = y.db.Update(context.Background(), func(tx authority.Tx) error {
				if _, err := tx.NextNumber("events"); err != nil {
					return err
				}
				return tx.AddEvent(authority.Event{Device: fleetID(n), Kind: name})
			})
			if err == nil {
				y.events.Store(name, true)
			}
		} else {
			y.tried[n].Add(1)
			if i%3 == 1 {
				err = exchanged(y.db, n)
			} else {
				err = y.db.Update(context.Background(), count1(n))
			}
			if err == nil {
				y.acknowledged[n].Add(1)
			}
		}
		switch {
		case errors.Is(err, authority.ErrStoreUnavailable):
			y.refused.Add(1)
			time.Sleep(5 * time.Millisecond)
		case i%3 == 1 && errors.Is(err, authority.ErrConflict):
			y.conflicts.Add(1)
		case err != nil:
			t.Errorf("%s: %v", name, err)
			return
		}
	}
}

// count1 adds one to two numbers of a device.
func count1(n int) func(authority.Tx) error {
	return func(tx authority.Tx) error {
		d, err := tx.Device(fleetID(n))
		if err != nil {
			return err
		}
		d.Sequence++
		d.Unlocks++
		return tx.UpdateDeviceIfNewer(d, d.Sequence-1)
	}
}

// check compares. An update whose caller got ErrStoreUnavailable may or may not be there; exactly says that there was none such.
func (y *tally) check(t *testing.T, exactly bool) {
	t.Helper()
	err := y.db.View(t.Context(), func(tx authority.Tx) error {
		for n := range y.devices {
			d, err := tx.Device(fleetID(n))
			if err != nil {
				return err
			}
			acknowledged, tried := uint64(y.acknowledged[n].Load()), uint64(y.tried[n].Load())
			if d.Sequence != d.Unlocks || d.Sequence < acknowledged || d.Sequence > tried || exactly && d.Sequence != acknowledged {
				t.Errorf("device %d: %d and %d there, %d acknowledged, %d tried", n, d.Sequence, d.Unlocks, acknowledged, tried)
			}
		}
		list, err := tx.RecentEvents(1_000_000)
		if err != nil {
			return err
		}
		there := make(map[string]bool)
		for _, e := range list {
			if there[e.Kind] {
				t.Errorf("%s is there twice", e.Kind)
			}
			there[e.Kind] = true
		}
		y.events.Range(func(name, _ any) bool {
			if !there[name.(string)] {
				t.Errorf("%s was acknowledged and is lost", name)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var numbers int64
	if err := y.db.Update(t.Context(), func(tx authority.Tx) (err error) { numbers, err = tx.NextNumber("events"); return err }); err != nil {
		t.Fatal(err)
	}
	if there := len(events(t, y.db)); int64(there) != numbers-1 {
		t.Errorf("%d events, and %d numbers for them", there, numbers-1)
	}
}

func events(t *testing.T, db *DB) (list []authority.Event) {
	t.Helper()
	err := db.View(t.Context(), func(tx authority.Tx) (err error) { list, err = tx.RecentEvents(1_000_000); return err })
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestServerIsKilled kills PostgreSQL with SIGKILL at moments that nobody chose, while callers are at work, and starts it again.
func TestServerIsKilled(t *testing.T) {
	const workers, kills = 16, 6
	c := cluster(t)
	y := newTally(t, openedAt(t, c.Database(t), Options{Patience: 30 * time.Second}), workers)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for n := range workers {
		group.Go(func() { y.work(t, n, stop) })
	}
	for range kills {
		time.Sleep(100*time.Millisecond + rand.N(400*time.Millisecond))
		if err := c.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := c.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(200 * time.Millisecond)
	close(stop)
	group.Wait()
	y.check(t, true) // patience outlasts every restart, so everybody is told the truth
	if s := y.db.Stats(); s.Retried == 0 || y.refused.Load()+y.conflicts.Load() != 0 {
		t.Errorf("%+v, %d refused, %d conflicts with nobody", s, y.refused.Load(), y.conflicts.Load())
	}
}

// TestServerIsAway: while nobody answers callers get ErrStoreUnavailable when their patience ends; then the store goes on by itself.
func TestServerIsAway(t *testing.T) {
	c := cluster(t)
	y := newTally(t, openedAt(t, c.Database(t), Options{Patience: 300 * time.Millisecond}), 4)
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, run := range []func(context.Context, func(authority.Tx) error) error{y.db.Update, y.db.View} {
		err := run(t.Context(), func(tx authority.Tx) error { _, err := tx.Device(fleetID(0)); return err })
		if !errors.Is(err, authority.ErrStoreUnavailable) {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := y.db.Update(ctx, count1(0)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller with less patience gets %v", err)
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := whenBack(func() error { return y.db.Update(t.Context(), count1(0)) }); err != nil {
		t.Errorf("it is back: %v", err)
	}
}

// whenBack repeats what a store with little patience does not bear: a machine that stands still uses it up while the connections are made anew.
func whenBack(try func() error) (err error) {
	for range 50 {
		if err = try(); !errors.Is(err, authority.ErrStoreUnavailable) {
			return err
		}
	}
	return err
}

// as makes a role without special rights own a database, as docs/operations.md has it, and returns how to connect as it and as superuser.
func as(t *testing.T, c *pgtest.Cluster) (url string, root *pgx.Conn) {
	t.Helper()
	super := c.Database(t)
	root, err := pgx.Connect(t.Context(), super)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close(context.Background()) })
	for _, statement := range []string{"CREATE ROLE plain LOGIN", "ALTER DATABASE " + root.Config().Database + " OWNER TO plain"} {
		if _, err := root.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Replace(super, "user=bailiwick", "user=plain", 1), root
}

// severed ends all connections of the role plain.
const severed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'plain'"

// TestDatabaseRefuses: whatever the database cannot do, callers get ErrStoreUnavailable with a cause that says it, nothing is written,
// and the store goes on as soon as it can.
func TestDatabaseRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		take, give []string
		says       string
	}{
		"read-only": {
			[]string{"ALTER ROLE plain SET default_transaction_read_only = on", severed},
			[]string{"ALTER ROLE plain RESET default_transaction_read_only", severed}, "read-only",
		},
		"out of connections": {
			[]string{"ALTER ROLE plain CONNECTION LIMIT 0", severed},
			[]string{"ALTER ROLE plain CONNECTION LIMIT -1"}, "max_connections",
		},
		"a right is taken away": {
			[]string{"REVOKE UPDATE ON device, series FROM plain"},
			[]string{"GRANT UPDATE ON device, series TO plain"}, "lacks a right",
		},
		"it says that its disk is full": {
			[]string{"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$",
				"CREATE TRIGGER full_disk BEFORE UPDATE ON device EXECUTE FUNCTION full_disk()", "CREATE TRIGGER full_disk BEFORE INSERT ON event EXECUTE FUNCTION full_disk()"},
			[]string{"DROP TRIGGER full_disk ON device", "DROP TRIGGER full_disk ON event"}, "disk is full",
		},
		"a row stays locked": {
			[]string{"BEGIN", "LOCK TABLE device, event IN ACCESS EXCLUSIVE MODE"}, []string{"ROLLBACK"}, "statement_timeout",
		},
	} {
		t.Run(name, func(t *testing.T) {
			url, root := as(t, cluster(t))
			y := newTally(t, openedAt(t, url, Options{Patience: 300 * time.Millisecond, Timeout: 2 * time.Second}), 3)
			run := func(statements []string) {
				for _, s := range statements {
					if _, err := root.Exec(t.Context(), s); err != nil {
						t.Fatalf("%s: %v", s, err)
					}
				}
			}
			run(tc.take)
			var group sync.WaitGroup
			for n := range 3 {
				for what, fn := range map[string]func(authority.Tx) error{"light": count1(n),
					"whole": func(tx authority.Tx) error {
						return errors.Join(count1(n)(tx), tx.AddEvent(authority.Event{Kind: "k"}))
					}} {
					group.Go(func() {
						err := y.db.Update(context.Background(), fn)
						for i := 0; i < 20 && errors.Is(err, authority.ErrStoreUnavailable) && !strings.Contains(err.Error(), tc.says); i++ {
							err = y.db.Update(context.Background(), fn) // patience can end before a slow machine has a new connection
						}
						if !errors.Is(err, authority.ErrStoreUnavailable) || !strings.Contains(err.Error(), tc.says) {
							t.Errorf("a %s update gets %v", what, err)
						}
					})
				}
			}
			group.Wait()
			run(tc.give)
			for n := range 3 {
				err := whenBack(func() error { y.tried[n].Add(1); return y.db.Update(t.Context(), count1(n)) })
				if err != nil {
					t.Errorf("afterwards: %v", err)
				}
				y.acknowledged[n].Add(1)
			}
			y.check(t, y.tried[0].Load()+y.tried[1].Load()+y.tried[2].Load() == 3) // of one that was refused for want of patience nobody knows
		})
	}
}

// TestDiskFull lets no file of the server grow beyond a size, so that a table cannot be extended at some time: as on a full disk. What was
// acknowledged is there when there is room again, and nothing else.
func TestDiskFull(t *testing.T) {
	c := cluster(t)
	url := c.Database(t)
	db := openedAt(t, url, Options{Patience: 10 * time.Second})
	kept := 0
	many := func() error {
		err := db.Update(t.Context(), func(tx authority.Tx) error {
			for range 200 {
				text := make([]byte, 900)
				for i := range text {
					text[i] = byte('a' + rand.N(26)) // so that it cannot be packed
				}
				if err := tx.AddEvent(authority.Event{Kind: "k", Detail: string(text)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			kept += 200
		}
		return err
	}
	restart := func(limit uint64) {
		c.LimitFiles(limit)
		if err := errors.Join(c.Kill(), c.Restart()); err != nil {
			t.Fatal(err)
		}
	}
	restart(17 << 20)
	var err error
	for i := 0; err == nil && i < 200; i++ {
		err = many()
	}
	if !errors.Is(err, authority.ErrStoreUnavailable) || !strings.Contains(err.Error(), "could not extend file") {
		t.Fatalf("after %d events: %v", kept, err)
	}
	if err := many(); !errors.Is(err, authority.ErrStoreUnavailable) {
		t.Errorf("and again: %v", err)
	}
	if n := len(events(t, db)); n != kept {
		t.Errorf("%d events while full, %d acknowledged", n, kept)
	}
	restart(0)
	if err := many(); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if n := len(events(t, db)); n != kept {
		t.Errorf("%d events in the end, %d acknowledged", n, kept)
	}
}
