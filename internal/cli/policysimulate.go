package cli

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/territory"
)

type policySimulateCommand struct {
	officerFlags
	waitFlags
	File    string `arg:"" help:"Policy file; - reads standard input."`
	Samples int    `help:"How many samples to show." default:"10"`
}

func (policySimulateCommand) Help() string {
	return `The server asks both policies, this one and the one in force, about every device, as of now or of this one's effective_from, and counts who would be noticed,
who locked and who lifted, by territory and model. Nothing changes, and the file needs no signatures. It is a job: bailiwick job wait shows its
result later, too.

Examples:
  bailiwick policy simulate my-policy.yaml
  bailiwick policy simulate my-policy.yaml --json
  bailiwick policy simulate my-policy.yaml --no-wait`
}

func (c *policySimulateCommand) Run(ctx context.Context, env Environment) error {
	source, err := readPolicy(env, c.File)
	if err != nil {
		return err
	}
	var r authority.Simulation
	j, err := c.begin(ctx, env, &c.officerFlags, "/v1/policies/simulate", map[string]string{"name": filepath.Base(c.File), "source": string(source)}, &r)
	if err != nil {
		return err
	}
	return c.show(env, j.raw, func() {
		if !j.over() {
			fmt.Fprintf(env.Stdout, "The simulation goes on.\n%s", j.hint())
			return
		}
		showSimulation(env, &r, c.Samples)
	})
}

// shownSamples is how many samples other commands show.
const shownSamples = 10

// showSimulation writes what came of one, for people.
func showSimulation(env Environment, r *authority.Simulation, samples int) {
	against := r.Against
	if against == "" {
		against = "no policy"
	}
	fmt.Fprintf(env.Stdout, "%s, as of %s, beside %s: %s\n", r.Title, web.DateTime(r.At), against, web.Count(r.Total.After.Devices, "device", "devices"))
	fmt.Fprintf(env.Stdout, "Each pair: by the policy in force → by this one. Undecided, which counts for the owner: %s → %s.\n\n", web.Number(r.Total.Before.Unclear), web.Number(r.Total.After.Unclear))
	t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(name string, n authority.BeforeAfter) {
		pair := func(before, after int) string { return web.Number(before) + " → " + web.Number(after) }
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t\n", name, pair(n.Before.Denied, n.After.Denied), pair(n.Before.Noticed, n.After.Noticed),
			pair(n.Before.Locked, n.After.Locked), pair(n.Before.Lifted, n.After.Lifted))
	}
	fmt.Fprintln(t, "\tdenied\tnoticed\tlocked\tlifted\t")
	line("all", r.Total)
	for _, place := range slices.Sorted(maps.Keys(r.ByTerritory)) {
		if n := *r.ByTerritory[place]; touched(n) {
			name := string(place)
			if place == territory.Unknown {
				name = "not activated"
			}
			line(name, n)
		}
	}
	for _, model := range slices.Sorted(maps.Keys(r.ByModel)) {
		if n := *r.ByModel[model]; touched(n) {
			line(oneLine(model), n)
		}
	}
	t.Flush()
	for _, s := range r.Samples[:min(max(samples, 0), len(r.Samples))] {
		fmt.Fprintf(env.Stdout, "sample: %s, %s, %s: %s by rule %s; %s before, %s after\n    %s\n", s.Device, oneLine(s.Model), s.Territory, s.What, s.Rule, s.Before, s.After, s.Why)
	}
}

// touched reports whether either policy does anything to somebody.
func touched(n authority.BeforeAfter) bool {
	n.Before.Devices, n.After.Devices = 0, 0
	n.Before.Unclear, n.After.Unclear = 0, 0
	return n != authority.BeforeAfter{}
}
