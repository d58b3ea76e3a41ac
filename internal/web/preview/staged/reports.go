package staged

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

var stageCounts = []authority.StageCount{
	{Territory: "ES", Stage: order.Observed, Devices: 412}, {Territory: "IN", Stage: order.Observed, Devices: 303},
	{Territory: "US", Stage: order.Observed, Devices: 118}, {Territory: "DE", Stage: order.Observed, Devices: 207},
	{Territory: "KR", Stage: order.Observed, Devices: 96}, {Territory: "IQ", Stage: order.Observed, Devices: 88},
	{Territory: "MX", Stage: order.Observed, Devices: 141}, {Territory: "ID", Stage: order.Observed, Devices: 175},
	{Territory: "UA", Stage: order.Observed, Devices: 64}, {Territory: "SG", Stage: order.Observed, Devices: 12},
	{Territory: "IR", Stage: order.Observed, Devices: 9}, {Territory: "IR", Stage: order.Noticed, Devices: 63}, {Territory: "IR", Stage: order.Locked, Devices: 81},
	{Territory: "CU", Stage: order.Noticed, Devices: 22}, {Territory: "CU", Stage: order.Locked, Devices: 40}, {Territory: "CU", Stage: order.Lifted, Devices: 6},
	{Territory: "SY", Stage: order.Noticed, Devices: 31}, {Territory: "SD", Stage: order.Lifted, Devices: 37},
	{Territory: "KP", Stage: order.Noticed, Devices: 4}, {Territory: "UA-43", Stage: order.Locked, Devices: 28}, {Territory: "UA-43", Stage: order.Noticed, Devices: 7},
	{Territory: "UA-40", Stage: order.Noticed, Devices: 5}, {Territory: "", Stage: order.Observed, Devices: 33},
	{Territory: "AE", Stage: order.Observed, Devices: 12}, {Territory: "AE", Stage: order.Lifted, Devices: 96},
}

func (a *Authority) Overview(context.Context) (*authority.Overview, error) {
	if a.Fail != nil {
		return nil, a.Fail
	}
	o := &authority.Overview{At: Today, Stages: stageCounts, Totals: make(map[order.Stage]int), OpenWave: a.waveList()[0],
		Cases: a.caseList()[:1], LedgerOrigin: "bailiwick.example/ledger", LedgerSize: 1284, PendingOrders: 3, Founded: !a.Unfounded, SignsHere: a.SignsHere}
	for _, n := range stageCounts {
		o.Devices += n.Devices
		o.Totals[n.Stage] += n.Devices
	}
	if a.Policy != nil && !a.Unfounded {
		o.Policy, o.PolicyTitle = a.Document, a.Policy.Title
		for _, w := range a.Policy.Check(Today).Warnings {
			o.PolicyWarnings = append(o.PolicyWarnings, w.Message)
		}
	}
	o.OpenAppeals = a.appealRows(authority.AppealOpen)
	for _, row := range o.OpenAppeals {
		if row.Overdue {
			o.AppealsOverdue++
		}
	}
	for i := range 4 {
		o.Recent = append(o.Recent, a.fleet[i+1].Events[:min(2, len(a.fleet[i+1].Events))]...)
	}
	return o, nil
}

func (a *Authority) Devices(_ context.Context, q authority.DeviceQuery) ([]authority.DeviceRow, device.ID, error) {
	var rows []authority.DeviceRow
	for _, d := range a.fleet {
		row := authority.DeviceRow{Device: d.Device, Market: d.Production.Market, Consignee: d.Production.Consignee, Stage: order.Observed}
		if len(d.Restrictions) > 0 {
			row.Stage = d.Restrictions[0].Stage
		}
		where := d.Device.Present()
		if d.Device.Activation != nil {
			where = d.Device.Activation.Territory
		}
		if q.Territory != "" && q.Territory != where || q.Stage != nil && *q.Stage != row.Stage || q.Consignment != "" && q.Consignment != d.Production.Consignment {
			continue
		}
		if q.Model == "" || q.Model == d.Device.Model {
			rows = append(rows, row)
		}
	}
	if q.Model != "" && q.After.IsZero() { // as if there were very many
		return rows, ID(7), a.Fail
	}
	return rows, device.ID{}, a.Fail
}

func (a *Authority) FindDevice(_ context.Context, imei string) (*authority.Device, error) {
	for _, d := range a.fleet {
		if string(d.Device.IMEI) == imei {
			return d.Device, nil
		}
	}
	if _, err := device.ParseIMEI(imei); err != nil {
		return nil, &authority.Error{Kind: authority.Invalid, Name: "invalid", Detail: "an IMEI has 15 digits"}
	}
	return nil, &authority.Error{Kind: authority.NotFound, Name: "not-found", Detail: "no device with this IMEI is enrolled"}
}

func (a *Authority) DeviceDetail(_ context.Context, id device.ID) (*authority.DeviceDetail, error) {
	for i, d := range a.fleet {
		if d.Device.ID == id {
			if a.Hostile != "" {
				d = a.stagePhone(i, phones[i])
				d.Device.Model, d.Device.Serial, d.Device.Software = a.Hostile, a.Hostile, a.Hostile
				d.Production.Consignee, d.Production.Consignment = a.Hostile, a.Hostile
			}
			return d, a.Fail
		}
	}
	return nil, authority.ErrNotFound
}

// waveList has waves under the policy in force, and one of warrants alone, from before there was a policy.
func (a *Authority) waveList() []*authority.Wave {
	var hash [32]byte
	if a.Policy != nil {
		hash = a.Policy.Hash()
	}
	return []*authority.Wave{
		{ID: 7, CreatedAt: Today.AddDate(0, 0, -1), PolicyHash: hash, State: authority.WaveOpen, Size: 63},
		{ID: 6, PolicyHash: hash, CreatedAt: Today.AddDate(0, 0, -12), State: authority.WaveApproved, DecidedBy: "nora", DecidedAt: Today.AddDate(0, 0, -11), Size: 149,
			Note: "Looked at 50 samples; all activated after the date of the terms."},
		{ID: 5, PolicyHash: hash, CreatedAt: Today.AddDate(0, 0, -20), State: authority.WaveRejected, DecidedBy: "samir", DecidedAt: Today.AddDate(0, 0, -19), Size: 31,
			Note: "Sudan left the list; the policy has to be reviewed first."},
		{ID: 4, CreatedAt: Today.AddDate(0, 0, -90), State: authority.WaveApproved, DecidedBy: "nora", DecidedAt: Today.AddDate(0, 0, -90), Size: 12},
	}
}

func (a *Authority) Waves(context.Context, int) ([]*authority.Wave, error) {
	return a.waveList(), a.Fail
}

func (a *Authority) WaveDetail(_ context.Context, id int64) (*authority.WaveDetail, error) {
	i := slices.IndexFunc(a.waveList(), func(w *authority.Wave) bool { return w.ID == id })
	if i < 0 {
		return nil, authority.ErrNotFound
	}
	wave := a.waveList()[i]
	if wave.State == authority.WaveRejected {
		return &authority.WaveDetail{Wave: wave, Fleet: 2390}, a.Fail
	}
	d := &authority.WaveDetail{Wave: wave, Fleet: 2390, LookedAt: 63, Confirm: a.Confirm,
		ByTerritory: []authority.Count{{Name: "IR", Count: 38}, {Name: "CU", Count: 14}, {Name: "SY", Count: 7}, {Name: "UA-43", Count: 4}},
		ByGround:    []authority.Count{{Name: "rule:iran", Count: 38}, {Name: "rule:cuba", Count: 14}, {Name: "rule:syria", Count: 7}, {Name: "rule:crimea", Count: 4}},
		ByModel:     []authority.Count{{Name: "Lark 5", Count: 44}, {Name: "Lark 5 Pro", Count: 19}},
		ByConsignee: []authority.Count{{Name: a.say("Gulf Mobile Trading"), Count: 41}, {Name: "Andes Retail", Count: 14}, {Name: "", Count: 8}},
		Odd:         []authority.Oddity{{Name: "one-consignee", Text: "65 % of the devices were shipped to one consignee, Gulf Mobile Trading."}}}
	if a.Confirm > 0 {
		d.Odd = append(d.Odd, authority.Oddity{Name: "spike", Text: "The wave has 63 locks; the median of the last ten waves is 12.", Stops: true})
	}
	for _, f := range a.fleet {
		if len(f.Restrictions) > 0 && f.Restrictions[0].Stage == order.Noticed {
			d.Samples = append(d.Samples, authority.WaveSample{Restriction: f.Restrictions[0], Device: f.Device, Production: f.Production, Why: f.Decision.Reasons, RuleName: a.ruleName(f.Decision.Rule)})
		}
	}
	return d, a.Fail
}

func (a *Authority) ruleName(id string) string {
	for _, t := range a.Policy.Territories() {
		if t.Rule == id {
			return t.Name
		}
	}
	return id
}

func (a *Authority) caseList() []*authority.Case {
	return []*authority.Case{
		{ID: "case-0001", Title: a.say("Consignment sold out of its region"), Consignment: "SHP-2021-0417", State: authority.CaseHolding, OpenedBy: "nora", OpenedAt: Today.AddDate(0, 0, -21)},
		{ID: "case-0000", Title: "Invoice without a consignee", Consignment: "SHP-2021-0398", State: authority.CaseConcluded, OpenedBy: "samir", OpenedAt: Today.AddDate(0, -2, 0),
			Finding: "The papers were late; nothing was diverted.", ConcludedBy: "samir", ConcludedAt: Today.AddDate(0, -1, -20)},
		{ID: "case-0002", Title: "A year of one model", Consignment: "SHP-2021-0001", State: authority.CaseOpen, OpenedBy: "nora", OpenedAt: Today.AddDate(0, 0, -2)},
		{ID: "case-0003", Title: "A year of another", Consignment: "SHP-2021-0002", State: authority.CaseOpen, OpenedBy: "nora", OpenedAt: Today},
		{ID: "case-0004", Title: "A year of a third", Consignment: "SHP-2021-0003", State: authority.CaseOpen, OpenedBy: "nora", OpenedAt: Today},
	}
}

func (a *Authority) Cases(context.Context, int) ([]*authority.Case, error) {
	return a.caseList(), a.Fail
}

func (a *Authority) CaseDetail(_ context.Context, id string) (*authority.CaseDetail, error) {
	i := slices.IndexFunc(a.caseList(), func(c *authority.Case) bool { return c.ID == id })
	if i < 0 {
		return nil, authority.ErrNotFound
	}
	detail := &authority.CaseDetail{Case: a.caseList()[i], CountedAt: Today, Market: "AE", Devices: 240, Enrolled: 211, Observed: 8, Noticed: 12, Locked: 95, Lifted: 96, Stragglers: 7, Diverted: 174,
		Warrants: []*authority.Warrant{
			{ID: "warrant-0001", Case: id, Reason: a.say("These phones were shipped for sale in the United Arab Emirates and may have been resold by an unlicensed dealer. We are asking the consignee."),
				DraftedBy: "nora", DraftedAt: Today.AddDate(0, 0, -20), CountersignBy: "samir", CountersignAt: Today.AddDate(0, 0, -19), EndsAt: Today.AddDate(0, 0, 40), DevicesAtIssue: 203, Signers: []string{"nora", "samir"}},
			{ID: "warrant-0002", Case: id, Reason: "The consignee asked for two more weeks to produce its papers.", DraftedBy: "nora", DraftedAt: Today.AddDate(0, 0, -1), EndsAt: Today.AddDate(0, 0, 60)},
		},
		Activations: []authority.Count{{Name: "IR", Count: 131}, {Name: "AE", Count: 37}, {Name: "SY", Count: 29}, {Name: "IQ", Count: 14}, {Name: "", Count: 29}},
		Consignees:  []authority.Diversion{{Consignee: "Gulf Mobile Trading", Devices: 240, Activated: 211, Outside: 174}},
		Events: []authority.Event{{At: Today.AddDate(0, 0, -19), Kind: "locked", Actor: "samir", Detail: "Warrant warrant-0001 was countersigned; 203 devices were told."},
			{At: Today.AddDate(0, 0, -21), Kind: "opened", Actor: "nora", Detail: a.say("The case was opened.")}}}
	switch detail.ByJob = i > 1; id {
	case "case-0002": // counted, and being counted anew
		detail.Devices, detail.Enrolled, detail.Observed, detail.Locked, detail.CountedAt = 1_000_000, 884_210, 801_113, 83_097-12-96, Today.AddDate(0, 0, -2)
		detail.Counting = &authority.Job{ID: 6, Kind: authority.CountJob, Subject: id, By: "nora", State: authority.JobRunning, Done: 310_000, Total: 1_000_000, CreatedAt: Today, StartedAt: Today.Add(-9 * time.Second), UpdatedAt: Today}
		detail.Notices = map[string]*authority.Job{"warrant-0001": {ID: 8, Kind: authority.NoticeJob, Subject: "warrant-0001", By: "nora", State: authority.JobRunning,
			Done: 420_000, Total: 1_000_000, CreatedAt: Today, StartedAt: Today.Add(-42 * time.Second), UpdatedAt: Today}}
	case "case-0003": // not yet
		detail.CountedAt = time.Time{}
	case "case-0004":
		detail.Notices = map[string]*authority.Job{"warrant-0001": {ID: 9, Kind: authority.NoticeJob, Subject: "warrant-0001", By: "nora", State: authority.JobCancelled, FinishedAt: Today,
			Fault: `{"kind":3,"name":"case-concluded","detail":"samir concluded case-0004: no more notices are given"}`}}
		detail.Counting = &authority.Job{ID: 7, Kind: authority.CountJob, Subject: id, By: "nora", State: authority.JobFailed, FinishedAt: Today, Fault: `{"kind":1,"name":"invalid","detail":"job 7 is of another release of this server"}`}
	}
	return detail, a.Fail
}

func (a *Authority) BeginCount(_ context.Context, actor *authority.Officer, caseID string) (*authority.Job, error) {
	a.called("BeginCount %s %s", caseID, actor.Name)
	return a.began(authority.CountJob, caseID, `{"devices":240}`), nil
}

func (a *Authority) appealRows(state authority.AppealState) []authority.AppealRow {
	var rows []authority.AppealRow
	for i, d := range a.fleet {
		if a.Hostile != "" {
			d = a.stagePhone(i, phones[i])
		}
		for _, ap := range d.Appeals {
			if state == "" || ap.State == state {
				rows = append(rows, authority.AppealRow{Appeal: ap, IMEI: d.Device.IMEI, Model: d.Device.Model, Territory: d.Restrictions[0].Territory,
					Stage: d.Restrictions[0].Stage, RuleName: a.ruleName(ap.Ground.ID), Overdue: ap.DueAt.Before(Today), Decision: d.Decision})
			}
		}
	}
	return rows
}

func (a *Authority) Appeals(_ context.Context, state authority.AppealState, _ int) ([]authority.AppealRow, error) {
	return a.appealRows(state), a.Fail
}

func (a *Authority) PolicyInForce(context.Context) (*policy.Policy, *authority.PolicyDocument, error) {
	if a.Policy == nil || a.Unfounded {
		return nil, nil, authority.ErrNoPolicy
	}
	return a.Policy, a.Document, a.Fail
}

func (a *Authority) Policies(context.Context, int) ([]*authority.PolicyDocument, error) {
	if a.Policy == nil || a.Unfounded {
		return nil, a.Fail
	}
	return []*authority.PolicyDocument{a.Document}, a.Fail
}

// OwnerLook implements ownerpage.Service.
func (a *Authority) OwnerLook(_ context.Context, imei, reference string) (*authority.OwnerView, error) {
	if a.Fail != nil {
		return nil, a.Fail
	}
	parsed, err := device.ParseIMEI(imei)
	if err != nil {
		return nil, authority.ErrNoMatch
	}
	for i, d := range a.fleet {
		if d.Device.IMEI == parsed && len(d.Restrictions) > 0 && d.Restrictions[0].Reference == reference {
			return a.ownerView(i, d), nil
		}
	}
	return nil, authority.ErrNoMatch
}

// OwnerOrder implements ownerpage.Service: the leaf that the view shows, without a proof, since nothing here has a ledger.
func (a *Authority) OwnerOrder(ctx context.Context, imei, reference string) (*order.Sealed, error) {
	if _, err := a.OwnerLook(ctx, imei, reference); err != nil {
		return nil, err
	}
	return &order.Sealed{Leaf: []byte("a leaf"), Salt: [32]byte{1}, Proof: []byte("a proof")}, nil
}

func (a *Authority) ownerView(i int, d *authority.DeviceDetail) *authority.OwnerView {
	r := d.Restrictions[0]
	index := d.Orders[0].Index
	v := &authority.OwnerView{Model: a.say(d.Device.Model), Reference: r.Reference, Stage: r.Stage, Ground: r.Ground, RuleName: a.ruleName(r.Ground.ID), Territory: r.Territory,
		ActivationDay: d.Device.Activation.Day, Days: d.Device.Days, NoticedAt: r.NoticedAt, Deadline: r.Deadline, EffectAt: r.EffectAt, EndsAt: r.EndsAt,
		ShownDays: 3, NeededDays: a.Policy.Notice.ShownDays, LiftedAt: r.LiftedAt, Cause: r.Cause, Appeals: d.Appeals, CanAppeal: !r.Appealing && r.Active(),
		Contact: a.Policy.Contact, OrderID: d.Orders[0].Order.ID, LedgerIndex: &index, Events: d.Events}
	if r.Stage == order.Noticed {
		v.Deadline = Today.AddDate(0, 0, 9)
	}
	for _, t := range a.Policy.Territories() {
		if t.Rule == r.Ground.ID {
			v.LegalBasis, v.Source = a.say(t.LegalBasis), a.say(t.Source)
		}
	}
	if a.Hostile != "" {
		hostile := a.stagePhone(i, phones[i])
		v.Appeals = hostile.Appeals
	}
	return v
}

// PublicReport implements publicpage.Service.
func (a *Authority) PublicReport(context.Context) (*authority.PublicReport, error) {
	if a.Fail != nil {
		return nil, a.Fail
	}
	report := &authority.PublicReport{Origin: a.say("bailiwick.example/ledger"), Size: 0, CountedAt: Today, ByKind: make(map[order.Kind]int),
		Checkpoint: "bailiwick.example/ledger\n1284\nqg5m2kX0nT1c0xkO3C2mJtJ0x5mWkqYvPpQzq0lTn9E=\n\n— bailiwick.example/ledger kB0vUeYc2n0Yg0rW8s1pQG1m0m2bJ9vQ6Yp0cVfJ1k3tTz8Y\n"}
	for n := range 44 {
		at := day(2021, time.September, 1) + territory.Day(n)
		for j, rule := range []struct {
			id   string
			code territory.Code
		}{{"iran", "IR"}, {"cuba", "CU"}, {"syria", "SY"}, {"crimea", "UA-43"}, {"sudan", "SD"}, {"north-korea", "KP"}} {
			ground := order.Ground{Kind: order.Rule, ID: rule.id}
			add := func(k order.Kind, count int, cause order.Cause) {
				if count > 0 {
					report.Lines = append(report.Lines, authority.PublicCount{Kind: k, Ground: ground, Territory: rule.code, Day: at, Orders: count, Cause: cause})
				}
			}
			add(order.Notice, (n*7+j*3)%(9-j)/(1+j/2), 0)
			if j < 4 && (n == 18 || n == 33) {
				add(order.Lock, 60/(j+1), 0)
			}
			if (n+j)%11 == 4 {
				add(order.Lift, 1+j%2, order.ByHuman)
			}
			if rule.id == "sudan" && n == 30 {
				add(order.Lift, 37, order.ByRule)
			}
		}
		if n == 24 || n == 40 {
			kind, cause := order.Notice, order.Cause(0)
			if n == 40 {
				kind, cause = order.Lift, order.ByCase
			}
			report.Lines = append(report.Lines, authority.PublicCount{Kind: kind, Ground: order.Ground{Kind: order.Warrant, ID: "warrant-0001"}, Day: at, Orders: 96, Cause: cause})
		}
	}
	for _, l := range report.Lines {
		report.ByKind[l.Kind] += l.Orders
		report.Size += uint64(l.Orders)
	}
	if a.Hostile != "" {
		report.Lines[0].Ground.ID = a.Hostile
		report.Checkpoint = a.Hostile
	}
	return report, nil
}

// String helps a failing test to say which phone it looked at.
func (p phone) String() string { return fmt.Sprintf("%s %s %v", p.model, p.market, p.stage) }
