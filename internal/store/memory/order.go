package memory

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

// older is the order of issue; of two of the same moment, the one that was inserted first.
func older(a, b *row) int { return cmp.Or(a.IssuedAt.Compare(b.IssuedAt), a.number-b.number) }

func (t *tx) InsertOrder(o *authority.Order) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if _, known := t.devices[o.Device]; !known {
		return authority.ErrAbsent
	}
	if _, taken := t.orders[o.ID]; taken || t.salts[o.Salt] {
		return authority.ErrConflict
	}
	if len(o.Leaf) == 0 || len(o.Leaf) > order.MaxLeaf || o.Refusal != "" && !o.Settled || !o.DeliveredAt.IsZero() && !o.Sequenced {
		return broken("the order is out of bounds")
	}
	t.numbered++
	r := &row{Order: *o, number: int(t.numbered)}
	r.Leaf = bytes.Clone(o.Leaf)
	if o.Sequenced {
		if _, taken := t.atIndex[o.Index]; taken {
			return authority.ErrConflict
		}
		put(t, t.atIndex, o.Index, o.ID)
	} else {
		put(t, t.pending, o.ID, true)
	}
	put(t, t.orders, o.ID, r)
	put(t, t.salts, o.Salt, true)
	ids := slices.Clone(t.ordersOf[o.Device])
	i := len(ids)
	for i > 0 && older(t.orders[ids[i-1]], r) > 0 {
		i--
	}
	put(t, t.ordersOf, o.Device, slices.Insert(ids, i, o.ID))
	return nil
}

func (r *row) copy() *authority.Order {
	c := r.Order
	c.Leaf = bytes.Clone(c.Leaf)
	return &c
}

func (t *tx) Order(of device.ID, id order.ID) (*authority.Order, error) {
	r, ok := t.orders[id]
	if !ok || r.Device != of {
		return nil, authority.ErrAbsent
	}
	return r.copy(), nil
}

func (t *tx) PendingOrders(limit int) ([]*authority.Order, error) {
	if err := within(limit); err != nil || len(t.pending) == 0 {
		return nil, err
	}
	rows := make([]*row, 0, len(t.pending))
	for id := range maps.Keys(t.pending) {
		rows = append(rows, t.orders[id])
	}
	slices.SortFunc(rows, older)
	list := make([]*authority.Order, 0, len(rows))
	for _, r := range rows[:min(limit, len(rows))] {
		list = append(list, r.copy())
	}
	return list, nil
}

// rewrite replaces an order by a changed one.
func (t *tx) rewrite(of device.ID, id order.ID, guard func(*row) bool, change func(*row)) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	r, ok := t.orders[id]
	if !ok || r.Device != of {
		return authority.ErrAbsent
	}
	if !guard(r) {
		return authority.ErrConflict
	}
	next := *r
	change(&next)
	put(t, t.orders, id, &next)
	return nil
}

func always(*row) bool { return true }

func (t *tx) SequenceIfPending(of device.ID, id order.ID, index uint64) error {
	guard := func(r *row) bool {
		_, taken := t.atIndex[index]
		return !r.Sequenced && !taken
	}
	if err := t.rewrite(of, id, guard, func(r *row) { r.Sequenced, r.Index = true, index }); err != nil {
		return err
	}
	put(t, t.atIndex, index, id)
	drop(t, t.pending, id)
	return nil
}

func (t *tx) Deliverable(id device.ID) (list []*authority.Order, err error) {
	for _, o := range t.ordersOf[id] {
		if r := t.orders[o]; r.Sequenced && !r.Settled {
			list = append(list, r.copy())
		}
	}
	return list, nil
}

func (t *tx) MarkDelivered(of device.ID, id order.ID, at time.Time) error {
	return t.rewrite(of, id, func(r *row) bool { return r.Sequenced }, func(r *row) { r.DeliveredAt = at })
}

func (t *tx) Settle(of device.ID, id order.ID, refusal string) error {
	return t.rewrite(of, id, always, func(r *row) { r.Settled, r.Refusal = true, refusal })
}

func (t *tx) SettleOlder(id device.ID, g order.Ground, keep order.ID) error {
	return t.settleOlder(id, g, keep, always)
}

func (t *tx) SettleOlderEscalations(id device.ID, g order.Ground, keep order.ID) error {
	return t.settleOlder(id, g, keep, func(r *row) bool { return r.Kind != order.Lift })
}

func (t *tx) settleOlder(id device.ID, g order.Ground, keep order.ID, which func(*row) bool) error {
	kept, ok := t.orders[keep]
	if !ok || kept.Device != id {
		return authority.ErrAbsent
	}
	for _, o := range t.ordersOf[id] {
		if r := t.orders[o]; r.Ground == g && !r.Settled && older(r, kept) < 0 && which(r) {
			if err := t.rewrite(id, o, always, func(r *row) { r.Settled = true }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tx) OrdersOf(id device.ID, limit int) ([]*authority.Order, error) {
	ids, err := newest(t.ordersOf[id], limit)
	list := make([]*authority.Order, 0, len(ids))
	for _, o := range ids {
		list = append(list, t.orders[o].copy())
	}
	return list, err
}

func (t *tx) CountUnsettled(g order.Ground) (n int, err error) {
	for _, r := range t.orders {
		if r.Ground == g && !r.Settled {
			n++
		}
	}
	return n, nil
}
