package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
)

type policyCommand struct {
	Check   policyCheckCommand   `cmd:"" help:"Validate policy files, run their tests, and warn of overdue reviews."`
	Diff    policyDiffCommand    `cmd:"" help:"Say what differs between two policies, and what it means for owners."`
	Publish policyPublishCommand `cmd:"" help:"Publish a policy on a server, as an officer."`
}

func (policyCommand) Help() string {
	return `Examples:
  bailiwick policy check my-policy.yaml
  bailiwick policy diff policies/terms-2021-09.yaml policies/terms-2026-11.yaml
  bailiwick policy publish my-policy.yaml`
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
	File string    `arg:"" help:"Policy file."`
	At   time.Time `help:"When it comes in force, as 2026-12-01T00:00:00Z; at once when left out." placeholder:"TIME"`
}

func (policyPublishCommand) Help() string {
	return `The server checks the file again, and takes none with a fault or a failing test.

Examples:
  bailiwick policy check my-policy.yaml && bailiwick policy publish my-policy.yaml
  bailiwick policy publish my-policy.yaml --at 2026-12-01T00:00:00Z`
}

func (c *policyPublishCommand) Run(ctx context.Context, env Environment) error {
	src, err := readPolicy(env, c.File)
	if err != nil {
		return err
	}
	question := map[string]any{"name": filepath.Base(c.File), "source": string(src), "activate_at": c.At}
	if c.At.IsZero() {
		// The server's time is what counts, and a sandbox's may be far from this machine's.
		if question["activate_at"], err = c.serverTime(ctx, env); err != nil {
			return err
		}
	}
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
