// Package table writes and reads the records that SQLite and PostgreSQL keep in the same tables with the same statements: cases, warrants,
// appeals, policies, waves, restrictions, orders, officers, metadata, jobs and events. What the engines do differently (devices, production
// records, many rows at a time) is with the engines, which embed Tx and add to it.
//
// Statements are constants, but for the choice among constants, so that an engine may keep all that it has prepared. Their placeholders are $1, $2
// and so on, as PostgreSQL has them; package sqlite makes them its own.
package table

import "github.com/bailiwick-dev/bailiwick/internal/authority"

// Row is one row of an answer.
type Row interface{ Scan(into ...any) error }

// Engine is a transaction of a database. Errors are those of authority.Tx.
type Engine interface {
	// Look runs a statement that only reads. scan must not ask for anything else meanwhile.
	Look(scan func(Row) error, query string, args ...any) error
	// Exec runs a statement that writes, and returns how many rows it hit.
	Exec(query string, args ...any) (int64, error)
	// Return runs a statement that writes and answers with rows.
	Return(scan func(Row) error, query string, args ...any) error
}

// Tx is the part of authority.Tx that is the same on every engine.
type Tx struct{ Engine }

// Insert runs an INSERT … RETURNING number. No row means that a guard in it did not hold.
func Insert(e Engine, query string, args ...any) (n int64, err error) {
	found := false
	err = e.Return(func(r Row) error { found = true; return r.Scan(&n) }, query, args...)
	if err == nil && !found {
		err = authority.ErrConflict
	}
	return n, err
}

// Fresh runs an INSERT that must not meet a row with the same key. ON CONFLICT keeps the transaction usable when it does.
func Fresh(e Engine, query string, args ...any) error {
	n, err := e.Exec(query+" ON CONFLICT DO NOTHING", args...)
	if err == nil && n == 0 {
		err = authority.ErrConflict
	}
	return err
}

// Put runs a statement that must hit a row; otherwise the record is absent.
func Put(e Engine, query string, args ...any) error {
	n, err := e.Exec(query, args...)
	if err == nil && n == 0 {
		err = authority.ErrAbsent
	}
	return err
}

// Guarded runs a transition. When it hits no row, exists tells a record that is not there from one that moved on.
func Guarded(e Engine, exists string, key []any, query string, args ...any) error {
	n, err := e.Exec(query, args...)
	if err != nil || n > 0 {
		return err
	}
	var one int
	if err := Single(e, exists, key, &one); err != nil {
		return err
	}
	return authority.ErrConflict
}

// Single reads one row, or returns ErrAbsent.
func Single(e Engine, query string, args []any, into ...any) error {
	found := false
	err := e.Look(func(r Row) error {
		if found {
			return nil
		}
		found = true
		return r.Scan(into...)
	}, query, args...)
	if err == nil && !found {
		err = authority.ErrAbsent
	}
	return err
}

// List reads a list to its end before anybody sees it: no cursor stays open while records change, and a connection carries one answer at
// a time.
func List[T any](e Engine, scan func(Row) (T, error), query string, args ...any) ([]T, error) {
	var list []T
	err := e.Look(func(r Row) error {
		record, err := scan(r)
		list = append(list, record)
		return err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	return list, nil
}

// First makes a single look-up of a list.
func First[T any](list []*T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, authority.ErrAbsent
	}
	return list[0], nil
}
