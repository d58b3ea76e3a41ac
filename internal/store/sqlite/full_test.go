//go:build unix

package sqlite

import (
	"context"
	"errors"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// TestDiskFull takes the room away in two ways and gives it back: SQLite then fails while a statement runs, or at the
// commit. What was acknowledged stays, what was not is gone, and the store goes on.
func TestDiskFull(t *testing.T) {
	for name, limits := range map[string]func(*testing.T, *DB) (take, give func()){"pages": limitPages, "file size": limitFileSize} {
		t.Run(name, func(t *testing.T) {
			db := opened(t, Options{LogBytes: 1 << 30})
			for i := range 10 {
				if err := db.Update(t.Context(), event(i, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			take, give := limits(t, db)
			take()
			var acknowledged, refused atomic.Int64
			var group sync.WaitGroup
			for i := range 32 {
				group.Go(func() {
					for range 20 {
						switch err := db.Update(context.Background(), event(i, 5000)); {
						case err == nil:
							acknowledged.Add(1)
						case errors.Is(err, authority.ErrStoreUnavailable):
							refused.Add(1)
						default:
							t.Errorf("error %v", err)
						}
					}
				})
			}
			group.Wait()
			if refused.Load() == 0 || db.Stats().Failed == 0 {
				t.Fatal("the disk was never full")
			}
			if n := events(t, db); int64(n) != 10+acknowledged.Load() {
				t.Errorf("%d events while full, %d acknowledged", n, 10+acknowledged.Load())
			}
			give()
			for i := range 10 {
				if err := db.Update(t.Context(), event(i, 5000)); err != nil {
					t.Fatalf("there is room again: %v", err)
				}
			}
			if n := events(t, db); int64(n) != 20+acknowledged.Load() {
				t.Errorf("%d events in the end, %d acknowledged", n, 20+acknowledged.Load())
			}
		})
	}
}

// limitPages bounds the database itself, on the writing connection, between two batches.
func limitPages(t *testing.T, db *DB) (take, give func()) {
	set := func(pragma string) func() {
		return func() {
			if err := db.Update(t.Context(), func(tx authority.Tx) error { return setPages(tx, pragma) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	return set("max_page_count = 200"), set("max_page_count = 1073741823")
}

func setPages(t authority.Tx, pragma string) error {
	heavy, ok := t.(*tx)
	if !ok {
		return t.(*light).usable() // come back on the writer
	}
	return heavy.s.pragma(pragma)
}

// limitFileSize bounds every file that this process writes, the log among them (RLIMIT_FSIZE). Go ignores the signal
// that comes with it only when told to.
func limitFileSize(t *testing.T, db *DB) (take, give func()) {
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	set := func(limit syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { set(before) })
	return func() { set(syscall.Rlimit{Cur: uint64(db.Stats().LogBytes) + 100_000, Max: before.Max}) }, func() { set(before) }
}
