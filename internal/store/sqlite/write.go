package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

var (
	// ErrClosed is what a closed store answers.
	ErrClosed = errors.New("sqlite: the store is closed")

	errQueueFull = errors.New("sqlite: too many updates are waiting")
	errEnded     = errors.New("sqlite: the update ended its goroutine")
)

// request is an update on its way to the writer: a function to run there, or a row of a light update. Whoever moves claimed from 0 owns
// what becomes of it: the writer, which then answers, or the caller, who gave up waiting.
type request struct {
	fn      func(authority.Tx) error
	many    bool // begins a transaction of its own, which later ones may join
	row     *lightRow
	claimed atomic.Bool
	answer  chan error // holds one
	err     error      // what fn returned
}

// Update implements authority.Store. When too many wait already it returns ErrStoreUnavailable at once. A caller whose
// context ends while its update is still waiting gets the context's error and the update never takes effect; once it has begun,
// Update waits for the outcome.
func (db *DB) Update(ctx context.Context, fn func(authority.Tx) error) error {
	const tries = 3 // light, before it takes its turn on the writer, where nobody comes between
	many := authority.WritesMany(ctx)
	for range tries {
		if err := db.admits(ctx); err != nil {
			return err
		}
		if many {
			break
		}
		if o := db.light(ctx, fn); o.done {
			return o.err
		} else if !o.again {
			break
		}
	}
	return db.submit(ctx, &request{fn: fn, many: many, answer: make(chan error, 1)})
}

// admits reports whether an update may begin.
func (db *DB) admits(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-db.writer.stop:
		return ErrClosed
	default:
	}
	if len(db.writer.queue) == cap(db.writer.queue) {
		db.writer.turnedAway.Add(1)
		return unavailable(errQueueFull)
	}
	return nil
}

// submit hands a request to the writer and waits for its answer.
func (db *DB) submit(ctx context.Context, r *request) error {
	select {
	case db.writer.queue <- r:
	default:
		db.writer.turnedAway.Add(1)
		return unavailable(errQueueFull)
	}
	select {
	case err := <-r.answer:
		return err
	case <-ctx.Done():
		if r.claimed.CompareAndSwap(false, true) {
			return ctx.Err()
		}
	case <-db.writer.ended:
		if r.claimed.CompareAndSwap(false, true) {
			return ErrClosed
		}
	}
	return <-r.answer
}

// writer owns the only connection that writes. Its fields below the line belong to its goroutine.
type writer struct {
	queue    chan *request
	restart  chan restart // asks for the log to be started over, between two batches
	stop     chan struct{}
	ended    chan struct{}
	maxBatch int
	linger   time.Duration

	committed func(began time.Time, took time.Duration, updates int, durable bool) // may be nil

	batches, updates, failed, turnedAway, largest atomic.Int64

	// ---
	s        *session
	books    *books
	batch    []*request // that ran in the open transaction, or have a row in it
	light    []*request // of them, those with a row that is still to be written
	learned  []func()   // what dictionaries remember once the open transaction is durable
	scratch  []byte
	current  *request // that is running
	open     bool
	written  bool  // a function has written in the open transaction
	broken   error // of the open transaction
	previous int   // size of the last batch
}

// run is the writer's goroutine. A function that ends its goroutine (runtime.Goexit, as t.FailNow does) must not take the
// writer with it: then a new goroutine goes on where this one was.
func (w *writer) run() {
	ended := false
	defer func() {
		if !ended {
			go w.run()
		}
	}()
	if w.open {
		w.commit()
	}
	for {
		select {
		case r := <-w.queue:
			w.gather(r)
		case r := <-w.restart:
			r.done <- w.restartLog(r.mode)
		case <-w.stop:
			for len(w.queue) > 0 {
				w.gather(<-w.queue)
			}
			ended = true
			close(w.ended)
			return
		}
	}
}

// gather runs one request and all that wait behind it, and commits them. When the last batch was of several callers they
// are likely to be back in a moment, so the writer lingers for as many; a caller who is alone never waits.
func (w *writer) gather(first *request) {
	w.apply(first)
	var patience <-chan time.Time
	for len(w.batch) < w.maxBatch {
		select {
		case r := <-w.queue:
			w.apply(r)
			continue
		default:
		}
		if w.linger == 0 || len(w.batch) >= w.previous || w.broken != nil {
			break
		}
		if patience == nil {
			patience = time.After(w.linger)
		}
		select {
		case r := <-w.queue:
			w.apply(r)
			continue
		case <-patience:
		}
		break
	}
	w.commit()
}

// apply runs one request in the open transaction. The first one needs no savepoint, since nothing else would be rolled back with it; and
// in a savepoint SQLite pays for each statement by how much was written before it, so that those who write many rows come first.
func (w *writer) apply(r *request) {
	if !r.claimed.CompareAndSwap(false, true) {
		return
	}
	if r.many && w.written {
		w.commit() // in a savepoint it would pay for each statement by how much it has written before
	}
	if !w.open {
		w.open, w.broken = true, nil
		if _, err := w.s.exec("BEGIN IMMEDIATE"); err != nil {
			w.broken = unavailable(err)
		}
	}
	w.batch = append(w.batch, r)
	if w.broken != nil {
		return
	}
	if r.row != nil {
		w.light = append(w.light, r)
		return
	}
	w.current = r
	t := (&tx{s: w.s, books: w.books, writes: true, alone: !w.written, scratch: w.scratch}).ready()
	defer w.settle(t)
	r.err = errEnded
	r.err = r.fn(t)
}

// settle closes the savepoint of the request that ran: kept when it returned nil, rolled back otherwise. The first one that writes has
// none, because there is nothing else to be kept: in a savepoint SQLite keeps what each statement with a trigger changes in one
// list, which it walks after each of them: a job that wrote a thousand devices took five times as long.
func (w *writer) settle(t *tx) {
	r := w.current
	w.current = nil
	t.over, w.scratch = true, t.scratch
	if p := recover(); p != nil {
		r.err = fmt.Errorf("sqlite: the update panicked: %v\n%s", p, debug.Stack())
	}
	if t.broken == nil && t.saved {
		end := []string{"ROLLBACK TO one", "RELEASE one"}
		switch {
		case t.alone && r.err != nil:
			end = []string{"ROLLBACK", "BEGIN IMMEDIATE"}
		case t.alone:
			end = nil
		case r.err == nil:
			end = end[1:]
		}
		for _, statement := range end {
			if t.broken == nil {
				_, err := w.s.exec(statement)
				t.broken = wrapUnavailable(err)
			}
		}
		w.written = w.written || r.err == nil
	}
	if w.broken = t.broken; r.err == nil {
		w.learned = append(w.learned, t.learned...)
	}
}

func wrapUnavailable(err error) error {
	if err == nil {
		return nil
	}
	return unavailable(err)
}

// commit makes the batch durable and only then answers. A batch that cannot be committed is answered with the cause, to
// everyone: also an update that failed by itself may have failed because of what is gone now.
func (w *writer) commit() {
	if !w.open {
		return
	}
	began := time.Now()
	w.writeRows()
	if w.broken == nil {
		_, err := w.s.exec("COMMIT")
		w.broken = wrapUnavailable(err)
	}
	if w.broken == nil {
		for _, remember := range w.learned {
			remember()
		}
	}
	w.learned = w.learned[:0]
	if w.broken != nil {
		w.failed.Add(1)
		// SQLite may have rolled back by itself, and then this fails; either way no transaction is open after it.
		_, _ = w.s.exec("ROLLBACK")
	}
	if w.committed != nil {
		w.committed(began, time.Since(began), len(w.batch), w.broken == nil)
	}
	w.batches.Add(1)
	w.updates.Add(int64(len(w.batch)))
	w.largest.Store(max(w.largest.Load(), int64(len(w.batch))))
	for i, r := range w.batch {
		if w.broken != nil {
			r.err = w.broken
		}
		r.answer <- r.err
		w.batch[i] = nil
	}
	w.previous = len(w.batch)
	w.batch, w.open, w.written, w.broken = w.batch[:0], false, false, nil
	if w.previous > 1 {
		runtime.Gosched() // who was answered waits behind this goroutine: the next sync would take the place on which they could run
	}
}
