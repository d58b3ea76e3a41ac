package agent_test

import (
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/order"
)

// A phone is activated in Cuba, is told with a date, is locked after it, and lifted by an appeal.
func TestStoryNoticeLockLift(t *testing.T) {
	r := newRig(t, 1)
	r.enrol()
	r.stage(order.Observed)
	for range 3 {
		r.live(cuba)
	}
	if a := r.agent.Screen().Activation; a == nil || a.Territory != "CU" || a.Mixed {
		t.Fatalf("activation %+v", a)
	}
	notice := r.notice(ruleCuba)
	sealed := r.seal(notice)
	r.applied(r.checkIn(sealed), sealed)
	screen := r.agent.Screen()
	if screen.Stage != order.Noticed || !screen.Deadline.Equal(notice.Deadline) || screen.RuleName == "" || screen.Reference == "" {
		t.Fatalf("screen %+v", screen.GroundView)
	}
	lock := r.lock(notice)
	sealed = r.seal(lock)
	r.applied(r.checkIn(sealed), sealed)
	for r.phone.True.Before(lock.EffectAt) {
		r.stage(order.Noticed)
		r.live(cuba)
	}
	r.stage(order.Locked)
	if screen := r.agent.Screen(); !screen.EndsAt.Equal(lock.EndsAt) || len(screen.WayOut) != 9 || screen.ShownDays < 3 {
		t.Fatalf("screen %+v", screen)
	}
	claims := r.claims()
	if len(claims.Grounds) != 1 || claims.Grounds[0].Stage != order.Locked || claims.Grounds[0].Order != sealed.ID() {
		t.Fatalf("claims %+v", claims.Grounds)
	}
	lift := r.seal(r.lift(ruleCuba, order.ByHuman))
	r.applied(r.accept(r.answer(claims.Sequence, lift)), lift)
	r.stage(order.Lifted)
	r.phone.Wait(31 * day)
	r.stage(order.Observed)
	again := r.seal(r.notice(ruleCuba))
	r.refused(r.checkIn(again), again, "ground-finally-lifted")
}

func TestStorySunset(t *testing.T) {
	r, lock := lockedRig(t, 2)
	r.phone.Wait(lock.EndsAt.Sub(r.phone.True) - time.Second)
	r.stage(order.Locked)
	r.phone.Wait(time.Second)
	r.stage(order.Lifted)
	must(t, r.agent.Tick())
	claims := r.claims()
	if g := claims.Grounds[0]; g.Stage != order.Lifted || g.Cause != order.ByEnd || g.Order != (order.ID{}) {
		t.Fatalf("claims %+v", g)
	}
}
