package simulate

import (
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

type (
	store        = authority.Store
	publicLedger = authority.Ledger
)

// Config describes a run.
type Config struct {
	Seed     uint64
	For      time.Duration // real time to go on for, at least one world on each core
	Worlds   uint64        // how many worlds, instead of For; 0 for as many as time allows
	Cores    int           // worlds at once; all cores when 0
	Progress func(Report)  // called now and then, from one goroutine; may be nil
	Trace    io.Writer     // of Replay: a line for each step; may be nil
	plant    planted       // bugs, for tests
	now      func() time.Time
}

// Report is what a run found.
type Report struct {
	Seed             uint64       `json:"seed"`
	DeviceYears      float64      `json:"device_years"`
	Seconds          float64      `json:"seconds"`
	Faults           map[Kind]int `json:"faults"` // by kind; every kind of Kinds is there
	Violations       int          `json:"violations"`
	LiftsUndelivered int          `json:"lifts_undelivered"`

	Worlds          uint64      `json:"-"`
	Steps           int64       `json:"-"` // of devices and server
	Checks          int64       `json:"-"` // that the checkers made
	Wakes, CheckIns int64       `json:"-"`
	Notices, Locks  int64       `json:"-"`
	Found           []Violation `json:"-"` // by world, at most 20
}

// OK reports whether nothing was found.
func (r *Report) OK() bool { return r.Violations == 0 && r.LiftsUndelivered == 0 }

// Run runs worlds 0, 1, 2, … on all cores. It ends when its time is over, when ctx is done, or, at the latest, after the worlds under
// way: what it reports are whole worlds. The error is about the run, never about what it found.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if cfg.For <= 0 && cfg.Worlds == 0 {
		return nil, errors.New("simulate: say for how long, or how many worlds")
	}
	f, err := newFactory()
	if err != nil {
		return nil, err
	}
	if cfg.now == nil {
		cfg.now = time.Now
	}
	if cfg.Cores == 0 {
		cfg.Cores = runtime.GOMAXPROCS(0)
	}
	started := cfg.now()
	done := func(world uint64) bool {
		if cfg.Worlds > 0 {
			return world >= cfg.Worlds
		}
		return world >= uint64(cfg.Cores) && cfg.now().Sub(started) >= cfg.For
	}
	report := newReport(cfg.Seed)
	results := make(chan *Result)
	var next atomic.Uint64
	var workers sync.WaitGroup
	for range cfg.Cores {
		workers.Go(func() {
			for {
				world := next.Add(1) - 1
				if ctx.Err() != nil || done(world) {
					return
				}
				results <- newWorld(f, cfg.Seed, world, cfg.plant, nil).run()
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	for r := range results {
		report.add(r)
		report.Seconds = cfg.now().Sub(started).Seconds()
		if cfg.Progress != nil {
			cfg.Progress(*report)
		}
	}
	slices.SortFunc(report.Found, func(a, b Violation) int { return int(a.World) - int(b.World) })
	report.Found = report.Found[:min(len(report.Found), 20)]
	report.round()
	return report, nil
}

// Replay runs one world again, to the same step.
func Replay(cfg Config, world uint64) (*Report, error) {
	f, err := newFactory()
	if err != nil {
		return nil, err
	}
	if cfg.now == nil {
		cfg.now = time.Now
	}
	started := cfg.now()
	report := newReport(cfg.Seed)
	report.add(newWorld(f, cfg.Seed, world, cfg.plant, cfg.Trace).run())
	report.Seconds = cfg.now().Sub(started).Seconds()
	report.round()
	return report, nil
}

// round leaves out what is more exact than anybody wants to read.
func (r *Report) round() {
	r.DeviceYears = math.Round(r.DeviceYears)
	r.Seconds = math.Round(r.Seconds*10) / 10
}

func newReport(seed uint64) *Report {
	r := &Report{Seed: seed, Faults: make(map[Kind]int)}
	for _, k := range Kinds() {
		r.Faults[k] = 0
	}
	return r
}

func (r *Report) add(w *Result) {
	r.Worlds++
	r.DeviceYears += w.DeviceYears
	r.Steps += int64(w.Steps)
	r.Checks += w.Checks
	r.Wakes += int64(w.Wakes)
	r.CheckIns += int64(w.CheckIns)
	r.Notices += int64(w.Notices)
	r.Locks += int64(w.Locks)
	r.Violations += len(w.Violations)
	r.LiftsUndelivered += w.LiftsUndelivered
	r.Found = append(r.Found, w.Violations...)
	for k, n := range w.Faults {
		r.Faults[k] += n
	}
}
