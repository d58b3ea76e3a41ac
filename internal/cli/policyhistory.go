package cli

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

type policyHistoryCommand struct {
	officerFlags
	Limit int `help:"How many." default:"20"`
}

func (policyHistoryCommand) Help() string {
	return `The latest in force first: the version, since when it is in force, and which officers signed. bailiwick officer show --server URL says the same of the
signatures that stand now without an account.

Examples:
  bailiwick policy history
  bailiwick policy history --limit 100 --json`
}

// editionAnswer is a policy of a server.
type editionAnswer struct {
	ID         string    `json:"id"`
	Version    int       `json:"version"`
	Title      string    `json:"title"`
	Name       string    `json:"name"`
	Hash       string    `json:"hash"`
	Effective  time.Time `json:"effective_from"`
	ActivateAt time.Time `json:"activate_at"`
	By         string    `json:"by"`
	Signers    []string  `json:"signers"`
	Signed     bool      `json:"signed"`
	InForce    bool      `json:"in_force"`
}

func (c *policyHistoryCommand) Run(ctx context.Context, env Environment) error {
	var editions []editionAnswer
	raw, err := c.ask(ctx, env, http.MethodGet, fmt.Sprintf("/v1/policies?limit=%d", c.Limit), nil, &editions)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		if len(editions) == 0 {
			fmt.Fprintln(env.Stdout, "There is no policy yet.")
		}
		var present time.Time // since when the one in force is
		for _, e := range editions {
			if e.InForce {
				present = e.ActivateAt
			}
		}
		for _, e := range editions {
			signers := "nobody has signed it"
			if len(e.Signers) > 0 {
				signers = "signed by " + joinAnd(e.Signers)
			}
			fmt.Fprintf(env.Stdout, "%s version %d: %s\n  %s; effective from %s, %s\n  published by %s, sha256 %s\n", e.ID, e.Version, oneLine(e.Title),
				e.state(present), e.Effective.Format(time.DateOnly), signers, e.By, e.Hash)
		}
	})
}

// state says how a policy stands beside the one in force.
func (e *editionAnswer) state(present time.Time) string {
	since := e.ActivateAt.Format(time.RFC3339)
	switch {
	case e.InForce:
		return "in force since " + since
	case e.ActivateAt.After(present) && e.Signed:
		return "will be in force from " + since + " on"
	}
	return "replaced; was in force from " + since + " on"
}
