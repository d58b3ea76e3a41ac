package protocol

import (
	"crypto/sha256"

	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Bounds of a policy as a device reads it.
const (
	MaxPolicy = 256 << 10 // bytes
	MaxRules  = 256
	MaxCodes  = 300 // in one rule
)

// Marshal returns the policy's bytes, for a device that keeps it. It fails with ErrInvalid or ErrOversized.
func (p Policy) Marshal() ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	w := policyToWire(&p)
	return marshal(&w, MaxPolicy)
}

// ParsePolicy reads what Marshal wrote. It fails with ErrOversized, ErrMalformed or ErrInvalid.
func ParsePolicy(data []byte) (*Policy, error) {
	var w wirePolicy
	if err := unmarshal(data, MaxPolicy, &w); err != nil {
		return nil, err
	}
	p, err := policyFromWire(&w)
	if err != nil {
		return nil, err
	}
	return p, p.Validate()
}

// Validate checks that p is complete and within its bounds. It knows nothing of the Charter's floors: a policy that
// goes below them is well-formed, and the agent refuses it under the Charter's name. It fails with ErrInvalid.
func (p *Policy) Validate() error {
	if err := checkText("the policy's id", p.ID, 1, 128); err != nil {
		return err
	}
	if err := checkTime("the policy's effective date", p.Effective.Unix()); err != nil {
		return err
	}
	const mostDays = 3650
	o := p.Observation
	switch {
	case p.Effective.Nanosecond() != 0:
		return invalid("the policy's effective date is a whole second")
	case o.Days < 0 || o.Days > mostDays || o.Window < 0 || o.Window > mostDays || o.Percent > 100:
		return invalid("an observation has 0 to %d days, and at most 100 per cent", mostDays)
	case p.NoticeDays < 0 || p.NoticeDays > mostDays || p.ShownDays < 0 || p.ShownDays > mostDays ||
		p.LockDays < 0 || p.LockDays > mostDays:
		return invalid("notice, shown and lock have 0 to %d days", mostDays)
	case p.AppliesFrom < 0:
		return invalid("days are counted from 1970 on")
	case len(p.Rules) > MaxRules:
		return invalid("a policy has at most %d rules", MaxRules)
	}
	seen := make(map[string]bool, len(p.Rules))
	for i := range p.Rules {
		if err := p.Rules[i].validate(); err != nil {
			return err
		}
		if seen[p.Rules[i].ID] {
			return invalid("rule %q stands twice", p.Rules[i].ID)
		}
		seen[p.Rules[i].ID] = true
	}
	return p.Contact.validate()
}

func (r *Rule) validate() error {
	if err := (order.Ground{Kind: order.Rule, ID: r.ID}).Validate(); err != nil {
		return invalid("%w", err)
	}
	if len(r.Codes) == 0 || len(r.Codes) > MaxCodes {
		return invalid("rule %q has 1 to %d territories, not %d", r.ID, MaxCodes, len(r.Codes))
	}
	for _, c := range r.Codes {
		if !c.WellFormed() {
			return invalid("rule %q: a territory is a code such as CU or UA-43", r.ID)
		}
	}
	if r.Since < 0 || r.Until < 0 || r.ReviewBy < 0 {
		return invalid("rule %q: days are counted from 1970 on", r.ID)
	}
	for _, t := range []struct {
		what, text string
		most       int
	}{{"a rule's name", r.Name, 200}, {"a rule's legal basis", r.LegalBasis, 2000}, {"a rule's source", r.Source, 1000}} {
		if err := checkText(t.what, t.text, 0, t.most); err != nil {
			return err
		}
	}
	return nil
}

func (c *Contact) validate() error {
	for _, t := range []struct {
		what, text string
		most       int
	}{
		{"the contact's name", c.Name, 200}, {"the contact's phone number", c.Phone, 64},
		{"the contact's e-mail address", c.Email, 254}, {"the owner page's address", c.OwnerURL, 1000},
	} {
		if err := checkText(t.what, t.text, 0, t.most); err != nil {
			return err
		}
	}
	return nil
}

func policyToWire(p *Policy) wirePolicy {
	w := wirePolicy{
		Hash: p.Hash[:], ID: p.ID, Effective: p.Effective.Unix(),
		Observation: wireObservation{
			Days: uint16(p.Observation.Days), Window: uint16(p.Observation.Window), Percent: p.Observation.Percent,
		},
		NoticeDays: uint16(p.NoticeDays), ShownDays: uint16(p.ShownDays), LockDays: uint16(p.LockDays),
		AppliesFrom: int32(p.AppliesFrom),
		Contact:     wireContact(p.Contact),
	}
	for _, r := range p.Rules {
		codes := make([]string, len(r.Codes))
		for i, c := range r.Codes {
			codes[i] = string(c)
		}
		w.Rules = append(w.Rules, wireRule{
			ID: r.ID, Codes: codes, Name: r.Name, LegalBasis: r.LegalBasis, Source: r.Source,
			Since: int32(r.Since), Until: int32(r.Until), ReviewBy: int32(r.ReviewBy),
		})
	}
	return w
}

func policyFromWire(w *wirePolicy) (*Policy, error) {
	p := &Policy{
		ID: w.ID, Effective: timeOf(w.Effective),
		Observation: territory.Observation{
			Days: int(w.Observation.Days), Window: int(w.Observation.Window), Percent: w.Observation.Percent,
		},
		NoticeDays: int(w.NoticeDays), ShownDays: int(w.ShownDays), LockDays: int(w.LockDays),
		AppliesFrom: territory.Day(w.AppliesFrom),
		Contact:     Contact(w.Contact),
	}
	if !dcbor.Fixed(p.Hash[:], w.Hash) {
		return nil, malformed("the policy's hash has 32 bytes, not %d", len(w.Hash))
	}
	for _, r := range w.Rules {
		p.Rules = append(p.Rules, Rule{
			ID: r.ID, Codes: codesFromWire(r.Codes), Name: r.Name, LegalBasis: r.LegalBasis, Source: r.Source,
			Since: territory.Day(r.Since), Until: territory.Day(r.Until), ReviewBy: territory.Day(r.ReviewBy),
		})
	}
	return p, nil
}

// Marshal returns the warrant's exact bytes, which its hash is taken from. It fails with ErrInvalid.
func (w Warrant) Marshal() ([]byte, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	wire := warrantToWire(&w)
	return dcbor.Marshal(&wire)
}

// Hash returns the SHA-256 of the warrant's bytes: what order.Leaf.Authority says in orders that rest on it. It fails
// with ErrInvalid.
func (w Warrant) Hash() ([32]byte, error) {
	data, err := w.Marshal()
	if err != nil {
		return [32]byte{}, err
	}
	return sha256.Sum256(data), nil
}

// Validate checks that w is complete and within its bounds. Whether it is too long, and whether two officers signed it, is
// for the agent to judge under the Charter's name. It fails with ErrInvalid.
func (w *Warrant) Validate() error {
	if err := (order.Ground{Kind: order.Warrant, ID: w.ID}).Validate(); err != nil {
		return invalid("%w", err)
	}
	if err := checkText("a warrant's case", w.Case, 0, 128); err != nil {
		return err
	}
	if err := checkText("a warrant's reason", w.Reason, 1, 500); err != nil {
		return err
	}
	for _, officer := range w.Officers {
		if err := checkText("an officer's name", officer, 0, 128); err != nil {
			return err
		}
	}
	if err := w.Cohort.validate(); err != nil {
		return err
	}
	if err := checkTime("a warrant's issue", w.IssuedAt.Unix()); err != nil {
		return err
	}
	if err := checkTime("a warrant's end", w.EndsAt.Unix()); err != nil {
		return err
	}
	if w.IssuedAt.Nanosecond() != 0 || w.EndsAt.Nanosecond() != 0 {
		return invalid("a warrant's times are whole seconds")
	}
	return nil
}

func warrantToWire(w *Warrant) wireWarrant {
	return wireWarrant{
		ID: w.ID, Case: w.Case, Reason: w.Reason,
		IssuedAt: w.IssuedAt.Unix(), EndsAt: w.EndsAt.Unix(), Officers: w.Officers[:],
		Cohort: w.Cohort.Root[:], Size: w.Cohort.Size,
	}
}

func warrantFromWire(w *wireWarrant) (*Warrant, error) {
	if len(w.Officers) != 2 {
		return nil, malformed("a warrant names two officers, not %d", len(w.Officers))
	}
	warrant := &Warrant{
		ID: w.ID, Case: w.Case, Reason: w.Reason,
		IssuedAt: timeOf(w.IssuedAt), EndsAt: timeOf(w.EndsAt), Officers: [2]string(w.Officers),
		Cohort: Cohort{Size: w.Size},
	}
	if !dcbor.Fixed(warrant.Cohort.Root[:], w.Cohort) {
		return nil, malformed("a cohort's root has 32 bytes, not %d", len(w.Cohort))
	}
	return warrant, nil
}
