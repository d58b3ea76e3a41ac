package drill

import (
	"errors"
	"fmt"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
)

// secretly gives notice and locks by orders in another book, with the proofs of that book's newest checkpoint.
func (v *victim) secretly(b *book, t threat) error {
	at := v.stage.told()
	n := t.notice(at, 14)
	first, err := v.seal(b, n)
	if err != nil {
		return err
	}
	second, err := v.seal(b, t.lock(at, n.Deadline, n.Deadline.Add(lockDays*day)))
	v.orders = append(v.orders, first, second)
	return err
}

// lawful is the threat that the signed policy gives for a phone, and for any other phone the nearest to it.
func (v *victim) anyRule() (threat, error) {
	if len(v.lawful) > 0 {
		return v.due(0)
	}
	p, err := v.stage.signed(0)
	return byRule(p, "iran", "IR"), err
}

// hidden lets the attacker give every phone its orders in a book that the public does not see.
func (st *stage) hidden(b *book) error {
	return st.each(func(v *victim) error {
		t, err := v.anyRule()
		if err != nil {
			return err
		}
		return v.secretly(b, t)
	})
}

// branch is a second history from the takeover on.
func (st *stage) branch() (*book, error) {
	b, err := st.public.fork(len(st.public.leaves))
	if err != nil {
		return nil, err
	}
	return b, nil
}

// grow has a ledger go on, with lifts that mean nothing.
func (st *stage) grow(b *book, times int) error {
	p, err := st.signed(0)
	if err != nil {
		return err
	}
	for range times {
		lift := order.Leaf{Kind: order.Lift, Ground: rule("iran"), Territory: "IR", Authority: p.Hash, IssuedAt: st.told(), Cause: order.ByRule}
		if _, err := st.phones[0].seal(b, lift); err != nil {
			return err
		}
	}
	return nil
}

// compare lets an owner, a day after the first order, do with it what `bailiwick ledger explain --public` does; then the phones live on.
func (st *stage) compare(v *victim) error {
	if err := st.live(1); err != nil {
		return err
	}
	trust := st.scene.trust
	verifier, err := proof.New(trust.Origin, trust.LogKey, trust.Witnesses, trust.Quorum)
	if err != nil {
		return err
	}
	for _, s := range v.orders {
		err := ledger.Public(st.ctx, st.public, verifier, s.Leaf, s.Proof)
		if fault := ledger.FaultOf(err); fault != "" {
			st.watch.note(owner, fault, st.clock.Now())
		} else if err != nil {
			return err
		}
	}
	return st.live(usual)
}

var errNoRefusal = errors.New("the witness took what contradicts the history that it knows")

var hideOrder = Drill{
	Name: "hide-order", About: "lock by orders that the public ledger does not show; others run the witness",
	attacks: []attack{
		{name: "orders with a proof that is none", hidden: []string{tehranNew}, phones: []string{tehranNew, traveller}, run: func(st *stage) error {
			if err := st.activated(); err != nil {
				return err
			}
			b, err := st.branch()
			if err != nil {
				return err
			}
			if err := st.each(func(v *victim) error {
				t, err := v.anyRule()
				if err != nil {
					return err
				}
				if err := v.secretly(b, t); err != nil {
					return err
				}
				for i := range v.orders {
					v.orders[i].Proof = []byte("-")
				}
				return nil
			}); err != nil {
				return err
			}
			return st.live(usual)
		}},
		{name: "a second history under the ledger's key, which the witness is asked to cosign after the public one has grown", hidden: []string{tehranNew}, phones: []string{tehranNew, traveller}, run: func(st *stage) error {
			if err := st.activated(); err != nil {
				return err
			}
			b, err := st.branch()
			if err != nil {
				return err
			}
			if err := st.grow(st.public, 4); err != nil {
				return err
			}
			if err := st.hidden(b); err != nil {
				return err
			}
			if len(b.refusals) == 0 {
				return errNoRefusal
			}
			st.watch.note(cosig, "refuses to cosign", st.clock.Now())
			return st.compare(st.phone(tehranNew))
		}},
		{name: "the public ledger frozen, and its true continuation, cosigned, shown to the phones alone", phones: []string{tehranNew, traveller}, run: func(st *stage) error {
			if err := st.activated(); err != nil {
				return err
			}
			b, err := st.branch()
			if err != nil {
				return err
			}
			if err := st.hidden(b); err != nil {
				return err
			}
			if len(b.refusals) > 0 {
				return fmt.Errorf("%w: %s", errScene, b.refusals[0])
			}
			return st.compare(st.phone(tehranNew))
		}},
	},
}

var hideOrderOwn = Drill{
	Name: "hide-order-own-witness", About: "the same, when the only witness runs beside the server: the attacker has its key",
	attacks: []attack{
		{name: "a second history under the keys of ledger and witness, while the public one goes on", ownWitness: true, phones: []string{tehranNew, traveller, newYork}, run: func(st *stage) error {
			if err := st.activated(); err != nil {
				return err
			}
			b, err := st.branch()
			if err != nil {
				return err
			}
			if err := st.hidden(b); err != nil {
				return err
			}
			if err := st.grow(st.public, 8); err != nil {
				return err
			}
			return st.compare(st.phone(tehranNew))
		}},
	},
}

// twoBooks lets somebody compare the order that a phone was given in another history with the public ledger.
func twoBooks(st *stage) error {
	if err := twoHistories(st); err != nil {
		return err
	}
	return st.compare(st.phone(havanaNew))
}

// twoHistories gives the first phone its orders in the public ledger, and the others theirs in another history.
func twoHistories(st *stage) error {
	if err := st.activated(); err != nil {
		return err
	}
	b, err := st.branch()
	if err != nil {
		return err
	}
	first, second := st.phone(tehranNew), st.phone(havanaNew)
	t, err := first.due(0)
	if err != nil {
		return err
	}
	if err := first.menace(t, 14, lockDays*day); err != nil {
		return err
	}
	if t, err = second.due(0); err != nil {
		return err
	}
	if err := second.secretly(b, t); err != nil {
		return err
	}
	for _, v := range st.phones[2:] {
		if t, err = v.anyRule(); err != nil {
			return err
		}
		if err := v.secretly(b, t); err != nil {
			return err
		}
	}
	if len(b.refusals) > 0 {
		st.watch.note(cosig, "refuses to cosign", st.clock.Now())
	}
	return nil
}

// swapBooks shows the public the other history in the place of the first.
func swapBooks(st *stage) error {
	if err := errors.Join(twoHistories(st), st.live(1)); err != nil {
		return err
	}
	b, err := st.public.fork(len(st.leaves))
	if err != nil {
		return err
	}
	if err := st.grow(b, 5); err != nil {
		return err
	}
	*st.public = *b
	return st.live(usual)
}

var twoLedgers = Drill{
	Name: "two-ledgers", About: "show two phones two histories of the ledger; others run the witness",
	attacks: []attack{
		{name: "one phone's orders in the public ledger, another's in a second history of the same size", hidden: []string{havanaNew}, phones: []string{tehranNew, havanaNew}, run: twoBooks},
		{name: "the second history put in the place of the public one", hidden: []string{havanaNew}, phones: []string{tehranNew, havanaNew}, run: swapBooks},
	},
}

var twoLedgersOwn = Drill{
	Name: "two-ledgers-own-witness", About: "the same, when the only witness runs beside the server: the attacker has its key",
	attacks: []attack{
		{name: "one phone's orders in the public ledger, another's in a second history of the same size", ownWitness: true, phones: []string{tehranNew, havanaNew, traveller}, run: twoBooks},
		{name: "the second history put in the place of the public one", ownWitness: true, phones: []string{tehranNew, havanaNew}, run: swapBooks},
	},
}
