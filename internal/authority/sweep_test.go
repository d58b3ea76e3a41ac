package authority_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

// busyStore counts updates.
type busyStore struct {
	authority.Store
	updates atomic.Int64
}

func (s *busyStore) Update(ctx context.Context, fn func(authority.Tx) error) error {
	s.updates.Add(1)
	return s.Store.Update(ctx, fn)
}

// A sweep with nothing to do leaves the writer to check-ins, however many devices are held or wait.
func TestAnIdleSweepKeepsOffTheWriter(t *testing.T) {
	r := newRig(t)
	store := &busyStore{Store: r.store}
	r.config.Store = store
	phones := r.due(2) // past their date
	held := r.newPhone(r.made("C-9", "trader", "ES")).enrol()
	held.live(2, madrid)
	r.warrant("C-9", 80*day)
	r.sequence()
	held.live(12, madrid)
	r.open()
	must(t, r.Sweep(ctx))
	_, err := r.ApproveWave(ctx, r.ana, r.openWave().ID, authority.WaveApproval{})
	must(t, err)
	r.sequence()
	held.live(3, madrid)
	for _, g := range held.detail().Restrictions {
		if g.Stage != order.Locked {
			t.Fatalf("%+v", g)
		}
	}
	must(t, r.Sweep(ctx))
	phones[0].wait(day)
	before := store.updates.Load()
	must(t, r.Sweep(ctx))
	if n := store.updates.Load() - before; n != 1 { // of the sessions that expired
		t.Errorf("%d updates", n)
	}
}
