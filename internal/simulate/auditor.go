package simulate

import (
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// slack is by how much a device's own idea of the time may differ from the true one without anybody having touched its clock: an
// answer that came late told an old time, and a loss of power may have lost the last quarter of an hour.
const slack = 13 * time.Hour

// auditor stands beside one device and checks the Charter from its own notes: what the screen said, what passed on the wire, true time
// and true places. It does not look into the agent.
// told is a notice by what the owner reads of it.
type told struct {
	ground   order.Ground
	deadline int64
}

type auditor struct {
	told map[told]time.Time // when each notice was first seen
	h    *handset

	notes  notes // with what only the device's memory knows
	stored notes // as the device would find them after a power loss
	kept   int   // saves when they were stored

	screen   agent.Screen // as of the last step
	lookedAt time.Time

	sequence  uint64 // of the newest evidence
	delivered map[order.ID]order.Leaf
	policies  [][32]byte // the policy that the device has: one, or several when nobody can know
	expected  []lift     // lifts in the answer that is being taken
	blind     bool       // the device died in its last step, at diedAt: what it did then is seen later
	diedAt    time.Time
	unnamed   bool      // something escalated whose order evidence has yet to name
	savedWall time.Time // wall clock at the last save
	bootWall  bool      // the last boot found the wall clock before the last save, and no contact since
}

// notes are what the auditor has seen of a device.
type notes struct {
	grounds []seen
	places  []placed // where it made observations before its activation
	unsaved bool     // the memory is ahead of what is stored
}

// placed is the first observation of a place, in true time. A strong one names it for certain.
type placed struct {
	code   territory.Code
	on     territory.Day
	strong bool
}

// seen is one ground.
type seen struct {
	ground    order.Ground
	stage     order.Stage
	firstSeen time.Time   // of this round, in true time
	deadline  time.Time   // as told last
	shown     []time.Time // when somebody looked
	lockedAt  time.Time
	lockedOn  time.Duration // time switched on, then
	endsAt    time.Time
	longest   time.Duration // how long the lock may last by any clock
	final     bool
	byCode    bool
	inherited bool       // final by what a lost record knew: only the server knows it now
	lifts     []order.ID // followed
	lastLift  time.Time  // issue of the newest lift followed
	lastIndex uint64
}

// lift is one that an answer brings.
type lift struct {
	id     order.ID
	leaf   order.Leaf
	beaten bool // a later notice comes with it
}

func (n notes) clone() notes {
	n.grounds = slices.Clone(n.grounds)
	n.places = slices.Clone(n.places)
	return n
}

func (n *notes) of(g order.Ground) *seen {
	for i := range n.grounds {
		if n.grounds[i].ground == g {
			return &n.grounds[i]
		}
	}
	n.grounds = append(n.grounds, seen{ground: g})
	return &n.grounds[len(n.grounds)-1]
}

func (a *auditor) check(line string, holds bool, format string, args ...any) {
	a.h.w.result.Checks++
	if !holds {
		a.h.w.violate(line, a.h.made.serial+": "+format, args...)
	}
}

// saved hears that a record was stored.
func (a *auditor) saved() { a.savedWall, a.notes.unsaved = a.h.wall(), false }

// booting hears that the device boots: what was not stored is forgotten.
func (a *auditor) booting() {
	a.notes = a.stored.clone()
	a.bootWall = a.bootWall || !a.savedWall.IsZero() && a.h.wall().Before(a.savedWall.Add(-time.Second)) && a.h.flash.saves > 0
}

// wiped hears that the record is gone, and with it all that the device knew but what others know, too.
func (a *auditor) wiped() {
	kept := notes{}
	for _, g := range a.notes.grounds {
		if g.final && !g.byCode && !a.h.w.books.restoredOnce {
			kept.grounds = append(kept.grounds, seen{ground: g.ground, final: true, inherited: true})
		}
	}
	a.notes, a.stored, a.policies, a.bootWall, a.unnamed, a.savedWall = kept, kept.clone(), nil, false, false, time.Time{}
	clear(a.delivered)
}

// rolledBack hears that an old record was put back. The device finds it out and lifts every restriction, but may know of fewer.
func (a *auditor) rolledBack() {
	places := a.notes.places
	a.wiped()
	a.notes.places, a.stored.places = places, places
}

// serverForgot hears that the server lost what only it still knew of lifts for good.
func (a *auditor) serverForgot() {
	for _, n := range []*notes{&a.notes, &a.stored} {
		for i := range n.grounds {
			n.grounds[i].final = n.grounds[i].final && !n.grounds[i].inherited
		}
	}
}

// stepped looks at the screen after each step.
func (a *auditor) stepped(err error) {
	if !a.h.on || a.h.agent == nil {
		return
	}
	a.notes.unsaved = a.notes.unsaved || err != nil
	a.screen, a.lookedAt = a.h.agent.Screen(), a.h.w.now
	a.look(&a.screen)
	a.blind = false
	a.keep()
}

// keep notes that what was seen is stored, as far as the device saved since.
func (a *auditor) keep() {
	if a.notes.unsaved || a.kept == a.h.flash.saves {
		return
	}
	a.stored, a.kept = a.notes.clone(), a.h.flash.saves
}

func (a *auditor) look(s *agent.Screen) {
	a.check("C2", slices.Contains(s.WayOut, agent.SaveFiles), "files cannot be saved in stage %v", s.Stage)
	for _, exit := range agent.Exits() {
		a.check("C1", slices.Contains(s.WayOut, exit), "%v is not offered in stage %v", exit, s.Stage)
	}
	for i := range s.Grounds {
		a.lookAt(s, &s.Grounds[i], a.notes.of(s.Grounds[i].Ground))
	}
	if len(s.Grounds) == len(a.notes.grounds) {
		return
	}
	for i := range a.notes.grounds { // what the screen knows nothing of
		if n := &a.notes.grounds[i]; !slices.ContainsFunc(s.Grounds, func(g agent.GroundView) bool { return g.Ground == n.ground }) {
			a.check("stages", n.stage != order.Noticed && n.stage != order.Locked, "%v is gone from the screen", n.ground)
			n.stage = order.Observed
		}
	}
}

func (a *auditor) lookAt(s *agent.Screen, g *agent.GroundView, n *seen) {
	now := a.h.w.now
	if g.Stage != n.stage && a.h.w.trace != nil {
		a.h.w.tracef("%s shows %v as %v (before: %v)", a.h.made.serial, g.Ground, g.Stage, n.stage)
	}
	switch g.Stage {
	case order.Noticed:
		if n.stage != order.Noticed {
			a.newNotice(s, g, n)
		}
		a.check("C3", !g.Deadline.Before(n.deadline), "the date told for %v moved from %v to %v", g.Ground, n.deadline, g.Deadline)
		n.deadline = g.Deadline
	case order.Locked:
		if n.stage != order.Locked {
			a.newLock(s, g, n)
		}
		a.check("C8", g.EndsAt.Equal(n.endsAt), "the end of a lock moved from %v to %v", n.endsAt, g.EndsAt)
		a.lockEnds(now, n)
	case order.Lifted:
		if n.stage != order.Lifted {
			n.final, n.inherited = n.final || g.LiftCause.Final(), false
			n.byCode = n.byCode || g.LiftCause == order.ByCode
			n.shown, n.deadline = nil, time.Time{}
		}
	}
	n.stage = g.Stage
}

// lockEnds checks that a lock which still holds has not come to its end by any clock (C8).
func (a *auditor) lockEnds(now time.Time, n *seen) {
	a.check("C8", a.h.onTime()-n.lockedOn < n.longest+time.Minute, "a lock on %v holds after %v switched on; it was to last %v", n.ground, a.h.onTime()-n.lockedOn, n.longest)
	if !a.h.touched.After(n.firstSeen.Add(-60*day)) || a.h.touched.IsZero() {
		a.check("C8", now.Before(n.endsAt.Add(slack)), "a lock on %v that ends at %v still holds", n.ground, n.endsAt)
	}
}

// escalated checks what both a notice and a lock need.
func (a *auditor) escalated(s *agent.Screen, g *agent.GroundView, n *seen) {
	a.unnamed = true
	a.check("C9", !n.final, "%v is %v again, which was lifted for good", g.Ground, g.Stage)
	boot := a.h.life.boot(a.h.w.now)
	a.check("C10", a.blind || !s.ClockDoubt && !a.bootWall, "%v is %v while the clock is in doubt", g.Ground, g.Stage)
	a.check("C10", a.blind || boot == evidence.BootVerified, "%v is %v in boot state %v", g.Ground, g.Stage, boot)
	if g.Ground.Kind == order.Rule {
		a.ownFacts(s, g)
	}
}

// ownFacts checks C4, C5 and what of C10 concerns the rule.
func (a *auditor) ownFacts(s *agent.Screen, g *agent.GroundView) {
	own := s.Activation
	a.check("C4", own != nil && !own.Mixed, "%v is %v without an own activation", g.Ground, g.Stage)
	if own == nil {
		return
	}
	a.check("C5", g.Territory.Covers(own.Territory), "%v is %v for %s, activated in %s", g.Ground, g.Stage, g.Territory, own.Territory)
	there := false
	for _, p := range a.notes.places {
		there = there || p.code == own.Territory
		// A policy that asks for fewer days may find an activation in days before the last ones.
		before := p.strong && p.on < own.Day && a.h.touched.IsZero()
		a.check("C4", p.code == own.Territory || !before, "%v is %v though %v before the activation in %s named %s", g.Ground, g.Stage, p.on, own.Territory, p.code)
	}
	a.check("C5", there, "activated in %s, and it was in %v", own.Territory, a.notes.places)
	a.check("C4", !(a.h.wiped && a.h.counter != nil), "%v is %v on a device that lost its record and knows it", g.Ground, g.Stage)
	now := a.h.w.now
	if a.blind { // it was done in the step in which the device died, and is seen only now
		now = a.diedAt
	}
	today := territory.DayOf(now)
	supported := len(a.policies) == 0
	for _, hash := range a.policies {
		supported = supported || a.h.w.office.supports(hash, g.Ground.ID, own.Territory, today)
	}
	a.check("C10", supported, "%v is %v by a rule that is not in force, or stale", g.Ground, g.Stage)
}

func (a *auditor) newNotice(s *agent.Screen, g *agent.GroundView, n *seen) {
	now := a.h.w.now
	if a.blind {
		now = a.diedAt
	}
	between := slices.ContainsFunc(a.expected, func(l lift) bool { return l.leaf.Ground == g.Ground })
	// On a full disk a device may have a notice in its record that no step of it could note as seen: it is told anew at each boot.
	notice := told{g.Ground, g.Deadline.Unix()}
	if first, again := a.told[notice]; again {
		now = first
	} else {
		a.told[notice] = now
		a.escalated(s, g, n)
	}
	a.check("stages", n.stage != order.Locked || between, "%v went from locked to noticed", g.Ground)
	a.h.w.result.Notices++
	a.h.w.office.expect(g.Deadline)
	n.firstSeen, n.deadline, n.shown = now, g.Deadline, nil
	if !a.h.touched.After(now.Add(-100 * day)) {
		a.check("C3", g.Deadline.Sub(now) >= order.MinNotice-slack, "a first notice at %v for %v", now, g.Deadline)
	}
}

// newLock checks everything that must be true when a device locks.
func (a *auditor) newLock(s *agent.Screen, g *agent.GroundView, n *seen) {
	now := a.h.w.now
	a.check("stages", n.stage == order.Noticed, "%v went from %v to locked", g.Ground, n.stage)
	a.check("C3", !now.Before(n.deadline) && !now.Before(g.EffectAt), "locked before the dates told, %v and %v", n.deadline, g.EffectAt)
	a.escalated(s, g, n)
	a.h.w.result.Locks++
	days := distinctDays(n.shown)
	a.check("C3", days >= order.MinShownDays, "locked after a notice shown on %d days", days)
	if !a.h.touched.After(n.firstSeen.Add(-100 * day)) {
		a.check("C3", now.Sub(n.firstSeen) >= order.MinNotice-slack, "locked %v after the first notice", now.Sub(n.firstSeen))
	}
	most := order.MaxLock
	if g.Ground.Kind == order.Warrant {
		most = order.MaxHold
	}
	a.check("C8", now.Before(g.EndsAt) && g.EndsAt.Sub(now) <= most, "a lock at %v that ends at %v", now, g.EndsAt)
	n.lockedAt, n.endsAt, n.lockedOn = now, g.EndsAt, a.h.onTime()
	n.longest = g.EndsAt.Sub(s.Today.Time())
}

// showing hears that the owner looks at the screen.
func (a *auditor) showing() {
	for i := range a.notes.grounds {
		if n := &a.notes.grounds[i]; n.stage == order.Noticed {
			n.shown = append(slices.Clip(n.shown), a.h.w.now)
		}
	}
}

// distinctDays is on how many days somebody looked. A device knows no time zone, and the hour at which its days begin is as good as
// any: the one that gives the most days counts.
func distinctDays(looks []time.Time) (most int) {
	for hour := range time.Duration(24) {
		days := map[territory.Day]bool{}
		for _, at := range looks {
			days[territory.DayOf(at.Add(hour*time.Hour))] = true
		}
		most = max(most, len(days))
	}
	return most
}

// observed hears of an observation.
func (a *auditor) observed(place territory.Code, strong bool) {
	known := slices.ContainsFunc(a.notes.places, func(p placed) bool { return p.code == place && (p.strong || !strong) })
	if known || a.screen.Activation != nil && len(a.notes.places) > 0 {
		return
	}
	a.notes.places = append(a.notes.places, placed{place, territory.DayOf(a.h.w.now), strong})
	a.h.w.tracef("%s was seen in %s", a.h.made.serial, place)
	if !a.notes.unsaved {
		a.stored = a.notes.clone()
	}
}

// signed reads evidence on its way: its sequence is new, and every escalation names an order that is in the ledger.
func (a *auditor) signed(token evidence.Token) {
	u, err := evidence.Parse(token)
	if err != nil {
		a.check("evidence", false, "it cannot be read: %v", err)
		return
	}
	a.check("sequence", u.Sequence() > a.sequence, "sequence %d after %d", u.Sequence(), a.sequence)
	a.sequence = max(a.sequence, u.Sequence())
	if !a.unnamed {
		return
	}
	claims, err := u.Verify(a.h.made.key.Public())
	if err != nil {
		a.check("evidence", false, "it does not verify: %v", err)
		return
	}
	a.unnamed = false
	for _, g := range claims.Grounds {
		if g.Stage != order.Noticed && g.Stage != order.Locked {
			continue
		}
		leaf, told := a.delivered[g.Order]
		a.check("C6", told && leaf.Ground == g.Ground, "%v is %v by an order that nobody delivered", g.Ground, g.Stage)
		a.check("C6", a.h.w.books.published(g.Order), "%v is %v by an order that is not in the ledger", g.Ground, g.Stage)
		n := a.notes.of(g.Ground)
		late := leaf.IssuedAt.After(n.lastLift) || leaf.IssuedAt.Equal(n.lastLift) && a.h.w.books.indexOf(g.Order) > n.lastIndex
		a.check("C9", late, "%v is %v by an order that is older than a lift", g.Ground, g.Stage)
	}
}

func (a *auditor) enrolled(answer []byte) {
	if e, err := protocol.ParseEnrolAnswer(answer); err == nil {
		a.policies, a.bootWall = [][32]byte{e.Policy.Hash}, false
	}
}
