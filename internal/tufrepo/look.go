package tufrepo

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Terms say who stands behind a repository. The zero value is nobody.
type Terms struct {
	Officers  []PublicKey // by name
	Threshold int
	Online    PublicKey
}

func termsOf(s signers) Terms { return Terms{slices.Clone(s.officers), s.threshold, s.online} }

// Terms returns who stands behind the repository before the proposal, and who once it is accepted. Faults are [ErrProposal].
func (p *Proposal) Terms() (before, after Terms, err error) {
	c, err := p.check()
	if err != nil {
		return before, after, err
	}
	return termsOf(c.base.root.signers), termsOf(c.after), nil
}

// Listed returns what a proposal on policies or warrants lists: in what it leads on from, and once it is accepted. The maps are the
// caller's. Faults are [ErrProposal].
func (p *Proposal) Listed() (before, after map[string]Target, err error) {
	c, err := p.check()
	if err != nil {
		return nil, nil, err
	}
	switch p.subject {
	case Policy:
		return maps.Clone(c.base.policy.files), maps.Clone(c.next.policy.files), nil
	case Warrant:
		return maps.Clone(c.base.warrant.files), maps.Clone(c.next.warrant.files), nil
	}
	return nil, nil, fmt.Errorf("%w: a proposal on %s lists nothing new", ErrProposal, p.subject)
}

// SignedBy returns who of the officers of now has signed the metadata of a role that is in force, by name: of [tuf.Root], [tuf.Targets],
// [tuf.Policy] or [tuf.Warrant].
func (r *Repository) SignedBy(role string) ([]PublicKey, error) {
	c, err := r.read()
	if err != nil {
		return nil, err
	}
	var d document
	switch role {
	case tuf.Root:
		d = c.root.document
	case tuf.Targets:
		d = c.targets.document
	case tuf.Policy:
		d = c.policy.document
	case tuf.Warrant:
		d = c.warrant.document
	default:
		return nil, fmt.Errorf("%w: officers do not sign the role %q", ErrRepository, role)
	}
	return quorumOf(d, c.root.signers).Signed, nil
}

// Attachments returns the names of what is attached, in order.
func (p *Proposal) Attachments() []string { return slices.Sorted(maps.Keys(p.attachments)) }

// Made returns when metadata of a role were signed for that end then: each lives as long as its role says. It is the zero time for an
// unknown role.
func Made(role string, ends time.Time) time.Time {
	life, known := lifetimes[role]
	if !known {
		return time.Time{}
	}
	return ends.Add(-life)
}
