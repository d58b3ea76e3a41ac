package authority

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Published is what came of a proposal.
type Published struct {
	Subject  tufrepo.Subject
	Versions tuf.Versions    // of the metadata in force since
	Signers  []string        // officers whose signatures brought it, by name
	Policy   *PolicyDocument // the policy that it brought; nil when it brought none, or only renewed signatures
	Warrant  *Warrant        // the warrant that it put in force; nil when it brought none
	Notices  *Job            // a NoticeJob, whose Result is a Noticed; nil when it brought no warrant, and when all notices are given already
}

// Publish takes a proposal that officers have signed, of any subject: the founding, a change of officers, a policy, a warrant. Their
// signatures are what counts; actor is who hands it in. What it brings is checked again here, whatever the officers' own tools said, and
// is in force when Publish returns: metadata, files, records, the line in the log and, for a large cohort, the job that gives the notices
// are one transaction. It fails with
// ErrNeedsSignatures, ErrStale, ErrFounded, ErrProposalFaulty, ErrProposalOversized, and what a policy or a warrant may be refused for.
func (s *Service) Publish(ctx context.Context, actor *Officer, proposal []byte) (*Published, error) {
	if err := allow(actor, MayInvestigate); err != nil { // the least that any subject asks for
		return nil, err
	}
	if len(proposal) > tufrepo.MaxProposal {
		return nil, ErrProposalOversized.saying("it has %d bytes, and at most %d are read", len(proposal), tufrepo.MaxProposal)
	}
	p, err := tufrepo.ParseProposal(proposal)
	if err != nil {
		return nil, proposalFault(err)
	}
	return s.publish(ctx, actor, p, "")
}

// publish is Publish of a proposal that was read. countersigner is the officer in whose name the server signs a warrant; empty
// when officers signed it themselves.
func (s *Service) publish(ctx context.Context, actor *Officer, p *tufrepo.Proposal, countersigner string) (*Published, error) {
	if err := allow(actor, rightFor(p.Subject())); err != nil {
		return nil, err
	}
	c := &change{s: s, proposal: p, actor: actor.Name, countersigner: countersigner, now: s.now()}
	if err := c.publish(ctx); err != nil {
		return nil, err
	}
	switch {
	case c.out.Notices != nil:
		s.handOver(ctx, c.out.Notices)
	case c.out.Warrant != nil:
		return &c.out, s.noticeAtOnce(ctx, c.out.Warrant)
	}
	return &c.out, nil
}

func rightFor(subject tufrepo.Subject) Right {
	switch subject {
	case tufrepo.Policy:
		return MayPublishPolicy
	case tufrepo.Warrant:
		return MayInvestigate
	}
	return MayManageOfficers
}

// change is a proposal on its way into the store.
type change struct {
	s             *Service
	proposal      *tufrepo.Proposal
	actor         string
	countersigner string
	now           time.Time

	before, after *signatures
	out           Published
	event         Event
	number        int64               // of the change of rules that it is
	put           []func(tx Tx) error // records that come with the metadata
}

// publish holds s.signs.publishing from the look at what is in force until what follows is stored and known.
func (c *change) publish(ctx context.Context) (err error) {
	s := c.s
	s.signs.publishing.Lock()
	defer s.signs.publishing.Unlock()
	if c.before, err = s.readSignatures(ctx); err != nil {
		return err
	}
	next, err := c.before.repository.Accept(c.proposal, s.cfg.Online, c.now)
	if errors.Is(err, tufrepo.ErrStale) && c.proposal.Subject() == tufrepo.Founding {
		return ErrFounded.because(err)
	} else if err != nil {
		return proposalFault(err)
	}
	v, err := next.Sound()
	if err != nil {
		return proposalFault(err)
	}
	c.after = signaturesOf(v)
	c.out = Published{Subject: c.proposal.Subject(), Versions: c.after.versions, Signers: signersOf(c.proposal)}
	c.event = Event{At: c.now, Kind: "officers-signed", Actor: c.actor}
	if err := c.check(ctx); err != nil {
		return err
	}
	err = s.update(ctx, c.write)
	if errors.Is(err, ErrChanged) {
		return ErrStale.because(err)
	} else if err != nil {
		return err
	}
	if _, err := s.readSignaturesAfter(ctx, c.after); err != nil {
		return err
	}
	if _, err := s.readRules(ctx); err != nil {
		return err
	}
	if _, err = s.readHolds(ctx); err != nil {
		return err
	}
	s.changes.readUpTo(c.number)
	return nil
}

// check looks at what the proposal brings, and prepares its records.
func (c *change) check(ctx context.Context) error {
	by := c.by()
	switch c.proposal.Subject() {
	case tufrepo.Policy:
		return c.checkPolicy(ctx)
	case tufrepo.Warrant:
		return c.checkWarrant(ctx)
	case tufrepo.Founding:
		c.event.Detail = "The repository of what officers sign was founded" + by + "."
	default:
		c.event.Detail = fmt.Sprintf("The officers' root %d was published%s.", c.after.versions.Root, by)
	}
	return nil
}

// by names who signed, for the log of events.
func (c *change) by() string { return " with the signatures of " + and(c.out.Signers) }

func (c *change) write(tx Tx) error {
	if err := putRepository(tx, c.before.repository, c.after.repository, c.after.versions); err != nil {
		return err
	}
	for _, f := range c.proposal.Files() {
		if err := tx.PutTarget(targetOf(f)); err != nil {
			return err
		}
	}
	for _, put := range c.put {
		if err := put(tx); err != nil {
			return err
		}
	}
	var err error
	if c.number, err = tx.NextNumber(rulesSeries); err != nil {
		return err
	}
	return tx.AddEvent(c.event)
}

// signersOf lists who signed every part of a proposal.
func signersOf(p *tufrepo.Proposal) (names []string) {
	for _, part := range p.Status().Parts {
		for _, k := range part.Signed {
			if !slices.Contains(names, k.Name()) {
				names = append(names, k.Name())
			}
		}
	}
	slices.Sort(names)
	return names
}

// and joins names as people do.
func and(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// proposalFault gives a refusal of package tufrepo its name.
func proposalFault(err error) error {
	detail := strings.TrimPrefix(err.Error(), "tufrepo: ")
	named := func(e *Error) error { return e.because(err).saying("%s", detail) }
	switch {
	case errors.Is(err, tufrepo.ErrTooLarge):
		return named(ErrProposalOversized)
	case errors.Is(err, tufrepo.ErrStale):
		return named(ErrStale)
	case errors.Is(err, tufrepo.ErrSignatures):
		return named(ErrNeedsSignatures)
	case errors.Is(err, tufrepo.ErrOnlineKey):
		return named(ErrOnlineKey)
	case errors.Is(err, tufrepo.ErrProposal), errors.Is(err, tufrepo.ErrFile), errors.Is(err, tufrepo.ErrOfficers), errors.Is(err, tufrepo.ErrExpired):
		return named(ErrProposalFaulty)
	}
	return ErrSignaturesBroken.because(err)
}

// founded returns what is in force, ErrUnfounded while nothing is.
func (s *Service) founded(ctx context.Context) (*signatures, error) {
	g, err := s.signed(ctx)
	if err != nil {
		return nil, err
	}
	if !g.founded() {
		return nil, ErrUnfounded
	}
	if !g.sound() {
		return nil, ErrSignaturesBroken
	}
	return g, nil
}

// EnsureFounded founds the repository with the officers of Config.Signer, once. Without a Signer it does nothing: officers found it
// by a proposal, see Publish.
func (s *Service) EnsureFounded(ctx context.Context) error {
	g, err := s.signed(ctx)
	if err != nil || s.cfg.Signer == nil || g.founded() {
		return err
	}
	p, err := tufrepo.Found(tufrepo.FoundingTerms{Officers: s.cfg.Signer.Officers(), Threshold: tuf.Threshold, Online: s.cfg.Online.Public(), Now: s.now()})
	if err != nil {
		return proposalFault(err)
	}
	if err := s.cfg.Signer.Sign(p); err != nil {
		return proposalFault(err)
	}
	_, err = s.publish(ctx, startUp, p, "")
	if errors.Is(err, ErrStale) || errors.Is(err, ErrFounded) { // another server was first
		err = nil
	}
	return err
}

// startUp is in whose name the server itself acts: at a first start, and where a sandbox renews its officers' signatures.
var startUp = &Officer{Name: "start-up", Role: RoleAdmin}
