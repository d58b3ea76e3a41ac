package authority

import (
	"context"
	"errors"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// ErrAbsent is what a Tx returns for a record that is not there; ErrConflict when a guard did not hold: somebody else
// was first, or the stage moved on. Nothing was written then.
var (
	ErrAbsent   = errors.New("no such record")
	ErrConflict = errors.New("the record has changed meanwhile")
)

// Store keeps the authority's records.
//
// Update runs fn in a transaction that sees all earlier ones, and returns nil only when what fn wrote is durable: it survives
// kill -9 and loss of power from then on. Transactions of concurrent callers may be committed together. An error of fn, or a
// panic, leaves no trace of it. fn must not call the store again, block on the network, or keep tx.
//
// What fn wrote takes effect once, but fn itself may run more than once before it does: a store may have to begin again when
// transactions meet or a connection is lost. So fn starts from nothing each time: what it hands out by variables around it, it sets
// rather than adds to. An error that is neither ErrAbsent nor ErrConflict may end the transaction: fn returns it.
//
// View runs fn on a consistent snapshot of what is durable; many may run at once, beside Update. Its fn, too, may run more than once.
type Store interface {
	Update(ctx context.Context, fn func(Tx) error) error
	View(ctx context.Context, fn func(Tx) error) error
}

type writesMany struct{}

// WithManyWrites marks the context of an Update that writes hundreds of records or more: a store may prefer to give it a transaction of
// its own. What Update promises is the same.
func WithManyWrites(ctx context.Context) context.Context {
	return context.WithValue(ctx, writesMany{}, true)
}

// WritesMany reports whether a context is marked so.
func WritesMany(ctx context.Context) bool { many, _ := ctx.Value(writesMany{}).(bool); return many }

type restsOnGuards struct{}

// WithGuardsOnly marks the context of an Update that rests on the guards of what it writes: what it read of other records may change before
// it takes effect. A store may then compare fewer of the records that such updates have read, as long as each sees one snapshot and none
// overwrites a record that has changed since. Restrictions of one device count as one record.
func WithGuardsOnly(ctx context.Context) context.Context {
	return context.WithValue(ctx, restsOnGuards{}, true)
}

// GuardsOnly reports whether a context is marked so.
func GuardsOnly(ctx context.Context) bool { is, _ := ctx.Value(restsOnGuards{}).(bool); return is }

type inTerm struct{}

// InTerm marks the context of work that is for the leader of several servers alone. hold is asked first in each transaction that writes in
// such a context: it fails when another server leads, and keeps the next term from beginning until the transaction has ended. So a leader
// that was only paused writes nothing when it comes back.
func InTerm(ctx context.Context, hold func(Tx) error) context.Context {
	return context.WithValue(ctx, inTerm{}, hold)
}

// TermOf returns what InTerm marked a context with, nil without.
func TermOf(ctx context.Context) func(Tx) error {
	hold, _ := ctx.Value(inTerm{}).(func(Tx) error)
	return hold
}

// Tx reads and writes records. Every Put replaces the whole record by its key; every method that names a guard writes
// nothing and returns ErrConflict when the guard does not hold. Single look-ups return ErrAbsent.
type Tx interface {
	DeviceTx
	RestrictionTx
	OrderTx
	WaveTx
	CaseTx
	SignatureTx
	PersonTx
	JobTx
	BulkTx
	RetentionTx
}

// DeviceTx keeps production records, devices, licences and time lines.
type DeviceTx interface {
	PutProduction(rows []Production) error
	Production(imei device.IMEI) (Production, error)
	// Productions lists the production records of a consignment behind an IMEI, in the order of IMEIs; none for the empty consignment.
	Productions(consignment string, after device.IMEI, limit int) ([]Production, error)
	// CountProductions counts the production records of a consignment, as far as most; 0 counts all.
	CountProductions(consignment string, most int) (int, error)

	// InsertDevice fails with ErrConflict when the IMEI is taken, or the first 8 bytes of the ID, which keys are made of.
	InsertDevice(d *Device) error
	// UpdateDeviceIfNewer replaces the record if the stored sequence is still was; it is the guard against replays. Where d has a Revision,
	// the record must also still be of that revision, so that d may be of an earlier transaction.
	UpdateDeviceIfNewer(d *Device, was uint64) error
	// PutDevice replaces the record whatever its sequence: for a new key, or a new decision.
	PutDevice(d *Device) error
	Device(id device.ID) (*Device, error)
	DeviceByIMEI(imei device.IMEI) (*Device, error)
	// DevicesByIMEIs is DeviceByIMEI for up to 1,000, by position; nil where none is enrolled.
	DevicesByIMEIs(imeis []device.IMEI) ([]*Device, error)
	// Devices lists by ID, behind q.After. next is where to go on behind, the zero ID at the end. It has looked at no more than q.Read records,
	// so that a page may be short, or empty, and not the last.
	Devices(q DeviceQuery) (list []*Device, next device.ID, err error)
	// EachDevice calls fn for every device in the order of IDs after the given one, until fn returns an error.
	EachDevice(after device.ID, fn func(*Device) error) error
	// ScanDevices calls fn for every device from an ID on to just before another, the zero ID for the end, in the order of IDs, until fn
	// returns an error. It is for looking at very many: d is good until fn returns, and fn must not use the Tx. Views of parts of the
	// range may run at once.
	ScanDevices(from, to device.ID, fn func(d *Device) error) error
	CountDevices() (int, error)

	AddEvent(e Event) error
	Events(id device.ID, limit int) ([]Event, error) // newest first; the zero ID gives the fleet's own
	// CaseEvents lists the events that are about a case, newest first.
	CaseEvents(caseID string, limit int) ([]Event, error)
	RecentEvents(limit int) ([]Event, error)
}

// MaxRead bounds how many records one list of devices looks at: a filter that few fit costs no more than that.
const MaxRead = 20_000

// DeviceQuery selects devices for a list; zero fields do not restrict. Limit is 1 to 1,000.
type DeviceQuery struct {
	Territory   territory.Code // activation territory or, before there is one, the last decided day's
	Stage       *order.Stage   // as StageCounts counts it
	Consignment string
	Model       string
	After       device.ID
	Limit       int
	Read        int // records looked at, at most; 0, and what is more, stand for MaxRead
}

// RestrictionTx keeps stages. Each transition is one guarded UPDATE.
type RestrictionTx interface {
	Restriction(id device.ID, g order.Ground) (*restriction.Restriction, error)
	Restrictions(id device.ID) ([]*restriction.Restriction, error) // of one device, by ground
	// RestrictionsOfAll lists those of up to 1,000 devices, by device and ground.
	RestrictionsOfAll(ids []device.ID) ([]*restriction.Restriction, error)
	// ActiveOn lists what is noticed or locked on a ground, in the order of devices behind the given one.
	ActiveOn(g order.Ground, after device.ID, limit int) ([]*restriction.Restriction, error)

	// NoticeIfFree inserts r as Noticed, or starts a new round if the ground is Lifted and not Final.
	NoticeIfFree(r *restriction.Restriction) error
	// ExtendIfNoticed moves the deadline later; never earlier.
	ExtendIfNoticed(id device.ID, g order.Ground, deadline time.Time) error
	// LockIfNoticed moves Noticed → Locked if no appeal is open and the deadline is not after effectAt.
	LockIfNoticed(id device.ID, g order.Ground, lockedAt, effectAt, endsAt time.Time) error
	// WithdrawLockIfNotInEffect moves Locked → Noticed and marks an open appeal, if no appeal is open yet, the lock takes effect
	// after now and before the new deadline, and the device has not reported that it is locked. The restriction leaves its wave.
	WithdrawLockIfNotInEffect(id device.ID, g order.Ground, now, deadline time.Time) error
	// LiftIfActive moves Noticed or Locked → Lifted.
	LiftIfActive(id device.ID, g order.Ground, at time.Time, cause order.Cause) error
	// ReportApplied records what the device says; any stage.
	ReportApplied(id device.ID, g order.Ground, stage order.Stage, shownDays int, at time.Time, note string) error
	// SetAppealing marks an open appeal, or its end, on an active restriction.
	SetAppealing(id device.ID, g order.Ground, on bool) error

	// StageCounts counts devices by territory (activation, else present) and strictest stage not lifted; a device
	// without an active restriction counts as Observed, and as Lifted when all that it ever had are lifted.
	StageCounts() ([]StageCount, error)
}

// StageCount is one number of the map.
type StageCount struct {
	Territory territory.Code
	Stage     order.Stage
	Devices   int
}

// OrderTx keeps orders from pending to settled. They are looked for among those of their device, so that no index needs their IDs, which are hashes: a
// release would write to a page of it for each order.
type OrderTx interface {
	InsertOrder(o *Order) error // ErrConflict when another order of this device has the ID or the salt
	Order(of device.ID, id order.ID) (*Order, error)
	PendingOrders(limit int) ([]*Order, error) // not yet sequenced, oldest first
	SequenceIfPending(of device.ID, id order.ID, index uint64) error
	// Deliverable lists a device's sequenced orders that are not settled, oldest first.
	Deliverable(id device.ID) ([]*Order, error)
	MarkDelivered(of device.ID, id order.ID, at time.Time) error
	Settle(of device.ID, id order.ID, refusal string) error
	// SettleOlder settles all orders of a device on a ground issued before the given one.
	SettleOlder(id device.ID, g order.Ground, keep order.ID) error
	// SettleOlderEscalations does so for notices and locks only: a lift waits until its device has it.
	SettleOlderEscalations(id device.ID, g order.Ground, keep order.ID) error
	OrdersOf(id device.ID, limit int) ([]*Order, error) // newest first
	CountUnsettled(g order.Ground) (int, error)
}

// WaveTx keeps waves.
type WaveTx interface {
	OpenWave() (*Wave, error) // ErrAbsent when none is open
	InsertWave(w *Wave) (int64, error)
	// ProposeIfNoticed puts a noticed restriction without a wave into an open wave.
	ProposeIfNoticed(wave int64, id device.ID, g order.Ground) error
	// WithdrawProposal takes a restriction out of an open wave (appeal, lift, or doubt came between).
	WithdrawProposal(id device.ID, g order.Ground) error
	Wave(id int64) (*Wave, error)
	Waves(limit int) ([]*Wave, error) // newest first
	// WaveItems lists restrictions of a wave behind the given one, in the order of their keys.
	WaveItems(id int64, after RestrictionKey, limit int) ([]*restriction.Restriction, error)
	// DecideIfOpen approves or rejects; a rejected wave's restrictions leave it.
	DecideIfOpen(id int64, s WaveState, by string, at time.Time, note string) error
}

// CaseTx keeps cases, warrants, appeals and policies.
type CaseTx interface {
	InsertCase(c *Case) error
	PutCaseIfState(c *Case, was CaseState) error
	Case(id string) (*Case, error)
	Cases(limit int) ([]*Case, error)
	InsertWarrant(w *Warrant) error
	// CountersignIfDraft completes a draft; the officer must not be the one who drafted it, and a document that the draft had stays.
	CountersignIfDraft(w *Warrant) error
	// SetDevicesIfInForce says how many devices a warrant was for when it was published. ErrConflict while it is a draft.
	SetDevicesIfInForce(warrant string, devices int) error
	Warrant(id string) (*Warrant, error)
	WarrantByHash(hash [32]byte) (*Warrant, error)
	Warrants(caseID string) ([]*Warrant, error)

	InsertAppeal(a *Appeal) (int64, error) // ErrConflict when one is open on the ground
	Appeal(id int64) (*Appeal, error)
	Appeals(state AppealState, limit int) ([]*Appeal, error) // oldest due first; empty state lists all
	AppealsOf(id device.ID) ([]*Appeal, error)
	AnswerIfOpen(id int64, s AppealState, by string, at time.Time, answer string) error

	InsertPolicy(p *PolicyDocument) error
	// RenewPolicy replaces what is said of the publication of a policy that is there: since when it is in force, and who signed.
	RenewPolicy(p *PolicyDocument) error
	PolicyInForce(now time.Time) (*PolicyDocument, error)
	Policies(limit int) ([]*PolicyDocument, error)
	PolicyByHash(hash [32]byte) (*PolicyDocument, error)
	// NextNumber returns 1, 2, 3, … for a named series.
	NextNumber(series string) (int64, error)
	// LastNumber returns what NextNumber returned last for the series, 0 before.
	LastNumber(series string) (int64, error)
}

// SignatureTx keeps what officers have signed (Charter C7), and whom warrants are for. Nothing in it is ever changed.
type SignatureTx interface {
	// InsertMetadata fails with ErrConflict when the role has that version already: somebody else has published.
	InsertMetadata(m Metadata) error
	Metadata(role string, version uint64) (*Metadata, error)
	LatestMetadata(role string) (*Metadata, error)
	MetadataOf(role string) ([]*Metadata, error) // every version, ascending

	// PutTarget keeps a file under its path and content; one that is there already stays.
	PutTarget(f Target) error
	Target(path string, sum [32]byte) (*Target, error)

	// InsertCohort fails with ErrConflict when the warrant has one.
	InsertCohort(warrant string, c *cohort.Cohort) error
	Cohort(warrant string) (*cohort.Cohort, error)
}

// PersonTx keeps officers and their logins.
type PersonTx interface {
	InsertOfficer(o *Officer) error
	PutOfficer(o *Officer) error
	Officer(name string) (*Officer, error)
	Officers() ([]*Officer, error)
	PutSession(s *Session) error
	Session(tokenHash [32]byte) (*Session, error)
	DeleteSession(tokenHash [32]byte) error
	// DeleteSessionsOf ends all sessions of an officer but one.
	DeleteSessionsOf(officer string, but [32]byte) error
	DeleteExpiredSessions(now time.Time) (int, error)
}
