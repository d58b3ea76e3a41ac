package policy

import (
	"strings"
	"testing"
)

// BenchmarkCondition compares a custom rule's expression that is compiled to a predicate with one that needs the interpreter. What a whole
// decision costs beside its bound is the row decide of bailiwick bench.
func BenchmarkCondition(b *testing.B) {
	b.Run("native", func(b *testing.B) { benchmarkCondition(b, `consignee == "X" && activated_on < date("2027-01-01")`) })
	b.Run("cel", func(b *testing.B) {
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
