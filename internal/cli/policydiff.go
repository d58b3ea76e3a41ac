package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
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
		begun := false
		for _, c := range d.Changes {
			if c.Part != p.part {
				continue
			}
			if !begun {
				fmt.Fprintf(w, "\n%s\n", p.title)
				begun = true
			}
			fmt.Fprintf(w, "  %s%s\n", effectMarks[c.Effect], c.Text)
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
	Files []string `arg:"" name:"file" help:"Old and new: policy files."`
	JSON  bool     `name:"json" help:"Write JSON."`
}

func (policyDiffCommand) Help() string {
	return `Compares by meaning, not by lines: which territories come and go, notice, locks, rules, licences, contact, and what that
means for owners.

Examples:
  bailiwick policy diff policies/terms-2021-09.yaml policies/terms-2026-11.yaml`
}

func (c *policyDiffCommand) Run(ctx context.Context, env Environment) error {
	if len(c.Files) != 2 {
		return usageError{fmt.Errorf("name two policies, the old one and the new one, not %d", len(c.Files))}
	}
	var sides [2]*policy.Policy
	for i, name := range c.Files {
		src, err := readPolicy(env, name)
		if err != nil {
			return err
		}
		if sides[i], err = policy.Parse(name, src); err != nil {
			return err
		}
	}
	d := compare(c.Files[0], sides[0], c.Files[1], sides[1])
	if c.JSON {
		return writeJSON(env.Stdout, d)
	}
	d.write(env.Stdout)
	return nil
}
