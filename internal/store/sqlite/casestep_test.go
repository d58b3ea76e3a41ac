package sqlite

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// caseRecords are what releases before step 10 wrote about cases; each is a statement with its arguments.
func caseRecords() (list [][]any) {
	nobody, somebody := make([]byte, 16), []byte("0123456789abcdef")
	for _, id := range []string{"case-0001", "case-00012"} {
		list = append(list, []any{"INSERT INTO cases (id, title, consignment, state, opened_by, opened_at, finding, concluded_by) VALUES (?, 'T', 'c-1', 'open', 'ada', 5, '', '')", id})
	}
	list = append(list, []any{"INSERT INTO warrant (id, case_id, reason, drafted_by, drafted_at, ends_at, document, devices_at_issue) VALUES ('warrant-0001', 'case-0001', 'R', 'ada', 5, 6, ?, 0)", []byte{}})
	for _, e := range [][]any{
		{nobody, "case", 0, "", "The case case-0001 was opened: Found at a fair"},
		{nobody, "case", 0, "", "The case case-00012 was opened: The case case-0001 was opened"},
		{nobody, "warrant", 2, "warrant-0001", "Drafted."},
		{somebody, "noticed", 2, "warrant-0001", "Told."},
		{nobody, "warrant", 2, "warrant-0404", "Of a warrant that there is not."},
		{nobody, "import", 0, "", "Imported."},
	} {
		list = append(list, append([]any{"INSERT INTO event (device, at, kind, ground_kind, ground, actor, detail) VALUES (?, 5, ?, ?, ?, 'ada', ?)"}, e...))
	}
	return list
}

// TestEventsOfCasesOfEveryVersion: what earlier releases wrote about a case is found by it.
func TestEventsOfCasesOfEveryVersion(t *testing.T) {
	if err := numberOf(); err != nil {
		t.Fatal(err)
	}
	names, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for version := 1; version < 10; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			dir := t.TempDir()
			file, err := sql.Open("sqlite", dsn(filepath.Join(dir, FileName), ""))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			c, err := file.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for i, name := range names[:version] {
				if err := step(t.Context(), c, "migrations/"+name.Name(), i+1, func(string, int, int) {}); err != nil {
					t.Fatal(err)
				}
			}
			for _, r := range caseRecords() {
				if _, err := c.ExecContext(t.Context(), r[0].(string), r[1:]...); err != nil {
					t.Fatalf("%s: %v", r[0], err)
				}
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
			db, err := Open(t.Context(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.View(t.Context(), func(tx authority.Tx) error {
				for id, want := range map[string]string{"case-0001": "[Drafted. The case case-0001 was opened: Found at a fair]",
					"case-00012": "[The case case-00012 was opened: The case case-0001 was opened]", "case-0009": "[]"} {
					list, err := tx.CaseEvents(id, 9)
					if err != nil {
						return err
					}
					details := []string{}
					for _, e := range list {
						details = append(details, e.Detail)
					}
					if got := fmt.Sprint(details); got != want {
						t.Errorf("%s: %s, not %s", id, got, want)
					}
				}
				all, err := tx.RecentEvents(9)
				if len(all) != 6 || all[0].Detail != "Imported." || all[0].Case != "" || all[2].Case != "" {
					t.Errorf("all of them: %+v", all)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
