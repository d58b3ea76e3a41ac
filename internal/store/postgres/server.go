package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// member is this server among those that run on the database. It has a row in the table server, whose time it renews, and a receipt for
// each writing connection. Whoever finds that row old takes it away and fences the receipts; then this server, if it lives, registers
// again, under another number. Only the database's clock counts.
type member struct {
	length time.Duration // after which a row that was not renewed is old
	slots  int
	steps  fs.FS // the migrations that this program knows

	current atomic.Int64 // the number of its row; 0 for none
	joining sync.Mutex
	joined  atomic.Int64 // how often
}

// number returns the number under which this server is registered, and registers it over c, which must be idle, if it is not.
func (m *member) number(ctx context.Context, c *pgx.Conn) (int64, error) {
	if n := m.current.Load(); n != 0 {
		return n, nil
	}
	m.joining.Lock()
	defer m.joining.Unlock()
	if n := m.current.Load(); n != 0 {
		return n, nil
	}
	n, err := m.register(ctx, c)
	if err != nil {
		return 0, err
	}
	m.current.Store(n)
	m.joined.Add(1)
	return n, nil
}

// gone says that the number is fenced, or unknown to a database that has just been promoted.
func (m *member) gone(number int64) { m.current.CompareAndSwap(number, 0) }

// register makes the row and the receipts. The number is drawn, not counted: a standby that was promoted may not know which numbers
// the former primary gave away last.
func (m *member) register(ctx context.Context, c *pgx.Conn) (int64, error) {
	number := 1 + rand.Int64N(1<<62)
	err := pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		newest, err := newestStep(m.steps)
		if err != nil {
			return err
		}
		var version int
		if err := tx.QueryRow(ctx, "SELECT coalesce(max(number), 0) FROM schema_step").Scan(&version); err != nil {
			return err
		}
		if version != newest {
			return schemaMismatch(version, newest)
		}
		if _, err := tx.Exec(ctx, "INSERT INTO server (number, holder, schema, started_at, seen_at) VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp())",
			number, holderName(), newest); err != nil {
			return err
		}
		if err := noMove(ctx, tx); err != nil { // after the row: whoever begins a move locks the table
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO receipt (server, slot, number) SELECT $1, slot, 0 FROM generate_series(1, $2::int) AS slot", number, m.slots)
		return err
	})
	return number, err
}

// keep renews the row and takes away old ones until stop is closed, and adds the population up. While the database cannot be reached there is nothing to do: nobody
// else can be fenced then either.
func (m *member) keep(config *pgx.ConnConfig, stop <-chan struct{}) {
	s := &session{config: config}
	defer s.drop()
	tick := time.NewTicker(m.length / 4)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*m.length)
		err := s.connect(ctx)
		if err == nil {
			err = m.renew(ctx, s.conn)
		}
		if err == nil {
			err = m.fence(ctx, s.conn)
		}
		if err == nil {
			err = addUp(ctx, s.conn)
		}
		if err != nil && !again(err) {
			s.drop()
		}
		cancel()
	}
}

// renew registers a server that has been fenced.
func (m *member) renew(ctx context.Context, c *pgx.Conn) error {
	n, err := m.number(ctx, c)
	if err != nil {
		return err
	}
	tag, err := c.Exec(ctx, "UPDATE server SET seen_at = clock_timestamp() WHERE number = $1", n)
	if err == nil && tag.RowsAffected() == 0 {
		m.gone(n)
		_, err = m.number(ctx, c)
	}
	return err
}

// keptReceipts is how long the receipts of a server that was fenced are kept: it may come back and ask what became of its last commits.
const keptReceipts = "interval '7 days'"

// fence takes away the servers that have not renewed their rows, and waits for what they have under way. Of two that do this at once each
// takes other rows.
func (m *member) fence(ctx context.Context, c *pgx.Conn) error {
	// One that was seen in the future was seen before the database's clock was set back: if it lives, it registers again.
	const old = "SELECT number FROM server WHERE seen_at NOT BETWEEN clock_timestamp() - $1 * interval '1 ms' AND clock_timestamp() + $1 * interval '1 ms'"
	var number int64
	err := c.QueryRow(ctx, old+" LIMIT 1", m.length.Milliseconds()).Scan(&number)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	} else if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, old+" FOR UPDATE SKIP LOCKED", m.length.Milliseconds())
		if err != nil {
			return err
		}
		numbers, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil || len(numbers) == 0 {
			return err
		}
		for _, statement := range []string{
			"UPDATE receipt SET fenced_at = clock_timestamp() WHERE server = ANY($1)",
			"DELETE FROM server WHERE number = ANY($1)",
			"DELETE FROM receipt WHERE fenced_at < clock_timestamp() - " + keptReceipts + " AND NOT server = ANY($1)",
		} {
			if _, err := tx.Exec(ctx, statement, numbers); err != nil {
				return err
			}
		}
		return nil
	})
}

// leave takes this server's own row and receipts away. Nothing may be under way.
func (m *member) leave(config *pgx.ConnConfig) error {
	n := m.current.Load()
	if n == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, config)
	if err == nil {
		_, err = c.Exec(ctx, "WITH gone AS (DELETE FROM receipt WHERE server = $1) DELETE FROM server WHERE number = $1", n)
		err = errors.Join(err, c.Close(ctx))
	}
	if err != nil {
		return fmt.Errorf("postgres: this server's entry could not be taken away; another server does it when the entry is old: %w", err)
	}
	return nil
}

// holderName says who holds something, for people who look.
func holderName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid())
}

// Server is one of those that run on the database.
type Server struct {
	Number  int64  // drawn when it registered; another one each time
	Holder  string // host and process
	Started time.Time
	Silent  time.Duration // since it last renewed its entry, by the database's clock
	Leads   bool
}

// Servers lists the servers that are registered, the oldest first. One that is silent for longer than [Options].Lease is about to be fenced.
func (db *DB) Servers(ctx context.Context) ([]Server, error) {
	c, err := pgx.ConnectConfig(ctx, db.config)
	if err != nil {
		return nil, unavailable(err)
	}
	defer c.Close(context.WithoutCancel(ctx))
	rows, err := c.Query(ctx, `SELECT s.number, s.holder, s.started_at, greatest(0, extract(epoch FROM clock_timestamp() - s.seen_at) * 1000)::bigint,
		EXISTS (SELECT 1 FROM leader l WHERE l.server = s.number AND l.expires_at > clock_timestamp()) FROM server s ORDER BY s.started_at, s.number`)
	if err != nil {
		return nil, unavailable(err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (v Server, err error) {
		var silent int64
		err = r.Scan(&v.Number, &v.Holder, &v.Started, &silent, &v.Leads)
		v.Started, v.Silent = v.Started.UTC(), time.Duration(silent)*time.Millisecond
		return v, err
	})
	if err != nil {
		return nil, unavailable(err)
	}
	return list, nil
}
