package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/bailiwick-dev/bailiwick/internal/fleet/drill"
)

type drillCommand struct {
	Run  drillRunCommand  `cmd:"" default:"withargs" help:"Run one drill; the word run may be left out."`
	All  drillAllCommand  `cmd:"" help:"Run every drill."`
	List drillListCommand `cmd:"" help:"List the drills."`

	Simulate drillSimulateCommand `cmd:"" help:"Try to break it: devices, server, store and ledger for thousands of simulated years, with every fault."`
}

func (drillCommand) Help() string {
	return `An attacker has taken the server over: its store, the ledger's key, the TLS key, the online key of the officers' metadata and the unlock master;
not the officers' keys. Each drill tries, in several ways and over weeks of simulated time, to have real agents lock phones that nothing signed lets
them lock, and finds out who would notice, and how soon. Everything happens on this machine, in a temporary folder.

It ends with 1 when a single phone was wrongly locked. docs/threat-model.md says what remains possible. drill simulate has no attacker: it plays years of
accidents instead.

Examples:
  bailiwick drill list
  bailiwick drill lock-traveller
  bailiwick drill all --json drills.json
  bailiwick drill simulate --minutes 1`
}

type drillFlags struct {
	JSON string `name:"json" help:"Write the results to this file as JSON; - is standard output." placeholder:"FILE"`
}

type drillRunCommand struct {
	drillFlags
	Name string `arg:"" help:"Name of the drill; see bailiwick drill list."`
}

func (drillRunCommand) Help() string {
	return `Tells every way in which the drill was tried, what became of the phones, and who noticed.

Examples:
  bailiwick drill hold-outside-cohort
  bailiwick drill two-ledgers --json -`
}

func (c *drillRunCommand) Run(ctx context.Context, env Environment) error {
	d, err := drill.Find(c.Name)
	if err != nil {
		return usageError{err}
	}
	return c.perform(ctx, env, []drill.Drill{d}, drill.WriteStory)
}

type drillAllCommand struct {
	drillFlags
	Markdown bool `help:"Write the table as docs/threat-model.md has it."`
}

func (drillAllCommand) Help() string {
	return `Takes less than a minute on two processors. The table has a row for each drill; a single drill tells more.

Examples:
  bailiwick drill all
  bailiwick drill all --json drills.json
  bailiwick drill all --markdown`
}

func (c *drillAllCommand) Run(ctx context.Context, env Environment) error {
	write := drill.WriteTable
	if c.Markdown {
		write = drill.WriteMarkdown
	}
	return c.perform(ctx, env, drill.Drills(), write)
}

func (f *drillFlags) perform(ctx context.Context, env Environment, drills []drill.Drill, tell func(io.Writer, []drill.Result) error) error {
	progress := newDrillProgress(ctx, env, len(drills))
	results, err := drill.Run(ctx, drills, progress.done)
	progress.end()
	if err != nil {
		return err
	}
	out := env.Stdout
	if f.JSON == "-" {
		out = env.Stderr
	}
	if err := errors.Join(tell(out, results), writeReport(env, f.JSON, results)); err != nil {
		return err
	}
	return conclude(out, results)
}

// conclude says what it comes to, and fails when a single phone was wrongly locked.
func conclude(out io.Writer, results []drill.Result) error {
	wrong := drill.Wrong(results)
	if wrong == 0 {
		_, err := fmt.Fprintln(out, "No phone was wrongly locked.")
		return err
	}
	fmt.Fprintf(out, "PHONES WRONGLY LOCKED: %d\n", wrong)
	for _, r := range results {
		for _, who := range r.Wrong {
			fmt.Fprintf(out, "  %s: %s\n", r.Drill, who)
		}
	}
	return errSaid
}

type drillListCommand struct {
	JSON bool `name:"json" help:"Write JSON."`
}

func (drillListCommand) Help() string {
	return `Examples:
  bailiwick drill list
  bailiwick drill list --json`
}

// listedDrill is a drill as JSON.
type listedDrill struct {
	Drill string   `json:"drill"`
	Aim   string   `json:"aim"`
	Ways  []string `json:"ways"`
}

func (c *drillListCommand) Run(env Environment) error {
	drills := drill.Drills()
	if c.JSON {
		list := make([]listedDrill, len(drills))
		for i, d := range drills {
			list[i] = listedDrill{d.Name, d.About, d.Ways()}
		}
		return writeJSON(env.Stdout, list)
	}
	t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "drill\tways\twhat the attacker wants")
	for _, d := range drills {
		fmt.Fprintf(t, "%s\t%d\t%s\n", d.Name, len(d.Ways()), d.About)
	}
	return t.Flush()
}

// drillProgress shows which drills are over: a bar on a terminal, a line each elsewhere.
type drillProgress struct {
	env  Environment
	bars *mpb.Progress
	bar  *mpb.Bar
}

func newDrillProgress(ctx context.Context, env Environment, drills int) *drillProgress {
	p := &drillProgress{env: env}
	fmt.Fprintln(env.Stderr, "staging the honest story: a server, a witness, fifteen phones, 26 days")
	if env.Terminal && drills > 1 {
		p.bars = mpb.NewWithContext(ctx, mpb.WithOutput(env.Stderr), mpb.WithWidth(48))
		p.bar = p.bars.AddBar(int64(drills), mpb.PrependDecorators(decor.CountersNoUnit("%d of %d drills")))
	}
	return p
}

func (p *drillProgress) done(r drill.Result) {
	if p.bar != nil {
		p.bar.Increment()
		return
	}
	fmt.Fprintf(p.env.Stderr, "%s%s wrongly locked: %d\n", r.Drill, strings.Repeat(" ", max(1, 26-len(r.Drill))), r.WronglyLocked)
}

func (p *drillProgress) end() {
	if p.bars != nil {
		p.bar.Abort(false)
		p.bars.Wait()
	}
}
