package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
)

// Ledger is the ledger's place in the database, for reading.
func (db *DB) Ledger() ledger.Tables { return ledgerTables{db} }

// Ledger is the ledger's place in the database, for the leader to write.
func (t *Term) Ledger() ledger.Office { return ledgerOffice{t} }

// ledgerTables implements ledger.Tables.
type ledgerTables struct{ db *DB }

const readTree = "SELECT size, root, checkpoint, published_at, elsewhere, clock_timestamp() FROM ledger"

func scanTree(row pgx.Row) (t ledger.Tree, err error) {
	var size int64
	var root []byte
	var at *time.Time
	if err := row.Scan(&size, &root, &t.Published, &at, &t.Elsewhere, &t.Now); err != nil {
		return t, err
	}
	t.Size, t.Root = uint64(size), [32]byte(root)
	if at != nil {
		t.PublishedAt = *at
	}
	return t, nil
}

func (l ledgerTables) Tree(ctx context.Context) (t ledger.Tree, err error) {
	err = l.db.read(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		t, err = scanTree(c.QueryRow(ctx, readTree))
		return err
	})
	return t, err
}

func (l ledgerTables) Checkpoint(ctx context.Context) (raw []byte, err error) {
	err = l.db.read(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, "SELECT checkpoint FROM ledger").Scan(&raw)
	})
	if err == nil && raw == nil {
		err = fmt.Errorf("postgres: no checkpoint was published yet: %w", fs.ErrNotExist)
	}
	return raw, err
}

func (l ledgerTables) Tile(ctx context.Context, level, index uint64) ([]byte, error) {
	return l.row(ctx, "SELECT hashes FROM ledger_tile WHERE level = $1 AND number = $2", int16(level), int64(index))
}

func (l ledgerTables) Bundle(ctx context.Context, index uint64) ([]byte, error) {
	return l.row(ctx, "SELECT entries FROM ledger_bundle WHERE number = $1", int64(index))
}

func (l ledgerTables) row(ctx context.Context, query string, args ...any) (data []byte, err error) {
	err = l.db.read(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, query, args...).Scan(&data)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = fs.ErrNotExist
	}
	return data, err
}

// read runs fn on a connection that is for reading, again when it was lost, for as long as is bearable.
func (db *DB) read(ctx context.Context, fn func(context.Context, *pgx.Conn) error) error {
	if err := db.enter(ctx); err != nil {
		return err
	}
	defer db.leave()
	return db.repeatedly(ctx, func() outcome {
		var s *session
		select {
		case s = <-db.readers:
		case <-ctx.Done():
			return outcome{err: ctx.Err()}
		}
		defer func() { db.readers <- s }()
		err := s.connect(ctx)
		if err == nil {
			err = fn(ctx, s.conn)
		}
		switch {
		case err == nil, errors.Is(err, pgx.ErrNoRows):
			return outcome{err: err}
		case ctx.Err() != nil:
			s.drop()
			return outcome{err: ctx.Err()}
		}
		return outcomeOf(s.hurt(err))
	})
}

// ledgerOffice implements ledger.Office. Each transaction holds the term; see Guard.
type ledgerOffice struct{ term *Term }

// update runs fn while the term lasts, and returns when what it wrote is durable.
func (o ledgerOffice) update(ctx context.Context, fn func(context.Context, pgx.Tx) error) error {
	err := o.term.Update(ctx, fn)
	if errors.Is(err, ErrDeposed) {
		return fmt.Errorf("%w (%w)", ledger.ErrNotLeader, err)
	}
	return err
}

// Settle locks the leader's row as who begins a term does: whatever holds it, on a connection that was lost, ends first. It also writes: a commit
// that waits for a standby and is broken off there can be seen on the primary, and would be lost with it; once this one has reached the standby,
// so has what it saw.
func (o ledgerOffice) Settle(ctx context.Context) (t ledger.Tree, err error) {
	err = o.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT 1 FROM leader FOR UPDATE"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE ledger SET size = size"); err != nil {
			return err
		}
		t, err = scanTree(tx.QueryRow(ctx, readTree))
		return err
	})
	return t, err
}

func (o ledgerOffice) Grow(ctx context.Context, g ledger.Growth) error {
	levels, tiles, hashes := columnsOf(g.Tiles)
	_, bundles, entries := columnsOf(g.Bundles)
	return o.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "UPDATE ledger SET size = $2, root = $3 WHERE size = $1", int64(g.From), int64(g.Size), g.Root[:])
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("postgres: the ledger has not %d entries any more", g.From)
		}
		b := new(pgx.Batch)
		b.Queue(`INSERT INTO ledger_tile (level, number, hashes) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
			ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes`, levels, tiles, hashes)
		b.Queue(`INSERT INTO ledger_bundle (number, entries) SELECT * FROM unnest($1::bigint[], $2::bytea[])
			ON CONFLICT (number) DO UPDATE SET entries = excluded.entries`, bundles, entries)
		return tx.SendBatch(ctx, b).Close()
	})
}

func columnsOf(rows []ledger.Row) (levels []int16, numbers []int64, data [][]byte) {
	for _, r := range rows {
		levels, numbers, data = append(levels, int16(r.Level)), append(numbers, int64(r.Index)), append(data, r.Data)
	}
	return levels, numbers, data
}

func (o ledgerOffice) Publish(ctx context.Context, size uint64, checkpoint []byte) error {
	return o.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE ledger SET published_size = $1, checkpoint = $2, published_at = clock_timestamp(), elsewhere = false",
			int64(size), checkpoint)
		return err
	})
}

// LedByAnother reports whether a server other than this one leads, with a lease that has not run out. A term that this server has begun is no
// sign yet that it can lead.
func (db *DB) LedByAnother(ctx context.Context) (led bool, err error) {
	err = db.read(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, "SELECT expires_at > clock_timestamp() AND server <> $1 FROM leader", db.member.current.Load()).Scan(&led)
	})
	return led, err
}

// Clock reads the database's clock.
func (db *DB) Clock(ctx context.Context) (now time.Time, err error) {
	err = db.read(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now)
	})
	return now, err
}

// Bound reports whether the records belong to a ledger already, and so to the keys of its servers.
func (db *DB) Bound(ctx context.Context) (bound bool, err error) {
	err = db.read(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM belongs)").Scan(&bound)
	})
	return bound, err
}
