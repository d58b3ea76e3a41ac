package sqlite

import (
	"errors"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/order"
)

// One prepared statement a row: in the process of the store a statement costs no round trip, and rows in one statement measured no better.

func (t *tx) LiftAllIfActive(g order.Ground, ids []device.ID, at time.Time, cause order.Cause) ([]bool, error) {
	hit := make([]bool, len(ids))
	lifted := table.Stamp(at)
	for i := range ids {
		n, err := t.Exec(`UPDATE restriction SET stage = 3, lifted_at = ?4, cause = ?5, appealing = 0
			WHERE device = ?1 AND ground_kind = ?2 AND ground = ?3 AND stage IN (1, 2)`, record.Number(ids[i]), int64(g.Kind), g.ID, lifted, int64(cause))
		if err != nil {
			return nil, err
		}
		hit[i] = n > 0
	}
	return hit, nil
}

func (t *tx) LockAllIfNoticed(locks []authority.Lock) ([]bool, error) {
	hit := make([]bool, len(locks))
	for i, l := range locks {
		err := t.LockIfNoticed(l.Device, l.Ground, l.LockedAt, l.EffectAt, l.EndsAt)
		if err != nil && !errors.Is(err, authority.ErrConflict) && !errors.Is(err, authority.ErrAbsent) {
			return nil, err
		}
		hit[i] = err == nil
	}
	return hit, nil
}

func (t *tx) InsertOrders(list []*authority.Order) error {
	for _, o := range list {
		if err := t.InsertOrder(o); err != nil {
			return err
		}
	}
	return nil
}

// SettleReplaced: an order that a device's newest one replaces was inserted before it; orders on a ground are few.
func (t *tx) SettleReplaced(list []*authority.Order) error {
	for _, o := range list {
		settle := t.SettleOlderEscalations
		if o.Kind == order.Lift {
			settle = t.SettleOlder
		}
		if err := settle(o.Device, o.Ground, o.ID); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) AddEvents(list []authority.Event) error {
	for _, e := range list {
		if err := t.AddEvent(e); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) SequenceAllIfPending(places []authority.Place) ([]bool, error) {
	hit := make([]bool, len(places))
	for i := range places {
		index, err := table.Count("ledger index", places[i].Index)
		if err != nil {
			return nil, err
		}
		n, err := t.Exec("UPDATE orders SET leaf_index = ? WHERE id = ? AND leaf_index IS NULL", index, places[i].ID[:])
		if err != nil {
			return nil, err
		}
		hit[i] = n > 0
	}
	return hit, nil
}
