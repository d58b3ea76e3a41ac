package policy

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// handWritten decides the plain cases of the example policy as somebody would who knows them by heart: the bound that
// BenchmarkDecide is measured against.
//
//go:noinline
func handWritten(f *Facts, today territory.Day) (Verdict, string) {
	if f.ActivationMixed || f.Activation == "" {
		return Indeterminate, ""
	}
	rule := ""
	switch f.Activation {
	case "CU":
		rule = "cuba"
	case "IR":
		rule = "iran"
	case "SY":
		rule = "syria"
	case "KP":
		rule = "north-korea"
	case "UA-43", "UA-40":
		rule = "crimea"
	}
	if rule == "" || f.ActivatedOn < 20_758 {
		return Permit, rule
	}
	if f.Attestation != Genuine || f.RecordMissing || f.ClockDoubtful || today > 20_878 {
		return Indeterminate, rule
	}
	return Deny, rule
}

// The decisions of the common path take under a microsecond each and allocate nothing.
func BenchmarkDecide(b *testing.B) {
	src, err := os.ReadFile("../../policies/terms-2026-11.yaml")
	if err != nil {
		b.Fatal(err)
	}
	p := parsed(b, string(src))
	now := noon("2026-11-22")
	cases := []struct {
		name  string
		facts Facts
	}{
		{"permit", genuineIn("ES", "2026-11-05")},
		{"deny", genuineIn("UA-43", "2026-11-05")},
		{"licence", Facts{Activation: "CU", ActivatedOn: dayOf("2026-11-05"), Attestation: Genuine, Category: "consumer"}},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			today := territory.DayOf(now)
			var sink int
			start := time.Now()
			for b.Loop() {
				sink += int(p.Decide(c.facts, now).Verdict)
			}
			each := float64(time.Since(start)) / float64(b.N)
			start = time.Now()
			for range b.N {
				v, rule := handWritten(&c.facts, today)
				sink += int(v) + len(rule)
			}
			bound := float64(time.Since(start)) / float64(b.N)
			if sink < 0 {
				b.Fatal("overflow")
			}
			b.ReportMetric(each/bound, "×bound")
		})
	}
	b.Run("rule/native", func(b *testing.B) { benchmarkCondition(b, `consignee == "X" && activated_on < date("2027-01-01")`) })
	b.Run("rule/cel", func(b *testing.B) {
		benchmarkCondition(b, `consignee.size() == 1 && activated_on < date("2027-01-01")`)
	})
}

func benchmarkCondition(b *testing.B, text string) {
	e, faults := compileExpression(text)
	if faults != nil {
		b.Fatal(faults)
	}
	f := genuineIn("ES", "2026-11-05")
	f.Consignee = "X"
	b.ReportAllocs()
	for b.Loop() {
		if holds, err := e.holds(&f, 20_000); err != nil || !holds {
			b.Fatal(holds, err)
		}
	}
}

// The common path allocates nothing: a hundred thousand check-ins a second must not feed the garbage collector.
func TestDecideDoesNotAllocate(t *testing.T) {
	p := parsed(t, strings.Replace(goodSource, "- {id: look", "#- {id: look", 1))
	now := noon("2026-04-10")
	for _, f := range []Facts{genuineIn("ES", "2026-04-01"), genuineIn("FR", "2026-04-01"), genuineIn("UA-65", "2026-04-01"), genuineIn("UA-43", "2026-04-01"), {}} {
		if n := testing.AllocsPerRun(100, func() { p.Decide(f, now) }); n != 0 {
			t.Errorf("%s: %v allocations", f.Activation, n)
		}
	}
}
