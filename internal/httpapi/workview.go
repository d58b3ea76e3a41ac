package httpapi

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
)

type waveView struct {
	ID        int64      `json:"id"`
	CreatedAt *time.Time `json:"created_at,omitempty"`
	Policy    string     `json:"policy,omitempty" doc:"hash"`
	State     string     `json:"state" enum:"open,approved,rejected"`
	DecidedBy string     `json:"decided_by,omitempty"`
	DecidedAt *time.Time `json:"decided_at,omitempty"`
	Note      string     `json:"note,omitempty"`
	Size      int        `json:"size" doc:"restrictions in it"`
}

func waveOf(w *authority.Wave) waveView {
	return waveView{w.ID, moment(w.CreatedAt), hexOf(w.PolicyHash), string(w.State), w.DecidedBy, moment(w.DecidedAt), w.Note, w.Size}
}

type countView struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

func countOf(c authority.Count) countView { return countView(c) }

type oddity struct {
	Name  string `json:"name"`
	Text  string `json:"text"`
	Stops bool   `json:"stops" doc:"approval needs confirm"`
}

type waveSample struct {
	Device      string          `json:"device"`
	Model       string          `json:"model"`
	Rule        string          `json:"rule"`
	Restriction restrictionView `json:"restriction"`
	Why         []policy.Reason `json:"why" nullable:"false"`
}

type waveDetail struct {
	Wave        waveView     `json:"wave"`
	Fleet       int          `json:"fleet" doc:"enrolled devices"`
	Sampled     bool         `json:"sampled" doc:"whether the wave is so large that a sample of it is counted"`
	LookedAt    int          `json:"looked_at" doc:"restrictions that the counts come from: all, or a sample of a large wave"`
	ByTerritory []countView  `json:"by_territory" nullable:"false"`
	ByGround    []countView  `json:"by_ground" nullable:"false"`
	ByModel     []countView  `json:"by_model" nullable:"false"`
	ByConsignee []countView  `json:"by_consignee" nullable:"false"`
	Odd         []oddity     `json:"odd" nullable:"false"`
	Confirm     int          `json:"confirm" doc:"to be sent with the approval; 0 when nothing asks for it"`
	Samples     []waveSample `json:"samples" nullable:"false"`
}

func waveDetailOf(w *authority.WaveDetail) waveDetail {
	return waveDetail{
		Wave: waveOf(w.Wave), Fleet: w.Fleet, Sampled: w.Sampled, LookedAt: w.LookedAt, ByTerritory: each(w.ByTerritory, countOf), ByGround: each(w.ByGround, countOf),
		ByModel: each(w.ByModel, countOf), ByConsignee: each(w.ByConsignee, countOf), Confirm: w.Confirm,
		Odd: each(w.Odd, func(o authority.Oddity) oddity { return oddity(o) }),
		Samples: each(w.Samples, func(s authority.WaveSample) waveSample {
			return waveSample{s.Device.ID.String(), s.Device.Model, s.RuleName, restrictionOf(s.Restriction), append([]policy.Reason{}, s.Why...)}
		}),
	}
}

type caseView struct {
	ID          string     `json:"id"`
	Title       string     `json:"title"`
	Consignment string     `json:"consignment"`
	State       string     `json:"state" enum:"open,holding,concluded"`
	OpenedBy    string     `json:"opened_by"`
	OpenedAt    *time.Time `json:"opened_at,omitempty"`
	Finding     string     `json:"finding,omitempty"`
	ConcludedBy string     `json:"concluded_by,omitempty"`
	ConcludedAt *time.Time `json:"concluded_at,omitempty"`
}

func caseOf(c *authority.Case) caseView {
	return caseView{c.ID, c.Title, c.Consignment, string(c.State), c.OpenedBy, moment(c.OpenedAt), c.Finding, c.ConcludedBy, moment(c.ConcludedAt)}
}

type warrantView struct {
	ID              string     `json:"id"`
	Case            string     `json:"case"`
	Reason          string     `json:"reason"`
	DraftedBy       string     `json:"drafted_by"`
	DraftedAt       *time.Time `json:"drafted_at,omitempty"`
	CountersignedBy string     `json:"countersigned_by,omitempty"`
	CountersignedAt *time.Time `json:"countersigned_at,omitempty"`
	EndsAt          *time.Time `json:"ends_at,omitempty"`
	Hash            string     `json:"hash,omitempty" doc:"once in force"`
	Devices         int        `json:"devices" doc:"of its cohort, enrolled when it came in force; of a large one as far as its notices have come"`
	Signers         []string   `json:"signers" nullable:"false" doc:"officers who signed it"`
	Notices         *jobView   `json:"notices,omitempty" doc:"the job that gives the notices of a large cohort, unless it has given them all"`
}

// warrantOf views a warrant with the job of its notices, nil for none.
func warrantOf(w *authority.Warrant, notices *authority.Job) warrantView {
	if notices != nil && notices.State == authority.JobDone {
		notices = nil
	}
	return warrantView{w.ID, w.Case, w.Reason, w.DraftedBy, moment(w.DraftedAt), w.CountersignBy, moment(w.CountersignAt), moment(w.EndsAt),
		hexOf(w.Hash), w.DevicesAtIssue, append([]string{}, w.Signers...), maybe(notices, jobOf)}
}

type diversion struct {
	Consignee string `json:"consignee"`
	Devices   int    `json:"devices" doc:"shipped"`
	Activated int    `json:"activated"`
	Outside   int    `json:"outside" doc:"activated outside the market"`
}

type caseDetail struct {
	Case        caseView      `json:"case"`
	Warrants    []warrantView `json:"warrants" nullable:"false"`
	Devices     int           `json:"devices"`
	Enrolled    int           `json:"enrolled"`
	Observed    int           `json:"observed"`
	Noticed     int           `json:"noticed"`
	Locked      int           `json:"locked"`
	Lifted      int           `json:"lifted"`
	Stragglers  int           `json:"stragglers" doc:"lifted here, not yet reported as lifted by the device"`
	Activations []countView   `json:"activations" nullable:"false"`
	Market      string        `json:"market,omitempty"`
	Diverted    int           `json:"diverted"`
	Consignees  []diversion   `json:"consignees" nullable:"false" doc:"\"others\" for those beyond 1,000"`
	CountedAt   *time.Time    `json:"counted_at,omitempty" doc:"when the numbers were counted; without it nobody has yet, and they mean nothing"`
	ByJob       bool          `json:"by_job" doc:"the consignment is so large that a job counts it, when somebody asks"`
	Counting    *jobView      `json:"counting,omitempty" doc:"the job that counts it now, or has failed to"`
	Events      []eventView   `json:"events" nullable:"false"`
}

func caseDetailOf(c *authority.CaseDetail) caseDetail {
	return caseDetail{
		Case: caseOf(c.Case), Warrants: each(c.Warrants, func(w *authority.Warrant) warrantView { return warrantOf(w, c.Notices[w.ID]) }), Devices: c.Devices, Enrolled: c.Enrolled, Observed: c.Observed, Noticed: c.Noticed,
		Locked: c.Locked, Lifted: c.Lifted, Stragglers: c.Stragglers, Activations: each(c.Activations, countOf), Market: string(c.Market),
		CountedAt: moment(c.CountedAt), ByJob: c.ByJob, Counting: maybe(c.Counting, briefly),
		Diverted: c.Diverted, Consignees: each(c.Consignees, func(d authority.Diversion) diversion { return diversion(d) }), Events: each(c.Events, eventOf),
	}
}

type appealView struct {
	ID         int64      `json:"id"`
	Ground     string     `json:"ground"`
	Text       string     `json:"text"`
	OpenedAt   *time.Time `json:"opened_at,omitempty"`
	DueAt      *time.Time `json:"due_at,omitempty" doc:"when it must be answered"`
	State      string     `json:"state" enum:"open,granted,denied"`
	AnsweredAt *time.Time `json:"answered_at,omitempty"`
	Answer     string     `json:"answer,omitempty"`
}

// appealOf is what owner and officer read alike: neither the contact nor the name of who answered.
func appealOf(a *authority.Appeal) appealView {
	return appealView{a.ID, groundOf(a.Ground), a.Text, moment(a.OpenedAt), moment(a.DueAt), string(a.State), moment(a.AnsweredAt), a.Answer}
}

type appealRow struct {
	Appeal     appealView   `json:"appeal"`
	Device     string       `json:"device"`
	IMEI       string       `json:"imei"`
	Contact    string       `json:"contact,omitempty"`
	AnsweredBy string       `json:"answered_by,omitempty"`
	Model      string       `json:"model"`
	Territory  string       `json:"territory,omitempty"`
	Stage      string       `json:"stage"`
	Rule       string       `json:"rule" doc:"the rule's name, or the warrant's reason"`
	Overdue    bool         `json:"overdue"`
	Decision   decisionView `json:"decision"`
}

func appealRowOf(r authority.AppealRow) appealRow {
	return appealRow{appealOf(r.Appeal), r.Device.String(), string(r.IMEI), r.Contact, r.AnsweredBy, r.Model, string(r.Territory), r.Stage.String(),
		r.RuleName, r.Overdue, decisionOf(r.Decision)}
}

type contactView struct {
	Name      string `json:"name,omitempty"`
	Phone     string `json:"phone,omitempty"`
	Email     string `json:"email,omitempty"`
	OwnerURL  string `json:"owner_url,omitempty"`
	Retailers string `json:"retailers,omitempty"`
}

type ownerView struct {
	Model         string       `json:"model"`
	Reference     string       `json:"reference"`
	Stage         string       `json:"stage"`
	Ground        string       `json:"ground"`
	RuleName      string       `json:"rule_name,omitempty"`
	LegalBasis    string       `json:"legal_basis,omitempty"`
	Source        string       `json:"source,omitempty"`
	WarrantReason string       `json:"warrant_reason,omitempty"`
	Territory     string       `json:"territory,omitempty"`
	ActivationDay string       `json:"activation_day,omitempty"`
	Days          []dayView    `json:"days" nullable:"false" doc:"what the device itself recorded"`
	NoticedAt     *time.Time   `json:"noticed_at,omitempty"`
	Deadline      *time.Time   `json:"deadline,omitempty"`
	EffectAt      *time.Time   `json:"effect_at,omitempty"`
	EndsAt        *time.Time   `json:"ends_at,omitempty"`
	ShownDays     int          `json:"shown_days"`
	NeededDays    int          `json:"needed_days"`
	LiftedAt      *time.Time   `json:"lifted_at,omitempty"`
	Cause         string       `json:"cause,omitempty"`
	Appeals       []appealView `json:"appeals" nullable:"false"`
	CanAppeal     bool         `json:"can_appeal"`
	Contact       contactView  `json:"contact"`
	OrderID       string       `json:"order_id,omitempty" doc:"of the newest order: its leaf hash in the public ledger"`
	LedgerIndex   *uint64      `json:"ledger_index,omitempty"`
	Events        []eventView  `json:"events" nullable:"false"`
}

func ownerOf(o *authority.OwnerView) ownerView {
	v := ownerView{
		Model: o.Model, Reference: o.Reference, Stage: o.Stage.String(), Ground: groundOf(o.Ground), RuleName: o.RuleName, LegalBasis: o.LegalBasis,
		Source: o.Source, WarrantReason: o.WarrantReason, Territory: string(o.Territory), ActivationDay: dayText(o.ActivationDay),
		Days: each(o.Days, dayOf), NoticedAt: moment(o.NoticedAt), Deadline: moment(o.Deadline), EffectAt: moment(o.EffectAt), EndsAt: moment(o.EndsAt),
		ShownDays: o.ShownDays, NeededDays: o.NeededDays, LiftedAt: moment(o.LiftedAt), Cause: causeOf(o.Cause), Appeals: each(o.Appeals, appealOf),
		CanAppeal: o.CanAppeal, Contact: contactView{o.Contact.Name, o.Contact.Phone, o.Contact.Email, o.Contact.OwnerURL, o.Contact.Retailers},
		LedgerIndex: o.LedgerIndex, Events: each(o.Events, eventOf),
	}
	if !o.OrderID.IsZero() {
		v.OrderID = o.OrderID.String()
	}
	for i := range v.Events {
		v.Events[i].Device = "" // the owner knows it by its IMEI
	}
	return v
}
