package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/simulate"
)

type drillSimulateCommand struct {
	Minutes float64 `help:"How long to go on, in real minutes." default:"1" placeholder:"N"`
	Seed    uint64  `help:"Seed of everything: world N of a seed is always the same." default:"1"`
	JSON    string  `name:"json" help:"Write the report to this file as JSON; - is standard output." placeholder:"FILE"`
	World   *uint64 `help:"Run this world only, as a violation names it." placeholder:"N"`
	Trace   bool    `help:"With --world: print every step on standard output."`
}

func (drillSimulateCommand) Help() string {
	return `Runs small worlds, one after the other on every core: real agents against the real authority for some years of virtual time, with crashes at writes,
torn and full disks, lost, repeated and reordered messages, partitions, clocks that jump, and old backups put back. After each step every line of the
Charter is checked, and at the end of each world that every lift has reached its device. It exits with 1 when anything was found; what was found names the
seed, the world and the step, and is found there again with --world. docs/simulation.md says what is real in it and what is not.

Examples:
  bailiwick drill simulate --minutes 1
  bailiwick drill simulate --minutes 60 --seed 7 --json report.json
  bailiwick drill simulate --seed 7 --world 412 --trace`
}

func (c *drillSimulateCommand) Run(ctx context.Context, env Environment) error {
	switch {
	case c.Minutes <= 0 && c.World == nil:
		return usageError{errors.New("--minutes is more than 0")}
	case c.Trace && c.World == nil:
		return usageError{errors.New("--trace needs --world N: say which world to print")}
	}
	debug.SetGCPercent(400) // the heap is small and short-lived: less collecting, more worlds
	cfg := simulate.Config{Seed: c.Seed, For: time.Duration(c.Minutes * float64(time.Minute))}
	out := env.Stdout
	if c.JSON == "-" {
		out = env.Stderr
	}
	report, err := c.run(ctx, env, cfg, out)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "seed %d: %d worlds, %.0f device-years in %.1f s (%.0f a minute), %d steps, %d checks\n", report.Seed, report.Worlds,
		report.DeviceYears, report.Seconds, report.DeviceYears/max(report.Seconds, 0.1)*60, report.Steps, report.Checks)
	fmt.Fprintf(out, "devices woke %.1f and checked in %.1f times a year; %d notices and %d locks were shown\n",
		float64(report.Wakes)/max(report.DeviceYears, 1), float64(report.CheckIns)/max(report.DeviceYears, 1), report.Notices, report.Locks)
	for _, k := range simulate.Kinds() {
		fmt.Fprintf(out, "  %8d × %s\n", report.Faults[k], k)
	}
	for _, v := range report.Found {
		fmt.Fprintf(out, "VIOLATION %v\n  again: bailiwick drill simulate --seed %d --world %d --trace\n", v, v.Seed, v.World)
	}
	fmt.Fprintf(out, "%d violations, %d lifts undelivered\n", report.Violations, report.LiftsUndelivered)
	if err := writeReport(env, c.JSON, report); err != nil {
		return err
	}
	if !report.OK() {
		return errSaid
	}
	return nil
}

func (c *drillSimulateCommand) run(ctx context.Context, env Environment, cfg simulate.Config, out io.Writer) (*simulate.Report, error) {
	if c.World != nil {
		if c.Trace {
			cfg.Trace = out
		}
		return simulate.Replay(cfg, *c.World)
	}
	told, every, end := env.Now(), 10*time.Second, "\n"
	if env.Terminal {
		every, end = 200*time.Millisecond, "\r"
	}
	cfg.Progress = func(r simulate.Report) {
		if env.Now().Sub(told) >= every {
			told = env.Now()
			fmt.Fprintf(env.Stderr, "%4.0f s  %9.0f device-years  %6d worlds  %d violations%s", r.Seconds, r.DeviceYears, r.Worlds, r.Violations, end)
		}
	}
	report, err := simulate.Run(ctx, cfg)
	if env.Terminal {
		fmt.Fprintln(env.Stderr)
	}
	return report, err
}
