package ownerpage

import (
	"encoding/hex"
	"html/template"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/messages"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// phoneView is the page of one phone, with every sentence chosen.
type phoneView struct {
	*messages.Printer
	*authority.OwnerView
	Class, Icon      string
	Heading, Meaning string
	DaysLeft         string // until the deadline; empty when none runs
	Cause            string // why it was lifted
	Why              string
	Dates            []fact
	Activation       string
	Strip            template.HTML
	Runs             []run
	Record           []recordRow
	Answers          []answer
	Form             appealForm
	Place            string
	OrderHex         string
	Lift             template.HTML // the lift as a QR code; empty when none waits
}

type fact struct{ Name, Value string }

type run struct{ Class, Text string }

type recordRow struct{ Day, Territory, Certainty, Signals string }

type answer struct {
	State  string
	Yours  string
	Answer string
}

func newPhoneView(m *messages.Printer, o *authority.OwnerView, now time.Time, form appealForm) phoneView {
	v := phoneView{Printer: m, OwnerView: o, Form: form, Place: placeName(m, o.Territory), OrderHex: hex.EncodeToString(o.OrderID[:])}
	v.stand(now)
	v.explain()
	v.Dates = dates(m, o)
	v.record(now)
	for _, a := range o.Appeals {
		v.Answers = append(v.Answers, answer{appealState(m, a), a.Text, a.Answer})
	}
	return v
}

func placeName(m *messages.Printer, c territory.Code) string {
	if c == territory.Unknown {
		return m.T("owner.record.undecided")
	}
	return territory.Name(c, m.Lang())
}

// stand says in one line how things are, and in another what that means.
func (v *phoneView) stand(now time.Time) {
	m := v.Printer
	appealing := false
	for _, a := range v.Appeals {
		appealing = appealing || a.State == authority.AppealOpen
	}
	v.Class, v.Icon, v.Heading, v.Meaning = "observed", "check", m.T("owner.stage.observed"), m.T("owner.stage.observed-text")
	switch v.Stage {
	case order.Noticed:
		v.Class, v.Icon, v.Heading = "noticed", "bell", m.T("owner.stage.noticed")
		v.Meaning = m.T("owner.stage.noticed-text", "Date", m.Date(v.Deadline))
		if appealing {
			v.Meaning = m.T("owner.stage.appealing-text")
		} else if left := v.Deadline.Sub(now); left >= 24*time.Hour {
			v.DaysLeft = m.T("owner.stage.days-left", "Count", int(left/(24*time.Hour)))
		}
	case order.Locked:
		v.Class, v.Icon, v.Heading, v.Meaning = "locked", "lock", m.T("owner.stage.locked"), m.T("owner.stage.locked-text")
		if now.Before(v.EffectAt) {
			v.Heading, v.Meaning = m.T("owner.stage.locking"), m.T("owner.stage.locking-text", "Date", m.Date(v.EffectAt))
		}
	case order.Lifted:
		v.Class, v.Icon, v.Heading, v.Meaning = "lifted", "open", m.T("owner.stage.lifted"), m.T("owner.stage.lifted-text")
		v.Cause = cause(m, v.OwnerView.Cause)
	}
}

func cause(m *messages.Printer, c order.Cause) string {
	switch c {
	case order.ByRule:
		return m.T("owner.cause.rule")
	case order.ByHuman:
		return m.T("owner.cause.human")
	case order.ByCase:
		return m.T("owner.cause.case")
	case order.ByEnd:
		return m.T("owner.cause.end")
	case order.ByCode:
		return m.T("owner.cause.code")
	}
	return ""
}

func (v *phoneView) explain() {
	if v.Ground.Kind == order.Warrant {
		v.Why = v.T("owner.why.warrant-text")
		return
	}
	v.Why = v.T("owner.why.rule-text", "Territory", v.Place)
}

func dates(m *messages.Printer, o *authority.OwnerView) []fact {
	var list []fact
	add := func(name string, t time.Time) {
		if !t.IsZero() {
			list = append(list, fact{name, m.Date(t)})
		}
	}
	add(m.T("owner.dates.noticed"), o.NoticedAt)
	add(m.T("owner.dates.deadline"), o.Deadline)
	add(m.T("owner.dates.effect"), o.EffectAt)
	if o.Stage != order.Lifted {
		add(m.T("owner.dates.ends"), o.EndsAt)
	}
	add(m.T("owner.dates.lifted"), o.LiftedAt)
	return list
}

// record shows the days as the phone sent them: drawn, in words, and as a table.
func (v *phoneView) record(now time.Time) {
	m := v.Printer
	if v.ActivationDay != 0 {
		v.Activation = m.T("owner.record.activation", "Territory", v.Place, "Date", m.Date(v.ActivationDay.Time()))
	}
	strip := web.Days(v.Days, territory.DayOf(now), web.DayWords{
		Place:     func(c territory.Code) string { return placeName(m, c) },
		Day:       func(d territory.Day) string { return m.Date(d.Time()) },
		Undecided: m.T("owner.record.undecided"), None: m.T("owner.record.none"), Percent: m.Percent,
	})
	v.Strip = strip.Drawing
	for _, r := range strip.Runs {
		text := placeName(m, r.Territory) + ": " + m.Date(r.From.Time())
		if r.Days > 1 {
			text += " – " + m.Date(r.To.Time())
		}
		v.Runs = append(v.Runs, run{r.Place, text})
	}
	for i := len(v.Days) - 1; i >= 0; i-- {
		d := v.Days[i]
		row := recordRow{Day: m.Date(d.Day.Time()), Territory: placeName(m, d.Territory), Signals: signals(m, d.Agree)}
		if d.Territory != territory.Unknown {
			row.Certainty = m.Percent(int(d.Percent))
		}
		v.Record = append(v.Record, row)
	}
}

func signals(m *messages.Printer, k territory.Kinds) string {
	var names []string
	for _, s := range []struct {
		kind territory.Kind
		name string
	}{
		{territory.GNSS, m.T("owner.signal.gnss")},
		{territory.Cell, m.T("owner.signal.cell")},
		{territory.SIM, m.T("owner.signal.sim")},
		{territory.WiFi, m.T("owner.signal.wifi")},
		{territory.IP, m.T("owner.signal.ip")},
	} {
		if k.Has(s.kind) {
			names = append(names, s.name)
		}
	}
	comma := ", "
	switch m.Lang() {
	case "ar", "fa":
		comma = "، "
	case "zh":
		comma = "、"
	}
	return strings.Join(names, comma)
}

func appealState(m *messages.Printer, a *authority.Appeal) string {
	switch a.State {
	case authority.AppealGranted:
		return m.T("owner.appeal.granted", "Date", m.Date(a.AnsweredAt))
	case authority.AppealDenied:
		return m.T("owner.appeal.denied", "Date", m.Date(a.AnsweredAt))
	}
	return m.T("owner.appeal.open", "Date", m.Date(a.DueAt))
}

// Shown tells on how many days the notice was seen, and how many are needed; empty when no lock can follow.
func (v phoneView) Shown() string {
	if v.Stage != order.Noticed || v.NeededDays == 0 {
		return ""
	}
	return v.T("owner.dates.shown", "Count", v.ShownDays, "Needed", v.NeededDays)
}

// Count tells how many days are recorded.
func (v phoneView) Count() string { return v.T("owner.record.count", "Count", len(v.Days)) }

// Entry writes the index of the newest order in the ledger; empty while it is not there.
func (v phoneView) Entry() string {
	if v.LedgerIndex == nil {
		return ""
	}
	return v.Number(int(*v.LedgerIndex))
}

// IsRule reports whether a rule, not a warrant, is the ground.
func (v phoneView) IsRule() bool { return v.Ground.Kind == order.Rule }

// HasContact reports whether anybody can be asked.
func (v phoneView) HasContact() bool {
	return v.Contact.Name != "" || v.Contact.Phone != "" || v.Contact.Email != ""
}
