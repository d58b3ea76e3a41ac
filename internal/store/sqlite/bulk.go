package sqlite

import (
	"errors"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/order"
)

// One prepared statement a row: in the process of the store a statement costs no round trip, and rows in one statement measured no better.

func (t *tx) LiftAllIfActive(g order.Ground, ids []device.ID, at time.Time, cause order.Cause) ([]bool, error) {
	hit := make([]bool, len(ids))
	lifted := table.Stamp(at)
	t.grown = make(map[int64]bool, len(ids))
	for i := range ids {
		n, err := t.Exec(`UPDATE restriction SET stage = 3, lifted_at = ?4, cause = ?5, appealing = 0
			WHERE device = ?1 AND ground_kind = ?2 AND ground = ?3 AND stage IN (1, 2) AND appealing = 0 AND (stage = 2 OR wave IS NULL)`,
			record.Number(ids[i]), int64(g.Kind), g.ID, lifted, int64(cause))
		if err != nil {
			return nil, err
		}
		if hit[i] = n > 0; hit[i] {
			t.grown[record.Number(ids[i])] = true // by the trigger restriction_moved
		}
	}
	return hit, nil
}

func (t *tx) NoticeAllIfFree(list []*restriction.Restriction) ([]bool, error) {
	hit := make([]bool, len(list))
	t.grown = make(map[int64]bool, len(list))
	for i, r := range list {
		err := t.NoticeIfFree(r)
		if err != nil && !errors.Is(err, authority.ErrConflict) {
			return nil, err
		}
		if hit[i] = err == nil; hit[i] {
			t.grown[record.Number(r.Device)] = true // by the triggers restriction_noticed and restriction_moved
		}
	}
	return hit, nil
}

func (t *tx) LockAllIfNoticed(locks []authority.Lock) ([]bool, error) {
	hit := make([]bool, len(locks))
	t.grown = make(map[int64]bool, len(locks))
	for i, l := range locks {
		err := t.LockIfNoticed(l.Device, l.Ground, l.LockedAt, l.EffectAt, l.EndsAt)
		if err != nil && !errors.Is(err, authority.ErrConflict) && !errors.Is(err, authority.ErrAbsent) {
			return nil, err
		}
		if hit[i] = err == nil; hit[i] {
			t.grown[record.Number(l.Device)] = true
		}
	}
	return hit, nil
}

func (t *tx) InsertOrders(list []*authority.Order) error {
	t.only = make(map[order.ID]bool, len(list))
	for _, o := range list {
		if err := t.InsertOrder(o); err != nil {
			return err
		}
	}
	return nil
}

// SettleReplaced: mostly the new order is the only one on its ground that is not settled, as was seen when it was inserted.
func (t *tx) SettleReplaced(list []*authority.Order) error {
	const older = `UPDATE orders SET settled = 1 WHERE device = ?1 AND ground_kind = ?2 AND ground = ?3 AND settled = 0 AND id <> ?4
		AND (issued_at, number) < (SELECT k.issued_at, k.number FROM orders AS k WHERE k.device = ?1 AND k.id = ?4)`
	for _, o := range list {
		if t.only[o.ID] {
			continue
		}
		query := older + " AND kind <> 3"
		if o.Kind == order.Lift {
			query = older
		}
		if _, err := t.Exec(query, record.Number(o.Device), int64(o.Ground.Kind), o.Ground.ID, o.ID[:]); err != nil {
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
		n, err := t.Exec("UPDATE orders SET leaf_index = ? WHERE device = ? AND id = ? AND leaf_index IS NULL", index, record.Number(places[i].Device), places[i].ID[:])
		if err != nil {
			return nil, err
		}
		hit[i] = n > 0
	}
	return hit, nil
}
