package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// licences compares licences by id: each lifts a prohibition, so that less of one is harsher.
func (d *differ) licences(old, replacement *Policy) {
	was := map[string]*licence{}
	for _, l := range old.licences {
		was[l.id] = l
	}
	is := map[string]bool{}
	for _, l := range replacement.licences {
		is[l.id] = true
		if before := was[l.id]; before != nil {
			d.licence(before, l)
			continue
		}
		d.add(Change{Added, PartLicence, l.id, "", "", joined(l.territories), EffectMilder,
			fmt.Sprintf("New %s licence %s for %s: %s", l.sort(), l.id, joined(l.territories), sentence(l.title)),
			fmt.Sprintf("What the licence %s covers is permitted: %s", l.id, sentence(l.title))})
	}
	for _, l := range old.licences {
		if !is[l.id] {
			d.add(Change{Dropped, PartLicence, l.id, "", joined(l.territories), "", EffectHarsher,
				fmt.Sprintf("The %s licence %s for %s is dropped: %s", l.sort(), l.id, joined(l.territories), sentence(l.title)),
				fmt.Sprintf("What the licence %s covered is no longer permitted by it: %s", l.id, sentence(l.title))})
		}
	}
}

func (l *licence) sort() string {
	if l.individual {
		return "individual"
	}
	return "general"
}

func (d *differ) licence(old, replacement *licence) {
	id := replacement.id
	named := func(what string) string { return "Licence " + id + ", " + what }
	if old.individual != replacement.individual {
		d.add(Change{Changed, PartLicence, id, "", old.sort(), replacement.sort(), EffectDepends,
			fmt.Sprintf("Licence %s is %s; it was %s.", id, replacement.sort(), old.sort()), fmt.Sprintf("The licence %s covers others than before.", id)})
	}
	d.scope(id, "territories", named("territories"), strs(old.territories), strs(replacement.territories), false)
	d.scope(id, "goods.models", named("models"), old.models, replacement.models, !old.individual && !replacement.individual)
	d.scope(id, "goods.tac_prefixes", named("TAC prefixes"), old.prefixes, replacement.prefixes, !old.individual && !replacement.individual)
	d.scope(id, "goods.categories", named("categories"), old.categories, replacement.categories, !old.individual && !replacement.individual)
	d.scope(id, "consignees", named("consignees"), old.consignees, replacement.consignees, false)
	d.scope(id, "devices", named("devices"), deviceIDs(old), deviceIDs(replacement), false)
	d.day(PartLicence, id, "valid_from", named("valid from"), old.from, replacement.from, true, func(a, b string) string {
		return fmt.Sprintf("The licence %s is valid from %s on, instead of from %s on.", id, b, a)
	})
	if old.until != replacement.until {
		effect := EffectHarsher
		if replacement.until == 0 || old.until != 0 && replacement.until > old.until {
			effect = EffectMilder
		}
		a, b := dayOrNone(old.until), dayOrNone(replacement.until)
		d.add(Change{Changed, PartLicence, id, "valid_until", a, b, effect, fmt.Sprintf("%s: %s instead of %s.", named("last day"), b, a),
			fmt.Sprintf("The licence %s has the last day %s instead of %s.", id, b, a)})
	}
	d.text(PartLicence, id, "title", named("title"), old.title, replacement.title)
	d.text(PartLicence, id, "reference", named("reference"), old.reference, replacement.reference)
	d.text(PartLicence, id, "source", named("source"), old.source, replacement.source)
}

func strs[T ~string](list []T) []string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = string(s)
	}
	return texts
}

func deviceIDs(l *licence) []string {
	ids := make([]string, 0, len(l.devices))
	for id := range maps.Keys(l.devices) {
		ids = append(ids, id.String())
	}
	slices.Sort(ids)
	return ids
}

// mostListed bounds how many members of a list a sentence names.
const mostListed = 12

// scope compares what a licence is for. In a condition an empty list asks for nothing and therefore lets everything through.
func (d *differ) scope(id, field, what string, old, replacement []string, condition bool) {
	more, fewer := sets(old, replacement)
	if len(more)+len(fewer) == 0 {
		return
	}
	effect := EffectDepends
	switch {
	case condition && len(old) == 0:
		effect = EffectHarsher
	case condition && len(replacement) == 0:
		effect = EffectMilder
	case len(fewer) == 0:
		effect = EffectMilder
	case len(more) == 0:
		effect = EffectHarsher
	}
	meaning := map[Effect]string{EffectHarsher: "covers fewer than before", EffectMilder: "covers more than before", EffectDepends: "covers others than before"}[effect]
	d.add(Change{Changed, PartLicence, id, field, joined(old), joined(replacement), effect, what + plusMinus(someOf(more), someOf(fewer)),
		fmt.Sprintf("The licence %s %s (%s).", id, meaning, field)})
}

func someOf(list []string) string {
	if len(list) <= mostListed {
		return joined(list)
	}
	return fmt.Sprintf("%s and %d others", joined(list[:mostListed]), len(list)-mostListed)
}

// exceptions compares custom rules by id.
func (d *differ) exceptions(old, replacement *Policy) {
	was := map[string]*customRule{}
	for _, c := range old.rules {
		was[c.id] = c
	}
	is := map[string]bool{}
	for _, c := range replacement.rules {
		is[c.id] = true
		if before := was[c.id]; before != nil {
			d.exception(before, c)
			continue
		}
		d.add(Change{Added, PartException, c.id, "", "", c.source, ifAdded[c.effect],
			fmt.Sprintf("New custom rule %s: %s when %s%s. Reason: %s", c.id, c.effect, oneSpace(c.source), c.where(), c.why[0].Text),
			fmt.Sprintf("A custom rule says %s in the cases of %s: %s", c.effect, c.id, c.why[0].Text)})
	}
	for _, c := range old.rules {
		if !is[c.id] {
			effect := map[Effect]Effect{EffectMilder: EffectHarsher, EffectHarsher: EffectMilder, EffectDepends: EffectDepends}[ifAdded[c.effect]]
			d.add(Change{Dropped, PartException, c.id, "", c.source, "", effect,
				fmt.Sprintf("The custom rule %s is dropped: it said %s when %s%s.", c.id, c.effect, oneSpace(c.source), c.where()),
				fmt.Sprintf("No custom rule says %s in the cases of %s any more: %s", c.effect, c.id, c.why[0].Text)})
		}
	}
	d.sequence(old, replacement)
}

// ifAdded is what a custom rule does to owners. One that says indeterminate keeps a person from being restricted, and another from being released.
var ifAdded = [...]Effect{Permit: EffectMilder, Deny: EffectHarsher, Indeterminate: EffectDepends}

// oneSpace is a condition on one line. A string in it may hold what a terminal would obey, which is shown as a replacement character.
func oneSpace(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unshown(r) && !unicode.IsSpace(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)), " ")
}

func (c *customRule) where() string {
	if c.scope == nil {
		return ""
	}
	return " (within " + strings.Join(c.scope, ", ") + ")"
}

func (d *differ) exception(old, replacement *customRule) {
	id := replacement.id
	if old.effect != replacement.effect {
		effect := EffectDepends
		switch {
		case replacement.effect == Deny || old.effect == Permit:
			effect = EffectHarsher
		case replacement.effect == Permit || old.effect == Deny:
			effect = EffectMilder
		}
		d.add(Change{Changed, PartException, id, "effect", old.effect.String(), replacement.effect.String(), effect,
			fmt.Sprintf("The custom rule %s says %s instead of %s.", id, replacement.effect, old.effect),
			fmt.Sprintf("In the cases of %s the policy says %s instead of %s.", id, replacement.effect, old.effect)})
	}
	if a, b := oneSpace(old.source), oneSpace(replacement.source); a != b {
		d.add(Change{Changed, PartException, id, "when", a, b, EffectDepends, fmt.Sprintf("The custom rule %s holds when %s; it did when %s.", id, b, a),
			fmt.Sprintf("The custom rule %s (%s) holds in other cases than before.", id, replacement.effect)})
	}
	if !slices.Equal(old.scope, replacement.scope) {
		d.add(Change{Changed, PartException, id, "within", joined(old.scope), joined(replacement.scope), EffectDepends,
			fmt.Sprintf("The custom rule %s is asked within %s; it was within %s.", id, entriesOrAll(replacement.scope), entriesOrAll(old.scope)),
			fmt.Sprintf("The custom rule %s (%s) is asked for other territories than before.", id, replacement.effect)})
	}
	d.text(PartException, id, "reason", "Custom rule "+id+", reason", old.why[0].Text, replacement.why[0].Text)
}

func entriesOrAll(scope []string) string {
	if scope == nil {
		return "every territory"
	}
	return strings.Join(scope, ", ")
}

// sequence: the first custom rule that holds decides, so that their order is part of what they say.
func (d *differ) sequence(old, replacement *Policy) {
	common := func(p, other *Policy) []string {
		var ids []string
		for _, c := range p.rules {
			if slices.ContainsFunc(other.rules, func(o *customRule) bool { return o.id == c.id }) {
				ids = append(ids, c.id)
			}
		}
		return ids
	}
	if a, b := common(old, replacement), common(replacement, old); !slices.Equal(a, b) {
		d.add(Change{Changed, PartException, "", "rules", joined(a), joined(b), EffectDepends,
			fmt.Sprintf("Custom rules are asked in the order %s; it was %s.", joined(b), joined(a)), "The first custom rule that holds decides, and their order is another."})
	}
}
