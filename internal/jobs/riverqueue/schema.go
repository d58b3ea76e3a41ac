package riverqueue

import (
	"fmt"
	"strings"

	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// here is how River's own SQL leaves room for the name of a schema; without one the tables are made where the session makes them.
const here = "/* TEMPLATE: schema */"

// Schema is SQL that makes River's tables in an empty schema, for those who make tables by hand: River's own migrations, each in a transaction, and
// what says that they ran, so that [Open] finds nothing to do and its role needs no right to make tables.
func Schema() (string, error) {
	m, err := rivermigrate.New(riverpgxv5.New(nil), nil)
	if err != nil {
		return "", fmt.Errorf("riverqueue: %w", err)
	}
	var b strings.Builder
	var ran []string
	for _, v := range m.AllVersions() {
		fmt.Fprintf(&b, "BEGIN;\n%s\nCOMMIT;\n\n", strings.TrimSpace(strings.ReplaceAll(v.SQLUp, here, "")))
		ran = append(ran, fmt.Sprintf("('main', %d)", v.Version)) // the line of migrations that every installation has
	}
	fmt.Fprintf(&b, "INSERT INTO river_migration (line, version) VALUES %s;\n", strings.Join(ran, ", "))
	return b.String(), nil
}
