package tufrepo

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Sign checks the proposal and signs every part that this key may sign and has not signed. Faults are [ErrProposal], [ErrNotEntitled],
// which says who may, and [ErrSigned]; then nothing is changed. What a key may sign is told by the key alone, not by its name.
func (p *Proposal) Sign(k *Key) error {
	c, err := p.check()
	if err != nil {
		return err
	}
	signed := slices.Clone(p.parts)
	var may, did bool
	for i, part := range signed {
		for _, officer := range c.entitled(p.subject, part.role) {
			if !officer.Same(k.public) {
				continue
			}
			may = true
			if slices.ContainsFunc(signed[i].Signatures, func(s signature) bool { return s.KeyID == officer.ID() }) {
				continue
			}
			if signed[i].document, err = signed[i].signWith(k, officer.ID()); err != nil {
				return err
			}
			did = true
		}
	}
	switch {
	case !may:
		return fmt.Errorf("%w: it is that of %s (%s); those of %s may", ErrNotEntitled, k.public.name, k.public.Grouped(), names(c.entitled(p.subject, p.parts[0].role)))
	case !did:
		return fmt.Errorf("%w: it is that of %s; hand the proposal to another officer, or publish it", ErrSigned, k.public.name)
	}
	p.parts = signed
	return nil
}

// Quorum is how far a number of officers have got with a part.
type Quorum struct {
	Threshold int
	Signed    []PublicKey // who has, by name
	Open      []PublicKey // who may and has not
}

// Complete says whether enough have signed.
func (q Quorum) Complete() bool { return len(q.Signed) >= q.Threshold }

// PartStatus is how far a part is.
type PartStatus struct {
	Role    string
	Version uint64
	Expires time.Time
	Quorum          // the officers' once the proposal is accepted
	Before  *Quorum // of a root that follows another: the officers' until then
}

// Complete says whether the part needs no more signatures.
func (s PartStatus) Complete() bool {
	return s.Quorum.Complete() && (s.Before == nil || s.Before.Complete())
}

// Status is how far a proposal is.
type Status struct {
	Subject Subject
	Created time.Time
	Parts   []PartStatus
	Fault   error // what Check says; then Parts is empty
}

// Complete says whether the proposal can be published as far as signatures go.
func (s Status) Complete() bool {
	return s.Fault == nil && !slices.ContainsFunc(s.Parts, func(part PartStatus) bool { return !part.Complete() })
}

// Status says which parts there are and who has signed them.
func (p *Proposal) Status() Status {
	c, err := p.check()
	if err != nil {
		return Status{Subject: p.subject, Created: p.created, Fault: err}
	}
	return p.status(c)
}

func (p *Proposal) status(c *checked) Status {
	s := Status{Subject: p.subject, Created: p.created}
	for _, part := range p.parts {
		h, err := c.next.head(part.role)
		if err != nil {
			s.Fault = err
			return s
		}
		ps := PartStatus{Role: part.role, Version: h.version, Expires: h.expires, Quorum: quorumOf(part.document, c.after)}
		if p.subject == Officers && part.role == tuf.Root {
			q := quorumOf(part.document, c.base.root.signers)
			ps.Before = &q
		}
		s.Parts = append(s.Parts, ps)
	}
	return s
}

// quorumOf counts a document that has been checked.
func quorumOf(d document, s signers) Quorum {
	q := Quorum{Threshold: s.threshold}
	q.Signed, _ = d.signedBy(s.officers)
	slices.SortFunc(q.Signed, func(a, b PublicKey) int { return strings.Compare(a.name, b.name) })
	for _, k := range s.officers {
		if !slices.Contains(q.Signed, k) {
			q.Open = append(q.Open, k)
		}
	}
	return q
}

// missing says in words what a proposal lacks, "" for nothing.
func (s Status) missing() string {
	var lines []string
	say := func(what string, q *Quorum) {
		if q != nil && !q.Complete() {
			lines = append(lines, fmt.Sprintf("%s has %d of %d signatures (%s may still sign)", what, len(q.Signed), q.Threshold, names(q.Open)))
		}
	}
	for _, part := range s.Parts {
		say(part.Role, &part.Quorum)
		say(part.Role+", of the officers until now,", part.Before)
	}
	return strings.Join(lines, "; ")
}

// MergeSignatures returns the proposal with the signatures of both copies, which officers may have signed at the same time. The copies must
// be equal in all else, attachments included, and sound. Faults are [ErrDifferent] and [ErrProposal]; a and b are not changed.
func MergeSignatures(a, b *Proposal) (*Proposal, error) {
	for _, p := range []*Proposal{a, b} {
		if err := p.Check(); err != nil {
			return nil, err
		}
	}
	if what := differ(a, b); what != "" {
		return nil, fmt.Errorf("%w: they differ in %s", ErrDifferent, what)
	}
	merged := *a
	merged.attachments = maps.Clone(a.attachments)
	merged.parts = slices.Clone(a.parts)
	for i := range merged.parts {
		d := &merged.parts[i].document
		d.Signatures = slices.Clone(d.Signatures)
		for _, s := range b.parts[i].Signatures {
			if !slices.ContainsFunc(d.Signatures, func(has signature) bool { return has.KeyID == s.KeyID }) {
				d.Signatures = append(d.Signatures, s)
			}
		}
		slices.SortFunc(d.Signatures, func(a, b signature) int { return strings.Compare(a.KeyID, b.KeyID) })
	}
	return &merged, nil
}

func differ(a, b *Proposal) string {
	sameBytes := func(a, b []byte) bool { return bytes.Equal(a, b) }
	switch {
	case a.subject != b.subject || !a.created.Equal(b.created):
		return "subject or date"
	case !slices.EqualFunc(a.base.Roots, b.base.Roots, sameBytes) || !bytes.Equal(a.base.Targets, b.base.Targets) ||
		!bytes.Equal(a.base.Policy, b.base.Policy) || !bytes.Equal(a.base.Warrant, b.base.Warrant):
		return "what they lead on from"
	case !slices.EqualFunc(a.parts, b.parts, func(a, b part) bool { return a.role == b.role && bytes.Equal(a.Signed, b.Signed) }):
		return "what is signed"
	case !slices.EqualFunc(a.files, b.files, func(a, b File) bool { return a.Path == b.Path && bytes.Equal(a.Data, b.Data) }):
		return "files"
	case !maps.EqualFunc(a.attachments, b.attachments, sameBytes):
		return "attachments"
	}
	return ""
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
