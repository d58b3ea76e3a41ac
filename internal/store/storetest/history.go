package storetest

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// CasesBeforeStep10 is what releases wrote about cases whose events were not found by them yet: statements for the tables of any of these releases,
// with placeholders as PostgreSQL has them, and their arguments. EventsOfOldCases looks at what has become of it.
func CasesBeforeStep10(exec func(query string, args ...any)) {
	nobody, somebody := make([]byte, 16), []byte("0123456789abcdef")
	for _, id := range []string{"case-0001", "case-00012"} {
		exec("INSERT INTO cases (id, title, consignment, state, opened_by, opened_at, finding, concluded_by) VALUES ($1, 'T', 'c-1', 'open', 'ada', 5, '', '')", id)
	}
	exec(`INSERT INTO warrant (id, case_id, reason, drafted_by, drafted_at, ends_at, document, devices_at_issue)
		VALUES ('warrant-0001', 'case-0001', 'R', 'ada', 5, 6, $1, 0)`, []byte{})
	for _, e := range []struct {
		device         []byte
		kind           string
		groundKind     int64
		ground, detail string
	}{
		{nobody, "case", 0, "", "The case case-0001 was opened: Found at a fair"},
		{nobody, "case", 0, "", "The case case-00012 was opened: The case case-0001 was opened"},
		{nobody, "warrant", 2, "warrant-0001", "Drafted."},
		{somebody, "noticed", 2, "warrant-0001", "Told."},
		{nobody, "warrant", 2, "warrant-0404", "Of a warrant that there is not."},
		{nobody, "import", 0, "", "Imported."},
	} {
		exec("INSERT INTO event (device, at, kind, ground_kind, ground, actor, detail) VALUES ($1, 5, $2, $3, $4, 'ada', $5)", e.device, e.kind, e.groundKind, e.ground, e.detail)
	}
}

// EventsOfOldCases expects that what CasesBeforeStep10 wrote is found by its case, and that nothing else is.
func EventsOfOldCases(t *testing.T, s authority.Store) {
	t.Helper()
	for id, want := range map[string][]string{
		"case-0001": {"Drafted.", "The case case-0001 was opened: Found at a fair"}, "case-00012": {"The case case-00012 was opened: The case case-0001 was opened"}, "case-0009": nil,
	} {
		var details []string
		for _, e := range got(t, s, func(tx authority.Tx) ([]authority.Event, error) { return tx.CaseEvents(id, 9) }) {
			details = append(details, e.Detail)
		}
		same(t, id, details, want)
	}
	var cases []string
	for _, e := range got(t, s, func(tx authority.Tx) ([]authority.Event, error) { return tx.RecentEvents(9) }) {
		cases = append(cases, e.Case)
	}
	same(t, "of all events, newest first", cases, []string{"", "", "", "case-0001", "case-00012", "case-0001"})
}
