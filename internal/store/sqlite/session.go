package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	code "modernc.org/sqlite/lib"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// session is one connection with the statements that were prepared on it. Statements are constants of this package, so
// the cache is bounded. One goroutine uses a session at a time.
type session struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
}

func newSession(ctx context.Context, pool *sql.DB) (*session, error) {
	c, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &session{c, make(map[string]*sql.Stmt)}, nil
}

func (s *session) statement(query string) (*sql.Stmt, error) {
	if st, ok := s.statements[query]; ok {
		return st, nil
	}
	st, err := s.conn.PrepareContext(context.Background(), query)
	if err == nil {
		s.statements[query] = st
	}
	return st, err
}

func (s *session) exec(query string, args ...any) (sql.Result, error) {
	st, err := s.statement(query)
	if err != nil {
		return nil, err
	}
	return st.Exec(args...)
}

func (s *session) close() error {
	var errs []error
	for _, st := range s.statements {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

// tx is what functions given to Update and View get. It is good until they return.
type tx struct {
	s      *session
	writes bool
	alone  bool  // it is the first of its transaction, and needs no savepoint
	saved  bool  // the savepoint, if it needs one, is open: something may have been written
	over   bool  // fn has returned
	broken error // SQLite has lost the transaction; nothing of the batch can be committed
}

var (
	_ authority.Store = (*DB)(nil)
	_ authority.Tx    = (*tx)(nil)

	errOver     = errors.New("sqlite: a Tx was used after its function had returned")
	errReadOnly = errors.New("sqlite: View may not write; use Update")
)

// exec runs a statement that writes, and returns how many rows it hit.
func (t *tx) exec(query string, args ...any) (int64, error) {
	result, err := t.write(query, args)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// insert runs an INSERT into a table with numbers, and returns the number of the new row.
func (t *tx) insert(query string, args ...any) (int64, error) {
	result, err := t.write(query, args)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// write runs a statement that writes. The savepoint begins with the first one, so that an Update that only looks costs no
// more than a look.
func (t *tx) write(query string, args []any) (sql.Result, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	if !t.writes {
		return nil, errReadOnly
	}
	if !t.saved {
		if !t.alone {
			if _, err := t.s.exec("SAVEPOINT one"); err != nil {
				return nil, t.failed(err)
			}
		}
		t.saved = true
	}
	result, err := t.s.exec(query, args...)
	if err != nil {
		return nil, t.failed(err)
	}
	return result, nil
}

// put runs a statement that must hit a row; otherwise the record is absent.
func (t *tx) put(query string, args ...any) error {
	n, err := t.exec(query, args...)
	if err == nil && n == 0 {
		err = authority.ErrAbsent
	}
	return err
}

// guarded runs a transition. When it hits no row, exists tells a record that is not there from one that moved on.
func (t *tx) guarded(exists string, key []any, query string, args ...any) error {
	n, err := t.exec(query, args...)
	if err != nil || n > 0 {
		return err
	}
	var one int
	if err := t.row(exists, key, &one); err != nil {
		return err
	}
	return authority.ErrConflict
}

// row reads one row, or returns ErrAbsent.
func (t *tx) row(query string, args []any, into ...any) error {
	if err := t.usable(); err != nil {
		return err
	}
	st, err := t.s.statement(query)
	if err != nil {
		return t.failed(err)
	}
	switch err := st.QueryRow(args...).Scan(into...); {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return authority.ErrAbsent
	default:
		return t.failed(err)
	}
}

// rows reads a list to its end before anybody sees it: no cursor stays open while records change.
func rows[T any](t *tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	st, err := t.s.statement(query)
	if err != nil {
		return nil, t.failed(err)
	}
	cursor, err := st.Query(args...)
	if err != nil {
		return nil, t.failed(err)
	}
	defer cursor.Close()
	var list []T
	for cursor.Next() {
		record, err := scan(cursor)
		if err != nil {
			return nil, t.failed(err)
		}
		list = append(list, record)
	}
	if err := cursor.Err(); err != nil {
		return nil, t.failed(err)
	}
	return list, nil
}

func (t *tx) usable() error {
	if t.over {
		return errOver
	}
	return t.broken
}

// failed gives an error of SQLite the contract's meaning. A broken rule of the schema is a fault of the caller's and
// leaves the transaction alone; trouble with the file ends the whole batch.
func (t *tx) failed(err error) error {
	var e *driver.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("sqlite: %w", err)
	}
	switch e.Code() {
	case code.SQLITE_CONSTRAINT_UNIQUE, code.SQLITE_CONSTRAINT_PRIMARYKEY, code.SQLITE_CONSTRAINT_ROWID:
		return fmt.Errorf("%w (%w)", authority.ErrConflict, err)
	case code.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fmt.Errorf("%w: it would refer to a record that is not there (%w)", authority.ErrAbsent, err)
	}
	switch e.Code() & 0xff {
	case code.SQLITE_CONSTRAINT:
		return fmt.Errorf("sqlite: the record breaks a rule of the store: %w", err)
	case code.SQLITE_FULL, code.SQLITE_IOERR, code.SQLITE_NOMEM, code.SQLITE_CORRUPT, code.SQLITE_NOTADB, code.SQLITE_CANTOPEN,
		code.SQLITE_READONLY, code.SQLITE_INTERRUPT, code.SQLITE_BUSY, code.SQLITE_PROTOCOL:
		t.broken = unavailable(err)
		return t.broken
	}
	return fmt.Errorf("sqlite: %w", err)
}

// unavailable is ErrStoreUnavailable with its cause.
func unavailable(cause error) error {
	e := *authority.ErrStoreUnavailable
	e.Err = cause
	return &e
}
