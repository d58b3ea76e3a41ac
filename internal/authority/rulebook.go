package authority

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/targets"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// edition is a published policy, parsed once. It does not change.
type edition struct {
	document *PolicyDocument // ActivateAt is never before the policy's own effective_from
	policy   *policy.Policy
	extract  protocol.Policy // what devices get
	bytes    []byte          // of extract, as officers sign it
	entries  map[string]policy.Prohibited
	signed   bool // officers' signatures list it: only then it counts (Charter C7)
}

// rulebook keeps the published policies in memory. Every server reads them anew at each sweep, and at once after it published
// one itself.
type rulebook struct {
	reading sync.Mutex // of the store: who begins later sees more, and has to be the last to put it here

	mu       sync.RWMutex
	read     bool
	of       mark       // of the signatures by which it was told what counts
	editions []*edition // newest activation first
}

// mark tells signatures apart as far as policies go: a timestamp that was signed anew changes nothing.
type mark struct {
	sound                 bool
	root, targets, policy uint64
}

func (g *signatures) mark() mark {
	return mark{g.sound(), g.versions.Root, g.versions.Targets, g.versions.Policy}
}

// maxPolicies bounds how many published policies are kept at hand.
const maxPolicies = 1000

// inForce returns the policy in force at now, ErrNoPolicy when there is none.
func (s *Service) inForce(ctx context.Context, now time.Time) (*edition, error) {
	editions, err := s.editions(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range editions {
		if e.signed && !e.document.ActivateAt.After(now) {
			return e, nil
		}
	}
	return nil, ErrNoPolicy
}

// editions returns the published policies, newest activation first; some may not count. They are read anew when the signatures that are
// known have changed since.
func (s *Service) editions(ctx context.Context) ([]*edition, error) {
	g, err := s.signed(ctx)
	if err != nil {
		return nil, err
	}
	s.rules.mu.RLock()
	read, editions := s.rules.read && s.rules.of == g.mark(), s.rules.editions
	s.rules.mu.RUnlock()
	if read {
		return editions, nil
	}
	return s.readRules(ctx)
}

// edition returns a published policy by its hash, nil when this server never saw it.
func (s *Service) edition(hash [32]byte) *edition {
	s.rules.mu.RLock()
	defer s.rules.mu.RUnlock()
	i := slices.IndexFunc(s.rules.editions, func(e *edition) bool { return e.document.Hash == hash })
	if i < 0 {
		return nil
	}
	return s.rules.editions[i]
}

// readRules reads the published policies from the store; those that are known are not parsed again.
func (s *Service) readRules(ctx context.Context) ([]*edition, error) {
	s.rules.reading.Lock()
	defer s.rules.reading.Unlock()
	g, err := s.readSignatures(ctx)
	if err != nil {
		return nil, err
	}
	var documents []*PolicyDocument
	err = s.view(ctx, func(tx Tx) (err error) {
		documents, err = tx.Policies(maxPolicies)
		return err
	})
	if err != nil {
		return nil, err
	}
	editions := make([]*edition, 0, len(documents))
	for _, d := range documents {
		e, err := newEdition(d, s.edition(d.Hash))
		if err != nil {
			// It was checked before it was published: somebody changed the store, or this server is older than the policy.
			s.cfg.Logger.Error("a published policy cannot be read and is left out", "policy", d.Name, "error", err)
			continue
		}
		e.signed = e.listedIn(g)
		editions = append(editions, e)
	}
	slices.SortStableFunc(editions, func(a, b *edition) int { return b.document.ActivateAt.Compare(a.document.ActivateAt) })
	s.rules.mu.Lock()
	defer s.rules.mu.Unlock()
	s.rules.read, s.rules.of, s.rules.editions = true, g.mark(), editions
	return editions, nil
}

// newEdition reads a stored policy. What was read of it before, if it was, is not parsed again.
func newEdition(d *PolicyDocument, known *edition) (*edition, error) {
	document := *d
	if known != nil && bytes.Equal(known.document.Source, d.Source) {
		e := *known
		e.document = &document
		document.ActivateAt = later(document.ActivateAt, e.extract.Effective)
		return &e, nil
	}
	p, err := policy.Parse(d.Name, d.Source)
	if err != nil {
		return nil, err
	}
	if p.Hash() != d.Hash {
		return nil, errors.New("its record is not that of its bytes")
	}
	e := &edition{document: &document, policy: p, entries: make(map[string]policy.Prohibited)}
	for _, entry := range p.Territories() {
		e.entries[entry.Rule] = entry
	}
	e.extract = targets.DevicePolicy(p)
	document.ActivateAt = later(document.ActivateAt, e.extract.Effective)
	e.bytes, err = e.extract.Marshal() // within the bounds of what devices read and keep
	return e, err
}

// listedIn reports whether officers have signed this policy, the file and the extract that devices get.
func (e *edition) listedIn(g *signatures) bool {
	return g.lists(tuf.Policy, targets.PolicyFile(e.document.Hash), e.document.Source) && g.lists(tuf.Policy, tuf.PolicyPath(e.document.Hash), e.bytes)
}

// terms are the times that the policy gives to owners.
func (s *Service) terms(e *edition) restriction.Terms {
	return restriction.Terms{NoticeDays: e.policy.Notice.Days, ShownDays: e.policy.Notice.ShownDays, SeenWithin: s.cfg.SeenWithin}
}

// codeFor returns the code of a rule that covers an activation territory: what the rule's orders name.
func (e *edition) codeFor(rule string, activation territory.Code) territory.Code {
	codes := e.entries[rule].Codes
	if slices.Contains(codes, activation) {
		return activation
	}
	for _, c := range codes {
		if c.Covers(activation) {
			return c
		}
	}
	return territory.Unknown
}
