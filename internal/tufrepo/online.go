package tufrepo

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

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
	if _, err := d.signedBy([]PublicKey{online.public}); err != nil { // before a device finds it
		return nil, fmt.Errorf("%w: just made: %w", ErrOnlineKey, err)
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
