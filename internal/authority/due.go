package authority

import (
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// due asks the rules what each ground makes due for the device, and does it. Locks are not among it: they are proposed by a sweep
// and ordered by an officer.
func (v *visit) due() error {
	for _, r := range v.restrictions {
		var err error
		if r.Ground.Kind == order.Rule {
			err = v.dueByRule(r.Ground.ID, r)
		} else {
			err = v.dueByWarrant(r.Ground.ID, r)
		}
		if err != nil {
			return err
		}
	}
	if rule := v.decision.Rule; v.decision.Verdict == policy.Deny && v.restriction(order.Ground{Kind: order.Rule, ID: rule}) == nil {
		if err := v.dueByRule(rule, nil); err != nil {
			return err
		}
	}
	if v.device.Made == nil {
		return nil
	}
	for _, h := range v.book.holds[v.device.Made.Consignment] {
		if v.restriction(warrantGround(h.warrant.ID)) == nil {
			if err := v.dueByWarrant(h.warrant.ID, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *visit) restriction(g order.Ground) *Restriction {
	for _, r := range v.restrictions {
		if r.Ground == g {
			return r
		}
	}
	return nil
}

func (v *visit) standing(support restriction.Support) restriction.Standing {
	return standingOf(v.device, support)
}

// standingOf is how a device stands, given what a ground says of it.
func standingOf(d *Device, support restriction.Support) restriction.Standing {
	return restriction.Standing{Support: support, Attestation: d.Attestation, ClockDoubt: d.ClockDoubt, LastSeen: d.LastSeen}
}

func (v *visit) dueByRule(rule string, r *Restriction) error {
	e := v.book.edition
	if e == nil {
		return nil
	}
	standing := v.standing(v.book.ruleSupport(rule, v.decision, v.now))
	standing.HasPolicy = v.said.PolicyHash == e.extract.Hash
	action := restriction.Due(r, standing, v.s.terms(e), v.now)
	b, ok := v.s.ruleBasis(e, rule, v.device)
	if !ok && (action == restriction.Notify || action == restriction.Remind) {
		return nil
	}
	b.actor = "rule"
	return v.act(action, r, b, "The rule no longer applies: "+v.firstReason())
}

// ruleSupport is what a decision says of a rule. Once the officers' signatures on policies have ended nothing is escalated, and what is
// there stays (Charter C10).
func (b *book) ruleSupport(rule string, d policy.Decision, now time.Time) restriction.Support {
	support := restriction.OfRule(rule, d)
	if support == restriction.Holds && !b.signed.stands(tuf.Policy, now) {
		return restriction.Unclear
	}
	return support
}

// ruleBasis is what orders by a rule rest on; ok is false when the rule does not speak of the device's activation.
func (s *Service) ruleBasis(e *edition, rule string, d *Device) (b basis, ok bool) {
	if d.Activation == nil {
		return basis{}, false
	}
	b = basis{
		ground: order.Ground{Kind: order.Rule, ID: rule}, territory: e.codeFor(rule, d.Activation.Territory),
		authority: e.document.Hash, place: d.Activation.Territory, terms: s.terms(e), actor: "rule",
	}
	return b, b.territory != territory.Unknown
}

func (v *visit) firstReason() string {
	if len(v.decision.Reasons) == 0 {
		return "the policy permits it."
	}
	return v.decision.Reasons[0].Text
}

func (v *visit) dueByWarrant(id string, r *Restriction) error {
	support, w, err := v.warrantSupport(v.book, id, v.device)
	if err != nil {
		return err
	}
	b := v.s.warrantBasis(w, v.device)
	action := restriction.Due(r, v.standing(support), b.terms, v.now)
	if action == restriction.Notify || action == restriction.Remind {
		if !restriction.Deadline(b.place, b.terms, v.now).Before(w.EndsAt) {
			return nil // it would end before it could begin
		}
		if !v.book.signed.stands(tuf.Warrant, v.now) {
			return nil // devices refuse it until officers renew their signatures
		}
	}
	return v.act(action, r, b, "The case was concluded.")
}

// warrantBasis is what orders by a warrant rest on. Nobody knows yet where the device is at home: noon counts where it was last
// seen, or where it was to be sold.
func (s *Service) warrantBasis(w *Warrant, d *Device) basis {
	b := basis{
		ground: warrantGround(w.ID), authority: w.Hash, place: d.Present(), terms: restriction.HoldTerms(s.cfg.SeenWithin),
		actor: w.CountersignBy,
	}
	if b.place == territory.Unknown && d.Made != nil {
		b.place = d.Made.Market
	}
	return b
}

// act does what is due. why is what the time line says of a lift by rule.
func (v *visit) act(action restriction.Action, r *Restriction, b basis, why string) error {
	switch action {
	case restriction.Notify:
		return v.notify(v.device.ID, b, restriction.Deadline(b.place, b.terms, v.now))
	case restriction.Remind:
		return v.remind(r, b)
	case restriction.Withdraw:
		return v.withdraw(r)
	case restriction.LiftGone:
		return v.lifted(r, goneCause(r.Ground), b.actor, why)
	case restriction.LiftEnd:
		return v.lifted(r, order.ByEnd, "rule", "Its end has come.")
	}
	return nil
}

// remind issues the notice again with a later deadline. What the device said of the one before says nothing of this one: were it kept,
// each check-in would issue another, and none would ever arrive.
func (v *visit) remind(r *Restriction, b basis) error {
	err := v.postpone(v.device.ID, b, later(r.Deadline, restriction.Deadline(b.place, b.terms, v.now)),
		"The notice had not arrived in time and is issued again")
	if err != nil {
		return err
	}
	r.AppliedNote = ""
	return v.tx.ReportApplied(r.Device, r.Ground, r.Applied, r.ShownDays, v.now, "")
}

// goneCause is why a restriction ends when what it rested on is gone: a rule that no longer applies may come back, a concluded case
// does not.
func goneCause(g order.Ground) order.Cause {
	if g.Kind == order.Warrant {
		return order.ByCase
	}
	return order.ByRule
}

// collect lists the orders for the answer and marks them as sent: lifts first, because a lift wins (Charter C9).
func (v *visit) collect() error {
	if len(v.restrictions)+len(v.said.Grounds)+len(v.issued) == 0 { // nothing ever restricted it
		return nil
	}
	orders, err := v.tx.Deliverable(v.device.ID)
	if err != nil {
		return err
	}
	orders = liftsFirst(slices.DeleteFunc(orders, v.stayed))
	v.orders = orders[:min(len(orders), protocol.MaxOrders)]
	for _, o := range v.orders {
		if err := v.tx.MarkDelivered(o.Device, o.ID, v.now); err != nil {
			return err
		}
		if o.Ground.Kind == order.Warrant && o.Kind != order.Lift {
			if err := v.hold(o.Ground.ID); err != nil {
				return err
			}
		}
	}
	recent, err := v.tx.OrdersOf(v.device.ID, protocol.MaxOrders)
	for _, o := range recent {
		v.pending = v.pending || !o.Sequenced && !o.Settled
	}
	return err
}

// hold puts a warrant that an order rests on into the answer, with the proof that the device is in its cohort. One that does not count is
// left out, and the device does not follow the order.
func (v *visit) hold(id string) error {
	if v.held[id] != nil {
		return nil
	}
	w, err := v.tx.Warrant(id)
	if err != nil {
		return err
	}
	tree, counts, err := v.s.authentic(v.tx, v.book.signed, w)
	if err != nil || !counts {
		return err
	}
	member, found, err := tree.Member(v.device.IMEI)
	if err != nil || !found {
		return err
	}
	if v.held == nil {
		v.held = make(map[string]*protocol.Held)
	}
	v.held[id] = &protocol.Held{Warrant: documentOf(w, tree.Summary()), Member: member}
	return nil
}

// stayed reports whether an order is a lock under an open appeal: it does not leave before the answer. That it was sent once does not
// say that it arrived; a device that has it does not need it again.
func (v *visit) stayed(o *Order) bool {
	r := v.restriction(o.Ground)
	return o.Kind == order.Lock && r != nil && r.Appealing
}

func liftsFirst(orders []*Order) []*Order {
	sorted := make([]*Order, 0, len(orders))
	for _, lifts := range []bool{true, false} {
		for _, o := range orders {
			if (o.Kind == order.Lift) == lifts {
				sorted = append(sorted, o)
			}
		}
	}
	return sorted
}
