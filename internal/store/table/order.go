package table

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/order"
)

const (
	OrderColumns = `id, ` + idColumns + `, leaf, salt, kind, ground_kind, ground, issued_at, coalesce(leaf_index, 0), leaf_index IS NOT NULL,
	delivered_at, settled, refusal`
	orderExists = "SELECT 1 FROM orders WHERE device = $1 AND id = $2"
)

func ScanOrder(row Row) (*authority.Order, error) {
	o := new(authority.Order)
	var kind, groundKind int64
	err := row.Scan(Fixed(o.ID[:]), Identity(&o.Device), Rest(&o.Device), &o.Leaf, Fixed(o.Salt[:]), &kind, &groundKind, &o.Ground.ID, When(&o.IssuedAt),
		Counter(&o.Index), &o.Sequenced, When(&o.DeliveredAt), &o.Settled, &o.Refusal)
	o.Kind, o.Ground.Kind = order.Kind(kind), order.GroundKind(groundKind)
	return o, err
}

// named is what orderExists asks for.
func named(of device.ID, id order.ID) []any { return []any{record.Number(of), id[:]} }

func (t Tx) Order(of device.ID, id order.ID) (*authority.Order, error) {
	return First(List(t, ScanOrder, "SELECT "+OrderColumns+" FROM orders WHERE device = $1 AND id = $2", named(of, id)...))
}

func (t Tx) PendingOrders(limit int) ([]*authority.Order, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	return List(t, ScanOrder, "SELECT "+OrderColumns+" FROM orders WHERE leaf_index IS NULL ORDER BY issued_at, number LIMIT $1", limit)
}

func (t Tx) SequenceIfPending(of device.ID, id order.ID, index uint64) error {
	n, err := Count("ledger index", index)
	if err != nil {
		return err
	}
	return Guarded(t, orderExists, named(of, id), "UPDATE orders SET leaf_index = $1 WHERE device = $2 AND id = $3 AND leaf_index IS NULL", n, record.Number(of), id[:])
}

func (t Tx) Deliverable(id device.ID) ([]*authority.Order, error) {
	return List(t, ScanOrder, "SELECT "+OrderColumns+` FROM orders
		WHERE device = $1 AND settled = false AND leaf_index IS NOT NULL ORDER BY issued_at, number`, record.Number(id))
}

func (t Tx) MarkDelivered(of device.ID, id order.ID, at time.Time) error {
	return Guarded(t, orderExists, named(of, id), "UPDATE orders SET delivered_at = $1 WHERE device = $2 AND id = $3 AND leaf_index IS NOT NULL",
		Stamp(at), record.Number(of), id[:])
}

func (t Tx) Settle(of device.ID, id order.ID, refusal string) error {
	return Put(t, "UPDATE orders SET settled = true, refusal = $1 WHERE device = $2 AND id = $3", refusal, record.Number(of), id[:])
}

// SettleOlder: of two orders of the same second, the one that was inserted first is older.
func (t Tx) SettleOlder(id device.ID, g order.Ground, keep order.ID) error {
	return t.settleOlder(id, g, keep, "")
}

func (t Tx) SettleOlderEscalations(id device.ID, g order.Ground, keep order.ID) error {
	return t.settleOlder(id, g, keep, " AND kind <> 3")
}

func (t Tx) settleOlder(id device.ID, g order.Ground, keep order.ID, which string) error {
	var at, number int64
	err := Single(t, "SELECT issued_at, number FROM orders WHERE device = $1 AND id = $2", named(id, keep), &at, &number)
	if err != nil {
		return err
	}
	_, err = t.Exec(`UPDATE orders SET settled = true WHERE device = $1 AND ground_kind = $2 AND ground = $3 AND settled = false
		AND (issued_at, number) < ($4, $5)`+which, append(One(id, g), at, number)...)
	return err
}

func (t Tx) OrdersOf(id device.ID, limit int) ([]*authority.Order, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	return List(t, ScanOrder, "SELECT "+OrderColumns+` FROM orders WHERE device = $1
		ORDER BY issued_at DESC, number DESC LIMIT $2`, record.Number(id), limit)
}

func (t Tx) CountUnsettled(g order.Ground) (n int, err error) {
	return n, Single(t, "SELECT count(*) FROM orders WHERE ground_kind = $1 AND ground = $2 AND settled = false", key(int64(g.Kind), g.ID), &n)
}

// Unsettled lists the newest order of each device behind the given one that is not settled on a ground.
func (t Tx) Unsettled(g order.Ground, after device.ID, limit int) ([]*authority.Order, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	return List(t, ScanOrder, "SELECT "+OrderColumns+` FROM orders AS o
		WHERE ground_kind = $1 AND ground = $2 AND device > $3 AND settled = false AND NOT EXISTS (SELECT 1 FROM orders AS n
			WHERE n.device = o.device AND n.ground_kind = $1 AND n.ground = $2 AND n.settled = false AND (n.issued_at, n.number) > (o.issued_at, o.number))
		ORDER BY device LIMIT $4`, int64(g.Kind), g.ID, record.Number(after), limit)
}
