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

// maxTrials bounds the search for a case in which a rule decides.
const maxTrials = 50_000

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

// tryAll searches a case that c decides, and complains when there is provably none.
func (r *reader) tryAll(c reachable, earlier []reachable, p *Policy) {
	if c.expr.native == nil {
		return
	}
	s := samplesOf(c.expr.native, p)
	holdsAlone := false
	var before []reachable // earlier rules that may take c's cases
	for _, e := range earlier {
		if e.expr.native != nil {
			before = append(before, e)
			s.add(e.expr.native)
		}
	}
	cases, complete := s.cases()
	if !complete {
		return
	}
	for _, f := range cases {
		for _, g := range p.candidates(f.Facts.Activation) {
			if !c.rule.reaches(g) || !c.expr.native.holds(&f.Facts, f.today) {
				continue
			}
			holdsAlone = true
			if !slices.ContainsFunc(before, func(e reachable) bool {
				return e.rule.reaches(g) && e.expr.native.holds(&f.Facts, f.today)
			}) {
				return
			}
		}
	}
	if !holdsAlone {
		r.complain(c.at, "remove the rule, or mend its condition", "the condition of %s never holds", c.name)
		return
	}
	r.complain(c.at, "put it before, or narrow the others", "%s is never reached: earlier rules decide every case of it", c.name)
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

func samplesOf(p *predicate, policy *Policy) *samples {
	s := &samples{}
	s.used[factActivation] = true
	s.texts[factActivation] = []string{other}
	for _, g := range policy.grounds {
		for _, c := range g.Codes {
			s.text(factActivation, string(c))
		}
	}
	s.add(p)
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
			s.text(p.fact, "", other)
			s.text(p.fact, p.set...)
			switch p.op {
			case opTextEquals:
				s.text(p.fact, p.text)
			case opHasPrefix:
				s.text(p.fact, p.text, p.text+other)
			case opWithin:
				s.text(p.fact, p.text, p.text+"-"+other)
			}
		}
	}
}

// cases multiplies the samples out; complete is false when that would be more than maxTrials.
func (s *samples) cases() (cases []sampleCase, complete bool) {
	cases = []sampleCase{{}}
	for f := range factCount {
		if !s.used[f] {
			continue
		}
		var next []sampleCase
		for _, c := range cases {
			next = append(next, s.vary(c, f)...)
			if len(next) > maxTrials {
				return nil, false
			}
		}
		cases = next
	}
	return cases, true
}

// vary returns c with every sample of f.
func (s *samples) vary(c sampleCase, f fact) []sampleCase {
	var list []sampleCase
	put := func(set func(*sampleCase)) {
		v := c
		set(&v)
		list = append(list, v)
	}
	switch factTable[f].kind {
	case dayFact:
		for _, d := range s.days[f] {
			if f == factToday {
				put(func(v *sampleCase) { v.today = d })
			} else {
				put(func(v *sampleCase) { v.ActivatedOn = d })
			}
		}
	case textsFact: // every subset
		if len(s.texts[f]) > 10 {
			return make([]sampleCase, maxTrials+1)
		}
		for bits := range 1 << len(s.texts[f]) {
			var ids []string
			for i, id := range s.texts[f] {
				if bits&(1<<i) != 0 {
					ids = append(ids, id)
				}
			}
			put(func(v *sampleCase) { v.Licences = ids })
		}
	default:
		for _, text := range s.texts[f] {
			put(func(v *sampleCase) { v.setText(f, text) })
		}
	}
	return list
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
