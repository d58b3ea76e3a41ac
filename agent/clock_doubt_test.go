package agent_test

import (
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/order"
)

// trusts requires that the phone does not doubt its clock.
func (r *rig) trusts(after string) {
	r.Helper()
	if r.agent.Screen().ClockDoubt {
		r.Fatalf("in doubt after %s", after)
	}
}

// What a killed server leaves of check-ins: answers that were lost, come twice, in another order or a day too late behind newer ones, and
// officers' metadata of before. None of it makes a phone doubt its clock.
func TestKilledServerRaisesNoDoubt(t *testing.T) {
	r := enrolledRig(t, 66, cuba)
	for range 5 { // evidence whose answers are lost
		r.claims()
		r.phone.Wait(day)
		must(t, r.agent.Tick())
	}
	r.checkIn()
	r.trusts("lost answers")

	old := r.answer(r.claims().Sequence)
	r.phone.Wait(30 * time.Hour)
	ans := r.answer(r.claims().Sequence)
	r.accept(ans)
	r.accept(old)
	r.trusts("an answer of yesterday behind today's")
	r.phone.Wait(30 * time.Hour)
	r.accept(ans)
	r.trusts("an answer that came twice")

	before := r.metadata()
	r.phone.Wait(day)
	ans = r.answer(r.claims().Sequence)
	ans.Metadata = r.metadata()
	r.accept(ans)
	r.phone.Wait(time.Hour)
	ans = r.answer(r.claims().Sequence)
	ans.Metadata = before
	r.accept(ans)
	r.trusts("metadata of yesterday")

	r.open()
	r.checkIn()
	r.trusts("all of it, saved")
	n := r.seal(r.notice(ruleCuba))
	r.applied(r.checkIn(n), n)
}

// doubtsForGood has a server that the phone came to trust tell a date a day earlier, and stay with it.
func (r *rig) doubtsForGood() {
	r.Helper()
	r.lie -= day
	for range 4 {
		r.checkIn()
		if !r.agent.Screen().ClockDoubt {
			r.Fatalf("the phone trusts a date that went back by a day")
		}
		r.phone.Wait(time.Hour)
	}
}

// A doubt that does not end (decision 10) costs the owner nothing: no notice and no lock begins (Charter C10), and every way in which a
// restriction ends is open (C8, C9).
func TestDoubtThatLasts(t *testing.T) {
	t.Run("no notice", func(t *testing.T) {
		r := newRig(t, 67)
		r.lie = day
		r.enrol()
		for range 3 {
			r.live(cuba)
		}
		r.doubtsForGood()
		for range 3 {
			n := r.seal(r.notice(ruleCuba))
			r.refused(r.checkIn(n), n, agent.ClockDoubtful)
			r.phone.Wait(day)
		}
		r.stage(order.Observed)
	})
	t.Run("no lock", func(t *testing.T) {
		r, _ := pendingRig(t, 68)
		r.doubtsForGood()
		for range 30 {
			r.live(cuba)
			r.stage(order.Noticed)
		}
	})
	for name, lift := range map[string]func(r *rig){
		"a lift with an answer": func(r *rig) {
			l := r.seal(r.lift(ruleCuba, order.ByHuman))
			r.applied(r.checkIn(l), l)
		},
		"a lift with an answer to older evidence": func(r *rig) {
			old := r.claims()
			r.checkIn()
			l := r.seal(r.lift(ruleCuba, order.ByRule))
			r.applied(r.accept(r.answer(old.Sequence, l)), l)
		},
		"a lift without a network": func(r *rig) {
			data, err := r.seal(r.lift(ruleCuba, order.ByHuman)).Marshal()
			must(r, err)
			out, err := r.agent.AcceptLift(data)
			must(r, err)
			r.applied(out, order.Sealed{})
		},
		"a code": func(r *rig) {
			if result, err := r.agent.EnterCode(r.supportCode(0)); err != nil || !result.Unlocked {
				r.Fatalf("%+v, %v", result, err)
			}
		},
		"its end": func(r *rig) {
			r.phone.Wait(31 * day)
			must(r, r.agent.Tick())
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := lockedRig(t, 69)
			r.doubtsForGood()
			r.stage(order.Locked)
			lift(r)
			r.stage(order.Lifted)
			if !r.agent.Screen().ClockDoubt {
				t.Error("the phone trusts its clock, and this proves nothing")
			}
		})
	}
}
