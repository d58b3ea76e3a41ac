package sqlite

import (
	"errors"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/order"
)

const (
	orderColumns = `id, ` + idColumns + `, leaf, salt, kind, ground_kind, ground, issued_at, coalesce(leaf_index, 0), leaf_index IS NOT NULL,
	delivered_at, settled, refusal`
	orderExists = "SELECT 1 FROM orders WHERE id = ?"
)

func scanOrder(s scanner) (*authority.Order, error) {
	o := new(authority.Order)
	var kind, groundKind int64
	err := s.Scan(fixed{o.ID[:]}, identity{&o.Device}, rest{&o.Device}, &o.Leaf, fixed{o.Salt[:]}, &kind, &groundKind, &o.Ground.ID, when{&o.IssuedAt},
		counter{&o.Index}, &o.Sequenced, when{&o.DeliveredAt}, &o.Settled, &o.Refusal)
	o.Kind, o.Ground.Kind = order.Kind(kind), order.GroundKind(groundKind)
	return o, err
}

func (t *tx) InsertOrder(o *authority.Order) error {
	var index any
	if o.Sequenced {
		n, err := count("ledger index", o.Index)
		if err != nil {
			return err
		}
		index = n
	}
	var found int
	err := t.row("SELECT 1 FROM orders WHERE device = ? AND salt = ?", key(record.Number(o.Device), o.Salt[:]), &found)
	switch {
	case err == nil:
		return authority.ErrConflict
	case !errors.Is(err, authority.ErrAbsent):
		return err
	}
	kind, id := ground(o.Ground)
	_, err = t.exec(`INSERT INTO orders (id, device, leaf, salt, kind, ground_kind, ground, issued_at, leaf_index, delivered_at, settled, refusal)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		o.ID[:], record.Number(o.Device), blob(o.Leaf), o.Salt[:], int64(o.Kind), kind, id, stamp(o.IssuedAt), index, stamp(o.DeliveredAt),
		o.Settled, o.Refusal)
	return err
}

func (t *tx) Order(id order.ID) (*authority.Order, error) {
	return first(rows(t, scanOrder, "SELECT "+orderColumns+" FROM orders WHERE id = ?", id[:]))
}

func (t *tx) PendingOrders(limit int) ([]*authority.Order, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	return rows(t, scanOrder, "SELECT "+orderColumns+" FROM orders WHERE leaf_index IS NULL ORDER BY issued_at, number LIMIT ?", limit)
}

func (t *tx) SequenceIfPending(id order.ID, index uint64) error {
	n, err := count("ledger index", index)
	if err != nil {
		return err
	}
	return t.guarded(orderExists, key(id[:]), "UPDATE orders SET leaf_index = ? WHERE id = ? AND leaf_index IS NULL", n, id[:])
}

func (t *tx) Deliverable(id device.ID) ([]*authority.Order, error) {
	return rows(t, scanOrder, "SELECT "+orderColumns+` FROM orders
		WHERE device = ? AND settled = 0 AND leaf_index IS NOT NULL ORDER BY issued_at, number`, record.Number(id))
}

func (t *tx) MarkDelivered(id order.ID, at time.Time) error {
	return t.guarded(orderExists, key(id[:]), "UPDATE orders SET delivered_at = ? WHERE id = ? AND leaf_index IS NOT NULL",
		stamp(at), id[:])
}

func (t *tx) Settle(id order.ID, refusal string) error {
	return t.put("UPDATE orders SET settled = 1, refusal = ? WHERE id = ?", refusal, id[:])
}

// SettleOlder: of two orders of the same second, the one that was inserted first is older.
func (t *tx) SettleOlder(id device.ID, g order.Ground, keep order.ID) error {
	return t.settleOlder(id, g, keep, "")
}

func (t *tx) SettleOlderEscalations(id device.ID, g order.Ground, keep order.ID) error {
	return t.settleOlder(id, g, keep, " AND kind <> 3")
}

func (t *tx) settleOlder(id device.ID, g order.Ground, keep order.ID, which string) error {
	var at, number int64
	err := t.row("SELECT issued_at, number FROM orders WHERE id = ?", key(keep[:]), &at, &number)
	if err != nil {
		return err
	}
	_, err = t.exec(`UPDATE orders SET settled = 1 WHERE device = ? AND ground_kind = ? AND ground = ? AND settled = 0
		AND (issued_at, number) < (?, ?)`+which, append(one(id, g), at, number)...)
	return err
}

func (t *tx) OrdersOf(id device.ID, limit int) ([]*authority.Order, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	return rows(t, scanOrder, "SELECT "+orderColumns+` FROM orders WHERE device = ?
		ORDER BY issued_at DESC, number DESC LIMIT ?`, record.Number(id), limit)
}

func (t *tx) CountUnsettled(g order.Ground) (n int, err error) {
	return n, t.row("SELECT count(*) FROM orders WHERE ground_kind = ? AND ground = ? AND settled = 0", key(int64(g.Kind), g.ID), &n)
}
