package agent

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// This file is Charter C7 on the device: what counts is what two officers signed, as package tuf verifies it. The server's own
// keys (snapshot, timestamp) say only which of it is the newest.

// firstTrust is what a device begins to trust: the root built into its firmware, or else the first one that it is told, which it
// believes once. It fails with a fault of package tuf.
func firstTrust(pinned []byte, u tuf.Update) (*tuf.Trusted, error) {
	if len(pinned) > 0 {
		return tuf.Open(pinned)
	}
	if len(u.Roots) == 0 {
		return nil, fmt.Errorf("%w: the first update brings the roots from the first on", tuf.ErrMalformed)
	}
	return tuf.Open(u.Roots[0])
}

// learn applies the metadata of an answer and returns what they list: nil when there are none, or when they are refused, which
// is reported under the SHA-256 of the timestamp's bytes and leaves all as it was.
func (s *state) learn(u *tuf.Update, pinned []byte, out *Outcome) *tuf.Listing {
	if u == nil {
		return nil
	}
	trusted, err := s.Officers, error(nil)
	if trusted == nil { // the record is from before there were metadata
		trusted, err = firstTrust(pinned, *u)
	}
	var listing *tuf.Listing
	if err == nil {
		trusted, listing, err = trusted.Apply(*u, s.Clock.likely())
	}
	if err != nil {
		s.report(order.ID(sha256.Sum256(u.Timestamp)), metadataReason(err), out)
		return nil
	}
	s.trust(trusted)
	return listing
}

// trust keeps metadata. How long their signatures last by the own time is reckoned when a date of theirs comes for the first time: a server
// that tells a wrong time later, to keep a device on what officers signed long ago, does not make them last longer.
func (s *state) trust(t *tuf.Trusted) {
	s.Officers = t
	until := t.Expires(tuf.Policy)
	if until.Unix() < 1 {
		until = time.Unix(1, 0).UTC() // the record has no room for earlier ones
	}
	if !until.Equal(s.SignedUntil) {
		left := max(0, until.Sub(s.Clock.likely()))
		s.SignedUntil, s.SignedOwn = until, min(s.Clock.Elapsed+left, mostElapsed)
	}
}

// vouch notes whether the newest metadata list the policy in force. A policy that officers no longer list supports no
// escalation, or a server could keep a device on it for ever.
func (s *state) vouch(l *tuf.Listing) { s.Signed = policySigned(&s.Policy, l) == "" }

// policySigned reports why officers do not vouch for exactly this policy, or "".
func policySigned(p *protocol.Policy, l *tuf.Listing) Reason {
	data, err := p.Marshal()
	if err != nil { // an answer has room for more than the record
		return PolicyTooLarge
	}
	switch err := listed(l, tuf.Policy, tuf.PolicyPath(p.Hash), data); {
	case errors.Is(err, tuf.ErrExpired):
		return PolicyExpired
	case err != nil:
		return PolicyUnsigned
	}
	return ""
}

// warrantSigned reports why officers do not vouch for exactly these bytes of a warrant, or "".
func warrantSigned(id string, data []byte, l *tuf.Listing) Reason {
	switch err := listed(l, tuf.Warrant, tuf.WarrantPath(id), data); {
	case errors.Is(err, tuf.ErrExpired):
		return WarrantExpired
	case err != nil:
		return WarrantUnsigned
	}
	return ""
}

func listed(l *tuf.Listing, role, path string, data []byte) error {
	if l == nil {
		return tuf.ErrNotListed
	}
	return l.Verify(role, path, data)
}

// signatures reports why officers' signatures do not carry an escalation on a rule now, or "". They end by the latest reading of the time,
// which is never behind the certain one, or by the own time, whichever comes first (Charter C10).
func (f facts) signatures() Reason {
	switch {
	case f.officers == nil:
		return PolicyUnsigned
	case !f.clock.latest().Before(f.officers.Expires(tuf.Policy)), f.clock.Elapsed >= f.signedOwn:
		return PolicyExpired
	case !f.signed:
		return PolicyUnsigned
	}
	return ""
}

// metadataVersions is what evidence says of the metadata.
func metadataVersions(t *tuf.Trusted) evidence.MetadataVersions {
	if t == nil {
		return evidence.MetadataVersions{}
	}
	v := t.Versions()
	return evidence.MetadataVersions{Root: v.Root, Timestamp: v.Timestamp}
}

// metadataReason names why package tuf refused an update.
func metadataReason(err error) Reason {
	switch tuf.FaultOf(err) {
	case tuf.ErrOversized:
		return MetadataOversized
	case tuf.ErrThreshold:
		return MetadataThreshold
	case tuf.ErrSignatures:
		return MetadataUnsigned
	case tuf.ErrRootGap:
		return MetadataRootGap
	case tuf.ErrRolledBack:
		return MetadataRolledBack
	case tuf.ErrExpired:
		return MetadataExpired
	case tuf.ErrMixed:
		return MetadataMixed
	}
	return MetadataMalformed
}

// brought is what an answer brings for its orders to rest on.
type brought struct {
	warrants []protocol.Held
	listing  *tuf.Listing // nil when it brings no metadata, or none that count
	imei     device.IMEI  // the device's own
}

// warrantFor returns the warrant that an order on a warrant's ground rests on, when it was delivered and may be followed.
func (b brought) warrantFor(l order.Leaf, c clock) (*protocol.Warrant, Reason) {
	reason := WarrantMissing
	for i := range b.warrants {
		held := &b.warrants[i]
		w := &held.Warrant
		if w.ID != l.Ground.ID {
			continue
		}
		data, err := w.Marshal()
		if err != nil || sha256.Sum256(data) != l.Authority {
			reason = WarrantMismatch
			continue
		}
		if reason := warrantSigned(w.ID, data, b.listing); reason != "" {
			return nil, reason
		}
		switch {
		case held.Member.Verify(w.Cohort, b.imei) != nil:
			return nil, NotInCohort
		case !w.EndsAt.After(w.IssuedAt), !c.latest().Before(w.EndsAt):
			return nil, WarrantEnded
		case w.EndsAt.Sub(w.IssuedAt) > order.MaxHold, w.EndsAt.Sub(l.IssuedAt) > order.MaxHold:
			return nil, WarrantEndTooFar
		}
		return w, ""
	}
	return nil, reason
}

// isWarrant reports whether authority is the hash of exactly this warrant.
func isWarrant(w protocol.Warrant, authority [32]byte) bool {
	hash, err := w.Hash()
	return err == nil && hash == authority
}

// unsigned reports whether the ground was noticed by an earlier version of the agent, which verified no officers' signatures.
func (r *restriction) unsigned() bool { return r.Warrant != nil && r.Warrant.Cohort.Size == 0 }

// another reports whether w is not the warrant that the owner was told of: an id stands for one document.
func (r *restriction) another(w *protocol.Warrant) bool {
	if w == nil || r.Warrant == nil || r.unsigned() {
		return false
	}
	known, err := r.Warrant.Marshal()
	told, err2 := w.Marshal()
	return err != nil || err2 != nil || !bytes.Equal(known, told)
}

// pinnedRoot checks the root that the platform was built with.
func (p Platform) pinnedRoot() error {
	if len(p.Root) == 0 {
		return nil
	}
	if _, err := tuf.Open(p.Root); err != nil {
		return fmt.Errorf("agent: the platform's root of the officers: %w", err)
	}
	return nil
}

// enrolledUnder verifies what an enrolment brings: the officers' metadata, and that they list its policy.
func enrolledUnder(pinned []byte, ans *protocol.EnrolAnswer) (*tuf.Trusted, error) {
	trusted, err := firstTrust(pinned, ans.Metadata)
	var listing *tuf.Listing
	if err == nil {
		trusted, listing, err = trusted.Apply(ans.Metadata, ans.Time)
	}
	if err != nil {
		return nil, fmt.Errorf("agent: the officers' metadata: %w: %w", metadataReason(err), err)
	}
	if reason := policySigned(&ans.Policy, listing); reason != "" {
		return nil, fmt.Errorf("agent: the policy %q: %w", ans.Policy.ID, reason)
	}
	return trusted, nil
}
