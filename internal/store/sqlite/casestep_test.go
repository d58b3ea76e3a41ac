package sqlite

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/store/storetest"
)

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
			storetest.CasesBeforeStep10(func(query string, args ...any) {
				if _, err := c.ExecContext(t.Context(), dialect(query), args...); err != nil {
					t.Fatalf("%s: %v", query, err)
				}
			})
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
			storetest.EventsOfOldCases(t, db)
		})
	}
}
