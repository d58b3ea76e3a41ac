// Package tuf verifies what officers have signed: which policy and which warrants a device may act upon (Charter C7).
//
// Officers publish in a repository of The Update Framework (TUF 1.0.31, https://theupdateframework.github.io/specification/).
// A device keeps a Trusted, begun from a root that it knows, and applies the Updates that answers bring:
//
//	trusted, err := tuf.Open(root)
//	next, listing, err := trusted.Apply(update, now)
//	err = listing.Verify(tuf.Policy, tuf.PolicyPath(hash), bytes)
//
// Apply is the client workflow of the specification, sections 5.3 to 5.6, over bytes that are already there, with
// bounds on all work. It is all or nothing: a refused update changes nothing. On top of TUF it has a floor: for root,
// targets, policy and warrant metadata that ask for fewer than Threshold different officers are refused, whoever
// signed them; and so are those that count the server's own key among the officers'.
//
// It runs on devices: no network, no clock, no files, the standard library and one package for canonical JSON.
package tuf

import (
	"encoding/hex"
	"errors"
	"time"
)

// The roles. Targets delegates to Policy and Warrant and is asked for no files itself.
const (
	Root      = "root"
	Timestamp = "timestamp"
	Snapshot  = "snapshot"
	Targets   = "targets"
	Policy    = "policy"
	Warrant   = "warrant"
)

// Bounds.
const (
	MaxMetadata = 64 << 10 // bytes of one metadata file
	MaxRoots    = 32       // in one update
	Threshold   = 2        // least distinct signers of root, targets, policy and warrant
)

// Update is the exact bytes of metadata files. Roots ascend; those that the device already trusts may be among them.
type Update struct {
	Roots                                         [][]byte
	Timestamp, Snapshot, Targets, Policy, Warrant []byte
}

// Versions are the versions of the metadata that a device trusts; 0 where it has none yet.
type Versions struct {
	Root, Timestamp, Snapshot, Targets, Policy, Warrant uint64
}

// Trusted is what a device keeps of the officers' metadata. It does not change, and may be used from many goroutines.
type Trusted struct {
	raw []byte // the root's exact bytes
}

// Listing is the files that an applied update lists.
type Listing struct{}

var errUnfinished = errors.New("tuf: not written yet")

// Open takes a first root, which must be signed as it demands by itself. Its date is looked at by Apply.
func Open(root []byte) (*Trusted, error) { return nil, errUnfinished }

// Apply verifies an update at a time and returns what to trust next, with the files that it lists. Its errors wrap a
// Fault, and t is unchanged in any case.
func (t *Trusted) Apply(u Update, now time.Time) (*Trusted, *Listing, error) {
	return nil, nil, errUnfinished
}

// Versions returns the versions of what is trusted.
func (t *Trusted) Versions() Versions { return Versions{} }

// Expires returns when the trust in a role ends: for Policy and Warrant the earliest date of root, targets and that role,
// which is what officers' offline keys vouch for; for the others the role's own. It is zero before the first update.
func (t *Trusted) Expires(role string) time.Time { return time.Time{} }

// Marshal returns the deterministic CBOR of t, for the device's record.
func (t *Trusted) Marshal() ([]byte, error) { return nil, errUnfinished }

// Parse reads what Marshal wrote.
func Parse(data []byte) (*Trusted, error) { return nil, errUnfinished }

// Verify checks that data are the listed bytes of path in a role.
func (l *Listing) Verify(role, path string, data []byte) error { return errUnfinished }

// PolicyPath is where the extract for devices of the policy with this SHA-256 is listed.
func PolicyPath(hash [32]byte) string { return "policy/" + hex.EncodeToString(hash[:]) + ".cbor" }

// WarrantPath is where the warrant with this id is listed.
func WarrantPath(id string) string { return "warrant/" + id + ".cbor" }
