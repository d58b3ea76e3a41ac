package agent_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
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
		"officers": step(h.officersWork), "attack": step(h.attack),
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
	for _, s := range sealed {
		if l, err := s.Open(h.phone.ID()); err == nil {
			if l.Kind == order.Notice && l.Ground.Kind == order.Warrant {
				ans.Warrants = h.held(h.warrant)
			}
			h.course(l.Ground).hears(l, h.phone.True, ans.Time)
		}
	}
	h.sign(&ans)
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
