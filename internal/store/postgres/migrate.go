package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed migrations/*.sql
var migrations embed.FS

// firstStep is the number of the first migration here: what the SQLite store did in its steps up to this one.
const firstStep = 4

// migrate brings the database to the newest schema, all steps in one transaction. The table schema_step holds those that ran; it is
// locked meanwhile, so that of two servers that start at once one waits for the other.
func migrate(ctx context.Context, c *pgx.Conn) error {
	const attempts = 10
	for i := 0; ; i++ {
		err := migrateOnce(ctx, c)
		var e *pgconn.PgError
		// Two that make the very first table at the same time: one of them meets a name that has just come to be.
		if i < attempts && errors.As(err, &e) && (e.Code == "23505" || e.Code == "42P07" || again(err)) {
			continue
		}
		return err
	}
}

func migrateOnce(ctx context.Context, c *pgx.Conn) error {
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if err := ours(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS schema_step (number integer NOT NULL PRIMARY KEY,
			name text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now())`); err != nil {
			return fmt.Errorf("postgres: cannot make tables: %w (the role needs CREATE on the schema)", err)
		}
		if _, err := tx.Exec(ctx, "LOCK TABLE schema_step IN ACCESS EXCLUSIVE MODE"); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		var version int
		if err := tx.QueryRow(ctx, "SELECT coalesce(max(number), 0) FROM schema_step").Scan(&version); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		names, err := fs.Glob(migrations, "migrations/*.sql")
		if err != nil {
			return err
		}
		if newest := firstStep + len(names) - 1; version > newest {
			return fmt.Errorf("postgres: the records have schema %d, this program knows %d; use a newer release", version, newest)
		}
		for i, name := range names {
			number, err := strconv.Atoi(strings.TrimPrefix(name, "migrations/")[:4])
			if err != nil || number != firstStep+i {
				return fmt.Errorf("postgres: %s is not step %d", name, firstStep+i)
			}
			if number > version {
				if err := step(ctx, tx, name, number); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// ours refuses a schema with tables of another program, so that they are not mixed with ours.
func ours(ctx context.Context, tx pgx.Tx) error {
	var schema *string
	var tables int
	var known bool
	err := tx.QueryRow(ctx, `SELECT current_schema(), count(*), coalesce(bool_or(tablename = 'schema_step'), false)
		FROM pg_tables WHERE schemaname = current_schema()`).Scan(&schema, &tables, &known)
	switch {
	case err != nil:
		return fmt.Errorf("postgres: %w", err)
	case schema == nil:
		return errors.New("postgres: no schema to keep records in: the search_path of this role names none that is there")
	case tables > 0 && !known:
		return fmt.Errorf("postgres: the schema %s holds tables of another program; use a database of its own", *schema)
	}
	return nil
}

func step(ctx context.Context, tx pgx.Tx, name string, number int) error {
	source, err := migrations.ReadFile(name)
	if err != nil {
		return err
	}
	// Without arguments a text of many statements runs as it is.
	if _, err := tx.Conn().PgConn().Exec(ctx, string(source)).ReadAll(); err != nil {
		return fmt.Errorf("postgres: %s: %w", name, err)
	}
	if _, err := tx.Exec(ctx, "INSERT INTO schema_step (number, name) VALUES ($1, $2)", number, strings.TrimPrefix(name, "migrations/")); err != nil {
		return fmt.Errorf("postgres: %s: %w", name, err)
	}
	return nil
}
