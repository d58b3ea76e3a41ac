package tufrepo

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// How much must be left of what the server signs by itself; with less, Refresh signs anew.
const (
	timestampLeft = 7 * day / 2
	snapshotLeft  = 15 * day // more than a timestamp lives, so that no timestamp outlives its snapshot
)

// Refresh signs snapshot and timestamp anew when less than half of their life is left, expired or not, and says whether it
// did. It needs no officer, and it cannot renew what officers sign: see [Repository.Expiring]. r is not changed.
func (r *Repository) Refresh(online *Key, now time.Time) (next *Repository, changed bool, err error) {
	c, err := r.readOnline()
	if err != nil {
		return nil, false, err
	}
	snapshot := c.snapshot.expires.Before(now.Add(snapshotLeft))
	if !snapshot && !c.stamped.expires.Before(now.Add(timestampLeft)) {
		return r, false, nil
	}
	if online, err = named(c.root.signers, online); err != nil {
		return nil, false, err
	}
	made := *r
	if snapshot {
		if made.Snapshot, err = makeSnapshot(&made, c.snapshot.version+1, online, now); err != nil {
			return nil, false, err
		}
	}
	if made.Timestamp, err = makeTimestamp(&made, c.stamped.version+1, online, now); err != nil {
		return nil, false, err
	}
	if !snapshot { // nothing else is signed anew
		return &made, true, made.verifyOnline(now)
	}
	// A device tells by itself that a policy or a warrant has ended, and goes on with the other. Without root or targets it takes nothing.
	if err := made.verify(now, []string{tuf.Policy, tuf.Warrant}); err != nil {
		return nil, false, err
	}
	return &made, true, nil
}

// readOnline takes apart what the server signs, and the root that says with which key.
func (r *Repository) readOnline() (*contents, error) {
	var c contents
	if r == nil || len(r.Roots) == 0 {
		return r.read() // which says what is missing
	}
	var err error
	if c.root, err = readRoot(r.Roots[len(r.Roots)-1]); err == nil {
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

// verifyOnline checks what the server signs as a client does that trusts the newest root.
func (r *Repository) verifyOnline(now time.Time) error {
	trusted, err := trustedmetadata.New(r.Roots[len(r.Roots)-1])
	if err != nil {
		return fmt.Errorf("%w: root: %w", ErrRepository, err)
	}
	trusted.RefTime = now.Add(1) // as in verify
	if _, err := trusted.UpdateTimestamp(r.Timestamp); err != nil {
		return fault("timestamp", err)
	}
	if _, err := trusted.UpdateSnapshot(r.Snapshot, false); err != nil {
		return fault("snapshot", err)
	}
	return nil
}

// Stamps are what the server itself signs: versions and ends of snapshot and timestamp.
type Stamps struct {
	Snapshot, Timestamp               uint64
	SnapshotExpires, TimestampExpires time.Time
}

// Stamps reads what the server itself signs.
func (r *Repository) Stamps() (Stamps, error) {
	c, err := r.readOnline()
	if err != nil {
		return Stamps{}, err
	}
	return Stamps{c.snapshot.version, c.stamped.version, c.snapshot.expires, c.stamped.expires}, nil
}

// named returns the online key under the name that the root gives it, which is part of its id.
func named(s signers, online *Key) (*Key, error) {
	if online == nil {
		return nil, fmt.Errorf("%w: there is none, and the root names %s, %s", ErrOnlineKey, s.online.name, s.online.Grouped())
	}
	if !online.public.Same(s.online) {
		return nil, fmt.Errorf("%w: the root names %s, %s; this one is %s. Restore that key, or have the officers sign a root that names this one",
			ErrOnlineKey, s.online.name, s.online.Grouped(), online.public.Grouped())
	}
	return &Key{s.online, online.signer}, nil
}

func makeSnapshot(r *Repository, version uint64, online *Key, now time.Time) ([]byte, error) {
	meta := map[string]*metadata.MetaFiles{}
	for role, data := range map[string][]byte{tuf.Targets: r.Targets, tuf.Policy: r.Policy, tuf.Warrant: r.Warrant} {
		v, err := versionOf(data)
		if err != nil {
			return nil, err
		}
		meta[role+".json"] = metaOf(v, data)
	}
	return signOnline(headAt(tuf.Snapshot, version, now).snapshotSigned(meta), online)
}

func makeTimestamp(r *Repository, version uint64, online *Key, now time.Time) ([]byte, error) {
	v, err := versionOf(r.Snapshot)
	if err != nil {
		return nil, err
	}
	meta := map[string]*metadata.MetaFiles{"snapshot.json": metaOf(v, r.Snapshot)}
	return signOnline(headAt(tuf.Timestamp, version, now).timestampSigned(meta), online)
}

func signOnline(signed any, online *Key) ([]byte, error) {
	d, err := newDocument(signed)
	if err != nil {
		return nil, err
	}
	if d, err = d.signWith(online, online.public.ID()); err != nil {
		return nil, err
	}
	return d.bytes()
}

// headAt is a version made at a time.
func headAt(role string, version uint64, now time.Time) head {
	return head{version, now.UTC().Truncate(time.Second).Add(lifetimes[role])}
}

func versionOf(data []byte) (uint64, error) {
	var d struct {
		Signed struct {
			Version uint64 `json:"version"`
		} `json:"signed"`
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRepository, err)
	}
	return d.Signed.Version, nil
}
