package postgres

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

func leads(t *testing.T, db *DB) *Term {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	term, err := db.Campaign(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return term
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestOneLeads: of several that stand one leads; when it resigns or is closed the next one does, with a higher number.
func TestOneLeads(t *testing.T) {
	url := pgtest.Database(t)
	s := spreadOver(t, url, 3, Options{Lease: 12 * time.Second}) // so that a machine that stands still for some seconds deposes nobody
	var leading, most atomic.Int64
	var numbers sync.Map
	var group sync.WaitGroup
	for _, db := range s.servers {
		group.Go(func() {
			for range 2 {
				term := leads(t, db)
				if _, twice := numbers.LoadOrStore(term.Number, true); twice {
					t.Errorf("term %d twice", term.Number)
				}
				if n := leading.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(30 * time.Millisecond)
				if closed(term.Lost()) {
					t.Errorf("term %d is over", term.Number)
				}
				leading.Add(-1)
				if err := term.Resign(); err != nil || !closed(term.Lost()) {
					t.Errorf("resigning: %v", err)
				}
			}
		})
	}
	group.Wait()
	if most.Load() != 1 {
		t.Errorf("%d led at once", most.Load())
	}

	term := leads(t, s.servers[0])
	if list, err := s.servers[1].Servers(t.Context()); err != nil || !list[0].Leads || list[1].Leads || list[2].Leads {
		t.Errorf("%+v, %v", list, err)
	}
	renewed(t, url, term)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.servers[1].Campaign(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second one gets %v", err)
	}
	standing := make(chan error)
	go func() { _, err := s.servers[1].Campaign(context.Background()); standing <- err }()
	time.Sleep(50 * time.Millisecond)
	if err := s.servers[1].Close(); err != nil {
		t.Error(err)
	}
	if err := <-standing; !errors.Is(err, ErrClosed) {
		t.Errorf("one that is closed gets %v", err)
	}
	if err := s.servers[0].Close(); err != nil || !closed(term.Lost()) {
		t.Error(err)
	}
	if next := leads(t, s.servers[2]); next.Number != term.Number+1 {
		t.Errorf("term %d after %d", next.Number, term.Number)
	}
}

// renewed waits until a term's lease lasts for longer than it did.
func renewed(t *testing.T, url string, term *Term) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	lasts := func() (until time.Time) {
		t.Helper()
		if err := c.QueryRow(t.Context(), "SELECT expires_at FROM leader WHERE term = $1", term.Number).Scan(&until); err != nil {
			t.Fatal(err)
		}
		return until
	}
	first := lasts()
	for deadline := time.Now().Add(time.Minute); !lasts().After(first); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("term %d is not renewed", term.Number)
		}
	}
}

// TestLeaseBeyondTheClock: the database's clock was set back by an hour, and the leader is gone. Its lease seems to last for an hour yet; but nobody renews it.
func TestLeaseBeyondTheClock(t *testing.T) {
	url := pgtest.Database(t)
	db := openedAt(t, url, Options{Lease: 500 * time.Millisecond})
	rootOf(t, url)("UPDATE leader SET term = 7, server = 1, expires_at = clock_timestamp() + interval '1 hour'")
	if term := leads(t, db); term.Number != 8 {
		t.Errorf("term %d", term.Number)
	}
}

// A lease that is renewed is not over, however long it seems to last; one that is not is, after its length.
func TestStillness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const length = 6 * time.Second
		var still stillness
		for until := range int64(100) {
			if still.over(7, until, length) {
				t.Fatalf("renewed %d times, and over", until)
			}
			time.Sleep(length - 1)
		}
		if still.over(8, 99, length) {
			t.Error("another term is over at once")
		}
		time.Sleep(length + 1)
		if !still.over(8, 99, length) {
			t.Error("not over, and not renewed")
		}
	})
}

// TestTermsGuardTransactions: the next term begins when what holds the present one has ended, and a leader that is deposed writes nothing.
func TestTermsGuardTransactions(t *testing.T) {
	url := pgtest.Database(t)
	s := spreadOver(t, url, 2, Options{Lease: time.Hour}) // nobody renews while the test runs
	former := leads(t, s.servers[0])
	if err := former.Update(t.Context(), insertSeries("a")); err != nil {
		t.Fatal(err)
	}
	must := rootOf(t, url)
	began, gate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- former.Update(context.Background(), func(ctx context.Context, tx pgx.Tx) error {
			close(began)
			<-gate
			return insertSeries("b")(ctx, tx)
		})
	}()
	<-began
	expired := func() { must("UPDATE leader SET expires_at = clock_timestamp()") } // as a renewal would, past those who hold the term
	expired()
	elected := make(chan *Term, 1)
	go func() { elected <- leads(t, s.servers[1]) }()
	select {
	case <-elected:
		t.Fatal("a new term began while the former leader was writing")
	case <-time.After(300 * time.Millisecond):
	}
	close(gate)
	if err := <-done; err != nil {
		t.Errorf("what held the term: %v", err)
	}
	next := <-elected
	for name, err := range map[string]error{
		"beside": former.Update(t.Context(), insertSeries("c")),
		"of the records": s.servers[0].Update(t.Context(), func(tx authority.Tx) error {
			return errors.Join(former.Hold(tx), tx.AddEvent(authority.Event{Kind: "stale"}))
		}),
		"once more": s.servers[0].Update(t.Context(), func(tx authority.Tx) error {
			_, err := tx.NextNumber("c")
			return errors.Join(err, former.Hold(tx))
		}),
	} {
		if !errors.Is(err, ErrDeposed) {
			t.Errorf("a deposed leader's transaction %s: %v", name, err)
		}
	}
	if !closed(former.Lost()) || closed(next.Lost()) {
		t.Error("the former leader was not told, or the next one was")
	}
	err := s.servers[1].Update(t.Context(), func(tx authority.Tx) error {
		if err := next.Hold(tx); err != nil {
			return err
		}
		n, err := tx.NextNumber("c")
		if n != 1 {
			t.Errorf("c is %d", n)
		}
		return err
	})
	if err != nil || len(events(t, s.servers[1])) != 0 {
		t.Error(err)
	}
	expired()
	if third := leads(t, s.servers[0]); third.Number != 3 || next.Update(t.Context(), insertSeries("d")) == nil {
		t.Errorf("term %d", third.Number)
	}
}

func insertSeries(name string) func(context.Context, pgx.Tx) error {
	return func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO series (name, value) VALUES ($1, 1)", name)
		return err
	}
}

// openedHastily opens a store whose database ends transactions that do nothing for a moment: those in which it is opened, too, on a slow machine.
func openedHastily(t *testing.T, url string, opts Options) *DB {
	t.Helper()
	for i := 0; ; i++ {
		db, err := Open(t.Context(), url, opts)
		var e *pgconn.PgError
		switch {
		case err == nil:
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			return db
		case i == 10 || !errors.As(err, &e) || e.Code != "25P03":
			t.Fatal(err)
		}
	}
}

// TestStalledLeader: a leader whose network stands still, in the middle of a transaction, is told that it leads no more, another leads, and
// when the network comes back what it had under way comes to nothing.
func TestStalledLeader(t *testing.T) {
	p, url := through(t)
	p.calm.Store(1)
	const lease = 500 * time.Millisecond
	other := openedAt(t, p.direct, Options{Lease: lease})
	stalled := openedHastily(t, url+"&idle_in_transaction_session_timeout=1000", Options{Lease: lease, Patience: time.Minute})
	term := leads(t, stalled)
	began, gate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	runs := 0
	go func() {
		done <- term.Update(context.Background(), func(ctx context.Context, tx pgx.Tx) error {
			if runs++; runs == 1 {
				close(began)
				<-gate
			}
			return insertSeries("stale")(ctx, tx)
		})
	}()
	<-began
	number := stalled.member.current.Load()
	p.stall()
	next := leads(t, other)
	if next.Number <= term.Number {
		t.Errorf("term %d after %d", next.Number, term.Number)
	}
	select {
	case <-term.Lost():
	case <-time.After(30 * time.Second):
		t.Fatal("the former leader was not told")
	}
	fencedBy(t, other, number)
	if err := next.Update(t.Context(), insertSeries("fresh")); err != nil {
		t.Error(err)
	}
	p.resume()
	close(gate)
	if err := <-done; !errors.Is(err, ErrDeposed) {
		t.Errorf("its transaction: %v", err)
	}
	var names []string
	err := other.Transact(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT name FROM series")
		if err == nil {
			names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	})
	if err != nil || len(names) != 1 || names[0] != "fresh" {
		t.Errorf("%v, %v", names, err)
	}
	if err := stalled.Update(t.Context(), event(1, 1)); err != nil { // it goes on, as one that does not lead
		t.Error(err)
	}
	if n := stalled.Stats().Registered; n < 2 {
		t.Errorf("registered %d times", n)
	}
}
