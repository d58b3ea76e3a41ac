package policy

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

func manual(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The manual's tables are the code's, row by row and in order.
func TestManualHasTheTablesOfTheCode(t *testing.T) {
	text := manual(t)
	facts := "| Fact | Type | Meaning |\n|---|---|---|\n"
	for _, f := range FactDocs() {
		facts += fmt.Sprintf("| `%s` | %s | %s |\n", f.Name, f.Type, f.Doc)
	}
	reasons := "| Reason | Verdict | Meaning |\n|---|---|---|\n"
	for _, r := range ReasonDocs() {
		reasons += fmt.Sprintf("| `%s` | %s | %s |\n", r.Code, r.Verdict, r.Doc)
	}
	for name, table := range map[string]string{"facts": facts, "reasons": reasons} {
		if !strings.Contains(text, table+"\n") {
			t.Errorf("docs/policy.md does not have this table of %s:\n%s", name, table)
		}
	}
}

// The manual's example parses, and its tests pass.
func TestManualExampleIsAPolicy(t *testing.T) {
	m := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(manual(t))
	if m == nil {
		t.Fatal("no YAML in docs/policy.md")
	}
	if r := parsed(t, m[1]).Check(noon("2026-06-01")); !r.OK() || len(r.Tests) != 2 {
		t.Error(r)
	}
}

// The bounds in the manual are the loader's: the value is accepted, the one beyond it is not.
func TestManualBoundsAreTheLoaders(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)\\.(\\w+)` \\| (\\d+) \\| (\\d+) \\|$").FindAllStringSubmatch(manual(t), -1)
	if len(rows) != 6 {
		t.Fatalf("%d bounds in docs/policy.md", len(rows))
	}
	for _, row := range rows {
		section, name := row[1], row[2]
		var least, most int
		if _, err := fmt.Sscan(row[3]+" "+row[4], &least, &most); err != nil {
			t.Fatal(err)
		}
		for value, wrong := range map[int]bool{least - 1: true, least: false, most: false, most + 1: true} {
			// Its neighbours are set so that only the bound can be at fault.
			src := regexp.MustCompile(`(?m)^observation: .*$`).ReplaceAllString(goodSource, "observation: {days: 3, window: 90, percent: 95}")
			src = regexp.MustCompile(`(?m)^notice: .*$`).ReplaceAllString(src, "notice: {days: 365, shown_days: 3}")
			line := regexp.MustCompile(`(?m)^(` + section + `: .*\b` + name + `: )\d+`)
			src = line.ReplaceAllString(src, fmt.Sprintf("${1}%d", value))
			_, err := Parse("bounds.yaml", []byte(src))
			if beyond := err != nil && strings.Contains(err.Error(), fmt.Sprintf("%s is %d; it is at least %d and at most %d", name, value, least, most)); beyond != wrong {
				t.Errorf("%s.%s = %d: %v", section, name, value, err)
			}
		}
	}
	if LeastObservedDays != 3 || LeastNoticeDays != 7 || LeastShownDays != 3 || MostSunsetDays != 730 {
		t.Error("the Charter's constants moved")
	}
}

// The manual names every warning of Check, and its sample problems are in the words of the loader.
func TestManualNamesWarningsAndProblems(t *testing.T) {
	text := manual(t)
	code, err := os.ReadFile("check.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`warn\([\w.]+, "([a-z-]+)"|untested\("([a-z-]+)"|\{\{"([a-z-]+)", 1`).FindAllStringSubmatch(string(code), -1) {
		name := m[1] + m[2] + m[3]
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("docs/policy.md does not name the warning %s", name)
		}
	}
	listings := ""
	for _, name := range []string{"territories", "charter", "expressions"} {
		b, err := os.ReadFile("testdata/bad/" + name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		listings += string(b)
	}
	for _, sentence := range []string{`"UK" is no known territory (did you mean "GB"?)`, "(until is the day on which the territory left the list)",
		"undeclared reference to 'modell' (did you mean 'model'?)"} {
		if !strings.Contains(text, sentence) || !strings.Contains(listings, sentence) {
			t.Errorf("the manual and the loader do not both say: %s", sentence)
		}
	}
}
