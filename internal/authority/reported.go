package authority

import (
	"cmp"
	"errors"
	"slices"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// retried are the reasons for which a device may follow the very same order later; any other refusal settles it.
// They are package agent's, which this side must not import.
var retried = map[string]bool{
	"proof-missing": true, "proof-invalid": true, "policy-unknown": true, "policy-not-effective": true, "policy-stale": true,
	"rule-unknown": true, "rule-not-in-force": true, "warrant-missing": true, "no-own-activation": true,
	"boot-not-verified": true, "clock-doubtful": true, "no-notice": true, "too-many-grounds": true,
	"policy-unsigned": true, "policy-expired": true, "warrant-unsigned": true, "warrant-expired": true,
}

// reported writes down what the device applies and refuses, and settles the orders that this speaks of.
func (v *visit) reported() error {
	restrictions, err := v.tx.Restrictions(v.device.ID)
	if err != nil {
		return err
	}
	v.restrictions = restrictions
	if err := v.strays(); err != nil || len(restrictions)+len(v.said.Grounds) == 0 {
		return err
	}
	notes, err := v.refusals()
	if err != nil {
		return err
	}
	for _, r := range restrictions {
		state := v.state(r.Ground)
		old, err := v.formerRound(r, state)
		if err != nil {
			return err
		}
		if state == nil && r.Active() && r.Applied != order.Observed {
			if err := v.forgotten(r); err != nil {
				return err
			}
			continue
		}
		if old {
			state = nil
		}
		if err := v.compare(r, state, notes[r.Ground]); err != nil {
			return err
		}
	}
	return v.settle()
}

// strays lifts what the device applies and these records know nothing of, or have lifted long ago: they are an older copy that somebody
// put back, or the device's record is. Nobody could lift it otherwise, and it would stay until its own end.
func (v *visit) strays() error {
	for i := range v.said.Grounds {
		state := &v.said.Grounds[i]
		r := v.restriction(state.Ground)
		if state.Stage != order.Noticed && state.Stage != order.Locked || r != nil && r.Active() {
			continue
		}
		if r == nil {
			r = v.unknown(state.Ground)
		}
		on, err := v.liftUnderWay(state)
		if err != nil || on || r.Authority == [32]byte{} {
			if err != nil {
				return err
			}
			continue
		}
		if _, err := v.issue(v.device.ID, order.Leaf{
			Kind: order.Lift, Ground: r.Ground, Territory: r.Territory, Authority: r.Authority, Cause: r.Cause,
		}); err != nil {
			return err
		}
		if err := v.note(v.device.ID, "lifted", r.Ground, "rule", "The device is still %s, which these records do not know or have lifted before: the lift was issued anew.", state.Stage); err != nil {
			return err
		}
	}
	return nil
}

// unknown makes up what a lift on a ground without a record rests on: the policy, and where the device was activated.
func (v *visit) unknown(g order.Ground) *Restriction {
	r := &Restriction{Device: v.device.ID, Ground: g, Authority: v.said.PolicyHash, Cause: order.ByRule}
	if e := v.book.edition; e != nil {
		r.Authority = e.document.Hash
	}
	if g.Kind != order.Rule {
		return r
	}
	r.Territory = v.device.Present()
	if a := cmp.Or(v.device.Activation, v.said.Activation); a != nil {
		r.Territory = a.Territory
	}
	if !r.Territory.WellFormed() { // no leaf can be made without one
		r.Authority = [32]byte{}
	}
	return r
}

// liftUnderWay reports whether a lift on the ground waits for the ledger or for the device. One from before the notice that the device
// follows does not count when these records have lost that notice: the device has followed the lift already.
func (v *visit) liftUnderWay(state *evidence.GroundState) (bool, error) {
	_, err := v.tx.Order(v.device.ID, state.Order)
	lost, err := absent(err)
	if err != nil {
		return false, err
	}
	orders, err := v.tx.OrdersOf(v.device.ID, maxListing)
	return slices.ContainsFunc(orders, func(o *Order) bool {
		return o.Kind == order.Lift && o.Ground == state.Ground && !o.Settled && !(lost && territory.DayOf(o.IssuedAt) <= state.FirstSeen)
	}), err
}

// state returns what the device says of a ground, nil when it does not know it.
func (v *visit) state(g order.Ground) *evidence.GroundState {
	for i := range v.said.Grounds {
		if v.said.Grounds[i].Ground == g {
			return &v.said.Grounds[i]
		}
	}
	return nil
}

// formerRound reports whether the device still speaks of an earlier round on this ground: what it showed then does not count
// for the new one.
func (v *visit) formerRound(r *Restriction, state *evidence.GroundState) (bool, error) {
	if state == nil || r.Round <= 1 {
		return false, nil
	}
	if state.Order.IsZero() {
		return state.Stage == order.Lifted && r.Stage == order.Noticed && !state.Cause.Final(), nil
	}
	o, err := v.tx.Order(v.device.ID, state.Order)
	if lost, err := absent(err); err != nil {
		return false, err
	} else if lost && state.Stage == order.Locked { // by a lock that a restored store does not know: it is undone, once
		return v.liftUnderWay(state)
	} else if lost {
		return true, nil
	}
	// A lift and the notice of the next round may be issued in the same second.
	return o.IssuedAt.Before(r.NoticedAt) || o.Kind == order.Lift && o.IssuedAt.Equal(r.NoticedAt), nil
}

// refusals settles refused orders and returns the newest reason by ground.
func (v *visit) refusals() (map[order.Ground]string, error) {
	notes := make(map[order.Ground]string)
	for _, refusal := range v.said.Refusals {
		reason := refusal.Reason
		v.count = append(v.count, func() { v.s.counters.deviceSaysNo.WithLabelValues(knownReason(reason)).Inc() })
		o, err := v.tx.Order(v.device.ID, refusal.Order) // absent for a refused policy, which stands under its hash
		if none, err := absent(err); err != nil {
			return nil, err
		} else if none {
			continue
		}
		if !overtaken[reason] {
			notes[o.Ground] = reason
		}
		if retried[reason] || o.Settled {
			continue
		}
		if err := v.tx.Settle(o.Device, o.ID, reason); err != nil {
			return nil, err
		}
		if err := v.note(v.device.ID, "refused", o.Ground, "device", "The device did not follow a %s: %s.", o.Kind, reason); err != nil {
			return nil, err
		}
		if r := v.restriction(o.Ground); o.Kind == order.Lock && r != nil && r.Stage == order.Locked {
			// It never will. The notice on the device ends with it, and another may begin under the policy in force.
			if err := v.lifted(r, order.ByRule, "rule", "The device did not follow the lock, and never will: "+reason+"."); err != nil {
				return nil, err
			}
		}
	}
	return notes, nil
}

// knownReason keeps a device from inventing labels for the metrics.
func knownReason(reason string) string {
	if retried[reason] || finalReasons[reason] {
		return reason
	}
	return "other"
}

// overtaken are the reasons that say nothing of the ground: the device follows a later order on it.
var overtaken = map[string]bool{"overtaken-by-notice": true, "overtaken-by-lock": true}

var finalReasons = map[string]bool{
	"leaf-malformed": true, "commitment-mismatch": true, "territory-not-in-rule": true, "warrant-mismatch": true,
	"not-in-cohort": true, "metadata-oversized": true, "metadata-malformed": true, "metadata-threshold": true, "metadata-unsigned": true,
	"metadata-root-gap": true, "metadata-rolled-back": true, "metadata-expired": true, "metadata-mixed": true, "warrant-end-too-far": true, "warrant-ended": true, "activated-elsewhere": true,
	"activation-mixed": true, "activated-before-policy": true, "activated-outside-rule": true, "notice-too-short": true,
	"deadline-moved-earlier": true, "lock-too-long": true, "end-not-warrants": true, "end-passed": true, "already-locked": true,
	"policy-rolled-back": true, "policy-notice-too-short": true, "policy-too-few-shown": true, "policy-too-few-days": true,
	"policy-lock-too-long": true, "policy-too-large": true, "policy-incomplete": true, "overtaken-by-notice": true, "overtaken-by-lock": true, "older-than-lift": true, "ground-finally-lifted": true,
}

// compare writes down what is new of one restriction, and follows a device that has lifted it by itself.
func (v *visit) compare(r *Restriction, state *evidence.GroundState, refusal string) error {
	stage, shown, note := r.Applied, r.ShownDays, r.AppliedNote
	first := state != nil && state.Stage == order.Lifted && r.Applied != order.Lifted
	if state != nil {
		stage, shown = state.Stage, int(state.ShownDays)
		if stage == r.Stage {
			note = ""
		}
	}
	if refusal != "" {
		note = refusal
	}
	if stage != r.Applied || shown != r.ShownDays || note != r.AppliedNote {
		if err := v.tx.ReportApplied(r.Device, r.Ground, stage, shown, v.now, note); err != nil {
			return err
		}
		if stage != r.Applied {
			if err := v.note(r.Device, "applied", r.Ground, "device", "The device reports: %s.", stage); err != nil {
				return err
			}
		}
		r.Applied, r.ShownDays, r.AppliedNote = stage, shown, note
	}
	if state != nil && state.Stage == order.Locked && r.Stage == order.Noticed {
		return v.undoLock(r)
	}
	if state == nil || state.Stage != order.Lifted {
		return nil
	}
	if !r.Active() {
		return v.codeReported(r, state, first)
	}
	why := "The device lifted it by itself, because its end had come."
	switch state.Cause {
	case order.ByCode:
		why = codeEntered
	case order.ByHuman, order.ByCase, order.ByRule:
		why = "The device follows a lift that these records had lost."
	}
	return v.lifted(r, state.Cause, "device", why)
}

// forgotten lifts what a device applied and knows nothing of any more: it lost its record and kept its key. As for one that comes
// with a new key, all begins again with a notice, if it is still due (Charter C3); a lock would wait for a notice for ever.
func (v *visit) forgotten(r *Restriction) error {
	return v.lifted(r, order.ByRule, "rule", "The device has lost its record and forgotten the notice.")
}

// undoLock lifts a lock that the device applied after it had been taken back: it was out of reach when an appeal stopped it. The
// lift ends the notice on the device, so the notice begins anew with all of its days, and an open appeal goes on under it. Where
// none may begin now, the owner has got what the appeal asked for.
func (v *visit) undoLock(r *Restriction) error {
	const why = "The lock had been taken back before it took hold, and the device had not heard of it."
	appealing, told := r.Appealing, r.Deadline
	r.Appealing = false // the lift does not end the appeal
	if err := v.lifted(r, order.ByRule, "rule", why); err != nil {
		return err
	}
	l, err := v.look(v.book, v.device, r)
	if err != nil {
		return err
	}
	deadline := later(told, restriction.Deadline(l.basis.place, l.terms, v.now))
	if restriction.Due(r, l.standing, l.terms, v.now) != restriction.Notify ||
		r.Ground.Kind == order.Rule && l.basis.territory == territory.Unknown ||
		!l.endsAt.IsZero() && !deadline.Before(l.endsAt) {
		if appealing {
			return v.closeAppeal(r, "rule", why)
		}
		return nil
	}
	if err := v.notify(r.Device, l.basis, deadline); err != nil {
		return err
	}
	if appealing {
		if err := v.tx.SetAppealing(r.Device, r.Ground, true); err != nil {
			return err
		}
	}
	fresh, err := v.tx.Restriction(r.Device, r.Ground)
	if err != nil {
		return err
	}
	*r = *fresh
	return nil
}

// lifted lifts, and keeps what is in memory in step.
func (v *visit) lifted(r *Restriction, cause order.Cause, actor, why string) error {
	var authority [32]byte
	if e := v.book.edition; e != nil && r.Ground.Kind == order.Rule {
		authority = e.document.Hash
	}
	if err := v.lift(r, authority, cause, actor, why); err != nil {
		return err
	}
	r.Stage, r.Cause, r.LiftedAt, r.Wave = order.Lifted, cause, v.now, 0
	return nil
}

// settle settles the orders that the device follows. A lift is also settled when the device, after it was sent, shows the ground
// as lifted, or knows nothing of it.
func (v *visit) settle() error {
	orders, err := v.tx.Deliverable(v.device.ID)
	if err != nil {
		return err
	}
	for _, o := range orders {
		state := v.state(o.Ground)
		switch {
		case state != nil && state.Order == o.ID:
			err = errors.Join(v.tx.Settle(o.Device, o.ID, ""), v.tx.SettleOlder(o.Device, o.Ground, o.ID))
		case o.Kind == order.Lift && !o.DeliveredAt.IsZero() && (state == nil || state.Stage == order.Lifted):
			err = v.tx.Settle(o.Device, o.ID, "")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
