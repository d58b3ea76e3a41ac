package policy

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// reachable is a compiled rule with what the search for unreachable rules needs.
type reachable struct {
	rule *customRule
	expr *expression
	at   *yaml.Node
	name string
}

// Bounds of the search for cases that a rule decides: of one search, and of all in a file. Beyond them rules pass
// unsearched.
const (
	maxTrials    = 50_000
	maxAllTrials = 10_000_000
)

// unreachable complains of rules that can never decide: a condition that never holds, a repetition of an earlier rule,
// or earlier rules that take every case. For native conditions this is exact: a predicate tells facts apart only by the
// constants in it, so trying every combination of those constants, and of one value beside them, tries everything. Where
// that is too much, or a condition needs CEL, constants and repetitions are still found.
func (r *reader) unreachable(rules []reachable, p *Policy) {
	for i, c := range rules {
		switch earlier := rules[:i]; {
		case c.expr.constant != nil && !*c.expr.constant:
			r.complain(c.at, "remove the rule, or mend its condition", "the condition of %s never holds", c.name)
		case r.repeats(c, earlier), r.shadowed(c, earlier):
		default:
			r.tryAll(c, earlier, p)
		}
	}
}

func (r *reader) repeats(c reachable, earlier []reachable) bool {
	for _, e := range earlier {
		if squeeze(e.expr.text) == squeeze(c.expr.text) && e.rule.coversScopeOf(c.rule) {
			r.complain(c.at, "remove it, or put it before", "%s has the condition of %s at %d:%d, which decides first",
				c.name, e.name, e.at.Line, e.at.Column)
			return true
		}
	}
	return false
}

func (r *reader) shadowed(c reachable, earlier []reachable) bool {
	for _, e := range earlier {
		if e.expr.constant != nil && *e.expr.constant && e.rule.coversScopeOf(c.rule) {
			r.complain(c.at, "put it before, or narrow the other", "%s is never reached: %s at %d:%d always decides first",
				c.name, e.name, e.at.Line, e.at.Column)
			return true
		}
	}
	return false
}

// coversScopeOf reports whether c is asked wherever other is.
func (c *customRule) coversScopeOf(other *customRule) bool {
	for i := range max(len(c.within), len(other.within)) {
		if c.within != nil && !c.within[i] && (other.within == nil || other.within[i]) {
			return false
		}
	}
	// Outside every entry a rule with a scope is not asked, and one that denies neither.
	askedOutside := func(r *customRule) bool { return r.within == nil && r.effect != Deny }
	return askedOutside(c) || !askedOutside(other)
}

// tryAll complains when c provably decides no case: alone, after any one of the earlier rules, or after all of them.
func (r *reader) tryAll(c reachable, earlier []reachable, p *Policy) {
	if c.expr.native == nil {
		return
	}
	if r.decidesNothing(c, nil, p) {
		r.complain(c.at, "remove the rule, or mend its condition", "the condition of %s never holds", c.name)
		return
	}
	var known []reachable
	for _, e := range earlier {
		if e.expr.native != nil {
			known = append(known, e)
		}
	}
	for i, e := range known {
		if r.decidesNothing(c, known[i:i+1], p) {
			r.complain(c.at, "put it before, or narrow the other", "%s is never reached: %s at %d:%d decides every case of it",
				c.name, e.name, e.at.Line, e.at.Column)
			return
		}
	}
	if r.decidesNothing(c, known, p) {
		r.complain(c.at, "put it before, or narrow the others", "%s is never reached: earlier rules decide every case of it", c.name)
	}
}

// decidesNothing reports whether c decides no case that none of before decides; false when there are too many to try.
func (r *reader) decidesNothing(c reachable, before []reachable, p *Policy) bool {
	s := samplesOf(append([]reachable{c}, before...), p)
	if s.count() > maxTrials {
		return false
	}
	decides := func(f *sampleCase, g *ground) bool {
		r.trials += 1 + len(before)
		return c.rule.reaches(g) && c.expr.native.holds(&f.Facts, f.today) &&
			!slices.ContainsFunc(before, func(e reachable) bool { return e.rule.reaches(g) && e.expr.native.holds(&f.Facts, f.today) })
	}
	found := s.search(&sampleCase{}, 0, func(f *sampleCase) bool {
		return r.trials > maxAllTrials || slices.ContainsFunc(p.candidates(f.Activation), func(g *ground) bool { return decides(f, g) })
	})
	return !found
}

// candidates lists the entries that may apply to an activation on some day, and nil for none.
func (p *Policy) candidates(c territory.Code) []*ground {
	list := []*ground{nil}
	for _, code := range []territory.Code{c, c.Country()} {
		if pl := p.places[code]; pl != nil {
			list = append(list, pl.grounds...)
		}
	}
	return list
}

// sampleCase is one combination of facts.
type sampleCase struct {
	Facts
	today territory.Day
}

// samples collects, for each fact that predicates use, values that tell its cases apart.
type samples struct {
	texts [factCount][]string
	days  [factCount][]territory.Day
	used  [factCount]bool
}

// other stands for any text that no policy mentions. It has characters that no constant of a policy begins with.
const other = "\uffff"

// samplesOf collects the samples of several rules. The territory of activation matters beyond what conditions say of it
// when a rule has a scope.
func samplesOf(rules []reachable, p *Policy) *samples {
	s := &samples{}
	for _, c := range rules {
		s.add(c.expr.native)
		if c.rule.within != nil {
			s.used[factActivation] = true
			for _, g := range p.grounds {
				for _, code := range g.Codes {
					s.text(factActivation, string(code))
				}
			}
			s.text(factActivation, other)
		}
	}
	return s
}

func (s *samples) text(f fact, values ...string) {
	for _, v := range values {
		if !slices.Contains(s.texts[f], v) {
			s.texts[f] = append(s.texts[f], v)
		}
	}
}

func (s *samples) add(p *predicate) {
	switch p.op {
	case opConst:
	case opNot, opAnd, opOr:
		for i := range p.args {
			s.add(&p.args[i])
		}
	default:
		s.used[p.fact] = true
		switch factTable[p.fact].kind {
		case attestationFact:
			s.text(p.fact, attestationNames...)
		case dayFact:
			for _, d := range []territory.Day{p.day - 1, p.day, p.day + 1} {
				if !slices.Contains(s.days[p.fact], d) {
					s.days[p.fact] = append(s.days[p.fact], d)
				}
			}
		case flagFact:
			s.text(p.fact, "", "true")
		case textsFact:
			s.text(p.fact, p.text)
		default:
			s.text(p.fact, p.set...)
			switch p.op {
			case opTextEquals:
				s.text(p.fact, p.text)
			case opHasPrefix:
				s.text(p.fact, p.text, p.text+other)
			case opWithin:
				s.text(p.fact, p.text, p.text+"-"+other)
			}
			s.text(p.fact, "", other)
		}
	}
}

// size returns how many samples f has; 1 when it is not used.
func (s *samples) size(f fact) int {
	switch {
	case !s.used[f]:
		return 1
	case factTable[f].kind == dayFact:
		return len(s.days[f])
	case factTable[f].kind == textsFact: // every subset
		return 1 << min(len(s.texts[f]), 20)
	}
	return len(s.texts[f])
}

// count returns how many combinations there are, or somewhat more than maxTrials when there are more than that.
func (s *samples) count() int {
	n := 1
	for f := range factCount {
		if n *= s.size(f); n > maxTrials {
			break
		}
	}
	return n
}

// search visits every combination of the samples of f and the facts after it, until visit returns true.
func (s *samples) search(c *sampleCase, f fact, visit func(*sampleCase) bool) bool {
	if f == factCount {
		return visit(c)
	}
	if !s.used[f] {
		return s.search(c, f+1, visit)
	}
	for i := range s.size(f) {
		s.set(c, f, i)
		if s.search(c, f+1, visit) {
			return true
		}
	}
	return false
}

// set gives fact f of c its i-th sample.
func (s *samples) set(c *sampleCase, f fact, i int) {
	switch {
	case f == factToday:
		c.today = s.days[f][i]
	case f == factActivatedOn:
		c.ActivatedOn = s.days[f][i]
	case f == factLicences:
		c.Licences = nil
		for bit, id := range s.texts[f] {
			if i&(1<<bit) != 0 {
				c.Licences = append(c.Licences, id)
			}
		}
	default:
		c.setText(f, s.texts[f][i])
	}
}

// setText sets a fact of a textual kind, or a flag by "" and "true".
func (f *Facts) setText(which fact, text string) {
	switch which {
	case factModel:
		f.Model = text
	case factTAC:
		f.TAC = text
	case factCategory:
		f.Category = text
	case factConsignee:
		f.Consignee = text
	case factMarket:
		f.Market = territory.Code(text)
	case factActivation:
		f.Activation = territory.Code(text)
	case factPresent:
		f.Present = territory.Code(text)
	case factAttestation:
		f.Attestation = Attestation(slices.Index(attestationNames, text))
	case factRecordMissing:
		f.RecordMissing = text != ""
	case factClockDoubtful:
		f.ClockDoubtful = text != ""
	}
}

// squeeze removes white space, so that two spellings of one condition are seen to be the same.
func squeeze(s string) string {
	out := make([]rune, 0, len(s))
	for _, c := range s {
		if c != ' ' && c != '\n' && c != '\t' {
			out = append(out, c)
		}
	}
	return string(out)
}
