package agent_test

import (
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/order"
)

// reseal sequences a leaf under the salt of another order.
func (r *rig) reseal(leaf order.Leaf, other order.Sealed) order.Sealed {
	r.Helper()
	first, err := order.ParseLeaf(other.Leaf)
	must(r, err)
	leaf.Commitment = first.Commitment
	data, err := leaf.Marshal()
	must(r, err)
	proof, err := r.ledger.Append(data)
	must(r, err)
	return order.Sealed{Leaf: data, Salt: other.Salt, Proof: proof}
}

// Two orders with one salt tell everybody that they are for one device: the second is not followed, unless it is a lift.
func TestSaltUsedTwice(t *testing.T) {
	r := enrolledRig(t, 71, cuba)
	n := r.notice(ruleCuba)
	sn := r.seal(n)
	r.applied(r.checkIn(sn), sn)
	r.applied(r.checkIn(sn), sn) // the same order again is nothing new

	later := n
	later.Deadline = later.Deadline.Add(day)
	again := r.reseal(later, sn)
	r.refused(r.checkIn(again), again, agent.SaltReused)
	r.open() // what was seen is in the record
	r.refused(r.checkIn(again), again, agent.SaltReused)
	both := r.lock(n)
	lock := r.reseal(both, sn)
	r.refused(r.checkIn(lock), lock, agent.SaltReused)

	fine := r.seal(later)
	r.applied(r.checkIn(fine), fine)
	lift := r.reseal(r.lift(ruleCuba, order.ByHuman), sn)
	r.applied(r.checkIn(lift), lift)
	r.stage(order.Lifted)
}

// A lie about the date that begins before the notice, and goes on, takes nothing off the days that officers promised: the own time counts
// them from the notice on.
func TestLieBeforeTheNoticeDoesNotShortenIt(t *testing.T) {
	r := enrolledRig(t, 72, cuba)
	for range 6 { // nearly three days ahead in steps, none of which raises doubt by itself
		r.lie += 11 * time.Hour
		r.checkIn()
	}
	s := r.seal(r.notice(ruleCuba))
	r.refused(r.checkIn(s), s, agent.ClockDoubtful) // all of them together do
	r.lie = 0
	r.checkIn()
	r.phone.Off(time.Minute)
	r.open()
	r.lie = 66 * time.Hour // a device that was off cannot know better
	r.checkIn()
	r.checkIn()
	n := r.notice(ruleCuba)
	n.IssuedAt = n.IssuedAt.Add(-r.lie) // told late, with the date of its issue
	n.Deadline = n.Deadline.Add(-r.lie)
	l := r.lock(n)
	sn, sl := r.seal(n), r.seal(l)
	r.applied(r.checkIn(sn, sl), sn, sl)
	told := r.phone.True
	for r.phone.True.Sub(told) < 9*day {
		must(t, r.agent.Shown())
		r.stage(order.Noticed)
		r.phone.Wait(day)
		r.checkIn()
	}
	r.phone.Wait(day)
	r.checkIn()
	r.stage(order.Locked)
}
