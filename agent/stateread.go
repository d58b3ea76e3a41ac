package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// bounds collects what is wrong with a record, so that reading one stays a list of fields.
type bounds struct{ err error }

func (b *bounds) require(ok bool, what string) {
	if !ok && b.err == nil {
		b.err = errors.New(what)
	}
}

func (b *bounds) fixed(to, from []byte, what string) {
	if len(from) > 0 {
		b.require(dcbor.Fixed(to, from), what+" has another length")
	}
}

// span is a duration of the own time: not negative, and never so long that sums overflow.
func (b *bounds) span(ns int64, what string) time.Duration {
	b.require(ns >= 0 && time.Duration(ns) <= mostElapsed, what+" is out of range")
	return time.Duration(ns)
}

func (b *bounds) moment(s int64, what string) time.Time {
	const latest = 253402300799 // the last second of the year 9999, as in orders
	b.require(s >= 0 && s <= latest, what+" is out of range")
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

func (b *bounds) code(s string) territory.Code {
	c := territory.Code(s)
	b.require(c == territory.Unknown || c.WellFormed(), "a territory has no form of a code")
	return c
}

// instant and mark are read as they stand: they are compared, and subtracted once.
func (b *bounds) instant(w wireInstant) instant {
	return instant{b.span(w.Elapsed, "an instant"), b.span(w.Longest, "an instant")}
}

func markFromWire(w wireMark) dayMark {
	return dayMark{Certain: territory.Day(w.Certain), Own: territory.Day(w.Own)}
}

func stateFromWire(w *wireState) (*state, error) {
	var b bounds
	s := &state{
		Clock: b.clock(w),
		Epoch: w.Epoch, Sequence: w.Sequence, Acked: w.Acked, DueOn: b.span(w.DueOn, "the next check-in"),
		IP: b.code(w.IP), IPOn: b.span(w.IPOn, "the address's time"),
		DayMark: markFromWire(w.DayMark), Current: territory.Day(w.Current),
		VoidUnknown: b.moment(w.VoidUnknown, "a lift's time"), Restored: w.Restored, Unsure: w.Unsure,
		Unlock: unlockState{
			Challenge: w.Unlock.Challenge, Counter: w.Unlock.Counter,
			Failures: w.Unlock.Failures, FailedOn: b.span(w.Unlock.FailedOn, "the last wrong code"),
		},
	}
	b.fixed(s.PolicyBefore[:], w.Before, "a policy's hash")
	b.require(len(w.Epoch) <= 64, "the epoch is too long")
	b.require(len(w.Unlock.Challenge) <= 64, "the challenge is too long")
	b.require(w.Acked <= w.Sequence, "more was acknowledged than sent")
	b.enrolment(w, s)
	b.days(w, s)
	b.require(len(w.Grounds) <= evidence.MaxGrounds, "too many grounds")
	for i := range w.Grounds {
		r := b.restriction(&w.Grounds[i])
		b.require(s.restriction(r.Ground) == nil, "a ground stands twice")
		s.Restrictions = append(s.Restrictions, r)
	}
	b.require(len(w.Tombstones) <= maxTombstones, "too many tombstones")
	for _, t := range w.Tombstones {
		b.require(len(t) == len(tombstone{}), "a tombstone has another length")
		if b.err == nil {
			s.Tombstones = append(s.Tombstones, tombstone(t))
		}
	}
	b.require(len(w.Committed) <= maxCommitted, "too many orders' commitments are kept")
	for _, known := range w.Committed {
		b.require(len(known) == 32, "an order's commitment has another length")
		if b.err == nil {
			s.Committed = append(s.Committed, committed{[16]byte(known[:16]), [16]byte(known[16:])})
		}
	}
	b.require(len(w.Refusals) <= evidence.MaxRefusals, "too many refusals")
	for _, r := range w.Refusals {
		e := refusalEntry{Refusal: evidence.Refusal{Reason: r.Reason}, Changed: r.Changed}
		b.require(dcbor.Fixed(e.Order[:], r.Order), "an order's id has another length")
		b.require(len(r.Reason) <= 40, "a reason is too long")
		s.Refusals = append(s.Refusals, e)
	}
	return s, b.err
}

func (b *bounds) clock(state *wireState) clock {
	w := &state.Clock
	c := clock{
		Owed: state.Owed, Excused: b.span(state.Excused, "an excused step"), Booted: state.Booted,
		ProofDue: b.span(state.ProofDue, "the proof of the first date"),
		Begun:    w.Begun, Elapsed: b.span(w.Elapsed, "the own time"), Gap: b.span(w.Gap, "the gap"),
		Longest: b.span(w.Longest, "the longest time"), Wall: w.Wall, Uptime: b.span(w.Uptime, "the uptime"), Boot: w.Boot,
		Server: w.Server, ServerAt: b.span(w.ServerAt, "the last contact"), Contacted: w.Contacted, Base: w.Base, Doubt: w.Doubt,
	}
	b.require(len(c.Boot) <= maxBootID, "the boot id is too long")
	b.require(c.Gap <= c.Elapsed-c.ServerAt, "the gap is longer than the time since the last contact")
	for _, s := range []int64{c.Wall, c.Server} {
		b.require(s >= 0 && s <= latestSeconds, "a clock is out of range")
	}
	b.require(c.Owed >= -mostOwed && c.Owed <= mostOwed, "what servers owe is out of range")
	b.require(c.Base >= -latestSeconds && c.Base <= 2*latestSeconds, "the first day is out of range")
	return c
}

func (b *bounds) enrolment(w *wireState, s *state) {
	b.require(len(w.Device) > 0 || len(w.Officers) == 0 && !w.Signed && w.SignedUntil == 0 && w.SignedOwn == 0, "officers without an enrolment")
	whole := len(w.Device) > 0 && len(w.Secret) > 0 && len(w.Policy) > 0 && w.Trust != nil
	none := len(w.Device) == 0 && len(w.Secret) == 0 && len(w.Policy) == 0 && w.Trust == nil
	b.require(whole || none, "the enrolment is incomplete")
	if !whole || b.err != nil {
		return
	}
	b.fixed(s.Device[:], w.Device, "the device's id")
	b.fixed(s.Secret[:], w.Secret, "the unlock secret")
	b.require(s.enrolled(), "the device's id is zero")
	s.Trust = protocol.Trust{
		Origin: w.Trust.Origin, LogKey: w.Trust.LogKey, Witnesses: w.Trust.Witnesses, Quorum: int(w.Trust.Quorum),
	}
	policy, err := protocol.ParsePolicy(w.Policy)
	if err == nil {
		err = s.Trust.Validate()
	}
	if err != nil {
		b.err = fmt.Errorf("the enrolment: %w", err)
		return
	}
	s.Policy = *policy
	if len(w.Officers) > 0 {
		if s.Officers, err = tuf.Parse(w.Officers); err != nil {
			b.err = fmt.Errorf("the officers' metadata: %w", err)
			return
		}
		v := s.Officers.Versions()
		b.require(v.Root > 0 && v.Timestamp > 0, "the officers' metadata were never applied")
	}
	s.Signed = w.Signed
	s.SignedUntil, s.SignedOwn = b.moment(w.SignedUntil, "the signatures' end"), b.span(w.SignedOwn, "the signatures' end")
	b.require(s.Officers != nil || !s.Signed && w.SignedUntil == 0 && w.SignedOwn == 0, "a policy signed by nobody")
}

func (b *bounds) days(w *wireState, s *state) {
	b.require(len(w.Days) <= maxDays, "too many days")
	for i, d := range w.Days {
		b.require(i == 0 || d.Day > w.Days[i-1].Day, "the days are out of order")
		s.Days = append(s.Days, dayEntry{b.day(d), d.Changed})
	}
	if w.Earlier != nil {
		earlier := b.day(*w.Earlier)
		s.Earlier = &earlier
	}
	if a := w.Activation; a != nil {
		s.Activation = &territory.Activation{Territory: b.code(a.Territory), Day: territory.Day(a.Day), Mixed: a.Mixed}
		b.require(a.Territory != "" && a.Day >= 0, "the activation is out of range")
	}
}

func (b *bounds) day(w wireDay) territory.DayRecord {
	r := territory.DayRecord{
		Day: territory.Day(w.Day), Territory: b.code(w.Territory), Percent: w.Percent,
		Agree: territory.Kinds(w.Agree), Against: territory.Kinds(w.Against),
	}
	b.require(w.Day >= 0 && w.Percent <= 99 && r.Agree.Valid() && r.Against.Valid(), "a day is out of range")
	return r
}

func (b *bounds) restriction(w *wireRestriction) restriction {
	r := restriction{
		Ground: order.Ground{Kind: order.GroundKind(w.Kind), ID: w.ID}, Stage: order.Stage(w.Stage), Cause: order.Cause(w.Cause),
		Territory: b.code(w.Territory), FirstSeen: territory.Day(w.FirstSeen),
		ReceivedAt: b.moment(w.ReceivedAt, "a notice's receipt"), ReceivedOn: b.instant(w.ReceivedOn),
		Deadline: b.moment(w.Deadline, "a deadline"), ShownDays: w.ShownDays, Shown: markFromWire(w.Shown),
		EndsAt: b.moment(w.EndsAt, "an end"), HeldOn: b.instant(w.HeldOn), HeldSpan: b.span(w.HeldSpan, "a lock's span"),
		VoidTime: b.moment(w.VoidTime, "a lift's time"), VoidIndex: w.VoidIndex, Final: w.Final,
		ChangedOn: b.span(w.ChangedOn, "a change"),
	}
	b.require(r.Ground.Validate() == nil, "a ground has no form of one")
	b.fixed(r.Order[:], w.Order, "an order's id")
	b.require(r.Stage >= order.Noticed && r.Stage <= order.Lifted, "a stage is out of range")
	b.require((r.Stage == order.Lifted) == (r.Cause >= order.ByRule && r.Cause <= order.ByCode), "stage and cause contradict each other")
	b.require((r.Stage == order.Locked) == !r.EndsAt.IsZero(), "a lock without end, or an end without a lock")
	b.require(r.Stage == order.Lifted || !r.Deadline.IsZero(), "a notice without a deadline")
	b.require(!r.Final || r.Stage == order.Lifted, "a final lift that is none")
	b.require(r.FirstSeen >= 0, "a day is out of range")
	if len(w.Rule) > 0 {
		b.require(len(w.Rule) == 3, "a rule's text has another length")
		if b.err == nil {
			r.Rule = ruleText{w.Rule[0], w.Rule[1], w.Rule[2]}
		}
	}
	if v := w.Warrant; v != nil {
		b.require(len(v.Officers) == 2 && w.Kind == uint8(order.Warrant), "a warrant has no form of one")
		if b.err == nil {
			r.Warrant = &protocol.Warrant{
				ID: v.ID, Case: v.Case, Reason: v.Reason, IssuedAt: b.moment(v.IssuedAt, "a warrant's issue"),
				EndsAt: b.moment(v.EndsAt, "a warrant's end"), Officers: [2]string(v.Officers),
			}
			b.cohort(w.Cohort, &r.Warrant.Cohort)
		}
	}
	b.require(w.Cohort == nil || w.Warrant != nil, "a cohort without a warrant")
	b.orders(w, &r)
	return r
}

func (b *bounds) cohort(w *wireCohort, c *protocol.Cohort) {
	if w == nil {
		return
	}
	b.require(dcbor.Fixed(c.Root[:], w.Root), "a cohort's root has another length")
	b.require(w.Size > 0 && w.Size <= protocol.MaxCohort, "a cohort's size is out of range")
	c.Size = w.Size
}

func (b *bounds) orders(w *wireRestriction, r *restriction) {
	if p := w.Pending; p != nil {
		r.Pending = &pendingLock{
			Index: p.Index, EffectAt: b.moment(p.EffectAt, "a lock's effect"), EndsAt: b.moment(p.EndsAt, "a lock's end"),
		}
		b.require(dcbor.Fixed(r.Pending.Order[:], p.Order), "an order's id has another length")
		b.require(r.Stage == order.Noticed && r.Pending.EndsAt.After(r.Pending.EffectAt) && p.EffectAt > 0, "a pending lock contradicts itself")
	}
	b.require(len(w.Remembered) <= maxRemembered, "too many orders are remembered")
	for _, id := range w.Remembered {
		b.require(len(id) == len(order.ID{}), "an order's id has another length")
		if b.err == nil {
			r.Remembered = append(r.Remembered, order.ID(id))
		}
	}
}
