package sqlite

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/storetest"
)

// opened opens a store in a folder of its own, and closes it at the end.
func opened(t testing.TB, opts Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// file opens the records beside the store, for what goes past it.
func file(t testing.TB, db *DB) *sql.DB {
	t.Helper()
	pool, err := sql.Open("sqlite", dsn(db.path, ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	return pool
}

// TestHalfAnIDIsTaken: rows are keyed by the first half of the ID.
func TestHalfAnIDIsTaken(t *testing.T) {
	db := opened(t, Options{})
	insert := func(d authority.Device) error {
		return db.Update(t.Context(), func(tx authority.Tx) error { return tx.InsertDevice(&d) })
	}
	if err := insert(authority.Device{ID: device.ID{1, 15: 1}, IMEI: "490154203237518"}); err != nil {
		t.Fatal(err)
	}
	if err := insert(authority.Device{ID: device.ID{1, 15: 2}, IMEI: "356938035643809"}); !errors.Is(err, authority.ErrConflict) {
		t.Errorf("the second is answered with %v", err)
	}
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) authority.Store { return opened(t, Options{}) })
}
