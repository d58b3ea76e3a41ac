package restriction

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Support is what a ground says of a device now. The zero value is Unclear, on which nothing is escalated and nothing lifted
// (Charter C10).
type Support uint8

// The kinds of support.
const (
	Unclear Support = iota
	Holds           // the policy denies by this rule; the warrant is in force and names the device's consignment
	Gone            // the policy permits, or speaks of another rule; the case is concluded
	Ended           // the warrant's end date has come
)

// OfRule returns what a decision says of the restriction by one rule. A decision by another rule, be it a permit or a denial,
// means that this one no longer applies; an indeterminate one means nothing at all.
func OfRule(rule string, d policy.Decision) Support {
	switch {
	case d.Verdict == policy.Indeterminate:
		return Unclear
	case d.Verdict == policy.Deny && d.Rule == rule:
		return Holds
	}
	return Gone
}

// OfWarrant returns what a warrant says at now. held reports whether its case holds and the device is of the case's consignment;
// concluded, whether the case is over.
func OfWarrant(held, concluded bool, endsAt, now time.Time) Support {
	switch {
	case concluded:
		return Gone
	case !now.Before(endsAt):
		return Ended
	case held:
		return Holds
	}
	return Unclear
}

// Standing is how a device stands towards one ground.
type Standing struct {
	Support     Support
	Attestation policy.Attestation
	ClockDoubt  bool
	LastSeen    time.Time
	HasPolicy   bool // the device says that it has the policy in force
}

// Terms are the times that a policy, or the Charter for a warrant, gives to an owner.
type Terms struct {
	NoticeDays int           // from the first notice to the deadline
	ShownDays  int           // distinct days on which the notice must have been shown
	SeenWithin time.Duration // a device that was not seen for longer hears of no lock
}

// HoldTerms are the terms of a hold by warrant: the Charter's floors, and the time that a notice may need to arrive.
func HoldTerms(seenWithin time.Duration) Terms {
	return Terms{NoticeDays: int((order.MinNotice + Arrival) / day), ShownDays: order.MinShownDays, SeenWithin: seenWithin}
}

// Arrival is how long a notice may be on its way: a device refuses one that leaves it less than the Charter's floor from its
// arrival (C3), so each is issued with so much time to spare.
const Arrival = 3 * day

const day = 24 * time.Hour

// Action is what is due.
type Action uint8

// The actions. At most one is due at a time.
const (
	Nothing  Action = iota
	Notify          // issue a notice
	Remind          // issue the notice again with a later deadline: the first did not arrive in time
	Propose         // put the lock into a wave
	Withdraw        // take it out of the open wave
	LiftGone        // lift because what it rested on is gone
	LiftEnd         // lift because the end has come
)

var actionNames = [...]string{"nothing", "notify", "remind", "propose", "withdraw", "lift-gone", "lift-by-end"}

func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "nothing"
}

// Due returns what is due for a device on one ground at now. r is nil when the ground never restricted the device.
func Due(r *Restriction, s Standing, t Terms, now time.Time) Action {
	if r == nil || r.Stage == order.Observed || r.Stage == order.Lifted {
		if mayNotify(r, s) {
			return Notify
		}
		return Nothing
	}
	switch {
	case s.Support == Gone:
		return LiftGone
	case s.Support == Ended, r.Stage == order.Locked && !r.EndsAt.IsZero() && !now.Before(r.EndsAt):
		return LiftEnd
	case r.Stage == order.Locked:
		return Nothing
	}
	hindered := Hindrance(r, s, t, now) != None
	switch {
	case r.Wave == 0 && tooLate(r, s, now):
		return Remind
	case r.Wave == 0 && !hindered:
		return Propose
	case r.Wave != 0 && hindered:
		return Withdraw
	}
	return Nothing
}

// mayNotify reports whether a notice may begin. A lift that a person, a case or a code brought is final (C9); and when a lock
// has run its full course the ground has had its time: only a lift by rule is followed by a new round.
func mayNotify(r *Restriction, s Standing) bool {
	if s.Support != Holds || s.ClockDoubt || s.Attestation != policy.Genuine {
		return false
	}
	return r == nil || r.Stage == order.Observed || r.Cause == order.ByRule
}

// The agent's reasons for refusing a first notice that arrived with too little time left, or after two later policies.
const (
	noticeTooShort = "notice-too-short"
	policyUnknown  = "policy-unknown"
)

// tooLate reports whether a notice that the device does not follow yet would leave it too little time, or rests on a policy that the
// device has forgotten.
func tooLate(r *Restriction, s Standing, now time.Time) bool {
	if r.Applied == order.Noticed || r.Appealing || s.Support != Holds || s.ClockDoubt || s.Attestation != policy.Genuine {
		return false
	}
	return r.AppliedNote == noticeTooShort || r.AppliedNote == policyUnknown && s.HasPolicy || r.AppliedNote == "" && r.Deadline.Sub(now) < order.MinNotice+day
}

// Hinder is why no lock is due; it is counted by name when a wave is approved.
type Hinder string

// The hindrances, in the order in which they are looked at.
const (
	None         Hinder = ""
	NotNoticed   Hinder = "stage-moved"
	Appealed     Hinder = "appealed"
	NotSupported Hinder = "decision-changed"
	WarrantEnded Hinder = "warrant-ended"
	DoubtfulTime Hinder = "clock-doubt"
	NotGenuine   Hinder = "not-genuine"
	NoticeRefuse Hinder = "notice-refused"
	TooEarly     Hinder = "deadline-ahead"
	ShownTooFew  Hinder = "shown-too-few-days"
	NotSeen      Hinder = "not-seen-lately"
)

// Hindrance returns why a lock may not be proposed or ordered now, or None. It is asked when a wave is built, and once more
// for each device when an officer approves it.
func Hindrance(r *Restriction, s Standing, t Terms, now time.Time) Hinder {
	switch {
	case r.Stage != order.Noticed:
		return NotNoticed
	case r.Appealing:
		return Appealed
	case s.Support == Ended:
		return WarrantEnded
	case s.Support != Holds:
		return NotSupported
	case s.ClockDoubt:
		return DoubtfulTime
	case s.Attestation != policy.Genuine:
		return NotGenuine
	case r.AppliedNote != "":
		return NoticeRefuse
	case now.Before(r.Deadline):
		return TooEarly
	case r.ShownDays < max(t.ShownDays, order.MinShownDays):
		return ShownTooFew
	case s.LastSeen.IsZero() || now.Sub(s.LastSeen) > t.SeenWithin:
		return NotSeen
	}
	return None
}
