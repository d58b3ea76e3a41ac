package memory

import (
	"errors"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

// each does one after the other; a guard that does not hold is no error.
func each[T any](list []T, do func(T) error) (hit []bool, err error) {
	hit = make([]bool, len(list))
	for i, v := range list {
		switch err := do(v); {
		case err == nil:
			hit[i] = true
		case !errors.Is(err, authority.ErrConflict) && !errors.Is(err, authority.ErrAbsent):
			return nil, err
		}
	}
	return hit, nil
}

func (t *tx) LiftAllIfActive(g order.Ground, ids []device.ID, at time.Time, cause order.Cause) ([]bool, error) {
	return each(ids, func(id device.ID) error {
		if r, err := t.Restriction(id, g); err != nil {
			return err
		} else if r.Appealing || r.Stage == order.Noticed && r.Wave != 0 {
			return authority.ErrConflict
		}
		return t.LiftIfActive(id, g, at, cause)
	})
}

func (t *tx) NoticeAllIfFree(list []*ground) ([]bool, error) {
	for _, r := range list {
		if _, known := t.devices[r.Device]; !known {
			return nil, authority.ErrAbsent
		}
	}
	return each(list, t.NoticeIfFree)
}

func (t *tx) LockAllIfNoticed(locks []authority.Lock) ([]bool, error) {
	return each(locks, func(l authority.Lock) error {
		return t.LockIfNoticed(l.Device, l.Ground, l.LockedAt, l.EffectAt, l.EndsAt)
	})
}

func (t *tx) InsertOrders(list []*authority.Order) error {
	for _, o := range list {
		if err := t.InsertOrder(o); err != nil {
			return err
		}
	}
	return nil
}

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
	return each(places, func(p authority.Place) error { return t.SequenceIfPending(p.Device, p.ID, p.Index) })
}

func (t *tx) Unsettled(g order.Ground, after device.ID, limit int) (list []*authority.Order, err error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	for _, id := range t.idsAfter(after) {
		if len(list) >= limit {
			break
		}
		for _, o := range slices.Backward(t.ordersOf[id]) {
			if r := t.orders[o]; r.Ground == g && !r.Settled {
				list = append(list, r.copy())
				break
			}
		}
	}
	return list, nil
}

func (t *tx) CountActiveOn(g order.Ground) (n int, err error) {
	for _, list := range t.restrictions {
		for _, r := range list {
			if r.Ground == g && r.Active() {
				n++
			}
		}
	}
	return n, nil
}
