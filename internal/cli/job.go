package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

type jobCommand struct {
	List   jobListCommand   `cmd:"" help:"List jobs, newest first."`
	Show   jobShowCommand   `cmd:"" help:"Show a job with what has come of it so far."`
	Wait   jobWaitCommand   `cmd:"" help:"Wait for the end of a job."`
	Cancel jobCancelCommand `cmd:"" help:"Call a job off; what is done stays done."`
}

func (jobCommand) Help() string {
	return `Long work, such as a release of many devices or the notices of a large warrant, is a job on the server. It goes on after a crash where it was, and whoever began it need not wait.

Examples:
  bailiwick job list
  bailiwick job wait 7
  bailiwick job cancel 8`
}

// jobAnswer is a job as the server tells of it.
type jobAnswer struct {
	ID         int64           `json:"id"`
	Kind       string          `json:"kind"`
	Subject    string          `json:"subject"`
	About      string          `json:"about"`
	State      string          `json:"state"`
	Done       int64           `json:"done"`
	Total      int64           `json:"total"`
	Left       float64         `json:"left_seconds"`
	By         string          `json:"by"`
	CreatedAt  time.Time       `json:"created_at"`
	FinishedAt *time.Time      `json:"finished_at"`
	Result     json.RawMessage `json:"result"`
	Fault      *struct {
		Detail string `json:"detail"`
		Fix    string `json:"fix"`
	} `json:"fault"`

	raw json.RawMessage
}

func (j *jobAnswer) over() bool { return j.FinishedAt != nil }

func (j *jobAnswer) hint() string {
	return fmt.Sprintf("Wait for it with: bailiwick job wait %d\n", j.ID)
}

// about is what a job is, in a few words.
func (j *jobAnswer) about() string {
	if about := web.ShortSubject(cmp.Or(j.About, j.Subject)); about != "" {
		return j.Kind + " " + about
	}
	return j.Kind
}

// progress is how far it is, for people.
func (j *jobAnswer) progress() string {
	if text := web.JobProgress(j.Kind, j.Done, j.Total, time.Duration(j.Left*float64(time.Second))); text != "" {
		return text
	}
	if j.State == "done" {
		return "all of it" // there was nothing to count
	}
	return "–"
}

// failed is why a job that is over did not succeed.
func (j *jobAnswer) failed() error {
	if !j.over() || j.State == "done" {
		return nil
	}
	text := fmt.Sprintf("job %d %s", j.ID, j.State)
	if j.Fault != nil {
		text += ": " + j.Fault.Detail
		if j.Fault.Fix != "" {
			text += "\n  " + j.Fault.Fix
		}
	}
	return errors.New(text)
}

// waitFlags are those of commands that begin a job.
type waitFlags struct {
	NoWait bool `name:"no-wait" help:"Do not wait for the end of the job on the server."`
}

// begin asks for a job, and waits for its end unless told not to. result is what came of it, as far as it has come.
func (w *waitFlags) begin(ctx context.Context, env Environment, f *officerFlags, path string, question, result any) (*jobAnswer, error) {
	j := &jobAnswer{}
	raw, err := f.ask(ctx, env, http.MethodPost, path, question, j)
	if err != nil {
		return nil, err
	}
	j.raw = raw
	if !w.NoWait && !j.over() {
		if j, err = f.await(ctx, env, j.ID); err != nil {
			return nil, err
		}
	}
	if err := j.failed(); err != nil {
		return nil, err
	}
	if len(j.Result) == 0 {
		return j, nil
	}
	return j, json.Unmarshal(j.Result, result)
}

func (f *officerFlags) job(ctx context.Context, env Environment, id int64) (*jobAnswer, error) {
	j := &jobAnswer{}
	raw, err := f.ask(ctx, env, http.MethodGet, fmt.Sprintf("/v1/jobs/%d", id), nil, j)
	j.raw = raw
	if refused := (*problem)(nil); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		refused.Detail, refused.Fix = fmt.Sprintf("there is no job %d", id), "bailiwick job list has those that there are; finished ones are forgotten after a time"
	}
	return j, err
}

// await waits for the end of a job and shows how far it is. A server that does not answer for a while is waited for, too.
func (f *officerFlags) await(ctx context.Context, env Environment, id int64) (*jobAnswer, error) {
	bar := newJobBar(ctx, env)
	defer bar.end()
	const patience = 20
	for failures := 0; ; {
		j, err := f.job(ctx, env, id)
		var refused *problem
		switch {
		case err == nil:
			failures = 0
			bar.show(j)
			if j.over() {
				return j, nil
			}
		case ctx.Err() != nil:
			return nil, fmt.Errorf("no longer waiting; job %d goes on on the server", id)
		case errors.As(err, &refused) && refused.Status < 500, failures == patience:
			return nil, err
		default:
			failures++
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// jobBar shows how far a job is: a bar on a terminal, a line now and then elsewhere.
type jobBar struct {
	env  Environment
	bars *mpb.Progress
	bar  *mpb.Bar
	last atomic.Pointer[jobAnswer]
	told time.Time
}

func newJobBar(ctx context.Context, env Environment) *jobBar {
	b := &jobBar{env: env, told: time.Now()}
	if env.Terminal {
		b.bars = mpb.NewWithContext(ctx, mpb.WithOutput(env.Stderr), mpb.WithWidth(48))
	}
	return b
}

func (b *jobBar) show(j *jobAnswer) {
	b.last.Store(j)
	if b.bars == nil {
		if now := time.Now(); now.Sub(b.told) >= 10*time.Second {
			b.told = now
			fmt.Fprintf(b.env.Stderr, "%s: %s\n", j.about(), j.progress())
		}
		return
	}
	if b.bar == nil {
		b.bar = b.bars.AddBar(max(j.Total, 1), mpb.PrependDecorators(decor.Name(j.about()+" ")),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return b.last.Load().progress() })))
	}
	b.bar.SetTotal(max(j.Total, 1), false)
	b.bar.SetCurrent(j.Done)
}

func (b *jobBar) end() {
	if b.bar != nil {
		b.bar.Abort(b.last.Load().State != "done")
	}
	if b.bars != nil {
		b.bars.Wait()
	}
}

type jobListCommand struct {
	officerFlags
	Limit int `help:"How many." default:"20"`
}

func (jobListCommand) Help() string {
	return `Examples:
  bailiwick job list
  bailiwick job list --json`
}

func (c *jobListCommand) Run(ctx context.Context, env Environment) error {
	var jobs []jobAnswer
	raw, err := c.ask(ctx, env, http.MethodGet, fmt.Sprintf("/v1/jobs?limit=%d", c.Limit), nil, &jobs)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		if len(jobs) == 0 {
			fmt.Fprintln(env.Stdout, "There is no job yet.")
			return
		}
		t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "job\twhat\tstate\tprogress\tbegun\tby")
		for _, j := range jobs {
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", j.ID, oneLine(j.about()), j.State, j.progress(), web.DateTime(j.CreatedAt), j.By)
		}
		t.Flush()
	})
}

type jobShowCommand struct {
	officerFlags
	ID int64 `arg:"" help:"Number of the job."`
}

func (jobShowCommand) Help() string {
	return `Examples:
  bailiwick job show 7`
}

func (c *jobShowCommand) Run(ctx context.Context, env Environment) error {
	j, err := c.job(ctx, env, c.ID)
	if err != nil {
		return err
	}
	return c.show(env, j.raw, func() { showJob(env, j) })
}

func showJob(env Environment, j *jobAnswer) {
	fmt.Fprintf(env.Stdout, "Job %d, %s, %s: %s; begun on %s by %s\n", j.ID, j.about(), j.State, j.progress(), web.DateTime(j.CreatedAt), j.By)
	if j.Fault != nil {
		fmt.Fprintln(env.Stdout, j.Fault.Detail)
		if j.Fault.Fix != "" {
			fmt.Fprintln(env.Stdout, j.Fault.Fix)
		}
	}
	var counted authority.Simulation
	if j.Kind == authority.SimulationJob && json.Unmarshal(j.Result, &counted) == nil {
		fmt.Fprintln(env.Stdout)
		showSimulation(env, &counted, shownSamples)
		return
	}
	if figures := web.JobFigures(j.Kind, j.Result); figures != nil {
		t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
		for _, f := range figures {
			fmt.Fprintf(t, "%s\t%s\n", f.Name, f.Value)
		}
		t.Flush()
		return
	}
	if len(j.Result) > 0 {
		if pretty, err := json.MarshalIndent(j.Result, "", "  "); err == nil {
			fmt.Fprintln(env.Stdout, string(pretty))
		}
	}
}

type jobWaitCommand struct {
	officerFlags
	ID int64 `arg:"" help:"Number of the job."`
}

func (jobWaitCommand) Help() string {
	return `Exits with 0 when the job succeeded, and with 1 when it failed or was called off.

Examples:
  bailiwick job wait 7
  bailiwick job wait 7 --json`
}

func (c *jobWaitCommand) Run(ctx context.Context, env Environment) error {
	j, err := c.await(ctx, env, c.ID)
	if err != nil {
		return err
	}
	if err := c.show(env, j.raw, func() { showJob(env, j) }); err != nil {
		return err
	}
	if j.failed() != nil {
		return errSaid
	}
	return nil
}

type jobCancelCommand struct {
	officerFlags
	ID int64 `arg:"" help:"Number of the job."`
}

func (jobCancelCommand) Help() string {
	return `A release, an approved wave and a warrant's notices are not called off: their decision was taken. To end a hold, conclude its case.

Examples:
  bailiwick job cancel 8`
}

func (c *jobCancelCommand) Run(ctx context.Context, env Environment) error {
	return c.act(ctx, env, fmt.Sprintf("/v1/jobs/%d/cancel", c.ID), nil, fmt.Sprintf("Job %d is called off. What was done stays done.", c.ID))
}
