package cli

import (
	"context"
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"
)

type officerCommand struct {
	List officerListCommand `cmd:"" help:"List everybody who may log in."`
	Add  officerAddCommand  `cmd:"" help:"Add somebody, with a one-time password. For administrators."`
}

func (officerCommand) Help() string {
	return `Examples:
  bailiwick officer list
  bailiwick officer add officer-one
  bailiwick officer add helpdesk --role support`
}

type officerListCommand struct{ officerFlags }

func (officerListCommand) Help() string {
	return `Examples:
  bailiwick officer list`
}

func (c *officerListCommand) Run(ctx context.Context, env Environment) error {
	var officers []struct {
		Name       string     `json:"name"`
		Role       string     `json:"role"`
		MustChange bool       `json:"must_change_password"`
		CreatedAt  time.Time  `json:"created_at"`
		DisabledAt *time.Time `json:"disabled_at"`
	}
	raw, err := c.ask(ctx, env, http.MethodGet, "/v1/officers", nil, &officers)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "name\trole\tsince\t")
		for _, o := range officers {
			note := ""
			if o.DisabledAt != nil {
				note = "disabled"
			} else if o.MustChange {
				note = "has not logged in yet"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", o.Name, o.Role, o.CreatedAt.Format(time.DateOnly), note)
		}
		t.Flush()
	})
}

type officerAddCommand struct {
	officerFlags
	Name string `arg:"" help:"Name to log in with."`
	Role string `help:"admin, officer or support." enum:"admin,officer,support" default:"officer"`
}

func (officerAddCommand) Help() string {
	return `Examples:
  bailiwick officer add officer-one
  bailiwick officer add helpdesk --role support`
}

func (c *officerAddCommand) Run(ctx context.Context, env Environment) error {
	var added struct {
		Password string `json:"one_time_password"`
	}
	raw, err := c.ask(ctx, env, http.MethodPost, "/v1/officers", map[string]string{"name": c.Name, "role": c.Role}, &added)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		fmt.Fprintf(env.Stdout, "%s is added as %s, with the one-time password\n\n    %s\n\nIt is shown this once, and is changed at the first login.\n", c.Name, c.Role, added.Password)
	})
}
