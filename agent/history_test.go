package agent_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

// history drives one phone through a random life: orders genuine, forged, replayed and reordered; clocks set, boots, crashes
// in saves, travel; and, in half of the worlds, a server that lies about the time. Only one side lies in one world: the
// Charter promises nothing to an owner who sets the clock for a server that lies.
//
// Beside it stands a referee, who knows the true time and what was said, and nothing of the agent's rules.
type history struct {
	*rig
	lying   bool // the server lies; otherwise the owner plays with the clock
	sent    []order.Sealed
	warrant protocol.Warrant
	grounds map[order.Ground]*course
	tokens  uint64 // sequence of the last token
	on      time.Duration
	stages  map[order.Stage]int
	before  agent.Screen
	referee func(h *history, after agent.Screen)
	told    bool                                      // the last thing that happened was a contact
	codes   uint64                                    // unlock codes that may be spent
	places  map[*territory.Fix]map[territory.Day]bool // where the phone looked around, by true day
}

// course is what the referee notes of one ground since its last notice from the beginning.
type course struct {
	noticedAt  time.Time     // true time at which a notice may first have arrived; zero: none
	told       time.Duration // the shortest notice told, deadline minus the server's time
	deadline   time.Time     // the earliest deadline told
	effect     time.Time     // the earliest effect of a lock delivered
	shown      map[territory.Day]bool
	firstShown time.Time
	lastShown  time.Time
	lockedAt   time.Duration // time switched on when it was first seen locked; -1: not locked
	finally    bool          // a final lift was certainly delivered
}

func newHistory(t *rapid.T) *history {
	place := rapid.SampledFrom([]*territory.Fix{cuba, cuba, cuba, berlin, nil}).Draw(t, "activated")
	h := &history{
		rig: enrolledRig(t, 21, place), lying: rapid.Bool().Draw(t, "the server lies"),
		grounds: map[order.Ground]*course{}, stages: map[order.Stage]int{}, places: map[*territory.Fix]map[territory.Day]bool{},
	}
	for i := range 3 {
		h.visits(place, h.phone.True.Add(-time.Duration(i+1)*day))
	}
	h.warrant = h.rig.warrant("w1")
	h.tokens = h.claims().Sequence
	h.before = h.agent.Screen()
	return h
}

func (h *history) course(g order.Ground) *course {
	if h.grounds[g] == nil {
		h.grounds[g] = &course{shown: map[territory.Day]bool{}, lockedAt: -1}
	}
	return h.grounds[g]
}

func (h *history) visits(place *territory.Fix, when time.Time) {
	if h.places[place] == nil {
		h.places[place] = map[territory.Day]bool{}
	}
	h.places[place][territory.DayOf(when)] = true
}

// run plays a random history and has the referee look after every call of the agent.
func run(t *rapid.T, referee func(h *history, after agent.Screen)) *history {
	h := newHistory(t)
	h.referee = referee
	step := func(f func(t *rapid.T)) func(t *rapid.T) {
		return func(t *rapid.T) {
			h.rig.tb = t
			f(t)
			h.look()
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"live": step(h.liveOn), "wait": step(h.waitOn), "course": step(h.wholeCourse), "order": step(h.anyOrder), "lift": step(h.anyLift),
		"replay": step(h.replay), "forge": step(h.forge), "reboot": step(h.reboot), "crash": step(h.crash),
		"code": step(h.code), "temptation": step(h.temptation), "boot state": step(h.bootState), "clock": step(h.playWithClock),
	})
	return h
}

// look lets the referee compare what the screen shows with what it showed before.
func (h *history) look() {
	h.Helper()
	after := h.agent.Screen()
	h.note(after)
	if h.referee != nil {
		h.referee(h, after)
	}
	h.before = after
	h.clean()
}

// clean begins a new course where the restriction ended.
func (h *history) clean() {
	for g, stage := range stagesOf(h.before) {
		c := h.course(g)
		switch {
		case stage != order.Lifted:
		case h.phone.Flash.Fail != nil: // what a dying phone did not show may be in its flash all the same
			c.lockedAt = -1
		default:
			h.grounds[g] = &course{shown: map[territory.Day]bool{}, lockedAt: -1, finally: c.finally}
		}
	}
}

// note keeps the referee's book after a step.
func (h *history) note(after agent.Screen) {
	for _, g := range after.Grounds {
		h.stages[g.Stage]++
		c := h.course(g.Ground)
		if g.Stage == order.Locked && c.lockedAt < 0 {
			c.lockedAt = h.on
		}
	}
}

func (h *history) passes(d time.Duration) {
	h.phone.Wait(d)
	h.on += d
	h.told = false
}

func (h *history) tick() {
	h.tolerate(h.agent.Tick())
	h.look()
}

func (h *history) observe(place *territory.Fix) {
	h.visits(place, h.phone.True)
	h.tolerate(h.agent.Observe(territory.Signals{GNSS: place}))
	h.look()
}

// tryShown counts for the referee even when the agent cannot save it.
func (h *history) tryShown() {
	for _, c := range h.grounds {
		c.shown[territory.DayOf(h.phone.True)] = true
		c.lastShown = h.phone.True
		if c.firstShown.IsZero() {
			c.firstShown = h.phone.True
		}
	}
	h.tolerate(h.agent.Shown())
	h.look()
}

// tolerate passes over the errors of a phone that dies or is full, and of nothing else.
func (h *history) tolerate(err error) bool {
	h.Helper()
	if err != nil && !errors.Is(err, agenttest.ErrCrash) && !errors.Is(err, agenttest.ErrFull) {
		h.Fatalf("%v", err)
	}
	return err == nil
}

// left notes that a token left. Its signature is looked at elsewhere: it costs more than the rest of a step.
func (h *history) left(token evidence.Token) {
	h.Helper()
	u, err := evidence.Parse(token)
	must(h, err)
	if u.Sequence() <= h.tokens {
		h.Fatalf("sequence %d after %d", u.Sequence(), h.tokens)
	}
	h.tokens = u.Sequence()
}

// send delivers orders in a check-in and reports whether the agent took the answer. What was sent is noted before, because
// a phone that dies in the save may have it all the same.
func (h *history) send(sealed ...order.Sealed) (agent.Outcome, bool) {
	token, err := h.agent.Evidence()
	if !h.tolerate(err) {
		return agent.Outcome{}, false
	}
	h.left(token)
	ans := h.answer(h.tokens, sealed...)
	ans.Warrants = []protocol.Warrant{h.warrant}
	for _, s := range sealed {
		if l, err := s.Open(h.phone.ID()); err == nil {
			h.course(l.Ground).hears(l, h.phone.True, ans.Time)
		}
	}
	data, err := ans.Marshal()
	must(h, err)
	out, err := h.agent.Accept(data)
	ok := h.tolerate(err)
	h.told = ok
	h.look()
	return out, ok
}

func (c *course) hears(l order.Leaf, truth, told time.Time) {
	switch l.Kind {
	case order.Notice:
		if c.noticedAt.IsZero() {
			c.noticedAt, c.told, c.deadline = truth, l.Deadline.Sub(told), l.Deadline
		}
		c.told = min(c.told, l.Deadline.Sub(told))
		if l.Deadline.Before(c.deadline) {
			c.deadline = l.Deadline
		}
	case order.Lock:
		if c.effect.IsZero() || l.EffectAt.Before(c.effect) {
			c.effect = l.EffectAt
		}
	}
}

func (h *history) liveOn(t *rapid.T) {
	place := rapid.SampledFrom([]*territory.Fix{cuba, berlin, crimea, nil}).Draw(t, "place")
	for range rapid.IntRange(1, 4).Draw(t, "days") {
		h.observe(place)
		h.tryShown()
		h.tellTime(t)
		if rapid.Bool().Draw(t, "online") {
			h.send()
		}
		h.passes(day)
		h.tick()
	}
}

func (h *history) waitOn(t *rapid.T) {
	h.passes(time.Duration(rapid.Int64Range(0, int64(20*day/time.Second)).Draw(t, "seconds")) * time.Second)
	h.tick()
}

// tellTime has a server that lies choose what time it tells from now on.
func (h *history) tellTime(t *rapid.T) {
	if h.lying && rapid.IntRange(0, 3).Draw(t, "lies anew") == 0 {
		hours := rapid.OneOf(rapid.Int64Range(-10, 10), rapid.Int64Range(-3000, 3000)).Draw(t, "lie, hours")
		h.lie = time.Duration(hours) * time.Hour
	}
}

func (h *history) anyGround(t *rapid.T) order.Ground {
	return rapid.SampledFrom([]order.Ground{ruleCuba, ruleCuba, ruleCrimea, {Kind: order.Warrant, ID: "w1"}}).Draw(t, "ground")
}

// leaves makes a notice and its lock, good ones but for what the jitters do.
func (h *history) leaves(t *rapid.T, g order.Ground) (notice, lock order.Leaf) {
	if g.Kind == order.Warrant {
		notice, _ = h.hold(h.warrant)
	} else {
		notice = h.notice(g)
	}
	jitter := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(-10*24, 10*24))
	notice.Deadline = notice.Deadline.Add(time.Duration(jitter.Draw(t, "deadline, hours")) * time.Hour)
	if !notice.Deadline.After(notice.IssuedAt) {
		notice.Deadline = notice.IssuedAt.Add(time.Hour)
	}
	lock = h.lock(notice)
	lock.EffectAt = lock.EffectAt.Add(time.Duration(rapid.Int64Range(0, 48).Draw(t, "effect, hours")) * time.Hour)
	lock.EndsAt = lock.EffectAt.Add(time.Duration(rapid.Int64Range(1, 400).Draw(t, "length, days")) * day)
	if g.Kind == order.Warrant {
		lock.EndsAt = h.warrant.EndsAt
		if !lock.EndsAt.After(lock.EffectAt) {
			lock.EffectAt, lock.Deadline = lock.EndsAt.Add(-time.Hour), lock.EndsAt.Add(-2*time.Hour)
		}
	}
	return notice, lock
}

func (h *history) keep(l order.Leaf) order.Sealed {
	s := h.seal(l)
	h.sent = append(h.sent, s)
	return s
}

// wholeCourse sends a notice and a lock and lives until the lock should hold: without it few histories would come to one.
func (h *history) wholeCourse(t *rapid.T) {
	if h.anyRestart(t) {
		h.warrant = h.rig.warrant("w1")
	}
	h.send()
	notice, lock := h.leaves(t, h.anyGround(t))
	h.send(h.keep(lock), h.keep(notice))
	for range rapid.IntRange(9, 14).Draw(t, "days") {
		h.tryShown()
		h.send()
		h.passes(day)
		h.tick()
	}
}

// temptation brings a phone near a lock and then leaves it alone with its clocks: nobody vouches for the time.
func (h *history) temptation(t *rapid.T) {
	h.send()
	notice, lock := h.leaves(t, rapid.SampledFrom([]order.Ground{ruleCuba, {Kind: order.Warrant, ID: "w1"}}).Draw(t, "ground"))
	h.send(h.keep(notice), h.keep(lock))
	for range rapid.IntRange(3, 9).Draw(t, "days") {
		h.tryShown()
		h.send()
		h.passes(day)
		h.tick()
	}
	for range rapid.IntRange(1, 6).Draw(t, "games") {
		if !h.lying {
			h.phone.Offset = time.Duration(rapid.Int64Range(-100, 100).Draw(t, "offset, days")) * day
		} else if rapid.Bool().Draw(t, "a lie") {
			h.lie = time.Duration(rapid.Int64Range(-100, 100).Draw(t, "lie, days")) * day
			h.send()
		}
		if rapid.Bool().Draw(t, "boots") {
			h.phone.Off(time.Duration(rapid.Int64Range(0, 20).Draw(t, "hours off")) * time.Hour)
			h.open()
		}
		h.passes(time.Duration(rapid.Int64Range(0, 50).Draw(t, "hours on")) * time.Hour)
		h.tick()
		h.tryShown()
	}
}

// anyRestart says whether a new warrant under the old name is written: a server may do that, and agents must see it.
func (h *history) anyRestart(t *rapid.T) bool {
	return rapid.IntRange(0, 3).Draw(t, "new warrant") == 0
}

func (h *history) anyOrder(t *rapid.T) {
	h.tellTime(t)
	notice, lock := h.leaves(t, h.anyGround(t))
	switch rapid.IntRange(0, 2).Draw(t, "which") {
	case 0:
		h.send(h.keep(notice))
	case 1:
		h.send(h.keep(lock))
	case 2: // held back, for a replay
		h.keep(notice)
		h.keep(lock)
	}
}

func (h *history) anyLift(t *rapid.T) {
	h.tellTime(t)
	l := h.lift(h.anyGround(t), rapid.SampledFrom([]order.Cause{order.ByRule, order.ByRule, order.ByRule, order.ByHuman, order.ByCase}).Draw(t, "cause"))
	if l.Ground.Kind == order.Warrant {
		hash, err := h.warrant.Hash()
		must(h, err)
		l.Authority = hash
	}
	s := h.keep(l)
	out, ok := h.send(s)
	if !ok {
		return
	}
	if len(out.Refused) != 0 {
		h.Fatalf("a genuine lift was refused: %v", out.Refused)
	}
	for _, g := range h.agent.Screen().Grounds {
		if g.Ground == l.Ground && g.Stage != order.Lifted {
			h.Fatalf("%v is %v after a lift", g.Ground, g.Stage)
		}
	}
	if l.Cause.Final() {
		h.course(l.Ground).finally = true
	}
}

func (h *history) replay(t *rapid.T) {
	if len(h.sent) == 0 {
		t.Skip("nothing was sent")
	}
	n := rapid.IntRange(1, min(4, len(h.sent))).Draw(t, "how many")
	var some []order.Sealed
	for range n {
		some = append(some, rapid.SampledFrom(h.sent).Draw(t, "order"))
	}
	if _, ok := h.send(some...); !ok {
		return
	}
	for _, s := range some {
		if l, err := s.Open(h.phone.ID()); err == nil && l.Kind == order.Lift && l.Cause.Final() {
			h.course(l.Ground).finally = true
		}
	}
}

// forge sends orders that must have no effect whatever: the stages stay as they are.
func (h *history) forge(t *rapid.T) {
	notice, lock := h.leaves(t, h.anyGround(t))
	l := rapid.SampledFrom([]order.Leaf{notice, lock, h.lift(ruleCuba, order.ByHuman)}).Draw(t, "leaf")
	var s order.Sealed
	switch rapid.IntRange(0, 3).Draw(t, "how") {
	case 0: // never sequenced, with the proof of another leaf
		leaf, salt, err := h.ledger.Commit(l, h.phone.ID())
		must(h, err)
		s = h.seal(h.lift(ruleCrimea, order.ByRule))
		s.Leaf, s.Salt = leaf, salt
	case 1: // in a ledger of the same name
		other, err := agenttest.NewLedger("ledger.example/test", 1000)
		must(h, err)
		s, err = other.Seal(l, h.phone.ID())
		must(h, err)
	case 2: // for another device
		var err error
		s, err = h.ledger.Seal(l, [16]byte{9})
		must(h, err)
	case 3: // changed after it was sequenced
		s = h.seal(l)
		s.Leaf = slices.Clone(s.Leaf)
		s.Leaf[len(s.Leaf)/2] ^= 1
	}
	was := stagesOf(h.agent.Screen())
	token, err := h.agent.Evidence()
	if !h.tolerate(err) {
		return
	}
	h.left(token)
	ans := h.answer(h.tokens, s)
	data, err := ans.Marshal()
	must(h, err)
	out, err := h.agent.Accept(data)
	if !h.tolerate(err) {
		return
	}
	if len(out.Applied) != 0 || len(out.Refused) != 1 {
		h.Fatalf("a forged order was followed: %+v", out)
	}
	for g, stage := range stagesOf(h.agent.Screen()) {
		if was[g] != stage && !(stage == order.Lifted || was[g] == order.Noticed && stage == order.Locked) {
			h.Fatalf("%v went from %v to %v by a forged order", g, was[g], stage)
		}
	}
}

func stagesOf(s agent.Screen) map[order.Ground]order.Stage {
	stages := map[order.Ground]order.Stage{}
	for _, g := range s.Grounds {
		stages[g.Ground] = g.Stage
	}
	return stages
}

func (h *history) reboot(t *rapid.T) {
	off := time.Duration(rapid.Int64Range(0, int64(40*day/time.Second)).Draw(t, "seconds off")) * time.Second
	h.phone.Off(off)
	h.told = false
	h.open()
	h.tick()
}

// crash makes one of the next saves fail, does something, and then either boots or goes on.
func (h *history) crash(t *rapid.T) {
	first := h.phone.Flash.Saves
	at := rapid.IntRange(0, 2).Draw(t, "save")
	persisted := rapid.Bool().Draw(t, "persisted")
	h.phone.Flash.Fail = func(save int) (error, bool) {
		if save == first+at {
			return agenttest.ErrCrash, persisted
		}
		return nil, true
	}
	switch rapid.IntRange(0, 3).Draw(t, "in") {
	case 0:
		h.anyOrder(t)
	case 1:
		h.wholeCourse(t)
	case 2:
		h.liveOn(t)
	case 3:
		h.code(t)
	}
	h.phone.Flash.Fail = nil
	if rapid.Bool().Draw(t, "boots") {
		h.phone.Off(time.Minute)
		h.open()
	}
	h.tick() // saves what the memory holds
}

func (h *history) code(t *rapid.T) {
	screen := h.agent.Screen()
	code := "00000000"
	if rapid.Bool().Draw(t, "right") {
		secret := h.phone.Secret()
		var err error
		code, err = unlock.Answer(secret[:], h.codes, screen.Challenge)
		must(h, err)
	}
	result, err := h.agent.EnterCode(code)
	if errors.Is(err, agent.ErrNothingToUnlock) {
		return
	}
	h.tolerate(err)
	if result.Unlocked {
		h.codes++
	}
	after := stagesOf(h.agent.Screen())
	for _, g := range result.Lifted {
		if after[g] != order.Lifted {
			h.Fatalf("%v is %v after a code", g, after[g])
		}
		if err == nil {
			h.course(g).finally = true
		}
	}
}

func (h *history) bootState(t *rapid.T) {
	h.phone.Boot = rapid.SampledFrom([]evidence.Boot{
		evidence.BootVerified, evidence.BootVerified, evidence.BootVerified, evidence.BootUnknown, evidence.BootCustom, evidence.BootUnlocked,
	}).Draw(t, "state")
}

// playWithClock sets the wall clock, in a world in which the server is honest.
func (h *history) playWithClock(t *rapid.T) {
	if h.lying {
		t.Skip("in this world the server plays")
	}
	hours := rapid.OneOf(rapid.Int64Range(-48, 48), rapid.Int64Range(-500_000, 500_000)).Draw(t, "hours")
	h.phone.Offset = time.Duration(hours) * time.Hour
	if rapid.Bool().Draw(t, "noticed at once") {
		h.tick()
	}
}

// The histories are worth something only if they come to what the Charter speaks of.
func TestHistoriesReachEveryStage(t *testing.T) {
	t.Parallel()
	reached := map[order.Stage]int{}
	worlds := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		h := run(t, func(*history, agent.Screen) {})
		for stage, n := range h.stages {
			reached[stage] += n
		}
		if h.stages[order.Locked] > 0 {
			worlds[h.lying]++
		}
	})
	if reached[order.Noticed] < 20 || reached[order.Locked] < 20 || reached[order.Lifted] < 20 || len(worlds) != 2 {
		t.Fatalf("reached %v; worlds with locks %v", reached, worlds)
	}
}
