package postgres

import (
	"sync"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// TestTwoReleasesOfOneDevice: two transactions that rest on their guards lift the two restrictions of one device, and neither sees the other's
// lift. One of them is done again, so that the device counts as lifted.
func TestTwoReleasesOfOneDevice(t *testing.T) {
	db := opened(t, Options{})
	newTally(t, db, 1)
	at := time.Unix(1_790_000_000, 0).UTC()
	grounds := [2]order.Ground{{Kind: order.Warrant, ID: "warrant-1"}, {Kind: order.Warrant, ID: "warrant-2"}}
	for _, g := range grounds {
		if err := db.Update(t.Context(), func(tx authority.Tx) error {
			return tx.NoticeIfFree(&restriction.Restriction{Device: fleetID(0), Ground: g, NoticedAt: at, Deadline: at.Add(order.MinNotice)})
		}); err != nil {
			t.Fatal(err)
		}
	}
	var begun [2]sync.Once
	var looked, running sync.WaitGroup
	looked.Add(2)
	for i, g := range grounds {
		running.Go(func() {
			err := db.Update(authority.WithGuardsOnly(t.Context()), func(tx authority.Tx) error {
				if _, err := tx.ActiveOn(g, device.ID{}, 1); err != nil { // what this transaction sees is fixed from here on
					return err
				}
				begun[i].Do(looked.Done)
				looked.Wait()
				hit, err := tx.LiftAllIfActive(g, []device.ID{fleetID(0)}, at.Add(time.Hour), order.ByCase)
				if err == nil && !hit[0] {
					t.Errorf("%s was not lifted", g.ID)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	if err := db.View(t.Context(), func(tx authority.Tx) error {
		d, err := tx.Device(fleetID(0))
		if err == nil && d.Stage != order.Lifted {
			t.Errorf("without restrictions the device counts as %v", d.Stage)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
