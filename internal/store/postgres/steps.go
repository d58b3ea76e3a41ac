package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

const stepsTable = `CREATE TABLE IF NOT EXISTS schema_step (
    number integer     NOT NULL PRIMARY KEY,
    name   text        NOT NULL,
    ran_at timestamptz NOT NULL DEFAULT now()
)`

// Step is a migration: the SQL that brings an empty database, or one at the step before, to this one.
type Step struct {
	Number int
	Name   string // of its file
	SQL    string
}

// Steps returns what Open runs on an empty database, in its order. The first one makes the table that says which ran.
func Steps() ([]Step, error) {
	list := []Step{{0, "", stepsTable + ";\n"}}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	for _, file := range names {
		name := strings.TrimPrefix(file, "migrations/")
		number, err := strconv.Atoi(name[:4])
		if err != nil {
			return nil, fmt.Errorf("postgres: %s is no step: %w", file, err)
		}
		source, err := migrations.ReadFile(file)
		if err != nil {
			return nil, err
		}
		list = append(list, Step{number, name, string(source)})
	}
	return list, nil
}

// isCurrent reports whether somebody brought the schema to the newest step already: then nothing is to be made, which takes neither
// a lock nor the right to make tables.
func isCurrent(ctx context.Context, c *pgx.Conn, steps fs.FS) (bool, error) {
	var there bool
	if err := c.QueryRow(ctx, "SELECT to_regclass(quote_ident(current_schema()) || '.schema_step') IS NOT NULL").Scan(&there); err != nil || !there {
		return false, nil // whatever is wrong with the schema, migrateOnce says it
	}
	newest, err := newestStep(steps)
	if err != nil {
		return false, err
	}
	var version int
	if err := c.QueryRow(ctx, "SELECT coalesce(max(number), 0) FROM schema_step").Scan(&version); err != nil {
		return false, fmt.Errorf("postgres: %w", err)
	}
	return version == newest, nil
}
