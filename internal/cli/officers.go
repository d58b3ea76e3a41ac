package cli

import (
	"context"
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"
)

type officerCommand struct {
	Key     officerKeyCommand     `cmd:"" help:"Make the key with which an officer signs."`
	Show    officerShowCommand    `cmd:"" help:"Say what a key or a proposal is, check it, and who has signed."`
	Sign    officerSignCommand    `cmd:"" help:"Sign a proposal with your key, after seeing what it changes."`
	Merge   officerMergeCommand   `cmd:"" help:"Put copies of a proposal together that officers signed at the same time."`
	Root    officerRootCommand    `cmd:"" help:"Propose who the officers are: the first ones, or a change."`
	Publish officerPublishCommand `cmd:"" help:"Publish a signed founding or change of officers. For administrators."`
	List    officerListCommand    `cmd:"" help:"List the accounts: everybody who may log in to a server."`
	Add     officerAddCommand     `cmd:"" help:"Add an account, with a one-time password. For administrators."`
}

func (officerCommand) Help() string {
	return `Officers are two things here. Their keys sign policies, warrants and who the officers are: key, show, sign, merge, root and publish, most of them without a
network. Their accounts let them log in to a server, look, and decide daily work: list and add. An account signs nothing, and a key logs in
nowhere.

Examples:
  bailiwick officer key --name "Ada Adams" -o ada.key
  bailiwick officer root --officer ada.pub --officer bela.pub --server https://trust.example.com -o founding.json
  bailiwick officer sign founding.json --key ada.key
  bailiwick officer publish founding.json
  bailiwick officer list
  bailiwick officer add officer-one`
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
