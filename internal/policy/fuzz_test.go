package policy

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// FuzzParse: no bytes make Parse panic; it answers with a policy or with problems that have a place, and a policy that is
// accepted keeps the Charter's bounds and decides.
func FuzzParse(f *testing.F) {
	f.Add([]byte(goodSource))
	seeds, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds, %v", err)
	}
	examples, err := filepath.Glob("../../policies/*.yaml")
	if err != nil || len(examples) == 0 {
		f.Fatalf("no examples, %v", err)
	}
	for _, name := range append(seeds, examples...) {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := Parse("fuzz.yaml", src)
		if err != nil {
			var problems Problems
			if p != nil || !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("Parse = %v, %v", p, err)
			}
			for _, problem := range problems {
				if problem.Line < 1 || problem.Column < 1 || problem.Message == "" {
					t.Fatalf("a problem without a place: %+v", problem)
				}
			}
			return
		}
		o := p.Observation
		if o.Days < LeastObservedDays || o.Window < o.Days || o.Percent < 50 || p.Notice.Days < LeastNoticeDays ||
			p.Notice.ShownDays < LeastShownDays || p.Notice.ShownDays > p.Notice.Days || p.Sunset < 1 || p.Sunset > MostSunsetDays {
			t.Fatalf("the Charter's bounds are broken: %+v", p)
		}
		p.Check(time.Unix(0, 0))
		for _, g := range p.Territories() {
			for _, c := range g.Codes {
				day := max(territory.DayOf(g.Since), p.AppliesTo.ActivatedOnOrAfter)
				d := p.Decide(Facts{Activation: c, ActivatedOn: day}, day.Time())
				if d.Verdict == Deny || len(d.Reasons) == 0 {
					t.Fatalf("without an attestation: %+v", d)
				}
			}
		}
	})
}

// FuzzExpression: no text makes the expression compiler panic, and its faults have a place.
func FuzzExpression(f *testing.F) {
	for _, text := range []string{`model == "S"`, `activation.within("UA") && today < date("2026-01-01")`, `licences.exists(l, l == "x")`,
		`!(tac.startsWith("35") || "a" in licences)`, `attestation in ["genuine"]`, `((`, `a.b.c`, `"\u1234" == model`, `1 / 0 == 1`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, faults := compileExpression(text)
		if (e == nil) == (faults == nil) {
			t.Fatalf("%v, %v", e, faults)
		}
		for _, fault := range faults {
			if fault.line < 1 || fault.column < 0 || fault.message == "" {
				t.Fatalf("a fault without a place: %+v", fault)
			}
		}
		if e != nil {
			_, _ = e.holds(&Facts{Model: "S", Activation: "UA-43"}, 20_000)
		}
	})
}
