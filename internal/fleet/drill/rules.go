package drill

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// signed is a policy that officers signed, as devices read it: 0 is the newest, 1 the one before it.
func (l *loot) signed(age int) (protocol.Policy, error) {
	if age >= len(l.policies) {
		return protocol.Policy{}, fmt.Errorf("the store has %d policies", len(l.policies))
	}
	d := l.policies[age]
	p, err := policy.Parse(d.Name, d.Source)
	if err != nil {
		return protocol.Policy{}, err
	}
	x := p.DeviceExtract()
	read := protocol.Policy{
		Hash: x.Hash, ID: x.ID, Effective: x.Effective.Time(), Observation: x.Observation, NoticeDays: x.Notice.Days,
		ShownDays: x.Notice.ShownDays, LockDays: x.LockDays, AppliesFrom: x.AppliesFrom,
		Contact: protocol.Contact{Name: x.Contact.Name, Phone: x.Contact.Phone, Email: x.Contact.Email, OwnerURL: x.Contact.OwnerURL},
	}
	for _, r := range x.Rules {
		read.Rules = append(read.Rules, protocol.Rule{
			ID: r.ID, Codes: r.Codes, Name: r.Name, LegalBasis: r.LegalBasis, Source: r.Source, Since: r.Since, Until: r.Until, ReviewBy: r.ReviewBy,
		})
	}
	return read, nil
}

// byRule is a threat by a rule of a policy, in one of its territories.
func byRule(p protocol.Policy, id string, code territory.Code) threat {
	return threat{ground: rule(id), authority: p.Hash, leaf: order.Leaf{Territory: code}}
}

// invented is the present policy with a rule of the attacker's own, under a hash of its own.
func invented(p protocol.Policy, codes ...territory.Code) protocol.Policy {
	p.Rules = append([]protocol.Rule{{
		ID: "everywhere", Codes: codes, Name: "Everywhere", LegalBasis: "none", Source: "none", ReviewBy: p.Rules[0].ReviewBy,
	}}, p.Rules...)
	p.Hash = sha256.Sum256([]byte("a policy of the attacker's own"))
	return p
}

// usual is how long an attacker waits for a lock to take hold: the policy's notice, the days on which it has to be shown, and more.
const usual = 20

// oneThreat menaces every phone once, and waits.
func oneThreat(make func(*stage, *victim) (threat, error)) func(*stage) error {
	return func(st *stage) error {
		for _, v := range st.phones {
			t, err := make(st, v)
			if err != nil {
				return err
			}
			if err := v.menace(t, noticeOf(t), lastingOf(t, st)); err != nil {
				return err
			}
		}
		return st.live(usual + 5)
	}
}

// noticeOf is a notice that is long enough.
func noticeOf(t threat) int {
	if t.ground.Kind == order.Warrant {
		return 8
	}
	return 14
}

func lastingOf(t threat, st *stage) time.Duration {
	if t.ground.Kind == order.Warrant {
		return 30 * day
	}
	return lockDays * day
}

// place is where a phone is on the day of the takeover.
func (v *victim) place() territory.Code { return v.at(takeover).Code }

var errScene = errors.New("the scene is not what this attack needs")

var lockTraveller = Drill{
	Name: "lock-traveller", About: "lock phones that were activated where they may be, because of where they are now",
	attacks: []attack{
		{name: "a notice and a lock by the signed rule for the place where the phone is now", phones: []string{traveller, emigrant, madrid, newYork},
			run: oneThreat(func(st *stage, v *victim) (threat, error) {
				p, err := st.signed(0)
				return byRule(p, "iran", "IR"), err
			})},
		{name: "the same, telling the phone that its address is there, at contacts six hours apart", phones: []string{traveller, emigrant, madrid},
			run: func(st *stage) error {
				st.strike()
				for _, v := range st.phones {
					v.ip = "IR"
				}
				if err := st.live(10); err != nil {
					return err
				}
				p, err := st.signed(0)
				if err != nil {
					return err
				}
				for _, v := range st.phones {
					if err := v.menace(byRule(p, "iran", "IR"), 14, lockDays*day); err != nil {
						return err
					}
				}
				return st.live(usual)
			}},
		{name: "every rule of the policy at once, by the present policy and by the one before", phones: []string{traveller, emigrant},
			run: func(st *stage) error {
				for age := range 2 {
					p, err := st.signed(age)
					if err != nil {
						return err
					}
					for _, v := range st.phones {
						v.orders = nil
						for _, r := range p.Rules {
							if err := v.menace(byRule(p, r.ID, r.Codes[0]), 14, lockDays*day); err != nil {
								return err
							}
						}
					}
					if err := st.live(usual); err != nil {
						return err
					}
				}
				return nil
			}},
	},
}

var lockUnlisted = Drill{
	Name: "lock-unlisted-territory", About: "lock phones activated in a territory that no signed policy names",
	attacks: append([]attack{
		{name: "orders by a signed rule, with a territory that it does not name", phones: []string{newYork, madrid},
			run: oneThreat(func(st *stage, v *victim) (threat, error) {
				p, err := st.signed(0)
				return byRule(p, "iran", v.place()), err
			})},
		{name: "orders by a rule that the signed policy does not have", phones: []string{newYork, madrid},
			run: oneThreat(func(st *stage, v *victim) (threat, error) {
				p, err := st.signed(0)
				return byRule(p, "everywhere", v.place()), err
			})},
		{name: "a policy of the attacker's own that names the territory, without signatures", phones: []string{newYork, madrid},
			run: oneThreat(func(st *stage, v *victim) (threat, error) {
				p, err := st.signed(0)
				p = invented(p, "US", "ES")
				v.policy = &p
				return byRule(p, "everywhere", v.place()), err
			})},
	}, policyForgeries...),
}

var replayLock = Drill{
	Name: "replay-lock", About: "lock a phone again whose restriction was lifted",
	attacks: []attack{
		{name: "the very orders of before the lift, with fresh proofs", phones: []string{damascusFree, khartoumFree, released}, run: func(st *stage) error {
			if err := st.replay(); err != nil {
				return err
			}
			return st.live(usual)
		}},
		{name: "a new notice and lock on the same ground, by the present policy or the warrant", phones: []string{damascusFree, khartoumFree, released},
			run: oneThreat(func(st *stage, v *victim) (threat, error) { return st.again(v, 0) })},
		{name: "the same by the policy before", phones: []string{damascusFree, khartoumFree},
			run: oneThreat(func(st *stage, v *victim) (threat, error) { return st.again(v, 1) })},
		{name: "first lifts on forty invented grounds, so that the phone has no room to remember, then both", phones: []string{damascusFree, khartoumFree, released}, run: func(st *stage) error {
			if err := st.flood(40); err != nil {
				return err
			}
			if err := st.replay(); err != nil {
				return err
			}
			for _, v := range st.phones {
				t, err := st.again(v, 0)
				if err != nil {
					return err
				}
				if err := v.menace(t, noticeOf(t), lastingOf(t, st)); err != nil {
					return err
				}
			}
			return st.live(usual)
		}},
	},
}

// replay sends each phone what it had before: its own old notices and locks, with new proofs of the same entries.
func (st *stage) replay() error {
	st.strike()
	for _, v := range st.phones {
		old := append(st.sent(v.id, order.Notice), st.sent(v.id, order.Lock)...)
		if len(old) == 0 {
			return fmt.Errorf("%w: nothing was ever sent to the phone %s", errScene, v.name)
		}
		for _, o := range old {
			index, found := st.public.find(o.ID)
			if !found {
				return fmt.Errorf("%w: an order is not in the ledger", errScene)
			}
			proof, err := st.public.prove(index)
			if err != nil {
				return err
			}
			v.orders = append(v.orders, order.Sealed{Leaf: o.Leaf, Salt: o.Salt, Proof: proof})
			if o.Ground.Kind == order.Warrant {
				if err := v.show(o.Ground); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// again is a threat on the ground of the phone's last notice.
func (st *stage) again(v *victim, age int) (threat, error) {
	old := st.sent(v.id, order.Notice)
	if len(old) == 0 {
		return threat{}, fmt.Errorf("%w: nothing was ever sent to the phone %s", errScene, v.name)
	}
	leaf, err := order.ParseLeaf(old[len(old)-1].Leaf)
	if err != nil {
		return threat{}, err
	}
	if leaf.Ground.Kind == order.Warrant {
		return threat{ground: leaf.Ground, authority: leaf.Authority}, v.show(leaf.Ground)
	}
	p, err := st.signed(age)
	return byRule(p, leaf.Ground.ID, leaf.Territory), err
}

// show delivers the genuine warrant with every answer, the officers' metadata that list it, and the proof that the phone is of its
// cohort, when it is.
func (v *victim) show(g order.Ground) error {
	w, err := v.stage.warrant(g)
	if err != nil {
		return err
	}
	tree := v.stage.cohorts[w.ID]
	document := protocol.Warrant{
		ID: w.ID, Case: w.Case, Reason: w.Reason, IssuedAt: w.DraftedAt, EndsAt: w.EndsAt,
		Officers: [2]string{w.DraftedBy, ""}, Cohort: tree.Summary(),
	}
	if hash, err := document.Hash(); err != nil || hash != w.Hash {
		return fmt.Errorf("%w: the warrant %s is not as it was signed", errScene, w.ID)
	}
	member, _, err := tree.Member(v.made.IMEI)
	if err != nil {
		return err
	}
	v.warrants = append(v.warrants, protocol.Held{Warrant: document, Member: member})
	return v.present(nil)
}

// present brings the officers' metadata with every answer, after change has forged them, under snapshot and timestamp of now.
func (v *victim) present(change func(*papers) error) error {
	v.stage.strike()
	p, err := v.stage.papers()
	if err != nil {
		return err
	}
	if change != nil {
		if err := change(p); err != nil {
			return err
		}
	}
	v.metadata, err = p.update()
	return err
}

// flood lifts invented grounds: a phone follows any genuine lift, and remembers it.
func (st *stage) flood(n int) error {
	p, err := st.signed(0)
	if err != nil {
		return err
	}
	for i := range n {
		for _, v := range st.phones {
			lift := order.Leaf{
				Kind: order.Lift, Ground: rule(fmt.Sprintf("flood-%d", i)), Territory: "IR", Authority: p.Hash,
				IssuedAt: st.told().Add(-10 * 365 * day), Cause: order.ByHuman,
			}
			if err := v.send(lift); err != nil {
				return err
			}
		}
		if i%protocol.MaxOrders == protocol.MaxOrders-1 || i == n-1 {
			if err := st.contact(1); err != nil {
				return err
			}
			for _, v := range st.phones {
				v.orders = nil
			}
		}
	}
	return nil
}
