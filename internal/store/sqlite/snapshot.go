package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Snapshot writes the records in dir, as they are at one instant, to a new file that needs no log beside it. It reads through a connection
// that cannot write, and a server on dir goes on meanwhile; only its write-ahead log grows until the copy is done.
func Snapshot(ctx context.Context, dir, file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL, 0o600) // SQLite would let others read it
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	f.Close()
	return reading(ctx, filepath.Join(dir, FileName), func(db *sql.DB) error {
		if _, err := db.ExecContext(ctx, "VACUUM INTO ?", file); err != nil {
			return fmt.Errorf("sqlite: copying the records: %w", err)
		}
		return nil
	})
}

// Examination is what can be said of a file of records without writing to it.
type Examination struct {
	Schema int      // the step of the schema that it has
	Known  int      // the newest one that this program knows
	Faults []string // what SQLite found, at most ten lines; empty when the file is whole
	Log    string   // the journal mode: "wal" once a server has opened it
}

// Examine reads every page of a file of records. quick leaves out that indexes are held against their tables. It fails when the file cannot
// be read at all, or is another program's.
func Examine(ctx context.Context, file string, quick bool) (Examination, error) {
	var x Examination
	names, err := migrations.ReadDir("migrations")
	if err != nil {
		return x, err
	}
	x.Known = len(names)
	check := "PRAGMA integrity_check(10)"
	if quick {
		check = "PRAGMA quick_check(10)"
	}
	err = reading(ctx, file, func(db *sql.DB) error {
		var application int
		for pragma, into := range map[string]any{"application_id": &application, "user_version": &x.Schema, "journal_mode": &x.Log} {
			if err := db.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(into); err != nil {
				return fmt.Errorf("sqlite: %s cannot be read: %w", file, err)
			}
		}
		if application != applicationID {
			return fmt.Errorf("sqlite: %s does not hold records of this program (application id %#x)", file, application)
		}
		rows, err := db.QueryContext(ctx, check)
		if err != nil {
			return fmt.Errorf("sqlite: %s cannot be read: %w", file, err)
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return fmt.Errorf("sqlite: %s cannot be read: %w", file, err)
			}
			if line != "ok" {
				x.Faults = append(x.Faults, strings.Split(strings.TrimSpace(line), "\n")...)
			}
		}
		return rows.Err()
	})
	return x, err
}

// Pending counts the orders in a file of records that are not in the ledger yet.
func Pending(ctx context.Context, file string) (n int, err error) {
	err = reading(ctx, file, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SELECT count(*) FROM orders WHERE leaf_index IS NULL").Scan(&n)
	})
	return n, err
}

// Unsequence makes all orders in a file of records pending again, for a ledger that begins anew: it gets every one of them. No server may
// have the file open.
func Unsequence(ctx context.Context, file string) error {
	db, err := sql.Open("sqlite", dsn(file, ""))
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	_, err = db.ExecContext(ctx, "UPDATE orders SET leaf_index = NULL")
	if err != nil {
		err = fmt.Errorf("sqlite: %w", err)
	}
	return errors.Join(err, db.Close())
}

// reading opens a file for reading only and closes it after fn.
func reading(ctx context.Context, file string, fn func(*sql.DB) error) error {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(file)}
	db, err := sql.Open("sqlite", u.String()+"?mode=ro&_busy_timeout=5000")
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		return errors.Join(fmt.Errorf("sqlite: %s cannot be opened: %w", file, err), db.Close())
	}
	return errors.Join(fn(db), db.Close())
}
