package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"
)

type appealCommand struct {
	List   appealListCommand   `cmd:"" help:"List appeals, soonest due first."`
	Answer appealAnswerCommand `cmd:"" help:"Grant an appeal, which lifts the restriction for good, or deny it."`
}

func (appealCommand) Help() string {
	return `Examples:
  bailiwick appeal list
  bailiwick appeal answer 7 --grant --text "You bought it in good faith. The restriction is lifted."
  bailiwick appeal answer 8 --deny --text "The licence that you sent is for another model."`
}

type appealRowAnswer struct {
	Appeal struct {
		ID     int64     `json:"id"`
		Ground string    `json:"ground"`
		Text   string    `json:"text"`
		DueAt  time.Time `json:"due_at"`
		State  string    `json:"state"`
	} `json:"appeal"`
	IMEI    string `json:"imei"`
	Contact string `json:"contact"`
	Model   string `json:"model"`
	Stage   string `json:"stage"`
	Overdue bool   `json:"overdue"`
}

type appealListCommand struct {
	officerFlags
	State string `help:"open, granted or denied; all when left out." enum:",open,granted,denied" default:"" placeholder:"STATE"`
	Limit int    `help:"How many." default:"20"`
}

func (appealListCommand) Help() string {
	return `Examples:
  bailiwick appeal list --state open`
}

func (c *appealListCommand) Run(ctx context.Context, env Environment) error {
	path := fmt.Sprintf("/v1/appeals?limit=%d", c.Limit)
	if c.State != "" {
		path += "&state=" + c.State
	}
	var rows []appealRowAnswer
	raw, err := c.ask(ctx, env, http.MethodGet, path, nil, &rows)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		if len(rows) == 0 {
			fmt.Fprintln(env.Stdout, "There is no appeal.")
			return
		}
		t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "appeal\tstate\tdue\tmodel\tIMEI\tstage\tground\twhat the owner says")
		for _, r := range rows {
			due := r.Appeal.DueAt.Format(time.DateOnly)
			if r.Overdue {
				due += " (overdue)"
			}
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Appeal.ID, r.Appeal.State, due, r.Model, r.IMEI, r.Stage, r.Appeal.Ground, oneLine(r.Appeal.Text))
		}
		t.Flush()
	})
}

type appealAnswerCommand struct {
	officerFlags
	ID    int64  `arg:"" help:"Number of the appeal."`
	Grant bool   `help:"Lift the restriction for good." xor:"verdict"`
	Deny  bool   `help:"Keep it; its date moves later by the time that the appeal took." xor:"verdict"`
	Text  string `help:"What the owner reads." required:"" placeholder:"TEXT"`
}

func (appealAnswerCommand) Help() string {
	return `Examples:
  bailiwick appeal answer 7 --grant --text "You bought it in good faith. The restriction is lifted."`
}

func (c *appealAnswerCommand) Run(ctx context.Context, env Environment) error {
	if c.Grant == c.Deny {
		return usageError{errors.New("say --grant or --deny")}
	}
	done := fmt.Sprintf("Appeal %d is denied: the restriction stays, its date moves later by the time that the appeal took.", c.ID)
	if c.Grant {
		done = fmt.Sprintf("Appeal %d is granted: the restriction is lifted for good.", c.ID)
	}
	return c.act(ctx, env, fmt.Sprintf("/v1/appeals/%d/answer", c.ID), map[string]any{"grant": c.Grant, "answer": c.Text}, done)
}
