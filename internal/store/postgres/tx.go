package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/order"
)

// tx is what functions given to Update and View get. It is good until they return. The transaction begins with the first statement.
//
// An error other than ErrAbsent and ErrConflict ends a transaction in PostgreSQL, and so it does here: whatever is asked of tx later
// gets the same error, and Update returns it. A conflict that only the schema can find (a hash that is taken, say) does so, too.
type tx struct {
	table.Tx
	ctx    context.Context
	s      *session     // nil when this is no transaction of its own (package comment, light updates)
	begin  string       // statement that begins it; empty once it has begun
	before func() error // gives it its session, when the first statement comes
	writes bool
	filed  bool  // the receipt is: something may have been written
	over   bool  // fn has returned
	broken error // it can only be rolled back
	cause  error // of broken, as the database said it

	books     *books
	sequences map[device.ID]uint64 // of devices whose rows this transaction has to itself

	indexed  bool              // the planner keeps to indexes
	only     map[order.ID]bool // new orders on whose grounds nothing older waits
	outgrown bool              // something was asked that a light update cannot do
}

var (
	_ authority.Store = (*DB)(nil)
	_ authority.Tx    = (*tx)(nil)
)

// ready gives t the records of package table, which go through it.
func (t *tx) ready() *tx {
	t.Engine = t
	return t
}

func (t *tx) usable() error {
	switch {
	case t.over:
		return errOver
	case t.broken != nil:
		return t.broken
	case t.s == nil && t.before == nil:
		t.outgrown = true
		return errOutgrown
	}
	return nil
}

// send runs one statement, and before it what begins the transaction and files its receipt, in one round trip.
func (t *tx) send(writes bool, query string, args []any, done func(pgx.Rows) error) error {
	if err := t.usable(); err != nil {
		return err
	}
	if writes && !t.writes {
		return errReadOnly
	}
	if t.before != nil {
		before := t.before
		t.before = nil
		if err := before(); err != nil {
			return t.failed(err)
		}
	}
	if t.begin == "" && (!writes || t.filed) {
		rows, err := t.s.conn.Query(t.ctx, query, args...)
		if err != nil {
			return t.failed(err)
		}
		return t.failed(read(rows, done))
	}
	b := new(pgx.Batch)
	if t.begin != "" {
		b.Queue(t.begin)
		t.begin = ""
	}
	if writes && !t.filed {
		t.s.file(b)
		t.filed = true
	}
	b.Queue(query, args...).Query(func(rows pgx.Rows) error { return read(rows, done) })
	return t.failed(t.s.conn.SendBatch(t.ctx, b).Close())
}

func read(rows pgx.Rows, done func(pgx.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := done(rows); err != nil {
			return err
		}
	}
	rows.Close()
	return rows.Err()
}

// failed gives an error its meaning and remembers it.
func (t *tx) failed(err error) error {
	if err == nil {
		return nil
	}
	t.cause = err
	var e *pgconn.PgError
	switch {
	case errors.Is(err, errFenced):
		t.broken = unavailable(err)
	case errors.Is(err, ErrDeposed):
		t.broken = err
	case !errors.As(err, &e) && t.s != nil && t.s.conn != nil && !t.s.conn.IsClosed(): // a value that cannot be sent or read
		t.broken = fmt.Errorf("postgres: %w", err)
	default:
		t.broken = meaning(err)
	}
	return t.broken
}

// Exec implements table.Engine.
func (t *tx) Exec(query string, args ...any) (int64, error) {
	var n int64
	err := t.write(query, args, func(tag pgconn.CommandTag) { n = tag.RowsAffected() })
	return n, err
}

func (t *tx) write(query string, args []any, done func(pgconn.CommandTag)) error {
	if err := t.usable(); err != nil {
		return err
	}
	if !t.writes {
		return errReadOnly
	}
	if t.begin == "" && t.filed {
		tag, err := t.s.conn.Exec(t.ctx, query, args...)
		if err == nil {
			done(tag)
		}
		return t.failed(err)
	}
	b := new(pgx.Batch)
	if t.begin != "" {
		b.Queue(t.begin)
		t.begin = ""
	}
	t.s.file(b)
	t.filed = true
	b.Queue(query, args...).Exec(func(tag pgconn.CommandTag) error { done(tag); return nil })
	return t.failed(t.s.conn.SendBatch(t.ctx, b).Close())
}

// Look implements table.Engine.
func (t *tx) Look(scan func(table.Row) error, query string, args ...any) error {
	return t.send(false, query, args, func(r pgx.Rows) error { return scan(r) })
}

// Return implements table.Engine.
func (t *tx) Return(scan func(table.Row) error, query string, args ...any) error {
	return t.send(true, query, args, func(r pgx.Rows) error { return scan(r) })
}
