// Package policy reads territory policies and decides by them.
//
// A policy is a YAML file: dated, sourced and reviewed entries for territories into which a device may not be
// provided, licences that lift them, custom rules in CEL, and inline tests. docs/policy.md is its manual and
// schema.json its JSON Schema. [Parse] is strict: whatever it does not know, cannot reach or finds out of order is a
// [Problem] with file, line, column and a hint, and all of them are told at once.
//
//	p, err := policy.Parse("terms.yaml", src)
//	d := p.Decide(policy.Facts{Activation: "CU", ActivatedOn: day, Attestation: policy.Genuine}, now)
//	fmt.Println(d.Verdict, d.Rule, d.Reasons[0].Text)
//
// [Policy.Decide] is a pure function of the policy, the facts and now. It answers [Permit], [Deny] or [Indeterminate],
// and never turns one into another: indeterminate is the zero value, and nobody may be restricted on it.
//
// # What holds of every decision
//
// These follow from the Charter (docs/threat-model.md) and cannot be written away in a policy file:
//
//   - Only the territory of activation counts, never the place where the device is (C4, C5). Deny is possible only for a
//     device activated in a territory that the policy prohibits, on a day on which the prohibition was in force.
//   - Doubt favours the owner (C10): mixed activation, an attestation other than genuine, a missing record, a doubtful
//     clock, a review that is overdue, or a custom rule that fails, end in indeterminate.
//   - Observation, notice and sunset have floors and ceilings (C3, C8), see [LeastObservedDays] and its neighbours.
package policy
