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

func (k *logKeeper) size() int64 {
	info, err := os.Stat(k.path)
	if err != nil {
		return 0 // no log yet
	}
	return info.Size()
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
		if k.size() >= k.limit && k.shorten() != nil {
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
	done := make(chan error, 1)
	select {
	case k.writer.restart <- done:
	case <-k.stop:
		return nil
	}
	return <-done
}

var errLogInUse = errors.New("sqlite: a view still reads the log")

// restartLog runs on the writer's goroutine, between batches. It waits for views only as long as nobody would notice.
func (w *writer) restartLog() error {
	var busy, frames, copied int
	w.s.conn.SetBusyTimeout(20 * time.Millisecond)
	err := w.s.pragma("wal_checkpoint(TRUNCATE)", &busy, &frames, &copied)
	w.s.conn.SetBusyTimeout(busyTimeout)
	if err == nil && busy != 0 {
		err = errLogInUse
	}
	return err
}
