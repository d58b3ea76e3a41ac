package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/storetest"
)

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
			storetest.CasesBeforeStep10(func(query string, args ...any) {
				if _, err := c.Exec(t.Context(), query, args...); err != nil {
					t.Fatalf("%s: %v", query, err)
				}
			})
			c.Close(context.Background())
			storetest.EventsOfOldCases(t, openedAt(t, url, Options{}))
		})
	}
}
