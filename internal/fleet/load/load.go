package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/fleet/people"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Bounds of a load.
const (
	MostDevices     = 1_000_000
	MostTokens      = 5_000_000 // signed beforehand: rate × duration
	MostConnections = 4096
	leastShare      = 2 // devices a connection at least: a device sends one piece of evidence after the other
)

// Days of history that devices report with their first evidence, and days that are left for the check-ins of the load.
const (
	history       = 60
	bannedHistory = 10 // activated a few days ago, so that a policy of the month reaches them
	bannedEach    = 200
	aheadMost     = 20
)

// Config describes a load.
type Config struct {
	Server      string // base URL of a sandbox
	Devices     int
	Rate        float64 // check-ins a second
	Duration    time.Duration
	Connections int // at most so many, 256 when 0
	Seed        uint64
	AllowRemote bool // the server need not be on this machine
	Progress    Progress
}

// Progress is told how far a load is; its calls come from many goroutines.
type Progress interface {
	// Stage begins a part of the work: what is done, and how many steps it has.
	Stage(name string, steps int)
	Step(steps int)
}

// Validate says what is wrong, and what would be right.
func (c *Config) Validate() error {
	switch {
	case c.Devices < 2 || c.Devices > MostDevices:
		return fmt.Errorf("the number of devices is 2 to %d, not %d", MostDevices, c.Devices)
	case !(c.Rate > 0) || c.Rate > 1e6:
		return fmt.Errorf("the rate is more than 0 and at most 1,000,000 check-ins a second, not %v", c.Rate)
	case c.Duration < time.Second:
		return fmt.Errorf("the duration is a second at least, not %v", c.Duration)
	case c.Rate*c.Duration.Seconds() > MostTokens:
		return fmt.Errorf("%.0f check-ins are too many to be signed beforehand: rate × duration is at most %d", c.Rate*c.Duration.Seconds(), MostTokens)
	case c.Connections < 0 || c.Connections > MostConnections:
		return fmt.Errorf("the number of connections is 1 to %d, not %d", MostConnections, c.Connections)
	}
	return nil
}

// Report is what a load found. Latencies are milliseconds from the moment at which a check-in was to be sent.
type Report struct {
	Server      string         `json:"server"`
	Devices     int            `json:"devices"`
	Restricted  int            `json:"restricted"` // devices with a notice
	Connections int            `json:"connections"`
	Rate        float64        `json:"rate"` // asked for, check-ins a second
	Seconds     float64        `json:"seconds"`
	Sent        int            `json:"sent"`
	Accepted    int            `json:"accepted"`
	AcceptedPer float64        `json:"accepted_per_second"`
	News        int            `json:"news"` // check-ins that said more than one more day
	Errors      map[string]int `json:"errors"`
	P50         float64        `json:"p50_ms"`
	P90         float64        `json:"p90_ms"`
	P99         float64        `json:"p99_ms"`
	P999        float64        `json:"p999_ms"`
	Max         float64        `json:"max_ms"`
}

// ErrRemote is for a server on another machine, when nobody said that it may be one.
var ErrRemote = errors.New("the server is not on this machine")

// Run enrols the devices, signs the evidence, sends it, and stops by itself. It refuses servers on other machines unless the configuration
// allows them, and any that is no sandbox.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if cfg.Connections == 0 {
		cfg.Connections = 256
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	near, err := onThisMachine(ctx, cfg.Server)
	if err != nil {
		return nil, err
	}
	if !near && !cfg.AllowRemote {
		return nil, fmt.Errorf("%w: %s; a load belongs on a server of one's own (allow it if it is one)", ErrRemote, cfg.Server)
	}
	if cfg.Progress == nil {
		cfg.Progress = silent{}
	}
	cfg.Connections = max(1, min(cfg.Connections, cfg.Devices/leastShare))
	t := Remote(cfg.Server, cfg.Connections)
	cfg.Progress.Stage("enrolling devices", cfg.Devices)
	devices, facts, err := Enrol(ctx, t, cfg.Devices, cfg.Seed, cfg.Connections, func() { cfg.Progress.Step(1) })
	if err != nil {
		return nil, err
	}
	moments := Arrivals(cfg.Rate, cfg.Duration, cfg.Seed)
	cfg.Progress.Stage("introducing devices", len(devices))
	if err := cfg.introduce(ctx, t, devices, facts, 1+len(moments)/len(devices)); err != nil {
		return nil, err
	}
	cfg.Progress.Stage("signing evidence", len(moments))
	tokens, err := Sign(ctx, devices, len(moments), facts, cfg.Seed, cfg.Progress.Step)
	if err != nil {
		return nil, err
	}
	cfg.Progress.Stage("checking in", len(moments))
	r := Fire(ctx, t, tokens.All, Plan{Rate: cfg.Rate, Duration: cfg.Duration, Connections: cfg.Connections, Devices: len(devices), Seed: cfg.Seed,
		Sent: func(int) { cfg.Progress.Step(1) }})
	return cfg.report(devices, tokens, r), ctx.Err()
}

// introduce has the devices check in first with rounds days to spare.
func (c *Config) introduce(ctx context.Context, t Target, devices []*Device, f *Facts, rounds int) error {
	ahead := min(aheadMost, rounds)
	done := func() { c.Progress.Step(1) }
	var plain, banned []*Device
	for i, d := range devices {
		if i%bannedEach == bannedEach-1 {
			banned = append(banned, d)
		} else {
			plain = append(plain, d)
		}
	}
	if err := Introduce(ctx, t, plain, f, history, ahead, c.Connections, done); err != nil {
		return err
	}
	return Introduce(ctx, t, banned, f, bannedHistory, 0, c.Connections, done)
}

// person is whose device number i is.
func person(seed uint64, i int, f *Facts) *people.Person {
	if i%bannedEach == bannedEach-1 {
		return people.Banned(seed, uint64(i/bannedEach))
	}
	return people.New(seed, uint64(i), territory.DayOf(f.Now())-history-aheadMost)
}

func (c *Config) report(devices []*Device, tokens *Tokens, r *Result) *Report {
	ms := func(share float64) float64 { return float64(r.Percentile(share).Microseconds()) / 1000 }
	report := &Report{
		Server: c.Server, Devices: len(devices), Connections: c.Connections, Rate: c.Rate, Seconds: r.Elapsed.Seconds(), Sent: r.Sent, Accepted: r.Accepted,
		AcceptedPer: r.Rate(), News: tokens.News, Errors: r.Errors, P50: ms(.5), P90: ms(.9), P99: ms(.99), P999: ms(.999), Max: ms(1),
	}
	for _, d := range devices {
		if len(d.grounds) > 0 {
			report.Restricted++
		}
	}
	return report
}

// OK reports whether every check-in was accepted.
func (r *Report) OK() bool { return r.Sent > 0 && r.Accepted == r.Sent }

type silent struct{}

func (silent) Stage(string, int) {}
func (silent) Step(int)          {}
