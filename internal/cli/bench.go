package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/bailiwick-dev/bailiwick/internal/bench"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

type benchCommand struct {
	Only     []string `help:"Measure this row only; may be repeated." placeholder:"NAME"`
	Quick    bool     `help:"Smaller populations and shorter runs: under a minute for each row. Notes say what is smaller."`
	List     bool     `help:"List the rows and measure nothing."`
	JSON     string   `name:"json" help:"Write the rows to this file as JSON; - is standard output." placeholder:"FILE"`
	Markdown bool     `help:"Write the table as docs/performance.md has it, with the arithmetic for large fleets."`
	From     string   `help:"Measure nothing and show a report that --json wrote before." type:"existingfile" placeholder:"FILE"`
	Database string   `help:"PostgreSQL for the rows that need one, instead of a cluster that is made for the run: a server on which databases may be made and dropped." placeholder:"URL"`
	Dir      string   `help:"Folder for what is measured, on the disk that is meant; a temporary folder when left out. A whole run needs 8 GB." type:"existingdir" placeholder:"DIR"`
}

func (benchCommand) Help() string {
	return `Measures check-ins, records, ledger, bulk work and the device's side, each against a bound that is measured in the same run on the same machine: the
ratio is what carries over to another one. docs/performance.md says what each row means, and has figures. A whole run takes some three quarters of an
hour and wants a machine that does nothing else; rows that cannot be measured here say why.

Examples:
  bailiwick bench --quick
  bailiwick bench --json bench.json
  bailiwick bench --only checkin --only checkin_p99_ms
  bailiwick bench --from bench.json --markdown
  bailiwick bench --list`
}

func (c *benchCommand) Run(ctx context.Context, env Environment) error {
	if c.List {
		return c.list(env)
	}
	if err := c.writable(); err != nil {
		return err
	}
	report, err := c.report(ctx, env)
	if report == nil || len(report.Rows) == 0 && err != nil {
		return err
	}
	out := env.Stdout
	if c.JSON == "-" {
		out = env.Stderr
	}
	write := bench.WriteTable
	if c.Markdown {
		write = bench.WriteMarkdown
	}
	return errors.Join(err, write(out, report), writeReport(env, c.JSON, report))
}

// writable looks whether the report can be written, before what may take most of an hour; a file that is there stays as it is.
func (c *benchCommand) writable() error {
	if c.JSON == "" || c.JSON == "-" {
		return nil
	}
	f, err := os.OpenFile(c.JSON, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return usageError{fmt.Errorf("--json: %w", err)}
	}
	return f.Close()
}

func (c *benchCommand) list(env Environment) error {
	if c.JSON == "-" {
		return writeJSON(env.Stdout, bench.List())
	}
	return bench.WriteList(env.Stdout)
}

// report measures, or reads what was measured before.
func (c *benchCommand) report(ctx context.Context, env Environment) (*bench.Report, error) {
	if c.From != "" {
		text, err := os.ReadFile(c.From)
		if err != nil {
			return nil, err
		}
		report := new(bench.Report)
		if err := json.Unmarshal(text, report); err != nil || len(report.Rows) == 0 {
			return nil, fmt.Errorf("%s is no report of bailiwick bench --json", c.From)
		}
		return report, nil
	}
	dir := c.Dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "bailiwick-bench-"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
	}
	known := bench.List()
	for _, name := range c.Only {
		found := false
		for _, row := range known {
			found = found || row.Name == name
		}
		if !found {
			return nil, usageError{fmt.Errorf("there is no row %q; bailiwick bench --list has them", name)}
		}
	}
	rows := len(known)
	if len(c.Only) > 0 {
		rows = len(c.Only)
	}
	progress := newBenchProgress(ctx, env, rows)
	defer progress.end()
	return bench.Run(ctx, bench.Setup{Dir: dir, Quick: c.Quick, Database: c.Database, Progress: progress, Now: env.Now(), Serve: serveItself}, c.Only...)
}

// serveItself runs this program as a server.
func serveItself(ctx context.Context, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return exec.CommandContext(ctx, self, append([]string{"serve"}, args...)...)
}

// stageBar shows how far the stages of long work are: a bar for each on a terminal, a line each elsewhere.
type stageBar struct {
	env   Environment
	bars  *mpb.Progress
	mu    sync.Mutex
	bar   *mpb.Bar
	begun time.Time
}

func newStageBar(ctx context.Context, env Environment) *stageBar {
	p := &stageBar{env: env}
	if env.Terminal {
		p.bars = mpb.NewWithContext(ctx, mpb.WithOutput(env.Stderr), mpb.WithWidth(48))
	}
	return p
}

// Stage begins a part of the work.
func (p *stageBar) Stage(name string, steps int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over()
	if p.bars == nil {
		if steps > 0 {
			name += ": " + web.Number(steps)
		}
		fmt.Fprintln(p.env.Stderr, name)
		return
	}
	if steps == 0 {
		steps = 1
	}
	p.bar = p.bars.AddBar(int64(steps), mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR), decor.Any(counted)),
		mpb.AppendDecorators(decor.AverageSpeed(0, "%.0f/s"), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
}

// counted writes how far a bar is, with separators as everywhere else.
func counted(s decor.Statistics) string {
	return web.Number(int(s.Current)) + " / " + web.Number(int(s.Total))
}

// Step says that some steps are done.
func (p *stageBar) Step(steps int) {
	p.mu.Lock()
	bar := p.bar
	p.mu.Unlock()
	if bar != nil {
		bar.IncrBy(steps)
	}
}

// over takes the bar of the last stage down.
func (p *stageBar) over() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bar = nil
	}
}

func (p *stageBar) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over()
	if p.bars != nil {
		p.bars.Wait()
	}
}

// benchProgress adds the rows to it.
type benchProgress struct {
	*stageBar
	rows, row int
}

func newBenchProgress(ctx context.Context, env Environment, rows int) *benchProgress {
	return &benchProgress{stageBar: newStageBar(ctx, env), rows: rows}
}

// Row begins a measurement.
func (p *benchProgress) Row(name string) {
	p.row++
	p.begun = time.Now()
	p.say("%d of %d  %s", p.row, p.rows, name)
}

// Done ends it.
func (p *benchProgress) Done(row bench.Row) {
	p.mu.Lock()
	p.over()
	p.mu.Unlock()
	text := strings.TrimSpace(fmt.Sprintf("%s %s", bench.Figure(row.Value), row.Unit))
	if !row.Measured() {
		text = row.Note
	} else if row.Ratio != 0 {
		text += fmt.Sprintf(", ratio %.2f", row.Ratio)
	}
	p.say("        %s  (%.0f s)", text, time.Since(p.begun).Seconds())
}

func (p *benchProgress) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if p.bars != nil {
		_, _ = fmt.Fprintln(p.bars, text) // above the bars
		return
	}
	fmt.Fprintln(p.env.Stderr, text)
}
