package app

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/store/ddl"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

// A server whose role may make no tables runs on those that an owner has made with what `store ddl` prints, and with the rights that
// docs/operations.md names: all of it, the queue of jobs as well.
func TestTablesMadeByHand(t *testing.T) {
	url := pgtest.Database(t)
	schema, err := ddl.Of(ddl.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.Background())
	for _, text := range []string{schema.SQL, `CREATE ROLE bailiwick_may_not LOGIN;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO bailiwick_may_not;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO bailiwick_may_not;
		REVOKE CREATE ON SCHEMA public FROM PUBLIC`} {
		if _, err := owner.PgConn().Exec(t.Context(), text).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	a := mustOpen(t, strings.Replace(url, "user=bailiwick", "user=bailiwick_may_not", 1), func(c *Config) {})
	until(t, "it leads", a.Leads)
	until(t, "its ledger's first checkpoint is there", func() bool {
		err = a.look(t.Context())
		return err == nil || !strings.Contains(err.Error(), "no checkpoint was published yet")
	})
	if err != nil && !strings.Contains(err.Error(), "officers") {
		t.Error(err)
	}
	var made int
	if err := owner.QueryRow(t.Context(), "SELECT count(*) FROM pg_class WHERE relowner = 'bailiwick_may_not'::regrole").Scan(&made); err != nil || made != 0 {
		t.Errorf("it made %d tables and indexes, %v", made, err)
	}
}
