package sqlite

import (
	"errors"
	"os"
	"time"
)

// logKeeper keeps the write-ahead log short, see the package comment.
type logKeeper struct {
	s      *session
	path   string
	limit  int64
	writer *writer
	stop   chan struct{}
	ended  chan struct{}
}

// How often the size is looked at: at 40,000 updates a second the log grows by some 16 MB in that time.
const lookEvery = 100 * time.Millisecond

// size is that of the log's file, which keeps what it once had: bytes that are written over need no work of the file system when they are
// synced, and a commit takes half of the time that it takes when the file grows.
func (k *logKeeper) size() int64 {
	info, err := os.Stat(k.path)
	if err != nil {
		return 0 // no log yet
	}
	return info.Size()
}

// frame is what a page takes in the log (sqlite.org/fileformat2.html, 4.1).
const frame = 24 + 4096

// used is how many bytes of the log hold what is not all in the file yet.
func (k *logKeeper) used() (int64, error) {
	var busy, frames, copied int64
	if err := k.s.pragma("wal_checkpoint(NOOP)", &busy, &frames, &copied); err != nil || frames == copied {
		return 0, err
	}
	return frames * frame, nil
}

func (k *logKeeper) run() {
	defer close(k.ended)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var pause int // looks to sit out after a checkpoint that did not succeed: a long view, a full disk
	for {
		select {
		case <-k.stop:
			return
		case <-tick.C:
		}
		if pause > 0 {
			pause--
			continue
		}
		used, err := k.used()
		if err == nil && used >= k.limit {
			err = k.shorten()
		}
		if err != nil {
			pause = 10
		}
	}
}

// shorten copies the log back beside the writer, twice, since it grows meanwhile, and has the writer copy the small rest
// and start the log over.
func (k *logKeeper) shorten() error {
	for range 2 {
		if err := k.s.pragma("wal_checkpoint(PASSIVE)"); err != nil {
			return err
		}
	}
	r := restart{mode: "RESTART", done: make(chan error, 1)}
	if k.size() > 2*k.limit { // a long view, or a slow disk, let it grow
		r.mode = "TRUNCATE"
	}
	select {
	case k.writer.restart <- r:
	case <-k.stop:
		return nil
	}
	return <-r.done
}

// restart asks the writer to begin the log anew: from the beginning of its file, or in an empty one.
type restart struct {
	mode string     // of SQLite's checkpoint
	done chan error // holds one
}

var errLogInUse = errors.New("sqlite: a view still reads the log")

// restartLog runs on the writer's goroutine, between batches. It waits for views only as long as nobody would notice.
func (w *writer) restartLog(mode string) error {
	var busy, frames, copied int
	w.s.conn.SetBusyTimeout(20 * time.Millisecond)
	err := w.s.pragma("wal_checkpoint("+mode+")", &busy, &frames, &copied)
	w.s.conn.SetBusyTimeout(busyTimeout)
	if err == nil && busy != 0 {
		err = errLogInUse
	}
	return err
}
