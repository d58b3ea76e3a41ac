package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// ReviewNotice is how long before review_by [Policy.Check] begins to warn, in days.
const ReviewNotice = 30

// test is an inline test of a policy file.
type test struct {
	name   string
	line   int
	on     territory.Day
	facts  Facts
	expect expectation
}

// expectation holds what a test demands; nil parts are not looked at.
type expectation struct {
	verdict               Verdict
	rule, custom, licence *string
	reason                ReasonCode
}

// TestResult is the outcome of one inline test.
type TestResult struct {
	Name     string   `json:"name"`
	Line     int      `json:"line"`
	Passed   bool     `json:"passed"`
	Failures []string `json:"failures,omitempty"` // what differs
	Decision Decision `json:"decision"`
}

// Warning is something that does not make a policy wrong, and that its authors should look at.
type Warning struct {
	Code    string `json:"code"` // review-overdue, review-due, left-list, untested-territory, untested-licence, untested-rule, licence-expired, not-in-force, no-tests
	Line    int    `json:"line"`
	Message string `json:"message"`
}

// Report is what [Policy.Check] found.
type Report struct {
	File     string       `json:"file"`
	ID       string       `json:"id"`
	Version  int          `json:"version"`
	Title    string       `json:"title"`
	Hash     string       `json:"hash"` // hexadecimal
	On       string       `json:"on"`   // the day of the check
	Tests    []TestResult `json:"tests"`
	Failed   int          `json:"failed"`
	Warnings []Warning    `json:"warnings"`
}

// OK reports whether every inline test passed. Warnings do not count.
func (r Report) OK() bool { return r.Failed == 0 }

// Check runs the inline tests, each on its own day, and warns of what the passing of time or a gap in the tests makes
// doubtful on the day of now.
func (p *Policy) Check(now time.Time) Report {
	today := territory.DayOf(now)
	r := Report{File: p.file, ID: p.ID, Version: p.Version, Title: p.Title, Hash: fmt.Sprintf("%x", p.hash), On: today.String(),
		Tests: []TestResult{}, Warnings: []Warning{}}
	for _, t := range p.tests {
		result := p.run(t)
		if !result.Passed {
			r.Failed++
		}
		r.Tests = append(r.Tests, result)
	}
	r.Warnings = append(r.Warnings, p.datesToMind(today)...)
	r.Warnings = append(r.Warnings, p.gapsInTests(r.Tests)...)
	slices.SortStableFunc(r.Warnings, func(a, b Warning) int { return a.Line - b.Line })
	return r
}

func (p *Policy) run(t test) TestResult {
	d := p.Decide(t.facts, t.on.Time())
	result := TestResult{Name: t.name, Line: t.line, Decision: d}
	differ := func(what, got, want string) {
		result.Failures = append(result.Failures, fmt.Sprintf("%s is %q, want %q", what, got, want))
	}
	if d.Verdict != t.expect.verdict {
		differ("verdict", d.Verdict.String(), t.expect.verdict.String())
	}
	for _, part := range []struct {
		what, got string
		want      *string
	}{{"rule", d.Rule, t.expect.rule}, {"custom", d.Custom, t.expect.custom}, {"licence", d.Licence, t.expect.licence}} {
		if part.want != nil && *part.want != part.got {
			differ(part.what, part.got, *part.want)
		}
	}
	if want := t.expect.reason; want != "" && !slices.ContainsFunc(d.Reasons, func(r Reason) bool { return r.Code == want }) {
		differ("reason", string(d.Reasons[0].Code), string(want))
	}
	result.Passed = len(result.Failures) == 0
	return result
}

// Reviews lists the rules that somebody has to look at again: those past their review_by, which support no restriction until then, and those
// within ReviewNotice of it. It runs no tests.
func (p *Policy) Reviews(now time.Time) (overdue, due []string) {
	today := territory.DayOf(now)
	for _, g := range p.grounds {
		switch {
		case g.until != 0 && g.until <= today:
		case g.reviewBy < today:
			overdue = append(overdue, g.Rule)
		case g.reviewBy < today+ReviewNotice:
			due = append(due, g.Rule)
		}
	}
	return overdue, due
}

func (p *Policy) datesToMind(today territory.Day) []Warning {
	var list []Warning
	warn := func(line int, code, format string, args ...any) {
		list = append(list, Warning{code, line, fmt.Sprintf(format, args...)})
	}
	if today < p.effective {
		warn(1, "not-in-force", "the policy takes effect on %s", p.effective)
	}
	for _, g := range p.grounds {
		switch {
		case g.until != 0 && g.until <= today:
			warn(g.line, "left-list", "%s left the list on %s; keep the entry while devices activated before that are about", g.Rule, g.until)
		case g.reviewBy < today:
			warn(g.line, "review-overdue", "%s should have been reviewed by %s; until it is, it supports no restriction", g.Rule, g.reviewBy)
		case g.reviewBy < today+ReviewNotice:
			warn(g.line, "review-due", "%s must be reviewed by %s, in %d days", g.Rule, g.reviewBy, g.reviewBy-today)
		}
	}
	for _, l := range p.licences {
		if l.until != 0 && l.until < today {
			warn(l.line, "licence-expired", "%s was valid until %s; it still covers devices activated by then", l.id, l.until)
		}
	}
	return list
}

// gapsInTests warns of entries, licences and rules that no inline test exercises.
func (p *Policy) gapsInTests(results []TestResult) []Warning {
	if len(results) == 0 {
		return []Warning{{"no-tests", 1, "the policy has no inline tests"}}
	}
	seen := map[string]bool{}
	for _, r := range results {
		seen[r.Decision.Rule], seen[r.Decision.Custom], seen[r.Decision.Licence] = true, true, true
	}
	var list []Warning
	untested := func(code, id string, line int) {
		if !seen[id] {
			list = append(list, Warning{code, line, "no test reaches " + id})
		}
	}
	for _, g := range p.grounds {
		untested("untested-territory", g.Rule, g.line)
	}
	for _, l := range p.licences {
		untested("untested-licence", l.id, l.line)
	}
	for _, c := range p.rules {
		untested("untested-rule", c.id, c.line)
	}
	return list
}

// String writes the report for people: failures first, then warnings, then a summary.
func (r Report) String() string {
	var b strings.Builder
	for _, t := range r.Tests {
		if !t.Passed {
			fmt.Fprintf(&b, "%s:%d: FAIL %s: %s\n", r.File, t.Line, t.Name, strings.Join(t.Failures, "; "))
			for _, why := range t.Decision.Reasons {
				fmt.Fprintf(&b, "    %s: %s\n", why.Code, why.Text)
			}
		}
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "%s:%d: warning: %s (%s)\n", r.File, w.Line, w.Message, w.Code)
	}
	fmt.Fprintf(&b, "%s version %d, sha256 %s\n", r.ID, r.Version, r.Hash)
	warnings := "warnings"
	if len(r.Warnings) == 1 {
		warnings = "warning"
	}
	fmt.Fprintf(&b, "%d of %d tests passed, %d %s on %s\n", len(r.Tests)-r.Failed, len(r.Tests), len(r.Warnings), warnings, r.On)
	return b.String()
}

func (r *reader) test(n *yaml.Node, f *file) {
	t := test{line: n.Line}
	r.mapping(n, "a test",
		key{"name", true, func(n *yaml.Node) { t.name = r.text(n, "name", maxShort) }},
		key{"on", true, func(n *yaml.Node) { t.on = r.date(n, "on") }},
		key{"facts", true, func(n *yaml.Node) { r.facts(n, &t.facts) }},
		key{"expect", true, func(n *yaml.Node) { r.expect(n, &t.expect, f) }},
	)
	f.tests = append(f.tests, t)
}

// facts reads the facts of a test: those that rules know, and device and activation_mixed.
func (r *reader) facts(n *yaml.Node, facts *Facts) {
	keys := []key{
		{"device", false, func(n *yaml.Node) {
			id, err := device.ParseID(r.text(n, "device", maxShort))
			if err != nil {
				r.complain(n, "32 lower-case hexadecimal digits, in quotes", "%q is no device id", clip(n.Value))
			}
			facts.Device = id
		}},
		{"activation_mixed", false, func(n *yaml.Node) { facts.ActivationMixed = r.boolean(n, "activation_mixed") }},
	}
	for i, doc := range factTable {
		which := fact(i)
		var read func(*yaml.Node)
		switch doc.kind {
		case textFact:
			read = func(n *yaml.Node) { facts.setText(which, r.text(n, doc.name, maxShort)) }
		case territoryFact:
			read = func(n *yaml.Node) { facts.setText(which, string(r.code(n, doc.name))) }
		case attestationFact:
			read = func(n *yaml.Node) { facts.Attestation = Attestation(max(r.choice(n, doc.name, attestationNames), 0)) }
		case flagFact:
			read = func(n *yaml.Node) {
				if r.boolean(n, doc.name) {
					facts.setText(which, "true")
				}
			}
		case textsFact:
			read = func(n *yaml.Node) { facts.Licences = r.texts(n, doc.name, maxFactList, maxShort) }
		case dayFact:
			if which == factToday {
				continue // the day of a test is its "on"
			}
			read = func(n *yaml.Node) { facts.ActivatedOn = r.date(n, doc.name) }
		}
		keys = append(keys, key{doc.name, false, read})
	}
	r.mapping(n, "facts", keys...)
}

func (r *reader) expect(n *yaml.Node, e *expectation, f *file) {
	name := func(what string, into **string) func(*yaml.Node) {
		return func(n *yaml.Node) {
			if n.Kind == yaml.ScalarNode && n.Value == "" && n.ShortTag() == "!!str" {
				*into = new(string) // an empty text demands that there is none
				return
			}
			id := r.id(n, what)
			*into = &id
			f.expected = append(f.expected, expectedID{what, id, n})
		}
	}
	r.mapping(n, "expect",
		key{"verdict", true, func(n *yaml.Node) { e.verdict = Verdict(max(r.choice(n, "verdict", verdictNames), 0)) }},
		key{"rule", false, name("rule", &e.rule)},
		key{"custom", false, name("custom", &e.custom)},
		key{"licence", false, name("licence", &e.licence)},
		key{"reason", false, func(n *yaml.Node) {
			codes := make([]string, len(reasonTable))
			for i, doc := range reasonTable {
				codes[i] = string(doc.Code)
			}
			if i := r.choice(n, "reason", codes); i >= 0 {
				e.reason = reasonTable[i].Code
			}
		}},
	)
}
