package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// Change is one difference between two policies, for an officer who is asked to sign the new one.
type Change struct {
	Kind    ChangeKind `json:"kind"`
	Part    string     `json:"part"`            // one of Parts
	ID      string     `json:"id,omitempty"`    // of a rule or licence; a territory's code
	Field   string     `json:"field,omitempty"` // the key of the file that differs, when one does
	Old     string     `json:"old,omitempty"`
	New     string     `json:"new,omitempty"`
	Effect  Effect     `json:"effect"`            // on owners
	Text    string     `json:"text"`              // English, a whole sentence
	Meaning string     `json:"meaning,omitempty"` // what it means for owners, a whole sentence; "" when nothing, or when another change says it
}

// ChangeKind says whether something came, went, or is otherwise.
type ChangeKind string

// The kinds.
const (
	Added   ChangeKind = "added"
	Dropped ChangeKind = "dropped"
	Changed ChangeKind = "changed"
)

// The parts of a policy that differ, in the order in which Diff gives them.
const (
	PartTerritory = "territory" // what the rules come to: a territory that is prohibited, or no longer is
	PartNotice    = "notice"
	PartLock      = "lock"
	PartReach     = "reach" // observation, applies_to and effective_from: which devices it is about
	PartRule      = "rule"  // prohibited entries
	PartLicence   = "licence"
	PartException = "exception" // custom rules
	PartMarket    = "market"
	PartContact   = "contact"
	PartDocument  = "document" // id, version, title, disclaimer, authors, approvals
	PartTests     = "tests"
)

// Effect says for whom a change is: the zero value means that owners are treated as before.
type Effect uint8

// The effects. EffectDepends is for a change that is harsher for some and milder for others, or whose reach only a person can judge.
const (
	EffectNone Effect = iota
	EffectMilder
	EffectHarsher
	EffectDepends
)

var effectNames = []string{"none", "milder", "harsher", "depends"}

func (e Effect) String() string {
	if int(e) < len(effectNames) {
		return effectNames[e]
	}
	return "invalid"
}

// MarshalText implements encoding.TextMarshaler.
func (e Effect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (e *Effect) UnmarshalText(text []byte) error {
	i := slices.Index(effectNames, string(text))
	if i < 0 {
		return fmt.Errorf("policy: no effect %q; %s", clip(string(text)), oneOf(effectNames))
	}
	*e = Effect(i)
	return nil
}

// MarshalJSON keeps an empty list a list, for programs.
func (cs Changes) MarshalJSON() ([]byte, error) {
	if cs == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]Change(cs))
}

// Changes is what [Diff] found.
type Changes []Change

// ForOwners returns what the changes mean for owners: what is harsher first, then what depends, then what is milder.
// Nothing is said twice.
func (cs Changes) ForOwners() []string {
	var said []string
	for _, effect := range []Effect{EffectHarsher, EffectDepends, EffectMilder} {
		for _, c := range cs {
			if c.Effect == effect && c.Meaning != "" && !slices.Contains(said, c.Meaning) {
				said = append(said, c.Meaning)
			}
		}
	}
	return said
}

// Harsher reports whether some owner may be restricted by the new policy who would not have been by the old one, or sooner, or longer.
func (cs Changes) Harsher() bool {
	return slices.ContainsFunc(cs, func(c Change) bool { return c.Effect == EffectHarsher || c.Effect == EffectDepends })
}

// Diff tells how replacement differs from old, by meaning and not by lines: comments, order of keys and layout make no difference.
// old is nil when there was no policy before; then everything is new.
func Diff(old, replacement *Policy) Changes {
	d := &differ{}
	if old == nil {
		old = &Policy{}
		old.index()
		d.first = true
	}
	d.territories(old, replacement)
	if d.first {
		d.terms(replacement)
	} else {
		d.bounds(old, replacement)
		d.effective(old, replacement)
	}
	d.rules(old, replacement)
	d.licences(old, replacement)
	d.exceptions(old, replacement)
	d.markets(old, replacement)
	if !d.first {
		d.contact(old.Contact, replacement.Contact)
		d.document(old, replacement)
		d.tests(old, replacement)
	}
	return d.changes
}

// differ gathers changes.
type differ struct {
	changes Changes
	first   bool // there was no policy before
}

func (d *differ) add(c Change) { d.changes = append(d.changes, c) }

// number notes a changed number of days or percent; harsher says whether more of it is.
func (d *differ) number(part, field, what, unit string, old, replacement int, moreIsHarsher bool, meaning string) {
	if old == replacement {
		return
	}
	effect := EffectMilder
	if replacement > old == moreIsHarsher {
		effect = EffectHarsher
	}
	d.add(Change{Changed, part, "", field, fmt.Sprint(old), fmt.Sprint(replacement), effect,
		fmt.Sprintf("%s: %d %s instead of %d.", what, replacement, unit, old), meaning})
}

// terms says what a first policy lays down for every device alike.
func (d *differ) terms(p *Policy) {
	say := func(part, field, value, format string, args ...any) {
		d.add(Change{Added, part, "", field, "", value, EffectNone, fmt.Sprintf(format, args...), ""})
	}
	say(PartNotice, "notice", fmt.Sprint(p.Notice.Days), "Notice before a lock: %d days, seen on at least %d of them.", p.Notice.Days, p.Notice.ShownDays)
	say(PartLock, "sunset.days", fmt.Sprint(p.Sunset), "Longest lock: %d days.", p.Sunset)
	say(PartReach, "observation", fmt.Sprint(p.Observation.Days), "A territory of activation is established by %d days within %d that agree with at least %d percent.",
		p.Observation.Days, p.Observation.Window, p.Observation.Percent)
	say(PartReach, "applies_to.activated_on_or_after", p.AppliesTo.ActivatedOnOrAfter.String(), "Devices activated before %s are out of reach.", p.AppliesTo.ActivatedOnOrAfter)
	say(PartReach, "effective_from", p.effective.String(), "It takes effect on %s.", p.effective)
	ways := slices.DeleteFunc([]string{p.Contact.Name, p.Contact.Phone, p.Contact.Email, p.Contact.OwnerURL, p.Contact.Retailers}, func(s string) bool { return s == "" })
	say(PartContact, "contact", strings.Join(ways, ", "), "Owners reach: %s.", strings.Join(ways, ", "))
}

// bounds compares what applies to every device alike.
func (d *differ) bounds(old, replacement *Policy) {
	shorter := func(a, b int) string {
		if b < a {
			return "shorter"
		}
		return "longer"
	}
	d.number(PartNotice, "notice.days", "Notice before a lock", "days", old.Notice.Days, replacement.Notice.Days, false,
		fmt.Sprintf("Notices get %s: owners who are told from then on have %d days instead of %d. Dates already told stay.",
			shorter(old.Notice.Days, replacement.Notice.Days), replacement.Notice.Days, old.Notice.Days))
	d.number(PartNotice, "notice.shown_days", "Days on which the notice must have been seen", "days", old.Notice.ShownDays, replacement.Notice.ShownDays, false,
		fmt.Sprintf("A phone must have shown its notice on %d days instead of %d.", replacement.Notice.ShownDays, old.Notice.ShownDays))
	d.number(PartLock, "sunset.days", "Longest lock", "days", old.Sunset, replacement.Sunset, true,
		fmt.Sprintf("Locks last %d days at most instead of %d.", replacement.Sunset, old.Sunset))
	o, n := old.Observation, replacement.Observation
	d.number(PartReach, "observation.days", "Days that must agree on a territory of activation", "days", o.Days, n.Days, false,
		fmt.Sprintf("%d days that agree establish where a phone was activated, instead of %d.", n.Days, o.Days))
	d.number(PartReach, "observation.window", "Window in which they must fall", "days", o.Window, n.Window, true,
		fmt.Sprintf("Those days may be spread over %d days instead of %d.", n.Window, o.Window))
	d.number(PartReach, "observation.percent", "Certainty that a day needs", "percent", int(o.Percent), int(n.Percent), false,
		fmt.Sprintf("A day counts for a territory from %d %% certainty on, instead of %d %%.", n.Percent, o.Percent))
	d.day(PartReach, "", "applies_to.activated_on_or_after", "Devices activated earlier are out of reach",
		old.AppliesTo.ActivatedOnOrAfter, replacement.AppliesTo.ActivatedOnOrAfter, false, func(a, b string) string {
			return fmt.Sprintf("Phones activated from %s on can be restricted, instead of from %s on.", b, a)
		})
}

// effective: that a later version begins later is what versions are for.
func (d *differ) effective(old, replacement *Policy) {
	if old.effective == replacement.effective {
		return
	}
	c := Change{Changed, PartReach, "", "effective_from", old.effective.String(), replacement.effective.String(), EffectNone,
		fmt.Sprintf("It takes effect on %s; the other did on %s.", replacement.effective, old.effective), ""}
	if replacement.effective < old.effective {
		c.Effect = EffectDepends
		c.Meaning = "It takes effect on an earlier day than the other: phones that follow the other refuse it (policy-rolled-back)."
	}
	d.add(c)
}

// day notes a changed day; 0 is none. laterIsHarsher says which way hurts owners.
func (d *differ) day(part, id, field, what string, old, replacement territory.Day, laterIsHarsher bool, meaning func(a, b string) string) {
	if old == replacement {
		return
	}
	effect := EffectMilder
	if replacement > old == laterIsHarsher {
		effect = EffectHarsher
	}
	a, b := dayOrNone(old), dayOrNone(replacement)
	c := Change{Changed, part, id, field, a, b, effect, fmt.Sprintf("%s: %s instead of %s.", what, b, a), ""}
	if meaning != nil {
		c.Meaning = meaning(a, b)
	}
	d.add(c)
}

func dayOrNone(day territory.Day) string {
	if day == 0 {
		return "none"
	}
	return day.String()
}

// text notes a changed text, which people read and nothing decides by.
func (d *differ) text(part, id, field, what, old, replacement string) {
	if old == replacement {
		return
	}
	c := Change{Changed, part, id, field, old, replacement, EffectNone, fmt.Sprintf("%s: %s instead of %s.", what, quoted(replacement), quoted(old)), ""}
	switch {
	case old == "":
		c.Kind, c.Text = Added, fmt.Sprintf("%s: %s, where there was none.", what, quoted(replacement))
	case replacement == "":
		c.Kind, c.Text = Dropped, fmt.Sprintf("%s: none any more; it was %s.", what, quoted(old))
	}
	d.add(c)
}

func quoted(s string) string { return fmt.Sprintf("%q", strings.Join(strings.Fields(s), " ")) }

// contact: how owners reach people is theirs to rely on, so that a way that goes is harsher.
func (d *differ) contact(old, replacement Contact) {
	for _, way := range []struct{ field, what, old, replacement string }{
		{"contact.name", "Who is reached", old.Name, replacement.Name}, {"contact.phone", "Telephone", old.Phone, replacement.Phone},
		{"contact.email", "E-mail", old.Email, replacement.Email}, {"contact.owner_page", "Owner page", old.OwnerURL, replacement.OwnerURL},
		{"contact.retailers", "Retailers", old.Retailers, replacement.Retailers},
	} {
		before := len(d.changes)
		d.text(PartContact, "", way.field, way.what, way.old, way.replacement)
		if len(d.changes) == before {
			continue
		}
		c := &d.changes[before]
		switch c.Kind {
		case Added:
			c.Effect, c.Meaning = EffectMilder, "Owners have one more way to reach people: "+way.replacement+"."
		case Dropped:
			c.Effect, c.Meaning = EffectHarsher, "Owners have one way less to reach people: "+way.old+"."
		}
	}
}

func (d *differ) document(old, replacement *Policy) {
	d.text(PartDocument, "", "id", "Id of the policy", old.ID, replacement.ID)
	if old.ID == replacement.ID && replacement.Version <= old.Version && old.hash != replacement.hash {
		d.add(Change{Changed, PartDocument, "", "version", fmt.Sprint(old.Version), fmt.Sprint(replacement.Version), EffectNone,
			fmt.Sprintf("The version is not raised: %d, after %d.", replacement.Version, old.Version), ""})
	} else if old.Version != replacement.Version {
		d.text(PartDocument, "", "version", "Version", fmt.Sprint(old.Version), fmt.Sprint(replacement.Version))
	}
	d.text(PartDocument, "", "title", "Title", old.Title, replacement.Title)
	d.text(PartDocument, "", "disclaimer", "Disclaimer", old.Disclaimer, replacement.Disclaimer)
	d.text(PartDocument, "", "authors", "Authors", strings.Join(old.Authors, "; "), strings.Join(replacement.Authors, "; "))
	d.text(PartDocument, "", "approved_by", "Approved by", strings.Join(old.ApprovedBy, "; "), strings.Join(replacement.ApprovedBy, "; "))
}
