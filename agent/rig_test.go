package agent_test

import (
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

const day = 24 * time.Hour

// tb is what both *testing.T and *rapid.T are.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// rig is a phone with an agent, and an authority that can say anything.
type rig struct {
	tb
	phone    *agenttest.Phone
	ledger   *agenttest.Ledger
	officers *agenttest.Officers
	agent    *agent.Agent
	policy   protocol.Policy
	lie      time.Duration // server's time minus the true one
	epoch    byte
}

var (
	cuba   = &territory.Fix{Lat: 23.1136, Lon: -82.3666, AccuracyM: 20}
	berlin = &territory.Fix{Lat: 52.52, Lon: 13.405, AccuracyM: 20}
	crimea = &territory.Fix{Lat: 44.9521, Lon: 34.1024, AccuracyM: 20}

	ruleCuba   = order.Ground{Kind: order.Rule, ID: "cuba"}
	ruleCrimea = order.Ground{Kind: order.Rule, ID: "crimea"}
)

func usualPolicy() protocol.Policy {
	since := territory.DayOf(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	review := territory.DayOf(time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC))
	rule := func(id string, code territory.Code) protocol.Rule {
		return protocol.Rule{
			ID: id, Codes: []territory.Code{code}, Name: string(code), LegalBasis: "a law", Source: "https://law.example",
			Since: since, ReviewBy: review,
		}
	}
	return protocol.Policy{
		Hash: sha256.Sum256([]byte("policy 1")), ID: "terms", Effective: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Rules:       []protocol.Rule{rule("cuba", "CU"), rule("crimea", "UA-43")},
		Observation: territory.Observation{Days: 3, Window: 10, Percent: 95},
		NoticeDays:  10, ShownDays: 3, LockDays: 365,
		Contact: protocol.Contact{Name: "Support", Email: "help@maker.example"},
	}
}

func newRig(t tb, seed uint64) *rig {
	t.Helper()
	phone, err := agenttest.NewPhone(seed)
	must(t, err)
	ledger, err := agenttest.NewLedger("ledger.example/test", seed)
	must(t, err)
	r := &rig{
		tb: t, phone: phone, ledger: ledger, policy: usualPolicy(),
		officers: agenttest.NewOfficers("officers", phone.True.AddDate(0, -1, 0)),
	}
	r.open()
	return r
}

// enrolledRig is a phone that enrolled and was then used in one place for three days.
func enrolledRig(t tb, seed uint64, place *territory.Fix) *rig {
	t.Helper()
	r := newRig(t, seed)
	r.enrol()
	for range 3 {
		r.live(place)
	}
	return r
}

func must(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func (r *rig) open() {
	r.Helper()
	a, err := agent.Open(r.phone.Platform())
	must(r, err)
	r.agent = a
}

func (r *rig) serverTime() time.Time { return r.phone.True.Add(r.lie).Truncate(time.Second) }

func (r *rig) freshEpoch() []byte { r.epoch++; return slices.Repeat([]byte{r.epoch}, 16) }

func (r *rig) enrolAnswer() protocol.EnrolAnswer {
	r.Helper()
	if _, err := r.policy.Marshal(); err == nil { // what cannot be written is refused for its own reason
		must(r, r.officers.SignPolicy(r.policy))
	}
	return protocol.EnrolAnswer{
		Device: r.phone.ID(), UnlockSecret: r.phone.Secret(), Trust: r.ledger.Trust(), Policy: r.policy,
		Metadata: *r.metadata(), Epoch: r.freshEpoch(), Time: r.serverTime(),
	}
}

// metadata are the officers' of this moment, and the server's.
func (r *rig) metadata() *tuf.Update { return r.officers.Update(r.phone.True, r.serverTime()) }

// imei is the phone's.
func (r *rig) imei() device.IMEI { return r.phone.Platform().Identity.IMEI }

// cohort is the phone's among others.
func (r *rig) cohort() (protocol.Cohort, protocol.Member) {
	r.Helper()
	c, members, err := agenttest.Cohort("secret", r.imei(), "356938035643809", "490154203237518", "350000000000018")
	must(r, err)
	return c, members[r.imei()]
}

// sign has the officers sign what an answer rests on, and puts their metadata beside it.
func (r *rig) sign(ans *protocol.CheckInAnswer) {
	r.Helper()
	if ans.Policy == nil && len(ans.Warrants) == 0 || ans.Metadata != nil {
		return
	}
	if ans.Policy != nil {
		if _, err := ans.Policy.Marshal(); err == nil {
			must(r, r.officers.SignPolicy(*ans.Policy))
		}
	}
	for _, h := range ans.Warrants {
		must(r, r.officers.SignWarrant(h.Warrant))
	}
	ans.Metadata = r.metadata()
}

func (r *rig) enrol() {
	r.Helper()
	_, err := r.agent.EnrolmentToken(protocol.EpochAnswer{Epoch: r.freshEpoch(), Time: r.serverTime()})
	must(r, err)
	answer, err := r.enrolAnswer().Marshal()
	must(r, err)
	must(r, r.agent.AcceptEnrolment(answer))
}

// claims has the agent make evidence and reads it as a server does.
func (r *rig) claims() *evidence.Claims {
	r.Helper()
	token, err := r.agent.Evidence()
	must(r, err)
	return r.verify(token)
}

func (r *rig) verify(token evidence.Token) *evidence.Claims {
	r.Helper()
	u, err := evidence.Parse(token)
	must(r, err)
	claims, err := u.Verify(r.phone.Platform().Key.Public())
	must(r, err)
	return claims
}

// answer is the server's usual answer to evidence with this sequence.
func (r *rig) answer(sequence uint64, sealed ...order.Sealed) protocol.CheckInAnswer {
	return protocol.CheckInAnswer{
		Epoch: r.freshEpoch(), Time: r.serverTime(), NextCheckIn: day, Sequence: sequence, Orders: sealed,
	}
}

// accept has the agent take an answer whose policy and warrants officers signed.
func (r *rig) accept(ans protocol.CheckInAnswer) agent.Outcome {
	r.Helper()
	r.sign(&ans)
	data, err := ans.Marshal()
	must(r, err)
	out, err := r.agent.Accept(data)
	must(r, err)
	return out
}

// checkIn is a whole check-in that delivers orders.
func (r *rig) checkIn(sealed ...order.Sealed) agent.Outcome {
	r.Helper()
	return r.accept(r.answer(r.claims().Sequence, sealed...))
}

// deliver checks in with warrants and orders.
func (r *rig) deliver(warrants []protocol.Warrant, sealed ...order.Sealed) agent.Outcome {
	r.Helper()
	ans := r.answer(r.claims().Sequence, sealed...)
	ans.Warrants = r.held(warrants...)
	return r.accept(ans)
}

// held are warrants with the proof that this phone is in their cohort.
func (r *rig) held(warrants ...protocol.Warrant) (held []protocol.Held) {
	r.Helper()
	_, member := r.cohort()
	for _, w := range warrants {
		held = append(held, protocol.Held{Warrant: w, Member: member})
	}
	return held
}

func signals(place *territory.Fix) territory.Signals { return territory.Signals{GNSS: place} }

// live is a day in a place: the phone looks around, the owner sees the screen, the phone checks in.
func (r *rig) live(place *territory.Fix) {
	r.Helper()
	must(r, r.agent.Observe(signals(place)))
	must(r, r.agent.Shown())
	r.checkIn()
	r.phone.Wait(day)
	must(r, r.agent.Tick())
}

func (r *rig) seal(l order.Leaf) order.Sealed {
	r.Helper()
	s, err := r.ledger.Seal(l, r.phone.ID())
	must(r, err)
	return s
}

// notice is a good notice on a ground, with the deadline ten days and an hour from now.
func (r *rig) notice(g order.Ground) order.Leaf {
	now := r.serverTime()
	l := order.Leaf{
		Kind: order.Notice, Ground: g, Authority: r.policy.Hash, IssuedAt: now, Deadline: now.Add(10*day + time.Hour),
	}
	for _, rule := range r.policy.Rules {
		if g.Kind == order.Rule && rule.ID == g.ID {
			l.Territory = rule.Codes[0]
		}
	}
	return l
}

// lock is a good lock after that notice, which takes hold an hour after its deadline, for 30 days.
func (r *rig) lock(notice order.Leaf) order.Leaf {
	l := notice
	l.Kind, l.IssuedAt = order.Lock, r.serverTime()
	l.EffectAt = l.Deadline.Add(time.Hour)
	l.EndsAt = l.EffectAt.Add(30 * day)
	return l
}

func (r *rig) lift(g order.Ground, cause order.Cause) order.Leaf {
	l := r.notice(g)
	l.Kind, l.Deadline, l.Cause = order.Lift, time.Time{}, cause
	return l
}

func (r *rig) warrant(id string) protocol.Warrant {
	r.Helper()
	now := r.serverTime()
	cohort, _ := r.cohort()
	return protocol.Warrant{
		ID: id, Case: "case-1", Reason: "diverted consignment", IssuedAt: now, EndsAt: now.Add(40 * day),
		Officers: [2]string{"ana", "ben"}, Cohort: cohort,
	}
}

func (r *rig) hold(w protocol.Warrant) (notice, lock order.Leaf) {
	r.Helper()
	hash, err := w.Hash()
	must(r, err)
	notice = r.notice(order.Ground{Kind: order.Warrant, ID: w.ID})
	notice.Authority = hash
	lock = r.lock(notice)
	lock.EndsAt = w.EndsAt
	return notice, lock
}

// refused requires that exactly this order was refused, for this reason.
func (r *rig) refused(out agent.Outcome, s order.Sealed, reason agent.Reason) {
	r.Helper()
	if len(out.Refused) != 1 || out.Refused[0] != (evidence.Refusal{Order: s.ID(), Reason: string(reason)}) {
		r.Fatalf("refused %v, want %v", out.Refused, reason)
	}
	for _, reported := range r.claims().Refusals {
		if reported == out.Refused[0] {
			return
		}
	}
	r.Fatalf("the refusal %v is not in the next evidence", reason)
}

func (r *rig) applied(out agent.Outcome, sealed ...order.Sealed) {
	r.Helper()
	if len(out.Refused) > 0 || len(out.Applied) != len(sealed) {
		r.Fatalf("applied %d of %d, refused %v", len(out.Applied), len(sealed), out.Refused)
	}
}

func (r *rig) stage(want order.Stage) {
	r.Helper()
	if got := r.agent.Screen().Stage; got != want {
		r.Fatalf("the screen shows %v, want %v", got, want)
	}
}

// lockedRig is a phone activated in Cuba, noticed and locked.
func lockedRig(t tb, seed uint64) (r *rig, lock order.Leaf) {
	t.Helper()
	r = enrolledRig(t, seed, cuba)
	notice := r.notice(ruleCuba)
	lock = r.lock(notice)
	out := r.checkIn(r.seal(notice), r.seal(lock))
	r.applied(out, order.Sealed{}, order.Sealed{})
	for range 11 {
		r.live(cuba)
	}
	r.stage(order.Locked)
	return r, lock
}

var _ tb = (*testing.T)(nil)
