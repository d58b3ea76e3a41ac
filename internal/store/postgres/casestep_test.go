package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

// caseRecords are what releases before step 10 wrote about cases; each is a statement with its arguments.
func caseRecords() (list [][]any) {
	nobody, somebody := make([]byte, 16), []byte("0123456789abcdef")
	for _, id := range []string{"case-0001", "case-00012"} {
		list = append(list, []any{"INSERT INTO cases (id, title, consignment, state, opened_by, opened_at, finding, concluded_by) VALUES ($1, 'T', 'c-1', 'open', 'ada', 5, '', '')", id})
	}
	list = append(list, []any{"INSERT INTO warrant (id, case_id, reason, drafted_by, drafted_at, ends_at, document, devices_at_issue) VALUES ('warrant-0001', 'case-0001', 'R', 'ada', 5, 6, $1, 0)", []byte{}})
	for _, e := range [][]any{
		{nobody, "case", 0, "", "The case case-0001 was opened: Found at a fair"},
		{nobody, "case", 0, "", "The case case-00012 was opened: The case case-0001 was opened"},
		{nobody, "warrant", 2, "warrant-0001", "Drafted."},
		{somebody, "noticed", 2, "warrant-0001", "Told."},
		{nobody, "warrant", 2, "warrant-0404", "Of a warrant that there is not."},
		{nobody, "import", 0, "", "Imported."},
	} {
		list = append(list, append([]any{"INSERT INTO event (device, at, kind, ground_kind, ground, actor, detail) VALUES ($1, 5, $2, $3, $4, 'ada', $5)"}, e...))
	}
	return list
}

// upTo has the steps as far as the release of that number.
func upTo(t *testing.T, version int) fs.FS {
	t.Helper()
	steps := fstest.MapFS{}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names[:version-firstStep+1] {
		text, err := migrations.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		steps[name] = &fstest.MapFile{Data: text}
	}
	return steps
}

// TestEventsOfCasesOfEveryVersion: what earlier releases wrote about a case is found by it.
func TestEventsOfCasesOfEveryVersion(t *testing.T) {
	for _, version := range []int{4, 6, 7, 8, 9} { // no release ended at step 5
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			url := pgtest.Database(t)
			c, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(context.Background())
			if err := migrate(t.Context(), c, upTo(t, version), newPassage(nil)); err != nil {
				t.Fatal(err)
			}
			for _, r := range caseRecords() {
				if _, err := c.Exec(t.Context(), r[0].(string), r[1:]...); err != nil {
					t.Fatalf("%s: %v", r[0], err)
				}
			}
			c.Close(context.Background())
			db := openedAt(t, url, Options{})
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
