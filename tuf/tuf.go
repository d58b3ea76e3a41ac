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
// A Trusted remembers the SHA-256 of the targets, policy and warrant metadata whose signatures it has seen hold, so that most check-ins,
// which bring the same bytes again, cost the checks of the server's two signatures only. Versions, dates, hashes, thresholds
// and what is listed are checked every time.
//
// It runs on devices: no network, no clock, no files, the standard library and one package for canonical JSON.
package tuf

import "encoding/hex"

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

// PolicyPath is where the extract for devices of the policy with this SHA-256 is listed.
func PolicyPath(hash [32]byte) string { return "policy/" + hex.EncodeToString(hash[:]) + ".cbor" }

// WarrantPath is where the warrant with this id is listed.
func WarrantPath(id string) string { return "warrant/" + id + ".cbor" }
