package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// examples are the policies that ship, with a day on which each is in force and reviewed.
var examples = []struct {
	name string
	src  []byte
	on   time.Time
}{
	{"terms-2021-09.yaml", policies.Terms202109, time.Date(2021, 9, 10, 12, 0, 0, 0, time.UTC)},
	{"terms-2026-11.yaml", policies.Current, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)},
}

func TestExamplesHoldWhatTheyPromise(t *testing.T) {
	for _, ex := range examples {
		p, err := policy.Parse(ex.name, ex.src)
		if err != nil {
			t.Fatal(err)
		}
		report := p.Check(ex.on)
		if !report.OK() || len(report.Tests) < 12 {
			t.Errorf("%d tests:\n%s", len(report.Tests), report)
		}
		for _, w := range report.Warnings {
			if w.Code != "left-list" {
				t.Errorf("%s:%d: unexpected warning: %s", ex.name, w.Line, w.Message)
			}
		}
		for _, words := range []string{"example", "Not legal advice"} {
			if !strings.Contains(strings.Join(strings.Fields(p.Disclaimer), " "), words) {
				t.Errorf("%s does not say %q", ex.name, words)
			}
		}
		for _, g := range p.Territories() {
			if g.Source == "" || g.LegalBasis == "" {
				t.Errorf("%s: %s has no source", ex.name, g.Rule)
			}
		}
	}
}
