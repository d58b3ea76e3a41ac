package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options tunes a store. The zero value is right for most.
type Options struct {
	// Committed hears of each commit: when it began, how long it took, and whether the database said that it is durable. It must not block.
	Committed func(began time.Time, took time.Duration, durable bool)

	// Progress hears of a step of the schema that writes every record anew, from Open, after each stretch: how many of how many; nil hears nothing.
	Progress func(what string, done, total int)

	Queue    int           // updates that may wait or run before more are turned away; default 4,096
	MaxBatch int           // light updates committed together at most; default 256
	Lanes    int           // connections for light updates; default 2
	Exchange int           // connections for light updates of a record that a view has read; default 2
	Writers  int           // connections for all other updates; default 6
	Readers  int           // views that may run at once; default 2 per processor, at least 4
	Patience time.Duration // how long an update or a view is tried again while the database is away; default 5 s
	Timeout  time.Duration // of one statement; default 30 s
	Lease    time.Duration // after which a server that does not answer is fenced, and a leader that does not replaced; default 6 s

	steps fs.FS // the migrations of another release, for tests; those of this program when nil
}

func (o Options) withDefaults() Options {
	for _, f := range []struct {
		field *int
		value int
	}{{&o.Queue, 4096}, {&o.MaxBatch, 256}, {&o.Lanes, 2}, {&o.Exchange, 2}, {&o.Writers, 6}, {&o.Readers, max(4, 2*runtime.GOMAXPROCS(0))}} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{{&o.Patience, 5 * time.Second}, {&o.Timeout, 30 * time.Second}, {&o.Lease, silence}} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	if o.steps == nil {
		o.steps = migrations
	}
	return o
}

// DB is an open store. It is safe for concurrent use.
type DB struct {
	opts     Options
	config   *pgx.ConnConfig
	member   member
	books    books
	writers  chan *session
	readers  chan *session
	arrivals chan *call // light updates
	looks    chan *look // views of one device
	work     sync.WaitGroup
	stop     chan struct{}
	closing  context.Context // ends when Close begins
	close    context.CancelFunc

	exchanges chan *exchange // light updates that ask nothing

	mu     sync.Mutex
	inside int           // updates and views under way
	closed bool          // no more are let in
	empty  chan struct{} // closed when the last one has left a closed store
	end    sync.Once
	ended  error

	wasFull atomic.Int64 // when an update was refused for want of room, Unix nanoseconds

	waiting, batches, updates, alone, failed, turnedAway, retried atomic.Int64
}

// Open opens the records in the database that url names (a libpq connection string or URL; the variables PGPASSWORD, PGSSLMODE and so on
// count as with psql), and brings them to the newest schema. Any number of servers may have a database open. With several hosts and
// target_session_attrs=read-write in the url the store follows the primary when a standby is promoted.
func Open(ctx context.Context, url string, opts Options) (*DB, error) {
	opts = opts.withDefaults()
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	set(config, "application_name", "bailiwick")
	set(config, "statement_timeout", strconv.FormatInt(opts.Timeout.Milliseconds(), 10))
	set(config, "idle_in_transaction_session_timeout", "10000") // a connection that was lost on our side only lets go of its rows
	db := &DB{opts: opts, config: config, stop: make(chan struct{}), empty: make(chan struct{}),
		arrivals: make(chan *call, opts.Queue), looks: make(chan *look, opts.Queue), exchanges: make(chan *exchange, opts.Queue)}
	db.config.AfterConnect = db.books.watch
	db.member.length, db.member.slots, db.member.steps = opts.Lease, opts.Lanes+opts.Exchange+opts.Writers, opts.steps
	db.closing, db.close = context.WithCancel(context.Background())
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: cannot connect: %w%s", err, advice(err))
	}
	defer c.Close(context.WithoutCancel(ctx))
	if err := db.examine(ctx, c); err != nil {
		return nil, err
	}
	if err := migrate(ctx, c, opts.steps, newPassage(opts.Progress)); err != nil {
		return nil, err
	}
	if _, err := db.member.number(ctx, c); err != nil {
		return nil, fmt.Errorf("postgres: this server could not be registered: %w%s", err, advice(err))
	}
	db.start()
	return db, nil
}

func parse(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w (write it as postgres://USER@HOST:PORT/DATABASE; the password may stand in PGPASSWORD or ~/.pgpass)", err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
		if len(config.Fallbacks) > 0 { // one that is gone without a word must not use up the time in which the others could be tried
			config.ConnectTimeout = 2 * time.Second
		}
	}
	return config, nil
}

// set gives connections a setting unless the URL has another.
func set(config *pgx.ConnConfig, name, value string) {
	if _, given := config.RuntimeParams[name]; !given {
		config.RuntimeParams[name] = value
	}
}

// examine refuses a server that would lose what was acknowledged, and asks for a synchronous commit where the database's own setting is
// weaker. What is stronger stays: a setting of on or remote_apply.
func (db *DB) examine(ctx context.Context, c *pgx.Conn) error {
	var version int
	var fsync, pages, commit, encoding string
	err := c.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('fsync'), current_setting('full_page_writes'),
		current_setting('synchronous_commit'), current_setting('server_encoding')`).Scan(&version, &fsync, &pages, &commit, &encoding)
	switch {
	case err != nil:
		return fmt.Errorf("postgres: %w", err)
	case version < 15_00_00:
		return fmt.Errorf("postgres: the server has version %d; 15 or later is needed", version/10000)
	case fsync != "on" || pages != "on":
		return fmt.Errorf("postgres: the server runs with fsync=%s and full_page_writes=%s: a crash could lose what was acknowledged; set both to on", fsync, pages)
	case encoding != "UTF8":
		return fmt.Errorf("postgres: the database has the encoding %s; make one with ENCODING 'UTF8'", encoding)
	}
	if commit != "on" && commit != "remote_apply" {
		db.config.RuntimeParams["synchronous_commit"] = "on"
	}
	return nil
}

// start makes the sessions, which connect when they are needed, and the goroutines that own some of them. They end with Close.
func (db *DB) start() {
	slot := 0
	writing := func() *session {
		slot++
		return &session{config: db.config, member: &db.member, slot: slot}
	}
	for range db.opts.Lanes {
		l := &lane{db: db, s: writing()}
		db.work.Go(l.run)
	}
	hasty := db.config.Copy()
	set(hasty, "lock_timeout", "50") // who waits for a row holds up a batch: see exchanger.carefully
	for range db.opts.Exchange {
		e := &exchanger{db: db, s: writing()}
		e.s.config = hasty
		db.work.Go(e.run)
	}
	db.writers = make(chan *session, db.opts.Writers)
	for range db.opts.Writers {
		db.writers <- writing()
	}
	db.readers = make(chan *session, db.opts.Readers)
	for range db.opts.Readers {
		db.readers <- &session{config: db.config}
	}
	for range 2 {
		l := &looker{db: db, s: &session{config: db.config}}
		db.work.Go(l.run)
	}
	db.books.s = &session{config: db.config}
	db.work.Go(func() { db.member.keep(db.config, db.stop) })
}

// enter lets an update or a view in; leave must follow.
func (db *DB) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return ErrClosed
	}
	db.inside++
	return nil
}

func (db *DB) leave() {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.inside--
	if db.closed && db.inside == 0 {
		close(db.empty)
	}
}

// Close lets what has begun come to its end, resigns if this server leads, takes its entry away and closes the connections. What comes later gets ErrClosed.
func (db *DB) Close() error {
	db.end.Do(func() {
		db.mu.Lock()
		db.closed = true
		db.close()
		if db.inside == 0 {
			close(db.empty)
		}
		db.mu.Unlock()
		<-db.empty
		close(db.stop)
		db.work.Wait()
		for _, pool := range []chan *session{db.writers, db.readers} {
			for range cap(pool) {
				(<-pool).drop()
			}
		}
		db.books.s.drop()
		db.ended = db.member.leave(db.config)
	})
	return db.ended
}

// BelongTo binds the records to a ledger, by its verifier key, and to a fingerprint of the keys that all servers on them share, at the first call,
// and afterwards refuses any others: orders are in that ledger, and devices open with codes from those keys.
func (db *DB) BelongTo(ctx context.Context, ledger string, keys [32]byte) error {
	c, err := pgx.ConnectConfig(ctx, db.config)
	if err != nil {
		return unavailable(err)
	}
	defer c.Close(context.WithoutCancel(ctx))
	var bound string
	var known []byte
	err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO belongs (ledger, keys) VALUES ($1, $2) ON CONFLICT DO NOTHING", ledger, keys[:]); err != nil {
			return err
		}
		// Records from before the fingerprint was kept.
		if _, err := tx.Exec(ctx, "UPDATE belongs SET keys = $2 WHERE ledger = $1 AND keys IS NULL", ledger, keys[:]); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT ledger, keys FROM belongs").Scan(&bound, &known)
	})
	switch {
	case err != nil:
		return unavailable(err)
	case bound != ledger:
		return fmt.Errorf("postgres: the records in this database belong to the ledger %s, and the keys here are those of %s: take the keys of the server that they were made with, or an empty database", bound, ledger)
	case [32]byte(known) != keys:
		return errors.New("postgres: the keys here are not all those of the other servers on this database: copy their whole folder of keys")
	}
	return nil
}

// Stats tells what the store has done since it was opened.
type Stats struct {
	Batches    int64 // commits
	Updates    int64 // in them
	Alone      int64 // of them, those that had a transaction of their own
	Failed     int64 // commits that failed or whose outcome is not known
	Retried    int64 // updates and views that were run again
	TurnedAway int64 // updates refused because too many waited
	Waiting    int64 // updates that wait or run now
	Registered int64 // how often this server registered: more than once if it was fenced, or lost in a fail-over
}

// Stats reads the counters.
func (db *DB) Stats() Stats {
	return Stats{db.batches.Load(), db.updates.Load(), db.alone.Load(), db.failed.Load(), db.retried.Load(), db.turnedAway.Load(), db.waiting.Load(), db.member.joined.Load()}
}

var errTooLong = errors.New("postgres: the database was away for too long")

// Connections is how many connections a server with these options holds at most: lanes, exchangers, writers, readers, two for looks, one that renews its
// entry, and one more while it starts or leads.
func (o Options) Connections() int {
	o = o.withDefaults()
	return o.Lanes + o.Exchange + o.Writers + o.Readers + 4
}
