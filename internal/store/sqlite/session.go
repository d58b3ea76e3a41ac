package sqlite

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/order"
)

// session is one connection with the statements that were prepared on it. Statements are constants of this package, so
// the cache is bounded. One goroutine uses a session at a time.
type session struct {
	conn       *sqlite.Conn
	statements map[string]*sqlite.Stmt
	buffer     []byte // what a record is read into
}

// busyTimeout is how long a connection waits for another. The writer has nobody to wait for but a checkpoint.
const busyTimeout = 5 * time.Second

// newSession opens a connection, and runs the given pragmas on it. It does not call the library's SetDefensive (v1.4.2), which gives
// sqlite3_db_config one argument where it reads two, and has SQLite write to wherever the memory behind it points. The flag is against SQL from
// strangers; all statements here are the program's own.
func newSession(path string, pragmas ...string) (*session, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, err
	}
	conn.SetBusyTimeout(busyTimeout)
	s := &session{conn: conn, statements: make(map[string]*sqlite.Stmt), buffer: make([]byte, 8192)}
	for _, pragma := range append([]string{"journal_mode = WAL", "synchronous = FULL", "foreign_keys = 1", "wal_autocheckpoint = 0", "temp_store = MEMORY"}, pragmas...) {
		if err == nil {
			err = s.pragma(pragma)
		}
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// pragma runs a pragma and passes over what it answers; into takes its first row, if it is wanted.
func (s *session) pragma(text string, into ...any) error {
	st, _, err := s.conn.PrepareTransient("PRAGMA " + text)
	if err != nil {
		return err
	}
	found, err := st.Step()
	if err == nil && found && len(into) > 0 {
		err = row{st}.Scan(into...)
	}
	return errors.Join(err, st.Finalize())
}

// statement returns a statement with its parameters bound. Whoever gets it resets it.
func (s *session) statement(query string, args ...any) (*sqlite.Stmt, error) {
	st, ok := s.statements[query]
	if !ok {
		var err error
		if st, err = s.conn.Prepare(dialect(query)); err != nil {
			return nil, err
		}
		s.statements[query] = st
	}
	for i, arg := range args {
		if err := bind(st, i+1, arg); err != nil {
			return nil, err
		}
	}
	return st, nil
}

// dialect makes a statement of package table one of SQLite's: $1 is a name to it and ?1 a number, and an index on rows with settled = 0 does not
// serve who asks for settled = false.
func dialect(query string) string { return dialectOf.Replace(query) }

var dialectOf = strings.NewReplacer("$", "?", " = false", " = 0", " = true", " = 1")

func bind(st *sqlite.Stmt, at int, arg any) error {
	switch v := arg.(type) {
	case nil:
		st.BindNull(at)
	case int64:
		st.BindInt64(at, v)
	case int:
		st.BindInt64(at, int64(v))
	case string:
		st.BindText(at, v)
	case []byte:
		if v == nil {
			st.BindNull(at)
		} else {
			st.BindBytes(at, v)
		}
	case bool:
		st.BindBool(at, v)
	case *int64: // of table.Stamp
		if v == nil {
			st.BindNull(at)
		} else {
			st.BindInt64(at, *v)
		}
	default:
		return bindKind(st, at, reflect.ValueOf(arg))
	}
	return nil
}

// bindKind binds values of named types.
func bindKind(st *sqlite.Stmt, at int, v reflect.Value) error {
	switch {
	case v.Kind() == reflect.String:
		st.BindText(at, v.String())
	case v.CanInt():
		st.BindInt64(at, v.Int())
	case v.CanUint() && v.Uint() <= 1<<63-1:
		st.BindInt64(at, int64(v.Uint()))
	default:
		return fmt.Errorf("%T cannot be a parameter", v.Interface())
	}
	return nil
}

// exec runs a statement to its end and returns how many rows it hit.
func (s *session) exec(query string, args ...any) (int64, error) {
	st, err := s.statement(query, args...)
	if err != nil {
		return 0, err
	}
	if err = finish(st); err != nil {
		return 0, err
	}
	return int64(s.conn.Changes()), nil
}

// finish runs what is left of a statement.
func finish(st *sqlite.Stmt) error {
	for {
		found, err := st.Step()
		if err != nil {
			_ = st.Reset() // it says the same again
			return err
		}
		if !found {
			return st.Reset()
		}
	}
}

// each runs fn on every row.
func (s *session) each(fn func(*sqlite.Stmt) error, query string, args ...any) error {
	st, err := s.statement(query, args...)
	if err != nil {
		return err
	}
	for {
		found, err := st.Step()
		if err == nil && found {
			err = fn(st)
		}
		if err != nil {
			_ = st.Reset()
			return err
		}
		if !found {
			return st.Reset()
		}
	}
}

func (s *session) close() error {
	return s.conn.Close() // and its statements
}

// row is where a statement stands.
type row struct{ st *sqlite.Stmt }

// Scan reads the columns from the first on.
func (r row) Scan(into ...any) error {
	for i, to := range into {
		if err := r.column(i, to); err != nil {
			return fmt.Errorf("column %s: %w", r.st.ColumnName(i), err)
		}
	}
	return nil
}

func (r row) column(i int, to any) error {
	st := r.st
	kind := st.ColumnType(i)
	if special, ok := to.(interface{ Scan(any) error }); ok {
		return special.Scan(r.value(i, kind))
	}
	if bytes, ok := to.(*[]byte); ok && (kind == sqlite.TypeBlob || kind == sqlite.TypeNull) {
		*bytes, _ = r.value(i, kind).([]byte)
		return nil
	}
	v := reflect.ValueOf(to).Elem()
	switch {
	case v.Kind() == reflect.String && kind == sqlite.TypeText:
		v.SetString(st.ColumnText(i))
	case v.Kind() == reflect.Bool && kind == sqlite.TypeInteger:
		v.SetBool(st.ColumnInt64(i) != 0)
	case v.CanInt() && kind == sqlite.TypeInteger && !v.OverflowInt(st.ColumnInt64(i)):
		v.SetInt(st.ColumnInt64(i))
	default:
		return fmt.Errorf("%v does not fit %T", kind, to)
	}
	return nil
}

func (r row) value(i int, kind sqlite.ColumnType) any {
	switch kind {
	case sqlite.TypeInteger:
		return r.st.ColumnInt64(i)
	case sqlite.TypeText:
		return r.st.ColumnText(i)
	case sqlite.TypeBlob:
		b := make([]byte, r.st.ColumnLen(i))
		r.st.ColumnBytes(i, b)
		return b
	}
	return nil
}

// tx is what functions given to Update and View get. It is good until they return.
type tx struct {
	table.Tx
	s        *session // nil in a light update
	books    *books
	writes   bool
	view     bool         // of View, which takes its snapshot when it first reads
	begun    bool         // the transaction of a view is open
	standing *sqlite.Stmt // that a view has left at its first row; nil for none
	alone    bool         // nobody else has written in this transaction: it needs no savepoint
	saved    bool         // the savepoint, if it needs one, is open: something may have been written
	over     bool         // fn has returned
	broken   error        // SQLite has lost the transaction; nothing of the batch can be committed
	outgrown bool         // something was asked that a light update cannot do
	learned  []func()     // what the dictionaries remember once it is durable
	scratch  []byte
	only     map[order.ID]bool // new orders on whose grounds nothing older waits
	grown    map[int64]bool    // devices whose revision this transaction has made grow already, as far as that saves a statement
}

// ready gives t the records of package table, which go through it.
func (t *tx) ready() *tx {
	t.Engine = t
	return t
}

var (
	_ authority.Store = (*DB)(nil)
	_ authority.Tx    = (*tx)(nil)

	errOver     = errors.New("sqlite: a Tx was used after its function had returned")
	errReadOnly = errors.New("sqlite: View may not write; use Update")
	errOutgrown = errors.New("sqlite: a light update asked for more than it can have")
)

// Exec implements table.Engine.
func (t *tx) Exec(query string, args ...any) (int64, error) {
	if err := t.writable(); err != nil {
		return 0, err
	}
	n, err := t.s.exec(query, args...)
	if err != nil {
		return 0, t.failed(err)
	}
	return n, nil
}

// writable is asked before each statement that writes. The savepoint begins with the first one, so that an Update that only looks costs
// no more than a look.
func (t *tx) writable() error {
	if err := t.usable(); err != nil {
		return err
	}
	if !t.writes {
		return errReadOnly
	}
	if !t.saved && !t.alone {
		if _, err := t.s.exec("SAVEPOINT one"); err != nil {
			return t.failed(err)
		}
	}
	t.saved = true
	return nil
}

// Look implements table.Engine.
func (t *tx) Look(scan func(table.Row) error, query string, args ...any) error {
	return t.each(func(st *sqlite.Stmt) error { return scan(row{st}) }, query, args...)
}

// each runs fn on every row. fn must not ask for anything else meanwhile.
func (t *tx) each(fn func(*sqlite.Stmt) error, query string, args ...any) error {
	if err := t.usable(); err != nil {
		return err
	}
	if err := t.begin(query); err != nil {
		return err
	}
	return t.failed(t.s.each(fn, query, args...))
}

// Return implements table.Engine.
func (t *tx) Return(scan func(table.Row) error, query string, args ...any) error {
	if err := t.writable(); err != nil {
		return err
	}
	return t.failed(t.s.each(func(st *sqlite.Stmt) error { return scan(row{st}) }, query, args...))
}

func (t *tx) usable() error {
	switch {
	case t.over:
		return errOver
	case t.broken != nil:
		return t.broken
	case t.s == nil:
		t.outgrown = true
		return errOutgrown
	}
	return nil
}

// failed gives an error of SQLite the contract's meaning. A broken rule of the schema is a fault of the caller's and
// leaves the transaction alone; trouble with the file ends the whole batch.
func (t *tx) failed(err error) error {
	if err == nil {
		return nil
	}
	code := sqlite.ErrCode(err)
	switch code {
	case sqlite.ResultConstraintUnique, sqlite.ResultConstraintPrimaryKey, sqlite.ResultConstraintRowID:
		return fmt.Errorf("%w (%w)", authority.ErrConflict, err)
	case sqlite.ResultConstraintForeignKey:
		return fmt.Errorf("%w: it would refer to a record that is not there (%w)", authority.ErrAbsent, err)
	}
	switch code.ToPrimary() {
	case sqlite.ResultConstraint:
		return fmt.Errorf("sqlite: the record breaks a rule of the store: %w", err)
	case sqlite.ResultFull, sqlite.ResultIOErr, sqlite.ResultNoMem, sqlite.ResultCorrupt, sqlite.ResultNotADB, sqlite.ResultCantOpen,
		sqlite.ResultReadOnly, sqlite.ResultInterrupt, sqlite.ResultBusy, sqlite.ResultProtocol:
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
