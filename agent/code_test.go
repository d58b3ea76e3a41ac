package agent_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

func (r *rig) supportCode(counter uint64) string {
	r.Helper()
	secret := r.phone.Secret()
	code, err := unlock.Answer(secret[:], counter, r.agent.Screen().Challenge)
	must(r, err)
	return code
}

func wrong(code string) string {
	last := code[7]
	return code[:7] + string('0'+(last-'0'+1)%10)
}

// Offline, at 1970, on a custom system, in Persian digits: a right code unlocks, for good, and is spent.
func TestCodeUnlocksWithoutANetwork(t *testing.T) {
	r, _ := lockedRig(t, 71)
	r.phone.SetWall(time.Unix(0, 0))
	r.phone.Off(day)
	r.open()
	challenge := r.agent.Screen().Challenge
	code := r.supportCode(0)
	persian := ""
	for _, d := range code {
		persian += string('۰' + d - '0')
	}
	result, err := r.agent.EnterCode(persian[:8] + " " + persian[8:])
	if err != nil || !result.Unlocked || len(result.Lifted) != 1 || result.Lifted[0] != ruleCuba {
		t.Fatalf("%+v, %v", result, err)
	}
	r.stage(order.Lifted)
	if v := r.agent.Screen(); v.Challenge == challenge || v.LiftCause != order.ByCode {
		t.Fatalf("challenge %s after %s, cause %v", v.Challenge, challenge, v.LiftCause)
	}
	r.open()
	r.stage(order.Lifted)
	r.checkIn()
	n := r.seal(r.notice(ruleCuba))
	r.refused(r.checkIn(n), n, agent.GroundFinallyLifted)
	if _, err := r.agent.EnterCode(code); !errors.Is(err, agent.ErrNothingToUnlock) {
		t.Fatalf("a code with nothing to unlock: %v", err)
	}
}

// Each wrong code doubles the wait; a boot does not shorten it; a code that comes too early is not looked at; the
// challenge stays.
func TestCodeBackOffSurvivesABoot(t *testing.T) {
	r, _ := lockedRig(t, 72)
	challenge := r.agent.Screen().Challenge
	right := r.supportCode(0)
	for failures := 1; failures <= 6; failures++ {
		result, err := r.agent.EnterCode(wrong(right))
		if err != nil || result.Unlocked || result.TooEarly || result.Wait != unlock.Backoff(failures) {
			t.Fatalf("failure %d: %+v, %v", failures, result, err)
		}
		r.phone.Off(0)
		r.open()
		result, err = r.agent.EnterCode(right)
		if err != nil || !result.TooEarly || result.Unlocked || result.Wait != unlock.Backoff(failures) {
			t.Fatalf("failure %d, too early: %+v, %v", failures, result, err)
		}
		if wait := r.agent.Screen().CodeWait; wait != unlock.Backoff(failures) {
			t.Fatalf("the screen says %v", wait)
		}
		r.phone.Wait(result.Wait)
	}
	if r.agent.Screen().Challenge != challenge {
		t.Fatal("the challenge changed")
	}
	if result, err := r.agent.EnterCode(right); err != nil || !result.Unlocked {
		t.Fatalf("%+v, %v", result, err)
	}
}

// What is no code at all costs nothing.
func TestCodeThatIsNone(t *testing.T) {
	r, _ := lockedRig(t, 73)
	for _, text := range []string{"", "1234", "123456789", "abcdefgh"} {
		if _, err := r.agent.EnterCode(text); !errors.Is(err, unlock.ErrInput) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if wait := r.agent.Screen().CodeWait; wait != 0 {
		t.Fatalf("wait %v", wait)
	}
}

// A code lifts all locked grounds and leaves the others; where none is locked it lifts the noticed ones.
func TestCodeLiftsWhatRestrictsNow(t *testing.T) {
	r, _ := lockedRig(t, 74)
	w := r.warrant("w1")
	n, _ := r.hold(w)
	s := r.seal(n)
	r.applied(r.deliver([]protocol.Warrant{w}, s), s)
	if result, err := r.agent.EnterCode(r.supportCode(0)); err != nil || len(result.Lifted) != 1 || result.Lifted[0] != ruleCuba {
		t.Fatalf("%+v, %v", result, err)
	}
	r.stage(order.Noticed)
	if result, err := r.agent.EnterCode(r.supportCode(1)); err != nil || len(result.Lifted) != 1 || result.Lifted[0].ID != "w1" {
		t.Fatalf("%+v, %v", result, err)
	}
	r.stage(order.Lifted)
}

// The server's count leads the counter a window on at most: no single lie puts it out of reach.
func TestCodeCounterFollowsTheServer(t *testing.T) {
	for _, tc := range []struct{ told, counter uint64 }{{0, 0}, {5, 5}, {5, 5 + unlock.Window - 1}, {1 << 40, unlock.Window}} {
		r, _ := lockedRig(t, 75)
		ans := r.answer(r.claims().Sequence)
		ans.Unlocks = tc.told
		r.accept(ans)
		if result, err := r.agent.EnterCode(r.supportCode(tc.counter)); err != nil || !result.Unlocked {
			t.Errorf("told %d, a code for %d: %+v, %v", tc.told, tc.counter, result, err)
		}
	}
}

// A phone that lost its record counts from zero again, and support from where it was: after a few check-ins codes fit again.
func TestCodeCounterCatchesUp(t *testing.T) {
	r, _ := lockedRig(t, 76)
	const told = 2*unlock.Window + 3
	for range 3 {
		ans := r.answer(r.claims().Sequence)
		ans.Unlocks = told
		r.accept(ans)
	}
	if result, err := r.agent.EnterCode(r.supportCode(told)); err != nil || !result.Unlocked {
		t.Errorf("%+v, %v", result, err)
	}
}
