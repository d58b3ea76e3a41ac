package drill

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/bailiwick-dev/bailiwick/order"
)

var wipe = Drill{
	Name: "wipe", About: "delete what the owner has on the phone, or shut the ways out of a lock",
	attacks: []attack{
		{name: "orders of kinds that there are not, genuinely in the ledger", phones: []string{havanaLocked, held, madrid}, run: func(st *stage) error {
			for _, kind := range []byte{0, 4, 5, 23} {
				for _, v := range st.phones {
					if err := v.odd(func(leaf []byte) []byte { leaf[4] = kind; return leaf }); err != nil {
						return err
					}
				}
			}
			return st.live(5)
		}},
		{name: "an order with a member that says wipe", phones: []string{havanaLocked, held, madrid}, run: func(st *stage) error {
			for _, v := range st.phones {
				if err := v.odd(func(leaf []byte) []byte {
					leaf[0]++ // a map of one more pair: 12 → "wipe"
					return append(leaf, 0x0c, 0x64, 'w', 'i', 'p', 'e')
				}); err != nil {
					return err
				}
			}
			return st.live(5)
		}},
		{name: "a policy without contact, rules or sources, and a count of spent unlock codes beyond all codes", phones: []string{havanaLocked, held, madrid}, run: func(st *stage) error {
			st.every = day
			for _, v := range st.phones {
				p, err := st.signed(0)
				if err != nil {
					return err
				}
				p.Contact.Phone, p.Contact.Email, p.Contact.OwnerURL, p.Rules = "", "", "", nil
				p.Hash = sha256.Sum256([]byte("nobody to ask"))
				v.policy, v.unlocks = &p, 1<<62
				if err := v.present(nil); err != nil {
					return err
				}
			}
			return st.live(10)
		}},
	},
}

// odd sends a lift that was changed after it was written: the ledger takes any bytes.
func (v *victim) odd(change func([]byte) []byte) error {
	p, err := v.stage.signed(0)
	if err != nil {
		return err
	}
	var s order.Sealed
	if _, err := rand.Read(s.Salt[:]); err != nil {
		return err
	}
	leaf := order.Leaf{
		Kind: order.Lift, Ground: rule("cuba"), Territory: "CU", Authority: p.Hash, IssuedAt: v.stage.told(), Cause: order.ByRule,
		Commitment: order.Commit(s.Salt, v.id),
	}
	if s.Leaf, err = leaf.Marshal(); err != nil {
		return err
	}
	if s.Leaf[3] != 1 || s.Leaf[4] != byte(order.Lift) {
		return fmt.Errorf("%w: a leaf has its kind in another place", errScene)
	}
	s.Leaf = change(s.Leaf)
	v.stage.strike()
	index, err := v.stage.public.append(s.Leaf)
	if err != nil {
		return err
	}
	s.Proof, err = v.stage.public.prove(index)
	v.orders = append(v.orders, s)
	return err
}
