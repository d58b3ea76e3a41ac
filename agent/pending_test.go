package agent_test

import (
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// pendingRig is a phone in Cuba whose lock takes hold in three days and an hour, by its own and the server's reckoning.
func pendingRig(t *testing.T, seed uint64) (*rig, order.Leaf) {
	t.Helper()
	r := enrolledRig(t, seed, cuba)
	n := r.notice(ruleCuba)
	l := r.lock(n)
	sn, sl := r.seal(n), r.seal(l)
	r.applied(r.checkIn(sn, sl), sn, sl)
	for range 7 {
		r.live(cuba)
	}
	r.checkIn()
	return r, l
}

// An owner, or a thief, who sets the clock forward before a boot does not hurry a lock; the next contact tells the truth.
func TestClockSetForwardAcrossABootHurriesNoLock(t *testing.T) {
	r, _ := pendingRig(t, 61)
	for range 5 {
		r.phone.Offset += 20 * day
		r.phone.Off(time.Minute)
		r.open()
		must(t, r.agent.Tick())
		must(t, r.agent.Shown())
		r.stage(order.Noticed)
	}
	r.checkIn()
	r.stage(order.Noticed)
	r.phone.Wait(4 * day)
	r.checkIn()
	r.checkIn()
	r.stage(order.Locked)
}

// A lock waits while the clock is in doubt, and takes hold when the doubt is over.
func TestLockWaitsWhileTheClockIsDoubtful(t *testing.T) {
	r, l := pendingRig(t, 62)
	r.phone.SetWall(time.Unix(0, 0))
	r.phone.Off(time.Minute)
	r.open()
	r.phone.Wait(l.EffectAt.Sub(r.phone.True) + 10*day)
	must(t, r.agent.Tick())
	if v := r.agent.Screen(); v.Stage != order.Noticed || !v.ClockDoubt {
		t.Fatalf("%v, doubt %v", v.Stage, v.ClockDoubt)
	}
	r.checkIn()
	r.stage(order.Locked)
}

// A server that lies about the date, however it does, hurries no lock.
func TestServerThatLiesAboutTheDateHurriesNoLock(t *testing.T) {
	r, l := pendingRig(t, 63)
	for range 40 {
		r.lie += 11 * time.Hour // each step alone would raise no doubt
		r.checkIn()
		must(t, r.agent.Shown())
		r.stage(order.Noticed)
	}
	r.phone.Wait(l.Deadline.Sub(r.phone.True) - 13*time.Hour)
	r.checkIn()
	r.checkIn()
	r.stage(order.Noticed)
	r.phone.Wait(10 * day)
	r.checkIn()
	r.checkIn()
	r.stage(order.Noticed) // that the server agrees with its own lie proves nothing
	r.lie = 0
	r.checkIn()
	r.checkIn()
	r.stage(order.Locked)
}

// However short the notice that was told, and whatever the server says then, the Charter's seven days pass by the own time.
func TestOwnTimeKeepsTheCharterFloor(t *testing.T) {
	r := enrolledRig(t, 65, berlin)
	w := r.warrant("w1")
	n, l := r.hold(w)
	n.Deadline = n.IssuedAt.Add(order.MinNotice)
	l.Deadline, l.EffectAt = n.Deadline, n.Deadline
	sn, sl := r.seal(n), r.seal(l)
	r.applied(r.deliver([]protocol.Warrant{w}, sn, sl), sn, sl)
	for range 6 {
		r.live(berlin)
	}
	r.lie = 11 * time.Hour
	r.phone.Wait(23 * time.Hour)
	r.checkIn()
	r.checkIn()
	r.stage(order.Noticed)
	r.phone.Wait(time.Hour)
	r.checkIn()
	r.stage(order.Locked)
}

// Without the screen shown on three days no lock takes hold, however late.
func TestLockWaitsForTheNoticeToBeSeen(t *testing.T) {
	r := enrolledRig(t, 64, cuba)
	n := r.notice(ruleCuba)
	sn, sl := r.seal(n), r.seal(r.lock(n))
	r.applied(r.checkIn(sn, sl), sn, sl)
	for range 20 {
		r.phone.Wait(day)
		r.checkIn()
	}
	for range 3 {
		r.stage(order.Noticed)
		must(t, r.agent.Shown())
		must(t, r.agent.Shown()) // twice a day is one day
		r.phone.Wait(day)
		r.checkIn()
	}
	r.stage(order.Locked)
}
