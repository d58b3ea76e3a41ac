package authority

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Signer signs proposals with the keys of two different officers that the server itself holds. It is for sandboxes and tests:
// where a server has one, the server alone can write policies and warrants, and Charter C7 binds nobody.
type Signer interface {
	Officers() []tufrepo.PublicKey  // all of whom it holds the keys; two or more
	Sign(p *tufrepo.Proposal) error // with the keys of two different ones
}

// signAttempts bounds how often a Signer signs the same thing anew because something else was published at the same moment.
const signAttempts = 10

// signbook keeps what officers have signed in memory, verified. Every server reads it anew at each sweep, and at once after it
// published something itself.
type signbook struct {
	publishing sync.Mutex // held from the look at the newest metadata until those that follow are stored
	reading    sync.Mutex // of the store, as in rulebook

	mu    sync.RWMutex
	known *signatures // nil before the first look
}

// signatures is what officers have signed, as the store shows it. It does not change.
type signatures struct {
	repository *tufrepo.Repository // nil while nobody has founded it
	verified   *tufrepo.Verified   // nil unless signatures and hashes hold; expiry is not part of it
	versions   tuf.Versions
	listed     map[string]map[string]tufrepo.Target // by role, tuf.Policy and tuf.Warrant, and path
	expires    map[string]time.Time                 // of each role by itself
}

// signaturesOf is a repository that is sound.
func signaturesOf(v *tufrepo.Verified) *signatures {
	c := v.Content()
	return &signatures{repository: v.Repository(), verified: v, versions: c.Versions, listed: c.Listed, expires: c.Expires}
}

// sound reports whether signatures and hashes hold.
func (g *signatures) sound() bool { return g.verified != nil }

// offlineRoles are those that officers sign, and only they can renew.
var offlineRoles = []string{tuf.Root, tuf.Targets, tuf.Policy, tuf.Warrant}

// founded reports whether officers have founded the repository.
func (g *signatures) founded() bool { return g.repository != nil }

// lists reports whether officers have signed these very bytes as the file of that path.
func (g *signatures) lists(role, path string, data []byte) bool {
	f, found := g.listed[role][path]
	return g.sound() && found && f.Length == int64(len(data)) && f.SHA256 == sha256.Sum256(data)
}

// end is when what officers signed in a role ends for devices: with it, with root or with targets, whichever is first.
func (g *signatures) end(role string) time.Time {
	end := g.expires[role]
	for _, above := range []string{tuf.Root, tuf.Targets} {
		if e := g.expires[above]; e.Before(end) {
			end = e
		}
	}
	return end
}

// stands reports whether a role's signatures may still bear an escalation (Charter C10).
func (g *signatures) stands(role string, now time.Time) bool {
	return g.sound() && now.Before(g.end(role))
}

// signed returns what officers have signed, as last read.
func (s *Service) signed(ctx context.Context) (*signatures, error) {
	if err := s.follow(ctx); err != nil {
		return nil, err
	}
	s.signs.mu.RLock()
	known := s.signs.known
	s.signs.mu.RUnlock()
	if known != nil {
		return known, nil
	}
	return s.readSignatures(ctx)
}

// readSignatures reads the newest metadata of all roles from the store. What was verified before is not verified again.
func (s *Service) readSignatures(ctx context.Context) (*signatures, error) {
	return s.readSignaturesAfter(ctx, nil)
}

// readSignaturesAfter is readSignatures where made was verified a moment ago and is likely to be what the store has now.
func (s *Service) readSignaturesAfter(ctx context.Context, made *signatures) (*signatures, error) {
	s.signs.reading.Lock()
	defer s.signs.reading.Unlock()
	var r *tufrepo.Repository
	err := s.view(ctx, func(tx Tx) (err error) {
		r, err = repositoryIn(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.signs.mu.RLock()
	known := s.signs.known
	s.signs.mu.RUnlock()
	if known != nil && sameRepository(known.repository, r) {
		return known, nil
	}
	fresh := &signatures{repository: r}
	if r != nil && made != nil && sameRepository(made.repository, r) {
		fresh = made
	} else if r != nil {
		if v, err := r.Sound(); err != nil {
			// Every change goes through Publish or Refresh, which verify: somebody else has written into the store.
			s.cfg.Logger.Error("officers' signatures do not hold: no policy and no warrant counts until the store is restored", "error", err)
		} else {
			fresh = signaturesOf(v)
		}
	}
	s.signs.mu.Lock()
	defer s.signs.mu.Unlock()
	s.signs.known = fresh
	return fresh, nil
}

// repositoryIn reads the newest metadata; nil when nobody has founded the repository.
func repositoryIn(tx Tx) (*tufrepo.Repository, error) {
	roots, err := tx.MetadataOf(tuf.Root)
	if err != nil || len(roots) == 0 {
		return nil, err
	}
	r := &tufrepo.Repository{}
	for _, m := range roots {
		r.Roots = append(r.Roots, m.Document)
	}
	for role, into := range partsOf(r) {
		m, err := tx.LatestMetadata(role)
		if none, err := absent(err); err != nil {
			return nil, err
		} else if !none { // an empty part does not verify
			*into = m.Document
		}
	}
	return r, nil
}

// partsOf gives access to the roles that have one document in force.
func partsOf(r *tufrepo.Repository) map[string]*[]byte {
	return map[string]*[]byte{tuf.Targets: &r.Targets, tuf.Policy: &r.Policy, tuf.Warrant: &r.Warrant, tuf.Snapshot: &r.Snapshot, tuf.Timestamp: &r.Timestamp}
}

func sameRepository(a, b *tufrepo.Repository) bool {
	if a == nil || b == nil {
		return a == b
	}
	for role, part := range partsOf(a) {
		if !bytes.Equal(*part, *partsOf(b)[role]) {
			return false
		}
	}
	return slices.EqualFunc(a.Roots, b.Roots, bytes.Equal)
}

// putRepository stores what next, of these versions, has and base has not. ErrConflict says that somebody else has published since base was read.
func putRepository(tx Tx, base, next *tufrepo.Repository, versions tuf.Versions) error {
	if base == nil {
		base = &tufrepo.Repository{}
	}
	for i := len(base.Roots); i < len(next.Roots); i++ {
		if err := tx.InsertMetadata(Metadata{Role: tuf.Root, Version: uint64(i + 1), Document: next.Roots[i]}); err != nil {
			return err
		}
	}
	before, after := partsOf(base), partsOf(next)
	for role, version := range map[string]uint64{tuf.Targets: versions.Targets, tuf.Policy: versions.Policy, tuf.Warrant: versions.Warrant,
		tuf.Snapshot: versions.Snapshot, tuf.Timestamp: versions.Timestamp} {
		if bytes.Equal(*before[role], *after[role]) {
			continue
		}
		if err := tx.InsertMetadata(Metadata{Role: role, Version: version, Document: *after[role]}); err != nil {
			return err
		}
	}
	return nil
}

// fresh returns what officers have signed, with a timestamp that devices accept: it is signed anew when its time comes, by the server's
// online key alone. A failure is logged, and what there is goes on to count for as long as it does.
func (s *Service) fresh(ctx context.Context, now time.Time) (*signatures, error) {
	g, err := s.signed(ctx)
	if err != nil || !g.founded() || !g.sound() || !g.verified.Due(now) || !s.tryLater(now) {
		return g, err
	}
	next, err := s.refresh(ctx, now)
	if err != nil {
		s.cfg.Logger.Error("the officers' metadata cannot be signed anew: devices will refuse them when their timestamp ends",
			"ends", g.expires[tuf.Timestamp], "error", err)
		return g, nil
	}
	return next, nil
}

// tryLater lets one attempt a minute pass, so that a failing one does not come with every check-in.
func (s *Service) tryLater(now time.Time) bool {
	last := s.refreshed.Load()
	return (now.Unix() >= last+60 || now.Unix() < last) && s.refreshed.CompareAndSwap(last, now.Unix())
}

func (s *Service) refresh(ctx context.Context, now time.Time) (*signatures, error) {
	return s.signAnew(ctx, func(v *tufrepo.Verified) (*tufrepo.Verified, error) { return v.Refresh(s.cfg.Online, now) })
}

// SkipAhead signs what the server itself signs under versions that are far ahead, for records that were put back from a backup: devices have
// seen later versions than those, and would refuse earlier ones. It does nothing before officers have founded anything.
func (s *Service) SkipAhead(ctx context.Context) error {
	now := s.now()
	_, err := s.signAnew(ctx, func(v *tufrepo.Verified) (*tufrepo.Verified, error) { return v.SkipAhead(s.cfg.Online, now) })
	return err
}

func (s *Service) signAnew(ctx context.Context, sign func(*tufrepo.Verified) (*tufrepo.Verified, error)) (*signatures, error) {
	s.signs.publishing.Lock()
	defer s.signs.publishing.Unlock()
	g, err := s.readSignatures(ctx)
	if err != nil || !g.founded() || !g.sound() {
		return g, err
	}
	next, err := sign(g.verified)
	if err != nil || next == g.verified {
		return g, err
	}
	made := signaturesOf(next)
	err = s.update(ctx, func(tx Tx) error { return putRepository(tx, g.repository, made.repository, made.versions) })
	if errors.Is(err, ErrChanged) { // another server was first
		return s.readSignatures(ctx)
	} else if err != nil {
		return nil, err
	}
	s.signs.reading.Lock() // who reads now may have begun before
	defer s.signs.reading.Unlock()
	s.signs.mu.Lock()
	defer s.signs.mu.Unlock()
	s.signs.known = made
	return made, nil
}
