package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"syscall"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/fleet/load"
)

type fleetCommand struct {
	Load fleetLoadCommand `cmd:"" help:"Strain a sandbox with check-ins, and see how long devices wait."`
}

func (fleetCommand) Help() string {
	return `Whole fleets of devices. bailiwick demo lives through the story of one; bailiwick bench measures this system by itself.

Examples:
  bailiwick fleet load --devices 2000 --rate 200 --duration 30s`
}

type fleetLoadCommand struct {
	Server      string        `help:"The server, which must be a sandbox (bailiwick serve --sandbox)." default:"${server}" env:"BAILIWICK_SERVER" placeholder:"URL"`
	Devices     int           `help:"How many devices are enrolled." default:"10000"`
	Rate        float64       `help:"Check-ins a second, on average: they come by chance, whether or not earlier ones are answered." default:"500"`
	Duration    time.Duration `help:"How long." default:"30s"`
	Connections int           `help:"Connections at most." default:"256"`
	Seed        uint64        `help:"Seed of people, mix and arrivals." default:"1"`
	AllowRemote bool          `help:"The server is on another machine, and it is mine."`
	JSON        string        `name:"json" help:"Write the report to this file as JSON; - is standard output." placeholder:"FILE"`
}

func (fleetLoadCommand) Help() string {
	return `Has the sandbox make devices, enrols them, lets them tell 60 days of history, and signs all evidence before the clock starts. Then it comes in an open
loop: 98 % of the check-ins say one more day, the rest another territory, other software, or what the device applies. Latency counts from the moment at which
a check-in was to be sent, so that a stall is charged to everybody who waited for it. It stops by itself, and ends with 1 when any was refused.

Only a sandbox is strained, and only on this machine unless --allow-remote says otherwise.

Examples:
  bailiwick fleet load --devices 2000 --rate 200 --duration 30s
  bailiwick fleet load --server http://127.0.0.1:8470 --devices 50000 --rate 5000 --duration 2m --connections 512 --json load.json`
}

func (c *fleetLoadCommand) Run(ctx context.Context, env Environment) error {
	server, err := serverAddress(c.Server)
	if err != nil {
		return err
	}
	if c.Connections < 1 { // a load takes 0 for its default
		return usageError{fmt.Errorf("--connections is 1 to %d, not %d", load.MostConnections, c.Connections)}
	}
	cfg := load.Config{Server: server, Devices: c.Devices, Rate: c.Rate, Duration: c.Duration, Connections: c.Connections, Seed: c.Seed, AllowRemote: c.AllowRemote}
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	bar := newStageBar(ctx, env)
	cfg.Progress = bar
	report, err := load.Run(ctx, cfg)
	bar.end()
	if errors.Is(err, load.ErrRemote) {
		return usageError{fmt.Errorf("%w: --allow-remote says that it is yours", err)}
	}
	if failed := new(url.Error); errors.As(err, &failed) {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("no server answers at %s\n  Is it running? Start one with: bailiwick serve --sandbox", server)
		}
		base, _ := url.Parse(server) // serverAddress has read it
		return unreachable(ctx, base, err)
	}
	if err != nil {
		return err
	}
	out := env.Stdout
	if c.JSON == "-" {
		out = env.Stderr
	}
	if err := errors.Join(writeLoad(out, report), writeReport(env, c.JSON, report)); err != nil {
		return err
	}
	if !report.OK() {
		return errSaid
	}
	return nil
}

func writeLoad(out io.Writer, r *load.Report) error {
	fmt.Fprintf(out, "%d devices, %d with a notice; %d connections\n", r.Devices, r.Restricted, r.Connections)
	fmt.Fprintf(out, "%d check-ins in %.1f s, %d accepted: %.0f a second of %.0f asked for; %d with news\n", r.Sent, r.Seconds, r.Accepted, r.AcceptedPer, r.Rate, r.News)
	_, err := fmt.Fprintf(out, "latency from when each was to be sent: p50 %.1f ms, p90 %.1f, p99 %.1f, p99.9 %.1f, longest %.1f\n", r.P50, r.P90, r.P99, r.P999, r.Max)
	var kinds []string
	for kind := range r.Errors {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		fmt.Fprintf(out, "  %8d × %s\n", r.Errors[kind], kind)
	}
	return err
}
