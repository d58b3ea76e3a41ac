package tuf

import (
	"crypto/sha256"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
)

// Trusted is what a device keeps of the officers' metadata. It does not change, and may be used from many goroutines.
type Trusted struct {
	root  *root
	roles map[string]state // every role but root, from the first update on
}

// state is what is kept of a role's metadata.
type state struct {
	version  uint64
	expires  time.Time
	verified []byte // SHA-256 of the exact bytes whose signatures were checked; nil where that is not kept or not known
}

// rules are what a verifier demands beyond TUF. Devices have but one set; the tests of this package hold the workflow to
// repositories of others with another.
type rules struct {
	floor     int // least threshold of the officers' roles
	delegated []delegated
}

// delegated is a role that targets must delegate to, and what its paths begin with.
type delegated struct {
	role     string
	prefixes []string
}

func (r rules) names() (names []string) {
	for _, d := range r.delegated {
		names = append(names, d.role)
	}
	return names
}

func device() rules {
	return rules{Threshold, []delegated{{Policy, []string{"policy/", "borders/", "messages/"}}, {Warrant, []string{"warrant/"}}}}
}

// Open takes a first root, which must be signed as it demands by itself. How the caller knows that it is the officers' is
// not for this package to say: it is built into firmware, or believed once. Its date is looked at by Apply. The error
// wraps ErrOversized, ErrMalformed, ErrThreshold or ErrSignatures.
func Open(root []byte) (*Trusted, error) { return openRoot(root, device()) }

func openRoot(data []byte, r rules) (*Trusted, error) {
	first, err := readRoot(data, r.floor)
	if err != nil {
		return nil, err
	}
	if err := first.roles[Root].verify(first.document, "itself"); err != nil {
		return nil, err
	}
	return &Trusted{root: first.settle()}, nil
}

// Versions returns the versions of what is trusted.
func (t *Trusted) Versions() Versions {
	return Versions{
		Root: t.root.version, Timestamp: t.roles[Timestamp].version, Snapshot: t.roles[Snapshot].version,
		Targets: t.roles[Targets].version, Policy: t.roles[Policy].version, Warrant: t.roles[Warrant].version,
	}
}

// Expires returns when the trust in a role ends: for Policy and Warrant the earliest date of root, targets and that role,
// which is what officers' offline keys vouch for; for the others the role's own. It is zero before the first update, and
// for a role that there is not.
func (t *Trusted) Expires(role string) time.Time {
	if role == Root {
		return t.root.expires
	}
	own := t.roles[role].expires
	if role != Policy && role != Warrant {
		return own
	}
	for _, above := range []time.Time{t.root.expires, t.roles[Targets].expires} {
		if above.Before(own) {
			own = above
		}
	}
	return own
}

// kept are the roles in a record, in their sequence there.
func kept() []string { return []string{Timestamp, Snapshot, Targets, Policy, Warrant} }

// remembered are the roles whose exact bytes a Trusted knows again, in their sequence in a record.
func remembered() []string { return []string{Targets, Policy, Warrant} }

// record is a Trusted as the device's record holds it: the root's exact bytes and, from the first update on, version and
// expiry of the other roles and the SHA-256 of what officers signed. Records from before there was the latter are still read.
type record struct {
	Version  uint64   `cbor:"0,keyasint"`
	Root     []byte   `cbor:"1,keyasint"`
	Versions []uint64 `cbor:"2,keyasint,omitempty"`
	Expires  []int64  `cbor:"3,keyasint,omitempty"` // Unix seconds
	Verified []byte   `cbor:"4,keyasint,omitempty"` // 32 bytes for each of targets, policy and warrant
}

const (
	recordVersion = 1
	maxRecord     = MaxMetadata + 256 // bytes
)

// Marshal returns the deterministic CBOR of t, for the device's record.
func (t *Trusted) Marshal() ([]byte, error) {
	r := record{Version: recordVersion, Root: t.root.raw}
	if len(t.roles) > 0 {
		for _, role := range kept() {
			r.Versions = append(r.Versions, t.roles[role].version)
			r.Expires = append(r.Expires, t.roles[role].expires.Unix())
		}
		for _, role := range remembered() { // all of them are known, or none: Apply learns them together
			r.Verified = append(r.Verified, t.roles[role].verified...)
		}
	}
	return dcbor.Marshal(r)
}

// Parse reads what Marshal wrote. It checks the form of everything, and no signature: those were checked before, and
// whoever can write the record can write another root into it. The error wraps a Fault.
func Parse(data []byte) (*Trusted, error) {
	if len(data) > maxRecord {
		return nil, ErrOversized
	}
	var r record
	if err := dcbor.Unmarshal(data, &r); err != nil {
		return nil, malformed("trusted metadata: %v", err)
	}
	if r.Version != recordVersion {
		return nil, malformed("trusted metadata of version %d; only %d is known", r.Version, recordVersion)
	}
	first, err := readRoot(r.Root, Threshold)
	if err != nil {
		return nil, err
	}
	t := &Trusted{root: first.settle()}
	if len(r.Versions) == 0 && len(r.Expires) == 0 && len(r.Verified) == 0 {
		return t, nil
	}
	if len(r.Versions) != len(kept()) || len(r.Expires) != len(kept()) {
		return nil, malformed("trusted metadata of %d and %d roles, must be %d", len(r.Versions), len(r.Expires), len(kept()))
	}
	t.roles = make(map[string]state)
	for i, role := range kept() {
		expires := time.Unix(r.Expires[i], 0).UTC()
		if r.Versions[i] < 1 || r.Versions[i] > maxInteger || expires.Year() < 0 || expires.Year() > 9999 {
			return nil, malformed("trusted metadata: version or expiry of %s is out of bounds", role)
		}
		t.roles[role] = state{version: r.Versions[i], expires: expires}
	}
	if err := t.know(r.Verified); err != nil {
		return nil, err
	}
	return t, nil
}

// know takes the hashes of a record, if it has them.
func (t *Trusted) know(verified []byte) error {
	if len(verified) == 0 {
		return nil
	}
	if len(verified) != len(remembered())*sha256.Size {
		return malformed("trusted metadata with %d bytes of hashes, must be %d", len(verified), len(remembered())*sha256.Size)
	}
	for i, role := range remembered() {
		s := t.roles[role]
		s.verified = verified[i*sha256.Size : (i+1)*sha256.Size]
		t.roles[role] = s
	}
	return nil
}
