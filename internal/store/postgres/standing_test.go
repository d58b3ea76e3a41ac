package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

var cuba = order.Ground{Kind: order.Rule, ID: "cuba"}

// restricted gives a device a notice, which it shows, and orders of all kinds.
func restricted(t *testing.T, db *DB, n int) {
	t.Helper()
	at := time.Unix(1_790_000_000, 0).UTC()
	id := fleetID(n)
	err := db.Update(t.Context(), func(tx authority.Tx) error {
		for i, o := range []authority.Order{{}, {Settled: true}, {Sequenced: true, Index: uint64(10*n + 2)}, {Sequenced: true, Index: uint64(10*n + 3), Settled: true}} {
			o.ID, o.Device, o.Leaf, o.Salt, o.Kind, o.Ground, o.IssuedAt = order.ID{byte(n), byte(i)}, id, []byte{1}, [32]byte{byte(i)}, order.Notice, cuba, at.Add(time.Duration(i%2)*time.Second)
			if err := tx.InsertOrder(&o); err != nil {
				return err
			}
		}
		return errors.Join(tx.NoticeIfFree(&restriction.Restriction{Device: id, Ground: cuba, NoticedAt: at, Deadline: at.Add(order.MinNotice)}),
			tx.ReportApplied(id, cuba, order.Noticed, 3, at, "note"))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// standings is what a check-in of a restricted device asks for, beside what it writes.
func standings(tx authority.Tx, n int) (all []any, err error) {
	id := fleetID(n)
	list, err1 := tx.Restrictions(id)
	one, err2 := tx.Restriction(id, cuba)
	_, err3 := tx.Restriction(id, order.Ground{Kind: order.Rule, ID: "none"})
	if errors.Is(err3, authority.ErrAbsent) {
		err3 = nil
	}
	orders, err4 := tx.Deliverable(id)
	recent, err5 := tx.OrdersOf(id, 3)
	return []any{list, one, orders, recent}, errors.Join(err1, err2, err3, err4, err5)
}

// TestRestrictedDevicesShareACommit: a check-in that only looks at how its device stands gets it from the lane, and gets what a transaction of
// its own would get.
func TestRestrictedDevicesShareACommit(t *testing.T) {
	const n = 12
	db := opened(t, Options{})
	newTally(t, db, n)
	for i := range n / 2 {
		restricted(t, db, i)
	}
	before := db.Stats()
	got := make([][]any, n/2)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			err := db.Update(t.Context(), func(tx authority.Tx) error {
				if err := count1(i)(tx); err != nil || i >= n/2 {
					return err
				}
				if err := tx.ReportApplied(fleetID(i), cuba, order.Noticed, 3, time.Now(), "note"); err != nil {
					return err
				}
				var err error
				got[i], err = standings(tx, i)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if after := db.Stats(); after.Alone != before.Alone {
		t.Errorf("%d had transactions of their own", after.Alone-before.Alone)
	}
	err := db.View(t.Context(), func(tx authority.Tx) error {
		for i := range got {
			want, err := standings(tx, i)
			if err != nil {
				return err
			}
			if d := cmp.Diff(want, got[i], cmpopts.EquateEmpty()); d != "" {
				t.Errorf("device %d (- a transaction of its own, + a lane):\n%s", i, d)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	// What it reports anew is written.
	if err := db.Update(t.Context(), func(tx authority.Tx) error {
		return errors.Join(count1(0)(tx), tx.ReportApplied(fleetID(0), cuba, order.Noticed, 4, time.Now(), ""))
	}); err != nil {
		t.Error(err)
	}
	if err := db.View(t.Context(), func(tx authority.Tx) error {
		r, err := tx.Restriction(fleetID(0), cuba)
		if err == nil && r.ShownDays != 4 {
			t.Errorf("shown on %d days", r.ShownDays)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// TestRestrictionsStandStillForALane: as long as a lane has a device, nobody changes its restrictions, whatever of them.
func TestRestrictionsStandStillForALane(t *testing.T) {
	db := opened(t, Options{Lanes: 1})
	newTally(t, db, 1)
	restricted(t, db, 0)
	looked, gate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		done <- db.Update(context.Background(), func(tx authority.Tx) error {
			if err := count1(0)(tx); err != nil {
				return err
			}
			r, err := tx.Restriction(fleetID(0), cuba)
			once.Do(func() { close(looked) })
			<-gate
			if err == nil && r.Appealing {
				t.Error("an appeal came between")
			}
			return err
		})
	}()
	<-looked
	appeal := make(chan error, 1)
	go func() {
		appeal <- db.Update(context.Background(), func(tx authority.Tx) error { return tx.SetAppealing(fleetID(0), cuba, true) })
	}()
	select {
	case err := <-appeal:
		t.Errorf("a restriction changed while a lane had its device: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	close(gate)
	if err := errors.Join(<-done, <-appeal); err != nil {
		t.Error(err)
	}
	if db.Stats().Alone < 2 {
		t.Errorf("%+v", db.Stats())
	}
}
