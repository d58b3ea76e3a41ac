package httpapi

import (
	"encoding/hex"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// The views are what JSON shows. Names are snake_case; times RFC 3339 in UTC, left out when there is none; days ISO 8601;
// stages, kinds, causes and verdicts their names; hashes and ids hexadecimal.

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func dayText(d territory.Day) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func hexOf(h [32]byte) string {
	if h == [32]byte{} {
		return ""
	}
	return hex.EncodeToString(h[:])
}

func groundOf(g order.Ground) string {
	if g == (order.Ground{}) {
		return ""
	}
	return g.String()
}

func causeOf(c order.Cause) string {
	if c == 0 {
		return ""
	}
	return c.String()
}

// maybe views what may not be there.
func maybe[T, V any](v *T, view func(*T) V) *V {
	if v == nil {
		return nil
	}
	w := view(v)
	return &w
}

type officerView struct {
	Name       string     `json:"name"`
	Role       string     `json:"role"`
	MustChange bool       `json:"must_change_password"`
	CreatedAt  *time.Time `json:"created_at,omitempty"`
	DisabledAt *time.Time `json:"disabled_at,omitempty"`
}

func officerOf(o *authority.Officer) officerView {
	return officerView{o.Name, o.Role, o.MustChange, moment(o.CreatedAt), moment(o.DisabledAt)}
}

type stageCount struct {
	Territory string `json:"territory" doc:"empty while not established"`
	Stage     string `json:"stage"`
	Devices   int    `json:"devices"`
}

type overviewView struct {
	At             time.Time      `json:"at"`
	Devices        int            `json:"devices" doc:"enrolled"`
	Stages         []stageCount   `json:"stages" nullable:"false"`
	Totals         map[string]int `json:"totals" doc:"devices by stage"`
	OpenWave       *waveView      `json:"open_wave,omitempty"`
	OpenAppeals    []appealRow    `json:"open_appeals" nullable:"false" doc:"soonest due first, at most 20"`
	AppealsOverdue int            `json:"appeals_overdue"`
	Cases          []caseView     `json:"cases" nullable:"false" doc:"not concluded, at most 20"`
	Policy         *policyView    `json:"policy,omitempty"`
	PolicyTitle    string         `json:"policy_title,omitempty"`
	PolicyWarnings []string       `json:"policy_warnings" nullable:"false"`
	Founded        bool           `json:"founded" doc:"officers have founded the repository of what they sign"`
	SignaturesEnd  []roleEnd      `json:"signatures_end" nullable:"false" doc:"of officers, within 30 days"`
	LedgerOrigin   string         `json:"ledger_origin"`
	LedgerSize     uint64         `json:"ledger_size"`
	PendingOrders  int            `json:"pending_orders" doc:"not yet in the ledger"`
	Recent         []eventView    `json:"recent" nullable:"false"`
}

type roleEnd struct {
	Role string    `json:"role"`
	Ends time.Time `json:"ends"`
}

func overviewOf(o *authority.Overview) overviewView {
	totals := make(map[string]int, len(o.Totals))
	for stage, n := range o.Totals {
		totals[stage.String()] = n
	}
	return overviewView{
		At: o.At.UTC(), Devices: o.Devices, Totals: totals, OpenWave: maybe(o.OpenWave, waveOf), OpenAppeals: each(o.OpenAppeals, appealRowOf),
		Stages: each(o.Stages, func(c authority.StageCount) stageCount {
			return stageCount{string(c.Territory), c.Stage.String(), c.Devices}
		}),
		AppealsOverdue: o.AppealsOverdue, Cases: each(o.Cases, caseOf), Policy: maybe(o.Policy, policyOf), PolicyTitle: o.PolicyTitle,
		PolicyWarnings: append([]string{}, o.PolicyWarnings...), LedgerOrigin: o.LedgerOrigin, LedgerSize: o.LedgerSize,
		PendingOrders: o.PendingOrders, Recent: each(o.Recent, eventOf), Founded: o.Founded,
		SignaturesEnd: each(o.SignaturesEnd, func(e authority.RoleEnd) roleEnd { return roleEnd{e.Role, e.Ends.UTC()} }),
	}
}

type eventView struct {
	At     *time.Time `json:"at,omitempty"`
	Device string     `json:"device,omitempty" doc:"left out for the fleet's own"`
	Kind   string     `json:"kind"`
	Ground string     `json:"ground,omitempty"`
	Actor  string     `json:"actor"`
	Detail string     `json:"detail"`
}

func eventOf(e authority.Event) eventView {
	v := eventView{At: moment(e.At), Kind: e.Kind, Ground: groundOf(e.Ground), Actor: e.Actor, Detail: e.Detail}
	if !e.Device.IsZero() {
		v.Device = e.Device.String()
	}
	return v
}

type activationView struct {
	Territory string `json:"territory"`
	Day       string `json:"day"`
	Mixed     bool   `json:"mixed" doc:"another day named another territory; it supports no restriction"`
}

type dayView struct {
	Day       string `json:"day"`
	Territory string `json:"territory,omitempty" doc:"left out when undecided"`
	Percent   int    `json:"percent"`
	Agree     string `json:"agree,omitempty" doc:"kinds of signals that agree" example:"gnss,cell"`
	Against   string `json:"against,omitempty"`
}

func dayOf(d territory.DayRecord) dayView {
	return dayView{d.Day.String(), string(d.Territory), int(d.Percent), d.Agree.String(), d.Against.String()}
}

type deviceView struct {
	ID          string          `json:"id"`
	IMEI        string          `json:"imei"`
	Serial      string          `json:"serial"`
	Model       string          `json:"model"`
	Attestation string          `json:"attestation"`
	Software    string          `json:"software"`
	Sequence    uint64          `json:"sequence"`
	EnrolledAt  *time.Time      `json:"enrolled_at,omitempty"`
	LastSeen    *time.Time      `json:"last_seen,omitempty"`
	Activation  *activationView `json:"activation,omitempty"`
	Present     string          `json:"present,omitempty" doc:"territory of the last decided day"`
	ClockDoubt  bool            `json:"clock_doubt"`
	Unlocks     uint64          `json:"unlocks" doc:"unlock codes spent"`
	Licences    []string        `json:"licences" nullable:"false"`
}

func deviceOf(d *authority.Device) deviceView {
	return deviceView{
		ID: d.ID.String(), IMEI: string(d.IMEI), Serial: d.Serial, Model: d.Model, Attestation: d.Attestation.String(), Software: d.Software,
		Sequence: d.Sequence, EnrolledAt: moment(d.EnrolledAt), LastSeen: moment(d.LastSeen), Present: string(d.Present()),
		Activation: maybe(d.Activation, func(a *territory.Activation) activationView {
			return activationView{string(a.Territory), a.Day.String(), a.Mixed}
		}),
		ClockDoubt: d.ClockDoubt, Unlocks: d.Unlocks, Licences: append([]string{}, d.LicenceNames...),
	}
}

type deviceRow struct {
	Device    deviceView `json:"device"`
	Market    string     `json:"market,omitempty"`
	Consignee string     `json:"consignee,omitempty"`
	Stage     string     `json:"stage"`
}

func deviceRowOf(r authority.DeviceRow) deviceRow {
	return deviceRow{deviceOf(r.Device), string(r.Market), r.Consignee, r.Stage.String()}
}

type productionView struct {
	Market      string `json:"market,omitempty"`
	Consignment string `json:"consignment,omitempty"`
	Consignee   string `json:"consignee,omitempty"`
	ShippedOn   string `json:"shipped_on,omitempty"`
}

type restrictionView struct {
	Ground      string     `json:"ground"`
	Round       int        `json:"round"`
	Stage       string     `json:"stage"`
	Territory   string     `json:"territory,omitempty"`
	Authority   string     `json:"authority" doc:"hash of the policy or warrant"`
	Reference   string     `json:"reference" doc:"what the owner reads off the screen"`
	NoticedAt   *time.Time `json:"noticed_at,omitempty"`
	Deadline    *time.Time `json:"deadline,omitempty"`
	ShownDays   int        `json:"shown_days"`
	Wave        int64      `json:"wave,omitempty"`
	LockedAt    *time.Time `json:"locked_at,omitempty"`
	EffectAt    *time.Time `json:"effect_at,omitempty"`
	EndsAt      *time.Time `json:"ends_at,omitempty"`
	LiftedAt    *time.Time `json:"lifted_at,omitempty"`
	Cause       string     `json:"cause,omitempty"`
	Appealing   bool       `json:"appealing"`
	Applied     string     `json:"applied" doc:"stage that the device says it applies"`
	AppliedAt   *time.Time `json:"applied_at,omitempty"`
	AppliedNote string     `json:"applied_note,omitempty"`
}

func restrictionOf(r *authority.Restriction) restrictionView {
	return restrictionView{
		Ground: groundOf(r.Ground), Round: r.Round, Stage: r.Stage.String(), Territory: string(r.Territory), Authority: hexOf(r.Authority),
		Reference: r.Reference, NoticedAt: moment(r.NoticedAt), Deadline: moment(r.Deadline), ShownDays: r.ShownDays, Wave: r.Wave,
		LockedAt: moment(r.LockedAt), EffectAt: moment(r.EffectAt), EndsAt: moment(r.EndsAt), LiftedAt: moment(r.LiftedAt), Cause: causeOf(r.Cause),
		Appealing: r.Appealing, Applied: r.Applied.String(), AppliedAt: moment(r.AppliedAt), AppliedNote: r.AppliedNote,
	}
}

type orderView struct {
	ID       string     `json:"id" doc:"leaf hash in the ledger"`
	Kind     string     `json:"kind"`
	Ground   string     `json:"ground"`
	State    string     `json:"state" enum:"pending,sequenced,delivered,followed,refused"`
	IssuedAt *time.Time `json:"issued_at,omitempty"`
	Index    *uint64    `json:"ledger_index,omitempty"`
	Refusal  string     `json:"refusal,omitempty"`
}

func orderOf(o authority.OrderRow) orderView {
	v := orderView{ID: o.ID.String(), Kind: o.Kind.String(), Ground: groundOf(o.Ground), State: string(o.State), IssuedAt: moment(o.IssuedAt), Refusal: o.Refusal}
	if o.Sequenced {
		v.Index = &o.Index
	}
	return v
}

type decisionView struct {
	Verdict string          `json:"verdict"`
	Rule    string          `json:"rule,omitempty"`
	Licence string          `json:"licence,omitempty"`
	Reasons []policy.Reason `json:"reasons" nullable:"false"`
	Policy  string          `json:"policy,omitempty" doc:"hash"`
}

func decisionOf(d policy.Decision) decisionView {
	return decisionView{d.Verdict.String(), d.Rule, d.Licence, append([]policy.Reason{}, d.Reasons...), hexOf(d.PolicyHash)}
}

type deviceDetail struct {
	Device       deviceView        `json:"device"`
	Days         []dayView         `json:"days" nullable:"false"`
	Production   *productionView   `json:"production,omitempty"`
	Restrictions []restrictionView `json:"restrictions" nullable:"false"`
	Events       []eventView       `json:"events" nullable:"false" doc:"newest first"`
	Orders       []orderView       `json:"orders" nullable:"false" doc:"newest first"`
	Appeals      []appealView      `json:"appeals" nullable:"false"`
	Decision     decisionView      `json:"decision" doc:"made now"`
}

func deviceDetailOf(d *authority.DeviceDetail) deviceDetail {
	return deviceDetail{
		Device: deviceOf(d.Device), Days: each(d.Device.Days, dayOf), Restrictions: each(d.Restrictions, restrictionOf),
		Production: maybe(d.Production, func(p *authority.Production) productionView {
			return productionView{string(p.Market), p.Consignment, p.Consignee, dayText(p.ShippedOn)}
		}),
		Events: each(d.Events, eventOf), Orders: each(d.Orders, orderOf), Appeals: each(d.Appeals, appealOf), Decision: decisionOf(d.Decision),
	}
}
