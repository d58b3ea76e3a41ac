package tufrepo

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

const day = 24 * time.Hour

// lifetimes say how long a signature stands. Offline roles need people to renew, so they are long, and a warrant
// has an end of its own within 90 days; timestamp bounds for how long a device can be kept from news (a freeze).
var lifetimes = map[string]time.Duration{
	tuf.Root:      5 * 365 * day,
	tuf.Targets:   5 * 365 * day,
	tuf.Policy:    400 * day,
	tuf.Warrant:   200 * day,
	tuf.Snapshot:  30 * day,
	tuf.Timestamp: 7 * day,
}

// prefixes say which paths the delegated roles speak for. No path is in two of them.
var prefixes = map[string][]string{
	tuf.Policy:  {"policy/*", "borders/*", "messages/*"},
	tuf.Warrant: {"warrant/*"},
}

const (
	// MaxOfficers is the largest number of officers: more do not know each other.
	MaxOfficers = 16
	// signatureRoom is what MaxOfficers signatures, before and after a change, take of tuf.MaxMetadata.
	signatureRoom = 2 * MaxOfficers * 256
	maxVersion    = 1 << 40
)

// signers are the keys that stand behind a root: the officers' for all that is offline, and the server's.
type signers struct {
	officers  []PublicKey // by name, then id
	threshold int
	online    PublicKey
}

func newSigners(officers []PublicKey, threshold int, online PublicKey) (signers, error) {
	s := signers{slices.Clone(officers), threshold, online}
	slices.SortFunc(s.officers, func(a, b PublicKey) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.ID(), b.ID()))
	})
	if len(officers) > MaxOfficers {
		return s, fmt.Errorf("%w: there are %d, at most %d are possible", ErrOfficers, len(officers), MaxOfficers)
	}
	if threshold < tuf.Threshold || threshold > len(officers) {
		return s, fmt.Errorf("%w: %d of %d officers cannot be asked for: the threshold is at least %d and at most the number of officers",
			ErrOfficers, threshold, len(officers), tuf.Threshold)
	}
	for i, p := range s.officers {
		if p.pkix == "" {
			return s, fmt.Errorf("%w: a key is missing", ErrOfficers)
		}
		for _, q := range s.officers[:i] {
			if p.Same(q) {
				return s, fmt.Errorf("%w: %s and %s have the same key; every officer makes one of their own", ErrOfficers, q.name, p.name)
			}
			if p.name == q.name {
				return s, fmt.Errorf("%w: two are called %q; names must tell them apart", ErrOfficers, p.name)
			}
		}
		if p.Same(online) {
			return s, fmt.Errorf("%w: the server's online key is that of %s; the server may not hold an officer's key", ErrOfficers, p.name)
		}
	}
	if online.pkix == "" {
		return s, fmt.Errorf("%w: the server's online key is missing", ErrOfficers)
	}
	return s, nil
}

func ids(keys []PublicKey) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.ID()
	}
	return out
}

func names(keys []PublicKey) string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.name
	}
	return strings.Join(out, ", ")
}

func tufKeys(keys ...PublicKey) map[string]*metadata.Key {
	out := make(map[string]*metadata.Key, len(keys))
	for _, k := range keys {
		out[k.ID()] = k.tuf()
	}
	return out
}

// head is what every metadata file has.
type head struct {
	version uint64
	expires time.Time
}

func (h head) rootSigned(s signers) *metadata.RootType {
	officers := func() *metadata.Role { return &metadata.Role{KeyIDs: ids(s.officers), Threshold: s.threshold} }
	online := func() *metadata.Role { return &metadata.Role{KeyIDs: []string{s.online.ID()}, Threshold: 1} }
	return &metadata.RootType{
		Type: metadata.ROOT, SpecVersion: metadata.SPECIFICATION_VERSION, ConsistentSnapshot: true,
		Version: int64(h.version), Expires: h.expires,
		Keys: tufKeys(append(slices.Clone(s.officers), s.online)...),
		Roles: map[string]*metadata.Role{metadata.ROOT: officers(), metadata.TARGETS: officers(),
			metadata.SNAPSHOT: online(), metadata.TIMESTAMP: online()},
	}
}

// targetsSigned lists nothing itself: whatever devices take is in a delegated role.
func (h head) targetsSigned(s signers) *metadata.TargetsType {
	delegated := func(role string) metadata.DelegatedRole {
		return metadata.DelegatedRole{Name: role, KeyIDs: ids(s.officers), Threshold: s.threshold, Terminating: true, Paths: prefixes[role]}
	}
	return &metadata.TargetsType{
		Type: metadata.TARGETS, SpecVersion: metadata.SPECIFICATION_VERSION, Version: int64(h.version), Expires: h.expires,
		Targets: map[string]*metadata.TargetFiles{},
		Delegations: &metadata.Delegations{Keys: tufKeys(s.officers...),
			Roles: []metadata.DelegatedRole{delegated(tuf.Policy), delegated(tuf.Warrant)}},
	}
}

func (h head) listingSigned(files map[string]Target) *metadata.TargetsType {
	listed := make(map[string]*metadata.TargetFiles, len(files))
	for path, f := range files {
		listed[path] = &metadata.TargetFiles{Length: f.Length, Hashes: metadata.Hashes{"sha256": f.SHA256[:]}}
	}
	return &metadata.TargetsType{Type: metadata.TARGETS, SpecVersion: metadata.SPECIFICATION_VERSION,
		Version: int64(h.version), Expires: h.expires, Targets: listed}
}

// metaOf names a metadata file with version, length and hash, so that no mixture of files is taken for a release.
func metaOf(version uint64, data []byte) *metadata.MetaFiles {
	t := targetOf(data)
	return &metadata.MetaFiles{Version: int64(version), Length: t.Length, Hashes: metadata.Hashes{"sha256": t.SHA256[:]}}
}

func (h head) snapshotSigned(meta map[string]*metadata.MetaFiles) *metadata.SnapshotType {
	return &metadata.SnapshotType{Type: metadata.SNAPSHOT, SpecVersion: metadata.SPECIFICATION_VERSION,
		Version: int64(h.version), Expires: h.expires, Meta: meta}
}

func (h head) timestampSigned(meta map[string]*metadata.MetaFiles) *metadata.TimestampType {
	return &metadata.TimestampType{Type: metadata.TIMESTAMP, SpecVersion: metadata.SPECIFICATION_VERSION,
		Version: int64(h.version), Expires: h.expires, Meta: meta}
}

// checkPath says whether a role may list this path: a folder of its own, and a plain file name in it.
func checkPath(role, path string) error {
	folder, file, _ := strings.Cut(path, "/")
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)
	}
	switch {
	case !slices.Contains(prefixes[role], folder+"/*"):
		return fmt.Errorf("%w: %q is not in %s, for which %s speaks", ErrFile, path, strings.Join(prefixes[role], ", "), role)
	case file == "" || len(file) > 128 || file[0] == '.' || strings.ContainsFunc(file, func(r rune) bool { return !plain(r) }):
		return fmt.Errorf("%w: %q is no plain file name of at most 128 letters, digits and -_.", ErrFile, path)
	}
	return nil
}

// Target is what a role says of a file.
type Target struct {
	Length int64    // bytes
	SHA256 [32]byte // of the file
}

func (t Target) String() string {
	return fmt.Sprintf("%d bytes, SHA-256 %s", t.Length, hex.EncodeToString(t.SHA256[:]))
}

func sortedPaths[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
