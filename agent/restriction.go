package agent

import (
	"crypto/sha256"
	"math"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

const (
	maxRemembered = 8   // orders per ground whose replay is known
	maxTombstones = 256 // grounds ended for good, beyond those in slots
	maxShownDays  = order.MaxShownDays
)

// restriction is this device on one ground.
type restriction struct {
	Ground    order.Ground
	Stage     order.Stage
	Cause     order.Cause // when lifted
	Order     order.ID    // that led to Stage; zero when the device did by itself
	Territory territory.Code
	Rule      ruleText          // as the policy said when notice was given; empty for a warrant
	Warrant   *protocol.Warrant // for a warrant's ground, once noticed

	// The notice: when it was first received, by the certain time and by the own; the deadline told last; on how many
	// days it was shown, and the last of them.
	FirstSeen  territory.Day
	ReceivedAt time.Time
	ReceivedOn instant
	Deadline   time.Time
	ShownDays  uint8
	Shown      dayMark

	Pending *pendingLock // a lock that was accepted and does not hold yet

	// The lock that holds: since when by the own time, and for how long at most.
	EndsAt   time.Time
	HeldOn   instant
	HeldSpan time.Duration

	// What a lift leaves behind: orders up to here are void, and for a final one, all orders.
	VoidTime  time.Time
	VoidIndex uint64
	Final     bool

	ChangedOn  time.Duration // own time of the last change of stage
	Remembered []order.ID
}

// ruleText is what the screen says of a rule, kept because a later policy may drop the rule.
type ruleText struct{ Name, LegalBasis, Source string }

// pendingLock is a lock that waits for its time, and for the notice to have run its course.
type pendingLock struct {
	Order    order.ID
	Index    uint64
	EffectAt time.Time
	EndsAt   time.Time
}

// opened is an order whose proof and commitment were checked.
type opened struct {
	id    order.ID
	index uint64 // in the ledger
	leaf  order.Leaf
}

// facts is what the device knows by itself when it judges an order.
type facts struct {
	policy     protocol.Policy
	before     [32]byte // hash of the policy before the present one; zero when there was none
	officers   *tuf.Trusted
	signed     bool          // officers list the policy
	signedOwn  time.Duration // own time at which their signatures end
	activation *territory.Activation
	boot       evidence.Boot
	clock      clock
}

// supports reports why an escalation on this ground would not be right now, or "". It is asked when an order arrives and
// again when a lock is to take hold.
func (f facts) supports(g order.Ground, code territory.Code) Reason {
	if f.boot != evidence.BootVerified {
		return BootNotVerified
	}
	if g.Kind == order.Warrant {
		return ""
	}
	if reason := f.signatures(); reason != "" {
		return reason
	}
	i := slices.IndexFunc(f.policy.Rules, func(r protocol.Rule) bool { return r.ID == g.ID })
	if i < 0 {
		return RuleUnknown
	}
	rule := f.policy.Rules[i]
	certain, today := f.clock.certain(), territory.DayOf(f.clock.latest())
	switch {
	case !slices.Contains(rule.Codes, code):
		return TerritoryNotInRule
	case certain.Before(f.policy.Effective):
		return PolicyNotEffective
	case territory.DayOf(certain) < rule.Since, rule.Until != 0 && today >= rule.Until:
		return RuleNotInForce
	case today > rule.ReviewBy:
		return PolicyStale
	}
	return f.activated(rule, code)
}

// activated checks the device's own record of its activation against a rule (Charter C4, C5).
func (f facts) activated(rule protocol.Rule, code territory.Code) Reason {
	a := f.activation
	switch {
	case a == nil:
		return NoOwnActivation
	case !code.Covers(a.Territory):
		return ActivatedElsewhere
	case a.Mixed:
		return ActivationMixed
	case a.Day < f.policy.AppliesFrom:
		return ActivatedBeforePolicy
	case a.Day < rule.Since, rule.Until != 0 && a.Day >= rule.Until:
		return ActivatedOutsideRule
	}
	return ""
}

// rests checks that a rule's order rests on a policy that this device accepted: the present one, or the one before it,
// because an order may be on its way while the policy changes. The rule itself must be in the present one.
func (f facts) rests(l order.Leaf) Reason {
	if l.Authority != f.policy.Hash && (f.before == [32]byte{} || l.Authority != f.before) {
		return PolicyUnknown
	}
	return ""
}

// voids reports whether a lift that was accepted before makes o void. The ledger's sequence breaks a tie in time.
func (r *restriction) voids(o opened) bool {
	if o.leaf.IssuedAt.Equal(r.VoidTime) {
		return o.index <= r.VoidIndex
	}
	return o.leaf.IssuedAt.Before(r.VoidTime)
}

// past reports why no escalation may come after what happened on this ground, or "".
func (r *restriction) past(o opened) Reason {
	switch {
	case r.Final:
		return GroundFinallyLifted
	case r.voids(o):
		return OlderThanLift
	case r.Stage == order.Locked:
		return AlreadyLocked
	}
	return ""
}

// notice judges a notice and applies it. For a warrant's ground w is the warrant that was checked.
// When it moves the deadline beyond a pending lock, that lock's order is returned as dropped.
func (r *restriction) notice(o opened, f facts, w *protocol.Warrant) (dropped *order.ID, reason Reason) {
	if reason := r.past(o); reason != "" {
		return nil, reason
	}
	if f.clock.Doubt {
		return nil, ClockDoubtful
	}
	if o.leaf.Ground.Kind == order.Rule {
		if reason := f.rests(o.leaf); reason != "" {
			return nil, reason
		}
	}
	if reason := f.supports(o.leaf.Ground, o.leaf.Territory); reason != "" {
		return nil, reason
	}
	if r.another(w) {
		return nil, WarrantMismatch
	}
	if r.Stage == order.Noticed {
		return r.noticeAgain(o, w)
	}
	if f.tooShort(o.leaf) {
		return nil, NoticeTooShort
	}
	*r = restriction{
		Ground: r.Ground, VoidTime: r.VoidTime, VoidIndex: r.VoidIndex, Remembered: r.Remembered,
		Stage: order.Noticed, Order: o.id, Territory: o.leaf.Territory, Warrant: w, Deadline: o.leaf.Deadline,
		FirstSeen: f.clock.today(), ReceivedAt: f.clock.certain().Truncate(time.Second), ReceivedOn: f.clock.now(), ChangedOn: f.clock.Elapsed,
	}
	for _, rule := range f.policy.Rules {
		if o.leaf.Ground.Kind == order.Rule && rule.ID == r.Ground.ID {
			r.Rule = ruleText{rule.Name, rule.LegalBasis, rule.Source}
		}
	}
	return nil, ""
}

// tooShort reports whether a first notice leaves less time than the Charter allows from now, or than the policy
// promises from its issue. A warrant's notice rests on no policy.
func (f facts) tooShort(l order.Leaf) bool {
	if l.Deadline.Sub(f.clock.likely()) < order.MinNotice {
		return true
	}
	promised := time.Duration(f.policy.NoticeDays) * 24 * time.Hour
	return l.Ground.Kind == order.Rule && l.Deadline.Sub(l.IssuedAt) < promised
}

// noticeAgain takes a further notice: the deadline may move later, never earlier.
func (r *restriction) noticeAgain(o opened, w *protocol.Warrant) (dropped *order.ID, reason Reason) {
	if o.leaf.Deadline.Before(r.Deadline) {
		return nil, DeadlineMovedEarlier
	}
	if r.Pending != nil && r.Pending.EffectAt.Before(o.leaf.Deadline) {
		dropped = &r.Pending.Order
		r.forget(*dropped)
		r.Pending = nil
	}
	r.Order, r.Deadline, r.Territory = o.id, o.leaf.Deadline, o.leaf.Territory
	if w != nil {
		r.Warrant = w
	}
	return dropped, ""
}

// lock judges a lock and keeps it pending. When it takes the place of another pending one, that order is returned.
func (r *restriction) lock(o opened, f facts) (dropped *order.ID, reason Reason) {
	if reason := r.past(o); reason != "" {
		return nil, reason
	}
	if r.Stage != order.Noticed {
		return nil, NoNotice
	}
	switch {
	case o.leaf.Deadline.Before(r.Deadline):
		return nil, DeadlineMovedEarlier
	case !r.reckoned(f.clock).Before(o.leaf.EndsAt):
		return nil, EndPassed
	}
	if reason := r.bounded(o.leaf, f); reason != "" {
		return nil, reason
	}
	if reason := f.supports(o.leaf.Ground, o.leaf.Territory); reason != "" {
		return nil, reason
	}
	if r.Pending != nil {
		if r.Pending.Index > o.index {
			return nil, OvertakenByLock
		}
		dropped = &r.Pending.Order
		r.forget(*dropped)
	}
	r.Pending = &pendingLock{Order: o.id, Index: o.index, EffectAt: o.leaf.EffectAt, EndsAt: o.leaf.EndsAt}
	r.Territory = o.leaf.Territory
	return dropped, ""
}

// bounded checks what a lock rests on and that it ends in time (Charter C8).
func (r *restriction) bounded(l order.Leaf, f facts) Reason {
	if l.Ground.Kind == order.Rule {
		if reason := f.rests(l); reason != "" {
			return reason
		}
		longest := min(order.MaxLock, time.Duration(f.policy.LockDays)*24*time.Hour)
		if l.EndsAt.Sub(l.EffectAt) > longest {
			return LockTooLong
		}
		return ""
	}
	switch {
	case r.Warrant == nil:
		return WarrantMissing
	case r.unsigned():
		return WarrantUnsigned
	case !isWarrant(*r.Warrant, l.Authority):
		return WarrantMismatch
	case !l.EndsAt.Equal(r.Warrant.EndsAt):
		return EndNotWarrants
	case l.EndsAt.Sub(l.IssuedAt) > order.MaxHold:
		return LockTooLong
	}
	return ""
}

// due reports whether the pending lock takes hold now, or why it never may. Neither means that it waits (Charter C3, C10).
func (r *restriction) due(f facts) (now bool, refused Reason) {
	p := r.Pending
	if !f.clock.certain().Before(p.EndsAt) {
		return false, EndPassed
	}
	own := f.clock.Elapsed - r.ReceivedOn.Elapsed
	certain := f.clock.certain()
	promised := order.MinNotice
	if r.Ground.Kind == order.Rule { // what officers signed: a server that lies about the date cannot make it shorter
		promised = max(promised, time.Duration(f.policy.NoticeDays)*24*time.Hour-clockSlack)
	}
	switch {
	case f.clock.Doubt, !r.reckoned(f.clock).Before(p.EndsAt),
		certain.Before(p.EffectAt), certain.Before(r.Deadline),
		own < r.Deadline.Sub(r.ReceivedAt)-clockSlack, own < promised,
		int(r.ShownDays) < max(f.policy.ShownDays, order.MinShownDays):
		return false, ""
	}
	if reason := f.supports(r.Ground, r.Territory); reason != "" {
		return false, reason
	}
	if r.unsigned() {
		return false, WarrantUnsigned
	}
	return true, ""
}

// reckoned is the time by which the end of a lock is reckoned before it holds. A hold ends with its warrant, whose end officers signed
// and no server may put off.
func (r *restriction) reckoned(c clock) time.Time {
	if r.Ground.Kind == order.Warrant {
		return c.latest()
	}
	return c.likely()
}

// hold makes the pending lock hold.
func (r *restriction) hold(c clock) {
	p := r.Pending
	r.Stage, r.Order, r.EndsAt, r.Pending = order.Locked, p.Order, p.EndsAt, nil
	r.HeldOn, r.HeldSpan, r.ChangedOn = c.now(), p.EndsAt.Sub(r.reckoned(c)), c.Elapsed
}

// over reports whether the restriction's end has come: that of its lock, or of the warrant that it rests on.
func (r *restriction) over(c clock) bool {
	switch {
	case r.Stage == order.Locked:
		return c.ended(r.EndsAt, r.HeldOn, r.HeldSpan)
	case r.Stage == order.Noticed && r.Warrant != nil:
		return c.ended(r.Warrant.EndsAt, r.ReceivedOn, r.Warrant.EndsAt.Sub(r.ReceivedAt))
	}
	return false
}

// end lifts a restriction whose end came. Whatever was issued before that end is void.
func (r *restriction) end(c clock) {
	end := r.EndsAt
	if r.Stage == order.Noticed {
		end = r.Warrant.EndsAt
	}
	r.lift(order.ByEnd, order.ID{}, c)
	r.void(end, math.MaxUint64)
}

// lift ends the restriction, whatever its stage (Charter C9).
func (r *restriction) lift(cause order.Cause, by order.ID, c clock) {
	if !r.Final {
		r.Cause, r.Order = cause, by
	}
	if r.Stage != order.Lifted {
		r.ChangedOn = c.Elapsed
	}
	r.Stage, r.Pending, r.EndsAt, r.HeldOn, r.HeldSpan = order.Lifted, nil, time.Time{}, instant{}, 0
	r.Final = r.Final || cause.Final()
}

// void makes orders up to this time and ledger index void.
func (r *restriction) void(t time.Time, index uint64) {
	if t.After(r.VoidTime) {
		r.VoidTime, r.VoidIndex = t, index
	} else if t.Equal(r.VoidTime) {
		r.VoidIndex = max(r.VoidIndex, index)
	}
}

// shown counts a distinct day on which the notice was seen.
func (r *restriction) shown(m dayMark) bool {
	if r.Stage != order.Noticed || r.ShownDays >= maxShownDays || r.ShownDays > 0 && !m.after(r.Shown) {
		return false
	}
	r.ShownDays++
	r.Shown = m
	return true
}

func (r *restriction) remembers(id order.ID) bool { return slices.Contains(r.Remembered, id) }

func (r *restriction) remember(id order.ID) {
	if r.remembers(id) {
		return
	}
	kept := r.Remembered[max(0, len(r.Remembered)-maxRemembered+1):]
	r.Remembered = append(slices.Clone(kept), id) // a clone of the state may share the old ones
}

// forget lets an order that was dropped after all be judged afresh when it comes again.
func (r *restriction) forget(id order.ID) {
	r.Remembered = slices.DeleteFunc(slices.Clone(r.Remembered), func(known order.ID) bool { return known == id })
}

// tombstone is what remains of a ground that ended for good: the first 16 bytes of SHA-256(kind, one byte || id).
type tombstone [16]byte

func tombstoneOf(g order.Ground) tombstone {
	sum := sha256.Sum256(append([]byte{byte(g.Kind)}, g.ID...))
	return tombstone(sum[:16])
}
