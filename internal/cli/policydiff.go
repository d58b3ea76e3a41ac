package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/targets"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
)

// policySide is one side of a comparison as JSON.
type policySide struct {
	From      string `json:"from"`
	ID        string `json:"id"`
	Version   int    `json:"version"`
	Title     string `json:"title"`
	Hash      string `json:"hash"`
	Effective string `json:"effective"`
}

func sideOf(from string, p *policy.Policy) *policySide {
	if p == nil {
		return nil
	}
	return &policySide{from, p.ID, p.Version, p.Title, fmt.Sprintf("%x", p.Hash()), p.EffectiveFrom.Format(time.DateOnly)}
}

// policyDifference is a comparison as JSON.
type policyDifference struct {
	Old       *policySide    `json:"old"` // null when there was none
	New       *policySide    `json:"new"`
	Changes   policy.Changes `json:"changes"`
	ForOwners []string       `json:"for_owners"`
}

func compare(oldFrom string, old *policy.Policy, newFrom string, replacement *policy.Policy) policyDifference {
	d := policyDifference{sideOf(oldFrom, old), sideOf(newFrom, replacement), policy.Diff(old, replacement), []string{}}
	d.ForOwners = append(d.ForOwners, d.Changes.ForOwners()...)
	return d
}

// partTitles head the parts of a comparison, in the order in which people read it.
var partTitles = []struct{ part, title string }{
	{policy.PartTerritory, "Territories"}, {policy.PartNotice, "Notice"}, {policy.PartLock, "Locks"}, {policy.PartReach, "Reach"},
	{policy.PartRule, "Rules"}, {policy.PartLicence, "Licences"}, {policy.PartException, "Custom rules"}, {policy.PartMarket, "Markets"},
	{policy.PartContact, "Contact"}, {policy.PartDocument, "Document"}, {policy.PartTests, "Tests"},
}

// mostTests bounds how many inline tests are named in words.
const mostTests = 8

// effectMarks stand before a change: it is read by its words, and found by its mark.
var effectMarks = map[policy.Effect]string{policy.EffectNone: "  ", policy.EffectMilder: "- ", policy.EffectHarsher: "! ", policy.EffectDepends: "? "}

// write says the difference in words.
func (d policyDifference) write(w io.Writer) {
	side := func(s *policySide) string {
		if s == nil {
			return "no policy"
		}
		return fmt.Sprintf("%s version %d, effective %s (%s)", s.ID, s.Version, s.Effective, s.From)
	}
	fmt.Fprintf(w, "old: %s\nnew: %s\n", side(d.Old), side(d.New))
	if len(d.Changes) == 0 {
		if d.Old != nil && d.Old.Hash == d.New.Hash {
			fmt.Fprintln(w, "\nThe same file, byte for byte.")
		} else {
			fmt.Fprintln(w, "\nNo change of meaning: the files differ in layout or comments only.")
		}
		return
	}
	for _, p := range partTitles {
		begun, tests := false, 0
		for _, c := range d.Changes {
			if c.Part != p.part {
				continue
			}
			if !begun {
				fmt.Fprintf(w, "\n%s\n", p.title)
				begun = true
			}
			if tests++; c.Part == policy.PartTests && tests > mostTests {
				continue
			}
			fmt.Fprintf(w, "  %s%s\n", effectMarks[c.Effect], c.Text)
		}
		if p.part == policy.PartTests && tests > mostTests {
			fmt.Fprintf(w, "    and %d other tests; --json names them\n", tests-mostTests)
		}
	}
	fmt.Fprintln(w, "\nFor owners   (! harsher  ? depends  - milder)")
	if len(d.ForOwners) == 0 {
		fmt.Fprintln(w, "    Nothing changes.")
	}
	for _, line := range d.ForOwners {
		fmt.Fprintf(w, "  %s%s\n", effectMarks[d.effectOf(line)], line)
	}
}

func (d policyDifference) effectOf(meaning string) policy.Effect {
	for _, effect := range []policy.Effect{policy.EffectHarsher, policy.EffectDepends, policy.EffectMilder} {
		for _, c := range d.Changes {
			if c.Meaning == meaning && c.Effect == effect {
				return effect
			}
		}
	}
	return policy.EffectNone
}

type policyDiffCommand struct {
	Files  []string `arg:"" optional:"" name:"file" help:"Old and new: policy files, or proposals, whose policy is taken. One alone is held against what is in force."`
	Server string   `help:"Server whose policy in force is the old one; its public metadata are read, without an account." placeholder:"URL"`
	From   string   `help:"Folder with a copy of the server's metadata/ and targets/, instead of --server." type:"existingdir" placeholder:"DIR"`
	JSON   bool     `name:"json" help:"Write JSON."`
}

func (policyDiffCommand) Help() string {
	return `Compares by meaning, not by lines: which territories come and go, notice, locks, rules, licences, contact, and what that
means for owners. A proposal alone is held against the policy in force that it carries.

Examples:
  bailiwick policy diff policies/terms-2021-09.yaml policies/terms-2026-11.yaml
  bailiwick policy diff my-policy.yaml --server https://trust.example.com
  bailiwick policy diff proposal.json`
}

func (c *policyDiffCommand) Run(ctx context.Context, env Environment) error {
	if len(c.Files) < 1 || len(c.Files) > 2 {
		return usageError{fmt.Errorf("name two policies, the old one and the new one; or one, to hold it against what is in force")}
	}
	if len(c.Files) == 2 && (c.Server != "" || c.From != "") {
		return usageError{errors.New("two policies are compared with each other: leave out --server and --from, or one of the policies")}
	}
	d, err := c.compare(ctx, env)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(env.Stdout, d)
	}
	d.write(env.Stdout)
	return nil
}

func (c *policyDiffCommand) compare(ctx context.Context, env Environment) (*policyDifference, error) {
	replacement, proposal, err := policyIn(env, c.Files[len(c.Files)-1])
	if err != nil {
		return nil, err
	}
	var old *policy.Policy
	oldName := c.Files[0]
	switch {
	case len(c.Files) == 2:
		old, _, err = policyIn(env, c.Files[0])
	case proposal != nil && c.Server == "" && c.From == "":
		var v *proposalView
		if v, err = examine(ctx, c.Files[0], proposal, aids{foreign: true}); err == nil {
			return v.Policy, nil
		}
	default:
		var source *source
		var r *tufrepo.Repository
		if r, source, err = presentSource(ctx, env, c.Server, c.From); err == nil {
			var listed []*policy.Policy
			listed, err = listedPolicies(r, source)
			old, oldName = targets.InForce(listed, env.Now()), source.name
		}
	}
	if err != nil {
		return nil, err
	}
	d := compare(oldName, old, c.Files[len(c.Files)-1], replacement)
	return &d, nil
}

// policyIn reads a policy file, or the policy that a proposal brings.
func policyIn(env Environment, name string) (*policy.Policy, *tufrepo.Proposal, error) {
	src, err := readPublication(env, name)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		p, err := policy.Parse(name, src[:min(len(src), maxPolicyFile)])
		return p, nil, err
	}
	proposal, err := tufrepo.ParseProposal(src)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := about(name, proposal, tufrepo.Policy); err != nil {
		return nil, nil, err
	}
	listing, err := targets.ReadPolicies(proposal)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(listing.New) == 0 {
		return nil, nil, fmt.Errorf("%s brings no new policy: it renews signatures", name)
	}
	return listing.New[len(listing.New)-1], proposal, nil
}
