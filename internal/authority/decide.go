package authority

import (
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
)

// factsOf puts together what a decision is made from.
func (s *Service) factsOf(d *Device) policy.Facts {
	p := d.Made
	f := policy.Facts{
		Device: d.ID, Model: d.Model, TAC: d.IMEI.TAC(), Category: s.cfg.Category, Attestation: d.Attestation,
		Present: d.Present(), Licences: d.LicenceNames, RecordMissing: p == nil, ClockDoubtful: d.ClockDoubt,
	}
	if p != nil {
		f.Market, f.Consignee = p.Market, p.Consignee
		if p.Model != "" {
			f.Model = p.Model
		}
	}
	if a := d.Activation; a != nil {
		f.Activation, f.ActivatedOn, f.ActivationMixed = a.Territory, a.Day, a.Mixed
	}
	return f
}

// decide asks the policy in force; e is nil when none is, and the decision then indeterminate.
func (s *Service) decide(e *edition, d *Device, now time.Time) policy.Decision {
	if e == nil {
		return policy.Decision{Reasons: []policy.Reason{{Code: policy.PolicyNotInForce, Text: "No policy is in force."}}}
	}
	return e.policy.Decide(s.factsOf(d), now)
}

// record writes a decision into the device's record and reports whether it says something else than the one before.
func record(d *Device, decision policy.Decision, now time.Time) (changed bool) {
	changed = d.Verdict != decision.Verdict || d.VerdictRule != decision.Rule
	if changed || d.PolicyHash != decision.PolicyHash || !slices.Equal(d.Reasons, decision.Reasons) {
		d.DecidedAt = now
	}
	d.Verdict, d.VerdictRule, d.PolicyHash = decision.Verdict, decision.Rule, decision.PolicyHash
	d.Reasons = slices.Clone(decision.Reasons)
	return changed
}

// production reads a device's whole production record; nil when there is none.
func production(tx Tx, d *Device) (*Production, error) {
	if d.Made == nil {
		return nil, nil
	}
	p, err := tx.Production(d.IMEI)
	if none, err := absent(err); none || err != nil {
		return nil, err
	}
	return &p, nil
}
