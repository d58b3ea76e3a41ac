package sqlite

import (
	"context"
	"sync"

	"zombiezen.com/go/sqlite"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// pool is the connections that read and that nobody uses. The one that was given back last is taken first: it is the likeliest to have pages that
// no commit has outdated, since a connection forgets all of its pages with the first read after a commit.
type pool struct {
	free chan struct{} // one for each connection in the pool
	mu   sync.Mutex
	list []*session
}

func newPool(n int) *pool { return &pool{free: make(chan struct{}, n), list: make([]*session, 0, n)} }

func (p *pool) put(s *session) {
	p.mu.Lock()
	p.list = append(p.list, s)
	p.mu.Unlock()
	p.free <- struct{}{}
}

// pop takes a connection; the caller has received from free.
func (p *pool) pop() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.list) - 1
	s := p.list[last]
	p.list = p.list[:last]
	return s
}

// reader waits for a connection that reads. Whoever gets it puts it back.
func (db *DB) reader(ctx context.Context) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-db.leaving:
		return nil, ErrClosed
	default:
	}
	select {
	case <-db.readers.free:
		return db.readers.pop(), nil
	default:
	}
	select {
	case <-db.readers.free:
		return db.readers.pop(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-db.leaving:
		return nil, ErrClosed
	}
}

// View implements authority.Store. A view that finds all readers busy waits for one until its context ends.
func (db *DB) View(ctx context.Context, fn func(authority.Tx) error) error {
	s, err := db.reader(ctx)
	if err != nil {
		return err
	}
	defer func() { db.readers.put(s) }()
	t := (&tx{s: s, books: &db.books, view: true}).ready()
	defer t.endView()
	return fn(t)
}

// begin makes all that a view reads one state of the records. A view that reads one row, as most do, needs no transaction: its statement is left
// standing at the row, which holds the snapshot, and what is read after it goes on in that.
func (t *tx) begin(query string) error {
	if !t.view {
		return nil
	}
	if !t.begun {
		if _, err := t.s.exec("BEGIN"); err != nil {
			return unavailable(err)
		}
		t.begun = true
	}
	if t.standing != nil && t.standing == t.s.statements[query] { // it is to run again
		return t.letGo()
	}
	return nil
}

// letGo ends the statement that stands at a view's first row.
func (t *tx) letGo() error {
	st := t.standing
	if t.standing = nil; st == nil {
		return nil
	}
	return t.failed(st.Reset())
}

// one runs fn on the row of a query that has one at most, and reports whether there is one. fn must not ask for anything else meanwhile.
func (t *tx) one(fn func(*sqlite.Stmt) error, query string, args ...any) (found bool, err error) {
	if err := t.usable(); err != nil {
		return false, err
	}
	if t.view && !t.begun && t.standing == nil {
		st, err := t.s.statement(query, args...)
		if err == nil {
			found, err = st.Step()
		}
		switch {
		case err != nil:
			return false, t.failed(err)
		case found:
			t.standing = st
			return true, fn(st)
		}
		// No row holds the snapshot in which there is none: look again in one that lasts.
		if err := st.Reset(); err != nil {
			return false, t.failed(err)
		}
	}
	err = t.each(func(st *sqlite.Stmt) error {
		found = true
		return fn(st)
	}, query, args...)
	return found, err
}

// endView ends the snapshot of a view. Nothing was written.
func (t *tx) endView() {
	t.over = true
	_ = t.letGo() // it says again what Step said
	if t.begun {
		_, _ = t.s.exec("ROLLBACK")
	}
}
