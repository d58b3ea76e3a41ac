package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

func inserted(t *testing.T, db *DB, d *authority.Device) {
	t.Helper()
	if err := db.Update(t.Context(), func(tx authority.Tx) error { return tx.InsertDevice(d) }); err != nil {
		t.Fatal(err)
	}
}

// TestSomebodyComesBetween: while a light update looks at a device, another transaction notices it, or issues an order. Then the update runs
// again and sees that. It cannot be on the writer, where the other one would never get its turn.
func TestSomebodyComesBetween(t *testing.T) {
	g, at := order.Ground{Kind: order.Rule, ID: "cuba"}, time.Unix(1_790_000_000, 0)
	number := uint64(0)
	for name, other := range map[string]func(tx authority.Tx, d *authority.Device) error{
		"a notice": func(tx authority.Tx, d *authority.Device) error {
			return tx.NoticeIfFree(&restriction.Restriction{Device: d.ID, Ground: g, NoticedAt: at, Deadline: at.Add(order.MinNotice)})
		},
		"an order": func(tx authority.Tx, d *authority.Device) error {
			o := &authority.Order{Device: d.ID, Leaf: []byte{1}, Kind: order.Lift, Ground: g, IssuedAt: at}
			number++
			binary.BigEndian.PutUint64(o.ID[:], number)
			return tx.InsertOrder(o)
		},
		"another check-in": func(tx authority.Tx, d *authority.Device) error {
			c := *d
			c.Unlocks++
			return tx.PutDevice(&c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := opened(t, Options{})
			inserted(t, db, usual(1, 20))
			runs := 0
			err := db.Update(t.Context(), func(tx authority.Tx) error {
				d, err := tx.Device(usual(1, 0).ID)
				if err != nil {
					return err
				}
				if runs++; runs == 1 {
					between := make(chan error)
					go func() {
						between <- db.Update(context.Background(), func(tx authority.Tx) error { return other(tx, d) })
					}()
					if err := <-between; err != nil {
						t.Error(err)
					}
				}
				if _, err := tx.Restrictions(d.ID); err != nil {
					return err
				}
				d.Sequence++
				return tx.UpdateDeviceIfNewer(d, d.Sequence-1)
			})
			if err != nil || runs != 2 {
				t.Errorf("%v after %d runs", err, runs)
			}
		})
	}
}

// TestWorkedOutBefore: a record of an earlier view is written without being read again, and refused when it is no longer the last one.
func TestWorkedOutBefore(t *testing.T) {
	db := opened(t, Options{})
	inserted(t, db, usual(1, 20))
	var seen *authority.Device
	if err := db.View(t.Context(), func(tx authority.Tx) (err error) { seen, err = tx.Device(usual(1, 0).ID); return err }); err != nil {
		t.Fatal(err)
	}
	update := func() error {
		d := *seen
		d.Sequence++
		d.Activation = nil // it is counted elsewhere now, or nowhere
		d.Days = nil
		return db.Update(t.Context(), func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(&d, d.Sequence-1) })
	}
	if err := update(); err != nil {
		t.Fatal(err)
	}
	if err := update(); !errors.Is(err, authority.ErrConflict) {
		t.Errorf("the second time: %v", err)
	}
	if err := db.View(t.Context(), func(tx authority.Tx) error {
		counts, err := tx.StageCounts()
		if len(counts) != 1 || counts[0] != (authority.StageCount{Devices: 1}) {
			t.Errorf("counted as %v", counts)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestRolledBackEntries: a number that a failed update gave to a model is not remembered, and may be another model's next.
func TestRolledBackEntries(t *testing.T) {
	db := opened(t, Options{})
	failed := errors.New("no")
	var group sync.WaitGroup
	for n := range 200 { // in batches, some of which fail beside others
		group.Go(func() {
			d := usual(n, 3)
			d.Model = fmt.Sprint("M", n%7, n%2 == 0)
			err := db.Update(t.Context(), func(tx authority.Tx) error {
				if err := tx.InsertDevice(d); err != nil {
					return err
				}
				if n%2 == 0 {
					return failed
				}
				return nil
			})
			if n%2 == 0 && !errors.Is(err, failed) || n%2 != 0 && err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for n := range 200 {
		if n%2 == 0 {
			d := usual(n, 3)
			d.Model = fmt.Sprint("M", n%7, n%2 == 0)
			inserted(t, db, d)
		}
	}
	if err := db.View(t.Context(), func(tx authority.Tx) error {
		for n := range 200 {
			d, err := tx.Device(usual(n, 0).ID)
			if err != nil {
				return err
			}
			if want := fmt.Sprint("M", n%7, n%2 == 0); d.Model != want || len(d.Reasons) != 1 {
				t.Errorf("device %d is a %s: %v", n, d.Model, d.Reasons)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
