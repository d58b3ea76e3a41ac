// Package order defines what the authority tells one device on one ground, and how a device knows that it is genuine.
//
// An order is public: it is a leaf of the ledger, with the device replaced by a salted commitment. It reaches its
// device as a [Sealed]: the leaf's exact bytes, the salt that opens the commitment, and a C2SP tlog-proof. There is no
// signature per order; a checkpoint of the ledger and the inclusion proof are the authority.
//
//	leaf, err := sealed.Open(myID)                           // the leaf is well-formed and the commitment is mine
//	checked, err := verifier.Verify(sealed.Leaf, sealed.Proof) // ledger/proof: it is in the public ledger
//
// A leaf has one encoding: deterministic CBOR with integer keys, the version first (docs/protocol.md). [ParseLeaf]
// accepts what [Leaf.Marshal] writes and nothing else. Whether an order may be followed is the agent's matter; this
// package knows shapes, not the Charter.
package order

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// Kind is what an order does.
type Kind uint8

// The kinds of orders. There is no kind that deletes anything (Charter C2).
const (
	Notice Kind = iota + 1 // tell the owner, with a fixed date
	Lock                   // restrict the device, after a notice ran its course
	Lift                   // end the restriction on one ground
)

// GroundKind says where a ground comes from.
type GroundKind uint8

const (
	Rule    GroundKind = iota + 1 // a rule of the policy
	Warrant                       // a warrant for a hold, in a case
)

// Ground is why a device is restricted. Grounds are independent of each other: a lift ends only its own.
type Ground struct {
	Kind GroundKind
	ID   string // the rule's id, or the warrant's; 1 to 64 characters of [a-z0-9._-]
}

// Stage is how far a restriction has gone. Stages go forward, and any stage may go to Lifted; the one way back is an appeal that
// stops a lock before it holds: then the authority is at Noticed again, and the device never was anywhere else.
type Stage uint8

const (
	Observed Stage = iota
	Noticed
	Locked
	Lifted
)

// Cause says why a restriction was lifted.
type Cause uint8

const (
	ByRule  Cause = iota + 1 // the rule no longer applies: a licence, a changed policy, a corrected fact
	ByHuman                  // a person decided: an appeal granted, a support officer; never locked again on this ground
	ByCase                   // the case was concluded and its cohort released; never held again on this warrant
	ByEnd                    // the end date came; the device does this by itself
	ByCode                   // an unlock code was entered on the device
)

// Final reports whether a lift by this cause rules out another lock on the same ground (Charter C9).
func (c Cause) Final() bool { return c == ByHuman || c == ByCase || c == ByCode }

// ID is the RFC 6962 leaf hash of an order: SHA-256(0x00 || leaf).
type ID [32]byte

// Leaf is an order as the ledger and the public see it. Times are whole seconds, UTC.
type Leaf struct {
	Kind       Kind
	Ground     Ground
	Territory  territory.Code // of the rule; Unknown for a warrant
	Authority  [32]byte       // SHA-256 of the policy or of the warrant that this rests on
	IssuedAt   time.Time
	Deadline   time.Time // notice: no lock before it; lock: the deadline that the notice told; lift: zero
	EffectAt   time.Time // lock: when it takes hold, at or after Deadline, never at night; otherwise zero
	EndsAt     time.Time // lock: when the device lifts it by itself; otherwise zero
	Cause      Cause     // lift only
	Commitment [32]byte  // SHA-256 commitment to the device, see Commit
}

// Sealed is an order on its way to its device.
type Sealed struct {
	Leaf  []byte   // exact bytes of the ledger's leaf; at most MaxLeaf
	Salt  [32]byte // opens the commitment; random, never used twice
	Proof []byte   // C2SP tlog-proof, text; at most MaxProof
}

// Bounds of what a device reads, in bytes.
const (
	MaxLeaf  = 512
	MaxProof = 16 << 10
)
