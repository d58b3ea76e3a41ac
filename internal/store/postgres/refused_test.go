package postgres

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

func TestOtherDatabasesAreRefused(t *testing.T) {
	for name, tc := range map[string]struct{ sql, says string }{
		"another program's": {"CREATE TABLE theirs (x int)", "another program"},
		"newer schema": {`CREATE TABLE schema_step (number integer NOT NULL PRIMARY KEY, name text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now());
			INSERT INTO schema_step VALUES (99, 'x')`, "newer release"},
		"no schema": {"DROP SCHEMA public", "search_path"},
	} {
		url := pgtest.Database(t)
		root, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close(context.Background())
		if _, err := root.PgConn().Exec(t.Context(), tc.sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), url, Options{}); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for url, says := range map[string]string{
		"postgres://nobody:secret@127.0.0.1:1/none?connect_timeout=2": "see that PostgreSQL runs",
		"postgres://nobody:secret@127.0.0.1:port/none":                "write it as postgres://",
		pgtest.Shared(t).URL("none"):                                  "make the database first",
	} {
		_, err := Open(t.Context(), url, Options{})
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestServerThatCouldLose is refused: its commits are not durable.
func TestServerThatCouldLose(t *testing.T) {
	c, err := pgtest.Start("fsync = off", "synchronous_commit = off")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := Open(t.Context(), c.Database(t), Options{}); err == nil || !strings.Contains(err.Error(), "fsync=off") {
		t.Errorf("%v", err)
	}
}

// TestSynchronousCommit is asked for where the database's own setting is weaker.
func TestSynchronousCommit(t *testing.T) {
	url := pgtest.Database(t)
	root, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close(context.Background())
	if _, err := root.Exec(t.Context(), "ALTER DATABASE "+root.Config().Database+" SET synchronous_commit = off"); err != nil {
		t.Fatal(err)
	}
	db := openedAt(t, url, Options{})
	s := <-db.writers
	defer func() { db.writers <- s }()
	var setting string
	if err := s.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.conn.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&setting); err != nil || setting != "on" {
		t.Errorf("%s, %v", setting, err)
	}
}

// TestMigrationsAtOnce: of many servers that start on an empty database at the same time each finds the newest schema.
func TestMigrationsAtOnce(t *testing.T) {
	for range 3 {
		url := pgtest.Database(t)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				c, err := pgx.Connect(context.Background(), url)
				if err == nil {
					defer c.Close(context.Background())
					err = migrate(context.Background(), c, migrations, newPassage(nil))
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		db := openedAt(t, url, Options{})
		if err := db.Update(t.Context(), func(tx authority.Tx) error { return tx.InsertDevice(fleetDevice(1)) }); err != nil {
			t.Error(err)
		}
	}
}

func TestBelongsToOneLedger(t *testing.T) {
	db := opened(t, Options{})
	for _, ledger := range []string{"one", "one"} {
		if err := db.BelongTo(t.Context(), ledger, [32]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.BelongTo(t.Context(), "another", [32]byte{1}); err == nil || !strings.Contains(err.Error(), "belong to the ledger one") {
		t.Errorf("%v", err)
	}
	if err := db.BelongTo(t.Context(), "one", [32]byte{2}); err == nil || !strings.Contains(err.Error(), "not all those of the other servers") {
		t.Errorf("%v", err)
	}
}
