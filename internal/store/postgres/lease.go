package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// lease is a server's term of office on a database. It is not what keeps two servers from writing: that is the receipts, of which a new
// term fences all older ones. The lease keeps a second server from taking over while the first is alive. Only the database's clock counts.
type lease struct {
	term   int64
	fenced atomic.Bool // somebody else has taken over
}

// take begins a term when nobody holds the lease, or when its holder does not renew it for as long as it lasts.
func (l *lease) take(ctx context.Context, c *pgx.Conn, length time.Duration, slots int) error {
	var seen time.Time
	for {
		taken, holder, ends, left, err := l.try(ctx, c, length, slots)
		switch {
		case err != nil && again(err):
			continue
		case errors.Is(err, ErrMoving):
			return fmt.Errorf("postgres: %w", err)
		case err != nil:
			return fmt.Errorf("postgres: cannot take the lease: %w", err)
		case taken:
			return nil
		case !seen.IsZero() && ends.After(seen): // it was renewed: somebody lives
			return fmt.Errorf("postgres: %w (%s); stop that one first: several servers on one database are not supported yet", ErrInUse, holder)
		}
		seen = ends
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(length/4, left+10*time.Millisecond)):
		}
	}
}

// try takes the lease if it is free, fences all earlier terms, waiting for what they have under way, and makes this term's receipts.
func (l *lease) try(ctx context.Context, c *pgx.Conn, length time.Duration, slots int) (taken bool, holder string, ends time.Time, left time.Duration, err error) {
	err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		var now time.Time
		if err := tx.QueryRow(ctx, `SELECT holder, coalesce(nullif(expires_at, '-infinity'), 'epoch'), clock_timestamp()
			FROM lease FOR UPDATE`).Scan(&holder, &ends, &now); err != nil {
			return err
		}
		if left = ends.Sub(now); left > 0 {
			return nil
		}
		if err := noMove(ctx, tx); err != nil { // whoever begins a move locks the lease, too
			return err
		}
		if err := tx.QueryRow(ctx, `UPDATE lease SET term = term + 1, holder = $1, expires_at = clock_timestamp() + $2 * interval '1 ms'
			RETURNING term`, holderName(), length.Milliseconds()).Scan(&l.term); err != nil {
			return err
		}
		for _, statement := range []struct {
			query string
			args  []any
		}{
			{"UPDATE receipt SET fenced = true WHERE term < $1 AND NOT fenced", key(l.term)},
			{"DELETE FROM receipt WHERE term < $1 - 8", key(l.term)},
			{"INSERT INTO receipt (term, slot, number) SELECT $1, slot, 0 FROM generate_series(1, $2::int) AS slot", key(l.term, slots)},
		} {
			if _, err := tx.Exec(ctx, statement.query, statement.args...); err != nil {
				return err
			}
		}
		taken = true
		return nil
	})
	return taken && err == nil, holder, ends, left, err
}

// keep renews the lease until stop is closed. When the database cannot be reached the term goes on: nobody else can take over then either.
func (l *lease) keep(config *pgx.ConnConfig, length time.Duration, stop <-chan struct{}) {
	s := &session{config: config}
	defer s.drop()
	tick := time.NewTicker(length / 4)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), length)
		if err := l.renew(ctx, s, length); errors.Is(err, errFenced) {
			l.fenced.Store(true)
		} else if err != nil {
			s.drop()
		}
		cancel()
	}
}

func (l *lease) renew(ctx context.Context, s *session, length time.Duration) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	tag, err := s.conn.Exec(ctx, "UPDATE lease SET expires_at = clock_timestamp() + $2 * interval '1 ms' WHERE term = $1", l.term, length.Milliseconds())
	if err == nil && tag.RowsAffected() == 0 {
		return errFenced
	}
	return err
}

// giveBack ends the term, so that the next server need not wait.
func (l *lease) giveBack(config *pgx.ConnConfig) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, config)
	if err == nil {
		_, err = c.Exec(ctx, "UPDATE lease SET expires_at = '-infinity' WHERE term = $1", l.term)
		err = errors.Join(err, c.Close(ctx))
	}
	if err != nil {
		return fmt.Errorf("postgres: the lease could not be given back, and ends by itself: %w", err)
	}
	return nil
}
