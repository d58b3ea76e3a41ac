package agent

import (
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// liftedShown is for how long the screen tells that a restriction was lifted, by the own time.
const liftedShown = 30 * 24 * time.Hour

// Exit is a way out that the screen offers (Charter C1, C2).
type Exit string

// The ways out. Every screen has all of them, in every stage.
const (
	EmergencyCall   Exit = "emergency-call"
	Why             Exit = "reason"
	ContactPeople   Exit = "contact"
	Appeal          Exit = "appeal"
	UnlockCode      Exit = "unlock-code"
	NetworkSettings Exit = "network-settings"
	Language        Exit = "language"
	Accessibility   Exit = "accessibility"
	SaveFiles       Exit = "save-files"
)

// Exits lists every way out.
func Exits() []Exit {
	return []Exit{
		EmergencyCall, Why, ContactPeople, Appeal, UnlockCode, NetworkSettings, Language, Accessibility, SaveFiles,
	}
}

// Screen is what the device must show now. The fields of [GroundView] are those of the strictest ground in force, or, when
// none is in force, of the one lifted last, for 30 days; a device that is simply in use has Stage Observed.
type Screen struct {
	GroundView
	Grounds []GroundView // every ground, the strictest first

	Activation *territory.Activation // nil until established
	Days       []territory.DayRecord // the device's own record, which the owner may see; oldest first
	Contact    protocol.Contact
	Challenge  string        // what to read to support for an unlock code; stays until a code was right
	CodeWait   time.Duration // until another code may be entered; 0 when now

	// What to read out besides the challenge when whoever gives codes has no record of the device any more.
	DeviceNumber string // device.ID.Number; empty before enrolment
	CodeCounter  uint64 // the next code's counter

	ClockDoubt bool          // the device does not trust its clock, and takes no step against its owner
	Today      territory.Day // by the device's best estimate
	WayOut     []Exit        // see Exits
}

// GroundView is one ground as the owner sees it.
type GroundView struct {
	Stage     order.Stage
	Ground    order.Ground
	Reference string // short name of this restriction, for the owner page and for support

	// Of a rule.
	Territory                    territory.Code
	RuleName, LegalBasis, Source string

	// Of a warrant.
	WarrantReason, Case string

	Deadline  time.Time   // as told; zero when there is none
	EffectAt  time.Time   // when a lock that was ordered may take hold; zero when none was ordered or it holds
	EndsAt    time.Time   // when the lock or the hold ends by itself; zero when none
	ShownDays int         // distinct days on which the notice was seen
	LiftCause order.Cause // why lifted; zero otherwise
}

// Screen returns what to show. It changes and saves nothing, yet an end that has come by now shows at once.
func (a *Agent) Screen() Screen {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.state.clone()
	s.Clock.read(a.platform.reading())
	s.expire()
	return s.screen()
}

func (s *state) screen() Screen {
	v := Screen{
		Activation:  s.Activation,
		Contact:     s.Policy.Contact,
		Challenge:   s.Unlock.Challenge,
		CodeWait:    s.Unlock.wait(s.Clock),
		CodeCounter: s.Unlock.Counter,
		ClockDoubt:  s.Clock.Doubt,
		Today:       s.Clock.today(),
		WayOut:      Exits(),
	}
	if s.enrolled() {
		v.DeviceNumber = s.Device.Number()
	}
	if len(s.Days) > 0 {
		v.Days = make([]territory.DayRecord, len(s.Days))
	}
	for i := range s.Days {
		v.Days[i] = s.Days[i].DayRecord
	}
	ranked := slices.Clone(s.Restrictions)
	slices.SortStableFunc(ranked, func(x, y restriction) int {
		if d := severity(y.Stage) - severity(x.Stage); d != 0 {
			return d
		}
		return int(min(max(y.ChangedOn-x.ChangedOn, -1), 1))
	})
	for i := range ranked {
		v.Grounds = append(v.Grounds, s.view(&ranked[i]))
	}
	if len(ranked) > 0 {
		first := &ranked[0]
		if first.Stage != order.Lifted || s.Clock.Elapsed-first.ChangedOn < liftedShown {
			v.GroundView = v.Grounds[0]
		}
	}
	return v
}

// severity ranks the stages as the owner feels them.
func severity(s order.Stage) int {
	switch s {
	case order.Locked:
		return 2
	case order.Noticed:
		return 1
	}
	return 0
}

func (s *state) view(r *restriction) GroundView {
	v := GroundView{
		Stage: r.Stage, Ground: r.Ground, Reference: order.Reference(s.Device, r.Ground),
		Territory: r.Territory, RuleName: r.Rule.Name, LegalBasis: r.Rule.LegalBasis, Source: r.Rule.Source,
		Deadline: r.Deadline, EndsAt: r.EndsAt, ShownDays: int(r.ShownDays), LiftCause: r.Cause,
	}
	if r.Warrant != nil {
		v.WarrantReason, v.Case = r.Warrant.Reason, r.Warrant.Case
		if r.Stage == order.Noticed {
			v.EndsAt = r.Warrant.EndsAt
		}
	}
	if r.Pending != nil {
		v.EffectAt, v.EndsAt = r.Pending.EffectAt, r.Pending.EndsAt
	}
	return v
}
