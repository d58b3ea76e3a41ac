package policy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// span is a time in which a territory is prohibited by one rule. end is the first day after it; 0 when open.
type span struct {
	rule       string
	begin, end territory.Day
}

// prohibitions returns when p prohibits c, from the given day on. The most specific word counts, as in decisions.
func (p *Policy) prohibitions(c territory.Code, from territory.Day) []span {
	days := []territory.Day{from}
	for _, g := range p.grounds {
		for _, day := range []territory.Day{g.since, g.until} {
			if day > from {
				days = append(days, day)
			}
		}
	}
	slices.Sort(days)
	var list []span
	for _, day := range slices.Compact(days) {
		_, g, inForce := p.resolve(c, day)
		last := len(list) - 1
		open := last >= 0 && list[last].end == 0
		switch {
		case inForce && open && list[last].rule == g.Rule:
			continue
		case open:
			list[last].end = day
		}
		if inForce {
			list = append(list, span{g.Rule, day, 0})
		}
	}
	return list
}

// mentioned returns every code that a policy names, with the countries of subdivisions; the rest follow their country.
func mentioned(policies ...*Policy) []territory.Code {
	codes := map[territory.Code]bool{}
	for _, p := range policies {
		for c := range p.places {
			codes[c], codes[c.Country()] = true, true
		}
	}
	return slices.Sorted(maps.Keys(codes))
}

// territories compares what the rules come to, territory by territory, from the day on which the new policy takes effect.
func (d *differ) territories(old, replacement *Policy) {
	from := replacement.effective
	for _, c := range mentioned(old, replacement) {
		a, b := old.prohibitions(c, from), replacement.prohibitions(c, from)
		if slices.Equal(a, b) {
			continue
		}
		name := fmt.Sprintf("%s (%s)", territory.Name(c, "en"), c)
		change := Change{Changed, PartTerritory, string(c), "", spans(a, from), spans(b, from), EffectDepends, "", ""}
		switch {
		case len(a) == 0:
			change.Kind, change.Effect = Added, EffectHarsher
			change.Text = fmt.Sprintf("%s becomes prohibited %s.", name, change.New)
			change.Meaning = fmt.Sprintf("Phones activated in %s can be restricted, which could not be before.", name)
		case len(b) == 0:
			change.Kind, change.Effect = Dropped, EffectMilder
			change.Text = fmt.Sprintf("%s is no longer prohibited; it was %s.", name, change.Old)
			change.Meaning = fmt.Sprintf("Phones activated in %s are no longer restricted by a rule; restrictions there are lifted.", name)
		default:
			change.Text = fmt.Sprintf("%s is prohibited %s; it was %s.", name, change.New, change.Old)
			change.Meaning, change.Effect = compareSpans(name, a, b)
		}
		d.add(change)
	}
}

// compareSpans says what other times or other rules mean where a territory is prohibited by both policies.
func compareSpans(name string, a, b []span) (string, Effect) {
	if len(a) == 1 && len(b) == 1 && a[0].begin == b[0].begin && a[0].end == b[0].end {
		return fmt.Sprintf("In %s another rule takes the place of the old one: what rests on the old one is lifted, and owners get a new notice.", name), EffectDepends
	}
	if covers(b, a) {
		return fmt.Sprintf("%s is prohibited for a longer time than before.", name), EffectHarsher
	}
	if covers(a, b) {
		return fmt.Sprintf("%s is prohibited for a shorter time than before.", name), EffectMilder
	}
	return fmt.Sprintf("%s is prohibited at other times than before.", name), EffectDepends
}

// covers reports whether every span of b lies within one of a with the same rule.
func covers(a, b []span) bool {
	return !slices.ContainsFunc(b, func(s span) bool {
		return !slices.ContainsFunc(a, func(wide span) bool {
			return wide.rule == s.rule && wide.begin <= s.begin && (wide.end == 0 || s.end != 0 && s.end <= wide.end)
		})
	})
}

// spans says in words when a territory is prohibited. What begins with the policy itself needs no day.
func spans(list []span, from territory.Day) string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = "by rule " + s.rule
		if s.begin > from {
			texts[i] += fmt.Sprintf(" from %s on", s.begin)
		}
		if s.end != 0 {
			texts[i] += fmt.Sprintf(" until %s", s.end)
		}
	}
	return strings.Join(texts, ", ")
}

// rules compares prohibited entries by id. What their territories come to is said by territories, so that an entry which has
// ended, or moved from one rule to another, is not counted for more than it is.
func (d *differ) rules(old, replacement *Policy) {
	before, after := byRule(old.grounds), byRule(replacement.grounds)
	for _, g := range replacement.grounds {
		was := before[g.Rule]
		if was == nil {
			d.add(Change{Added, PartRule, g.Rule, "", "", joined(g.Codes), d.netEffect(g.Codes), fmt.Sprintf("New rule %s, %s: %s since %s%s. Legal basis: %s Source: %s",
				g.Rule, g.Name, joined(g.Codes), g.since, ended(g), sentence(g.LegalBasis), sentence(g.Source)), ""})
			continue
		}
		d.rule(was, g)
	}
	for _, g := range old.grounds {
		if after[g.Rule] == nil {
			d.add(Change{Dropped, PartRule, g.Rule, "", joined(g.Codes), "", d.netEffect(g.Codes),
				fmt.Sprintf("Rule %s, %s, is dropped: %s since %s%s.", g.Rule, g.Name, joined(g.Codes), g.since, ended(g)), ""})
		}
	}
}

func byRule(grounds []*ground) map[string]*ground {
	m := make(map[string]*ground, len(grounds))
	for _, g := range grounds {
		m[g.Rule] = g
	}
	return m
}

func ended(g *ground) string {
	if g.until == 0 {
		return ""
	}
	return ", until " + g.until.String()
}

// netEffect is what the territories of a rule come to.
func (d *differ) netEffect(codes []territory.Code) Effect {
	effect := EffectNone
	for _, c := range d.changes {
		if c.Part != PartTerritory || c.Effect == EffectNone || !slices.ContainsFunc(codes, func(code territory.Code) bool { return string(code) == c.ID }) {
			continue
		}
		if effect != EffectNone && effect != c.Effect {
			return EffectDepends
		}
		effect = c.Effect
	}
	return effect
}

func (d *differ) rule(old, replacement *ground) {
	id := replacement.Rule
	named := func(what string) string { return "Rule " + id + ", " + what }
	if more, fewer := sets(old.Codes, replacement.Codes); len(more)+len(fewer) > 0 {
		d.add(Change{Changed, PartRule, id, "codes", joined(old.Codes), joined(replacement.Codes), d.netEffect(append(more, fewer...)),
			named("territories") + plusMinus(joined(more), joined(fewer)), ""})
	}
	d.day(PartRule, id, "since", named("since"), old.since, replacement.since, false, func(a, b string) string {
		return fmt.Sprintf("Rule %s reaches phones activated from %s on, instead of from %s on.", id, b, a)
	})
	if old.until != replacement.until {
		// Without an end is the latest end.
		effect, end := EffectMilder, func(day territory.Day) territory.Day {
			if day == 0 {
				return lastDay
			}
			return day
		}
		if end(replacement.until) > end(old.until) {
			effect = EffectHarsher
		}
		d.add(Change{Changed, PartRule, id, "until", dayOrNone(old.until), dayOrNone(replacement.until), effect,
			fmt.Sprintf("%s: %s instead of %s.", named("end"), dayOrNone(replacement.until), dayOrNone(old.until)),
			fmt.Sprintf("Rule %s ends: %s instead of %s.", id, dayOrNone(replacement.until), dayOrNone(old.until))})
	}
	reviewed := len(d.changes)
	d.day(PartRule, id, "review_by", named("to be reviewed by"), old.reviewBy, replacement.reviewBy, true, func(a, b string) string {
		return fmt.Sprintf("Unless it is reviewed, rule %s supports restrictions until %s, instead of until %s.", id, b, a)
	})
	if end := replacement.until; end != 0 && end <= min(old.reviewBy, replacement.reviewBy) && len(d.changes) > reviewed {
		d.changes[reviewed].Effect, d.changes[reviewed].Meaning = EffectNone, "" // it supports nothing by then anyway
	}
	d.text(PartRule, id, "name", named("name"), old.Name, replacement.Name)
	d.text(PartRule, id, "legal_basis", named("legal basis"), old.LegalBasis, replacement.LegalBasis)
	d.text(PartRule, id, "source", named("source"), old.Source, replacement.Source)
}

// markets compares which territories are called official or unsupported; what that changes is said by territories.
func (d *differ) markets(old, replacement *Policy) {
	for _, status := range []MarketStatus{MarketOfficial, MarketUnsupported} {
		was, is := old.stated(status), replacement.stated(status)
		if more, fewer := sets(was, is); len(more)+len(fewer) > 0 {
			d.add(Change{Changed, PartMarket, status.String(), "codes", joined(was), joined(is), EffectNone,
				fmt.Sprintf("Territories called %s", status) + plusMinus(joined(more), joined(fewer)), ""})
		}
	}
}

func (p *Policy) stated(status MarketStatus) []territory.Code {
	var codes []territory.Code
	for _, m := range p.markets {
		if m.Status == status {
			codes = append(codes, m.Codes...)
		}
	}
	return codes
}

// tests notes inline tests that went, came or expect something else: they are the promises of the file.
func (d *differ) tests(old, replacement *Policy) {
	is := map[string]test{}
	for _, t := range replacement.tests {
		is[t.name] = t
	}
	was := map[string]bool{}
	for _, t := range old.tests {
		was[t.name] = true
		now, kept := is[t.name]
		t.line, now.line = 0, 0
		switch {
		case !kept:
			d.add(Change{Dropped, PartTests, "", "", t.name, "", EffectNone, fmt.Sprintf("The test %q is gone.", t.name), ""})
		case !reflect.DeepEqual(t, now):
			d.add(Change{Changed, PartTests, "", "", t.name, t.name, EffectNone, fmt.Sprintf("The test %q asks something else.", t.name), ""})
		}
	}
	for _, t := range replacement.tests {
		if !was[t.name] {
			d.add(Change{Added, PartTests, "", "", "", t.name, EffectNone, fmt.Sprintf("New test %q.", t.name), ""})
		}
	}
}

// sets returns what came and what went, in order.
func sets[T ~string](old, replacement []T) (more, fewer []T) {
	for _, s := range replacement {
		if !slices.Contains(old, s) {
			more = append(more, s)
		}
	}
	for _, s := range old {
		if !slices.Contains(replacement, s) {
			fewer = append(fewer, s)
		}
	}
	slices.Sort(more)
	slices.Sort(fewer)
	return more, fewer
}

func joined[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = string(s)
	}
	return strings.Join(texts, ", ")
}

func plusMinus(more, fewer string) string {
	switch {
	case fewer == "":
		return ": " + more + " more."
	case more == "":
		return ": " + fewer + " fewer."
	}
	return fmt.Sprintf(": %s more, %s fewer.", more, fewer)
}
