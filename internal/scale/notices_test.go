package scale_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/scale"
	"github.com/bailiwick-dev/bailiwick/internal/store/memory"
	"github.com/bailiwick-dev/bailiwick/order"
)

var bela = &authority.Officer{Name: "bela", Role: "admin"}

// drafted opens a case on the fleet of a store and drafts its warrant.
func drafted(t testing.TB, s *authority.Service) *authority.Warrant {
	t.Helper()
	ctx := context.Background()
	must(t, s.EnsureFounded(ctx))
	c, err := s.OpenCase(ctx, ada, "Phones made for India appear elsewhere", scale.Consignment)
	must(t, err)
	w, _, err := s.DraftWarrant(ctx, ada, c.ID, "We are investigating this shipment.", now.AddDate(0, 0, 60))
	must(t, err)
	return w
}

// faulty loses some updates before they are written, and of others the answer.
type faulty struct {
	authority.Store
	mu     sync.Mutex
	random *rand.Rand
	lost   [2]int
}

var errLost = errors.New("the connection was lost")

func (f *faulty) Update(ctx context.Context, fn func(authority.Tx) error) error {
	f.mu.Lock()
	at := f.random.IntN(6)
	if at < 2 {
		f.lost[at]++
	}
	f.mu.Unlock()
	if at == 0 {
		return errLost
	}
	err := f.Store.Update(ctx, fn)
	if at == 1 && err == nil {
		return errLost
	}
	return err
}

// TestNoticesOfMany gives the notices of a warrant by two servers at once on each store, which now and then lose a transaction or the answer to it, while
// devices check in and get theirs there: each has one notice in the end, and is counted once.
func TestNoticesOfMany(t *testing.T) {
	for name, open := range map[string]func(testing.TB) authority.Store{
		"memory": func(testing.TB) authority.Store { return memory.New() }, "sqlite": onSQLite, "postgres": onPostgres,
	} {
		t.Run(name, func(t *testing.T) { noticesOfMany(t, open(t)) })
	}
}

func noticesOfMany(t *testing.T, store authority.Store) {
	const n, strangers = authority.NoticeAtOnce + 1_700, 300 // several pages, the last one not full
	ctx := context.Background()
	must(t, scale.Fleet(ctx, store, n, 2, now, nil))
	must(t, store.Update(ctx, func(tx authority.Tx) error { // never switched on
		rows := make([]authority.Production, strangers)
		for i := range rows {
			rows[i] = scale.Production(n + i)
		}
		return tx.PutProduction(rows)
	}))
	must(t, store.Update(ctx, func(tx authority.Tx) error { // whose clock is in doubt: nothing is escalated (Charter C10)
		d, err := tx.Device(scale.ID(5_000))
		if err != nil {
			return err
		}
		d.ClockDoubt = true
		return tx.PutDevice(d)
	}))
	lossy := &faulty{Store: store, random: rand.New(rand.NewPCG(1, 2))}
	calm := service(t, store)
	w := drafted(t, calm)
	out, err := calm.BeginHold(ctx, bela, w.ID)
	must(t, err)
	if j := out.Notices; j == nil || j.State != authority.JobWaiting || j.Total != n+strangers || j.Subject != w.ID || out.Warrant.DevicesAtIssue != 0 {
		t.Fatalf("%+v of %+v", j, out.Warrant)
	}

	shaken := service(t, lossy)
	var working sync.WaitGroup
	for range 2 {
		working.Go(func() {
			for {
				j, err := shaken.StepJob(ctx, out.Notices.ID)
				switch {
				case err != nil && !errors.Is(err, errLost):
					t.Error(err)
					return
				case err == nil && j.State.Finished():
					return
				}
			}
		})
	}
	checkedIn := 0
	working.Go(func() { // devices from the end, which their turn reaches last
		for i := n - 1; i > n-900; i -= 3 {
			switch err := noticedAtCheckIn(ctx, store, i, out.Warrant); {
			case err == nil:
				checkedIn++
			case !errors.Is(err, authority.ErrConflict):
				t.Error(err)
				return
			}
		}
	})
	working.Wait()
	if lossy.lost[0] == 0 || lossy.lost[1] == 0 || checkedIn == 0 {
		t.Errorf("lost %v, checked in %d: too little happened for this to prove anything", lossy.lost, checkedIn)
	}
	j, err := calm.Job(ctx, out.Notices.ID)
	must(t, err)
	var got authority.Noticed
	must(t, json.Unmarshal(j.Result, &got))
	want := authority.Noticed{Enrolled: n, Noticed: n - 1 - checkedIn, Before: checkedIn, Left: 1}
	if j.State != authority.JobDone || j.Done != n+strangers || j.Step != (n+strangers+999)/1000 || got != want {
		t.Errorf("%+v: %+v, want %+v", j, got, want)
	}
	onceNoticed(t, store, calm, n, w.ID, 5_000)
}

// noticedAtCheckIn is what a check-in does to a device that a warrant holds.
func noticedAtCheckIn(ctx context.Context, store authority.Store, i int, w *authority.Warrant) error {
	id, g := scale.ID(i), order.Ground{Kind: order.Warrant, ID: w.ID}
	return store.Update(ctx, func(tx authority.Tx) error {
		if _, err := tx.Device(id); err != nil {
			return err
		}
		if err := tx.NoticeIfFree(&authority.Restriction{Device: id, Ground: g, Stage: order.Noticed, Authority: w.Hash, Reference: order.Reference(id, g),
			NoticedAt: now, Deadline: now.AddDate(0, 0, 17)}); err != nil {
			return err
		}
		leaf := order.Leaf{Kind: order.Notice, Ground: g, Authority: w.Hash, IssuedAt: now, Deadline: now.AddDate(0, 0, 17), Commitment: order.Commit([32]byte{byte(i), byte(i >> 8)}, id)}
		o := &authority.Order{Device: id, Kind: order.Notice, Ground: g, IssuedAt: now, Salt: [32]byte{byte(i), byte(i >> 8)}}
		var err error
		if o.Leaf, err = leaf.Marshal(); err != nil {
			return err
		}
		o.ID = order.LeafID(o.Leaf)
		if err := tx.InsertOrder(o); err != nil {
			return err
		}
		return tx.AddEvent(authority.Event{Device: id, At: now, Kind: "noticed", Ground: g, Actor: "bela", Detail: "A notice was issued."})
	})
}

// onceNoticed checks that each of n devices but those left has one notice, which is in the ledger at a place of its own, and that the warrant says how
// many there are.
func onceNoticed(t *testing.T, store authority.Store, s *authority.Service, n int, warrant string, left ...int) {
	t.Helper()
	ctx := context.Background()
	sequenced := 0
	for {
		some, err := s.Sequence(ctx)
		must(t, err)
		if sequenced += some; some == 0 {
			break
		}
	}
	if sequenced != n-len(left) {
		t.Errorf("%d orders in the ledger", sequenced)
	}
	without := make(map[int]bool)
	for _, i := range left {
		without[i] = true
	}
	places := make(map[uint64]bool)
	must(t, store.View(ctx, func(tx authority.Tx) error {
		w, err := tx.Warrant(warrant)
		if err != nil {
			return err
		}
		if w.DevicesAtIssue != n {
			t.Errorf("the warrant says %d devices", w.DevicesAtIssue)
		}
		for i := range n {
			orders, err := tx.OrdersOf(scale.ID(i), 10)
			if err != nil {
				return err
			}
			restrictions, err := tx.Restrictions(scale.ID(i))
			if err != nil {
				return err
			}
			events, err := tx.Events(scale.ID(i), 10)
			if err != nil {
				return err
			}
			if without[i] {
				if len(orders)+len(restrictions)+len(events) > 0 {
					t.Errorf("device %d is in doubt, and has %+v", i, orders)
				}
				continue
			}
			if len(orders) != 1 || orders[0].Kind != order.Notice || !orders[0].Sequenced || places[orders[0].Index] || len(events) != 1 || events[0].Kind != "noticed" ||
				len(restrictions) != 1 || restrictions[0].Stage != order.Noticed || restrictions[0].Round != 1 {
				t.Fatalf("device %d: %+v, %+v, %+v", i, orders, restrictions, events)
			}
			places[orders[0].Index] = true
		}
		return nil
	}))
}

// BenchmarkNotices publishes a warrant for 100,000 devices: how long the officer waits, and what the job does. Its bound is the release of the same devices,
// by pages of the same kind of work.
func BenchmarkNotices(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkNotices(b, onSQLite) })
	b.Run("postgres", func(b *testing.B) { benchmarkNotices(b, onPostgres) })
}

func benchmarkNotices(b *testing.B, open func(testing.TB) authority.Store) {
	const n = 100_000
	ctx := context.Background()
	for b.Loop() {
		b.StopTimer()
		store := open(b)
		must(b, scale.Fleet(ctx, store, n, 2, now, nil))
		s := service(b, store)
		w := drafted(b, s)
		b.StartTimer()
		begun := time.Now()
		out, err := s.BeginHold(ctx, bela, w.ID)
		must(b, err)
		request := time.Since(begun)
		done, err := s.FinishJob(ctx, out.Notices.ID)
		must(b, errors.Join(err, done.Err()))
		job := time.Since(begun) - request
		b.StopTimer()
		for some := 1; some > 0; { // a release finds its notices in the ledger
			some, err = s.Sequence(ctx)
			must(b, err)
		}
		bound, err := scale.Release(ctx, s, w.Case, ada)
		must(b, err)
		b.ReportMetric(request.Seconds(), "request-s")
		b.ReportMetric(n/job.Seconds(), "noticed/s")
		b.ReportMetric(bound.Orders.Seconds()/job.Seconds(), "of-release")
		b.StartTimer()
	}
}
