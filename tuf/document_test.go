package tuf_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// The table of faults in the document is that of the code, in its sequence.
func TestDocumentedFaults(t *testing.T) {
	text, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## 13. Officers' metadata\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, table, tabled := strings.Cut(section, "\n| Fault |")
	table, _, closed := strings.Cut(table, "\n\n")
	if !found || !tabled || !closed {
		t.Fatal("docs/protocol.md has no table of the faults of officers' metadata")
	}
	var documented, declared []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(table, -1) {
		documented = append(documented, m[1])
	}
	for _, f := range tuf.Faults() {
		declared = append(declared, string(f))
	}
	if !slices.Equal(documented, declared) {
		t.Errorf("documented: %v\ndeclared:   %v", documented, declared)
	}
}
