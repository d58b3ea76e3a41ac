package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/durable"
)

// FileName is the name of the records in the data folder.
const FileName = "authority.db"

// Options tunes a store. The zero value is right for most.
type Options struct {
	Queue    int           // updates that may wait before more are turned away; default 4,096
	MaxBatch int           // updates committed together at most; default 512
	Linger   time.Duration // how long a batch waits for callers who were in the last one; default none: it never measured better
	Readers  int           // views that may run at once; default 2 per processor, at least 4
	LogBytes int64         // size of the write-ahead log that starts a checkpoint; default 32 MiB

	// Progress hears of migrations of large files, from Open; nil hears nothing.
	Progress func(what string, done, total int)
	// Committed hears of each commit: when it began, how long it took, how many updates share it, and whether they are durable. It must not block.
	Committed func(began time.Time, took time.Duration, updates int, durable bool)
}

func (o Options) withDefaults() Options {
	if o.Queue <= 0 {
		o.Queue = 4096
	}
	if o.MaxBatch <= 0 {
		o.MaxBatch = 512
	}
	o.Linger = max(o.Linger, 0)
	if o.Readers <= 0 {
		o.Readers = max(4, 2*runtime.GOMAXPROCS(0))
	}
	if o.LogBytes <= 0 {
		o.LogBytes = 32 << 20
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	return o
}

// DB is an open store. It is safe for concurrent use.
type DB struct {
	path    string
	lock    *os.File
	books   books
	writer  *writer
	readers *pool
	log     *logKeeper
	close   sync.Once
	closed  error
	leaving chan struct{}
}

// Open opens the records in dir, which is made if need be, and brings them to the newest schema. Only one process can
// have a folder open; the next one gets ErrLocked.
func Open(ctx context.Context, dir string, opts Options) (*DB, error) {
	opts = opts.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("sqlite: cannot make the data folder: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	db := &DB{path: filepath.Join(dir, FileName), lock: lock, leaving: make(chan struct{})}
	if err := db.start(ctx, dir, opts); err != nil {
		return nil, errors.Join(err, db.release())
	}
	return db, nil
}

func (db *DB) start(ctx context.Context, dir string, opts Options) error {
	f, err := os.OpenFile(db.path, os.O_RDWR|os.O_CREATE, 0o600) // so that the log, too, is readable by its owner only
	if err != nil {
		return fmt.Errorf("sqlite: cannot open the records: %w", err)
	}
	f.Close()
	if err := db.migrate(ctx, opts.Progress); err != nil {
		return err
	}
	if err := durable.SyncFolder(dir); err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	writing, err := newSession(db.path, "cache_size = -65536")
	if err != nil {
		return fmt.Errorf("sqlite: cannot open %s: %w", db.path, err)
	}
	db.writer = &writer{
		s: writing, books: &db.books, queue: make(chan *request, opts.Queue), restart: make(chan restart),
		stop: make(chan struct{}), ended: make(chan struct{}), maxBatch: opts.MaxBatch, linger: opts.Linger, committed: opts.Committed,
	}
	go db.writer.run() // ends with Close
	db.readers = newPool(opts.Readers)
	for range opts.Readers {
		s, err := newSession(db.path, "query_only = 1", "cache_size = -8192")
		if err != nil {
			return fmt.Errorf("sqlite: cannot open %s for reading: %w", db.path, err)
		}
		db.readers.put(s)
	}
	copying, err := newSession(db.path)
	if err != nil {
		return fmt.Errorf("sqlite: cannot open %s: %w", db.path, err)
	}
	db.log = &logKeeper{s: copying, path: db.path + "-wal", limit: opts.LogBytes, writer: db.writer,
		stop: make(chan struct{}), ended: make(chan struct{})}
	go db.log.run() // ends with Close
	return nil
}

// migrate brings the file to the newest schema, over a connection of its own.
func (db *DB) migrate(ctx context.Context, progress func(what string, done, total int)) (err error) {
	if err := numberOf(); err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	pool, err := sql.Open("sqlite", dsn(db.path, "_pragma=cache_size(-65536)"))
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	c, err := pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlite: cannot open %s: %w", db.path, err)
	}
	return errors.Join(migrate(ctx, c, progress), c.Close())
}

// dsn names the file for database/sql, which what is not hot uses, with what every connection needs.
func dsn(path, more string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	return u.String() + "?_journal_mode=WAL&_synchronous=FULL&_foreign_keys=1&_busy_timeout=5000&_txlock=immediate" +
		"&_dqs=0&_defensive=1&_pragma=wal_autocheckpoint(0)&_pragma=temp_store(MEMORY)&" + more
}

// Close runs what is waiting, answers it, and gives the folder back. Updates and views that come later get ErrClosed.
func (db *DB) Close() error {
	db.close.Do(func() { db.closed = db.release() })
	return db.closed
}

func (db *DB) release() error {
	close(db.leaving)
	var errs []error
	if db.log != nil {
		close(db.log.stop)
		<-db.log.ended
		errs = append(errs, db.log.s.close())
	}
	if db.readers != nil {
		for range cap(db.readers.free) {
			select {
			case <-db.readers.free: // waits for views that still run
				errs = append(errs, db.readers.pop().close())
			default:
				if db.log != nil {
					<-db.readers.free
					errs = append(errs, db.readers.pop().close())
				}
			}
		}
	}
	if db.writer != nil { // the last one takes the log back into the file
		close(db.writer.stop)
		<-db.writer.ended
		errs = append(errs, db.writer.s.close())
	}
	return errors.Join(append(errs, db.lock.Close())...)
}

// Stats tells what the store has done since it was opened.
type Stats struct {
	Batches    int64 // commits
	Updates    int64 // in them
	Failed     int64 // commits that failed
	TurnedAway int64 // updates refused because too many waited
	Largest    int64 // updates in the largest batch
	Waiting    int   // updates that wait now
	LogBytes   int64 // size of the write-ahead log
}

// Stats reads the counters.
func (db *DB) Stats() Stats {
	w := db.writer
	return Stats{w.batches.Load(), w.updates.Load(), w.failed.Load(), w.turnedAway.Load(), w.largest.Load(), len(w.queue), db.log.size()}
}
