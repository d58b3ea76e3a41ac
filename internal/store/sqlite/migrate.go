package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks our files in SQLite's header ("BWLK"), so that another program's file is not written to.
const applicationID = 0x42574c4b

// further is what a step does after its file, in the same transaction. It tells how far it is.
var further = map[int]func(ctx context.Context, tx *sql.Tx, progress func(what string, done, total int)) error{5: compact}

// migrate brings the file to the newest schema, one transaction a step. The number of a step is the beginning of its
// file name; PRAGMA user_version holds the last one that ran.
func migrate(ctx context.Context, c *sql.Conn, progress func(what string, done, total int)) error {
	var version, application int
	if err := c.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("sqlite: this is no database that can be read: %w", err)
	}
	if err := c.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application); err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	var tables int
	if err := c.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	if tables > 0 && application != applicationID {
		return fmt.Errorf("sqlite: the file is another program's (application id %#x); use another folder", application)
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	if version > len(names) {
		return fmt.Errorf("sqlite: the records have schema %d, this program knows %d; use a newer release", version, len(names))
	}
	for i, name := range names {
		number, err := strconv.Atoi(strings.TrimPrefix(name, "migrations/")[:4])
		if err != nil || number != i+1 {
			return fmt.Errorf("sqlite: %s is not step %d", name, i+1)
		}
		if number > version {
			if err := step(ctx, c, name, number, progress); err != nil {
				return err
			}
		}
	}
	return nil
}

func step(ctx context.Context, c *sql.Conn, name string, number int, progress func(what string, done, total int)) error {
	source, err := migrations.ReadFile(name)
	if err != nil {
		return err
	}
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", name, err)
	}
	defer tx.Rollback()
	marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, number)
	for _, text := range []string{string(source), marks} {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("sqlite: %s: %w", name, err)
		}
	}
	if more := further[number]; more != nil {
		if err := more(ctx, tx, progress); err != nil {
			return fmt.Errorf("sqlite: %s: %w", name, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqlite: %s: %w", name, err)
	}
	return nil
}
