package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
)

type warrantCommand struct {
	Draft   warrantDraftCommand   `cmd:"" help:"Draft a warrant in a case: a hold with a reason and an end, for officers to sign."`
	Sign    warrantSignCommand    `cmd:"" help:"Sign a warrant with your key, after seeing whom it is for."`
	Publish warrantPublishCommand `cmd:"" help:"Put a warrant that enough officers have signed in force: the notices go out."`
	Renew   warrantRenewCommand   `cmd:"" help:"Have the warrants in force signed anew, because the signatures would expire."`
}

func (warrantCommand) Help() string {
	return `Examples:
  bailiwick warrant draft case-0001 --reason "We are investigating this shipment." --ends 2026-12-31 -o warrant.json
  bailiwick warrant sign warrant.json --key ada.key
  bailiwick warrant publish warrant.json`
}

type warrantDraftCommand struct {
	officerFlags
	Case   string    `arg:"" help:"The case, such as case-0001; or a warrant that was drafted, such as warrant-0001, to have its proposal made anew."`
	Reason string    `help:"What every owner reads." placeholder:"TEXT"`
	Ends   time.Time `help:"The last day of the hold, which then ends by itself at noon UTC; at most 90 days ahead." format:"2006-01-02" placeholder:"DATE"`
	Out    string    `short:"o" help:"File for the proposal." required:"" placeholder:"FILE"`
}

func (warrantDraftCommand) Help() string {
	return `The devices of the case's consignment are frozen: the list travels in the proposal, and the warrant names the root of the tree over it. Nobody is
held until two officers have signed and the proposal is published. When something else was published meanwhile, have the proposal made
anew with the warrant's number: it keeps its text and its devices.

Examples:
  bailiwick warrant draft case-0001 --reason "We are investigating this shipment." --ends 2026-12-31 -o warrant.json
  bailiwick warrant draft warrant-0001 -o again.json`
}

// draftAnswer is a drafted warrant with its proposal.
type draftAnswer struct {
	Warrant  warrantAnswer `json:"warrant"`
	Proposal []byte        `json:"proposal"`
}

func (c *warrantDraftCommand) Run(ctx context.Context, env Environment) error {
	if _, err := os.Lstat(c.Out); err == nil {
		return fmt.Errorf("%s is there already; choose another name with -o", c.Out)
	}
	again := c.Reason == "" && c.Ends.IsZero()
	path := "/v1/cases/" + url.PathEscape(c.Case) + "/warrants"
	question := map[string]any{"reason": c.Reason, "ends_at": c.Ends.Add(12 * time.Hour)}
	switch {
	case again:
		path, question = "/v1/warrants/"+url.PathEscape(c.Case)+"/proposal", map[string]any{}
	case c.Reason == "" || c.Ends.IsZero():
		return usageError{errors.New("a warrant has a --reason and an end, --ends; leave out both to have the proposal of a drafted warrant made anew")}
	}
	var answer draftAnswer
	if _, err := c.ask(ctx, env, http.MethodPost, path, question, &answer); err != nil {
		return err
	}
	p, err := tufrepo.ParseProposal(answer.Proposal)
	if err != nil {
		return fmt.Errorf("the server's proposal: %w", err)
	}
	return wrote(ctx, env, c.Out, p, c.JSON)
}

type warrantSignCommand struct {
	signFlags
	CohortCSV string `name:"cohort-csv" help:"Write whom the warrant is for to this file, one IMEI on a line." placeholder:"FILE"`
}

func (warrantSignCommand) Help() string {
	return `Shows case, reason, end, and how many devices of which models; computes the root of the list of devices again and refuses a proposal where it differs;
asks, and adds your signature. It needs no network.

Examples:
  bailiwick warrant sign warrant.json --key ada.key
  bailiwick warrant sign warrant.json --key ada.key --cohort-csv devices.csv -o signed.json`
}

func (c *warrantSignCommand) Run(ctx context.Context, env Environment) error {
	return c.sign(ctx, env, aids{}, func(p *tufrepo.Proposal) error {
		if err := about(c.Proposal, p, tufrepo.Warrant); err != nil || c.CohortCSV == "" {
			return err
		}
		v, err := examine(ctx, c.Proposal, p, aids{})
		if err != nil {
			return err
		}
		if v.Warrant.cohort == nil {
			return usageError{errors.New("--cohort-csv: this proposal brings no new warrant, and so no devices")}
		}
		return v.Warrant.writeCSV(c.CohortCSV)
	})
}

type warrantPublishCommand struct {
	publishFlags
	waitFlags
}

func (warrantPublishCommand) Help() string {
	return `The warrant is in force when the server answers. Up to 10,000 devices have their notices then; of a larger cohort a job on the server gives them, which goes
on whatever happens here or there: this waits for its end. A phone that checks in meanwhile gets its notice there, and one only.

Examples:
  bailiwick warrant publish warrant.json
  bailiwick warrant publish warrant.json --no-wait
  bailiwick warrant publish warrant.json --json`
}

func (c *warrantPublishCommand) Run(ctx context.Context, env Environment) error {
	p, err := readProposal(env, c.Proposal)
	if err != nil {
		return err
	}
	answer, raw, err := c.handIn(ctx, env, p, tufrepo.Warrant)
	if err != nil {
		return err
	}
	if answer.Warrant == nil { // renewed signatures
		return c.show(env, raw, func() { answer.write(env) })
	}
	return c.follow(ctx, env, &c.officerFlags, answer.Warrant, raw, []string{"warrant"}, func() { answer.write(env) })
}

type warrantRenewCommand struct {
	Server string `help:"The server; its public metadata are read, without an account." placeholder:"URL"`
	From   string `help:"Folder with a copy of the server's metadata/, instead of --server." type:"existingdir" placeholder:"DIR"`
	Out    string `short:"o" help:"File for the proposal." required:"" placeholder:"FILE"`
	JSON   bool   `name:"json" help:"Write JSON."`
}

func (warrantRenewCommand) Help() string {
	return `No warrant gets longer by it: each ends on the day that it names. A new warrant renews the signatures as well, so that this is rarely needed.

Examples:
  bailiwick warrant renew --server https://trust.example.com -o renewal.json`
}

func (c *warrantRenewCommand) Run(ctx context.Context, env Environment) error {
	if c.Server != "" && c.From != "" {
		return usageError{errors.New("--server and --from: what is in force comes from one of them")}
	}
	r, err := presentRepository(ctx, env, c.Server, c.From)
	if err != nil {
		return err
	}
	p, err := r.ProposeWarrant(nil, func(string) bool { return true }, env.Now())
	if err != nil {
		return err
	}
	return wrote(ctx, env, c.Out, p, c.JSON)
}
