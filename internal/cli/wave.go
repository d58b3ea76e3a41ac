package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"text/tabwriter"
	"time"
)

type waveCommand struct {
	List    waveListCommand    `cmd:"" help:"List waves, newest first."`
	Show    waveShowCommand    `cmd:"" help:"Show a wave: counts, what is odd about it, samples with their why."`
	Approve waveApproveCommand `cmd:"" help:"Approve a wave: its locks are issued."`
	Reject  waveRejectCommand  `cmd:"" help:"Reject a wave: nobody is locked."`
}

func (waveCommand) Help() string {
	return `Examples:
  bailiwick wave list
  bailiwick wave show 3
  bailiwick wave approve 3 --shown 120 --note "Counts and samples looked at."
  bailiwick wave reject 3 --note "A spike in one model: look at its clocks first."`
}

type waveAnswer struct {
	ID        int64     `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	State     string    `json:"state"`
	DecidedBy string    `json:"decided_by"`
	Note      string    `json:"note"`
	Size      int       `json:"size"`
}

type waveListCommand struct {
	officerFlags
	Limit int `help:"How many." default:"20" placeholder:"N"`
}

func (waveListCommand) Help() string {
	return `Examples:
  bailiwick wave list
  bailiwick wave list --json --limit 100`
}

func (c *waveListCommand) Run(ctx context.Context, env Environment) error {
	var waves []waveAnswer
	raw, err := c.ask(ctx, env, http.MethodGet, fmt.Sprintf("/v1/waves?limit=%d", c.Limit), nil, &waves)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		if len(waves) == 0 {
			fmt.Fprintln(env.Stdout, "There is no wave yet.")
			return
		}
		t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "wave\tstate\tlocks\tcreated\tdecided by\tnote")
		for _, w := range waves {
			fmt.Fprintf(t, "%d\t%s\t%d\t%s\t%s\t%s\n", w.ID, w.State, w.Size, w.CreatedAt.Format(time.DateOnly), w.DecidedBy, w.Note)
		}
		t.Flush()
	})
}

type countAnswer struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

type waveDetailAnswer struct {
	Wave        waveAnswer    `json:"wave"`
	Fleet       int           `json:"fleet"`
	Sampled     bool          `json:"sampled"`
	LookedAt    int           `json:"looked_at"`
	ByTerritory []countAnswer `json:"by_territory"`
	ByGround    []countAnswer `json:"by_ground"`
	ByModel     []countAnswer `json:"by_model"`
	Confirm     int           `json:"confirm"`
	Odd         []struct {
		Text string `json:"text"`
	} `json:"odd"`
	Samples []struct {
		Device string `json:"device"`
		Model  string `json:"model"`
		Rule   string `json:"rule"`
		Why    []struct {
			Text string `json:"text"`
		} `json:"why"`
	} `json:"samples"`
}

type waveShowCommand struct {
	officerFlags
	ID      int64 `arg:"" help:"Number of the wave."`
	Samples int   `help:"How many samples to show." default:"5"`
}

func (waveShowCommand) Help() string {
	return `Examples:
  bailiwick wave show 3
  bailiwick wave show 3 --samples 20`
}

func (c *waveShowCommand) Run(ctx context.Context, env Environment) error {
	var d waveDetailAnswer
	raw, err := c.ask(ctx, env, http.MethodGet, fmt.Sprintf("/v1/waves/%d", c.ID), nil, &d)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		fmt.Fprintf(env.Stdout, "Wave %d, %s: %d locks in a fleet of %d\n", d.Wave.ID, d.Wave.State, d.Wave.Size, d.Fleet)
		switch {
		case d.Sampled:
			fmt.Fprintf(env.Stdout, "counted in a sample of %d, spread over the wave:\n", d.LookedAt)
		case d.LookedAt == 0:
			fmt.Fprintln(env.Stdout, "Nothing is left in it that could be counted.")
			return
		case d.LookedAt < d.Wave.Size:
			fmt.Fprintf(env.Stdout, "counted in the %d that are left of it:\n", d.LookedAt)
		}
		for _, part := range []struct {
			name   string
			counts []countAnswer
		}{{"by territory", d.ByTerritory}, {"by ground", d.ByGround}, {"by model", d.ByModel}} {
			fmt.Fprintf(env.Stdout, "%s:", part.name)
			for _, count := range part.counts {
				fmt.Fprintf(env.Stdout, "  %s %d", count.Name, count.Count)
			}
			fmt.Fprintln(env.Stdout)
		}
		for _, odd := range d.Odd {
			fmt.Fprintln(env.Stdout, "odd:", odd.Text)
		}
		for _, s := range d.Samples[:min(max(c.Samples, 0), len(d.Samples))] {
			fmt.Fprintf(env.Stdout, "sample: %s, %s, rule %s\n", s.Device, s.Model, s.Rule)
			for _, why := range s.Why {
				fmt.Fprintln(env.Stdout, "   ", why.Text)
			}
		}
		if d.Wave.State == "open" {
			confirm := ""
			if d.Confirm > 0 {
				confirm = fmt.Sprintf(" --confirm %d", d.Confirm)
			}
			fmt.Fprintf(env.Stdout, "Approve with: bailiwick wave approve %d --shown %d%s\nReject with:  bailiwick wave reject %d --note WHY\n", d.Wave.ID, d.Wave.Size, confirm, d.Wave.ID)
		}
	})
}

type waveApproveCommand struct {
	officerFlags
	waitFlags
	ID      int64  `arg:"" help:"Number of the wave."`
	Note    string `help:"What you looked at; kept with the wave." placeholder:"TEXT"`
	Shown   int    `help:"Number of locks that you saw with wave show; refused when the wave has grown since." placeholder:"N"`
	Confirm int    `help:"Number of locks, when the wave asks for it." placeholder:"N"`
}

func (waveApproveCommand) Help() string {
	return `The locks are issued by a job on the server, after each device was looked at again; this waits for its end.

Examples:
  bailiwick wave approve 3 --shown 42 --note "Counts and samples looked at."
  bailiwick wave approve 4 --note "Read 40 samples." --confirm 120`
}

func (c *waveApproveCommand) Run(ctx context.Context, env Environment) error {
	var result struct {
		Locked  int            `json:"locked"`
		Skipped map[string]int `json:"skipped"`
	}
	question := map[string]any{"note": c.Note, "confirm": c.Confirm}
	if c.Shown > 0 {
		question["shown"] = c.Shown
	}
	j, err := c.begin(ctx, env, &c.officerFlags, fmt.Sprintf("/v1/waves/%d/approve", c.ID), question, &result)
	if err != nil {
		return err
	}
	return c.show(env, j.raw, func() {
		if !j.over() {
			fmt.Fprintf(env.Stdout, "The approval goes on.\n%s", j.hint())
			return
		}
		fmt.Fprintf(env.Stdout, "Approved: %d locks are issued.\n", result.Locked)
		for _, reason := range slices.Sorted(maps.Keys(result.Skipped)) {
			fmt.Fprintf(env.Stdout, "Skipped %d: %s\n", result.Skipped[reason], reason)
		}
	})
}

type waveRejectCommand struct {
	officerFlags
	ID   int64  `arg:"" help:"Number of the wave."`
	Note string `help:"Why; kept with the wave." required:"" placeholder:"TEXT"`
}

func (waveRejectCommand) Help() string {
	return `Examples:
  bailiwick wave reject 3 --note "A spike in one model: look at its clocks first."`
}

func (c *waveRejectCommand) Run(ctx context.Context, env Environment) error {
	return c.act(ctx, env, fmt.Sprintf("/v1/waves/%d/reject", c.ID), map[string]string{"note": c.Note}, fmt.Sprintf("Wave %d is rejected: nobody is locked.", c.ID))
}

// act posts something that has no answer but that it was done.
func (f *officerFlags) act(ctx context.Context, env Environment, path string, question any, done string) error {
	raw, err := f.ask(ctx, env, http.MethodPost, path, question, nil)
	if err != nil {
		return err
	}
	if len(raw) == 0 {
		raw = json.RawMessage("{}")
	}
	return f.show(env, raw, func() { fmt.Fprintln(env.Stdout, done) })
}
