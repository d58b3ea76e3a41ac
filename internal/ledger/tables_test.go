package ledger_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
)

// server is one of several on a database.
type server struct {
	*ledger.Ledger
	stop func()
}

// newServer opens the ledger in tables with the keys in dir, and leads if it shall.
func newServer(t *testing.T, dir, url string, leads bool) *server {
	t.Helper()
	db := openStore(t, url)
	l, err := ledger.OpenTables(dir, db.Ledger(), ledger.Options{Origin: origin})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Ledger: l}
	if leads {
		s.stop = lead(t, db, l)
		waitUntilItLeads(t, l)
	}
	return s
}

// newOffice opens the ledger in tables with the keys in dir, and a term that has not begun to lead.
func newOffice(t *testing.T, dir string, db *postgres.DB) (*ledger.Ledger, *postgres.Term) {
	t.Helper()
	l, err := ledger.OpenTables(dir, db.Ledger(), ledger.Options{Origin: origin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeLedger(t, l) })
	term, err := db.Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l, term
}

// Two servers share a ledger: the one that follows proves and serves what the leader appended, at once, and appends nothing itself.
func TestFollowersProve(t *testing.T) {
	dir, url := t.TempDir(), pgtest.Database(t)
	leader, follower := newServer(t, dir, url, true), newServer(t, dir, url, false)
	verifier, err := proof.New(origin, leader.LogKey(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		index, err := leader.Append(t.Context(), leaf(n))
		if err != nil {
			t.Fatal(err)
		}
		text, err := follower.Proof(t.Context(), index)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verifier.Verify(leaf(n), text); err != nil {
			t.Error(err)
		}
	}
	if _, err := follower.Append(t.Context(), leaf(9)); !errors.Is(err, ledger.ErrNotLeader) {
		t.Errorf("a follower appended: %v", err)
	}
	if leader.Leads() != true || follower.Leads() {
		t.Error("who leads is not known")
	}
	leader.stop()
	if _, err := leader.Append(t.Context(), leaf(9)); !errors.Is(err, ledger.ErrNotLeader) {
		t.Errorf("a former leader appended: %v", err)
	}
}

// deaf lets a term's calls through only when it is told to, as if the process had been stopped in the middle of each.
type deaf struct {
	ledger.Office
	mu     sync.Mutex
	paused chan struct{} // closed when it goes on; nil while it runs
	asked  chan struct{}
}

func (d *deaf) wait() {
	d.mu.Lock()
	paused := d.paused
	d.mu.Unlock()
	if paused != nil {
		d.asked <- struct{}{}
		<-paused
	}
}

func (d *deaf) Grow(ctx context.Context, g ledger.Growth) error {
	d.wait()
	return d.Office.Grow(ctx, g)
}

// A leader that is paused just before it writes, and goes on when another one has taken over, writes nothing: its Append fails, its Lead ends,
// and the leaf is in the ledger once, where the new leader put it.
func TestPausedLeaderWritesNothing(t *testing.T) {
	dir, url := t.TempDir(), pgtest.Database(t)
	db := openStore(t, url)
	l, err := ledger.OpenTables(dir, db.Ledger(), ledger.Options{Origin: origin})
	if err != nil {
		t.Fatal(err)
	}
	term, err := db.Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := &deaf{Office: term.Ledger(), asked: make(chan struct{})}
	led := make(chan error, 1)
	termed, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // as servers do
		<-term.Lost()
		cancel()
	}()
	go func() { led <- l.Lead(termed, d) }()
	waitUntilItLeads(t, l)
	if _, err := l.Append(t.Context(), leaf(0)); err != nil {
		t.Fatal(err)
	}
	goesOn := make(chan struct{})
	d.mu.Lock()
	d.paused = goesOn
	d.mu.Unlock()
	late := make(chan error, 1)
	go func() {
		_, err := l.Append(t.Context(), leaf(1))
		late <- err
	}()
	<-d.asked
	expire(t, url)
	second := newServer(t, dir, url, true)
	if index, err := second.Append(t.Context(), leaf(2)); err != nil || index != 1 {
		t.Fatalf("at %d, %v", index, err)
	}
	close(goesOn)
	if err := <-late; err == nil {
		t.Error("the former leader's append was acknowledged")
	}
	if err := <-led; err != nil && !errors.Is(err, ledger.ErrNotLeader) {
		t.Errorf("the former leader ended with %v", err)
	}
	if _, found, err := second.Find(t.Context(), order.LeafID(leaf(1))); err != nil || found {
		t.Errorf("the former leader's leaf was written: %v, %v", found, err)
	}
	if size, err := second.Size(t.Context()); err != nil || size != 2 {
		t.Errorf("%d entries, %v", size, err)
	}
}

// expire ends whatever term there is: nobody leads then, and who did cannot renew it.
func expire(t *testing.T, url string) {
	t.Helper()
	execute(t, url, "UPDATE leader SET term = term + 1, expires_at = '-infinity'")
}

func execute(t *testing.T, url, statement string) {
	t.Helper()
	if err := try(t, url, statement); err != nil {
		t.Fatal(err)
	}
}

func try(t *testing.T, url, statement string) error {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	_, err = c.Exec(t.Context(), statement)
	return err
}

// An installation whose ledger is in the data folder brings it into the database at its next start, whole, once; and the folder is not opened
// as a ledger again. A copy that was cut short is gone on with.
func TestBringIn(t *testing.T) {
	dir, url := t.TempDir(), pgtest.Database(t)
	old, err := ledger.Open(t.Context(), dir, ledger.Options{Origin: origin})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.AppendBatch(t.Context(), leaves(0, 700)); err != nil {
		t.Fatal(err)
	}
	signed, err := old.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeLedger(t, old)

	db := openStore(t, url)
	execute(t, url, "UPDATE ledger SET elsewhere = true") // as the migration finds it
	l, term := newOffice(t, dir, db)
	if err := l.Lead(t.Context(), term.Ledger()); !errors.Is(err, ledger.ErrElsewhere) {
		t.Fatalf("a ledger was begun anew: %v", err)
	}
	cut, cancel := context.WithCancel(t.Context())
	if err := l.BringIn(cut, &killed{term.Ledger(), cancel}, dir); err == nil {
		t.Fatal("it was cut short and succeeded")
	}
	for range 2 { // and once more, with nothing to do
		if err := l.BringIn(t.Context(), term.Ledger(), dir); err != nil {
			t.Fatal(err)
		}
	}
	if raw, err := l.Checkpoint(t.Context()); err != nil || string(raw) != string(signed) {
		t.Errorf("%q, %v", raw, err)
	}
	if _, err := ledger.Open(t.Context(), dir, ledger.Options{Origin: origin}); !errors.Is(err, ledger.ErrMoved) {
		t.Errorf("the folder was opened: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	led := make(chan error, 1)
	go func() { led <- l.Lead(ctx, term.Ledger()) }()
	waitUntilItLeads(t, l)
	if index, err := l.Append(t.Context(), leaf(700)); err != nil || index != 700 {
		t.Errorf("at %d, %v", index, err)
	}
	p := &place{dir: dir, url: url}
	if got, err := ledger.Verify(t.Context(), p.public(t, l), l.LogKey(), nil); err != nil || got.Entries != 701 {
		t.Errorf("%+v, %v", got, err)
	}
	stop()
	if err := <-led; err != nil {
		t.Error(err)
	}
}

// killed lets the first piece through, and ends then.
type killed struct {
	ledger.Office
	kill func()
}

func (k *killed) Grow(ctx context.Context, g ledger.Growth) error {
	err := k.Office.Grow(ctx, g)
	k.kill()
	return err
}

func (k *killed) Publish(context.Context, uint64, []byte) error {
	return errors.New("it was killed before")
}

// The wrong folder is not brought in, and a damaged one is not published.
func TestBringInRefuses(t *testing.T) {
	url := pgtest.Database(t)
	dir, other := t.TempDir(), t.TempDir()
	for _, d := range []string{dir, other} {
		l, err := ledger.Open(t.Context(), d, ledger.Options{Origin: origin})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.AppendBatch(t.Context(), leaves(0, 300)); err != nil {
			t.Fatal(err)
		}
		closeLedger(t, l)
	}
	db := openStore(t, url)
	execute(t, url, "UPDATE ledger SET elsewhere = true")
	l, term := newOffice(t, dir, db)
	if err := l.BringIn(t.Context(), term.Ledger(), other); !errors.Is(err, ledger.ErrKey) {
		t.Errorf("another ledger: %v", err)
	}
	bundle := filepath.Join(dir, "log", "tile", "entries", "000")
	raw, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	raw[10] ^= 1
	if err := os.WriteFile(bundle, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.BringIn(t.Context(), term.Ledger(), dir); !errors.Is(err, ledger.ErrCorrupted) {
		t.Errorf("a changed entry: %v", err)
	}
	if _, err := l.Checkpoint(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("published: %v", err)
	}
}

// What the public was shown is not taken back, whatever somebody does to the tables; and tables that do not bear out their tree are not led.
func TestTablesOnlyGrow(t *testing.T) {
	dir, url := t.TempDir(), pgtest.Database(t)
	s := newServer(t, dir, url, true)
	if _, err := s.AppendBatch(t.Context(), leaves(0, 300)); err != nil {
		t.Fatal(err)
	}
	s.stop()
	for _, statement := range []string{
		"UPDATE ledger SET size = size - 1",
		"UPDATE ledger SET root = decode(repeat('00', 32), 'hex')",
		"UPDATE ledger SET checkpoint = NULL, published_size = NULL, published_at = NULL",
		"UPDATE ledger SET published_size = size + 1",
		"UPDATE ledger_tile SET hashes = set_byte(hashes, 0, 255 - get_byte(hashes, 0))",
		"UPDATE ledger_bundle SET entries = substr(entries, 1, 20)",
		"DELETE FROM ledger", "DELETE FROM ledger_tile", "DELETE FROM ledger_bundle",
	} {
		if err := try(t, url, statement); err == nil {
			t.Errorf("%s: it was done", statement)
		}
	}
	execute(t, url, "ALTER TABLE ledger_tile DISABLE TRIGGER ALL")
	execute(t, url, "UPDATE ledger_tile SET hashes = set_byte(hashes, 5, 255 - get_byte(hashes, 5)) WHERE level = 0 AND number = 1")
	db := openStore(t, url)
	l, term := newOffice(t, dir, db)
	if err := l.Lead(t.Context(), term.Ledger()); !errors.Is(err, ledger.ErrCorrupted) {
		t.Errorf("a damaged tree is led: %v", err)
	}
}

// While the database is away nothing is acknowledged; what waited goes on when it is back, once.
func TestDatabaseAway(t *testing.T) {
	cluster, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	}()
	p := &place{dir: t.TempDir(), url: cluster.Database(t)}
	t.Run("", func(t *testing.T) {
		l := p.open(t)
		if _, err := l.Append(t.Context(), leaf(0)); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Kill(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := l.Append(t.Context(), leaf(1))
			done <- err
		}()
		select {
		case err := <-done:
			if err == nil {
				t.Fatal("acknowledged by nobody")
			}
			done <- err
		case <-time.After(200 * time.Millisecond):
		}
		if err := cluster.Restart(); err != nil {
			t.Fatal(err)
		}
		err := <-done // it may have been too long, and its term over
		again := newServer(t, p.dir, p.url, false)
		index, found, e := again.Find(t.Context(), order.LeafID(leaf(1)))
		if e != nil || err == nil && (!found || index != 1) {
			t.Errorf("acknowledged with %v; found %v at %d, %v", err, found, index, e)
		}
	})
}

// A server that has shown more of the ledger than the database holds does not lead: somebody restored an older copy, and to go on from it would
// be another history.
func TestOlderCopyIsNotLed(t *testing.T) {
	dir, url := t.TempDir(), pgtest.Database(t)
	db := openStore(t, url)
	l, err := ledger.OpenTables(dir, db.Ledger(), ledger.Options{Origin: origin})
	if err != nil {
		t.Fatal(err)
	}
	defer closeLedger(t, l)
	stop := lead(t, db, l)
	waitUntilItLeads(t, l)
	if _, err := l.AppendBatch(t.Context(), leaves(0, 3)); err != nil {
		t.Fatal(err)
	}
	stop()
	for _, statement := range []string{"TRUNCATE ledger_tile, ledger_bundle", "ALTER TABLE ledger DISABLE TRIGGER ALL",
		"UPDATE ledger SET size = 0, root = sha256(''), published_size = NULL, checkpoint = NULL, published_at = NULL"} {
		execute(t, url, statement)
	}
	term, err := db.Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Lead(t.Context(), term.Ledger()); !errors.Is(err, ledger.ErrCorrupted) {
		t.Errorf("an older copy is led: %v", err)
	}
}
