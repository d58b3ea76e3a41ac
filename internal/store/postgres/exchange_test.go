package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
)

// viewed reads a device as a check-in does, before its signature is checked.
func viewed(db *DB, n int) (d *authority.Device, err error) {
	err = db.View(context.Background(), func(tx authority.Tx) (err error) { d, err = tx.Device(fleetID(n)); return err })
	return d, err
}

// exchanged adds one to two numbers of a device that was viewed before, with one guarded write.
func exchanged(db *DB, n int) error {
	d, err := viewed(db, n)
	if err != nil {
		return err
	}
	d.Sequence++
	d.Unlocks++
	return db.Update(context.Background(), func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(d, d.Sequence-1) })
}

// TestExchangesOfTheSameDevices: servers that read the same devices at the same time write each state once.
func TestExchangesOfTheSameDevices(t *testing.T) {
	const devices, workers, each = 5, 8, 30
	s := spreadOver(t, pgtest.Database(t), 2, Options{})
	newTally(t, s.servers[0], devices)
	var written [devices]atomic.Int64
	var conflicts atomic.Int64
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := range each {
				n := (w + i) % devices
				switch err := exchanged(s.servers[w%2], n); {
				case err == nil:
					written[n].Add(1)
				case errors.Is(err, authority.ErrConflict):
					conflicts.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for n := range devices {
		d, err := viewed(s.servers[0], n)
		if err != nil {
			t.Fatal(err)
		}
		if d.Sequence != uint64(written[n].Load()) || d.Unlocks != d.Sequence {
			t.Errorf("device %d is at %d and %d, and %d writes were acknowledged", n, d.Sequence, d.Unlocks, written[n].Load())
		}
	}
	t.Logf("%d conflicts", conflicts.Load())
}

// TestExchangeGuardsTheWholeRow: whatever of it another statement changes after it was read, nothing is written.
func TestExchangeGuardsTheWholeRow(t *testing.T) {
	url := pgtest.Database(t)
	db := openedAt(t, url, Options{})
	newTally(t, db, 4)
	must := rootOf(t, url)
	for i, change := range []string{"lot = 7", "stage = 3", "place = 'ZZ'", "imei = 99"} {
		d, err := viewed(db, i)
		if err != nil || d.Revision == 0 {
			t.Fatalf("%+v, %v", d, err)
		}
		must(fmt.Sprintf("UPDATE device SET %s WHERE number = %d", change, record.Number(d.ID)))
		d.Sequence++
		err = db.Update(t.Context(), func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(d, 0) })
		if !errors.Is(err, authority.ErrConflict) {
			t.Errorf("%s: %v", change, err)
		}
		d.Revision += 3 * seenRows
		if err := db.Update(t.Context(), func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(d, 0) }); !errors.Is(err, authority.ErrConflict) {
			t.Errorf("a revision that nobody gave: %v", err)
		}
	}
	var above int
	c, err := pgx.ConnectConfig(t.Context(), db.config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if err := c.QueryRow(t.Context(), "SELECT count(*) FROM device WHERE place = 'ZZ' OR lot = 7 OR stage = 3 OR imei = 99").Scan(&above); err != nil || above != 4 {
		t.Errorf("%d rows are as they were changed, %v", above, err)
	}
}

// TestExchangesStepOverLockedRows: a transaction that stands still with a device holds up nobody but who wants that device.
func TestExchangesStepOverLockedRows(t *testing.T) {
	const devices = 40
	url := pgtest.Database(t)
	db := openedAt(t, url, Options{Exchange: 1})
	newTally(t, db, devices)
	holder, err := pgx.ConnectConfig(t.Context(), db.config)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.Background())
	held, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec(t.Context(), "SELECT 1 FROM device WHERE number = $1 FOR UPDATE", record.Number(fleetID(0))); err != nil {
		t.Fatal(err)
	}
	first, others := make(chan error, 1), new(sync.WaitGroup)
	go func() { first <- exchanged(db, 0) }()
	for n := 1; n < devices; n++ {
		others.Go(func() {
			if err := exchanged(db, n); err != nil {
				t.Errorf("device %d: %v", n, err)
			}
		})
	}
	others.Wait() // does not end while they wait for the lock
	select {
	case err := <-first:
		t.Errorf("the device that is locked was written: %v", err)
	default:
	}
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-first; err != nil {
		t.Errorf("when it is free: %v", err)
	}
}

// TestFencedServerExchangesNothing under its former number: it registers anew, and goes on.
func TestFencedServerExchangesNothing(t *testing.T) {
	url := pgtest.Database(t)
	db := openedAt(t, url, Options{Lease: time.Hour}) // does not look after its entry by itself
	newTally(t, db, 2)
	if err := exchanged(db, 0); err != nil {
		t.Fatal(err)
	}
	must := rootOf(t, url)
	must("UPDATE receipt SET fenced_at = clock_timestamp()")
	must("DELETE FROM server")
	if err := exchanged(db, 0); err != nil {
		t.Fatal(err)
	}
	if s := db.Stats(); s.Registered != 2 {
		t.Errorf("it is registered for the %d. time", s.Registered)
	}
	d, err := viewed(db, 0)
	if err != nil || d.Sequence != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	c, err := pgx.ConnectConfig(t.Context(), db.config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	var late int
	if err := c.QueryRow(t.Context(), "SELECT count(*) FROM receipt WHERE fenced_at IS NOT NULL AND number > 1 AND slot BETWEEN 3 AND 4").Scan(&late); err != nil || late != 0 {
		t.Errorf("%d receipts were written after they had been fenced, %v", late, err)
	}
}

// TestForgottenDictionaries: what was made up with numbers of a former primary is made up again before it is written.
func TestForgottenDictionaries(t *testing.T) {
	db := openedAt(t, pgtest.Database(t), Options{})
	newTally(t, db, 1)
	d, err := viewed(db, 0)
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	err = db.Update(t.Context(), func(tx authority.Tx) error {
		runs++
		err := tx.UpdateDeviceIfNewer(d, d.Sequence)
		if runs == 1 {
			db.books.revised.Add(1)
		}
		return err
	})
	if err != nil || runs != 2 {
		t.Errorf("%d runs, %v", runs, err)
	}
}
