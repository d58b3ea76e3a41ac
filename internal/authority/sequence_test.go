package authority_test

import (
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

var errBroken = errors.New("the disk is full")

// brokenLedger fails appends: before they happened, or after they did and before anyone was told.
type brokenLedger struct {
	authority.Ledger
	fail, after bool
	finds       int
}

func (b *brokenLedger) AppendBatch(ctx context.Context, leaves [][]byte) ([]uint64, error) {
	if b.fail {
		return nil, errBroken
	}
	indexes, err := b.Ledger.AppendBatch(ctx, leaves)
	if b.after {
		return nil, errors.Join(errBroken, err)
	}
	return indexes, err
}

func (b *brokenLedger) FindAll(ctx context.Context, ids []order.ID, since uint64) (map[order.ID]uint64, error) {
	b.finds++
	return b.Ledger.FindAll(ctx, ids, since)
}

// brokenStore fails updates while it is told to.
type brokenStore struct {
	authority.Store
	fail bool
}

func (b *brokenStore) Update(ctx context.Context, fn func(authority.Tx) error) error {
	if b.fail {
		return errBroken
	}
	return b.Store.Update(ctx, fn)
}

// counterOf returns a plain counter of the rig's registry.
func counterOf(t *testing.T, r *rig, name string) prometheus.Collector {
	t.Helper()
	families, err := r.registry.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return fixedCounter{f.GetMetric()[0]}
		}
	}
	t.Fatalf("no counter %s", name)
	return nil
}

// fixedCounter is a counter as it was gathered.
type fixedCounter struct{ m *dto.Metric }

func (f fixedCounter) Describe(c chan<- *prometheus.Desc) { prometheus.DescribeByCollect(f, c) }
func (f fixedCounter) Collect(c chan<- prometheus.Metric) {
	c <- prometheus.MustNewConstMetric(prometheus.NewDesc("fixed", "", nil, nil), prometheus.CounterValue, f.m.GetCounter().GetValue())
}

// noticed lives until three phones have a pending notice each.
func noticed(r *rig) []*phone {
	var phones []*phone
	for range 3 {
		phones = append(phones, r.newPhone(r.made("C-1", "trader", "ES")).enrol())
	}
	for phones[0].detail().Restrictions == nil {
		for _, p := range phones {
			must(r.T, p.Observe(havana))
			p.checkIn()
		}
		r.wait(day)
	}
	return phones
}

// leaves counts the ledger's orders, each of which must stand there once.
func (r *rig) leaves() int {
	r.Helper()
	size, err := r.ledger.Size(ctx)
	must(r.T, err)
	seen := make(map[order.ID]bool)
	must(r.T, r.ledger.Entries(ctx, 0, size, func(index uint64, leaf []byte) error {
		id := order.LeafID(leaf)
		if seen[id] {
			r.Errorf("leaf %d stands twice in the ledger", index)
		}
		seen[id] = true
		return nil
	}))
	return len(seen)
}

// The ledger fails before the append, or after it, or the store fails to remember it; the process lives on, or restarts. In each
// case every order is in the ledger once in the end, and reaches its device.
func TestSequenceAfterFailure(t *testing.T) {
	for _, tc := range []struct {
		name            string
		before, after   bool
		forget, restart bool
	}{
		{name: "not appended", before: true},
		{name: "not appended, restarted", before: true, restart: true},
		{name: "appended, answer lost", after: true},
		{name: "appended, answer lost, restarted", after: true, restart: true},
		{name: "appended, not remembered", forget: true},
		{name: "appended, not remembered, restarted", forget: true, restart: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			broken, forgetful := &brokenLedger{}, &brokenStore{}
			r := newRig(t, func(c *authority.Config) {
				broken.Ledger, forgetful.Store = c.Ledger, c.Store
				c.Ledger, c.Store = broken, forgetful
			})
			phones := noticed(r)
			broken.fail, broken.after, forgetful.fail = tc.before, tc.after, tc.forget
			if n, err := r.Sequence(ctx); err == nil || n != 0 {
				t.Fatalf("%d sequenced, %v", n, err)
			}
			broken.fail, broken.after, forgetful.fail = false, false, false
			if tc.restart {
				r.open()
			}
			if n := r.sequence(); n != 3 {
				t.Fatalf("%d sequenced after the failure", n)
			}
			if broken.finds == 0 {
				t.Error("the ledger was not asked before appending again")
			}
			if n := r.leaves(); n != 3 {
				t.Errorf("%d orders in the ledger", n)
			}
			for _, p := range phones {
				if _, outcome := p.checkIn(); len(outcome.Applied) != 1 {
					t.Errorf("%+v", outcome)
				}
			}
			if n := r.sequence(); n != 0 {
				t.Errorf("%d sequenced again", n)
			}
		})
	}
}

// Without doubt the ledger is not searched: that reads all of it.
func TestFreshOrdersAreNotSearchedFor(t *testing.T) {
	broken := &brokenLedger{}
	r := newRig(t, func(c *authority.Config) { broken.Ledger, c.Ledger = c.Ledger, broken })
	r.sequence()
	noticed(r)
	if n := r.sequence(); n != 3 || broken.finds != 0 {
		t.Errorf("%d sequenced, %d searches", n, broken.finds)
	}
}

// Orders for one device enter the ledger in the sequence in which they were issued, even those of one second.
func TestOneDevicesOrdersKeepTheirSequence(t *testing.T) {
	r := newRig(t)
	p := noticed(r)[0]
	must(t, r.LiftByHuman(ctx, r.ana, p.id, cuba, "the notice was a mistake"))
	r.sequence()
	orders := p.detail().Orders // newest first
	if len(orders) != 2 || orders[0].Kind != order.Lift || orders[0].Index <= orders[1].Index {
		t.Fatalf("%+v", orders)
	}
	p.checkIn()
	p.stage(cuba, order.Lifted, order.Lifted)
}
