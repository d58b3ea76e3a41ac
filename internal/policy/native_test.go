package policy

import (
	"fmt"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"

	"github.com/bailiwick-dev/bailiwick/territory"
	"pgregory.net/rapid"
)

// drawExpression writes an expression of the common part of the language.
func drawExpression(t *rapid.T, depth int) string {
	texts := map[string][]string{
		"model": {"S", "P", ""}, "tac": {"35384110", "3538", ""}, "category": {"consumer"}, "consignee": {"AID", "STATE"},
		"market": {"UA", "UA-43", "CU", "ES"}, "activation": {"UA", "UA-43", "UA-40", "CU", "ES"}, "present": {"CU", "FR"},
		"attestation": {"genuine", "custom", "unknown"},
	}
	names := []string{"model", "tac", "category", "consignee", "market", "activation", "present", "attestation"}
	operator := func(choices ...string) string { return rapid.SampledFrom(choices).Draw(t, "operator") }
	kinds := 8
	if depth > 0 {
		kinds = 12
	}
	name := rapid.SampledFrom(names).Draw(t, "fact")
	text := rapid.SampledFrom(texts[name]).Draw(t, "text")
	switch kind := rapid.IntRange(0, kinds-1).Draw(t, "kind"); kind {
	case 0:
		return fmt.Sprintf("%s %s %q", name, operator("==", "!="), text)
	case 1:
		return fmt.Sprintf("%q %s %s", text, operator("==", "!="), name)
	case 2:
		list := rapid.SliceOfN(rapid.SampledFrom(texts[name]), 0, 3).Draw(t, "list")
		quoted := make([]string, len(list))
		for i, s := range list {
			quoted[i] = fmt.Sprintf("%q", s)
		}
		return fmt.Sprintf("%s in [%s]", name, strings.Join(quoted, ", "))
	case 3:
		return fmt.Sprintf("%s.startsWith(%q)", name, text)
	case 4:
		return fmt.Sprintf("%s.within(%q)", operator("market", "activation", "present"), operator("UA", "UA-43", "CU"))
	case 5:
		day := dayOf("2026-04-01") + territory.Day(rapid.IntRange(-1, 1).Draw(t, "day"))
		fact, date := operator("activated_on", "today"), fmt.Sprintf("date(%q)", day)
		if rapid.Bool().Draw(t, "turned") {
			fact, date = date, fact
		}
		return fmt.Sprintf("%s %s %s", fact, operator("<", "<=", ">", ">=", "==", "!="), date)
	case 6:
		return fmt.Sprintf("%q in licences", operator("aid", "gift", "other"))
	case 7:
		return operator("record_missing", "clock_doubtful", "record_missing == false", "true != clock_doubtful", "true", "false")
	case 8:
		return "!(" + drawExpression(t, depth-1) + ")"
	case 9:
		return drawExpression(t, depth-1) + " && " + drawExpression(t, depth-1) + " && " + drawExpression(t, depth-1)
	case 10:
		return "(" + drawExpression(t, depth-1) + " || " + drawExpression(t, depth-1) + ")"
	default:
		return "(" + drawExpression(t, depth-1) + ") && (" + drawExpression(t, depth-1) + ")"
	}
}

// Whatever is compiled to a predicate means what CEL says the expression means.
func TestNativeAgreesWithCEL(t *testing.T) {
	env, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	held := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		text := drawExpression(t, 3)
		e, faults := compileExpression(text)
		if faults != nil {
			t.Fatalf("%s: %+v", text, faults)
		}
		if e.native == nil {
			t.Fatalf("%s was not compiled to a predicate", text)
		}
		checked, issues := env.Compile(text)
		if issues.Err() != nil {
			t.Fatal(issues.Err())
		}
		program, err := env.Program(checked, cel.CostLimit(maxCost))
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			f := drawFacts(t, 12)
			today := dayOf("2026-04-01") + territory.Day(rapid.IntRange(-2, 2).Draw(t, "today"))
			want, err := runCEL(program, f, today)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.native.holds(&f, today); got != want {
				t.Fatalf("%s: native %t, CEL %t for %+v", text, got, want, f)
			}
			held[want]++
		}
	})
	if held[true] == 0 || held[false] == 0 {
		t.Errorf("one-sided: %v", held)
	}
}

// What is not in the common part still means what CEL says, by CEL itself.
func TestConditionsThatNeedCEL(t *testing.T) {
	f := Facts{Model: "Lantern S", Licences: []string{"a-1"}, ActivatedOn: dayOf("2026-01-31")}
	for text, want := range map[string]bool{
		`model.matches("^Lantern [SP]$")`:                                    true,
		`licences.exists(l, l.startsWith("a-"))`:                             true,
		`activated_on + duration("240h") > today`:                            true,
		`activated_on.getMonth() == 1`:                                       false,
		`today < timestamp("2026-02-03T00:00:01Z")`:                          true,
		`(model == "x" ? "ES" : "CU").within("CU")`:                          true,
		`model == consignee`:                                                 false,
		`has({"a": 1}.a) && model.contains("tern")`:                          true,
		`size(licences) == 0 || licences[0] == "a-1" && model > "Lantern R"`: true,
	} {
		e, faults := compileExpression(text)
		if faults != nil {
			t.Errorf("%s: %v", text, faults)
			continue
		}
		if e.native != nil {
			t.Errorf("%s was compiled to a predicate: the test says nothing", text)
		}
		if got, err := e.holds(&f, dayOf("2026-02-03")); err != nil || got != want {
			t.Errorf("%s = %t, %v; want %t", text, got, err, want)
		}
	}
}

// The search for unreachable rules is exact on predicates: a rule that is accepted decides some case, and one that is
// refused decides none of those drawn.
func TestUnreachableRulesDecideNothing(t *testing.T) {
	refused := 0
	rapid.Check(t, func(t *rapid.T) {
		first, second := drawExpression(t, 1), drawExpression(t, 1)
		src := goodSource[:strings.Index(goodSource, "rules:")] + fmt.Sprintf(`rules:
- {id: first, when: '%s', effect: permit, reason: R}
- {id: second, when: '%s', effect: indeterminate, reason: R}
`, first, second)
		_, err := Parse("drawn.yaml", []byte(src))
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "never") && !strings.Contains(err.Error(), "decides first") {
			t.Fatalf("%s\n%s: %v", first, second, err)
		}
		refused++
		a, b := mustCompile(t, first), mustCompile(t, second)
		for range 50 {
			f := drawFacts(t, 12)
			today := dayOf("2026-04-01") + territory.Day(rapid.IntRange(-2, 2).Draw(t, "today"))
			firstHolds, secondHolds := a.native.holds(&f, today), b.native.holds(&f, today)
			if strings.Contains(err.Error(), "of rule first never") && firstHolds ||
				strings.Contains(err.Error(), "rule second") && secondHolds && !firstHolds {
				t.Fatalf("%s\n%s\nrefused with %v, but %+v is decided", first, second, err, f)
			}
		}
	})
	if refused == 0 {
		t.Error("no drawn pair was refused: the property said nothing")
	}
}

func mustCompile(t *rapid.T, text string) *expression {
	e, faults := compileExpression(text)
	if faults != nil {
		t.Fatalf("%s: %v", text, faults)
	}
	return e
}
