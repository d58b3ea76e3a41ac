package storetest

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

func orderIDs(orders []*authority.Order) []order.ID {
	var ids []order.ID
	for _, o := range orders {
		ids = append(ids, o.ID)
	}
	return ids
}

func ids(numbers ...int) []order.ID {
	var list []order.ID
	for _, n := range numbers {
		list = append(list, hash(n))
	}
	return list
}

// inserted puts orders: number, device, kind and ground as given, one second apart.
func inserted(t *testing.T, s authority.Store, orders ...*authority.Order) {
	t.Helper()
	does(t, s, func(tx authority.Tx) error {
		for _, o := range orders {
			if err := tx.InsertOrder(o); err != nil {
				return err
			}
		}
		return nil
	})
}

var orderTests = map[string]func(*testing.T, authority.Store){
	"insert": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		plain := newOrder(1, 1, order.Lock, cuba, start)
		full := newOrder(2, 1, order.Notice, warrant, start)
		full.Index, full.Sequenced, full.DeliveredAt, full.Settled, full.Refusal = 7, true, start.Add(day), true, "no-proof"
		for _, o := range []*authority.Order{plain, full} {
			missing(t, s, func(tx authority.Tx) (*authority.Order, error) { return tx.Order(o.Device, o.ID) })
			inserted(t, s, o)
			same(t, "stored", got(t, s, func(tx authority.Tx) (*authority.Order, error) { return tx.Order(o.Device, o.ID) }), o)
		}
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.InsertOrder(plain) })
		missing(t, s, func(tx authority.Tx) (*authority.Order, error) { return tx.Order(deviceID(2), plain.ID) }) // another device's
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.InsertOrder(newOrder(3, 2, order.Lock, cuba, start)) })
		again := newOrder(1, 1, order.Lift, crimea, start.Add(day))
		again.Salt = hash(91)
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.InsertOrder(again) })
		twice := newOrder(5, 1, order.Lift, crimea, start.Add(day))
		twice.Salt = plain.Salt
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.InsertOrder(twice) })
		missing(t, s, func(tx authority.Tx) (*authority.Order, error) { return tx.Order(twice.Device, twice.ID) })
		long := newOrder(4, 1, order.Lock, cuba, start)
		long.Leaf = make([]byte, order.MaxLeaf+1)
		refuses(t, s, nil, func(tx authority.Tx) error { return tx.InsertOrder(long) })
	},

	"sequence": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		inserted(t, s, newOrder(1, 1, order.Notice, cuba, start.Add(day)), newOrder(2, 1, order.Lift, cuba, start), newOrder(3, 1, order.Lift, crimea, start))
		pending := func(limit int) []order.ID {
			return orderIDs(got(t, s, func(tx authority.Tx) ([]*authority.Order, error) { return tx.PendingOrders(limit) }))
		}
		sequence := func(n int, at uint64) txFunc {
			return func(tx authority.Tx) error { return tx.SequenceIfPending(deviceID(1), hash(n), at) }
		}
		same(t, "oldest first", pending(9), ids(2, 3, 1))
		same(t, "limit", pending(1), ids(2))
		does(t, s, sequence(3, 0))
		o := got(t, s, func(tx authority.Tx) (*authority.Order, error) { return tx.Order(deviceID(1), hash(3)) })
		if !o.Sequenced || o.Index != 0 {
			t.Fatalf("%+v", o)
		}
		same(t, "left", pending(9), ids(2, 1))
		refuses(t, s, authority.ErrConflict, sequence(3, 1))
		refuses(t, s, authority.ErrConflict, sequence(2, 0)) // another order's place in the ledger
		refuses(t, s, authority.ErrAbsent, sequence(9, 5))
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.SequenceIfPending(deviceID(2), hash(2), 5) }) // another device's
	},

	"deliver": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		inserted(t, s, newOrder(1, 1, order.Notice, cuba, start), newOrder(2, 1, order.Lock, cuba, start.Add(day)),
			newOrder(3, 1, order.Notice, crimea, start.Add(2*day)), newOrder(4, 2, order.Notice, cuba, start))
		deliverable := func(n int) []order.ID {
			return orderIDs(got(t, s, func(tx authority.Tx) ([]*authority.Order, error) { return tx.Deliverable(deviceID(n)) }))
		}
		same(t, "nothing without a place in the ledger", deliverable(1), ids())
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.MarkDelivered(deviceID(1), hash(1), start) })
		does(t, s, func(tx authority.Tx) error {
			for i, n := range []int{2, 1, 3} {
				if err := tx.SequenceIfPending(deviceID(1), hash(n), uint64(10+i)); err != nil {
					return err
				}
			}
			return nil
		})
		same(t, "oldest first", deliverable(1), ids(1, 2, 3))
		does(t, s, func(tx authority.Tx) error { return tx.MarkDelivered(deviceID(1), hash(1), start.Add(3*day)) })
		same(t, "delivered", got(t, s, func(tx authority.Tx) (*authority.Order, error) { return tx.Order(deviceID(1), hash(1)) }).DeliveredAt, start.Add(3*day))
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.MarkDelivered(deviceID(1), hash(9), start) })
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.MarkDelivered(deviceID(2), hash(1), start) })
		same(t, "until it is settled", deliverable(1), ids(1, 2, 3))
		does(t, s, func(tx authority.Tx) error { return tx.Settle(deviceID(1), hash(2), "own-facts") })
		o := got(t, s, func(tx authority.Tx) (*authority.Order, error) { return tx.Order(deviceID(1), hash(2)) })
		same(t, "refusal", [2]any{o.Settled, o.Refusal}, [2]any{true, "own-facts"})
		same(t, "settled ones are not delivered", deliverable(1), ids(1, 3))
		does(t, s, func(tx authority.Tx) error { return tx.Settle(deviceID(1), hash(2), "") }) // it follows it in the end
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.Settle(deviceID(1), hash(9), "") })
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.Settle(deviceID(2), hash(1), "") })
	},

	"settle older": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		inserted(t, s, newOrder(1, 1, order.Notice, cuba, start), newOrder(2, 1, order.Notice, crimea, start), newOrder(3, 2, order.Notice, cuba, start),
			newOrder(4, 1, order.Lock, cuba, start.Add(day)), newOrder(5, 1, order.Lift, cuba, start.Add(day)), newOrder(6, 1, order.Notice, cuba, start.Add(2*day)))
		does(t, s, func(tx authority.Tx) error { return tx.SettleOlder(deviceID(1), cuba, hash(5)) })
		for n, settled := range map[int]bool{1: true, 2: false, 3: false, 4: true, 5: false, 6: false} {
			of := deviceID(1)
			if n == 3 {
				of = deviceID(2)
			}
			o := got(t, s, func(tx authority.Tx) (*authority.Order, error) { return tx.Order(of, hash(n)) })
			if o.Settled != settled || o.Refusal != "" {
				t.Errorf("order %d: %+v", n, o)
			}
		}
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.SettleOlder(deviceID(1), cuba, hash(9)) })
		unsettled := func(g order.Ground) int {
			return got(t, s, func(tx authority.Tx) (int, error) { return tx.CountUnsettled(g) })
		}
		same(t, "unsettled", [3]int{unsettled(cuba), unsettled(crimea), unsettled(warrant)}, [3]int{3, 1, 0})
	},

	"settle older notices and locks": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		inserted(t, s, newOrder(1, 1, order.Notice, cuba, start), newOrder(2, 1, order.Lock, cuba, start), newOrder(3, 1, order.Lift, cuba, start),
			newOrder(4, 1, order.Notice, cuba, start), newOrder(5, 1, order.Lock, cuba, start))
		does(t, s, func(tx authority.Tx) error { return tx.SettleOlderEscalations(deviceID(1), cuba, hash(4)) })
		for n, settled := range map[int]bool{1: true, 2: true, 3: false, 4: false, 5: false} {
			o := got(t, s, func(tx authority.Tx) (*authority.Order, error) { return tx.Order(deviceID(1), hash(n)) })
			if o.Settled != settled {
				t.Errorf("order %d: %+v", n, o)
			}
		}
	},

	"list": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		inserted(t, s, newOrder(1, 1, order.Notice, cuba, start), newOrder(2, 1, order.Lock, cuba, start.Add(day)), newOrder(3, 1, order.Lift, cuba, start.Add(day)),
			newOrder(4, 2, order.Lift, cuba, start))
		of := func(id device.ID, limit int) []order.ID {
			return orderIDs(got(t, s, func(tx authority.Tx) ([]*authority.Order, error) { return tx.OrdersOf(id, limit) }))
		}
		same(t, "newest first", of(deviceID(1), 9), ids(3, 2, 1))
		same(t, "limit", of(deviceID(1), 2), ids(3, 2))
		same(t, "unknown device", of(deviceID(7), 2), ids())
	},
}
