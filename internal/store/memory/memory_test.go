package memory

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) authority.Store { return New() })
}

func insert(db *DB, n byte) error {
	return db.Update(context.Background(), func(tx authority.Tx) error {
		return tx.InsertDevice(&authority.Device{ID: device.ID{n}, IMEI: device.IMEI([]byte{'0' + n}), EnrolledAt: time.Unix(1, 0)})
	})
}

func count(t *testing.T, db *DB) (n int) {
	t.Helper()
	if err := db.View(t.Context(), func(tx authority.Tx) (err error) { n, err = tx.CountDevices(); return err }); err != nil {
		t.Fatal(err)
	}
	return n
}

// Faults come in pairs: not persisted, and persisted with the reply lost. A transaction that wrote nothing is no write.
func TestFault(t *testing.T) {
	db, crash := New(), errors.New("crash")
	var seen []int
	db.Fault = func(write int) (bool, error) {
		seen = append(seen, write)
		switch write {
		case 2:
			return false, crash
		case 3:
			return true, crash
		}
		return true, nil
	}
	for n, want := range []error{nil, crash, crash, nil} {
		if err := insert(db, byte(n+1)); !errors.Is(err, want) {
			t.Fatalf("write %d: %v", n+1, err)
		}
		if err := db.Update(t.Context(), func(authority.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, db); n != 3 || len(seen) != 4 {
		t.Errorf("%d devices, writes %v", n, seen)
	}
}

// What is written after a backup is gone when it is restored, and the backup stays what it was.
func TestBackup(t *testing.T) {
	db := New()
	event := func(kind string) {
		t.Helper()
		if err := db.Update(t.Context(), func(tx authority.Tx) error { return tx.AddEvent(authority.Event{Kind: kind}) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := insert(db, 1); err != nil {
		t.Fatal(err)
	}
	event("first")
	b := db.Backup()
	for range 3 {
		if err := insert(db, 2); err != nil {
			t.Fatal(err)
		}
		event("later")
		db.Restore(b)
		if n := count(t, db); n != 1 {
			t.Fatalf("%d devices after the restore", n)
		}
		event("after")
		if err := db.View(t.Context(), func(tx authority.Tx) error {
			events, err := tx.RecentEvents(9)
			if len(events) != 2 || events[0].Kind != "after" {
				t.Errorf("%+v", events)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		db.Restore(b)
	}
}
