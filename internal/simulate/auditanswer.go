package simulate

import (
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// expect reads an answer that the device is about to take: which lifts it brings, and what it says.
func (a *auditor) expect(answer *protocol.CheckInAnswer) {
	a.expected = a.expected[:0]
	if answer == nil {
		return
	}
	a.bootWall = false // a contact may end the doubt
	var notices []order.Leaf
	var indexes []uint64
	for _, sealed := range answer.Orders {
		leaf, err := order.ParseLeaf(sealed.Leaf)
		if err != nil {
			a.check("orders", false, "an order cannot be read: %v", err)
			return
		}
		id := sealed.ID()
		a.delivered[id] = leaf
		switch leaf.Kind {
		case order.Lift:
			a.expected = append(a.expected, lift{id: id, leaf: leaf})
		case order.Notice:
			notices, indexes = append(notices, leaf), append(indexes, a.h.w.books.indexOf(id))
		}
	}
	for i := range a.expected {
		l := &a.expected[i]
		for j, notice := range notices {
			l.beaten = l.beaten || notice.Ground == l.leaf.Ground && indexes[j] > a.h.w.books.indexOf(l.id)
		}
	}
	if p := answer.Policy; p != nil && len(a.policies) > 0 && !slices.Contains(a.policies, p.Hash) {
		a.policies = append(a.policies, p.Hash)
	}
}

// accepted checks what became of the answer: every lift in it was followed, now or before, even when nothing could be stored (C9).
func (a *auditor) accepted(answer *protocol.CheckInAnswer, out agent.Outcome, err error) {
	if answer == nil {
		a.check("orders", err != nil || !a.h.on, "an answer that was cut short was taken")
		return
	}
	if !a.h.on {
		return
	}
	for _, l := range a.expected {
		n := a.notes.of(l.leaf.Ground)
		known := slices.Contains(n.lifts, l.id)
		a.check("C9", known || l.beaten || n.stage != order.Noticed && n.stage != order.Locked,
			"a lift of %v was taken, and it is %v", l.leaf.Ground, n.stage)
		a.check("C9", err != nil || slices.Contains(out.Applied, l.id), "a lift of %v was not followed", l.leaf.Ground)
		if err != nil {
			continue
		}
		a.lifted(n, l)
	}
	if err != nil {
		return
	}
	a.takenPolicy(answer, out)
	if !a.notes.unsaved {
		a.stored, a.kept = a.notes.clone(), a.h.flash.saves
	}
}

// lifted notes a lift that was followed.
func (a *auditor) lifted(n *seen, l lift) {
	if slices.Contains(n.lifts, l.id) {
		return
	}
	n.lifts = append(slices.Clip(n.lifts), l.id)
	n.final, n.inherited = n.final || l.leaf.Cause.Final(), false
	index := a.h.w.books.indexOf(l.id)
	if l.leaf.IssuedAt.After(n.lastLift) || l.leaf.IssuedAt.Equal(n.lastLift) && index > n.lastIndex {
		n.lastLift, n.lastIndex = l.leaf.IssuedAt, index
	}
}

// takenPolicy notes which policy the device has now.
func (a *auditor) takenPolicy(answer *protocol.CheckInAnswer, out agent.Outcome) {
	if p := answer.Policy; p != nil {
		refused := slices.ContainsFunc(out.Refused, func(r evidence.Refusal) bool { return r.Order == order.ID(p.Hash) })
		switch {
		case !refused:
			a.policies = [][32]byte{p.Hash}
		default:
			a.policies = slices.DeleteFunc(a.policies, func(hash [32]byte) bool { return hash == p.Hash })
		}
	}
}

// coded checks an unlock code: a right one ends what is locked, or else what is noticed, for good.
func (a *auditor) coded(result agent.CodeResult) {
	if !a.h.on || !result.Unlocked {
		return
	}
	for _, g := range result.Lifted {
		n := a.notes.of(g)
		a.check("C9", n.stage == order.Lifted && n.final, "a right code left %v %v", g, n.stage)
	}
}

// liftOnly makes an answer of a single lift, to expect it like others; nil for another order.
func liftOnly(sealed *order.Sealed) *protocol.CheckInAnswer {
	if leaf, err := order.ParseLeaf(sealed.Leaf); err != nil || leaf.Kind != order.Lift {
		return nil
	}
	return &protocol.CheckInAnswer{Orders: []order.Sealed{*sealed}, Time: time.Time{}}
}
