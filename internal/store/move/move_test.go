package move

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	day    = 24 * time.Hour
	ledger = "fleet.example/ledger+00000000+AA"
)

var (
	start = time.Date(2026, 9, 1, 12, 0, 0, 123_456_000, time.UTC)
	cuba  = order.Ground{Kind: order.Rule, ID: "cuba"}
)

// fleet is a data folder with a store on it, as a server has it.
type fleet struct {
	t   testing.TB
	dir string
	db  *sqlite.DB
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir()}
	f.serve()
	t.Cleanup(func() { f.stop() })
	return f
}

// serve opens the store, and stop closes it: then the folder is free.
func (f *fleet) serve() {
	f.t.Helper()
	var err error
	if f.db, err = sqlite.Open(context.Background(), f.dir, sqlite.Options{}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) stop() {
	if f.db == nil {
		return
	}
	if err := f.db.Close(); err != nil {
		f.t.Error(err)
	}
	f.db = nil
}

func (f *fleet) does(fn func(authority.Tx) error) {
	f.t.Helper()
	if err := f.db.Update(context.Background(), fn); err != nil {
		f.t.Fatal(err)
	}
}

func idOf(n int) (id device.ID) {
	// Spread over the whole range, so that what is new comes anywhere.
	copy(id[:], fmt.Appendf(nil, "%08x", uint32(n)*2654435761))
	copy(id[8:], fmt.Sprintf("%08d", n))
	return id
}

func imeiOf(n int) device.IMEI {
	body := fmt.Sprintf("35%012d", n)
	return device.IMEI(body + string(device.CheckDigit(body)))
}

func newDevice(n int) *authority.Device {
	return &authority.Device{ID: idOf(n), IMEI: imeiOf(n), Serial: fmt.Sprint("S", n), Model: "M1", Key: []byte{0x30, byte(n)},
		Attestation: policy.Genuine, KeyCeiling: policy.Custom, Boot: evidence.BootVerified, Software: "1.0", EnrolledAt: start}
}

// enrol makes devices from up to to, without the last, each with an event.
func (f *fleet) enrol(from, to int) {
	f.t.Helper()
	f.does(func(tx authority.Tx) error {
		for n := from; n < to; n++ {
			if err := tx.InsertDevice(newDevice(n)); err != nil {
				return err
			}
			if err := tx.AddEvent(authority.Event{Device: idOf(n), At: start, Kind: "enrolled", Actor: "device"}); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkIn moves a device's sequence on.
func (f *fleet) checkIn(n int) {
	f.t.Helper()
	f.does(func(tx authority.Tx) error {
		d, err := tx.Device(idOf(n))
		if err != nil {
			return err
		}
		d.Sequence++
		d.LastSeen = start.Add(time.Duration(d.Sequence) * day)
		d.Days = append(d.Days, territory.DayRecord{Day: territory.DayOf(start) + territory.Day(d.Sequence), Territory: "CU", Percent: 97})
		return tx.PutDevice(d)
	})
}

func (f *fleet) notice(n int) {
	f.t.Helper()
	f.does(func(tx authority.Tx) error {
		if err := tx.NoticeIfFree(&restriction.Restriction{Device: idOf(n), Ground: cuba, Round: 1, Stage: order.Noticed, Authority: [32]byte{1},
			Reference: fmt.Sprintf("R-%d", n), NoticedAt: start, Deadline: start.Add(10 * day), Territory: "CU"}); err != nil {
			return err
		}
		return tx.InsertOrder(&authority.Order{ID: [32]byte{byte(n), byte(n >> 8), 1}, Device: idOf(n), Leaf: []byte{1, byte(n)}, Salt: [32]byte{2},
			Kind: order.Notice, Ground: cuba, IssuedAt: start})
	})
}

// again lifts what was noticed, and notices it for a second round: two steps, which no update of a row may take in one.
func (f *fleet) again(n int) {
	f.t.Helper()
	f.does(func(tx authority.Tx) error { return tx.LiftIfActive(idOf(n), cuba, start.Add(2*day), order.ByRule) })
	f.does(func(tx authority.Tx) error {
		return tx.NoticeIfFree(&restriction.Restriction{Device: idOf(n), Ground: cuba, Round: 2, Stage: order.Noticed, Authority: [32]byte{1},
			Reference: fmt.Sprintf("S-%d", n), NoticedAt: start.Add(3 * day), Deadline: start.Add(20 * day), Territory: "CU"})
	})
}

func (f *fleet) options(url string, stop func(context.Context, error) error) Options {
	return Options{Dir: f.dir, URL: url, Ledger: ledger, Now: start, Stop: stop, Passed: func(p Pass) { f.t.Logf("%+v", p) }}
}

// begun is a run that has its database.
func begun(t testing.TB, opts Options) (*run, func()) {
	t.Helper()
	m, err := postgres.BeginMove(context.Background(), opts.URL, opts.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	return &run{opts: opts, move: m, report: &Report{}}, m.Close
}

var errEnough = errors.New("enough for now")

// content is all that devices' records and histories say.
type content struct {
	Devices      []*authority.Device
	Restrictions []*restriction.Restriction
	Orders       []*authority.Order
	Events       []authority.Event
}

func contentOf(t *testing.T, s authority.Store) (c content) {
	t.Helper()
	if err := s.View(context.Background(), func(tx authority.Tx) error {
		c = content{}
		if err := tx.EachDevice(device.ID{}, func(d *authority.Device) error {
			c.Devices = append(c.Devices, d)
			return nil
		}); err != nil {
			return err
		}
		for _, d := range c.Devices {
			restrictions, err := tx.Restrictions(d.ID)
			if err != nil {
				return err
			}
			orders, err := tx.OrdersOf(d.ID, 100)
			if err != nil {
				return err
			}
			c.Restrictions, c.Orders = append(c.Restrictions, restrictions...), append(c.Orders, orders...)
		}
		var err error
		c.Events, err = tx.RecentEvents(100_000)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestMove moves a fleet on which a server goes on working: everything is there at the end, in the database alone.
func TestMove(t *testing.T) {
	f, url := newFleet(t), pgtest.Database(t)
	f.enrol(0, 12_000) // more than one stretch
	for n := range 40 {
		f.checkIn(n)
		f.notice(n)
	}
	rounds := 0
	report, err := Run(t.Context(), f.options(url, func(_ context.Context, held error) error {
		if !errors.Is(held, ErrRuns) || !errors.Is(held, sqlite.ErrLocked) {
			t.Errorf("held: %v", held)
		}
		if _, err := postgres.Open(t.Context(), url, postgres.Options{}); !errors.Is(err, postgres.ErrMoving) {
			t.Errorf("a server starts on half of the records: %v", err)
		}
		if rounds++; rounds == 3 {
			f.stop()
			return nil
		}
		f.enrol(12_000+rounds*10, 12_000+rounds*10+10)
		for n := range 20 {
			f.checkIn(n)
			f.again(rounds*20 - 20 + n)
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(report.Passes); n < 4 || !report.Passes[n-1].Quiet || report.Passes[0].Added < 24_000 || report.Passes[2].Changed != 40 || len(report.Tables) < 10 {
		t.Errorf("%+v", report)
	}
	if err := os.Rename(filepath.Join(f.dir, PutAway), filepath.Join(f.dir, sqlite.FileName)); err != nil {
		t.Fatal(err)
	}
	f.serve()
	before := contentOf(t, f.db)
	db, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.BelongTo(t.Context(), ledger, [32]byte{1}); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff(before, contentOf(t, db), cmpopts.EquateEmpty()); d != "" || len(before.Devices) != 12_020 {
		t.Errorf("%d devices; (- folder, + database):\n%.2000s", len(before.Devices), d)
	}
	// What comes now has numbers of its own, and triggers fire again.
	if err := db.Update(t.Context(), func(tx authority.Tx) error {
		return tx.AddEvent(authority.Event{Device: idOf(1), At: start, Kind: "after", Actor: "x"})
	}); err != nil {
		t.Error(err)
	}
	err = db.Update(t.Context(), func(tx authority.Tx) error {
		return tx.NoticeIfFree(&restriction.Restriction{Device: idOf(11_000), Ground: cuba, Round: 1, Stage: order.Noticed, Authority: [32]byte{1},
			Reference: "T", NoticedAt: start, Deadline: start.Add(10 * day), Territory: "CU"})
	})
	if err != nil {
		t.Error(err)
	}
	if triggersOff(t, url) != 0 {
		t.Error("triggers were left off")
	}
}

func triggersOff(t *testing.T, url string) (n int) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if err := c.QueryRow(t.Context(), "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O' AND NOT tgisinternal").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestGone takes away, from the folder, what was copied: a device with its history, whose IMEI another device then has.
func TestGone(t *testing.T) {
	f, url := newFleet(t), pgtest.Database(t)
	f.enrol(0, 300)
	for n := range 100 {
		f.notice(n)
	}
	if _, err := Run(t.Context(), f.options(url, func(context.Context, error) error { return errEnough })); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	f.stop()
	raw, err := sql.Open("sqlite", filepath.Join(f.dir, sqlite.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, statement := range []string{"DELETE FROM orders", "DELETE FROM restriction", "DELETE FROM event WHERE number % 3 = 0", "DELETE FROM device WHERE imei IN (SELECT imei FROM device ORDER BY imei LIMIT 51)"} {
		if _, err := raw.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	f.serve()
	f.does(func(tx authority.Tx) error {
		for n := range 51 {
			d := newDevice(n)
			d.ID = idOf(10_000 + n)
			if err := tx.InsertDevice(d); err != nil {
				return err
			}
		}
		return nil
	})
	f.stop()
	report, err := Run(t.Context(), f.options(url, nil))
	if err != nil {
		t.Fatal(err)
	}
	var removed, left int64
	for _, p := range report.Passes {
		removed, left = removed+p.Removed, left+p.Left
	}
	if removed != 100+100+100+51 || left == 0 {
		t.Errorf("%d removed, %d had to wait: %+v", removed, left, report.Passes)
	}
	for _, table := range report.Tables {
		if want := map[string]int64{"device": 300, "orders": 0, "restriction": 0, "event": 200}; table.Name != "" {
			if n, asked := want[table.Name]; asked && table.Rows != n {
				t.Errorf("%s has %d rows, want %d", table.Name, table.Rows, n)
			}
		}
	}
}

// TestRefused holds moves that must not begin, or not go on.
func TestRefused(t *testing.T) {
	f := newFleet(t)
	f.enrol(0, 10)
	mine := pgtest.Database(t)
	enough := func(context.Context, error) error { return errEnough }
	if _, err := Run(t.Context(), f.options(mine, enough)); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}

	if _, err := Run(t.Context(), Options{Dir: t.TempDir(), URL: mine, Ledger: ledger}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder without records: %v", err)
	}
	other := f.options(mine, enough)
	other.Ledger = "other.example/ledger+00000000+AA"
	if _, err := Run(t.Context(), other); !errors.Is(err, postgres.ErrOccupied) {
		t.Errorf("another fleet's move: %v", err)
	}

	served := pgtest.Database(t)
	db, err := postgres.Open(t.Context(), served, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), f.options(served, enough)); !errors.Is(err, postgres.ErrInUse) {
		t.Errorf("a server runs on the database: %v", err)
	}
	if err := db.Update(t.Context(), func(tx authority.Tx) error { return tx.InsertDevice(newDevice(1)) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), f.options(served, enough)); !errors.Is(err, postgres.ErrOccupied) {
		t.Errorf("another fleet is in the database: %v", err)
	}

	// Two at once: the second one is refused while the first one waits for the server's end.
	if _, err := Run(t.Context(), f.options(mine, func(context.Context, error) error {
		_, err := Run(t.Context(), f.options(mine, enough))
		if !errors.Is(err, postgres.ErrInUse) {
			t.Errorf("two moves at once: %v", err)
		}
		return errEnough
	})); !errors.Is(err, errEnough) {
		t.Error(err)
	}

	// An older copy of a folder whose records have moved does not go on from there.
	f.stop()
	older := t.TempDir()
	if err := os.CopyFS(older, os.DirFS(f.dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), f.options(mine, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), f.options(mine, nil)); err == nil || !strings.Contains(err.Error(), "They were moved to the database") {
		t.Errorf("moved already: %v", err)
	}
	again := f.options(mine, nil)
	again.Dir = older
	if _, err := Run(t.Context(), again); !errors.Is(err, postgres.ErrMoved) || !strings.Contains(err.Error(), "older copy") {
		t.Errorf("an older copy: %v", err)
	}
}

// TestDamage changes one value behind the copy's back: the last comparison finds it, and nothing is given over.
func TestDamage(t *testing.T) {
	f, url := newFleet(t), pgtest.Database(t)
	f.enrol(0, 10)
	f.stop()
	opts := f.options(url, nil)
	opts.Passed = func(Pass) {
		c, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		if _, err := c.Exec(t.Context(), "UPDATE event SET detail = 'x' WHERE number = 3"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Run(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "event has 10 rows with digest") {
		t.Fatalf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(f.dir, Mark)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is marked: %v", err)
	}
	if _, err := Run(t.Context(), f.options(url, nil)); err != nil {
		t.Error(err)
	}
}

// TestBreaksOff: while a server's end is waited for, a pass does not go on when it has come, since devices wait from then on.
func TestBreaksOff(t *testing.T) {
	f, url := newFleet(t), pgtest.Database(t)
	f.enrol(0, 100)
	opts := f.options(url, func(context.Context, error) error { return nil })
	opts.Progress = func(at Progress) {
		if at.Pass != 2 || f.db == nil {
			return
		}
		f.checkIn(7)
		f.stop()
		for { // until the move has the folder
			held, err := sqlite.Hold(f.dir)
			if errors.Is(err, sqlite.ErrLocked) {
				return
			} else if err != nil {
				t.Error(err)
				return
			}
			if err := held.Close(); err != nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	report, err := Run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	last := report.Passes[len(report.Passes)-1]
	if len(report.Passes) != 2 || !last.Quiet || last.Changed != 1 {
		t.Errorf("%+v", report.Passes)
	}
}
