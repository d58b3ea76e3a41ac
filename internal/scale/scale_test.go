package scale_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/internal/scale"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/order"
)

var (
	now = time.Date(2021, 9, 6, 9, 0, 0, 0, time.UTC)
	ada = &authority.Officer{Name: "ada", Role: "admin"}
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// service is an authority on real stores in folders of the test's.
func service(t testing.TB, store authority.Store) *authority.Service {
	t.Helper()
	s, closed, err := newService(context.Background(), store, t.TempDir())
	must(t, err)
	t.Cleanup(closed)
	return s
}

func newService(ctx context.Context, store authority.Store, dir string) (s *authority.Service, closed func(), err error) {
	l, err := ledger.Open(ctx, filepath.Join(dir, "ledger"), ledger.Options{Origin: "ledger.example/scale"})
	if err != nil {
		return nil, nil, err
	}
	v, err := verifier.New(nil, verifier.NewEpochs([32]byte{1}))
	if err != nil {
		return nil, nil, err
	}
	online, err := tufrepo.NewKey(tufrepo.Ed25519, "online", rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	officers, err := sandbox.OpenOfficers(filepath.Join(dir, "officers"))
	if err != nil {
		return nil, nil, err
	}
	s, err = authority.New(authority.Config{Store: store, Ledger: l, Verifier: v, Online: online, Signer: officers, Now: func() time.Time { return now },
		EpochSecret: [32]byte{1}, UnlockMaster: [32]byte{2}, PasswordCost: 4})
	return s, func() { _ = l.Close(ctx) }, err
}

func onSQLite(t testing.TB) authority.Store {
	t.Helper()
	store, err := sqlite.Open(context.Background(), t.TempDir(), sqlite.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	return store
}

func onPostgres(t testing.TB) authority.Store {
	t.Helper()
	store, err := postgres.Open(context.Background(), pgtest.Database(t), postgres.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	return store
}

func TestReleaseOfMany(t *testing.T) {
	const n = 5500 // several pages, the last one not full
	ctx := context.Background()
	store := onSQLite(t)
	caseID, err := scale.Held(ctx, store, n, now, nil)
	must(t, err)
	s := service(t, store)
	r, err := scale.Release(ctx, s, caseID, ada)
	must(t, err)
	if r.Devices != n || r.Logged < r.Orders || r.Peak == 0 {
		t.Fatalf("%+v", r)
	}
	jobs, err := s.Jobs(ctx, 10)
	must(t, err)
	if j := jobs[0]; len(jobs) != 1 || j.State != authority.JobDone || j.Done != n || j.Total != n || j.Step < 4 {
		t.Errorf("%+v", j)
	}
	seen := make(map[device.ID]bool)
	for after := (device.ID{}); ; {
		page, err := s.Stragglers(ctx, "warrant-0001", after, 1000)
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, one := range page {
			after, seen[one.Device] = one.Device, true
		}
	}
	if len(seen) != n {
		t.Errorf("%d stragglers of %d", len(seen), n)
	}
	must(t, store.View(ctx, func(tx authority.Tx) error {
		for i := range n {
			list, err := tx.OrdersOf(scale.ID(i), 10)
			if err != nil {
				return err
			}
			if len(list) != 1 || list[0].Kind != order.Lift || !list[0].Sequenced {
				t.Fatalf("device %d: %+v", i, list)
			}
		}
		return nil
	}))
}

// BenchmarkRelease is a release of 100,000 devices: issued, and in a ledger in a folder.
func BenchmarkRelease(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkRelease(b, onSQLite) })
	b.Run("postgres", func(b *testing.B) { benchmarkRelease(b, onPostgres) })
}

func benchmarkRelease(b *testing.B, open func(testing.TB) authority.Store) {
	const n = 100_000
	ctx := context.Background()
	for b.Loop() {
		b.StopTimer()
		store := open(b)
		caseID, err := scale.Held(ctx, store, n, now, nil)
		must(b, err)
		s := service(b, store)
		b.StartTimer()
		r, err := scale.Release(ctx, s, caseID, ada)
		must(b, err)
		b.ReportMetric(float64(n)/r.Orders.Seconds(), "issued/s")
		b.ReportMetric(float64(n)/r.Logged.Seconds(), "logged/s")
		b.ReportMetric(float64(r.Peak)/1e6, "peak-MB")
	}
}
