package vectors

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

const oneDay = 24 * time.Hour

var (
	cuba   = json.RawMessage(`{"gnss":{"lat":23.1136,"lon":-82.3666,"accuracy_m":20},"cell":"368-01"}`)
	berlin = json.RawMessage(`{"gnss":{"lat":52.52,"lon":13.405,"accuracy_m":20},"cell":"262-01"}`)

	ruleCuba = order.Ground{Kind: order.Rule, ID: "cuba"}
)

// writer writes a life down while a device leads it, and is the authority that may say anything.
type writer struct {
	t      *testing.T
	life   life
	body   *body
	ledger *ledger
	policy protocol.Policy

	officers *agenttest.Officers

	now    time.Time // true time
	uptime time.Duration
	boots  int
	boot   evidence.Boot
	offset time.Duration // of the wall clock
	epoch  byte
	salts  int
}

func newWriter(t *testing.T, name string) *writer {
	t.Helper()
	w := &writer{
		t: t, life: life{Name: name}, body: newBody(t), ledger: newLedger(t, "ledger.example/lives", "ledger"), policy: usualPolicy(),
		officers: agenttest.NewOfficers("lives", moment.AddDate(0, -1, 0)), now: moment, boot: evidence.BootVerified,
	}
	w.take(step{Do: "open"})
	return w
}

func (w *writer) take(s step) step {
	w.t.Helper()
	s.Wall, s.Uptime = w.now.Add(w.offset).Unix(), w.uptime.Milliseconds()
	s.BootID, s.Boot = fmt.Sprintf("boot-%d", w.boots), int(w.boot)
	s = w.body.do(s)
	w.life.Steps = append(w.life.Steps, s)
	return s
}

func (w *writer) wait(d time.Duration) { w.now, w.uptime = w.now.Add(d), w.uptime+d }

// off lets time pass with the device switched off, and boots it.
func (w *writer) off(d time.Duration) {
	w.now, w.uptime = w.now.Add(d), 0
	w.boots++
	w.take(step{Do: "open"})
}

func (w *writer) fresh() []byte { w.epoch++; return slices.Repeat([]byte{w.epoch}, 16) }

func (w *writer) enrolAnswer() []byte {
	w.t.Helper()
	w.signPolicy(w.policy)
	return must(protocol.EnrolAnswer{
		Device: deviceID("life"), UnlockSecret: seed("life secret"), Trust: protocol.Trust{Origin: w.ledger.origin, LogKey: w.ledger.key},
		Policy: w.policy, Epoch: w.fresh(), Time: w.now, Metadata: *w.metadata(),
	}.Marshal())(w.t)
}

func (w *writer) signPolicy(p protocol.Policy) {
	w.t.Helper()
	if err := w.officers.SignPolicy(p); err != nil {
		w.t.Fatal(err)
	}
}

// metadata are the officers' and the server's of this moment.
func (w *writer) metadata() *tuf.Update { return w.officers.Update(w.now, w.now) }

// own is the device's place in the cohort of this life's warrants.
func (w *writer) own() (protocol.Cohort, protocol.Member) {
	w.t.Helper()
	c, members, err := agenttest.Cohort("life", lifeIMEI, "356938035643809", "350000000000018")
	if err != nil {
		w.t.Fatal(err)
	}
	return c, members[lifeIMEI]
}

// deliver checks in, and is answered with these orders; change may alter the answer.
func (w *writer) deliver(change func(a *protocol.CheckInAnswer), sealed ...order.Sealed) step {
	w.t.Helper()
	s := w.take(step{Do: "evidence"})
	a := protocol.CheckInAnswer{Epoch: w.fresh(), Time: w.now, NextCheckIn: oneDay, Sequence: s.Claims.Sequence, Orders: sealed}
	if change != nil {
		change(&a)
	}
	return w.take(step{Do: "accept", Data: must(a.Marshal())(w.t)})
}

func (w *writer) checkIn(sealed ...order.Sealed) step { w.t.Helper(); return w.deliver(nil, sealed...) }

func (w *writer) liveDays(place json.RawMessage, days int) {
	w.t.Helper()
	for range days {
		w.take(step{Do: "observe", Signals: place})
		w.take(step{Do: "shown"})
		w.checkIn()
		w.wait(oneDay)
		w.take(step{Do: "tick"})
	}
}

// activated is a life whose device enrolled and established where it is.
func activated(t *testing.T, name string, place json.RawMessage) *writer {
	t.Helper()
	w := newWriter(t, name)
	w.take(step{Do: "enrol", Data: w.enrolAnswer()})
	w.liveDays(place, 3)
	return w
}

func (w *writer) commit(l order.Leaf, to string) order.Sealed {
	w.t.Helper()
	w.salts++
	salt := seed(fmt.Sprintf("life salt %d", w.salts))
	l.Commitment = order.Commit(salt, deviceID(to))
	return order.Sealed{Leaf: must(l.Marshal())(w.t), Salt: salt}
}

func (w *writer) seal(l order.Leaf) order.Sealed {
	w.t.Helper()
	s := w.commit(l, "life")
	s.Proof = w.ledger.proof(w.ledger.append(s.Leaf))
	return s
}

// again seals a leaf under the salt of another order of this life.
func (w *writer) again(l order.Leaf, other order.Sealed) order.Sealed {
	w.t.Helper()
	l.Commitment = order.Commit(other.Salt, deviceID("life"))
	s := order.Sealed{Leaf: must(l.Marshal())(w.t), Salt: other.Salt}
	s.Proof = w.ledger.proof(w.ledger.append(s.Leaf))
	return s
}

func (w *writer) notice(g order.Ground) order.Leaf {
	l := order.Leaf{Kind: order.Notice, Ground: g, Authority: w.policy.Hash, IssuedAt: w.now, Deadline: w.now.Add(10*oneDay + time.Hour)}
	if g.Kind == order.Rule {
		l.Territory = "CU"
	}
	return l
}

func (w *writer) lock(notice order.Leaf) order.Leaf {
	l := notice
	l.Kind, l.IssuedAt, l.EffectAt = order.Lock, w.now, l.Deadline.Add(time.Hour)
	l.EndsAt = l.EffectAt.Add(30 * oneDay)
	return l
}

func (w *writer) lift(g order.Ground, cause order.Cause) order.Leaf {
	l := w.notice(g)
	l.Kind, l.Deadline, l.Cause = order.Lift, time.Time{}, cause
	return l
}

// noticed delivers a good notice.
func (w *writer) noticed() order.Leaf {
	w.t.Helper()
	n := w.notice(ruleCuba)
	w.applied(w.checkIn(w.seal(n)), 1)
	return n
}

func (w *writer) applied(s step, n int) {
	w.t.Helper()
	if len(s.Applied) != n || len(s.Refused) != 0 {
		w.t.Fatalf("%s: applied %d, refused %v", w.life.Name, len(s.Applied), s.Refused)
	}
}

// locked leads the device to a lock.
func (w *writer) locked() (lock order.Leaf) {
	w.t.Helper()
	n := w.notice(ruleCuba)
	lock = w.lock(n)
	w.applied(w.checkIn(w.seal(n), w.seal(lock)), 2)
	w.liveDays(cuba, 11)
	if s := w.life.Steps[len(w.life.Steps)-1]; s.Stage != "locked" {
		w.t.Fatalf("%s: %s", w.life.Name, s.Stage)
	}
	return lock
}

// review gives the device another policy.
func (w *writer) review(change func(p *protocol.Policy)) step {
	w.t.Helper()
	w.policy.Rules = slices.Clone(w.policy.Rules)
	change(&w.policy)
	w.policy.Hash = seed("policy 2")
	w.signPolicy(w.policy)
	return w.deliver(func(a *protocol.CheckInAnswer) { a.Policy, a.Metadata = &w.policy, w.metadata() })
}

func (w *writer) hold(v protocol.Warrant) (notice, lock order.Leaf) {
	w.t.Helper()
	notice = w.notice(order.Ground{Kind: order.Warrant, ID: v.ID})
	notice.Authority = must(v.Hash())(w.t)
	lock = w.lock(notice)
	lock.EndsAt = v.EndsAt
	return notice, lock
}

func (w *writer) warrant() protocol.Warrant {
	v := usualWarrant()
	v.IssuedAt, v.EndsAt = w.now, w.now.Add(40*oneDay)
	v.Cohort, _ = w.own()
	return v
}

// with brings a warrant that officers signed, with the proof of the device's place in its cohort.
func (w *writer) with(v protocol.Warrant) func(a *protocol.CheckInAnswer) {
	w.t.Helper()
	if err := w.officers.SignWarrant(v); err != nil {
		w.t.Fatal(err)
	}
	_, member := w.own()
	return func(a *protocol.CheckInAnswer) {
		a.Warrants, a.Metadata = []protocol.Held{{Warrant: v, Member: member}}, w.metadata()
	}
}

// refusedFor requires the last step to have refused one order for a reason.
func (w *writer) refusedFor(s step, reason string) {
	w.t.Helper()
	if len(s.Refused) != 1 || s.Refused[0].Reason != reason {
		w.t.Fatalf("%s: refused %v, want %s", w.life.Name, s.Refused, reason)
	}
	w.take(step{Do: "evidence"}) // which reports it
}
