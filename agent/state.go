package agent

import (
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

const (
	maxBootID = 64
	maxDays   = evidence.MaxDays
)

// state is all that the agent knows and keeps. Only clone and the codec look at every field.
type state struct {
	Clock clock

	// Set once, at enrolment. A zero Device is not enrolled.
	Device device.ID
	Secret [32]byte
	Trust  protocol.Trust

	Policy       protocol.Policy
	PolicyBefore [32]byte // hash of the policy before

	Officers *tuf.Trusted // whose signatures count, and what they signed last; nil in a record from before there were any
	Signed   bool         // they list Policy

	// What the signatures on policies were told to last, when an update first brought this date: the own time of its coming.
	SignedUntil time.Time
	SignedOwn   time.Duration

	Epoch    []byte         // to sign the next evidence with
	Sequence uint64         // of the evidence that left last
	Acked    uint64         // of the newest evidence that the server acknowledged
	DueOn    time.Duration  // own time of the next check-in
	IP       territory.Code // as the server told last
	IPOn     time.Duration

	Days       []dayEntry // oldest first
	DayMark    dayMark    // of the day that observations go to now
	Current    territory.Day
	Earlier    *territory.DayRecord // what the days dropped said, until the activation; a conflict if they differed
	Activation *territory.Activation

	Restrictions []restriction
	Tombstones   []tombstone // grounds ended for good that no longer have a slot
	VoidUnknown  time.Time   // orders on grounds without a slot that were issued up to here are void

	Restored bool // newer records were lost: at the next contact all that was issued up to then is void
	Unsure   bool // a record was lost that may have known the activation: one established now counts as mixed

	Committed []committed // of the newest genuine orders, oldest first

	Refusals []refusalEntry
	Unlock   unlockState
}

// dayEntry is a day and the sequence of the evidence that had left when it changed last: evidence with a later one
// carries it.
type dayEntry struct {
	territory.DayRecord
	Changed uint64
}

// refusalEntry is a refusal, kept until evidence with a later sequence than Changed was acknowledged.
type refusalEntry struct {
	evidence.Refusal
	Changed uint64
}

func (s *state) enrolled() bool { return !s.Device.IsZero() }

// clone returns a copy that shares only what is never changed in place.
func (s *state) clone() *state {
	c := *s
	c.Days = slices.Clone(s.Days)
	c.Restrictions = slices.Clone(s.Restrictions)
	c.Tombstones = slices.Clone(s.Tombstones)
	c.Refusals = slices.Clone(s.Refusals)
	return &c
}

func (s *state) facts(boot evidence.Boot) facts {
	return facts{
		policy: s.Policy, before: s.PolicyBefore, officers: s.Officers, signed: s.Signed, signedOwn: s.SignedOwn,
		activation: s.Activation, boot: boot, clock: s.Clock,
	}
}

// restriction returns the slot of a ground, or nil.
func (s *state) restriction(g order.Ground) *restriction {
	for i := range s.Restrictions {
		if s.Restrictions[i].Ground == g {
			return &s.Restrictions[i]
		}
	}
	return nil
}

// expire ends the restrictions whose end has come, and reports whether there were any.
func (s *state) expire() (changed bool) {
	for i := range s.Restrictions {
		if r := &s.Restrictions[i]; r.over(s.Clock) {
			r.end(s.Clock)
			changed = true
		}
	}
	return changed
}

// activate makes the pending locks hold that are due, gives up those that may not hold any more, and reports whether
// there were any of either.
func (s *state) activate(boot evidence.Boot) (changed bool) {
	f := s.facts(boot)
	for i := range s.Restrictions {
		r := &s.Restrictions[i]
		if r.Pending == nil {
			continue
		}
		now, refused := r.due(f)
		switch {
		case refused != "":
			s.refuse(r.Pending.Order, refused)
			r.forget(r.Pending.Order)
			r.Pending = nil
			changed = true
		case now:
			r.hold(s.Clock)
			changed = true
		}
	}
	return changed
}

// obey judges a genuine order and applies it. It returns "" when the order was followed, now or before.
func (s *state) obey(o opened, boot evidence.Boot, with brought) Reason {
	r := s.restriction(o.leaf.Ground)
	if r != nil && r.remembers(o.id) {
		return ""
	}
	if o.leaf.Kind == order.Lift {
		s.lift(r, o)
		return ""
	}
	if reason := s.unslotted(r, o); reason != "" {
		return reason
	}
	reason := NoNotice
	switch {
	case o.leaf.Kind == order.Notice:
		reason = s.notice(r, o, boot, with)
	case r != nil:
		reason = s.lock(r, o, boot)
	}
	if reason == "" {
		s.restriction(o.leaf.Ground).remember(o.id)
	}
	return reason
}

// notice applies a notice to the ground's slot, or to a new one.
func (s *state) notice(r *restriction, o opened, boot evidence.Boot, with brought) Reason {
	var w *protocol.Warrant
	if o.leaf.Ground.Kind == order.Warrant {
		var reason Reason
		if w, reason = with.warrantFor(o.leaf, s.Clock); reason != "" {
			return reason
		}
	}
	fresh := restriction{Ground: o.leaf.Ground}
	target := r
	if target == nil {
		target = &fresh
	}
	dropped, reason := target.notice(o, s.facts(boot), w)
	if reason != "" {
		return reason
	}
	if r == nil && !s.seat(fresh) {
		return TooManyGrounds
	}
	if dropped != nil {
		s.refuse(*dropped, OvertakenByNotice)
	}
	return ""
}

// lock keeps a lock pending in the ground's slot.
func (s *state) lock(r *restriction, o opened, boot evidence.Boot) Reason {
	dropped, reason := r.lock(o, s.facts(boot))
	if reason == "" && dropped != nil {
		s.refuse(*dropped, OvertakenByLock)
	}
	return reason
}

// unslotted checks an escalation on a ground without a slot against what lifts left behind.
func (s *state) unslotted(r *restriction, o opened) Reason {
	switch {
	case r != nil:
		return ""
	case slices.Contains(s.Tombstones, tombstoneOf(o.leaf.Ground)):
		return GroundFinallyLifted
	case !o.leaf.IssuedAt.After(s.VoidUnknown):
		return OlderThanLift
	}
	return ""
}

// lift applies a genuine lift, on any ground, known or not, in any sequence (Charter C9).
func (s *state) lift(r *restriction, o opened) {
	if r == nil {
		if !slices.Contains(s.Tombstones, tombstoneOf(o.leaf.Ground)) && !s.seat(restriction{Ground: o.leaf.Ground}) {
			s.bury(o.leaf.Ground, o.leaf.IssuedAt, o.leaf.Cause.Final())
		}
		if r = s.restriction(o.leaf.Ground); r == nil {
			return
		}
	}
	r.lift(o.leaf.Cause, o.id, s.Clock)
	r.void(o.leaf.IssuedAt, o.index)
	r.remember(o.id)
}

// seat gives a restriction a slot. When all are taken, the lifted one that changed longest ago gives way, and what its
// lift forbids is kept. It reports false when all slots are in force, or when no tombstone fits any more.
func (s *state) seat(r restriction) bool {
	if len(s.Tombstones) >= maxTombstones {
		return false
	}
	if len(s.Restrictions) >= evidence.MaxGrounds {
		oldest := -1
		for i, other := range s.Restrictions {
			if other.Stage == order.Lifted && (oldest < 0 || other.ChangedOn < s.Restrictions[oldest].ChangedOn) {
				oldest = i
			}
		}
		if oldest < 0 {
			return false
		}
		gone := s.Restrictions[oldest]
		s.Restrictions = slices.Delete(s.Restrictions, oldest, oldest+1)
		s.bury(gone.Ground, gone.VoidTime, gone.Final)
	}
	s.Restrictions = append(s.Restrictions, r)
	return true
}

// bury keeps what a lift on a ground without a slot forbids. A ground that ended for good becomes a tombstone; when no more
// fit, seat takes no new ground at all. For another ground, orders on every unknown ground are void up to its lift:
// that is more than was lifted, never less.
func (s *state) bury(g order.Ground, lifted time.Time, final bool) {
	if !final {
		if lifted.After(s.VoidUnknown) {
			s.VoidUnknown = lifted
		}
		return
	}
	if t := tombstoneOf(g); len(s.Tombstones) < maxTombstones && !slices.Contains(s.Tombstones, t) {
		s.Tombstones = append(s.Tombstones, t)
	}
}

// refuse keeps a refusal until the server has acknowledged it. Of the same order the last reason counts; when there is no
// room the oldest gives way.
func (s *state) refuse(id order.ID, reason Reason) {
	s.Refusals = slices.DeleteFunc(s.Refusals, func(e refusalEntry) bool { return e.Order == id })
	if n := len(s.Refusals); n >= evidence.MaxRefusals {
		s.Refusals = slices.Delete(s.Refusals, 0, n-evidence.MaxRefusals+1)
	}
	s.Refusals = append(s.Refusals, refusalEntry{evidence.Refusal{Order: id, Reason: string(reason)}, s.Sequence})
}

// acknowledge forgets the refusals that the evidence with this sequence carried, and notes it for the days.
func (s *state) acknowledge(sequence uint64) {
	s.Acked = sequence
	s.Refusals = slices.DeleteFunc(s.Refusals, func(e refusalEntry) bool { return e.Changed < sequence })
}

// unreported returns the days that no acknowledged evidence carried as they are now.
func (s *state) unreported() []territory.DayRecord {
	var days []territory.DayRecord
	for _, e := range s.Days {
		if e.Changed >= s.Acked {
			days = append(days, e.DayRecord)
		}
	}
	return days
}

// groundStates returns what evidence says of every ground.
func (s *state) groundStates() []evidence.GroundState {
	states := make([]evidence.GroundState, 0, len(s.Restrictions))
	for _, r := range s.Restrictions {
		states = append(states, evidence.GroundState{
			Ground: r.Ground, Stage: r.Stage, Cause: r.Cause, Order: r.Order, ShownDays: r.ShownDays,
			FirstSeen: r.FirstSeen, Deadline: r.Deadline, EndsAt: r.EndsAt,
		})
	}
	return states
}
