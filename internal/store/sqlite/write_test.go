package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// event is an update that writes one line of some length.
func event(n, length int) func(authority.Tx) error {
	return func(tx authority.Tx) error {
		return tx.AddEvent(authority.Event{Kind: fmt.Sprint("k", n), Detail: string(make([]byte, length))})
	}
}

func events(t *testing.T, db *DB) int {
	t.Helper()
	n := 0
	err := db.View(t.Context(), func(tx authority.Tx) error {
		list, err := tx.RecentEvents(1_000_000)
		n = len(list)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// busy keeps the writer at work until the returned function is called.
func busy(t *testing.T, db *DB) (release func()) {
	t.Helper()
	began, gate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- db.Update(context.Background(), func(tx authority.Tx) error {
			if _, err := tx.NextNumber("busy"); err != nil { // takes it to the writer
				return err
			}
			close(began)
			<-gate
			return nil
		})
	}()
	<-began
	return func() {
		close(gate)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestTooManyWait(t *testing.T) {
	db := opened(t, Options{Queue: 3})
	release := busy(t, db)
	var group sync.WaitGroup
	for i := range 3 {
		group.Go(func() {
			if err := db.Update(t.Context(), event(i, 1)); err != nil {
				t.Error(err)
			}
		})
	}
	for db.Stats().Waiting < 3 {
		time.Sleep(time.Millisecond)
	}
	err := db.Update(t.Context(), event(9, 1)) // before any of the others has its answer
	var e *authority.Error
	if !errors.Is(err, authority.ErrStoreUnavailable) || !errors.As(err, &e) || e.Kind != authority.Unavailable {
		t.Errorf("the fourth gets %v", err)
	}
	release()
	group.Wait()
	if n, turned := events(t, db), db.Stats().TurnedAway; n != 3 || turned != 1 {
		t.Errorf("%d events, %d turned away", n, turned)
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	db := opened(t, Options{})
	release := busy(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	gone, running := make(chan error), make(chan error)
	go func() { gone <- db.Update(ctx, event(1, 1)) }()
	for db.Stats().Waiting < 1 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("it gets %v", err)
	}
	release()

	// One that has begun is told what became of it.
	ctx, cancel = context.WithCancel(t.Context())
	began, gate := make(chan struct{}), make(chan struct{})
	go func() {
		running <- db.Update(ctx, func(tx authority.Tx) error {
			if err := event(2, 1)(tx); err != nil { // takes it to the writer
				return err
			}
			close(began)
			<-gate
			return nil
		})
	}()
	<-began
	cancel()
	close(gate)
	if err := <-running; err != nil {
		t.Errorf("the one that ran gets %v", err)
	}
	if n := events(t, db); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestCloseAnswersEverybody(t *testing.T) {
	for range 20 {
		db, err := Open(t.Context(), t.TempDir(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i := range 64 {
			group.Go(func() {
				for {
					if err := db.Update(context.Background(), event(i, 1)); err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		time.Sleep(time.Millisecond)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		group.Wait()
	}
}

func TestUsedAfterItsEnd(t *testing.T) {
	db := opened(t, Options{})
	var kept authority.Tx
	for _, run := range []func(context.Context, func(authority.Tx) error) error{db.Update, db.View} {
		if err := run(t.Context(), func(tx authority.Tx) error { kept = tx; return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := kept.CountDevices(); !errors.Is(err, errOver) {
			t.Errorf("read: %v", err)
		}
		if _, err := kept.NextNumber("case"); !errors.Is(err, errOver) {
			t.Errorf("write: %v", err)
		}
	}
}

func TestBatchesShareACommit(t *testing.T) {
	db := opened(t, Options{MaxBatch: 64})
	var group sync.WaitGroup
	for i := range 128 {
		group.Go(func() {
			for range 10 {
				if err := db.Update(t.Context(), event(i, 10)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	s := db.Stats()
	if s.Updates != 1280 || s.Batches > 640 || s.Largest > 64 || s.Largest < 16 {
		t.Errorf("%+v", s)
	}
}

// TestLogStaysShort writes far more than the log may hold, with a view that sits on it for a while.
func TestLogStaysShort(t *testing.T) {
	db := opened(t, Options{LogBytes: 1 << 20})
	gate := make(chan struct{})
	viewed := make(chan error)
	go func() {
		viewed <- db.View(t.Context(), func(tx authority.Tx) error {
			_, err := tx.CountDevices()
			<-gate
			return err
		})
	}()
	for i := range 300 {
		if err := db.Update(t.Context(), event(i, 20_000)); err != nil {
			t.Fatal(err)
		}
	}
	close(gate)
	if err := <-viewed; err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); db.Stats().LogBytes > 1<<20; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log has %d bytes still", db.Stats().LogBytes)
		}
	}
	if n := events(t, db); n != 300 {
		t.Errorf("%d events", n)
	}
}
