package drill

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// ownPolicy shows every phone a policy of the attacker's own that names where the phone is, in metadata that forge has changed, and
// gives orders by it.
func ownPolicy(forge func(st *stage, p *papers, extract []byte, path string) error) func(*stage) error {
	return func(st *stage) error {
		for _, v := range st.phones {
			genuine, err := st.signed(0)
			if err != nil {
				return err
			}
			policy := invented(genuine, "US", "ES")
			extract, err := policy.Marshal()
			if err != nil {
				return err
			}
			err = v.present(func(p *papers) error {
				return forge(st, p, extract, tuf.PolicyPath(policy.Hash))
			})
			if err != nil {
				return err
			}
			v.policy = &policy
			if err := v.menace(byRule(policy, "everywhere", v.place()), 14, lockDays*day); err != nil {
				return err
			}
		}
		return st.live(usual)
	}
}

// listed is a forgery in which the policy role lists the file, signed by these keys.
func listed(keys func(*stage) ([]quill, error)) func(*stage, *papers, []byte, string) error {
	return func(st *stage, p *papers, data []byte, path string) error {
		signing, err := keys(st)
		if err != nil {
			return err
		}
		p.policy.list(path, data)
		return errors.Join(p.policy.next(), p.policy.sign(signing...))
	}
}

// usurped is a forgery with a root of the attacker's own, which others sign beside the keys that it names.
func usurped(threshold int, others func(*stage) ([]quill, error)) func(*stage, *papers, []byte, string) error {
	return func(st *stage, p *papers, data []byte, path string) error {
		keys, err := ownQuills()
		if err != nil {
			return err
		}
		signing, err := others(st)
		if err != nil {
			return err
		}
		p.policy.list(path, data)
		p.warrant.list(path, data)
		return p.usurp(keys, threshold, signing...)
	}
}

func ownQuills() ([]quill, error) {
	first, err := ownQuill("Sandbox officer 1") // the names that people know
	if err != nil {
		return nil, err
	}
	second, err := ownQuill("Sandbox officer 2")
	return []quill{first, second}, err
}

// bribed is one officer's key, for the drill in which the attacker has it.
func (st *stage) bribed() (quill, error) {
	return quillIn(filepath.Join(st.scene.officersDir(), "officer-1.key"))
}

func byNobody(*stage) ([]quill, error)    { return nil, nil }
func byOnline(st *stage) ([]quill, error) { return []quill{st.online}, nil }

// byOne, byOneTwice and byTwins are ways in which one officer's key could pass for two.
func byOne(st *stage) ([]quill, error) {
	one, err := st.bribed()
	return []quill{one, st.online}, err
}

func byOneTwice(st *stage) ([]quill, error) {
	one, err := st.bribed()
	return []quill{one, one}, err
}

func byTwins(st *stage) ([]quill, error) {
	one, err := st.bribed()
	if err != nil {
		return nil, err
	}
	twin, err := one.named("Sandbox officer 2")
	return []quill{one, twin}, err
}

// delegated is a forgery in which targets name these keys for policies, and they sign both.
func delegated(keys func(*stage) ([]quill, error)) func(*stage, *papers, []byte, string) error {
	return func(st *stage, p *papers, data []byte, path string) error {
		signing, err := keys(st)
		if err != nil {
			return err
		}
		p.delegate(signing, 2)
		p.policy.list(path, data)
		return errors.Join(p.targets.next(), p.targets.sign(signing...), p.policy.next(), p.policy.sign(signing...))
	}
}

var policyForgeries = []attack{
	{name: "the same, in metadata that the server's own key signed in the officers' place", phones: []string{newYork, madrid}, run: ownPolicy(listed(byOnline))},
	{name: "the same under signatures that the officers gave for another version", phones: []string{newYork, madrid},
		run: ownPolicy(func(_ *stage, p *papers, data []byte, path string) error {
			p.policy.list(path, data)
			return p.policy.next()
		})},
	{name: "the same under a root of the attacker's own, which names keys of theirs as officers'", phones: []string{newYork, madrid}, run: ownPolicy(usurped(2, byNobody))},
	{name: "the same in the place of the first root", phones: []string{newYork, madrid},
		run: ownPolicy(func(st *stage, p *papers, data []byte, path string) error {
			keys, err := ownQuills()
			if err != nil {
				return err
			}
			p.policy.list(path, data)
			if err := p.usurp(keys, 2); err != nil {
				return err
			}
			p.roots = p.roots[len(p.roots)-1:]
			return nil
		})},
	{name: "a phone out of its box, whose firmware has the officers' root, that enrols under a root and a policy of the attacker's own",
		run: firstContact(func(st *stage) []byte { return st.repository.Roots[0] })},
	{name: "another extract under the hash of the signed policy, with its genuine metadata", phones: []string{newYork, madrid}, run: func(st *stage) error {
		for _, v := range st.phones {
			genuine, err := st.signed(0)
			if err != nil {
				return err
			}
			policy := invented(genuine, "US", "ES")
			policy.Hash = genuine.Hash
			v.policy = &policy
			if err := v.present(nil); err != nil {
				return err
			}
			if err := v.menace(byRule(policy, "everywhere", v.place()), 14, lockDays*day); err != nil {
				return err
			}
		}
		return st.live(usual)
	}},
}

// firstContact lets a phone out of its box enrol under a root and a policy of the attacker's own.
func firstContact(root func(*stage) []byte) func(*stage) error {
	return func(st *stage) error {
		if _, err := st.newcomer(root(st)); err != nil {
			return err
		}
		return ownPolicy(func(st *stage, p *papers, extract []byte, path string) error {
			keys, err := ownQuills()
			if err != nil {
				return err
			}
			p.policy.list(path, extract)
			if err := p.usurp(keys, 2); err != nil {
				return err
			}
			p.roots = p.roots[len(p.roots)-1:]
			return nil
		})(st)
	}
}

var oneOfficer = Drill{
	Name: "one-officer-alone", About: "write a policy or a warrant with the key of one officer, whom the attacker has bribed",
	attacks: []attack{
		{name: "a policy signed by that officer and by the server's key", phones: []string{newYork, madrid}, run: ownPolicy(listed(byOne))},
		{name: "a policy signed by that officer twice", phones: []string{newYork, madrid}, run: ownPolicy(listed(byOneTwice))},
		{name: "a policy signed by that officer under two names, which targets of their own making both have", phones: []string{newYork, madrid}, run: ownPolicy(delegated(byTwins))},
		{name: "a root signed by that officer under both names that makes two keys of the attacker's the officers'", phones: []string{newYork, madrid}, run: ownPolicy(usurped(2, byTwins))},
		{name: "a root that asks for one officer only", phones: []string{newYork, madrid}, run: ownPolicy(usurped(1, byOne))},
		{name: "a warrant signed by that officer and by the server's key", phones: []string{neighbour, madrid}, run: ownWarrant(byOne)},
		{name: "a warrant signed by that officer twice", phones: []string{neighbour, madrid}, run: ownWarrant(byOneTwice)},
	},
}

var rollBack = Drill{
	Name: "roll-back-policy", About: "give a phone that has the new policy the old one back",
	attacks: []attack{
		{name: "the old policy, without metadata", phones: []string{khartoumFree}, run: func(st *stage) error { return st.oldRules(usual + 5) }},
		{name: "the old policy with the metadata of its time", phones: []string{khartoumFree}, run: func(st *stage) error {
			return st.rolledBack(func(u *tuf.Update, p *papers) error {
				for role, part := range map[string]*[]byte{tuf.Snapshot: &u.Snapshot, tuf.Timestamp: &u.Timestamp, tuf.Policy: &u.Policy, tuf.Warrant: &u.Warrant} {
					*part = st.versions[role][0]
				}
				return nil
			})
		}},
		{name: "the old listing of policies under snapshot and timestamp of now", phones: []string{khartoumFree}, run: func(st *stage) error { return st.rolledBack(nil) }},
		{name: "the old policy added to a listing of the attacker's, under the server's key", phones: []string{khartoumFree}, run: func(st *stage) error {
			old, err := st.signed(1)
			if err != nil {
				return err
			}
			extract, err := old.Marshal()
			if err != nil {
				return err
			}
			if err := st.each(func(v *victim) error {
				return v.present(func(p *papers) error {
					return listed(byOnline)(st, p, extract, tuf.PolicyPath(old.Hash))
				})
			}); err != nil {
				return err
			}
			return st.oldRules(usual + 5)
		}},
	},
}

// rolledBack presents the listing that the old policy was in, and orders by the old policy; further changes what goes out.
func (st *stage) rolledBack(further func(*tuf.Update, *papers) error) error {
	old, err := st.signed(1)
	if err != nil {
		return err
	}
	listing, err := st.policyOf(old.Hash)
	if err != nil {
		return err
	}
	for _, v := range st.phones {
		var kept *papers
		err := v.present(func(p *papers) (err error) {
			kept = p
			p.policy, err = readPaper(listing)
			return err
		})
		if err != nil {
			return err
		}
		if further != nil {
			if err := further(v.metadata, kept); err != nil {
				return err
			}
		}
	}
	return st.oldRules(usual + 5)
}

// forgedWarrant is a warrant of the attacker's own for one phone, with the proof that the phone is in its cohort.
func forgedWarrant(v *victim, id string, ends time.Time) (protocol.Held, [32]byte, error) {
	c, err := cohort.New(sha256.Sum256([]byte(id)), []device.IMEI{v.made.IMEI})
	if err != nil {
		return protocol.Held{}, [32]byte{}, err
	}
	tree, err := c.Tree()
	if err != nil {
		return protocol.Held{}, [32]byte{}, err
	}
	member, _, err := tree.Member(v.made.IMEI)
	if err != nil {
		return protocol.Held{}, [32]byte{}, err
	}
	w := protocol.Warrant{
		ID: id, Case: "case-0001", Reason: "We are investigating how phones left their market.", IssuedAt: v.stage.told(), EndsAt: ends,
		Officers: [2]string{"Sandbox officer 1", "Sandbox officer 2"}, Cohort: tree.Summary(),
	}
	hash, err := w.Hash()
	return protocol.Held{Warrant: w, Member: member}, hash, err
}

// holdBy gives notice and locks by a warrant until its end.
func (v *victim) holdBy(id string, hash [32]byte, ends time.Time) error {
	t := threat{ground: order.Ground{Kind: order.Warrant, ID: id}, authority: hash}
	n := t.notice(v.stage.told(), 8)
	return errors.Join(v.send(n), v.send(t.lock(v.stage.told(), n.Deadline, ends)))
}

// ownWarrant shows every phone a warrant of the attacker's own, listed in metadata that these keys signed.
func ownWarrant(keys func(*stage) ([]quill, error)) func(*stage) error {
	return func(st *stage) error { return st.ownWarrants("warrant-0009", st.told().Add(60*day), keys) }
}

func (st *stage) ownWarrants(id string, ends time.Time, keys func(*stage) ([]quill, error)) error {
	for _, v := range st.phones {
		w, hash, err := forgedWarrant(v, id, ends)
		if err != nil {
			return err
		}
		data, err := w.Warrant.Marshal()
		if err != nil {
			return err
		}
		if err := v.present(func(p *papers) error {
			if keys == nil {
				return nil
			}
			signing, err := keys(st)
			if err != nil {
				return err
			}
			p.warrant.list(tuf.WarrantPath(id), data)
			return errors.Join(p.warrant.next(), p.warrant.sign(signing...))
		}); err != nil {
			return err
		}
		v.warrants = []protocol.Held{w}
		if err := v.holdBy(id, hash, ends); err != nil {
			return err
		}
	}
	return st.live(usual)
}

var holdWithout = Drill{
	Name: "hold-without-warrant", About: "hold phones by a warrant that no officers signed",
	attacks: []attack{
		{name: "orders by a warrant that is not shown", phones: []string{neighbour, madrid, newYork}, run: func(st *stage) error {
			ends := st.told().Add(60 * day)
			for _, v := range st.phones {
				if err := v.holdBy("warrant-0009", sha256.Sum256([]byte("no warrant")), ends); err != nil {
					return err
				}
			}
			return st.live(usual)
		}},
		{name: "a warrant that names two officers, for a cohort of one, without metadata", phones: []string{neighbour, madrid}, run: func(st *stage) error {
			ends := st.told().Add(60 * day)
			for _, v := range st.phones {
				w, hash, err := forgedWarrant(v, "warrant-0009", ends)
				if err != nil {
					return err
				}
				v.warrants = []protocol.Held{w}
				if err := v.holdBy("warrant-0009", hash, ends); err != nil {
					return err
				}
			}
			return st.live(usual)
		}},
		{name: "the same beside genuine metadata, which do not list it", phones: []string{neighbour, madrid}, run: ownWarrant(nil)},
		{name: "the same in a listing that the server's own key signed", phones: []string{neighbour, madrid}, run: ownWarrant(byOnline)},
	},
}

var holdOutside = Drill{
	Name: "hold-outside-cohort", About: "hold phones by a genuine warrant that is not for them",
	attacks: []attack{
		{name: "the genuine warrant and metadata, without a proof of membership", phones: []string{neighbour, madrid, newYork}, run: func(st *stage) error {
			return st.holdOthers(func(*victim, *protocol.Held) error { return nil })
		}},
		{name: "with the proof of a phone that is in the cohort", phones: []string{neighbour, madrid}, run: func(st *stage) error {
			return st.holdOthers(func(_ *victim, h *protocol.Held) (err error) {
				h.Member, _, err = st.cohorts[h.Warrant.ID].Member(st.scene.actor(held).made.IMEI)
				return err
			})
		}},
		{name: "with a cohort of the attacker's own in the warrant", phones: []string{neighbour, madrid}, run: func(st *stage) error {
			return st.holdOthers(func(v *victim, h *protocol.Held) error {
				forged, _, err := forgedWarrant(v, h.Warrant.ID, h.Warrant.EndsAt)
				h.Warrant.Cohort, h.Member = forged.Warrant.Cohort, forged.Member
				return err
			})
		}},
		{name: "the same, with orders that rest on the warrant as it was signed", phones: []string{neighbour, madrid}, run: func(st *stage) error {
			return st.holdOthers(func(v *victim, h *protocol.Held) error {
				forged, _, err := forgedWarrant(v, h.Warrant.ID, h.Warrant.EndsAt)
				h.Member = forged.Member
				return err
			})
		}},
	},
}

// holdOthers shows the genuine warrant to phones that it is not for, changed, and gives orders by what is then shown.
func (st *stage) holdOthers(change func(*victim, *protocol.Held) error) error {
	for _, v := range st.phones {
		if err := v.show(st.scene.first); err != nil {
			return err
		}
		shown := &v.warrants[0]
		if err := change(v, shown); err != nil {
			return err
		}
		hash, err := shown.Warrant.Hash()
		if err != nil {
			return err
		}
		if err := v.holdBy(shown.Warrant.ID, hash, shown.Warrant.EndsAt); err != nil {
			return err
		}
	}
	return st.live(usual)
}

var reuseID = Drill{
	Name: "reuse-warrant-id", About: "make another warrant pass for one that phones know, under its id",
	attacks: []attack{
		{name: "a warrant of the attacker's own under the id of the running one, that ends later", phones: []string{held, neighbour}, run: func(st *stage) error {
			return st.ownWarrants(st.scene.first.ID, st.scene.ends.Add(40*day), byOnline)
		}},
		{name: "the same under the id of the concluded case's", phones: []string{released, neighbour}, run: func(st *stage) error {
			return st.ownWarrants(st.second().ID, st.told().Add(60*day), byOnline)
		}},
		{name: "a draft under the id of the running warrant, for another phone and with a later end, that officers sign unawares", phones: []string{held, neighbour, madrid}, run: func(st *stage) error {
			return st.signedUnawares(st.scene.first.ID, newYork)
		}},
		{name: "the same under the id of the concluded case's", phones: []string{released, neighbour, madrid}, run: func(st *stage) error {
			return st.signedUnawares(st.second().ID, newYork)
		}},
	},
}

// second is the ground of the concluded case's warrant.
func (st *stage) second() order.Ground {
	for _, w := range st.warrants {
		if w.ID != st.scene.first.ID {
			return order.Ground{Kind: order.Warrant, ID: w.ID}
		}
	}
	panic("the scene has two warrants") // Stage drafts both
}

// signedUnawares has the officers sign a genuine warrant for the phone with this name, in whose draft the server put an id that was used
// before, and tries it on the others.
func (st *stage) signedUnawares(id, subject string) error {
	ends := st.told().Add(80 * day)
	target := &victim{actor: st.scene.actor(subject), stage: st}
	genuine, hash, err := forgedWarrant(target, id, ends)
	if err != nil {
		return err
	}
	data, err := genuine.Warrant.Marshal()
	if err != nil {
		return err
	}
	repository, err := st.officersSign(tuf.WarrantPath(id), data)
	if err != nil {
		return err
	}
	for _, v := range st.phones {
		update := repository.Update(0)
		v.metadata, v.warrants = &update, []protocol.Held{genuine}
		if err := v.holdBy(id, hash, ends); err != nil {
			return err
		}
	}
	return st.live(int(st.scene.ends.Sub(st.began)/day) + usual)
}

// officersSign has two officers sign a listing of warrants with one more.
func (st *stage) officersSign(path string, data []byte) (*tufrepo.Repository, error) {
	now := st.clock.Now()
	p, err := st.repository.ProposeWarrant([]tufrepo.File{{Path: path, Data: data}}, func(listed string) bool { return !strings.HasPrefix(listed, path) }, now)
	if err != nil {
		return nil, err
	}
	for _, n := range []int{2, 3} {
		key, err := tufrepo.ReadKey(filepath.Join(st.scene.officersDir(), fmt.Sprintf("officer-%d.key", n)), nil)
		if err != nil {
			return nil, err
		}
		if err := p.Sign(key); err != nil {
			return nil, err
		}
	}
	online, err := tufrepo.ReadKey(filepath.Join(st.scene.serverDir(), "keys", "online.key"), nil)
	if err != nil {
		return nil, err
	}
	return st.repository.Accept(p, online, now)
}
