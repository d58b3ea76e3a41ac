package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
)

// ErrDeposed is what a leader gets whose term is over: another server leads. Nothing was written.
var ErrDeposed = errors.New("postgres: another server leads now")

// Term is the time in which one server leads those on the database. It holds a lease, a row that it renews; when it does not, for as long
// as the lease lasts, another server may begin the next term. A leader that was only paused cannot know in time that its term is over. So
// what may be written by the leader alone is written in transactions that hold the term with [Term.Guard] or [Term.Hold]: the next
// term begins when they have ended, and afterwards they fail with [ErrDeposed].
type Term struct {
	Number int64 // higher than all before
	server int64
	db     *DB

	lost   chan struct{}
	ending sync.Once
	stop   chan struct{}
	done   chan struct{} // closed when it was given back, or nearly so
	ended  error         // why it was not
}

// Campaign waits until this server leads, and begins a term. Whoever called it ends it with [Term.Resign]; Close does so, too.
// It returns an error only when ctx has ended, the store is closed, or the database refuses for good.
func (db *DB) Campaign(ctx context.Context) (*Term, error) {
	if err := db.enter(ctx); err != nil {
		return nil, err
	}
	defer db.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(db.closing, cancel)()
	s := &session{config: db.config, member: &db.member}
	defer s.drop()
	var still stillness
	for {
		t, wait, err := db.stand(ctx, s, &still)
		switch {
		case t != nil:
			db.work.Go(t.keep)
			return t, nil
		case err != nil && sort(err) != lost && sort(err) != repeat:
			return nil, unavailable(err)
		case err != nil:
			s.drop()
		}
		select {
		case <-ctx.Done():
			if db.closing.Err() != nil {
				return nil, ErrClosed
			}
			return nil, ctx.Err()
		case <-time.After(min(wait+10*time.Millisecond, db.opts.Lease/4)):
		}
	}
}

// stillness is how long a lease has not been renewed, by this process's own clock. A lease that lasts for longer than any can, since the database's clock
// was set back, is over when it has been still for as long as one lasts.
type stillness struct {
	term, until int64 // as last seen; until in microseconds
	since       time.Time
}

func (l *stillness) over(term, until int64, length time.Duration) bool {
	if l.since.IsZero() || l.term != term || l.until != until {
		*l = stillness{term, until, time.Now()}
	}
	return time.Since(l.since) > length
}

// stand begins a term if nobody leads; otherwise it says how long the lease lasts.
func (db *DB) stand(ctx context.Context, s *session, still *stillness) (t *Term, left time.Duration, err error) {
	left = db.opts.Lease
	if err := s.connect(ctx); err != nil {
		return nil, left, err
	}
	number, err := db.member.number(ctx, s.conn)
	if err != nil {
		return nil, left, err
	}
	const remaining = `SELECT (extract(epoch FROM greatest(expires_at, 'epoch') - clock_timestamp()) * 1000)::bigint, term,
		(extract(epoch FROM greatest(expires_at, 'epoch')) * 1000000)::bigint FROM leader`
	look := func(tx interface {
		QueryRow(context.Context, string, ...any) pgx.Row
	}, query string) (free bool, err error) {
		var ms, term, until int64
		if err := tx.QueryRow(ctx, query).Scan(&ms, &term, &until); err != nil {
			return false, err
		}
		left = time.Duration(ms) * time.Millisecond
		over := still.over(term, until, db.opts.Lease)
		return ms <= 0 || over && left > db.opts.Lease, nil
	}
	// Only when it looks free is the row locked, which waits for what the former leader has under way: see Guard.
	if free, err := look(s.conn, remaining); err != nil || !free {
		return nil, left, err
	}
	t = &Term{server: number, db: db, lost: make(chan struct{}), stop: make(chan struct{}), done: make(chan struct{})}
	began := false
	err = pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		free, err := look(tx, remaining+" FOR UPDATE")
		if err != nil || !free {
			return err
		}
		began = true
		return tx.QueryRow(ctx, `UPDATE leader SET term = term + 1, server = $1, holder = $2, expires_at = clock_timestamp() + $3 * interval '1 ms'
			RETURNING term`, number, holderName(), db.opts.Lease.Milliseconds()).Scan(&t.Number)
	})
	if err != nil || !began {
		return nil, left, err
	}
	return t, 0, nil
}

// Lost is closed when the term is over, or may be: nobody renewed it for as long as the lease lasts.
func (t *Term) Lost() <-chan struct{} { return t.lost }

const (
	// KEY SHARE lets the leader renew its row, and keeps the next one, who locks it FOR UPDATE, waiting.
	guardTerm  = "SELECT 1 FROM leader WHERE term = $1 AND server = $2 FOR KEY SHARE"
	renewTerm  = "UPDATE leader SET expires_at = clock_timestamp() + $3 * interval '1 ms' WHERE term = $1 AND server = $2"
	resignTerm = "UPDATE leader SET expires_at = '-infinity' WHERE term = $1 AND server = $2"
)

// Guard holds the term until tx ends. It must come before what only the leader may write, and fails with [ErrDeposed] when another
// server leads; an error of the database is returned as it is.
func (t *Term) Guard(ctx context.Context, tx pgx.Tx) error {
	var one int
	err := tx.QueryRow(ctx, guardTerm, t.Number, t.server).Scan(&one)
	if errors.Is(err, pgx.ErrNoRows) {
		t.end()
		return ErrDeposed
	}
	return err
}

// Hold is Guard for an update of the same store.
func (t *Term) Hold(tx authority.Tx) error {
	row, ok := tx.(table.Engine)
	if !ok {
		return fmt.Errorf("postgres: %T is no transaction of this store", tx)
	}
	var one int
	err := table.Single(row, guardTerm, []any{t.Number, t.server}, &one)
	if errors.Is(err, authority.ErrAbsent) {
		t.end()
		return ErrDeposed
	}
	return err
}

// Update runs fn in a transaction that holds the term, as [DB.Transact] does.
func (t *Term) Update(ctx context.Context, fn func(context.Context, pgx.Tx) error) error {
	return t.db.Transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := t.Guard(ctx, tx); err != nil {
			return err
		}
		return fn(ctx, tx)
	})
}

// Resign ends the term and lets the next one begin at once.
func (t *Term) Resign() error {
	t.end()
	<-t.done
	return t.ended
}

// giveBack lets the next term begin at once, unless it has.
func (t *Term) giveBack(s *session) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := s.connect(ctx)
	if err == nil {
		_, err = s.conn.Exec(ctx, resignTerm, t.Number, t.server)
	}
	if err != nil {
		t.ended = fmt.Errorf("postgres: the lead could not be given back, and ends by itself: %w", err)
	}
}

func (t *Term) end() {
	t.ending.Do(func() { close(t.stop); close(t.lost) })
}

// keep renews the lease until the term ends, and gives it back.
func (t *Term) keep() {
	defer close(t.done)
	s := &session{config: t.db.config}
	defer s.drop()
	t.renewUntilOver(s)
	t.end()
	t.giveBack(s)
}

func (t *Term) renewUntilOver(s *session) {
	length := t.db.opts.Lease
	tick := time.NewTicker(length / 4)
	defer tick.Stop()
	over := time.NewTimer(length) // counted from before it was renewed: the database's time is up later
	defer over.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-t.db.stop:
			return
		case <-over.C:
			return
		case <-tick.C:
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), length/2)
		err := t.renew(ctx, s)
		cancel()
		switch {
		case errors.Is(err, ErrDeposed):
			return
		case err != nil:
			s.drop()
		default:
			over.Reset(length - time.Since(began))
		}
	}
}

func (t *Term) renew(ctx context.Context, s *session) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	tag, err := s.conn.Exec(ctx, renewTerm, t.Number, t.server, t.db.opts.Lease.Milliseconds())
	if err == nil && tag.RowsAffected() == 0 {
		return ErrDeposed
	}
	return err
}
