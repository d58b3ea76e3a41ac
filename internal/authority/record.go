package authority

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Production is what the maker's records say of a device before anyone has switched it on.
type Production struct {
	IMEI        device.IMEI
	Serial      string
	Model       string
	Market      territory.Code // where it is meant to be sold
	Consignment string         // shipment that it left with; empty when unknown
	Consignee   string         // to whom
	ShippedOn   territory.Day  // 0 when unknown
}

// Lot is what devices of one shipment have in common in their production records.
type Lot struct {
	Model       string
	Market      territory.Code
	Consignment string
	Consignee   string
	ShippedOn   territory.Day
}

// Lot returns what this record has in common with others of its shipment.
func (p *Production) Lot() Lot {
	return Lot{p.Model, p.Market, p.Consignment, p.Consignee, p.ShippedOn}
}

// Device is the authority's small record of one enrolled device: days and territories, no track of movement.
type Device struct {
	ID           device.ID
	IMEI         device.IMEI
	Serial       string
	Model        string
	Key          []byte             // attestation key, PKIX DER
	Attestation  policy.Attestation // last appraisal
	KeyCeiling   policy.Attestation // the best that an appraisal can be: what the key's own attestation said at enrolment, Genuine without one
	Boot         evidence.Boot      // as last claimed
	Software     string
	Sequence     uint64 // of the last evidence accepted
	EnrolledAt   time.Time
	LastSeen     time.Time             // zero before the first check-in
	Days         []territory.DayRecord // at most evidence.MaxDays, oldest first
	Activation   *territory.Activation // as the device established it and its days bear out; nil before
	ClockDoubt   bool
	Unlocks      uint64 // unlock codes spent
	Verdict      policy.Verdict
	VerdictRule  string // rule of the last decision
	Reasons      []policy.Reason
	PolicyHash   [32]byte // policy of the last decision
	DecidedAt    time.Time
	LicenceNames []string // individual licences that name this device

	// Stage is the strictest of its restrictions that is not lifted: Observed when it never had one, Lifted when all are. A store fills it
	// on every read, and ignores it on writes.
	Stage order.Stage

	// Revision tells the record as it was read from what it is after any later write, of whatever field, which has a higher one; 0 from a store
	// that does not count, and for a new record. A store that counts fills it at least when a view reads a device by its ID. It is good at
	// the store that gave it, for a while; see UpdateDeviceIfNewer.
	Revision uint64

	// Made is what the production record of its IMEI says; nil when there is none. A store fills it on every read, and ignores it on
	// writes. Nobody changes what it points to.
	Made *Lot
}

// Present returns the territory of the last decided day, or territory.Unknown.
func (d *Device) Present() territory.Code {
	for i := len(d.Days) - 1; i >= 0; i-- {
		if d.Days[i].Territory != territory.Unknown {
			return d.Days[i].Territory
		}
	}
	return territory.Unknown
}

// Order is one order in the store: first pending, then sequenced in the ledger, then with its device.
type Order struct {
	ID          order.ID
	Device      device.ID
	Leaf        []byte
	Salt        [32]byte
	Kind        order.Kind
	Ground      order.Ground
	IssuedAt    time.Time
	Index       uint64 // in the ledger; meaningful once Sequenced
	Sequenced   bool
	DeliveredAt time.Time // last put into an answer; zero before
	Settled     bool      // the device reported that it follows it, refused it for good, or a later order replaced it
	Refusal     string    // reason that the device gave, if it refused
}

// WaveState is how far a wave has come.
type WaveState string

const (
	WaveOpen     WaveState = "open"
	WaveApproved WaveState = "approved"
	WaveRejected WaveState = "rejected"
)

// Wave is a set of locks put to a human (Charter C7).
type Wave struct {
	ID         int64
	CreatedAt  time.Time
	PolicyHash [32]byte
	State      WaveState
	DecidedBy  string // officer; empty while open
	DecidedAt  time.Time
	Note       string
	Size       int // restrictions in it
}

// CaseState is how far a case has come.
type CaseState string

const (
	CaseOpen      CaseState = "open"
	CaseHolding   CaseState = "holding" // a warrant is in force
	CaseConcluded CaseState = "concluded"
)

// Case is an investigation. Its cohort is one consignment.
type Case struct {
	ID          string // "case-0001"
	Title       string
	Consignment string
	State       CaseState
	OpenedBy    string
	OpenedAt    time.Time
	Finding     string // what was found; set when concluded
	ConcludedBy string
	ConcludedAt time.Time
}

// Warrant is a case's hold: drafted by one officer, in force once two have signed its document and it was published.
type Warrant struct {
	ID             string // "warrant-0001"
	Case           string
	Reason         string // what the owner reads
	DraftedBy      string
	DraftedAt      time.Time
	CountersignBy  string    // the other officer; empty while a draft
	CountersignAt  time.Time // when it was published
	EndsAt         time.Time
	Hash           [32]byte // of Document, once countersigned
	Document       []byte   // protocol.Warrant, exact bytes: what officers sign
	DevicesAtIssue int      // of its cohort, enrolled when it was published
	Signers        []string // officers who signed the metadata that listed it first
}

// AppealState is how far an appeal has come.
type AppealState string

const (
	AppealOpen    AppealState = "open"
	AppealGranted AppealState = "granted"
	AppealDenied  AppealState = "denied"
)

// Appeal is an owner's objection on one ground. While it is open the clock of that restriction stands still.
type Appeal struct {
	ID         int64
	Device     device.ID
	Ground     order.Ground
	Text       string // at most 2,000 characters
	Contact    string // how to answer; at most 200 characters; may be empty
	OpenedAt   time.Time
	DueAt      time.Time // when it must be answered
	State      AppealState
	AnsweredBy string
	AnsweredAt time.Time
	Answer     string

	StoppedLock bool // it took back a lock that did not hold yet; the deadline was moved behind the due date then
}

// Event is a line of a device's time line. It is written when something changes, never for a plain check-in.
type Event struct {
	ID     int64
	Device device.ID // zero for the fleet's own events
	At     time.Time
	Kind   string // "enrolled", "decided", "noticed", "wave", "locked", "applied", "refused", "appealed", "answered", "lifted", …
	Ground order.Ground
	Case   string // that it is about: of the fleet's own events only
	Actor  string // "rule", "device", "owner", or an officer's name
	Detail string // one English sentence, safe to show the owner; no coordinates, no addresses
}

// Officer is a person who may act.
type Officer struct {
	Name         string
	Role         string // "admin", "officer", "support"
	PasswordHash []byte
	MustChange   bool // one-time password: has to be changed at the first login
	CreatedAt    time.Time
	DisabledAt   time.Time

	Session [32]byte // hash of the token by which this officer came; not stored
}

// Session is an officer's login, named by the hash of its token.
type Session struct {
	TokenHash [32]byte
	Officer   string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// PolicyDocument is a policy as stored: exact bytes, and since when it is in force.
type PolicyDocument struct {
	Hash        [32]byte
	Name        string
	Source      []byte
	ActivateAt  time.Time // in force from: the later of its publication and its own effective_from
	By          string    // who published it
	PublishedAt time.Time // zero for what was published before officers signed
	Signers     []string  // officers who signed the metadata that listed it last
	Version     uint64    // of the role policy then; 0 as for PublishedAt
}

// Metadata is one version of a role's metadata, exact bytes.
type Metadata struct {
	Role     string // package tuf has the names
	Version  uint64
	Document []byte
}

// Target is a file that metadata list, by path and content.
type Target struct {
	Path   string
	SHA256 [32]byte
	Data   []byte
}

// Restriction is re-exported in the words of this package.
type Restriction = restriction.Restriction
