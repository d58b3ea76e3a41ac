// Package protocol defines the messages between a device and the authority, besides evidence and orders: what a
// device sends to enrol, and what it gets back from enrolment and from each check-in. docs/protocol.md has the CDDL.
package protocol

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Paths and media types of the device's endpoints.
const (
	PathEpoch   = "/v1/epoch"    // GET  → EpochAnswer: a fresh epoch for a device that has none
	PathEnrol   = "/v1/enrol"    // POST enrolment token → EnrolAnswer
	PathCheckIn = "/v1/check-in" // POST evidence token → CheckInAnswer

	MediaType        = "application/cbor"
	MediaTypeEnrol   = "application/cose; cose-type=\"cose-sign1\""
	MediaTypeProblem = "application/problem+json" // RFC 9457; carries "epoch" when the epoch was too old
)

// EpochAnswer gives a device what it needs to sign something fresh.
type EpochAnswer struct {
	Epoch []byte // 8 to 64 bytes
	Time  time.Time
}

// Enrolment is the payload of an enrolment token: a COSE_Sign1 whose x5chain header (RFC 9360) carries the device's
// certificates, leaf first (IEEE 802.1AR IDevID, or an Android key attestation chain).
type Enrolment struct {
	Epoch    []byte
	IMEI     device.IMEI
	Serial   string // at most 64 characters
	Model    string // at most 64 characters
	Software string // at most 64 characters
}

// EnrolAnswer makes a device a member of the fleet.
type EnrolAnswer struct {
	Device       device.ID
	UnlockSecret [32]byte // OCRA key of this device
	Trust        Trust
	Policy       Policy
	Metadata     tuf.Update // the officers' signatures behind Policy, from the first root on
	Epoch        []byte
	Time         time.Time
}

// Trust says whose orders the device accepts. It is set once, at enrolment.
type Trust struct {
	Origin    string   // the ledger's origin line
	LogKey    string   // note verifier key of the ledger (C2SP signed-note)
	Witnesses []string // verifier keys of witnesses (C2SP tlog-cosignature)
	Quorum    int      // cosignatures needed on a checkpoint; 0 until witnesses are set up (Charter C6)
}

// CheckInAnswer is the server's answer to evidence that it accepted and made durable.
type CheckInAnswer struct {
	Epoch       []byte
	Time        time.Time
	NextCheckIn time.Duration // whole seconds from now
	Sequence    uint64        // of the evidence that this answers: its days and refusals are acknowledged
	IP          territory.Code
	Orders      []order.Sealed // not yet applied by this device; at most MaxOrders
	Warrants    []Held         // those that Orders rest on; they need Metadata
	Policy      *Policy        // only when the device's is another one; it needs Metadata
	Unlocks     uint64         // how many unlock codes the server knows to be spent
	Metadata    *tuf.Update    // the officers' signatures (Charter C7); nil when the device has them and nothing here needs them

	// Encoded is what Policy.Marshal wrote, for a server that answers many devices: Policy is then neither checked nor encoded again.
	// Parse leaves it empty.
	Encoded []byte
}

// MaxOrders bounds the orders in an answer; MaxAnswer its bytes.
const (
	MaxOrders = 16
	MaxAnswer = 1 << 20
)

// Policy is the part of the signed policy that a device enforces and shows. It counts only when the metadata beside it list
// its exact bytes (Marshal) at tuf.PolicyPath(Hash) (Charter C7).
type Policy struct {
	Hash        [32]byte // SHA-256 of the policy file that this was derived from
	ID          string
	Effective   time.Time
	Rules       []Rule
	Observation territory.Observation
	NoticeDays  int           // from the first notice to the deadline
	ShownDays   int           // distinct days on which a notice must have been seen
	LockDays    int           // how long a lock may last
	AppliesFrom territory.Day // devices activated before it are out of reach
	Contact     Contact
}

// Rule is a territory in which the device may not be provided.
type Rule struct {
	ID         string
	Codes      []territory.Code
	Name       string // in English; agents may know better names
	LegalBasis string
	Source     string
	Since      territory.Day
	Until      territory.Day // the day on which it left the list; 0 when open
	ReviewBy   territory.Day // after it the rule is stale, and supports no escalation (C10)
}

// Contact is how an owner reaches people.
type Contact struct {
	Name     string
	Phone    string
	Email    string
	OwnerURL string // the owner page
}

// Warrant is two officers' authority to hold a cohort for a time. The device shows it and enforces its end. It counts only
// when the metadata beside it list its exact bytes (Marshal) at tuf.WarrantPath(ID) (Charter C7), for devices of its cohort.
type Warrant struct {
	ID       string
	Case     string
	Reason   string    // what the owner reads; at most 500 characters
	IssuedAt time.Time // when it was drafted: it is part of what is signed
	EndsAt   time.Time
	Officers [2]string // who is to sign it, for people to read; what counts is who did
	Cohort   Cohort
}
