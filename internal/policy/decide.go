package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Verdict is the outcome of a decision. The zero value is Indeterminate, on which nobody may be restricted.
type Verdict uint8

// The verdicts.
const (
	Indeterminate Verdict = iota
	Permit
	Deny
)

var verdictNames = []string{"indeterminate", "permit", "deny"}

func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "indeterminate"
}

// MarshalText implements encoding.TextMarshaler.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Verdict) UnmarshalText(text []byte) error {
	i := slices.Index(verdictNames, string(text))
	if i < 0 {
		return fmt.Errorf("policy: no verdict %q; %s", clip(string(text)), oneOf(verdictNames))
	}
	*v = Verdict(i)
	return nil
}

// Decision is what a policy says of one device.
type Decision struct {
	Verdict    Verdict
	Rule       string         // the prohibited entry that the activation falls under, in force or not; "" when none
	Custom     string         // the custom rule that decided; "" when none did
	Territory  territory.Code // the activation territory that was decided about
	Licence    string         // the licence that permits it; "" when none does
	Reasons    []Reason       // never empty; the deciding one first; shared between decisions, not to be changed
	PolicyHash [32]byte
}

// MarshalJSON writes the decision with the hash in hexadecimal.
func (d Decision) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Verdict    Verdict        `json:"verdict"`
		Rule       string         `json:"rule,omitempty"`
		Custom     string         `json:"custom,omitempty"`
		Territory  territory.Code `json:"territory,omitempty"`
		Licence    string         `json:"licence,omitempty"`
		Reasons    []Reason       `json:"reasons"`
		PolicyHash string         `json:"policy_hash"`
	}{d.Verdict, d.Rule, d.Custom, d.Territory, d.Licence, d.Reasons, fmt.Sprintf("%x", d.PolicyHash)})
}

// ground is a prohibited entry, ready for decisions.
type ground struct {
	Prohibited
	index, line            int
	since, until, reviewBy territory.Day // until is 0 while open
	general, individual    []*licence    // that speak of one of its codes
	why                    groundReasons
}

// groundReasons are made once, so that a decision allocates nothing.
type groundReasons struct {
	denied, left, notYet, beforeRule, beforePolicy []Reason
}

// inForce reports whether the entry prohibits on the given day.
func (g *ground) inForce(day territory.Day) bool {
	return g.since <= day && (g.until == 0 || day < g.until)
}

// place is what the policy says of one code.
type place struct {
	status  MarketStatus
	stated  bool // status is written in the policy
	grounds []*ground
	why     []Reason // for a permit by status
}

func (pl *place) inForce(day territory.Day) *ground {
	for _, g := range pl.grounds {
		if g.inForce(day) {
			return g
		}
	}
	return nil
}

// resolve finds the most specific word on c: the subdivision's own entry, else its country's. When no entry is in force,
// g is one that was or will be, or nil.
func (p *Policy) resolve(c territory.Code, day territory.Day) (pl *place, g *ground, inForce bool) {
	own := p.places[c]
	if own != nil {
		if g := own.inForce(day); g != nil {
			return own, g, true
		}
		if own.stated {
			return own, own.latest(), false
		}
	}
	if country := c.Country(); country != c {
		if wide := p.places[country]; wide != nil {
			if g := wide.inForce(day); g != nil {
				return wide, g, true
			}
			if own == nil {
				return wide, wide.latest(), false
			}
			if wide.stated { // the country's status, and the subdivision's entry to explain it
				return wide, own.latest(), false
			}
		}
	}
	if own != nil {
		return own, own.latest(), false
	}
	return &p.unlisted, nil, false
}

// latest returns the entry that the reasons of a permit should mention.
func (pl *place) latest() *ground {
	if len(pl.grounds) == 0 {
		return nil
	}
	return pl.grounds[len(pl.grounds)-1]
}

// Decide answers for one device. It is a pure function of p, f and now, safe for concurrent use; only the day of now
// counts (UTC). The order, which docs/policy.md explains:
//
//  1. activation not established, or mixed: indeterminate
//  2. does a prohibited entry apply: in force today, and the activation neither before it nor before applies_to?
//  3. if so, an individual licence: permit
//  4. custom rules in the order of the file, the first that holds: permit, indeterminate, or deny
//  5. no entry applies: permit
//  6. a general licence, unless a custom rule denied: permit
//  7. any doubt: indeterminate
//  8. deny
func (p *Policy) Decide(f Facts, now time.Time) Decision {
	today := territory.DayOf(now)
	d := Decision{Territory: f.Activation, PolicyHash: p.hash}
	if f.ActivationMixed {
		d.Reasons = whyMixed
		return d
	}
	if f.Activation == territory.Unknown {
		d.Reasons = whyNotEstablished
		return d
	}
	g, rule, permitted := p.applies(&f, today)
	d.Rule = rule
	var expired *licence
	if g != nil {
		l, late := covering(g.individual, &f, today)
		if l != nil {
			d.Verdict, d.Licence, d.Reasons = Permit, l.id, l.why
			return d
		}
		expired = late
	}
	var denies *customRule
	if len(p.rules) > 0 {
		r, failed := p.firstRule(&f, g, today)
		switch {
		case failed:
			d.Custom, d.Reasons = r.id, r.whyFailed
			return d
		case r != nil && r.effect == Deny:
			denies, d.Custom = r, r.id
		case r != nil:
			d.Verdict, d.Custom, d.Reasons = r.effect, r.id, r.why
			return d
		}
	}
	if g == nil {
		d.Verdict, d.Reasons = Permit, permitted
		return d
	}
	if denies == nil {
		l, late := covering(g.general, &f, today)
		if l != nil {
			d.Verdict, d.Licence, d.Reasons = Permit, l.id, l.why
			return d
		}
		if expired == nil {
			expired = late
		}
	}
	if doubts := p.doubts(&f, g, today); doubts != nil {
		d.Custom, d.Reasons = "", doubts
		return d
	}
	d.Verdict, d.Reasons = Deny, g.denial(denies, expired)
	return d
}

// denial returns the reasons of a deny: the entry, and what kept a licence from lifting it.
func (g *ground) denial(denies *customRule, expired *licence) []Reason {
	why := g.why.denied
	if denies != nil {
		why = append(slices.Clip(why), denies.why...)
	}
	if expired != nil {
		why = append(slices.Clip(why), expired.whyNotValid...)
	}
	return why
}

// applies returns the entry that could deny f today. When there is none it returns nil and why f is permitted. rule is
// the id of the entry that was looked at.
func (p *Policy) applies(f *Facts, today territory.Day) (g *ground, rule string, permitted []Reason) {
	pl, g, inForce := p.resolve(f.Activation, today)
	if g == nil {
		return nil, "", pl.why
	}
	switch {
	case !inForce && today < g.since:
		return nil, g.Rule, g.why.notYet
	case !inForce:
		return nil, g.Rule, g.why.left
	case f.ActivatedOn < g.since:
		return nil, g.Rule, g.why.beforeRule
	case f.ActivatedOn < p.AppliesTo.ActivatedOnOrAfter:
		return nil, g.Rule, g.why.beforePolicy
	}
	return g, g.Rule, nil
}

// firstRule returns the first custom rule that holds. A rule that denies is asked only where an entry applies, so that no
// expression can deny elsewhere. failed means that r could not be evaluated.
func (p *Policy) firstRule(f *Facts, g *ground, today territory.Day) (r *customRule, failed bool) {
	for _, r := range p.rules {
		if !r.reaches(g) {
			continue
		}
		holds, err := r.when.holds(f, today)
		if err != nil {
			return r, true
		}
		if holds {
			return r, false
		}
	}
	return nil, false
}

// doubts lists every doubt that forbids to deny (C10), or nil.
func (p *Policy) doubts(f *Facts, g *ground, today territory.Day) []Reason {
	var why []Reason
	switch f.Attestation {
	case Genuine:
	case Custom, Unlocked:
		why = append(why, reasonNotGenuine)
	default:
		why = append(why, reasonAttestationUnknown)
	}
	if f.RecordMissing {
		why = append(why, reasonRecordMissing)
	}
	if f.ClockDoubtful || f.ActivatedOn > today {
		why = append(why, reasonClockDoubtful)
	}
	if today > g.reviewBy {
		why = append(why, Reason{PolicyReviewOverdue, fmt.Sprintf("The entry %s should have been reviewed by %s; until it is, it supports no restriction.",
			g.Rule, g.reviewBy)})
	}
	if today < p.effective {
		why = append(why, Reason{PolicyNotInForce, fmt.Sprintf("This policy takes effect on %s.", p.effective)})
	}
	for _, id := range f.Licences {
		if !p.listsLicence(id) {
			why = append(why, Reason{LicenceNotKnown, fmt.Sprintf("The records attach the licence %q to this device, which this policy does not list; a person must look.",
				clip(id))})
		}
	}
	return why
}

func (p *Policy) listsLicence(id string) bool {
	return slices.ContainsFunc(p.licences, func(l *licence) bool { return l.id == id })
}

// licence is a general or an individual licence, ready for decisions.
type licence struct {
	id          string
	individual  bool
	line        int
	territories []territory.Code
	from, until territory.Day // until is the last day; 0 when open
	models      []string
	prefixes    []string
	categories  []string
	devices     map[device.ID]bool
	consignees  []string
	title       string
	reference   string // of an individual licence
	source      string
	why         []Reason
	whyNotValid []Reason
}

// covering returns the first licence that covers f, and else one that would have, had it been valid.
func covering(licences []*licence, f *Facts, today territory.Day) (valid, expired *licence) {
	for _, l := range licences {
		if !l.reaches(f.Activation) || !l.names(f) {
			continue
		}
		// What was lawfully provided stays so when the licence ends, and an approval that came later lifts the ban too.
		if l.validOn(f.ActivatedOn) || l.validOn(today) {
			return l, nil
		}
		expired = l
	}
	return nil, expired
}

func (l *licence) validOn(day territory.Day) bool {
	return l.from <= day && (l.until == 0 || day <= l.until)
}

func (l *licence) reaches(c territory.Code) bool {
	for _, t := range l.territories {
		if t.Covers(c) {
			return true
		}
	}
	return false
}

// names reports whether the licence is for this device: by the authority's record, by name, or by its class of goods,
// where every kind of condition that is given must be met.
func (l *licence) names(f *Facts) bool {
	if slices.Contains(f.Licences, l.id) {
		return true
	}
	if l.individual {
		return l.devices[f.Device] || f.Consignee != "" && slices.Contains(l.consignees, f.Consignee)
	}
	return (l.models == nil || slices.Contains(l.models, f.Model)) &&
		(l.categories == nil || slices.Contains(l.categories, f.Category)) &&
		(l.prefixes == nil || hasAnyPrefix(f.TAC, l.prefixes))
}
