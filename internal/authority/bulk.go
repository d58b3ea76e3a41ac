package authority

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// How many restrictions a step of a job moves in one transaction: others wait for no longer than that takes.
const (
	bulkPage    = 1000
	releasePage = 2000 // nothing has to be looked at again
)

// issueAll writes many orders of devices that stand in the list once, as issue does for one.
func (t *turn) issueAll(list []*Order) error {
	if err := t.tx.InsertOrders(list); err != nil {
		return repeated(err)
	}
	if err := t.tx.SettleReplaced(list); err != nil {
		return err
	}
	for _, o := range list {
		t.issued = append(t.issued, o.Kind)
	}
	t.count = append(t.count, func() {
		for _, o := range list {
			t.s.urgent.ordered(o.Kind, o.Device, t.now)
		}
	})
	return nil
}

// planned is a lift with its order, made beside the writer of a restriction as it stood then. Whether it still stands is asked when it is lifted.
type planned struct {
	device device.ID
	order  *Order
}

// planLifts makes the orders of lifts on one ground. It writes nothing.
func (s *Service) planLifts(now time.Time, page []*Restriction, authority [32]byte, cause order.Cause) ([]planned, error) {
	list := make([]planned, len(page))
	for i, r := range page {
		leaf := order.Leaf{Kind: order.Lift, Ground: r.Ground, Territory: r.Territory, Authority: authority, Cause: cause}
		o, err := s.newOrder(now, r.Device, leaf)
		if err != nil {
			return nil, err
		}
		list[i] = planned{r.Device, o}
	}
	return list, nil
}

// liftAll lifts what was planned on one ground, as lift does for one, and returns how many it lifted. What was lifted meanwhile is left alone.
func (t *turn) liftAll(g order.Ground, plan []planned, authority [32]byte, cause order.Cause, actor, why string) (int, error) {
	ids := make([]device.ID, len(plan))
	for i := range plan {
		ids[i] = plan[i].device
	}
	hit, err := t.tx.LiftAllIfActive(g, ids, t.now, cause)
	if err != nil {
		return 0, err
	}
	lifted := 0
	orders, events := make([]*Order, 0, len(plan)), make([]Event, 0, len(plan))
	for i, p := range plan {
		if hit[i] {
			orders = append(orders, p.order)
			events = append(events, Event{Device: p.device, At: t.now, Kind: "lifted", Ground: g, Actor: actor, Detail: why})
			continue
		}
		r, err := t.tx.Restriction(p.device, g) // an appeal to answer, or a wave to leave: few
		if none, err := absent(err); err != nil {
			return 0, err
		} else if none || !r.Active() {
			continue
		}
		if err := t.lift(r, authority, cause, actor, why); err != nil {
			return 0, err
		}
		lifted++
	}
	if err := t.issueAll(orders); err != nil {
		return 0, err
	}
	return lifted + len(orders), t.tx.AddEvents(events)
}

// approved is a lock that an officer has approved, and that nothing hinders.
type approved struct {
	restriction *Restriction
	look        *look
}

// lockAll orders approved locks of one page, as lock does for one, and returns how many.
func (t *turn) lockAll(b *book, list []approved, officer string) (int, error) {
	if err := t.book.current(t.tx); err != nil {
		return 0, err
	}
	locks := make([]Lock, len(list))
	for i, a := range list {
		effect, ends := t.lockTimes(b, a)
		locks[i] = Lock{a.restriction.Device, a.restriction.Ground, t.now, effect, ends}
	}
	hit, err := t.tx.LockAllIfNoticed(locks)
	if err != nil {
		return 0, err
	}
	rounds := [][]*Order{nil} // a device with two grounds has its orders in two lists
	seen := make(map[device.ID]int, len(list))
	var events []Event
	for i, a := range list {
		if !hit[i] {
			continue
		}
		l, r := locks[i], a.restriction
		o, err := t.order(r.Device, order.Leaf{Kind: order.Lock, Ground: r.Ground, Territory: a.look.basis.territory, Authority: a.look.basis.authority,
			Deadline: r.Deadline, EffectAt: l.EffectAt, EndsAt: l.EndsAt})
		if err != nil {
			return 0, err
		}
		at := seen[r.Device]
		seen[r.Device]++
		if at == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[at] = append(rounds[at], o)
		events = append(events, lockedEvent(r, officer, t.now, l.EffectAt, l.EndsAt))
	}
	for _, orders := range rounds {
		if err := t.issueAll(orders); err != nil {
			return 0, err
		}
	}
	return len(events), t.tx.AddEvents(events)
}

// keyOf is where a page that ends with r goes on.
func keyOf(r *restriction.Restriction) RestrictionKey { return RestrictionKey{r.Device, r.Ground} }

// again reads a restriction and how it stands, inside the transaction that acts on it.
func (t *turn) again(b *book, item *Restriction) (*Restriction, *look, error) {
	r, err := t.tx.Restriction(item.Device, item.Ground)
	if err != nil {
		return nil, nil, err
	}
	l, err := t.lookAgain(b, r)
	return r, l, err
}
