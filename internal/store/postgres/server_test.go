package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/storetest"
	"github.com/bailiwick-dev/bailiwick/order"
)

// spread is several servers on one database; each call goes to the next of them.
type spread struct {
	servers []*DB
	next    *atomic.Int64
}

func spreadOver(t *testing.T, url string, n int, opts Options) spread {
	s := spread{next: new(atomic.Int64)}
	for range n {
		s.servers = append(s.servers, openedAt(t, url, opts))
	}
	return s
}

func (s spread) one() *DB { return s.servers[int(s.next.Add(1))%len(s.servers)] }

func (s spread) Update(ctx context.Context, fn func(authority.Tx) error) error {
	return s.one().Update(ctx, fn)
}

func (s spread) View(ctx context.Context, fn func(authority.Tx) error) error {
	return s.one().View(ctx, func(tx authority.Tx) error { return fn(elsewhere{tx}) })
}

// elsewhere leaves the revision out: it is good at the server that gave it.
type elsewhere struct{ authority.Tx }

func (e elsewhere) Device(id device.ID) (*authority.Device, error) {
	d, err := e.Tx.Device(id)
	if err == nil {
		d.Revision = 0
	}
	return d, err
}

// TestConformanceOfSeveral: whatever one server does the next one sees, and they never come between each other's transactions.
func TestConformanceOfSeveral(t *testing.T) {
	storetest.Run(t, func(t *testing.T) authority.Store {
		return spreadOver(t, pgtest.Database(t), 3, Options{Lanes: 1, Writers: 3, Readers: 3, Patience: time.Minute})
	})
}

// TestSeveralServersOnTheSameDevices: light updates, transitions and orders of two and three servers on the same few devices.
func TestSeveralServersOnTheSameDevices(t *testing.T) {
	for _, n := range []int{2, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) { sameDevices(t, n) })
	}
}

func sameDevices(t *testing.T, servers int) {
	const devices, each = 4, 24
	s := spreadOver(t, pgtest.Database(t), servers, Options{Lanes: 2})
	newTally(t, s.servers[0], devices)
	g := order.Ground{Kind: order.Rule, ID: "cuba"}
	at := time.Unix(1_790_000_000, 0)
	var won [devices]atomic.Int64
	var group sync.WaitGroup
	for i, db := range s.servers {
		for n := range devices {
			group.Go(func() {
				for range each {
					if err := db.Update(t.Context(), count1(n)); err != nil {
						t.Error(err)
					}
				}
			})
			group.Go(func() {
				err := db.Update(t.Context(), func(tx authority.Tx) error {
					d, err := tx.Device(fleetID(n))
					if err != nil {
						return err
					}
					d.Unlocks++
					d.Sequence++
					if err := errors.Join(tx.PutDevice(d), tx.NoticeIfFree(&restriction.Restriction{Device: d.ID, Ground: g, NoticedAt: at, Deadline: at.Add(order.MinNotice)})); err != nil {
						return err
					}
					return tx.InsertOrder(&authority.Order{ID: order.ID{byte(n), byte(i)}, Device: d.ID, Leaf: []byte{1}, Salt: [32]byte{byte(i)}, Kind: order.Notice, Ground: g, IssuedAt: at})
				})
				switch {
				case err == nil:
					won[n].Add(1)
				case !errors.Is(err, authority.ErrConflict):
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
	for n := range devices {
		for _, db := range s.servers {
			err := db.View(t.Context(), func(tx authority.Tx) error {
				d, err := tx.Device(fleetID(n))
				if err != nil {
					return err
				}
				orders, err := tx.OrdersOf(d.ID, 10)
				if err == nil && (won[n].Load() != 1 || len(orders) != 1 || int(d.Sequence) != servers*each+1 || d.Unlocks != d.Sequence) {
					t.Errorf("device %d: %d won, %d orders, %d and %d", n, won[n].Load(), len(orders), d.Sequence, d.Unlocks)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

func rootOf(t *testing.T, url string) (exec func(string, ...any)) {
	t.Helper()
	root, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close(context.Background()) })
	return func(query string, args ...any) {
		t.Helper()
		if _, err := root.Exec(context.Background(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
}

// TestServers: each has an entry while it is open, and takes it and its receipts away when it is closed.
func TestServers(t *testing.T) {
	url := pgtest.Database(t)
	s := spreadOver(t, url, 3, Options{})
	list, err := s.servers[0].Servers(t.Context())
	if err != nil || len(list) != 3 || list[0].Holder != holderName() || list[0].Number == list[1].Number {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, db := range s.servers[1:] {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if list, err := s.servers[0].Servers(t.Context()); err != nil || len(list) != 1 || list[0].Number != s.servers[0].member.current.Load() {
		t.Fatalf("%+v, %v", list, err)
	}
	var receipts int
	err = s.servers[0].Transact(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM receipt").Scan(&receipts)
	})
	if want := s.servers[0].member.slots; err != nil || receipts != want {
		t.Errorf("%d receipts are left, %d wanted, %v", receipts, want, err)
	}
}

// TestPausedServer: a server that does not renew its entry is fenced by another. What it had begun and not written fails, runs again under
// a new number, and takes effect once.
func TestPausedServer(t *testing.T) {
	url := pgtest.Database(t)
	paused := openedAt(t, url, Options{Lease: time.Hour, Patience: time.Minute}) // does not renew while the test runs
	newTally(t, paused, 1)
	former := paused.member.current.Load()
	began, gate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	runs := 0
	go func() { // it has begun and not yet written when it is fenced
		done <- paused.Update(context.Background(), func(tx authority.Tx) error {
			if _, err := tx.CountDevices(); err != nil {
				return err
			}
			if runs++; runs == 1 {
				close(began)
				<-gate
			}
			return tx.AddEvent(authority.Event{Kind: "late"})
		})
	}()
	<-began
	other := openedAt(t, url, Options{Lease: 400 * time.Millisecond})
	rootOf(t, url)("UPDATE server SET seen_at = seen_at - interval '1 minute' WHERE number = $1", former)
	fencedBy(t, other, former)
	close(gate)
	if err := <-done; err != nil || runs < 2 {
		t.Errorf("after %d runs: %v", runs, err)
	}
	for _, db := range []*DB{paused, other} {
		if err := db.Update(t.Context(), count1(0)); err != nil {
			t.Error(err)
		}
	}
	if d, err := deviceOf(t, other, 0); err != nil || d.Sequence != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	if list := events(t, other); len(list) != 1 {
		t.Errorf("%v", list)
	}
	// On a slow machine it is silent for too long under its next number, too.
	if now := paused.member.current.Load(); now == former || now == 0 || paused.Stats().Registered < 2 {
		t.Errorf("it is %d and was %d: %+v", now, former, paused.Stats())
	}
}

// fencedBy waits until a number has no entry any more.
func fencedBy(t *testing.T, db *DB, number int64) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		list, err := db.Servers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		there := false
		for _, s := range list {
			there = there || s.Number == number
		}
		if !there {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d was not fenced: %+v", number, list)
		}
	}
}

// TestServerSeenInTheFuture: the database's clock was set back, and a server is gone. It does not count as living until the clock has caught up.
func TestServerSeenInTheFuture(t *testing.T) {
	url := pgtest.Database(t)
	gone := openedAt(t, url, Options{Lease: time.Hour}) // does not renew while the test runs
	number := gone.member.current.Load()
	rootOf(t, url)("UPDATE server SET seen_at = seen_at + interval '1 hour'")
	fencedBy(t, openedAt(t, url, Options{Lease: 400 * time.Millisecond}), number)
}

// TestFencedWritesNothing goes past the retries: under a number that is fenced no transaction commits, light or whole, begun or not.
func TestFencedWritesNothing(t *testing.T) {
	url := pgtest.Database(t)
	db := openedAt(t, url, Options{Lease: time.Hour})
	newTally(t, db, 1)
	rootOf(t, url)("UPDATE receipt SET fenced_at = clock_timestamp()")
	former := db.member.current.Load()
	for name, attempt := range map[string]func() outcome{
		"light": func() outcome { return db.light(t.Context(), count1(0)) },
		"whole": func() outcome { return db.whole(t.Context(), event(1, 1)) },
		"beside": func() outcome {
			return db.transact(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO series (name, value) VALUES ('x', 1)")
				return err
			})
		},
	} {
		db.member.current.Store(former)
		if o := attempt(); !errors.Is(o.err, errFenced) || !o.again {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if list := events(t, db); len(list) != 0 {
		t.Errorf("%v", list)
	}
	if d, err := deviceOf(t, db, 0); err != nil || d.Sequence != 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestFencedAtWork: servers that are fenced all the time, by a test that has no mercy, lose nothing and write nothing twice.
func TestFencedAtWork(t *testing.T) {
	const workers = 6
	url := pgtest.Database(t)
	s := spreadOver(t, url, 2, Options{Patience: 30 * time.Second})
	y := newTally(t, s.servers[0], workers)
	second := &tally{name: "second-", db: s.servers[1], devices: workers, acknowledged: y.acknowledged, tried: y.tried}
	stop := make(chan struct{})
	var group sync.WaitGroup
	for n := range workers {
		group.Go(func() { y.work(t, n, stop) })
		group.Go(func() { second.work(t, workers-1-n, stop) })
	}
	fence := rootOf(t, url)
	fenced := func() bool { return s.servers[0].Stats().Registered > 2 && s.servers[1].Stats().Registered > 2 }
	for i, deadline := 0, time.Now().Add(20*time.Second); i < 20 || !fenced() && time.Now().Before(deadline); i++ {
		time.Sleep(50 * time.Millisecond)
		fence("WITH gone AS (DELETE FROM server RETURNING number) UPDATE receipt SET fenced_at = clock_timestamp() WHERE server IN (SELECT number FROM gone)")
	}
	close(stop)
	group.Wait()
	for _, db := range s.servers {
		if n := db.Stats().Registered; n < 3 {
			t.Errorf("registered %d times only", n)
		}
	}
	second.events.Range(func(name, _ any) bool { y.events.Store(name, true); return true })
	y.check(t, false)
	for n := range workers {
		if d, err := deviceOf(t, s.servers[0], n); err != nil || int64(d.Sequence) != y.acknowledged[n].Load() {
			t.Errorf("device %d: %d there, %d acknowledged, %v", n, d.Sequence, y.acknowledged[n].Load(), err)
		}
	}
}

// TestAnotherSchema: of two releases that know different schemas only the newer one can be started, once the servers of the older are gone;
// an older one that comes back is told.
func TestAnotherSchema(t *testing.T) {
	url := pgtest.Database(t)
	db := openedAt(t, url, Options{Lease: time.Hour})
	newTally(t, db, 1)
	exec := rootOf(t, url)
	exec("INSERT INTO schema_step VALUES (99, 'later')")
	exec("UPDATE receipt SET fenced_at = clock_timestamp()")
	err := db.Update(t.Context(), count1(0))
	if !errors.Is(err, authority.ErrStoreUnavailable) || !strings.Contains(err.Error(), "newer release") {
		t.Errorf("a server that comes back after a change of the schema gets %v", err)
	}
	if _, err := Open(t.Context(), url, Options{}); err == nil || !strings.Contains(err.Error(), "newer release") {
		t.Errorf("and one that starts %v", err)
	}
	exec("DELETE FROM schema_step WHERE number = 99")
	exec("UPDATE server SET seen_at = clock_timestamp() + interval '1 minute'")
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	err = pgx.BeginFunc(t.Context(), c, func(tx pgx.Tx) error { return alone(t.Context(), tx, compactStep+1) })
	if !errors.Is(err, errOlder) || !strings.Contains(err.Error(), holderName()) {
		t.Errorf("a schema that changes under a server that lives: %v", err)
	}
	exec("UPDATE server SET seen_at = clock_timestamp() - interval '1 minute'")
	err = pgx.BeginFunc(t.Context(), c, func(tx pgx.Tx) error { return alone(t.Context(), tx, compactStep+1) })
	if err != nil {
		t.Errorf("under one that is gone: %v", err)
	}
}

func databaseOf(t *testing.T, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return config.Database
}

func withModel(model string) func(authority.Tx) error {
	return func(tx authority.Tx) error {
		d, err := tx.Device(fleetID(0))
		if err != nil {
			return err
		}
		d.Model = model
		return tx.PutDevice(d)
	}
}
