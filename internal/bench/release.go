package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

const heldConsignment = "SHIP-HELD"

// Two officers of the measurement.
var (
	first  = &authority.Officer{Name: "first", Role: authority.RoleOfficer}
	second = &authority.Officer{Name: "second", Role: authority.RoleOfficer}
)

func releaseSQLite(ctx context.Context, s *session) (Row, error) {
	return s.release(ctx, "")
}

func releasePostgres(ctx context.Context, s *session) (Row, error) {
	database, drop, err := s.database(ctx)
	if err != nil {
		return Row{}, err
	}
	row, err := s.release(ctx, database)
	return row, errors.Join(err, drop())
}

// release holds a consignment under a warrant, concludes the case, and waits until every lift is durable and in the ledger.
func (s *session) release(ctx context.Context, database string) (Row, error) {
	n := pick(s, 1_000_000, 50_000)
	dir, remove, err := s.scratch("release")
	if err != nil {
		return Row{}, err
	}
	defer remove()
	h, err := s.hold(ctx, dir, database, n)
	if err != nil {
		return Row{}, err
	}
	debug.FreeOSMemory()
	w := &world{dir: dir}
	if err := w.open(ctx, database); err != nil {
		return Row{}, err
	}
	memory := watchMemory()
	took, err := h.conclude(ctx, s, w)
	most := memory()
	if err = errors.Join(err, w.leave()); err != nil {
		return Row{}, err
	}
	if err := h.verify(ctx, dir, database); err != nil {
		return Row{}, err
	}
	note := fmt.Sprintf("%s devices; at most %d MiB of memory in this process", thousands(n), most>>20)
	if s.Quick {
		note += "; quick: not 1,000,000"
	}
	return Row{Value: took.Seconds(), Bound: 90, Note: note}, nil
}

// held is a consignment under a warrant.
type held struct {
	n       int
	caseID  string
	warrant *authority.Warrant
}

// hold makes the devices, the case and the warrant as officers do, and locks the devices, as their check-ins and a wave would have.
func (s *session) hold(ctx context.Context, dir, database string, n int) (*held, error) {
	a, err := openApp(ctx, dir, database, time.Now)
	if err != nil {
		return nil, err
	}
	h := &held{n: n}
	err = h.draft(ctx, s, a.Service)
	if err = errors.Join(err, a.Close()); err != nil {
		return nil, err
	}
	db, err := openBooks(ctx, dir, database)
	if err != nil {
		return nil, err
	}
	return h, errors.Join(h.lock(ctx, s, db), db.Close())
}

func (h *held) draft(ctx context.Context, s *session, service *authority.Service) error {
	s.Progress.Stage("production records and a warrant", h.n)
	clerk := &authority.Officer{Name: "clerk", Role: authority.RoleAdmin}
	for from := 0; from < h.n; from += fillBatch {
		rows := make([]authority.Production, min(fillBatch, h.n-from))
		for i := range rows {
			rows[i] = authority.Production{IMEI: imei(from + i), Serial: fmt.Sprint("S", from+i), Model: "Lantern P", Market: "DE", Consignment: heldConsignment, Consignee: "CONSIGNEE-17"}
		}
		if _, err := service.ImportProduction(ctx, clerk, rows); err != nil {
			return err
		}
		s.Progress.Step(len(rows))
	}
	c, err := service.OpenCase(ctx, first, "A release that is measured", heldConsignment)
	if err != nil {
		return err
	}
	h.caseID = c.ID
	w, _, err := service.DraftWarrant(ctx, first, c.ID, "This hold is there to be released by a measurement.", time.Now().Add(60*24*time.Hour))
	if err != nil {
		return err
	}
	h.warrant, err = service.CountersignWarrant(ctx, second, w.ID)
	return err
}

func (h *held) ground() order.Ground { return order.Ground{Kind: order.Warrant, ID: h.warrant.ID} }

// lockBatch is how many devices are locked in one transaction. SQLite goes through what it keeps for taking a statement back anew for every
// statement that has a trigger, so that such transactions cost the square of their length.
const lockBatch = 500

// lockers is how many such transactions are under way at once: a database has room for several.
const lockers = 4

// lock puts the devices into the store, each with a lock that has held for eleven days.
func (h *held) lock(ctx context.Context, s *session, db books) error {
	templates, err := s.records(ctx)
	if err != nil {
		return err
	}
	s.Progress.Stage("devices that are held", h.n)
	now := time.Now().UTC().Truncate(time.Second)
	const day = 24 * time.Hour
	f := &fleetOf{n: h.n, templates: templates, now: now}
	key, err := f.key(0)
	if err != nil {
		return err
	}
	public, err := pkix(key)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(authority.WithGuardsOnly(ctx))
	group.SetLimit(lockers)
	for from := 0; from < h.n; from += lockBatch {
		numbers := make([]int, min(lockBatch, h.n-from))
		for k := range numbers {
			numbers[k] = f.place(from + k)
		}
		slices.Sort(numbers)
		write := func(tx authority.Tx) error {
			for _, i := range numbers {
				d := templates[i%len(templates)].device
				d.ID, d.IMEI, d.Serial, d.Key = f.id(i), imei(i), fmt.Sprint("S", i), public
				r := &restriction.Restriction{Device: d.ID, Ground: h.ground(), Round: 1, Stage: order.Noticed, Authority: h.warrant.Hash,
					Reference: fmt.Sprintf("B%07d", i), NoticedAt: now.Add(-20 * day), Deadline: now.Add(-12 * day)}
				err := tx.InsertDevice(&d)
				if err == nil {
					err = tx.NoticeIfFree(r)
				}
				if err == nil {
					err = tx.LockIfNoticed(d.ID, h.ground(), now.Add(-13*day), now.Add(-11*day), now.Add(60*day))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
		group.Go(func() error {
			if err := db.Update(ctx, write); err != nil {
				return err
			}
			s.Progress.Step(len(numbers))
			return nil
		})
	}
	return group.Wait()
}

// conclude times the release: from the officer's word until the last lift is durable, in the ledger, and marked as such.
func (h *held) conclude(ctx context.Context, s *session, w *world) (time.Duration, error) {
	before, err := w.app.Ledger.Size(ctx)
	if err != nil {
		return 0, err
	}
	s.Progress.Stage("releasing", h.n)
	begun := time.Now()
	concluded := make(chan error, 1)
	go func() {
		_, err := w.app.Service.ConcludeCase(ctx, second, h.caseID, "The measurement is over, and the hold with it.")
		concluded <- err
	}()
	for told, open := uint64(0), true; ; {
		select {
		case err := <-concluded:
			if err != nil {
				return 0, err
			}
			concluded = nil
			open = false
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		size, err := w.app.Ledger.Size(ctx)
		if err != nil {
			return 0, err
		}
		s.Progress.Step(int(size - before - told))
		if told = size - before; told >= uint64(h.n) && !open {
			break
		}
	}
	_, err = w.app.Service.Sequence(ctx) // returns when nothing is pending any more
	return time.Since(begun), err
}

// verify looks into the store: nothing is held any more, and every device has its lift to come.
func (h *held) verify(ctx context.Context, dir, database string) error {
	db, err := openBooks(ctx, dir, database)
	if err != nil {
		return err
	}
	err = db.View(ctx, func(tx authority.Tx) error {
		pending, err := tx.PendingOrders(1)
		if err != nil {
			return err
		}
		unsettled, err := tx.CountUnsettled(h.ground())
		if err == nil && (unsettled != h.n || len(pending) > 0) {
			err = fmt.Errorf("%d of %d lifts are there, and %d at least wait for the ledger", unsettled, h.n, len(pending))
		}
		if err != nil {
			return err
		}
		active, err := tx.ActiveOn(h.ground(), device.ID{}, 1)
		if err == nil && len(active) > 0 && active[0].Active() {
			err = errors.New("a device is still held")
		}
		return err
	})
	return errors.Join(err, db.Close())
}

// watchMemory looks ten times a second how much memory this process uses, until the function that it returns is called, which says how much it was
// at most, in bytes.
func watchMemory() (most func() int64) {
	var highest atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			highest.Store(max(highest.Load(), resident()))
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return func() int64 {
		close(stop)
		<-stopped
		return highest.Load()
	}
}
