package storetest

import (
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

func forgets(t *testing.T, s authority.Store, want int, fn func(authority.Tx) (int, error)) {
	t.Helper()
	var n int
	does(t, s, func(tx authority.Tx) (err error) { n, err = fn(tx); return err })
	same(t, "forgotten", n, want)
}

// answered files an appeal of device n on cuba and answers it.
func answered(t *testing.T, s authority.Store, n int) (id int64) {
	t.Helper()
	does(t, s, func(tx authority.Tx) (err error) {
		id, err = tx.InsertAppeal(&authority.Appeal{Device: deviceID(n), Ground: cuba, Text: "not mine", Contact: "a@example.com", OpenedAt: start,
			DueAt: start.Add(day), State: authority.AppealOpen})
		if err != nil {
			return err
		}
		return tx.AnswerIfOpen(id, authority.AppealGranted, "ada", start.Add(day), "It was a mistake.")
	})
	return id
}

var retentionTests = map[string]func(*testing.T, authority.Store){
	"orders": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 3)
		noticed(t, s, 2, cuba)
		does(t, s, lift(1, cuba, order.ByRule))
		var list []*authority.Order
		for n, o := range []struct {
			device             int
			settled, sequenced bool
			at                 time.Time
		}{{1, true, true, start}, {1, false, true, start}, {2, true, true, start}, {3, true, true, start}, {3, true, false, start}, {1, true, true, start.Add(day)}} {
			one := newOrder(n+1, o.device, order.Notice, cuba, o.at)
			one.Settled, one.Sequenced, one.Index = o.settled, o.sequenced, uint64(n)
			list = append(list, one)
		}
		inserted(t, s, list...)
		forget := func(limit int) func(authority.Tx) (int, error) {
			return func(tx authority.Tx) (int, error) { return tx.ForgetOrders(start.Add(day), limit) }
		}
		forgets(t, s, 1, forget(1))
		forgets(t, s, 1, forget(9)) // of two on a ground without a restriction in force; the second device is noticed still
		forgets(t, s, 0, forget(9))
		left := append(append(got(t, s, func(tx authority.Tx) ([]*authority.Order, error) { return tx.OrdersOf(deviceID(1), 9) }),
			got(t, s, func(tx authority.Tx) ([]*authority.Order, error) { return tx.OrdersOf(deviceID(2), 9) })...),
			got(t, s, func(tx authority.Tx) ([]*authority.Order, error) { return tx.OrdersOf(deviceID(3), 9) })...)
		same(t, "left", orderIDs(left), ids(6, 2, 3, 5))
		inserted(t, s, newOrder(9, 3, order.Lift, cuba, start.Add(2*day)))
		newest := got(t, s, func(tx authority.Tx) ([]*authority.Order, error) { return tx.OrdersOf(deviceID(3), 1) })
		same(t, "newest first, still", orderIDs(newest), ids(9))
	},

	"events": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		event := func(at time.Time, own bool) authority.Event {
			e := authority.Event{At: at, Kind: "case", Actor: "ada", Detail: "Something."}
			if own {
				e.Device = deviceID(1)
			}
			return e
		}
		does(t, s, func(tx authority.Tx) error {
			return tx.AddEvents([]authority.Event{event(start, true), event(start, false), event(start.Add(time.Hour), true), event(start.Add(day), true)})
		})
		forget := func(limit int) func(authority.Tx) (int, error) {
			return func(tx authority.Tx) (int, error) { return tx.ForgetEvents(start.Add(day), limit) }
		}
		forgets(t, s, 1, forget(1))
		forgets(t, s, 1, forget(9))
		var at []time.Time
		for _, e := range got(t, s, func(tx authority.Tx) ([]authority.Event, error) { return tx.RecentEvents(9) }) {
			at = append(at, e.At)
		}
		same(t, "left", at, []time.Time{start.Add(day), start})
		same(t, "of the device", len(got(t, s, func(tx authority.Tx) ([]authority.Event, error) { return tx.Events(deviceID(1), 9) })), 1)
	},

	"contacts": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		noticed(t, s, 2, cuba)
		first, second := answered(t, s, 1), answered(t, s, 2)
		does(t, s, func(tx authority.Tx) error {
			_, err := tx.InsertAppeal(&authority.Appeal{Device: deviceID(1), Ground: cuba, Text: "again", Contact: "b@example.com", OpenedAt: start,
				DueAt: start.Add(day), State: authority.AppealOpen})
			return err
		})
		forget := func(before time.Time) func(authority.Tx) (int, error) {
			return func(tx authority.Tx) (int, error) { return tx.ForgetContacts(before, 9) }
		}
		forgets(t, s, 0, forget(start.Add(day)))
		forgets(t, s, 2, forget(start.Add(2*day)))
		for _, id := range []int64{first, second} {
			a := got(t, s, func(tx authority.Tx) (*authority.Appeal, error) { return tx.Appeal(id) })
			same(t, "words stay, contact goes", [2]string{a.Text, a.Contact}, [2]string{"not mine", ""})
		}
		open := got(t, s, func(tx authority.Tx) ([]*authority.Appeal, error) { return tx.Appeals(authority.AppealOpen, 9) })
		same(t, "an open one stays", open[0].Contact, "b@example.com")
	},

	"history": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		noticed(t, s, 2, cuba)
		for n := 1; n <= 2; n++ {
			answered(t, s, n)
			settled, pending := newOrder(10*n, n, order.Notice, cuba, start), newOrder(10*n+1, n, order.Lift, cuba, start.Add(day))
			settled.Settled, settled.Sequenced, settled.Index = true, true, uint64(n)
			inserted(t, s, settled, pending)
			does(t, s, func(tx authority.Tx) error {
				return tx.AddEvents([]authority.Event{{Device: deviceID(n), At: start, Kind: "noticed", Actor: "rule", Detail: "One."}, {Device: deviceID(n), At: start, Kind: "lifted", Actor: "rule", Detail: "Two."}})
			})
		}
		forgets(t, s, 4, func(tx authority.Tx) (int, error) { return tx.ForgetHistory(deviceID(1)) })
		forgets(t, s, 0, func(tx authority.Tx) (int, error) { return tx.ForgetHistory(deviceID(1)) })
		for n, want := range map[int][3]int{1: {0, 1, 0}, 2: {2, 2, len("not mine")}} {
			events := got(t, s, func(tx authority.Tx) ([]authority.Event, error) { return tx.Events(deviceID(n), 9) })
			orders := got(t, s, func(tx authority.Tx) ([]*authority.Order, error) { return tx.OrdersOf(deviceID(n), 9) })
			appeals := got(t, s, func(tx authority.Tx) ([]*authority.Appeal, error) { return tx.AppealsOf(deviceID(n)) })
			same(t, "left", [3]int{len(events), len(orders), len(appeals[0].Text)}, want)
		}
		same(t, "its restriction", got(t, s, func(tx authority.Tx) (int, error) { return tx.CountActiveOn(cuba) }), 2)
	},
}
