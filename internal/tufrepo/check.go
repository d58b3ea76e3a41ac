package tufrepo

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// checked is what Check has found out.
type checked struct {
	base, next contents // snapshot and timestamp are empty, and so are roles that the proposal leaves alone
	after      signers  // who stands behind the repository once it is accepted
}

// Check holds a proposal against itself, without a clock: what it leads on from is signed by its officers, nothing differs from that
// but what its subject says, versions are the next ones, dates are those of its creation, every listed file is in the base or
// carried with the listed hash, and every signature on it holds and is by an officer. Sign and Accept do it first. Faults are [ErrProposal].
func (p *Proposal) Check() error {
	_, err := p.check()
	return err
}

func (p *Proposal) check() (*checked, error) {
	c := &checked{}
	roles, known := parts[p.subject]
	if !known {
		return nil, fmt.Errorf("%w: its subject is %q", ErrProposal, p.subject)
	}
	if !slices.EqualFunc(p.parts, roles, func(part part, role string) bool { return part.role == role }) {
		return nil, fmt.Errorf("%w: a proposal on %s has the parts %v", ErrProposal, p.subject, roles)
	}
	for _, step := range []func(*checked) error{p.checkBase, p.checkParts, p.checkFiles, p.checkSignatures} {
		if err := step(c); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrProposal, err)
		}
	}
	return c, nil
}

// checkBase verifies what the proposal leads on from.
func (p *Proposal) checkBase(c *checked) error {
	b := p.base
	needs := func(role string) bool { return p.subject == Officers || string(p.subject) == role }
	if p.subject == Founding {
		if len(b.Roots) > 0 || b.Targets != nil || b.Policy != nil || b.Warrant != nil {
			return errors.New("a founding leads on from nothing, but there is a base")
		}
		return nil
	}
	if len(b.Roots) == 0 || b.Targets == nil || needs(tuf.Policy) != (b.Policy != nil) || needs(tuf.Warrant) != (b.Warrant != nil) {
		return fmt.Errorf("the base of a proposal on %s must have roots, targets and the roles that change, and nothing else", p.subject)
	}
	if err := verifyChain(b.Roots); err != nil {
		return fmt.Errorf("base: %w", err)
	}
	var err error
	if c.base.root, err = readRoot(b.Roots[len(b.Roots)-1]); err != nil {
		return fmt.Errorf("base: %w", err)
	}
	s := c.base.root.signers
	if c.base.targets, err = readTargets(b.Targets, s); err == nil {
		err = quorate(c.base.targets.document, s)
	}
	if err != nil {
		return fmt.Errorf("base, targets: %w", err)
	}
	for _, l := range []struct {
		role string
		data []byte
		into *listingDocument
	}{{tuf.Policy, b.Policy, &c.base.policy}, {tuf.Warrant, b.Warrant, &c.base.warrant}} {
		if l.data == nil {
			continue
		}
		if *l.into, err = readListing(l.data, l.role); err == nil {
			err = quorate(l.into.document, s)
		}
		if err != nil {
			return fmt.Errorf("base, %s: %w", l.role, err)
		}
	}
	return nil
}

// checkParts reads the parts and holds versions, dates and unchanged contents to the base.
func (p *Proposal) checkParts(c *checked) error {
	c.after = c.base.root.signers
	for _, part := range p.parts {
		data, err := part.bytes()
		if err != nil {
			return err
		}
		var h head
		switch part.role {
		case tuf.Root:
			c.next.root, err = readRoot(data)
			c.after, h = c.next.root.signers, c.next.root.head
		case tuf.Targets:
			c.next.targets, err = readTargets(data, c.after)
			h = c.next.targets.head
		case tuf.Policy:
			c.next.policy, err = readListing(data, part.role)
			h = c.next.policy.head
		case tuf.Warrant:
			c.next.warrant, err = readListing(data, part.role)
			h = c.next.warrant.head
		}
		if err != nil {
			return err
		}
		was, err := c.base.head(part.role)
		if err != nil {
			return err
		}
		if want := headAt(part.role, was.version+1, p.created); h.version != want.version || !h.expires.Equal(want.expires) {
			return fmt.Errorf("%s has version %d and ends %s; a proposal made %s on version %d has version %d and ends %s", part.role,
				h.version, stamp(h.expires), stamp(p.created), was.version, want.version, stamp(want.expires))
		}
	}
	if p.subject == Founding || p.subject == Officers {
		if !maps.Equal(c.next.policy.files, c.base.policy.files) || !maps.Equal(c.next.warrant.files, c.base.warrant.files) {
			return fmt.Errorf("a proposal on %s changes what is listed", p.subject)
		}
	}
	return nil
}

// checkFiles holds the carried files to the listing: those new in it, in sequence, and no others.
func (p *Proposal) checkFiles(c *checked) error {
	was, listed := c.base.policy.files, c.next.policy.files
	if p.subject == Warrant {
		was, listed = c.base.warrant.files, c.next.warrant.files
	}
	carried := p.files
	for _, path := range sortedPaths(listed) {
		if was[path] == listed[path] && hasPath(was, path) {
			continue
		}
		if len(carried) == 0 || carried[0].Path != path {
			return fmt.Errorf("%s is listed, new, and not carried where it belongs", path)
		}
		if got := targetOf(carried[0].Data); got != listed[path] {
			return fmt.Errorf("%s is listed with %s, and carried with %s", path, listed[path], got)
		}
		carried = carried[1:]
	}
	if len(carried) > 0 {
		return fmt.Errorf("%s is carried and not newly listed", carried[0].Path)
	}
	return nil
}

func hasPath(m map[string]Target, path string) bool {
	_, ok := m[path]
	return ok
}

// checkSignatures refuses a signature that does not hold, or that is by somebody who may not sign.
func (p *Proposal) checkSignatures(c *checked) error {
	for _, part := range p.parts {
		keys := c.entitled(p.subject, part.role)
		if _, err := part.signedBy(keys); err != nil {
			return fmt.Errorf("%s has %w", part.role, err)
		}
		for _, s := range part.Signatures {
			if !slices.Contains(ids(keys), s.KeyID) {
				return fmt.Errorf("%s is signed with a key (%.16s) that may not: only %s may", part.role, s.KeyID, names(keys))
			}
		}
	}
	return nil
}

// entitled returns whose signatures on a part count: the officers after the change, and on a root those before, too.
func (c *checked) entitled(subject Subject, role string) []PublicKey {
	keys := slices.Clone(c.after.officers)
	if subject == Officers && role == tuf.Root {
		for _, k := range c.base.root.officers {
			if !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	return keys
}
