package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

// event is an update that writes one line of some length.
func event(n, length int) func(authority.Tx) error {
	return func(tx authority.Tx) error {
		return tx.AddEvent(authority.Event{Kind: fmt.Sprint("k", n), Detail: strings.Repeat("x", length)})
	}
}

// busy keeps an update under way until the returned function is called.
func busy(t *testing.T, db *DB) (release func()) {
	t.Helper()
	began, gate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		done <- db.Update(context.Background(), func(tx authority.Tx) error {
			if _, err := tx.CountDevices(); err != nil {
				return err
			}
			once.Do(func() { close(began) })
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
	db := opened(t, Options{Queue: 4, Writers: 1})
	release := busy(t, db)
	var group sync.WaitGroup
	for i := range 3 {
		group.Go(func() {
			if err := db.Update(t.Context(), event(i, 1)); err != nil {
				t.Error(err)
			}
		})
	}
	for db.Stats().Waiting < 4 {
		time.Sleep(time.Millisecond)
	}
	err := db.Update(t.Context(), event(9, 1)) // before any of the others has its answer
	var e *authority.Error
	if !errors.Is(err, authority.ErrStoreUnavailable) || !errors.As(err, &e) || e.Kind != authority.Unavailable {
		t.Errorf("the fourth gets %v", err)
	}
	release()
	group.Wait()
	if n, turned := len(events(t, db)), db.Stats().TurnedAway; n != 3 || turned != 1 {
		t.Errorf("%d events, %d turned away", n, turned)
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	db := opened(t, Options{Writers: 1})
	release := busy(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	gone, running := make(chan error), make(chan error)
	go func() { gone <- db.Update(ctx, event(1, 1)) }()
	for db.Stats().Waiting < 2 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("it gets %v", err)
	}
	release()

	// One that has begun to write is told what became of it.
	ctx, cancel = context.WithCancel(t.Context())
	go func() {
		running <- db.Update(ctx, func(tx authority.Tx) error {
			err := event(2, 1)(tx)
			if err == nil {
				cancel()
			}
			return err
		})
	}()
	if err := <-running; err != nil {
		t.Errorf("the one that ran gets %v", err)
	}
	if n := len(events(t, db)); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestCloseAnswersEverybody(t *testing.T) {
	url := pgtest.Database(t)
	for range 5 {
		db, err := Open(t.Context(), url, Options{})
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
		time.Sleep(30 * time.Millisecond)
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

func TestLightUpdatesShareACommit(t *testing.T) {
	const n, each = 128, 10
	db := opened(t, Options{MaxBatch: 64})
	y := newTally(t, db, n)
	before := db.Stats()
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			for range each {
				y.tried[i].Add(1)
				if err := db.Update(t.Context(), count1(i)); err != nil {
					t.Error(err)
				}
				y.acknowledged[i].Add(1)
			}
		})
	}
	group.Wait()
	after := db.Stats()
	if updates, batches := after.Updates-before.Updates, after.Batches-before.Batches; updates != n*each || batches > n*each/4 || batches < n*each/64 || after.Alone != before.Alone {
		t.Errorf("%d updates in %d commits, %+v", updates, batches, after)
	}
	y.check(t, true)
}

// TestOneDeviceInManyUpdates: those that want the same device share no batch, and none is lost.
func TestOneDeviceInManyUpdates(t *testing.T) {
	const workers, each = 32, 10
	db := opened(t, Options{Lanes: 3})
	y := newTally(t, db, 1)
	var group sync.WaitGroup
	for n := range workers {
		group.Go(func() {
			for range each {
				fn := count1(0)
				if n%4 == 0 {
					fn = func(tx authority.Tx) error { return errors.Join(count1(0)(tx), event(n, 1)(tx)) }
				}
				y.tried[0].Add(1)
				if err := db.Update(t.Context(), fn); err != nil {
					t.Error(err)
				}
				y.acknowledged[0].Add(1)
			}
		})
	}
	group.Wait()
	d, err := deviceOf(t, db, 0)
	if err != nil || d.Sequence != workers*each || d.Unlocks != d.Sequence {
		t.Errorf("%+v, %v", d, err)
	}
}

func deviceOf(t *testing.T, db *DB, n int) (d *authority.Device, err error) {
	err = db.View(t.Context(), func(tx authority.Tx) (err error) { d, err = tx.Device(fleetID(n)); return err })
	return d, err
}

// TestBadNeighbour: an update that breaks a rule of the schema is refused by itself; those in its batch are kept.
func TestBadNeighbour(t *testing.T) {
	const n = 64
	db := opened(t, Options{Lanes: 1})
	y := newTally(t, db, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			bad := i%8 == 0
			err := db.Update(t.Context(), func(tx authority.Tx) error {
				d, err := tx.Device(fleetID(i))
				if err != nil {
					return err
				}
				if d.Sequence, d.Unlocks = 1, 1; bad {
					d.Key = make([]byte, 4000)
				}
				return tx.UpdateDeviceIfNewer(d, 0)
			})
			if bad != (err != nil) || errors.Is(err, authority.ErrStoreUnavailable) {
				t.Errorf("%d: %v", i, err)
			}
			if !bad {
				y.tried[i].Add(1)
				y.acknowledged[i].Add(1)
			}
		})
	}
	group.Wait()
	y.check(t, true)
	text := fleetDevice(1)
	text.Software = "a\x00b"
	if err := db.Update(t.Context(), func(tx authority.Tx) error { return tx.PutDevice(text) }); err == nil || errors.Is(err, authority.ErrStoreUnavailable) {
		t.Errorf("a NUL in a text: %v", err)
	}
}

// TestViewOfADeviceThatMoves: a view that looked at a device, and then at more, sees all of it at one moment.
func TestViewOfADeviceThatMoves(t *testing.T) {
	db := opened(t, Options{})
	newTally(t, db, 1)
	runs := 0
	err := db.View(t.Context(), func(tx authority.Tx) error {
		runs++
		before, err := tx.Device(fleetID(0))
		if err != nil {
			return err
		}
		if runs == 1 {
			if err := db.Update(context.Background(), count1(0)); err != nil {
				return err
			}
		}
		after, err := tx.DeviceByIMEI(before.IMEI)
		if err == nil && (after.Sequence != before.Sequence || after.Sequence != 1) {
			t.Errorf("%d, then %d", before.Sequence, after.Sequence)
		}
		return err
	})
	if err != nil || runs != 2 {
		t.Errorf("%d runs, %v", runs, err)
	}
}
