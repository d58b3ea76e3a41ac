package postgres

import (
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/storetest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// opened opens a store on a database of its own, and closes it at the end.
func opened(t testing.TB, opts Options) *DB {
	t.Helper()
	return openedAt(t, pgtest.Database(t), opts)
}

func openedAt(t testing.TB, url string, opts Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), url, opts)
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

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) authority.Store { return opened(t, Options{Patience: time.Minute}) })
}
