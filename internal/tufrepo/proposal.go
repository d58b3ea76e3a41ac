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

// Subject is what a proposal changes.
type Subject string

const (
	Founding Subject = "founding" // the first version of every officers' role
	Officers Subject = "officers" // who the officers are, their threshold, the online key; also what renews root and targets
	Policy   Subject = "policy"
	Warrant  Subject = "warrant"
)

// parts says which roles a proposal on a subject signs, in this sequence.
var parts = map[Subject][]string{
	Founding: {tuf.Root, tuf.Targets, tuf.Policy, tuf.Warrant},
	Officers: {tuf.Root, tuf.Targets, tuf.Policy, tuf.Warrant},
	Policy:   {tuf.Policy},
	Warrant:  {tuf.Warrant},
}

// Bounds of a proposal file.
const (
	MaxProposal    = 64 << 20 // bytes of the file, with all that is in it
	maxFiles       = 512
	maxAttachments = 16
)

// File is a file that a role lists.
type File struct {
	Path string // as in the listing: "policy/….cbor"
	Data []byte
}

// Proposal is a change on its way from officer to officer. It is not safe for concurrent use.
type Proposal struct {
	subject     Subject
	created     time.Time
	base        Repository // what it leads on from, without snapshot and timestamp, and without roles that it leaves alone
	parts       []part
	files       []File            // new ones, by path
	attachments map[string][]byte // what readers need beside it; signed by nobody
}

type part struct {
	role string
	document
}

// FoundingTerms say who will be the officers.
type FoundingTerms struct {
	Officers  []PublicKey // 2 to MaxOfficers, different keys and names
	Threshold int         // 2 to len(Officers)
	Online    PublicKey   // the server's, not an officer's
	Now       time.Time
}

// Found proposes the first version of all roles, without policy and warrants. Faults are [ErrOfficers].
func Found(terms FoundingTerms) (*Proposal, error) {
	s, err := newSigners(terms.Officers, terms.Threshold, terms.Online)
	if err != nil {
		return nil, err
	}
	p := propose(Founding, terms.Now)
	if err := p.makeAll(s, contents{}); err != nil {
		return nil, err
	}
	return p, p.Check()
}

// Changes say what becomes of the officers. What is zero stays as it is.
type Changes struct {
	Add       []PublicKey
	Remove    []PublicKey // by key, whatever name is with it
	Threshold int
	Online    PublicKey
	Now       time.Time
}

// ProposeOfficers proposes the next root, and targets, policy and warrant signed under it. The root needs the threshold of the officers before
// and of those after; the rest those after. Without any change it renews the signatures of all roles. Faults are [ErrOfficers].
func (r *Repository) ProposeOfficers(change Changes) (*Proposal, error) {
	c, err := r.read()
	if err != nil {
		return nil, err
	}
	officers := slices.Clone(c.root.officers)
	for _, gone := range change.Remove {
		at := slices.IndexFunc(officers, gone.Same)
		if at < 0 {
			return nil, fmt.Errorf("%w: %s (%s) is not among %s", ErrOfficers, gone.name, gone.Grouped(), names(officers))
		}
		officers = slices.Delete(officers, at, at+1)
	}
	officers = append(officers, change.Add...)
	threshold, online := c.root.threshold, c.root.online
	if change.Threshold != 0 {
		threshold = change.Threshold
	}
	if change.Online != (PublicKey{}) {
		online = change.Online
	}
	s, err := newSigners(officers, threshold, online)
	if err != nil {
		return nil, err
	}
	p := propose(Officers, change.Now)
	p.base = Repository{Roots: r.Roots, Targets: r.Targets, Policy: r.Policy, Warrant: r.Warrant}
	if err := p.makeAll(s, *c); err != nil {
		return nil, err
	}
	return p, p.Check()
}

// ProposePolicy proposes the next listing of the policy role: the files listed now whose paths keep accepts, and those added, which win.
// Files listed already with the same bytes are listed on and not carried again. Faults are [ErrFile] and [ErrTooLarge].
func (r *Repository) ProposePolicy(add []File, keep func(path string) bool, now time.Time) (*Proposal, error) {
	return r.proposeListing(Policy, add, keep, now)
}

// ProposeWarrant proposes the next listing of the warrant role, as ProposePolicy does that of policies.
func (r *Repository) ProposeWarrant(add []File, keep func(path string) bool, now time.Time) (*Proposal, error) {
	return r.proposeListing(Warrant, add, keep, now)
}

func (r *Repository) proposeListing(subject Subject, add []File, keep func(path string) bool, now time.Time) (*Proposal, error) {
	c, err := r.read()
	if err != nil {
		return nil, err
	}
	p := propose(subject, now)
	p.base = Repository{Roots: r.Roots, Targets: r.Targets}
	role, present := string(subject), c.policy
	if subject == Policy {
		p.base.Policy = r.Policy
	} else {
		p.base.Warrant, present = r.Warrant, c.warrant
	}
	listed := maps.Clone(present.files)
	maps.DeleteFunc(listed, func(path string, _ Target) bool { return !keep(path) })
	added := map[string][]byte{}
	for _, f := range add {
		if err := checkPath(role, f.Path); err != nil {
			return nil, err
		}
		if _, twice := added[f.Path]; twice {
			return nil, fmt.Errorf("%w: %s is added twice", ErrFile, f.Path)
		}
		added[f.Path] = f.Data
		listed[f.Path] = targetOf(f.Data)
	}
	for _, path := range sortedPaths(added) {
		if present.files[path] != listed[path] {
			p.files = append(p.files, File{path, bytes.Clone(added[path])})
		}
	}
	h := headAt(role, present.version+1, p.created)
	if err := p.add(role, h.listingSigned(listed)); err != nil {
		return nil, err
	}
	return p, p.Check()
}

func propose(subject Subject, now time.Time) *Proposal {
	return &Proposal{subject: subject, created: now.UTC().Truncate(time.Second), attachments: map[string][]byte{}}
}

// makeAll makes the parts of a founding or of a change of officers, one version after c.
func (p *Proposal) makeAll(s signers, c contents) error {
	at := func(role string, h head) head { return headAt(role, h.version+1, p.created) }
	for _, part := range []struct {
		role   string
		signed any
	}{
		{tuf.Root, at(tuf.Root, c.root.head).rootSigned(s)},
		{tuf.Targets, at(tuf.Targets, c.targets.head).targetsSigned(s)},
		{tuf.Policy, at(tuf.Policy, c.policy.head).listingSigned(c.policy.files)},
		{tuf.Warrant, at(tuf.Warrant, c.warrant.head).listingSigned(c.warrant.files)},
	} {
		if err := p.add(part.role, part.signed); err != nil {
			return err
		}
	}
	return nil
}

func (p *Proposal) add(role string, signed any) error {
	d, err := newDocument(signed)
	p.parts = append(p.parts, part{role, d})
	return err
}

// Subject returns what it changes.
func (p *Proposal) Subject() Subject { return p.subject }

// Created returns when it was made, by the clock of who made it, in whole seconds.
func (p *Proposal) Created() time.Time { return p.created }

// Files returns the new files, by path. They are shared: do not write into them.
func (p *Proposal) Files() []File { return slices.Clone(p.files) }

// Roots returns the roots that it leads on from, and its own if it has one.
func (p *Proposal) Roots() [][]byte {
	roots := slices.Clone(p.base.Roots)
	for _, part := range p.parts {
		if part.role == tuf.Root {
			if data, err := part.bytes(); err == nil {
				roots = append(roots, data)
			}
		}
	}
	return roots
}

// LeadsFrom says whether it leads on from a root that the officer knows, say that of the last proposal they signed. Without this check
// a proposal proves only that it is consistent, not whose repository it is for. Faults are [ErrProposal].
func (p *Proposal) LeadsFrom(root []byte) error {
	if p.subject == Founding {
		return fmt.Errorf("%w: it founds a new repository instead of leading on from the root that you know", ErrProposal)
	}
	if !slices.ContainsFunc(p.base.Roots, func(known []byte) bool { return bytes.Equal(known, root) }) {
		return fmt.Errorf("%w: it does not lead on from the root that you know; it is for another repository, or your root is: compare the officers' key ids", ErrProposal)
	}
	return p.Check()
}

// Attach puts a blob beside the proposal under a name, in place of any before: the cohort of a warrant, say. Nobody signs it: who reads
// it must hold it against something that is signed.
func (p *Proposal) Attach(name string, data []byte) error {
	if err := checkAttachment(name); err != nil {
		return err
	}
	if _, there := p.attachments[name]; !there && len(p.attachments) == maxAttachments {
		return fmt.Errorf("%w: a proposal carries at most %d attachments", ErrTooLarge, maxAttachments)
	}
	p.attachments[name] = bytes.Clone(data)
	return nil
}

// Attachment returns the blob of this name. It is shared: do not write into it.
func (p *Proposal) Attachment(name string) (data []byte, found bool) {
	data, found = p.attachments[name]
	return data, found
}

func checkAttachment(name string) error {
	if name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("%w: an attachment is named with 1 to 64 of a-z, 0-9 and -, not %q", ErrProposal, name)
	}
	return nil
}
