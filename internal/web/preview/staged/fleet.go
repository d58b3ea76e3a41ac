package staged

import (
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// phone describes a device of the fleet in a line.
type phone struct {
	model  string
	market territory.Code
	days   []stretch // from the first day on
	stage  order.Stage
	cause  order.Cause
	appeal bool
	boot   policy.Attestation
}

// stretch is some days in one territory; Unknown is undecided.
type stretch struct {
	days int
	at   territory.Code
}

// IMEIs of phones that tests and screenshots ask for, in the order of the fleet.
var phones = []phone{
	{"Lark 5", "ES", []stretch{{12, "ES"}, {2, ""}, {38, "CU"}, {8, "ES"}}, order.Observed, 0, false, policy.Genuine},
	{"Lark 5", "AE", []stretch{{3, ""}, {39, "IR"}}, order.Locked, 0, false, policy.Genuine},
	{"Lark 5 Pro", "AE", []stretch{{1, ""}, {26, "IR"}}, order.Noticed, 0, false, policy.Genuine},
	{"Lark 5", "UA", []stretch{{44, "UA-43"}}, order.Locked, 0, true, policy.Genuine},
	{"Lark 4", "MX", []stretch{{50, "CU"}}, order.Lifted, order.ByHuman, false, policy.Genuine},
	{"Lark 5", "IN", []stretch{{60, "US"}}, order.Observed, 0, false, policy.Genuine},
	{"Lark 5 Pro", "IQ", []stretch{{2, ""}, {25, "SY"}}, order.Noticed, 0, true, policy.Genuine},
	{"Lark 4", "AE", []stretch{{30, "SY"}}, order.Observed, 0, false, policy.Custom},
	{"Lark 5", "ID", []stretch{{25, "SD"}}, order.Noticed, 0, false, policy.Genuine},
	{"Lark 5", "KR", []stretch{{60, "KR"}}, order.Observed, 0, false, policy.Genuine},
}

// IMEI returns the IMEI of the i-th phone of the fleet.
func IMEI(i int) device.IMEI {
	body := fmt.Sprintf("86712904%06d", 104210+i*37)
	return device.IMEI(body + string(device.CheckDigit(body)))
}

// Reference is what the screen of the i-th phone shows.
func Reference(i int) string { return fmt.Sprintf("BW-%04d-%04d", 4031+i*7, 2290+i*113) }

// ID returns the id of the i-th phone.
func ID(i int) device.ID {
	return device.ID{0x3f, 0xa1, byte(i), 0x77, 0x12, 0x5c, 0x90, 0xde, 0x01, byte(i * 31), 0x42, 0x42, 0x07, 0x66, 0xab, byte(i)}
}

func (a *Authority) stageFleet() []*authority.DeviceDetail {
	list := make([]*authority.DeviceDetail, len(phones))
	for i, p := range phones {
		list[i] = a.stagePhone(i, p)
	}
	return list
}

func (a *Authority) stagePhone(i int, p phone) *authority.DeviceDetail {
	days := recordOf(p.days)
	d := &authority.Device{ID: ID(i), IMEI: IMEI(i), Serial: fmt.Sprintf("LK5-%06d", 88120+i), Model: p.model, Attestation: p.boot,
		Boot: evidence.BootVerified, Software: "agent 1.0.3", Sequence: 61, EnrolledAt: days[0].Day.Time().Add(9 * time.Hour),
		LastSeen: Today.Add(-time.Duration(3+i*5) * time.Hour), Days: days, PolicyHash: a.Policy.Hash(), DecidedAt: Today.Add(-3 * time.Hour)}
	d.Activation = activationOf(days)
	detail := &authority.DeviceDetail{Device: d, Production: &authority.Production{IMEI: d.IMEI, Serial: d.Serial, Model: d.Model, Market: p.market,
		Consignment: "SHP-2021-0417", Consignee: "Gulf Mobile Trading", ShippedOn: days[0].Day - 20}}
	facts := policy.Facts{Device: d.ID, Model: d.Model, TAC: d.IMEI.TAC(), Market: p.market, Attestation: p.boot}
	if d.Activation != nil {
		facts.Activation, facts.ActivatedOn = d.Activation.Territory, d.Activation.Day
	}
	detail.Decision = a.Policy.Decide(facts, Today)
	d.Verdict, d.VerdictRule, d.Reasons = detail.Decision.Verdict, detail.Decision.Rule, detail.Decision.Reasons
	if p.stage != order.Observed {
		a.restrict(detail, i, p)
	}
	detail.Events = append(detail.Events, authority.Event{Device: d.ID, At: d.EnrolledAt, Kind: "enrolled", Actor: "device", Detail: "Enrolled with a genuine key of the maker."})
	return detail
}

func recordOf(stretches []stretch) []territory.DayRecord {
	total := 0
	for _, s := range stretches {
		total += s.days
	}
	at := territory.DayOf(Today) - territory.Day(total)
	var days []territory.DayRecord
	for _, s := range stretches {
		for n := range s.days {
			record := territory.DayRecord{Day: at, Territory: s.at}
			if s.at != territory.Unknown {
				record.Percent = uint8(99 - n%3)
				record.Agree = territory.Kinds(0).With(territory.GNSS).With(territory.Cell).With(territory.WiFi)
			}
			days, at = append(days, record), at+1
		}
	}
	return days
}

// activationOf gives the fifth decided day, which is what the staged policy asks for.
func activationOf(days []territory.DayRecord) *territory.Activation {
	decided := 0
	for _, d := range days {
		if d.Territory != territory.Unknown {
			if decided++; decided == 5 {
				return &territory.Activation{Territory: d.Territory, Day: d.Day}
			}
		}
	}
	return nil
}

func (a *Authority) restrict(detail *authority.DeviceDetail, i int, p phone) {
	d := detail.Device
	ground := order.Ground{Kind: order.Rule, ID: detail.Decision.Rule}
	told := d.Activation.Day.Time().Add(34 * time.Hour)
	r := &authority.Restriction{Device: d.ID, Ground: ground, Round: 1, Stage: p.stage, Territory: d.Activation.Territory, Authority: a.Policy.Hash(),
		Reference: Reference(i), NoticedAt: told, Deadline: told.AddDate(0, 0, 14).Truncate(24 * time.Hour).Add(12 * time.Hour), ShownDays: 12,
		Appealing: p.appeal, Applied: order.Noticed, AppliedAt: told.Add(20 * time.Hour)}
	event := func(at time.Time, kind, actor, text string) {
		detail.Events = append([]authority.Event{{Device: d.ID, At: at, Kind: kind, Ground: ground, Actor: actor, Detail: text}}, detail.Events...)
	}
	event(told, "noticed", "rule", "Told that it may be locked, not before "+r.Deadline.Format("2 January 2006")+".")
	a.orderOn(detail, order.Notice, ground, told, 100+uint64(i)*3)
	if p.stage != order.Noticed {
		r.LockedAt, r.EffectAt = r.Deadline.AddDate(0, 0, 2), r.Deadline.AddDate(0, 0, 4)
		r.EndsAt, r.Applied, r.AppliedAt = r.EffectAt.AddDate(0, 0, 180), order.Locked, r.EffectAt.Add(2*time.Hour)
		event(r.LockedAt, "locked", "nora", "Locked with wave 6, from "+r.EffectAt.Format("2 January 2006, 15:04")+" UTC.")
		a.orderOn(detail, order.Lock, ground, r.LockedAt, 301+uint64(i)*2)
	}
	if p.appeal {
		detail.Appeals = append(detail.Appeals, &authority.Appeal{ID: int64(3 + i), Device: d.ID, Ground: ground,
			Text:    a.say("I bought this phone in a shop in my town with a receipt. Nobody told me. I need it for work."),
			Contact: a.say("+98 21 0000 0000"), OpenedAt: Today.AddDate(0, 0, -5), DueAt: Today.AddDate(0, 0, 2+i-4), State: authority.AppealOpen})
		event(Today.AddDate(0, 0, -5), "appealed", "owner", "The owner has appealed; the clock stands still.")
	}
	if p.stage == order.Lifted {
		r.LiftedAt, r.Cause, r.Applied, r.AppliedAt = Today.AddDate(0, 0, -2), p.cause, order.Lifted, Today.AddDate(0, 0, -1)
		event(r.LiftedAt, "lifted", "samir", a.say("Lifted: the receipt shows that the phone was a gift to a clinic."))
		a.orderOn(detail, order.Lift, ground, r.LiftedAt, 512)
	}
	detail.Restrictions = append(detail.Restrictions, r)
}

func (a *Authority) orderOn(detail *authority.DeviceDetail, kind order.Kind, g order.Ground, at time.Time, index uint64) {
	o := &authority.Order{ID: order.ID{byte(index), byte(kind), 0x9c, 0x41, 0xee, 0x05}, Device: detail.Device.ID, Kind: kind, Ground: g, IssuedAt: at,
		Index: index, Sequenced: true, DeliveredAt: at.Add(time.Hour), Settled: true}
	detail.Orders = append([]authority.OrderRow{{Order: o, State: authority.OrderFollowed}}, detail.Orders...)
}
