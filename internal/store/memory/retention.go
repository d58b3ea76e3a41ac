package memory

import (
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

func (t *tx) ForgetOrders(before time.Time, limit int) (int, error) {
	return t.forget(limit, func() (n int) {
		for _, r := range t.orders {
			g, err := t.find(r.Device, r.Ground)
			if n == limit || !r.Settled || !r.Sequenced || !r.IssuedAt.Before(before) || err == nil && g.Active() {
				continue
			}
			t.dropOrder(r)
			n++
		}
		return n
	})
}

func (t *tx) forget(limit int, some func() int) (int, error) {
	if err := t.mayWrite(); err != nil {
		return 0, err
	}
	if err := within(limit); err != nil {
		return 0, err
	}
	return some(), nil
}

// dropOrder forgets an order; its salt stays taken.
func (t *tx) dropOrder(r *row) {
	drop(t, t.orders, r.ID)
	drop(t, t.atIndex, r.Index)
	ids := slices.Clone(t.ordersOf[r.Device])
	put(t, t.ordersOf, r.Device, slices.Delete(ids, slices.Index(ids, r.ID), slices.Index(ids, r.ID)+1))
}

func (t *tx) ForgetEvents(before time.Time, limit int) (int, error) {
	return t.forget(limit, func() int {
		return t.dropEvents(limit, func(e authority.Event) bool { return e.At.Before(before) && e.Device != device.ID{} })
	})
}

func (t *tx) dropEvents(limit int, which func(authority.Event) bool) (n int) {
	was := t.events
	t.undo = append(t.undo, func() { t.events = was })
	t.events = slices.Clone(was)
	t.events = slices.DeleteFunc(t.events, func(e authority.Event) bool {
		if n == limit || !which(e) {
			return false
		}
		n++
		of := slices.Clone(t.eventsOf[e.Device])
		put(t, t.eventsOf, e.Device, slices.DeleteFunc(of, func(o authority.Event) bool { return o.ID == e.ID }))
		return true
	})
	return n
}

func (t *tx) ForgetContacts(before time.Time, limit int) (int, error) {
	return t.forget(limit, func() (n int) {
		for i, a := range t.appeals {
			if n == limit || a.State == authority.AppealOpen || a.Contact == "" || !a.AnsweredAt.Before(before) {
				continue
			}
			next := *a
			next.Contact = ""
			swap(t, t.appeals, i, &next)
			n++
		}
		return n
	})
}

func (t *tx) ForgetHistory(id device.ID) (total int, err error) {
	if err := t.mayWrite(); err != nil {
		return 0, err
	}
	total = t.dropEvents(len(t.events), func(e authority.Event) bool { return e.Device == id })
	for _, o := range slices.Clone(t.ordersOf[id]) {
		if r := t.orders[o]; r.Settled && r.Sequenced {
			t.dropOrder(r)
			total++
		}
	}
	for i, a := range t.appeals {
		if a.Device == id && a.State != authority.AppealOpen && a.Text+a.Contact+a.Answer != "" {
			next := *a
			next.Text, next.Contact, next.Answer = "", "", ""
			swap(t, t.appeals, i, &next)
			total++
		}
	}
	return total, nil
}
