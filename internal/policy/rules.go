package policy

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// customRule is a rule of the policy file, ready for decisions.
type customRule struct {
	id        string
	line      int
	effect    Verdict
	when      *condition
	source    string   // the condition as it was written
	scope     []string // the entries that within names; nil when the rule asks for none
	within    []bool   // by index of the prohibited entry; nil when the rule asks for none
	why       []Reason
	whyFailed []Reason
}

// reaches reports whether the rule is to be asked when g is the entry that applies, nil when none does. A rule that
// denies always has a scope, see ruleScope; the first condition is the second lock on that door.
func (c *customRule) reaches(g *ground) bool {
	if g == nil {
		return c.effect != Deny && c.within == nil
	}
	return c.within == nil || c.within[g.index]
}

// compile checks and compiles the custom rules of f into p.
func (r *reader) compile(f *file, p *Policy) {
	var compiled []reachable
	for _, fr := range f.rules {
		when := fr.at["when"]
		if when == nil || when.Kind != yaml.ScalarNode {
			continue
		}
		e, faults := compileExpression(when.Value)
		for _, fault := range faults {
			line, column := r.locate(when, fault.line, fault.column)
			r.complainAt(line, column, fault.hint, "in the condition of %s: %s", named(fr.id), fault.message)
		}
		if e == nil {
			continue
		}
		if fr.effect == Deny && slices.Contains(e.uses, factPresent) {
			r.complain(when, "use activation", "a rule that denies cannot use present: where the device is now is no ground (Charter C5)")
		}
		if fr.effect == Deny && fr.at["within"] == nil {
			continue // ruleScope complained
		}
		c := &customRule{id: fr.id, line: fr.whole.Line, effect: fr.effect, when: &e.condition, source: when.Value, scope: fr.within}
		if fr.at["within"] != nil {
			c.within = make([]bool, len(p.grounds))
			for _, g := range p.grounds {
				c.within[g.index] = slices.Contains(fr.within, g.Rule)
			}
		}
		code := [...]ReasonCode{Permit: RulePermits, Deny: RuleDenies, Indeterminate: RuleUnclear}[fr.effect]
		c.why = []Reason{{code, sentence(fr.reason)}}
		c.whyFailed = []Reason{{RuleFailed, "The rule " + fr.id + " could not be evaluated; a person must look."}}
		p.rules = append(p.rules, c)
		compiled = append(compiled, reachable{c, e, when, named(fr.id)})
	}
	r.unreachable(compiled, p)
}

func named(id string) string {
	if id == "" {
		return "a rule"
	}
	return "rule " + id
}

// locate maps a place in the value of a scalar (line from 1, column from 0, in characters) to the place in the file.
// Folding and quoting move white space and double quote marks, never anything else: so it counts the characters that are
// seen before the place, and walks as many in the file.
func (r *reader) locate(n *yaml.Node, line, column int) (fileLine, fileColumn int) {
	seen := 0
	for i, l := range strings.Split(n.Value, "\n") {
		if i+1 > line {
			break
		}
		if i+1 == line {
			l = string([]rune(l)[:min(column, utf8.RuneCountInString(l))])
		}
		for _, c := range l {
			if !unicode.IsSpace(c) {
				seen++
			}
		}
	}
	fileLine, fileColumn = n.Line, n.Column
	var quote rune
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		fileLine, fileColumn = n.Line+1, 1 // the value begins below its indicator
	case n.Style&yaml.DoubleQuotedStyle != 0:
		quote, fileColumn = '\\', fileColumn+1
	case n.Style&yaml.SingleQuotedStyle != 0:
		quote, fileColumn = '\'', fileColumn+1
	}
	for ; fileLine <= len(r.lines); fileLine, fileColumn = fileLine+1, 1 {
		rest := bytes.Runes(r.lines[fileLine-1])
		for fileColumn <= len(rest) {
			c := rest[fileColumn-1]
			if !unicode.IsSpace(c) {
				if seen == 0 {
					return fileLine, fileColumn
				}
				seen--
				if c == quote {
					fileColumn++ // the second half of \" or ''
				}
			}
			fileColumn++
		}
	}
	return n.Line, n.Column
}
