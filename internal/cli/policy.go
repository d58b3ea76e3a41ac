package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
)

type policyCommand struct {
	Check    policyCheckCommand    `cmd:"" help:"Validate policy files, run their tests, and warn of overdue reviews."`
	Diff     policyDiffCommand     `cmd:"" help:"Say what differs between two policies, and what it means for owners."`
	Simulate policySimulateCommand `cmd:"" help:"Count what a policy would do to the fleet of a server, beside the one in force."`
	Propose  policyProposeCommand  `cmd:"" help:"Write the proposal of a policy, for officers to sign."`
	Sign     policySignCommand     `cmd:"" help:"Sign a policy proposal with your key, after seeing what it changes."`
	Publish  policyPublishCommand  `cmd:"" help:"Put a proposal that enough officers have signed in force on a server."`
	History  policyHistoryCommand  `cmd:"" help:"List the policies of a server: since when in force, and who signed."`
}

func (policyCommand) Help() string {
	return `Examples:
  bailiwick policy check my-policy.yaml
  bailiwick policy diff policies/terms-2021-09.yaml policies/terms-2026-11.yaml
  bailiwick policy simulate my-policy.yaml
  bailiwick policy propose my-policy.yaml --server https://trust.example.com -o proposal.json
  bailiwick policy sign proposal.json --key ada.key
  bailiwick policy publish proposal.json
  bailiwick policy history`
}

type policyCheckCommand struct {
	Files []string `arg:"" name:"file" help:"Policy files; - reads standard input."`
	On    string   `help:"Check as of this day (YYYY-MM-DD) instead of today." placeholder:"DATE"`
	JSON  bool     `name:"json" help:"Write JSON."`
}

func (policyCheckCommand) Help() string {
	return `Exits with 0 when every file is valid and every inline test passes; warnings do not count.

Examples:
  bailiwick policy check policies/terms-2026-11.yaml
  bailiwick policy check --on 2021-09-15 policies/terms-2021-09.yaml
  bailiwick policy check --json my-policy.yaml`
}

type checked struct {
	File     string           `json:"file"`
	OK       bool             `json:"ok"`
	Problems []policy.Problem `json:"problems"`
	Report   *policy.Report   `json:"report,omitempty"`
}

func (c *policyCheckCommand) Run(env Environment) error {
	now := env.Now()
	if c.On != "" {
		day, err := time.Parse(time.DateOnly, c.On)
		if err != nil {
			return usageError{fmt.Errorf("--on %s: a day is written YYYY-MM-DD", c.On)}
		}
		now = day
	}
	var results []checked
	failed := false
	for _, name := range c.Files {
		result, err := checkFile(env, name, now)
		if err != nil {
			return err
		}
		failed = failed || !result.OK
		results = append(results, result)
	}
	if c.JSON {
		if err := writeJSON(env.Stdout, results); err != nil {
			return err
		}
	} else {
		for _, r := range results {
			for _, p := range r.Problems {
				fmt.Fprintln(env.Stdout, p)
			}
			if r.Report != nil {
				fmt.Fprint(env.Stdout, r.Report)
			}
		}
	}
	if failed {
		return errSaid
	}
	return nil
}

func checkFile(env Environment, name string, now time.Time) (checked, error) {
	src, err := readPolicy(env, name)
	if err != nil {
		return checked{}, err
	}
	result := checked{File: name, Problems: []policy.Problem{}}
	p, err := policy.Parse(name, src)
	var problems policy.Problems
	if errors.As(err, &problems) {
		result.Problems = problems
		return result, nil
	} else if err != nil {
		return checked{}, err
	}
	report := p.Check(now)
	result.Report, result.OK = &report, report.OK()
	return result, nil
}

// maxPolicyFile is a little more than a policy may have, so that the parser can say what is wrong with a larger one.
const maxPolicyFile = 2 << 20

func readPolicy(env Environment, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(env.Stdin, maxPolicyFile))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.Join(fmt.Errorf("%s is a folder: name the policy file in it", name), f.Close())
	}
	src, err := io.ReadAll(io.LimitReader(f, maxPolicyFile))
	return src, errors.Join(err, f.Close())
}

type policyPublishCommand struct {
	officerFlags
	File string `arg:"" help:"A proposal with enough signatures; on a sandbox also a bare policy file."`
}

func (policyPublishCommand) Help() string {
	return `Puts a signed proposal in force: the server checks the signatures of the officers and everything that they signed for again, and takes none with
a fault or a failing test. The policy is in force from then on, and not before its effective_from.

A bare policy file is taken by a sandbox only, which signs with officers' keys of its own. Everywhere else two officers sign first:
bailiwick policy propose, then bailiwick policy sign, then this.

Examples:
  bailiwick policy publish proposal.json
  bailiwick policy check my-policy.yaml && bailiwick policy publish my-policy.yaml`
}

func (c *policyPublishCommand) Run(ctx context.Context, env Environment) error {
	src, err := readPublication(env, c.File)
	if err != nil {
		return err
	}
	if bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		p, err := tufrepo.ParseProposal(src)
		if err != nil {
			return fmt.Errorf("%s: %w", c.File, err)
		}
		flags := publishFlags{officerFlags: c.officerFlags, Proposal: c.File}
		return flags.publishProposal(ctx, env, p, tufrepo.Policy)
	}
	err = c.publishBare(ctx, env, src)
	if needsSignatures(err) {
		return fmt.Errorf("this server holds no officer's key\n%s", steps(c.File))
	}
	return err
}

// readPublication reads a policy file or a proposal.
func readPublication(env Environment, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(env.Stdin, tufrepo.MaxProposal+1))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: name the file in it", name)
	}
	return io.ReadAll(io.LimitReader(f, tufrepo.MaxProposal+1))
}

// publishBare publishes a policy file in one step, which a sandbox signs by itself.
func (c *policyPublishCommand) publishBare(ctx context.Context, env Environment, src []byte) (err error) {
	question := map[string]any{"name": filepath.Base(c.File), "source": string(src)}
	var published struct {
		Policy struct {
			Hash       string    `json:"hash"`
			ActivateAt time.Time `json:"activate_at"`
		} `json:"policy"`
		Title    string   `json:"title"`
		Tests    int      `json:"tests"`
		Warnings []string `json:"warnings"`
	}
	raw, err := c.ask(ctx, env, http.MethodPost, "/v1/policies", question, &published)
	if err != nil {
		return err
	}
	return c.show(env, raw, func() {
		for _, warning := range published.Warnings {
			fmt.Fprintln(env.Stdout, "warning:", warning)
		}
		fmt.Fprintf(env.Stdout, "Published: %s, %d tests passed, in force from %s\nsha256 %s\n",
			published.Title, published.Tests, published.Policy.ActivateAt.Format(time.RFC3339), published.Policy.Hash)
	})
}
