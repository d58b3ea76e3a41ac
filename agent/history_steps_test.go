package agent_test

import (
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

// What may happen in a history.

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
	return rapid.SampledFrom([]order.Ground{ruleCuba, ruleCuba, ruleCrimea, h.present()}).Draw(t, "ground")
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
		h.warrant = h.rig.warrant(rapid.SampledFrom([]string{h.warrant.ID, "w1", "w2", "w3"}).Draw(t, "warrant"))
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
	notice, lock := h.leaves(t, rapid.SampledFrom([]order.Ground{ruleCuba, h.present()}).Draw(t, "ground"))
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

// present is the ground of the present warrant.
func (h *history) present() order.Ground { return order.Ground{Kind: order.Warrant, ID: h.warrant.ID} }

// anyRestart says whether a new warrant is written, perhaps under an old name: officers may do that, and agents must see it.
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
	h.phone.Flash.Fail = func(save int) (bool, error) {
		if save == first+at {
			return persisted, agenttest.ErrCrash
		}
		return true, nil
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
