package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// outcome is what became of one attempt.
type outcome struct {
	err      error
	again    bool // nothing was written, and another attempt may succeed
	outgrown bool // nothing was written, and it needs a transaction of its own
}

// Update implements authority.Store. When too many wait already it returns ErrStoreUnavailable at once. A caller whose context ends
// before fn has begun to write gets the context's error; an update that is being committed is waited for.
func (db *DB) Update(ctx context.Context, fn func(authority.Tx) error) error {
	if err := db.enter(ctx); err != nil {
		return err
	}
	defer db.leave()
	defer db.waiting.Add(-1)
	if db.waiting.Add(1) > int64(db.opts.Queue) {
		db.turnedAway.Add(1)
		return unavailable(errQueueFull)
	}
	attempt := db.light
	err := db.repeatedly(ctx, func() outcome {
		o := attempt(ctx, fn)
		if o.outgrown {
			attempt = db.whole
			o = attempt(ctx, fn)
		}
		return o
	})
	if full(err) {
		db.wasFull.Store(time.Now().UnixNano())
	}
	return err
}

// Full reports whether an update was refused within the last while because the database's disk is full. Updates that need no more room
// succeed meanwhile.
func (db *DB) Full(within time.Duration) bool {
	at := db.wasFull.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < within
}

// repeatedly makes attempts until one has an outcome that stands, or the database was away for longer than is bearable. That counts from the first
// failure on: a machine that stood still during an attempt has not used up the time for another.
func (db *DB) repeatedly(ctx context.Context, attempt func() outcome) error {
	var deadline time.Time
	for n := 0; ; n++ {
		o := attempt()
		if n == 0 {
			deadline = time.Now().Add(db.opts.Patience)
		}
		switch {
		case !o.again:
			return o.err
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return unavailable(fmt.Errorf("%w: %w", errTooLong, o.err))
		}
		db.retried.Add(1)
		pause := time.Millisecond << min(n, 8)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

func protected(fn func(authority.Tx) error, tx authority.Tx) error {
	return protect(func() error { return fn(tx) })
}

// protect runs fn, and makes an error of a panic.
func protect(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("postgres: the update panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}

// longest bounds one attempt: a network that swallows everything must not hold a caller for good.
func (db *DB) longest(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 2*db.opts.Timeout)
}

const (
	beginSerializable = "BEGIN ISOLATION LEVEL SERIALIZABLE"
	// Whoever changes a restriction has the row of its device, too (trigger restriction_counts), so that two who change restrictions of
	// one device meet there. Serializable transactions of thousands of rows meet wherever rows are neighbours in an index.
	beginGuarded = "BEGIN ISOLATION LEVEL REPEATABLE READ"
)

// whole runs fn in a transaction of its own: a serializable one, unless its guards are enough for it.
func (db *DB) whole(ctx context.Context, fn func(authority.Tx) error) outcome {
	var s *session
	select {
	case s = <-db.writers:
	case <-ctx.Done():
		return outcome{err: ctx.Err()}
	}
	defer func() { db.writers <- s }()
	running, cancel := db.longest(ctx)
	defer cancel()
	if err := s.ready(running); err != nil {
		return outcomeOf(err)
	}
	begin := beginSerializable
	if authority.GuardsOnly(ctx) {
		begin = beginGuarded
	}
	t := (&tx{ctx: running, s: s, books: &db.books, begin: begin, writes: true}).ready()
	defer func() { // also when fn ends its goroutine
		t.over = true
		s.tidy(running)
	}()
	err := protected(fn, t)
	t.over = true
	db.updates.Add(1)
	db.alone.Add(1)
	_ = s.hurt(t.cause)
	return db.finish(t, err)
}

// Transact runs fn in a transaction of its own, SERIALIZABLE, for what is kept beside the records in the same database. As with Update, fn
// may run more than once and takes effect once, an error of fn leaves no trace, and nil means durable. Errors of the database, too, are
// returned by fn as they are. fn must not commit, roll back or keep tx; the context that it gets is good for the transaction.
func (db *DB) Transact(ctx context.Context, fn func(context.Context, pgx.Tx) error) error {
	if err := db.enter(ctx); err != nil {
		return err
	}
	defer db.leave()
	return db.repeatedly(ctx, func() outcome { return db.transact(ctx, fn) })
}

func (db *DB) transact(ctx context.Context, fn func(context.Context, pgx.Tx) error) outcome {
	var s *session
	select {
	case s = <-db.writers:
	case <-ctx.Done():
		return outcome{err: ctx.Err()}
	}
	defer func() { db.writers <- s }()
	running, cancel := db.longest(ctx)
	defer cancel()
	if err := s.ready(running); err != nil {
		return outcomeOf(err)
	}
	defer s.tidy(running)
	t, err := s.conn.BeginTx(running, pgx.TxOptions{IsoLevel: pgx.Serializable})
	if err == nil {
		b := new(pgx.Batch)
		s.file(b)
		err = t.SendBatch(running, b).Close()
	}
	if err != nil {
		return outcomeOf(s.hurt(err))
	}
	err = protect(func() error { return fn(running, t) })
	db.updates.Add(1)
	db.alone.Add(1)
	var e *pgconn.PgError
	switch {
	case err != nil && (errors.As(err, &e) || s.conn.IsClosed()):
		return outcomeOf(s.hurt(err))
	case err != nil:
		return outcome{err: err}
	}
	return db.commit(s, running, new(pgx.Batch))
}

// outcomeOf gives an error of the database, after which nothing was written, its outcome.
func outcomeOf(err error) outcome {
	switch sort(err) {
	case repeat, lost:
		return outcome{err: err, again: true}
	}
	return outcome{err: meaning(err)}
}

// finish commits what fn did, or finds out why it cannot be. That the database is in trouble comes before what fn made of it.
func (db *DB) finish(t *tx, err error) outcome {
	switch {
	case isUnavailable(t.broken):
		return outcomeOf(t.cause)
	case err != nil:
		return outcome{err: err}
	case t.broken != nil:
		return outcome{err: t.broken}
	case t.begin != "": // nothing was asked
		return outcome{}
	}
	return db.commit(t.s, t.ctx, new(pgx.Batch))
}

// commit makes a transaction durable, and finds out what became of it when the answer is lost.
func (db *DB) commit(s *session, ctx context.Context, last *pgx.Batch) outcome {
	db.batches.Add(1)
	began := time.Now()
	sure, err := s.commit(ctx, last)
	if db.opts.Committed != nil {
		db.opts.Committed(began, time.Since(began), err == nil)
	}
	if err == nil {
		return outcome{}
	}
	db.failed.Add(1)
	if sure {
		return outcomeOf(err)
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), db.opts.Patience)
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		done, e := s.committed(asking)
		switch {
		case e == nil && done:
			return outcome{}
		case e == nil:
			return outcome{err: err, again: true}
		}
		select {
		case <-asking.Done():
			return outcome{err: unavailable(fmt.Errorf("whether an update was written is not known: %w", err))}
		case <-time.After(pause):
		}
	}
}
