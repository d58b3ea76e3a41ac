package authority

import (
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// bulkPage is how many restrictions a step of a job moves in one transaction: others wait for no longer than that takes.
const bulkPage = 1000

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

// liftAll lifts restrictions on one ground, which are active in this transaction, as lift does for one, and returns how many.
func (t *turn) liftAll(g order.Ground, page []*Restriction, authority [32]byte, cause order.Cause, actor, why string) (int, error) {
	plain := make([]*Restriction, 0, len(page))
	ids := make([]device.ID, 0, len(page))
	lifted := 0
	for _, r := range page {
		if r.Appealing || r.Wave != 0 && r.Stage == order.Noticed { // an appeal to answer, or a wave to leave: few
			if err := t.lift(r, authority, cause, actor, why); err != nil {
				return 0, err
			}
			lifted++
			continue
		}
		plain, ids = append(plain, r), append(ids, r.Device)
	}
	if len(plain) == 0 {
		return lifted, nil
	}
	hit, err := t.tx.LiftAllIfActive(g, ids, t.now, cause)
	if err != nil {
		return 0, err
	}
	orders, events := make([]*Order, 0, len(plain)), make([]Event, 0, len(plain))
	for i, r := range plain {
		if !hit[i] {
			continue
		}
		leaf := order.Leaf{Kind: order.Lift, Ground: g, Territory: r.Territory, Authority: authority, Cause: cause}
		if authority == [32]byte{} {
			leaf.Authority = r.Authority
		}
		o, err := t.order(r.Device, leaf)
		if err != nil {
			return 0, err
		}
		orders = append(orders, o)
		events = append(events, Event{Device: r.Device, At: t.now, Kind: "lifted", Ground: g, Actor: actor, Detail: why})
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
