package authority

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Overview is the console's first page.
type Overview struct {
	At             time.Time
	Devices        int // enrolled
	Stages         []StageCount
	Totals         map[order.Stage]int
	OpenWave       *Wave       // nil when none
	OpenAppeals    []AppealRow // soonest due first, at most 20
	AppealsOverdue int         // among all open ones, at most 1,000 looked at
	Cases          []*Case     // not concluded, at most 20
	Policy         *PolicyDocument
	PolicyTitle    string    // empty when no policy is in force
	PolicyWarnings []string  // overdue reviews and the like
	Founded        bool      // officers have founded the repository of what they sign
	SignaturesEnd  []RoleEnd // of officers' roles, within 30 days
	SignsHere      bool      // the server holds officers' keys itself: a sandbox
	LedgerOrigin   string
	LedgerSize     uint64
	PendingOrders  int // not yet in the ledger, at most 1,000 counted
	Recent         []Event
}

// DeviceRow is a device in a list.
type DeviceRow struct {
	Device    *Device
	Market    territory.Code // Unknown without a production record
	Consignee string
	Stage     order.Stage // strictest of its restrictions not lifted
}

// OrderState is how far an order has come.
type OrderState string

const (
	OrderPending   OrderState = "pending"   // waits for the ledger
	OrderSequenced OrderState = "sequenced" // in the ledger, not yet fetched
	OrderDelivered OrderState = "delivered" // sent, not yet reported
	OrderFollowed  OrderState = "followed"  // the device follows it, or a later order replaced it
	OrderRefused   OrderState = "refused"   // the device said no, for the named reason
)

// OrderRow is an order on a device's page.
type OrderRow struct {
	*Order
	State OrderState
	Text  order.Leaf // what the ledger's leaf says
}

// DeviceDetail is all that the authority knows of one device.
type DeviceDetail struct {
	Device       *Device
	Production   *Production // nil when there is no record
	Restrictions []*Restriction
	Events       []Event    // newest first, at most 200
	Orders       []OrderRow // newest first, at most 100
	Appeals      []*Appeal
	Decision     policy.Decision // made now; the zero Decision (indeterminate) without a policy in force
}

// Count is a number under a heading.
type Count struct {
	Name  string
	Count int
}

// Oddity is something about a wave that an officer should look at before approving it.
type Oddity struct {
	Name  string // kebab-case: "clock-doubt", "policy-new", "policy-not-simulated", "size", "spike", "one-model", "one-consignee"
	Text  string // one English sentence with the figures
	Stops bool   // approval needs the number of locks typed in
}

// WaveSample is one restriction of a wave, with its why.
type WaveSample struct {
	Restriction *Restriction
	Device      *Device
	Production  *Production // nil when there is no record
	Why         []policy.Reason
	RuleName    string
}

// WaveDetail is a wave as put to an officer.
type WaveDetail struct {
	Wave        *Wave
	Fleet       int     // enrolled devices
	Sampled     bool    // the wave is so large that the counts below come from a sample of it
	LookedAt    int     // restrictions that the counts below come from: all of them, or a sample when there are many
	ByTerritory []Count // most first
	ByGround    []Count
	ByModel     []Count
	ByConsignee []Count
	Odd         []Oddity
	Confirm     int          // the number that has to be typed in to approve; 0 when nothing stops it
	Samples     []WaveSample // at most 50, spread over the wave
}

// WaveApproval is an officer's yes to a wave.
type WaveApproval struct {
	Note    string // at most 500 characters
	Confirm int    // WaveDetail.Confirm, typed in by the officer; 0 when nothing asked for it
	Shown   int    // locks in the wave as the officer saw it: a larger one is refused; 0 when it is not known
}

// WaveResult is what came of an approved wave. Every restriction is looked at again at approval.
type WaveResult struct {
	Locked  int            `json:"locked"`  // locks issued
	Skipped map[string]int `json:"skipped"` // by reason in kebab-case: "appealed", "decision-changed", "clock-doubt", …
}

// CaseDetail is a case with its cohort. Its numbers mean nothing while CountedAt is zero.
type CaseDetail struct {
	Case        *Case
	Warrants    []*Warrant
	Devices     int // produced in the consignment
	Enrolled    int
	Observed    int // enrolled and not (or no longer) restricted by a warrant of the case, never having been
	Noticed     int
	Locked      int
	Lifted      int
	Stragglers  int     // lifted here, not yet reported as lifted by the device
	Activations []Count // by territory of activation; "" while not established
	Market      territory.Code
	Diverted    int             // activated outside the market of their own production record
	Consignees  []Diversion     // most outside first; "others" for those beyond 1,000
	CountedAt   time.Time       // now or, of a large consignment, when a job had counted it last; zero when none has
	ByJob       bool            // the consignment is larger than CountAtOnce
	Counting    *Job            // counts it now, or has failed to; nil otherwise
	Notices     map[string]*Job // by warrant: the job that gives its notices, while it is under way and when it ended before its time
	Events      []Event         // newest first, at most 1,000
}

// Diversion is how many devices of a consignee were activated outside their market.
type Diversion struct {
	Consignee string `json:"consignee"`
	Devices   int    `json:"devices"` // shipped
	Activated int    `json:"activated"`
	Outside   int    `json:"outside"` // activated outside the market
}

// Release is what the conclusion of a case lifted.
type Release struct {
	Lifted     int `json:"lifted"`
	Stragglers int `json:"stragglers"` // devices that have not yet reported the lift
}

// AppealRow is an appeal in a list.
type AppealRow struct {
	*Appeal
	IMEI      device.IMEI
	Model     string
	Territory territory.Code
	Stage     order.Stage
	RuleName  string // or the warrant's reason
	Overdue   bool
	Decision  policy.Decision // made now
}

// OwnerView is what an owner reads of one restriction of their device: everything that supports it.
type OwnerView struct {
	Model         string
	Reference     string
	Stage         order.Stage
	Ground        order.Ground
	RuleName      string
	LegalBasis    string
	Source        string
	WarrantReason string // empty for a rule
	Territory     territory.Code
	ActivationDay territory.Day // 0 when not established
	Days          []territory.DayRecord
	NoticedAt     time.Time
	Deadline      time.Time
	EffectAt      time.Time
	EndsAt        time.Time
	ShownDays     int
	NeededDays    int // shown days that must come before a lock
	LiftedAt      time.Time
	Cause         order.Cause
	Appeals       []*Appeal // on this ground, newest first
	CanAppeal     bool
	Contact       policy.Contact
	OrderID       order.ID // of the newest order on this ground
	LedgerIndex   *uint64  // nil until it is in the ledger
	Events        []Event  // on this ground, newest first
}

// PublicCount is one line of the transparency report.
type PublicCount struct {
	Kind      order.Kind
	Ground    order.Ground // a rule by its id, a warrant by its number
	Territory territory.Code
	Day       territory.Day // of issue
	Cause     order.Cause   // lifts only
	Orders    int
}

// PublicReport is counted from the ledger's leaves alone; anyone can count it again.
type PublicReport struct {
	Origin     string
	Size       uint64
	Checkpoint string // text as published, with signatures
	CountedAt  time.Time
	Unread     int // leaves that are no order; 0 unless the ledger was damaged
	ByKind     map[order.Kind]int
	Lines      []PublicCount // by day, ground, kind
}
