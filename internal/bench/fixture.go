package bench

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/fleet/load"
	"github.com/bailiwick-dev/bailiwick/internal/fleet/people"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const (
	seed        = 20_261_122
	history     = 90  // days of a device's record
	ahead       = 20  // days that are left for check-ins after it
	eachUnder   = 256 // requests under way for each processor of the server
	introducing = 256 // first check-ins under way
	enrolling   = 16  // enrolments under way: all of them count up the same number of the sandbox's factory
	blankEach   = 200 // one device in so many was activated in a prohibited territory, and has a notice
)

// underWay is how many requests are under way at once against a server with so many processors: enough to fill its commits, and no more than it
// serves within the time from which on it turns devices away. Many more measure what turning away costs.
func underWay(processors int) int { return eachUnder * processors }

// books is a store that a measurement opens for itself.
type books interface {
	authority.Store
	Close() error
}

// openBooks opens the records of a data folder, or of a database when one is named.
func openBooks(ctx context.Context, dir, database string) (books, error) {
	if database == "" {
		return sqlite.Open(ctx, dir, sqlite.Options{})
	}
	return postgres.Open(ctx, database, postgres.Options{})
}

// openApp opens a whole server, as `bailiwick serve --sandbox` does, without limits on anybody's rate: it has one caller only.
func openApp(ctx context.Context, dir, database string, now func() time.Time) (*app.App, error) {
	return app.Open(ctx, app.Config{Dir: dir, Database: database, BaseURL: "http://127.0.0.1:8470", Sandbox: true, Unlimited: true, PasswordCost: 4,
		Now: now, Policy: app.Document{Name: "terms-2026-11.yaml", Source: policies.Current}})
}

// template is a record with 90 days of history that the authority itself made, from evidence, and whose it is.
type template struct {
	device authority.Device
	person *people.Person
	next   territory.Day
}

// records returns templates, made when they are asked for first.
func (s *session) records(ctx context.Context) ([]template, error) {
	if s.templates != nil {
		return s.templates, nil
	}
	dir, remove, err := s.scratch("templates")
	if err != nil {
		return nil, err
	}
	defer remove()
	a, err := openApp(ctx, dir, "", time.Now)
	if err != nil {
		return nil, err
	}
	n := pick(s, 2000, 400)
	s.Progress.Stage("making records", 2*n)
	step := func() { s.Progress.Step(1) }
	devices, facts, err := load.Enrol(ctx, load.Local(a.Handler()), n, seed, enrolling, step)
	if err == nil {
		from := territory.DayOf(facts.Now()) - history - ahead
		for i, d := range devices {
			d.Person = people.New(seed, uint64(i), from)
		}
		err = load.Introduce(ctx, load.Local(a.Handler()), devices, facts, history, ahead, introducing, step)
	}
	if err = errors.Join(err, a.Close()); err != nil {
		return nil, err
	}
	db, err := openBooks(ctx, dir, "")
	if err != nil {
		return nil, err
	}
	var made []template
	err = db.View(ctx, func(tx authority.Tx) error {
		made = make([]template, 0, n)
		for _, d := range devices {
			record, err := tx.Device(d.ID)
			if err != nil {
				return err
			}
			made = append(made, template{*record, d.Person, d.Next})
		}
		return nil
	})
	if err = errors.Join(err, db.Close()); err == nil {
		s.templates = made
	}
	return made, err
}

// fleetOf is a population of n devices whose IDs are spread evenly: number i has the i-th ID.
type fleetOf struct {
	n         int
	templates []template
	now       time.Time
	order     []int         // in which rows are written; nil for that of place, sorted within a transaction
	filled    time.Duration // what filling the store took
}

func (f *fleetOf) id(i int) (id device.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(float64(i)/float64(f.n)*math.MaxInt64)<<1)
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("id"), uint64(i)))
	copy(id[6:], sum[:10])
	return id
}

func (f *fleetOf) key(i int) (*ecdsa.PrivateKey, error) {
	scalar := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("key"), uint64(i)))
	return ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:]) // out of range with a chance of 2^-32, which then is an error
}

// pkix is a public key as records have it.
func pkix(key *ecdsa.PrivateKey) ([]byte, error) { return x509.MarshalPKIXPublicKey(key.Public()) }

func imei(n int) device.IMEI {
	body := fmt.Sprintf("35%012d", n)
	return device.IMEI(body + string(device.CheckDigit(body)))
}

// waves is in how many rounds people buy their phones: each in the order of IDs, so that filling goes through the store's pages as often and not
// once for each batch, and all but the first among the rows that are there, so that pages are as full as those of a fleet that grew.
const waves = 4

// nth is the device whose row is written as the k-th.
func (f *fleetOf) nth(k int) int {
	if f.order != nil {
		return f.order[k]
	}
	return f.place(k)
}

// place is the number of the device that is the k-th to enrol.
func (f *fleetOf) place(k int) int {
	for wave := range waves {
		in := (f.n - wave + waves - 1) / waves
		if k < in {
			return wave + k*waves
		}
		k -= in
	}
	return k
}

// blank reports whether the device has no record yet: it is introduced by itself, and gets a notice.
func blank(i int) bool { return i%blankEach == blankEach-1 }

// record is the row of device i, and what production says of it.
func (f *fleetOf) record(i int) (*authority.Device, authority.Production, error) {
	t := &f.templates[i%len(f.templates)]
	d := t.device
	key, err := f.key(i)
	if err != nil {
		return nil, authority.Production{}, err
	}
	if d.Key, err = pkix(key); err != nil {
		return nil, authority.Production{}, err
	}
	d.ID, d.IMEI, d.Serial = f.id(i), imei(i), fmt.Sprintf("R58M%08X", uint32(i*2654435761))
	d.EnrolledAt = f.now.AddDate(0, 0, -100).Add(time.Duration(i%86400) * time.Second).Truncate(time.Second)
	d.LastSeen = f.now.Add(-24 * time.Hour).Add(time.Duration(float64(i) / float64(f.n) * float64(24*time.Hour))).Truncate(time.Second)
	if blank(i) {
		d = authority.Device{ID: d.ID, IMEI: d.IMEI, Serial: d.Serial, Model: d.Model, Key: d.Key, KeyCeiling: d.KeyCeiling, EnrolledAt: d.EnrolledAt,
			Reasons: []policy.Reason{{Code: policy.ActivationNotKnown, Text: "The device has not checked in yet."}}}
	}
	lot := i / 1000
	made := authority.Production{IMEI: d.IMEI, Serial: d.Serial, Model: d.Model, Market: "DE", Consignment: fmt.Sprintf("SHIP-%05d", lot),
		Consignee: fmt.Sprintf("CONSIGNEE-%02d", lot%50), ShippedOn: territory.DayOf(f.now) - 150 - territory.Day(lot%30)}
	return &d, made, nil
}

// fillBatch is how many devices go into one transaction.
const fillBatch = 10_000

// batch is devices that enrol in one transaction.
type batch struct {
	devices []*authority.Device
	made    []authority.Production
}

// fill puts the population into a store in the order in which its people bought their phones. The next batch is made while one is written.
func (f *fleetOf) fill(ctx context.Context, store authority.Store, progress Progress) error {
	progress.Stage("filling the store", f.n)
	g, ctx := errgroup.WithContext(ctx)
	batches := make(chan batch, 1)
	g.Go(func() error {
		defer close(batches)
		for from := 0; from < f.n; from += fillBatch {
			b, err := f.batch(from, min(fillBatch, f.n-from))
			if err != nil {
				return err
			}
			select {
			case batches <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error {
		for b := range batches {
			if err := b.enrol(ctx, store); err != nil {
				return err
			}
			progress.Step(len(b.devices))
		}
		return nil
	})
	return g.Wait()
}

// batch makes the devices that enrol from the given one on.
func (f *fleetOf) batch(from, n int) (batch, error) {
	b := batch{make([]*authority.Device, n), make([]authority.Production, n)}
	var g errgroup.Group
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		g.Go(func() (err error) {
			for k := worker; k < n && err == nil; k += workers {
				b.devices[k], b.made[k], err = f.record(f.nth(from + k))
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return b, err
	}
	if f.order == nil {
		slices.SortFunc(b.devices, func(a, b *authority.Device) int { return slices.Compare(a.ID[:], b.ID[:]) })
	}
	slices.SortFunc(b.made, func(a, b authority.Production) int { return cmp.Compare(a.IMEI, b.IMEI) })
	return b, nil
}

func (b batch) enrol(ctx context.Context, store authority.Store) error {
	return store.Update(ctx, func(tx authority.Tx) error {
		if err := tx.PutProduction(b.made); err != nil {
			return err
		}
		for _, d := range b.devices {
			if err := tx.InsertDevice(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// world is a server with a population, and the devices of it that check in.
type world struct {
	app     *app.App
	dir     string
	devices []*load.Device
	facts   *load.Facts
	stop    func() // of the server's own work
	worked  chan error
}

// populate makes a data folder whose store holds n devices.
func (s *session) populate(ctx context.Context, dir, database string, n int) (*fleetOf, error) {
	templates, err := s.records(ctx)
	if err != nil {
		return nil, err
	}
	// The first start makes the schema, the keys and the ledger.
	first, err := openApp(ctx, dir, database, time.Now)
	if err != nil {
		return nil, err
	}
	if err := first.Close(); err != nil {
		return nil, err
	}
	db, err := openBooks(ctx, dir, database)
	if err != nil {
		return nil, err
	}
	f := &fleetOf{n: n, templates: templates, now: time.Now()}
	if database != "" { // rows stay where they were written there, so that neighbours on a page would check in in the same moment
		f.order = rand.New(rand.NewPCG(seed, uint64(n))).Perm(n)
	}
	err = errors.Join(f.fill(ctx, db, s.Progress), db.Close())
	f.filled = time.Since(f.now)
	return f, err
}

// large is the largest population, in SQLite, which rows share because it takes long to make. The run removes it at its end.
func (s *session) large(ctx context.Context) (dir string, f *fleetOf, err error) {
	if s.largest == nil {
		if s.largestIn, s.removeLargest, err = s.scratch("large"); err != nil {
			return "", nil, err
		}
		if s.largest, err = s.populate(ctx, s.largestIn, "", pick(s, 10_000_000, 300_000)); err != nil {
			s.largest = nil
			s.removeLargest()
			return "", nil, err
		}
	}
	return s.largestIn, s.largest, nil
}

// largeNote says how large it is.
func (s *session) largeNote() string {
	note := fmt.Sprintf("%s devices, enrolled in %.0f s", thousands(s.largest.n), s.largest.filled.Seconds())
	if s.Quick || s.tiny {
		note += "; quick: not 10,000,000"
	}
	return note
}

// enter opens the server of a population, of which the first count devices in the order of IDs check in. Its own work, sweeps and the
// ledger, goes on beside. leave must be called.
func (s *session) enter(ctx context.Context, dir, database string, f *fleetOf, count int) (*world, error) {
	w := &world{dir: dir}
	if err := w.open(ctx, database); err != nil {
		return nil, err
	}
	if err := w.choose(ctx, s, f, min(count, f.n)); err != nil {
		return nil, errors.Join(err, w.leave())
	}
	return w, nil
}

func (w *world) open(ctx context.Context, database string) (err error) {
	if w.app, err = openApp(ctx, w.dir, database, time.Now); err != nil {
		return err
	}
	ctx, w.stop = context.WithCancel(ctx)
	w.worked = make(chan error, 1)
	go func() { w.worked <- w.app.Work(ctx) }()
	return nil
}

// choose makes the load's side of the first count devices, and introduces those without a record.
func (w *world) choose(ctx context.Context, s *session, f *fleetOf, count int) error {
	t := load.Local(w.app.Handler())
	one, facts, err := load.Enrol(ctx, t, 1, seed, 1, nil) // which tells what every device is told
	if err != nil || len(one) != 1 {
		return err
	}
	w.facts = facts
	var blanks []*load.Device
	w.devices = make([]*load.Device, count)
	for i := range w.devices {
		key, err := f.key(i)
		if err != nil {
			return err
		}
		t := &f.templates[i%len(f.templates)]
		d := &load.Device{ID: f.id(i), Key: key, Person: t.person}
		if blank(i) {
			d.Person = people.Banned(seed, uint64(i))
			blanks = append(blanks, d)
		} else {
			d.Resume(t.next, t.device.Activation, t.device.Sequence)
		}
		w.devices[i] = d
	}
	s.Progress.Stage("introducing devices with a notice", len(blanks))
	return load.Introduce(ctx, t, blanks, facts, 10, 0, introducing, func() { s.Progress.Step(1) })
}

// sign makes n tokens of the devices in turn.
func (w *world) sign(ctx context.Context, s *session, n int) ([][]byte, error) {
	s.Progress.Stage("signing evidence", n)
	t, err := load.Sign(ctx, w.devices, n, w.facts, seed, s.Progress.Step)
	if err != nil {
		return nil, err
	}
	return t.All, nil
}

func (w *world) leave() error {
	if w.app == nil {
		return nil
	}
	w.stop()
	err := errors.Join(<-w.worked, w.app.Close())
	w.app = nil
	return err
}

// refusals says what was refused, when it was more than one check-in in a thousand, or when more than a share was turned away because there was
// too much to do: a measurement of refusals is none. In the tenths of a second of a tiny run, one pause of the machine can turn away most.
func (s *session) refusals(r *load.Result, turnedAway float64) error {
	if r.Sent > 0 && r.Accepted == 0 || r.Refused() > .001 || r.TurnedAway() > turnedAway && !s.tiny {
		return fmt.Errorf("%d of %d check-ins were refused, most of them as %s", r.Sent-r.Accepted, r.Sent, r.Kinds()[0])
	}
	return nil
}

// pause is for how long a connection is quiet when the server is too busy, so that the rest finds the peak.
const pause = 50 * time.Millisecond

// fileOf is the file of the records in a data folder.
func fileOf(dir string) string { return filepath.Join(dir, sqlite.FileName) }
