// Package fleet simulates a fleet: thousands of real agents, each on a virtual phone with a story of its own, against a
// real server over HTTP, on a simulated clock.
//
// A story says what ought to happen to its phone (ground truth); an auditor beside each phone watches that no line of the
// Charter is broken, from its own records; the report sets one against the other. The same seed gives the same stories and
// the same outcome.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Bounds of a run.
const (
	LeastDevices = 30 // one for each story
	MostDevices  = 200_000
	LeastDays    = 1
	WholeStory   = 55  // days: the case and its release, and the return of phones that were offline, need so many
	MostDays     = 170 // the locks of the story last 180 days
)

// The days of the story. Day 0 is the first.
const (
	caseDay    = 12 // a diversion is noticed, a case opened, a warrant drafted and countersigned
	releaseDay = 40 // the case is concluded
	answerIn   = 3  // days until an appeal is answered
)

// Start is the first simulated moment: the day on which the sample policy of September 2021 takes effect.
var Start = time.Date(2021, time.September, 1, 5, 0, 0, 0, time.UTC)

// Authority is what the simulation needs of the server besides its devices' endpoints: what officers and owners do, and
// the server's periodic work, which the simulated clock drives.
type Authority interface {
	Sequence(ctx context.Context) (int, error)
	Sweep(ctx context.Context) error
	ImportProduction(ctx context.Context, actor *authority.Officer, rows []authority.Production) (int, error)
	Waves(ctx context.Context, limit int) ([]*authority.Wave, error)
	WaveDetail(ctx context.Context, id int64) (*authority.WaveDetail, error)
	ApproveWave(ctx context.Context, actor *authority.Officer, id int64, a authority.WaveApproval) (*authority.WaveResult, error)
	OpenCase(ctx context.Context, actor *authority.Officer, title, consignment string) (*authority.Case, error)
	DraftWarrant(ctx context.Context, actor *authority.Officer, caseID, reason string, ends time.Time) (w *authority.Warrant, proposal []byte, err error)
	CountersignWarrant(ctx context.Context, actor *authority.Officer, warrantID string) (*authority.Warrant, error)
	ConcludeCase(ctx context.Context, actor *authority.Officer, caseID, finding string) (*authority.Release, error)
	FileAppeal(ctx context.Context, imei, reference, text, contact string) (*authority.Appeal, error)
	AnswerAppeal(ctx context.Context, actor *authority.Officer, id int64, grant bool, answer string) error
}

// Ledger is how the simulation reads the public ledger when all is over.
type Ledger interface {
	// Verify recomputes the ledger from its published files and returns the orders in it, by ID.
	Verify(ctx context.Context) (Verified, error)
}

// Verified is a ledger whose entries bear out its signed checkpoint.
type Verified struct {
	Origin string
	Size   uint64
	Orders map[order.ID]order.Leaf
}

// Config describes a run.
type Config struct {
	Seed      uint64
	Devices   int // LeastDevices to MostDevices
	Days      int // LeastDays to MostDays
	Server    string
	HTTP      *http.Client // its transport is wrapped, to watch what leaves the phones
	Clock     *Clock       // the server's too
	Authority Authority
	Ledger    Ledger
	Factory   *sandbox.Factory
	Officers  [2]*authority.Officer // two different ones
	Workers   int                   // phones that are busy at once; 32 when 0
	Progress  Progress              // may be nil
}

// Progress is told how far a run is. Calls come from one goroutine.
type Progress interface {
	Made(phones, of int)
	Day(day, of int, date time.Time, checkIns int64)
	Verifying()
}

// Validate says what is wrong with the configuration, and what would be right.
func (c *Config) Validate() error {
	switch {
	case c.Devices < LeastDevices || c.Devices > MostDevices:
		return fmt.Errorf("the number of devices is %d to %d, not %d", LeastDevices, MostDevices, c.Devices)
	case c.Days < LeastDays || c.Days > MostDays:
		return fmt.Errorf("the number of days is %d to %d, not %d", LeastDays, MostDays, c.Days)
	}
	return nil
}

// run is one simulation under way.
type run struct {
	cfg      Config
	members  []*member
	checkIns atomic.Int64
	caseID   string
	held     int           // phones of the case that were locked when it was released
	offline  int           // of those, without a network at that moment
	appeals  map[int64]int // open ones: the day on which each was filed
	approved int           // locks that an officer approved
}

// Run lives through all days and reports.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Workers == 0 {
		cfg.Workers = 32
	}
	started := time.Now()
	r := &run{cfg: cfg, appeals: map[int64]int{}}
	if err := r.manufacture(ctx); err != nil {
		return nil, err
	}
	for day := range cfg.Days {
		if err := r.day(ctx, day); err != nil {
			return nil, fmt.Errorf("day %d: %w", day, err)
		}
		if cfg.Progress != nil {
			cfg.Progress.Day(day+1, cfg.Days, cfg.Clock.Now(), r.checkIns.Load())
		}
	}
	if cfg.Progress != nil {
		cfg.Progress.Verifying()
	}
	return r.report(ctx, time.Since(started))
}

// manufacture writes the stories, makes the phones and hands their records to the authority.
func (r *run) manufacture(ctx context.Context) error {
	r.members = recruit(r.cfg.Seed, r.cfg.Devices)
	rows := make([]authority.Production, len(r.members))
	var made atomic.Int64
	g, making := errgroup.WithContext(ctx) // ended once all are made
	g.SetLimit(r.cfg.Workers)
	for i, m := range r.members {
		g.Go(func() (err error) {
			if err := making.Err(); err != nil {
				return err
			}
			rows[i], err = m.make(i, r.cfg.Factory, r.cfg.Server, r.cfg.HTTP, r.cfg.Clock)
			made.Add(1)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if r.cfg.Progress != nil {
		r.cfg.Progress.Made(int(made.Load()), len(r.members))
	}
	for chunk := 0; chunk < len(rows); chunk += 1000 {
		if _, err := r.cfg.Authority.ImportProduction(ctx, r.cfg.Officers[0], rows[chunk:min(chunk+1000, len(rows))]); err != nil {
			return err
		}
	}
	return nil
}

// day lives through one day: a morning and an evening in which phones are used and check in, and the office in between.
func (r *run) day(ctx context.Context, day int) error {
	morning := Start.Add(time.Duration(day) * 24 * time.Hour)
	r.cfg.Clock.AdvanceTo(morning)
	for _, m := range r.members {
		if day >= m.start {
			m.morning(day)
		}
	}
	if err := r.switchOn(ctx, day); err != nil {
		return err
	}
	for _, hours := range []time.Duration{0, 8} {
		r.cfg.Clock.AdvanceTo(morning.Add(hours * time.Hour))
		if err := r.everyone(ctx, day); err != nil {
			return err
		}
		if err := r.serverWork(ctx); err != nil {
			return err
		}
	}
	if err := r.office(ctx, day); err != nil {
		return err
	}
	return r.serverWork(ctx)
}

// switchOn lets the phones that are new today enrol, one after the other, so that ids fall the same way every time.
func (r *run) switchOn(ctx context.Context, day int) error {
	for _, m := range r.members {
		if m.start != day {
			continue
		}
		checkedIn, err := m.use(ctx, r.cfg.Clock.Now())
		if err != nil {
			return err
		}
		if checkedIn {
			r.checkIns.Add(1)
		}
	}
	return nil
}

func (r *run) everyone(ctx context.Context, day int) error {
	now := r.cfg.Clock.Now()
	work := make(chan *member)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(work)
		for _, m := range r.members {
			if day < m.start {
				continue
			}
			select {
			case work <- m:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range r.cfg.Workers {
		g.Go(func() error {
			for m := range work {
				checkedIn, err := m.use(ctx, now)
				if err != nil {
					return err
				}
				if checkedIn {
					r.checkIns.Add(1)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// serverWork is what a server does by itself as time passes.
func (r *run) serverWork(ctx context.Context) error {
	if err := r.cfg.Authority.Sweep(ctx); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	if _, err := r.cfg.Authority.Sequence(ctx); err != nil {
		return fmt.Errorf("sequencing orders: %w", err)
	}
	return nil
}

// office is what officers and owners do on a day.
func (r *run) office(ctx context.Context, day int) error {
	return errors.Join(r.decideWaves(ctx), r.investigate(ctx, day), r.appeal(ctx, day))
}

func (r *run) decideWaves(ctx context.Context) error {
	waves, err := r.cfg.Authority.Waves(ctx, 10)
	if err != nil {
		return err
	}
	for _, w := range waves {
		if w.State != authority.WaveOpen {
			continue
		}
		detail, err := r.cfg.Authority.WaveDetail(ctx, w.ID)
		if err != nil {
			return err
		}
		approval := authority.WaveApproval{Note: "Counts and samples looked at.", Confirm: detail.Confirm, Shown: detail.Wave.Size}
		result, err := r.cfg.Authority.ApproveWave(ctx, r.cfg.Officers[0], w.ID, approval)
		if err != nil {
			return fmt.Errorf("wave %d: %w", w.ID, err)
		}
		r.approved += result.Locked
	}
	return nil
}

func (r *run) investigate(ctx context.Context, day int) error {
	a, first, second := r.cfg.Authority, r.cfg.Officers[0], r.cfg.Officers[1]
	switch day {
	case caseDay:
		c, err := a.OpenCase(ctx, first, "Phones shipped to India appear elsewhere", divertedConsignment)
		if err != nil {
			return err
		}
		r.caseID = c.ID
		reason := "We are investigating how phones of this shipment left the market that they were made for. You are not accused of anything."
		w, _, err := a.DraftWarrant(ctx, first, c.ID, reason, r.cfg.Clock.Now().Add(60*24*time.Hour))
		if err != nil {
			return err
		}
		_, err = a.CountersignWarrant(ctx, second, w.ID)
		return err
	case releaseDay:
		for _, m := range r.members {
			if m.cohort.truth != heldAndReleased || m.phone.Agent().Screen().Stage != order.Locked {
				continue
			}
			r.held++
			if !m.phone.World().Online {
				r.offline++
			}
		}
		_, err := a.ConcludeCase(ctx, second, r.caseID, "The consignee resold the shipment abroad. The buyers acted in good faith.")
		return err
	}
	return nil
}

// appeal lets owners who have read the notice for some days appeal, and a human answer.
func (r *run) appeal(ctx context.Context, day int) error {
	for _, m := range r.members {
		if m.cohort.truth != liftedOnAppeal || m.appeal != 0 {
			continue
		}
		screen := m.phone.Agent().Screen()
		if screen.Stage != order.Noticed {
			continue
		}
		m.appeal = day
		filed, err := r.cfg.Authority.FileAppeal(ctx, string(m.phone.Config().IMEI), screen.Reference,
			"I bought this phone for my clinic and hold an export licence; the papers are attached to my letter.", "")
		if err != nil {
			return err
		}
		r.appeals[filed.ID] = day
	}
	for id, filed := range r.appeals {
		if day < filed+answerIn {
			continue
		}
		if err := r.cfg.Authority.AnswerAppeal(ctx, r.cfg.Officers[1], id, true, "The licence covers your phone. We are sorry for the trouble."); err != nil {
			return err
		}
		delete(r.appeals, id)
	}
	return nil
}
