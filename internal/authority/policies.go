package authority

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/targets"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// ProposePolicy checks a policy, runs its inline tests, and returns the proposal that officers sign and Publish takes: the policy file, its
// extract for devices, and the borders and message catalogues of this release. The report is given whenever the policy could be
// read; with failed tests there is no proposal. A policy that is published already is proposed too: that renews its signatures.
func (s *Service) ProposePolicy(ctx context.Context, actor *Officer, name string, source []byte) (proposal []byte, report *policy.Report, err error) {
	if err := allow(actor, MayPublishPolicy); err != nil {
		return nil, nil, err
	}
	p, report, err := s.proposePolicy(ctx, name, source)
	if err != nil {
		return nil, report, err
	}
	proposal, err = p.Marshal()
	if err != nil {
		return nil, report, proposalFault(err)
	}
	return proposal, report, nil
}

// PublishPolicy checks a policy as ProposePolicy does and publishes it at once, signed by the officers whose keys the server holds. Without
// Config.Signer it fails with ErrNeedsSignatures.
func (s *Service) PublishPolicy(ctx context.Context, actor *Officer, name string, source []byte) (*PolicyDocument, *policy.Report, error) {
	if err := allow(actor, MayPublishPolicy); err != nil {
		return nil, nil, err
	}
	if s.cfg.Signer == nil {
		return nil, nil, ErrNeedsSignatures
	}
	for attempt := 1; ; attempt++ {
		p, report, err := s.proposePolicy(ctx, name, source)
		if err != nil {
			return nil, report, err
		}
		if files := p.Files(); !slices.ContainsFunc(files, func(f tufrepo.File) bool { return targets.IsPolicy(f.Path) }) {
			return nil, report, ErrPolicyPublished
		}
		if err := s.cfg.Signer.Sign(p); err != nil {
			return nil, report, proposalFault(err)
		}
		out, err := s.publish(ctx, actor, p, "")
		if errors.Is(err, ErrStale) && attempt < signAttempts { // of another policy, at the same moment
			continue
		}
		if err != nil {
			return nil, report, err
		}
		return out.Policy, report, nil
	}
}

// EnsurePolicy publishes a policy when none counts, as the first start of a sandbox does with the sample.
func (s *Service) EnsurePolicy(ctx context.Context, name string, source []byte) (published bool, err error) {
	editions, err := s.readRules(ctx)
	if err != nil || slices.ContainsFunc(editions, func(e *edition) bool { return e.signed }) {
		return false, err
	}
	_, _, err = s.PublishPolicy(ctx, startUp, name, source)
	if errors.Is(err, ErrPolicyPublished) || errors.Is(err, ErrStale) { // another server was first
		return false, nil
	}
	return err == nil, err
}

func (s *Service) proposePolicy(ctx context.Context, name string, source []byte) (*tufrepo.Proposal, *policy.Report, error) {
	name, err := line("name", name, 1, 100)
	if err != nil {
		return nil, nil, err
	}
	now := s.now()
	e, report, err := checkedEdition(name, source, now)
	if err != nil {
		return nil, report, err
	}
	g, err := s.founded(ctx)
	if err != nil {
		return nil, report, err
	}
	keep, err := s.keepPolicies(ctx, now)
	if err != nil {
		return nil, report, err
	}
	if err := s.notBackwards(ctx, e); err != nil {
		return nil, report, err
	}
	add, err := targets.OfPolicy(e.policy)
	if err != nil {
		return nil, report, ErrPolicyFaulty.because(err).saying("%v", err)
	}
	p, err := g.repository.ProposePolicy(add, keep, now)
	if err == nil {
		err = errors.Join(p.Attach(targets.AttachedName, []byte(name)), targets.AttachPolicies(p, s.signedPolicies()))
	}
	if err != nil {
		return nil, report, proposalFault(err)
	}
	return p, report, nil
}

// signedPolicies are those that officers have signed and that are listed still: what is proposed is compared with one of them.
func (s *Service) signedPolicies() (list []*policy.Policy) {
	s.rules.mu.RLock()
	defer s.rules.mu.RUnlock()
	for _, e := range s.rules.editions {
		if e.signed {
			list = append(list, e.policy)
		}
	}
	return list
}

// checkedEdition reads a policy to be published at now, and runs its tests.
func checkedEdition(name string, source []byte, now time.Time) (*edition, *policy.Report, error) {
	p, err := policy.Parse(name, source)
	if err != nil {
		return nil, nil, ErrPolicyFaulty.because(err).saying("%v", err)
	}
	report := p.Check(now)
	if !report.OK() {
		return nil, &report, ErrPolicyFaulty.saying("%d of its own tests fail", report.Failed)
	}
	e, err := newEdition(&PolicyDocument{Hash: p.Hash(), Name: name, Source: p.Source(), ActivateAt: now}, nil)
	if err != nil {
		return nil, &report, ErrPolicyFaulty.because(err).saying("devices could not read it: %v", err)
	}
	return e, &report, nil
}

// keepPolicies says which listed files a new listing keeps: the policies in force and to come, and not those before them. Borders and
// message catalogues are added anew.
func (s *Service) keepPolicies(ctx context.Context, now time.Time) (keep func(path string) bool, err error) {
	present, err := s.inForce(ctx, now)
	if err != nil && !errors.Is(err, ErrNoPolicy) {
		return nil, err
	}
	editions, err := s.editions(ctx)
	if err != nil {
		return nil, err
	}
	over := make(map[string]bool)
	for _, e := range editions {
		if present != nil && e.document.Hash != present.document.Hash && !e.document.ActivateAt.After(now) {
			over[targets.PolicyFile(e.document.Hash)], over[tuf.PolicyPath(e.document.Hash)] = true, true
		}
	}
	return func(path string) bool { return targets.IsPolicy(path) && !over[path] }, nil
}

// checkPolicy looks at what a policy proposal lists, against this server's own reading of it.
func (c *change) checkPolicy(ctx context.Context) error {
	fresh, err := c.newPolicy()
	if err != nil {
		return err
	}
	if err := c.checkEmbedded(ctx, fresh); err != nil {
		return err
	}
	if err := c.mayReplace(ctx, fresh); err != nil {
		return err
	}
	if err := c.renewPolicies(ctx, fresh); err != nil {
		return err
	}
	c.event.Kind = "policy"
	if fresh == nil {
		c.event.Detail = "The signatures of the policies were renewed" + c.by() + "."
		return nil
	}
	d := fresh.document
	d.By, d.PublishedAt, d.Signers, d.Version = c.actor, c.now, c.out.Signers, c.after.versions.Policy
	c.out.Policy = d
	c.event.Detail = "The policy " + fresh.policy.String() + " was published" + c.by() + "; it is in force from " + clock(d.ActivateAt) + "."
	c.put = append(c.put, func(tx Tx) error {
		err := tx.InsertPolicy(d)
		if errors.Is(err, ErrConflict) { // it was there before, unsigned, or was listed once and is again
			err = tx.RenewPolicy(d)
		}
		return err
	})
	return nil
}

// checkEmbedded holds the listed borders and message catalogues to those of this release.
func (c *change) checkEmbedded(ctx context.Context, fresh *edition) error {
	embedded := make(map[string]bool)
	beside, err := c.s.embedded(ctx, fresh)
	if err != nil {
		return err
	}
	for _, f := range beside {
		embedded[f.Path] = true
		if !c.after.lists(tuf.Policy, f.Path, f.Data) {
			return ErrProposalFaulty.saying("it does not list %s as this release of the server has it", f.Path).
				fixing("make the proposal anew, on this server or with tools of the same release")
		}
	}
	for path := range c.after.listed[tuf.Policy] {
		switch _, was := c.before.listed[tuf.Policy][path]; {
		case embedded[path], was && strings.HasPrefix(path, "policy/"):
		case fresh != nil && (path == targets.PolicyFile(fresh.document.Hash) || path == tuf.PolicyPath(fresh.document.Hash)):
		default:
			return ErrProposalFaulty.saying("it lists %s, which this release of the server does not have", path).
				fixing("make the proposal anew, on this server or with tools of the same release")
		}
	}
	return nil
}

// embedded are the borders and message catalogues of this release, which are listed beside policies; none while there is no policy.
func (s *Service) embedded(ctx context.Context, fresh *edition) (beside []tufrepo.File, err error) {
	if fresh == nil {
		editions, err := s.editions(ctx)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(editions, func(e *edition) bool { return e.signed })
		if at < 0 {
			return nil, nil
		}
		fresh = editions[at]
	}
	all, err := targets.OfPolicy(fresh.policy)
	return slices.DeleteFunc(all, func(f tufrepo.File) bool { return targets.IsPolicy(f.Path) }), err
}

// newPolicy reads the policy that a proposal brings; nil when it brings none. There is at most one, the file and the extract of it.
func (c *change) newPolicy() (*edition, error) {
	var carried []tufrepo.File
	for _, f := range c.proposal.Files() {
		if strings.HasPrefix(f.Path, "policy/") {
			carried = append(carried, f)
		}
	}
	if len(carried) == 0 {
		return nil, nil
	}
	source := slices.IndexFunc(carried, func(f tufrepo.File) bool { return strings.HasSuffix(f.Path, ".yaml") })
	if len(carried) != 2 || source < 0 {
		return nil, ErrProposalFaulty.saying("it brings %d files of policies: a proposal brings one policy, as a file and its extract for devices", len(carried))
	}
	name, err := "policy.yaml", error(nil)
	attached, named := c.proposal.Attachment(targets.AttachedName)
	if named {
		if name, err = line("name", string(attached), 1, 100); err != nil {
			return nil, err
		}
	}
	e, _, err := checkedEdition(name, carried[source].Data, c.now)
	if err != nil {
		return nil, err
	}
	if !named {
		e.document.Name = e.policy.ID + ".yaml"
	}
	if !e.listedIn(c.after) {
		return nil, ErrProposalFaulty.saying("the extract that devices would read is not what this server derives from the policy file").
			fixing("make the proposal anew, on this server or with tools of the same release")
	}
	return e, nil
}

// mayReplace refuses a listing that would leave the fleet without the policy in force, or make devices go back.
func (c *change) mayReplace(ctx context.Context, fresh *edition) error {
	present, err := c.s.inForce(ctx, c.now)
	switch {
	case errors.Is(err, ErrNoPolicy):
	case err != nil:
		return err
	case !present.listedIn(c.after) && (fresh == nil || fresh.document.ActivateAt.After(c.now)):
		return ErrProposalFaulty.saying("it drops the policy in force, %s, and puts none in its place", present.document.Name).
			fixing("make the proposal anew, on this server")
	}
	if fresh == nil {
		return nil
	}
	return c.s.notBackwards(ctx, fresh)
}

// renewPolicies notes the new signatures of the policies that stay listed.
func (c *change) renewPolicies(ctx context.Context, fresh *edition) error {
	editions, err := c.s.editions(ctx)
	if err != nil {
		return err
	}
	for _, e := range editions {
		if !e.signed || !e.listedIn(c.after) || fresh != nil && fresh.document.Hash == e.document.Hash {
			continue
		}
		d := *e.document
		d.Signers, d.Version = c.out.Signers, c.after.versions.Policy
		c.put = append(c.put, func(tx Tx) error { return tx.RenewPolicy(&d) })
	}
	return nil
}

// notBackwards refuses a policy that would make devices go back, which they refuse: one that takes effect before the one that it
// replaces, or after one that is to follow it.
func (s *Service) notBackwards(ctx context.Context, next *edition) error {
	present, err := s.inForce(ctx, next.document.ActivateAt)
	switch {
	case errors.Is(err, ErrNoPolicy):
	case err != nil:
		return err
	case next.extract.Effective.Before(present.extract.Effective):
		return ErrPolicyFaulty.saying("it takes effect on %s, before the policy that it replaces (%s); devices refuse to go back",
			next.extract.Effective.Format(time.DateOnly), present.extract.Effective.Format(time.DateOnly)).
			fixing("set effective_from to %s or later", present.extract.Effective.Format(time.DateOnly))
	}
	return nil
}

// PolicyInForce returns the policy in force, ErrNoPolicy when there is none.
func (s *Service) PolicyInForce(ctx context.Context) (*policy.Policy, *PolicyDocument, error) {
	e, err := s.inForce(ctx, s.now())
	if err != nil {
		return nil, nil, err
	}
	return e.policy, e.document, nil
}

// Policies lists published policies, newest first. limit is 1 to 1,000.
func (s *Service) Policies(ctx context.Context, limit int) (list []*PolicyDocument, err error) {
	err = s.view(ctx, func(tx Tx) (err error) {
		list, err = tx.Policies(bounded(limit))
		return err
	})
	return list, err
}

// PolicyEdition is a published policy in the history of policies.
type PolicyEdition struct {
	Document  *PolicyDocument
	ID        string // the policy's own
	Version   int    // the policy's own
	Title     string
	Effective time.Time // effective_from
	Signed    bool      // officers' signatures list it now: it counts, or will
	InForce   bool
}

// PolicyHistory lists the policies that can be read, the latest in force first. limit is 1 to 1,000.
func (s *Service) PolicyHistory(ctx context.Context, limit int) ([]PolicyEdition, error) {
	editions, err := s.readRules(ctx)
	if err != nil {
		return nil, err
	}
	present, err := s.inForce(ctx, s.now())
	if err != nil && !errors.Is(err, ErrNoPolicy) {
		return nil, err
	}
	var history []PolicyEdition
	for _, e := range editions[:min(len(editions), bounded(limit))] {
		history = append(history, PolicyEdition{Document: e.document, ID: e.policy.ID, Version: e.policy.Version, Title: e.policy.Title,
			Effective: e.extract.Effective, Signed: e.signed, InForce: present != nil && e.document.Hash == present.document.Hash})
	}
	return history, nil
}
