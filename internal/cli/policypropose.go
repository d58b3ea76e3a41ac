package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/targets"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

type policyProposeCommand struct {
	File   string `arg:"" optional:"" help:"Policy file; - reads standard input."`
	Renew  bool   `help:"Propose no new policy: the policies in force are signed anew, because the signatures would expire."`
	Server string `help:"The server whose policy is to follow; its public metadata are read, without an account." placeholder:"URL"`
	From   string `help:"Folder with a copy of the server's metadata/ and targets/, instead of --server." type:"existingdir" placeholder:"DIR"`
	Out    string `short:"o" help:"File for the proposal." required:"" placeholder:"FILE"`
	JSON   bool   `name:"json" help:"Write JSON."`
}

func (policyProposeCommand) Help() string {
	return `Checks the policy and its tests, says what differs from the policy in force, and writes the proposal that officers sign. The policy in force and
later ones stay listed; older ones are dropped. It comes in force when it is published, and not before its effective_from.

Examples:
  bailiwick policy propose my-policy.yaml --server https://trust.example.com -o proposal.json
  bailiwick policy propose my-policy.yaml --from copy-of-metadata -o proposal.json
  bailiwick policy propose --renew --server https://trust.example.com -o renewal.json`
}

func (c *policyProposeCommand) Run(ctx context.Context, env Environment) error {
	if (c.File == "") != c.Renew {
		return usageError{errors.New("name a policy file, or say --renew to have the policies in force signed anew; not both")}
	}
	if c.Server != "" && c.From != "" {
		return usageError{errors.New("--server and --from: what is in force comes from one of them")}
	}
	replacement, err := c.replacement(env)
	if err != nil {
		return err
	}
	r, source, err := presentSource(ctx, env, c.Server, c.From)
	if err != nil {
		return err
	}
	listed, err := listedPolicies(r, source)
	if err != nil {
		return err
	}
	p, err := proposePolicy(r, listed, replacement, c.name(), env.Now())
	if err != nil {
		return err
	}
	return wrote(ctx, env, c.Out, p, c.JSON)
}

// name is what the document is called in lists.
func (c *policyProposeCommand) name() string {
	if c.File == "-" {
		return "policy.yaml"
	}
	return filepath.Base(c.File)
}

// replacement reads and checks the new policy; nil when there is none.
func (c *policyProposeCommand) replacement(env Environment) (*policy.Policy, error) {
	if c.Renew {
		return nil, nil
	}
	src, err := readPolicy(env, c.File)
	if err != nil {
		return nil, err
	}
	p, err := policy.Parse(c.File, src)
	if err != nil {
		return nil, fmt.Errorf("the policy has faults:\n%w", err)
	}
	report := p.Check(env.Now())
	if !report.OK() {
		fmt.Fprint(env.Stderr, report)
		return nil, fmt.Errorf("%d of the policy's own tests fail; nothing was proposed", report.Failed)
	}
	for _, w := range report.Warnings {
		fmt.Fprintf(env.Stderr, "%s:%d: warning: %s (%s)\n", c.File, w.Line, w.Message, w.Code)
	}
	return p, nil
}

// listedPolicies reads the policies that a repository lists.
func listedPolicies(r *tufrepo.Repository, source *source) ([]*policy.Policy, error) {
	files, err := r.Listed(tuf.Policy)
	if err != nil {
		return nil, err
	}
	var list []*policy.Policy
	for path, target := range files {
		hash, ok := targets.PolicyHash(path)
		if !ok {
			continue
		}
		data, err := source.target(path, target)
		if err != nil {
			return nil, err
		}
		if sha256.Sum256(data) != hash {
			return nil, fmt.Errorf("%s: %s does not have the hash of its name", source.name, path)
		}
		p, err := policy.Parse(path, data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source.name, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// proposePolicy keeps the policy in force and what follows it, and attaches what officers compare with.
func proposePolicy(r *tufrepo.Repository, listed []*policy.Policy, replacement *policy.Policy, name string, now time.Time) (*tufrepo.Proposal, error) {
	present := targets.InForce(listed, now)
	files, err := targets.Beside()
	if err != nil {
		return nil, err
	}
	if replacement != nil {
		for _, old := range listed {
			if old.Hash() == replacement.Hash() {
				return nil, fmt.Errorf("this very policy, %s, is listed already\n  Have the signatures renewed with: bailiwick policy propose --renew", replacement)
			}
		}
		if present != nil && replacement.EffectiveFrom.Before(present.EffectiveFrom) {
			return nil, fmt.Errorf("it takes effect on %s, before the policy that it replaces (%s); devices refuse to go back\n  Set effective_from to %s or later",
				replacement.EffectiveFrom.Format(time.DateOnly), present.EffectiveFrom.Format(time.DateOnly), present.EffectiveFrom.Format(time.DateOnly))
		}
		if present != nil && targets.Order(replacement, present) <= 0 {
			return nil, fmt.Errorf("it takes effect on the same day as the policy in force, %s, and its version, %d, is not higher: nobody could tell from the files which one follows the other\n  Raise its version", present, replacement.Version)
		}
		if files, err = targets.OfPolicy(replacement); err != nil {
			return nil, err
		}
	}
	kept := map[string]bool{}
	for _, old := range listed {
		if present == nil || targets.Order(old, present) >= 0 {
			kept[targets.PolicyFile(old.Hash())], kept[tuf.PolicyPath(old.Hash())] = true, true
		}
	}
	p, err := r.ProposePolicy(files, func(path string) bool { return kept[path] }, now)
	if err != nil {
		return nil, err
	}
	if replacement != nil {
		if err := p.Attach(targets.AttachedName, []byte(name)); err != nil {
			return nil, err
		}
	}
	return p, targets.AttachPolicies(p, listed)
}

type policySignCommand struct {
	signFlags
	policyAids
}

func (policySignCommand) Help() string {
	return `Shows what the policy changes, in words, against the policy in force, whose hash officers signed before; computes the extract that devices
read again from the policy file and refuses a proposal where it differs; asks, and adds your signature. It needs no network.

Examples:
  bailiwick policy sign proposal.json --key ada.key
  bailiwick policy sign proposal.json --key bela.key --with from-ada.json -o both.json`
}

func (c *policySignCommand) Run(ctx context.Context, env Environment) error {
	return c.sign(ctx, env, aids{c.Against, c.ForeignFiles}, func(p *tufrepo.Proposal) error {
		return about(c.Proposal, p, tufrepo.Policy)
	})
}

// about refuses a proposal on another subject than the command is for.
func about(file string, p *tufrepo.Proposal, subjects ...tufrepo.Subject) error {
	for _, s := range subjects {
		if p.Subject() == s {
			return nil
		}
	}
	return fmt.Errorf("%s is a proposal on another subject: %s\n  Look at it with: bailiwick officer show %s", file, subjectText[p.Subject()], file)
}
