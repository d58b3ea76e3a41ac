package policy

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// consistent holds the parts of a policy against each other: dates in order, one word on each territory, ids that are
// used once and exist where they are named, licences that lift something.
func (r *reader) consistent(f *file, p *Policy) {
	for _, g := range f.grounds {
		r.groundDates(g)
	}
	for _, l := range f.licences {
		if l.until != 0 && l.from != 0 && l.until < l.from {
			r.complain(l.at["valid_until"], "", "valid_until %s is before valid_from %s", l.until, l.from)
		}
	}
	if from := p.AppliesTo.ActivatedOnOrAfter; from > lastDay-MostSunsetDays {
		r.complain(f.at.at(f.root, "applies_to"), "", "applies_to lies absurdly far ahead")
	}
	r.uniqueIDs(f)
	r.overlaps(f, p)
	r.licencesLift(f)
	for _, fr := range f.rules {
		r.ruleScope(fr, f)
	}
	r.expectedIDs(f)
}

// expectedIDs finds tests that expect what is not in the file.
func (r *reader) expectedIDs(f *file) {
	known := map[string][]string{}
	for _, g := range f.grounds {
		known["rule"] = append(known["rule"], g.Rule)
	}
	for _, fr := range f.rules {
		known["custom"] = append(known["custom"], fr.id)
	}
	for _, l := range f.licences {
		known["licence"] = append(known["licence"], l.id)
	}
	for _, e := range f.expected {
		if e.id != "" && !slices.Contains(known[e.what], e.id) {
			r.complain(e.node, suggest(e.id, known[e.what], "name an id of this file"), "no %s %q", e.what, clip(e.id))
		}
	}
}

func (r *reader) groundDates(g fileGround) {
	if g.since == 0 {
		return
	}
	if g.until != 0 && g.until <= g.since {
		r.complain(g.at["until"], "until is the day on which the territory left the list", "until %s is not after since %s", g.until, g.since)
	}
	if n := g.at["review_by"]; n != nil && g.reviewBy != 0 && g.reviewBy < g.since {
		r.complain(n, "name the day by which somebody must look again", "review_by %s is before since %s", g.reviewBy, g.since)
	}
}

// uniqueIDs: entries, licences and rules share one space of names, because reasons and orders name them alone.
func (r *reader) uniqueIDs(f *file) {
	seen := map[string]*yaml.Node{}
	once := func(id string, n *yaml.Node) {
		if id == "" {
			return
		}
		if first := seen[id]; first != nil {
			r.complain(n, "choose another", "id %q again; it is first at %d:%d", id, first.Line, first.Column)
			return
		}
		seen[id] = n
	}
	for _, g := range f.grounds {
		once(g.Rule, g.at["id"])
	}
	for _, l := range f.licences {
		once(l.id, l.at["id"])
	}
	for _, fr := range f.rules {
		once(fr.id, fr.at["id"])
	}
}

// overlaps finds two words on one territory: the same code twice on overlapping days, or a subdivision that only repeats
// its country. A subdivision with another status than its country is what subdivisions are for.
func (r *reader) overlaps(f *file, p *Policy) {
	byCode := map[territory.Code][]statedCode{}
	for _, c := range f.codes {
		for _, first := range byCode[c.code] {
			if overlap(first, c, p.effective) {
				r.complain(c.node, "keep one, or set until on the one that ended", "%s again; it is first at %d:%d", c.code, first.node.Line, first.node.Column)
			}
		}
		byCode[c.code] = append(byCode[c.code], c)
	}
	for _, c := range f.codes {
		if !c.code.IsSubdivision() {
			continue
		}
		for _, wide := range byCode[c.code.Country()] {
			if wide.status == c.status && overlap(wide, c, p.effective) {
				r.complain(c.node, "remove the one that is not needed", "%s is part of %s, which has the same status at %d:%d",
					c.code, wide.code, wide.node.Line, wide.node.Column)
			}
		}
	}
}

// overlap reports whether two statements hold on a common day. Markets have no dates of their own: they hold from the
// day on which the policy takes effect.
func overlap(a, b statedCode, effective territory.Day) bool {
	fromA, untilA := a.days(effective)
	fromB, untilB := b.days(effective)
	return fromA < untilB && fromB < untilA
}

func (c statedCode) days(effective territory.Day) (from, until territory.Day) {
	if c.ground == nil {
		return effective, lastDay + 1
	}
	if c.ground.until == 0 {
		return c.ground.since, lastDay + 1
	}
	return c.ground.since, c.ground.until
}

// licencesLift finds licences for territories that no entry prohibits: they have no effect, so something is misspelt.
func (r *reader) licencesLift(f *file) {
	for _, l := range f.licences {
		for i, c := range l.territories {
			if slices.Contains(l.territories[:i], c) {
				r.complain(l.codes[i], "keep one", "%s is twice in territories", c)
			}
			if !slices.ContainsFunc(f.codes, func(s statedCode) bool { return s.ground != nil && (s.code.Covers(c) || c.Covers(s.code)) }) {
				r.complain(l.codes[i], "remove it, or add the territory under prohibited:", "a licence for %s has no effect: no entry prohibits it", c)
			}
		}
	}
}

// ruleScope checks that within names entries that exist, and that a rule that denies names some: Charter C4 and C5 leave
// nothing to deny outside the list.
func (r *reader) ruleScope(fr fileRule, f *file) {
	var known []string
	for _, g := range f.grounds {
		known = append(known, g.Rule)
	}
	for i, id := range fr.within {
		switch {
		case id == "":
		case !slices.Contains(known, id):
			r.complain(fr.withinAt[i], suggest(id, known, "name the id of an entry under prohibited:"), "no prohibited entry %q", clip(id))
		case slices.Contains(fr.within[:i], id):
			r.complain(fr.withinAt[i], "keep one", "%q is twice in within", id)
		}
	}
	if fr.effect == Deny && fr.at["within"] == nil {
		r.complain(fr.at.at(fr.whole, "effect"), "add within: with ids of prohibited entries",
			"a rule can deny only within prohibited territories (Charter C5)")
	}
}
