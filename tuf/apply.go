package tuf

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"time"
)

// Apply verifies an update at a time and returns what to trust next, with the files that the update lists. t is unchanged
// in any case, and so is what its holder trusts when there is an error, which wraps a Fault. It is the client workflow of
// TUF, sections 5.3 to 5.6:
//
//   - Roots that t is not below are passed over; each other one must be the successor of the one before, signed by the
//     threshold of both. Only the last one's date counts.
//   - A root that changes who signs timestamp or snapshot makes their versions begin anew (5.3.11).
//   - No other version goes down. An equal one is fine: most updates bring nothing new.
//   - Timestamp and snapshot must describe the other parts, and none of root, timestamp, snapshot and targets may
//     have expired. Where Policy or Warrant has, the rest counts, and Listing.Verify refuses that role's files.
//
// An update costs at most one signature check for each key of each role, and reads each part once. The signatures of targets, policy
// and warrant metadata are not checked again where t has seen them hold for the very same bytes under the same root and, for policy and
// warrant, the same targets, which say who may sign them. Everything else is checked every time.
func (t *Trusted) Apply(u Update, now time.Time) (*Trusted, *Listing, error) {
	files := map[string][]byte{Timestamp: u.Timestamp, Snapshot: u.Snapshot, Targets: u.Targets, Policy: u.Policy, Warrant: u.Warrant}
	return t.apply(u.Roots, files, now, device())
}

func (t *Trusted) apply(roots [][]byte, files map[string][]byte, now time.Time, r rules) (*Trusted, *Listing, error) {
	if err := bounded(roots, files, r); err != nil {
		return nil, nil, err
	}
	final, renewed, err := t.root.follow(roots, r.floor)
	if err != nil {
		return nil, nil, err
	}
	if err := unexpired(final.document, now); err != nil {
		return nil, nil, err
	}
	w := workflow{before: t.roles, next: &Trusted{root: final, roles: make(map[string]state)}, files: files, now: now}
	w.sameRoot = final == t.root // follow returns another as soon as it takes one
	snapshot, err := w.online(renewed)
	if err != nil {
		return nil, nil, err
	}
	listing, err := w.officers(snapshot, r)
	if err != nil {
		return nil, nil, err
	}
	return w.next, listing, nil
}

// bounded refuses what is too large before any of it is read.
func bounded(roots [][]byte, files map[string][]byte, r rules) error {
	if len(roots) > MaxRoots {
		return fmt.Errorf("%w: %d roots in one update, at most %d", ErrOversized, len(roots), MaxRoots)
	}
	for _, data := range roots {
		if err := size(Root, data); err != nil {
			return err
		}
	}
	for _, role := range append([]string{Timestamp, Snapshot, Targets}, r.names()...) {
		if err := size(role, files[role]); err != nil {
			return err
		}
	}
	return nil
}

func size(role string, data []byte) error {
	if len(data) > MaxMetadata {
		return fmt.Errorf("%w: %s has %d bytes, at most %d", ErrOversized, role, len(data), MaxMetadata)
	}
	if len(data) == 0 {
		return malformed("%s is missing", role)
	}
	return nil
}

func unexpired(d document, now time.Time) error {
	if !now.Before(d.expires) {
		return fmt.Errorf("%w: %s %d ended on %s", ErrExpired, d.role, d.version, d.expires.Format(layout))
	}
	return nil
}

// follow goes from a trusted root to the last of roots (5.3), and says whether one on the way changed who signs timestamp
// or snapshot.
func (r *root) follow(roots [][]byte, floor int) (final *root, renewed bool, err error) {
	final = r
	for _, data := range roots {
		d, f, err := readRootDocument(data)
		if err != nil {
			return nil, false, err
		}
		if d.version <= final.version {
			continue
		}
		if d.version != final.version+1 {
			return nil, false, fmt.Errorf("%w: root %d does not follow %d", ErrRootGap, d.version, final.version)
		}
		next, err := newRoot(d, f, data, floor)
		if err != nil {
			return nil, false, err
		}
		if err := final.roles[Root].verify(d, "the root before it"); err != nil {
			return nil, false, err
		}
		if err := next.roles[Root].verify(d, "itself"); err != nil {
			return nil, false, err
		}
		for _, role := range []string{Timestamp, Snapshot} {
			renewed = renewed || !final.roles[role].equal(next.roles[role])
		}
		final = next.settle()
	}
	return final, renewed, nil
}

// workflow is an update on its way: what was trusted, and what will be.
type workflow struct {
	before   map[string]state
	next     *Trusted
	files    map[string][]byte
	now      time.Time
	sameRoot bool // no newer root came: the same keys sign targets
}

// accept takes a document whose signatures and place are right, unless its version is below the trusted one.
func (w *workflow) accept(d document) error {
	if least := w.before[d.role].version; d.version < least {
		return fmt.Errorf("%w: %s %d; %d was trusted before", ErrRolledBack, d.role, d.version, least)
	}
	w.next.roles[d.role] = state{version: d.version, expires: d.expires}
	return nil
}

// online takes what the server's key signs: timestamp (5.4) and snapshot (5.5).
func (w *workflow) online(renewed bool) (*described, error) {
	if renewed {
		w.before = maps.Clone(w.before)
		delete(w.before, Timestamp)
		delete(w.before, Snapshot)
	}
	timestamp, err := w.described(Timestamp)
	if err != nil {
		return nil, err
	}
	if err := timestamp.describes(Snapshot, w.files[Snapshot]); err != nil {
		return nil, err
	}
	snapshot, err := w.described(Snapshot)
	if err != nil {
		return nil, err
	}
	return snapshot, timestamp.at(snapshot.document)
}

func (w *workflow) described(role string) (*described, error) {
	d, err := readDescribed(role, w.files[role])
	if err != nil {
		return nil, err
	}
	if err := w.next.root.roles[role].verify(d.document, Root); err != nil {
		return nil, err
	}
	if err := w.accept(d.document); err != nil {
		return nil, err
	}
	return d, unexpired(d.document, w.now)
}

// describes checks the bytes of a role's metadata against length and hash, where they are given.
func (d *described) describes(role string, data []byte) error {
	m, ok := d.meta[role]
	if !ok {
		return fmt.Errorf("%w: %s %d does not name %s", ErrMixed, d.role, d.version, role)
	}
	if m.length != 0 && m.length != int64(len(data)) {
		return fmt.Errorf("%w: %s has %d bytes, %s %d says %d", ErrMixed, role, len(data), d.role, d.version, m.length)
	}
	if sum := sha256.Sum256(data); m.hash != nil && !bytes.Equal(m.hash, sum[:]) {
		return fmt.Errorf("%w: %s has another hash than %s %d says", ErrMixed, role, d.role, d.version)
	}
	return nil
}

// at checks that another document has the version that d gives it.
func (d *described) at(o document) error {
	if want := d.meta[o.role].version; o.version != want {
		return fmt.Errorf("%w: %s %d, where %s %d names %d", ErrMixed, o.role, o.version, d.role, d.version, want)
	}
	return nil
}

// officers takes what officers sign: targets, and the roles that it delegates to (5.6).
func (w *workflow) officers(snapshot *described, r rules) (*Listing, error) {
	root := w.next.root
	top, known, err := w.targets(Targets, snapshot, root.roles[Targets], Root, w.sameRoot)
	if err != nil {
		return nil, err
	}
	if err := unexpired(top.document, w.now); err != nil {
		return nil, err
	}
	l := &Listing{roles: make(map[string]listed)}
	for _, want := range r.delegated {
		d, ok := top.delegations[want.role]
		if !ok {
			return nil, malformed("targets %d does not delegate to %s", top.version, want.role)
		}
		if err := root.floor(want.role, d.signers, r.floor); err != nil {
			return nil, err
		}
		t, _, err := w.targets(want.role, snapshot, d.signers, Targets, known)
		if err != nil {
			return nil, err
		}
		l.roles[want.role] = listed{t.targets, d.patterns, want.prefixes, unexpired(t.document, w.now)}
	}
	return l, nil
}

// targets takes the metadata of a role of the officers', and says whether they are known: the very bytes whose signatures were seen
// to hold before. sameSigners says that whoever names the signers is known itself; otherwise nothing counts as known.
func (w *workflow) targets(role string, snapshot *described, s signers, by string, sameSigners bool) (t *targets, known bool, err error) {
	data := w.files[role]
	if err := snapshot.describes(role, data); err != nil {
		return nil, false, err
	}
	if t, err = readTargets(role, data); err != nil {
		return nil, false, err
	}
	sum := sha256.Sum256(data)
	if known = sameSigners && bytes.Equal(w.before[role].verified, sum[:]); !known {
		if err := s.verify(t.document, by); err != nil {
			return nil, false, err
		}
	}
	if err := snapshot.at(t.document); err != nil {
		return nil, false, err
	}
	if err := w.accept(t.document); err != nil {
		return nil, false, err
	}
	w.next.roles[role] = state{t.version, t.expires, sum[:]}
	return t, known, nil
}
