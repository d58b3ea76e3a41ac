package ledger_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
)

// place is where a ledger under test is kept: a folder, or the tables of a database.
type place struct {
	dir string // the ledger, or its key alone
	url string // of the database; empty for a folder

	stop func() // ends what the last open began, beside the ledger
}

// inBoth runs a test for a ledger in a folder and for one in tables: whoever uses it must not see a difference.
func inBoth(t *testing.T, test func(t *testing.T, p *place)) {
	t.Run("folder", func(t *testing.T) { test(t, &place{dir: t.TempDir()}) })
	t.Run("tables", func(t *testing.T) { test(t, &place{dir: t.TempDir(), url: pgtest.Database(t)}) })
}

// open opens the ledger, and leads where somebody has to. It is closed at the end of the test, unless it is before.
func (p *place) open(t testing.TB) *ledger.Ledger {
	t.Helper()
	return p.openWith(t, ledger.Options{Origin: origin})
}

func (p *place) openWith(t testing.TB, opts ledger.Options) *ledger.Ledger {
	t.Helper()
	if p.url == "" {
		l, err := ledger.Open(t.Context(), p.dir, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeLedger(t, l) })
		return l
	}
	db := openStore(t, p.url)
	l, err := ledger.OpenTables(p.dir, db.Ledger(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeLedger(t, l) })
	p.stop = lead(t, db, l)
	waitUntilItLeads(t, l)
	return l
}

// close closes the ledger, and stops leading, so that it can be opened again.
func (p *place) close(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	closeLedger(t, l)
	if p.stop != nil {
		p.stop()
	}
}

func openStore(t testing.TB, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, postgres.Options{Lease: lease})
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

const (
	lease      = 10 * time.Second       // a leader keeps it on a machine that stands still for some seconds
	shortLease = 500 * time.Millisecond // of one that is killed: it lets a test go on soon afterwards
)

// lead begins a term and leads until the test ends or stop is called.
func lead(t testing.TB, db *postgres.DB, l *ledger.Ledger) (stop func()) {
	t.Helper()
	term, err := db.Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	led := make(chan error, 1)
	go func() { led <- l.Lead(ctx, term.Ledger()) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-led; err != nil && !errors.Is(err, ledger.ErrNotLeader) {
			t.Error(err)
		}
		if err := term.Resign(); err != nil {
			t.Log(err) // the database is away: the term ends by itself
		}
	}
	t.Cleanup(stop)
	return stop
}

func waitUntilItLeads(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	for {
		_, err := l.Size(t.Context())
		if err == nil && l.Leads() {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// whenSequenced returns a context that ends some time after the tree has so many entries: for an Append that must not be acknowledged.
func whenSequenced(t testing.TB, l *ledger.Ledger, entries uint64) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for ctx.Err() == nil {
			if n, err := l.Sequenced(ctx); err == nil && n >= entries {
				time.Sleep(300 * time.Millisecond) // in which it could be published
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return ctx
}

// public returns the files of the ledger as anybody reads them.
func (p *place) public(t testing.TB, l *ledger.Ledger) ledger.Source {
	t.Helper()
	if p.url == "" {
		return ledger.Folder(p.dir)
	}
	server := httptest.NewServer(l.Handler())
	t.Cleanup(server.Close)
	source, err := ledger.Remote(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return source
}
