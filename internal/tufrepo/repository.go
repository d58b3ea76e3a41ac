package tufrepo

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Repository is all metadata in force, as exact bytes. Values are never changed: what changes one returns the next.
type Repository struct {
	Roots                                         [][]byte // every root there was, from version 1
	Targets, Policy, Warrant, Snapshot, Timestamp []byte
}

// contents is a repository as read. Roots before the last are read where a chain is verified.
type contents struct {
	root              rootDocument
	targets           targetsDocument
	policy, warrant   listingDocument
	snapshot, stamped onlineDocument
}

// read takes a repository apart. It checks form, not signatures.
func (r *Repository) read() (*contents, error) {
	var c contents
	if r == nil || len(r.Roots) == 0 {
		return nil, fmt.Errorf("%w: it has no root: the officers have not founded it yet", ErrRepository)
	}
	var err error
	if c.root, err = readRoot(r.Roots[len(r.Roots)-1]); err == nil && c.root.version != uint64(len(r.Roots)) {
		err = fmt.Errorf("root %d is the %dth", c.root.version, len(r.Roots))
	}
	if err == nil {
		c.targets, err = readTargets(r.Targets, c.root.signers)
	}
	if err == nil {
		c.policy, err = readListing(r.Policy, tuf.Policy)
	}
	if err == nil {
		c.warrant, err = readListing(r.Warrant, tuf.Warrant)
	}
	if err == nil {
		c.snapshot, err = readSnapshot(r.Snapshot)
	}
	if err == nil {
		c.stamped, err = readTimestamp(r.Timestamp)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRepository, err)
	}
	return &c, nil
}

func (c *contents) head(role string) (head, error) {
	switch role {
	case tuf.Root:
		return c.root.head, nil
	case tuf.Targets:
		return c.targets.head, nil
	case tuf.Policy:
		return c.policy.head, nil
	case tuf.Warrant:
		return c.warrant.head, nil
	case tuf.Snapshot:
		return c.snapshot.head, nil
	case tuf.Timestamp:
		return c.stamped.head, nil
	}
	return head{}, fmt.Errorf("%w: there is no role %q", ErrRepository, role)
}

// Versions returns the versions of all roles.
func (r *Repository) Versions() (tuf.Versions, error) {
	c, err := r.read()
	if err != nil {
		return tuf.Versions{}, err
	}
	return c.content().Versions, nil
}

// Expires returns when the metadata of a role expire, in UTC.
func (r *Repository) Expires(role string) (time.Time, error) {
	c, err := r.read()
	if err != nil {
		return time.Time{}, err
	}
	h, err := c.head(role)
	return h.expires, err
}

// Officers returns the officers' keys, by name.
func (r *Repository) Officers() ([]PublicKey, error) {
	c, err := r.read()
	if err != nil {
		return nil, err
	}
	return c.root.officers, nil
}

// Online returns the server's key, which signs snapshot and timestamp.
func (r *Repository) Online() (PublicKey, error) {
	c, err := r.read()
	if err != nil {
		return PublicKey{}, err
	}
	return c.root.online, nil
}

// Threshold returns how many different keys must sign a role: one number for the officers' roles, 1 for the server's.
func (r *Repository) Threshold(role string) (int, error) {
	c, err := r.read()
	if err != nil {
		return 0, err
	}
	switch role {
	case tuf.Snapshot, tuf.Timestamp:
		return 1, nil
	}
	_, err = c.head(role)
	return c.root.threshold, err
}

// Listed returns the files of [tuf.Policy] or [tuf.Warrant] by path. The map is the caller's.
func (r *Repository) Listed(role string) (map[string]Target, error) {
	c, err := r.read()
	if err != nil {
		return nil, err
	}
	switch role {
	case tuf.Policy:
		return c.policy.files, nil
	case tuf.Warrant:
		return c.warrant.files, nil
	}
	return nil, fmt.Errorf("%w: the role %q lists no files", ErrRepository, role)
}

// Update returns what a device needs that trusts the root of this version, 0 for none: the roots after it and the rest. A device
// can follow [tuf.MaxRoots] roots at a time, so it gets the next ones at most, or the latest ones when it trusts none.
func (r *Repository) Update(trustedRoot uint64) tuf.Update {
	roots := r.Roots[min(trustedRoot, uint64(len(r.Roots))):]
	if over := len(roots) - tuf.MaxRoots; over > 0 {
		if trustedRoot == 0 {
			roots = roots[over:]
		} else {
			roots = roots[:tuf.MaxRoots]
		}
	}
	return tuf.Update{Roots: slices.Clone(roots), Timestamp: r.Timestamp, Snapshot: r.Snapshot,
		Targets: r.Targets, Policy: r.Policy, Warrant: r.Warrant}
}

// Role is a role that ends.
type Role struct {
	Name    string
	Version uint64
	Expires time.Time
}

// Expiring returns those of the officers' roles that have ended or end before now + within, the earliest first. What to do
// differs: a policy is signed anew with a policy proposal, a warrant with a warrant proposal, root and targets with an officers' one.
func (r *Repository) Expiring(now time.Time, within time.Duration) ([]Role, error) {
	c, err := r.read()
	if err != nil {
		return nil, err
	}
	var ending []Role
	for _, role := range []string{tuf.Root, tuf.Targets, tuf.Policy, tuf.Warrant} {
		h, err := c.head(role)
		if err != nil {
			return nil, err
		}
		if !h.expires.After(now.Add(within)) {
			ending = append(ending, Role{role, h.version, h.expires})
		}
	}
	slices.SortStableFunc(ending, func(a, b Role) int { return a.Expires.Compare(b.Expires) })
	return ending, nil
}

// Verify checks everything at a time as a TUF client would that knows the first root: with go-tuf's trustedmetadata, from root 1
// on, and against the form that this package writes. Faults are [ErrExpired], or [ErrRepository] for anything else.
func (r *Repository) Verify(now time.Time) error { return r.verify(now, nil) }

// verify is Verify, but lets the delegated roles named in tolerated be expired: a policy that has ended does not stop warrants, nor
// a warrant that has ended policies, here as on devices.
func (r *Repository) verify(now time.Time, tolerated []string) error {
	if _, err := r.read(); err != nil {
		return err
	}
	return r.hold(now, tolerated)
}

// hold checks signatures, dates and hashes of a repository whose form is right.
func (r *Repository) hold(now time.Time, tolerated []string) error {
	if err := verifyChain(r.Roots); err != nil {
		return fmt.Errorf("%w: %w", ErrRepository, err)
	}
	trusted, err := trustedmetadata.New(r.Roots[0])
	if err != nil {
		return fmt.Errorf("%w: root 1: %w", ErrRepository, err)
	}
	trusted.RefTime = now.Add(1) // go-tuf still takes what ends at this very instant; devices do not
	for i, root := range r.Roots[1:] {
		if _, err := trusted.UpdateRoot(root); err != nil {
			return fmt.Errorf("%w: root %d: %w", ErrRepository, i+2, err)
		}
	}
	if _, err := trusted.UpdateTimestamp(r.Timestamp); err != nil {
		return fault("timestamp", err)
	}
	if _, err := trusted.UpdateSnapshot(r.Snapshot, false); err != nil {
		return fault("snapshot", err)
	}
	if _, err := trusted.UpdateTargets(r.Targets); err != nil {
		return fault("targets", err)
	}
	for _, part := range []struct {
		role string
		data []byte
	}{{tuf.Policy, r.Policy}, {tuf.Warrant, r.Warrant}} {
		_, err := trusted.UpdateDelegatedTargets(part.data, part.role, tuf.Targets)
		if errors.Is(err, &metadata.ErrExpiredMetadata{}) && slices.Contains(tolerated, part.role) {
			continue // expiry is what go-tuf looks at last: all else holds
		}
		if err != nil {
			return fault(part.role, err)
		}
	}
	return nil
}

// fault names what go-tuf found.
func fault(role string, err error) error {
	if errors.Is(err, &metadata.ErrExpiredMetadata{}) {
		return fmt.Errorf("%w: %s: %w", ErrExpired, role, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrRepository, role, err)
}

// verifyChain checks that roots ascend from 1 and that each is signed by itself and by the one before. go-tuf does too; this one
// is for proposals, names who is missing, and holds every root to this package's form and floor.
func verifyChain(roots [][]byte) error {
	var before *rootDocument
	for i, data := range roots {
		root, err := readRoot(data)
		if err != nil {
			return fmt.Errorf("root %d: %w", i+1, err)
		}
		if root.version != uint64(i+1) {
			return fmt.Errorf("root %d says that it is %d", i+1, root.version)
		}
		if err := quorate(root.document, root.signers); err != nil {
			return fmt.Errorf("root %d: %w", i+1, err)
		}
		if before != nil {
			if err := quorate(root.document, before.signers); err != nil {
				return fmt.Errorf("root %d, by the officers of root %d: %w", i+1, i, err)
			}
		}
		before = &root
	}
	return nil
}

func quorate(d document, s signers) error {
	found, err := d.signedBy(s.officers)
	if err != nil {
		return err
	}
	if len(found) < s.threshold {
		return fmt.Errorf("signed by %d of the %d that it needs", len(found), s.threshold)
	}
	return nil
}

// onlineDocument is snapshot or timestamp.
type onlineDocument struct {
	document
	head
	meta map[string]*metadata.MetaFiles
}

func readSnapshot(data []byte) (onlineDocument, error) {
	var signed metadata.SnapshotType
	d, err := readOnline(data, tuf.Snapshot, &signed)
	if err != nil {
		return d, err
	}
	if d.head, err = readHead(signed.Version, signed.Expires); err != nil {
		return d, fmt.Errorf("snapshot: %w", err)
	}
	d.meta = signed.Meta
	return d, sameMeta(d, d.snapshotSigned(signed.Meta), tuf.Snapshot, "policy.json", "targets.json", "warrant.json")
}

func readTimestamp(data []byte) (onlineDocument, error) {
	var signed metadata.TimestampType
	d, err := readOnline(data, tuf.Timestamp, &signed)
	if err != nil {
		return d, err
	}
	if d.head, err = readHead(signed.Version, signed.Expires); err != nil {
		return d, fmt.Errorf("timestamp: %w", err)
	}
	d.meta = signed.Meta
	return d, sameMeta(d, d.timestampSigned(signed.Meta), tuf.Timestamp, "snapshot.json")
}

func readOnline(data []byte, role string, signed any) (d onlineDocument, err error) {
	if d.document, err = readDocument(data); err == nil {
		err = json.Unmarshal(d.Signed, signed)
	}
	if err != nil {
		return d, fmt.Errorf("%s: %w", role, err)
	}
	return d, nil
}

func sameMeta(d onlineDocument, signed any, role string, files ...string) error {
	if !slices.Equal(slices.Sorted(maps.Keys(d.meta)), files) {
		return fmt.Errorf("%s does not describe %v", role, files)
	}
	for name, m := range d.meta {
		if m == nil {
			return fmt.Errorf("%s: %s is null", role, name)
		}
	}
	return rebuilt(d.document, signed, role)
}
