package interop

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The table of refusal reasons is that of the agent, in its sequence.
func TestDocumentedReasons(t *testing.T) {
	_, table, found := strings.Cut(document(t), "| Reason | Charter |")
	table, _, closed := strings.Cut(table, "\n\n")
	if !found || !closed {
		t.Fatal("docs/protocol.md has no table of reasons")
	}
	var documented, declared []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| C[0-9]+ \\|").FindAllStringSubmatch(table, -1) {
		documented = append(documented, m[1])
	}
	for _, r := range agent.Reasons() {
		declared = append(declared, string(r))
	}
	if !slices.Equal(documented, declared) {
		t.Errorf("documented: %v\ndeclared:   %v", documented, declared)
	}
}

// Each name that a refused token can have stands in the section on problems.
func TestDocumentedFaults(t *testing.T) {
	_, section, found := strings.Cut(document(t), "\n## 10. Problems\n")
	section, _, closed := strings.Cut(section, "\n## ")
	if !found || !closed {
		t.Fatal("docs/protocol.md has no section on problems")
	}
	var names []string
	for _, f := range evidence.Faults() {
		names = append(names, string(f))
	}
	for _, f := range protocol.Faults() {
		names = append(names, string(f))
	}
	for _, name := range names {
		if !strings.Contains(section, "`"+name+"`") {
			t.Errorf("%s is not in the section on problems", name)
		}
	}
}
