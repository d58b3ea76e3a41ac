package failover

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/scale"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/order"
)

// TestServerWithAJobIsKilled kills the server that works at the release of a case. The other one stands still until then, so that it cannot have
// had the job, and takes it over: every device has one lift, in the ledger at a place of its own.
func TestServerWithAJobIsKilled(t *testing.T) {
	t.Parallel() // it waits for most of a minute until the queue gives the job to another
	const held = 20_000
	s := &scene{t: t, url: pgtest.Database(t)}
	program, dirs := build(t), []string{t.TempDir(), t.TempDir()}
	for i, dir := range dirs {
		if i > 0 {
			for _, folder := range []string{"keys", "sandbox"} {
				copyFolder(t, filepath.Join(dirs[0], folder), filepath.Join(dir, folder))
			}
		}
		s.servers = append(s.servers, serve(t, program, string(rune('A'+i)), dir, s.url))
	}
	db, err := postgres.Open(t.Context(), s.url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	caseID, err := scale.Held(t.Context(), db, held, time.Now(), nil)
	if err != nil {
		t.Fatal(err, s.logs())
	}
	first, second := s.servers[0], s.servers[1]
	second.signal(t, syscall.SIGSTOP)
	letGo := holdLast(t, s.url) // so that it is not through before it is killed, however late that is on a busy machine
	began := conclude(t, db, caseID)

	job := func() (j *authority.Job) {
		err := db.View(t.Context(), func(tx authority.Tx) (err error) {
			j, err = tx.Job(began.ID)
			return err
		})
		if err != nil {
			t.Fatal(err, s.logs())
		}
		return j
	}
	s.await(t.Context(), "the first steps", func() bool { return job().Done > 0 })
	first.kill()
	killedAt := job()
	if killedAt.State.Finished() {
		t.Fatalf("the release was over before the server was killed: %+v", killedAt)
	}
	letGo()
	second.signal(t, syscall.SIGCONT)
	s.await(t.Context(), "the other server ends the job", func() bool { return job().State.Finished() })
	if j := job(); j.State != authority.JobDone || j.Done != held {
		t.Errorf("%s after %d of %d: %s", j.State, j.Done, held, j.Fault)
	}
	s.await(t.Context(), "all lifts are in the ledger", func() bool {
		var pending []*authority.Order
		err := db.View(t.Context(), func(tx authority.Tx) (err error) {
			pending, err = tx.PendingOrders(1)
			return err
		})
		return err == nil && len(pending) == 0
	})
	liftedOnce(t, db, held)
	t.Logf("killed after %d of %d devices, in step %d", killedAt.Done, held, killedAt.Step)
}

// holdLast locks the record of the device that a release comes to last, until the returned function is called.
func holdLast(t *testing.T, url string) (letGo func()) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	tx, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if tag, err := tx.Exec(t.Context(), "SELECT FROM device ORDER BY number DESC LIMIT 1 FOR UPDATE"); err != nil || tag.RowsAffected() != 1 {
		t.Fatal(tag, err)
	}
	return func() {
		if err := tx.Rollback(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// conclude is the officer's word, by way of an authority on the same records that does no work itself.
func conclude(t *testing.T, db *postgres.DB, caseID string) *authority.Job {
	t.Helper()
	l, err := ledger.Open(t.Context(), t.TempDir(), ledger.Options{Origin: "ledger.example/idle"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	v, err := verifier.New(nil, verifier.NewEpochs([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	online, err := tufrepo.NewKey(tufrepo.Ed25519, "online", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	idle, err := authority.New(authority.Config{Store: db, Ledger: l, Verifier: v, Online: online, Now: time.Now,
		EpochSecret: [32]byte{1}, UnlockMaster: [32]byte{2}, PasswordCost: 4})
	if err != nil {
		t.Fatal(err)
	}
	j, err := idle.BeginConclusion(t.Context(), &authority.Officer{Name: "ada", Role: "admin"}, caseID, "The buyers acted in good faith; the route is explained.")
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// liftedOnce checks that each of the first n devices has one order, a lift, with a place in the ledger that no other has.
func liftedOnce(t *testing.T, db *postgres.DB, n int) {
	t.Helper()
	places := make(map[uint64]bool, n)
	err := db.View(t.Context(), func(tx authority.Tx) error {
		for i := range n {
			list, err := tx.OrdersOf(scale.ID(i), 10)
			if err != nil {
				return err
			}
			if len(list) != 1 || list[0].Kind != order.Lift || !list[0].Sequenced || places[list[0].Index] {
				t.Fatalf("device %d: %+v", i, list)
			}
			places[list[0].Index] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
