package agent_test

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// A lock may take hold later than the deadline, and never before it says.
func TestLockWaitsForItsEffect(t *testing.T) {
	r := enrolledRig(t, 1, cuba)
	notice := r.notice(ruleCuba)
	lock := r.lock(notice)
	lock.EffectAt = notice.Deadline.Add(5 * day)
	r.applied(r.checkIn(r.seal(notice), r.seal(lock)), order.Sealed{}, order.Sealed{})
	for r.phone.True.Add(day).Before(lock.EffectAt) {
		r.live(cuba)
		r.stage(order.Noticed)
	}
	r.live(cuba)
	r.live(cuba)
	r.stage(order.Locked)
}

// A warrant may not last longer than a hold may, counted from its own issue, however late its notice comes.
func TestWarrantLastsNoLongerThanAHold(t *testing.T) {
	r := enrolledRig(t, 2, cuba)
	w := r.warrant("w1")
	w.IssuedAt = w.IssuedAt.Add(-60 * day)
	w.EndsAt = w.IssuedAt.Add(order.MaxHold + 1e9)
	notice, _ := r.hold(w)
	s := r.seal(notice)
	r.refused(r.deliver([]protocol.Warrant{w}, s), s, agent.WarrantEndTooFar)
}
