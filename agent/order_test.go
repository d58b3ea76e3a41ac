package agent_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Each case prepares a phone, then sends one order that must be refused for one reason.
func TestRefusals(t *testing.T) {
	other := func(r *rig) *agenttest.Ledger {
		l, err := agenttest.NewLedger("ledger.example/test", 99)
		must(r, err)
		return l
	}
	noticed := func(r *rig) order.Leaf {
		n := r.notice(ruleCuba)
		s := r.seal(n)
		r.applied(r.checkIn(s), s)
		return n
	}
	review := func(r *rig, change func(p *protocol.Policy)) {
		change(&r.policy)
		r.policy.Hash = sha256.Sum256([]byte("policy 2"))
		ans := r.answer(r.claims().Sequence)
		ans.Policy = &r.policy
		r.accept(ans)
	}
	for _, tc := range []struct {
		want  agent.Reason
		place *territory.Fix // nil: never observed
		order func(r *rig) order.Sealed
	}{
		{agent.LeafMalformed, cuba, func(r *rig) order.Sealed {
			s := r.seal(r.notice(ruleCuba))
			proof, err := r.ledger.Append([]byte{0xa1, 0, 9})
			must(r, err)
			return order.Sealed{Leaf: []byte{0xa1, 0, 9}, Salt: s.Salt, Proof: proof}
		}},
		{agent.CommitmentMismatch, cuba, func(r *rig) order.Sealed {
			s, err := r.ledger.Seal(r.notice(ruleCuba), [16]byte{1})
			must(r, err)
			return s
		}},
		{agent.ProofInvalid, cuba, func(r *rig) order.Sealed { // never sequenced
			leaf, salt, err := r.ledger.Commit(r.notice(ruleCuba), r.phone.ID())
			must(r, err)
			proof, err := r.ledger.Append([]byte("something else"))
			must(r, err)
			return order.Sealed{Leaf: leaf, Salt: salt, Proof: proof}
		}},
		{agent.ProofInvalid, cuba, func(r *rig) order.Sealed { // another ledger, same name
			s, err := other(r).Seal(r.notice(ruleCuba), r.phone.ID())
			must(r, err)
			return s
		}},
		{agent.PolicyUnknown, cuba, func(r *rig) order.Sealed {
			l := r.notice(ruleCuba)
			l.Authority = [32]byte{1}
			return r.seal(l)
		}},
		{agent.PolicyNotEffective, cuba, func(r *rig) order.Sealed {
			review(r, func(p *protocol.Policy) { p.Effective = r.serverTime().Add(20 * day).Truncate(time.Second) })
			return r.seal(r.notice(ruleCuba))
		}},
		{agent.PolicyStale, cuba, func(r *rig) order.Sealed {
			review(r, func(p *protocol.Policy) { p.Rules[0].ReviewBy = territory.DayOf(r.serverTime()) - 1 })
			return r.seal(r.notice(ruleCuba))
		}},
		{agent.RuleNotInForce, cuba, func(r *rig) order.Sealed {
			review(r, func(p *protocol.Policy) { p.Rules[0].Until = territory.DayOf(r.serverTime()) - 1 })
			return r.seal(r.notice(ruleCuba))
		}},
		{agent.RuleNotInForce, cuba, func(r *rig) order.Sealed { // until is the day on which the territory left the list
			review(r, func(p *protocol.Policy) { p.Rules[0].Until = territory.DayOf(r.serverTime()) })
			return r.seal(r.notice(ruleCuba))
		}},
		{agent.RuleUnknown, cuba, func(r *rig) order.Sealed {
			l := r.notice(ruleCuba)
			l.Ground.ID = "atlantis"
			return r.seal(l)
		}},
		{agent.TerritoryNotInRule, cuba, func(r *rig) order.Sealed {
			l := r.notice(ruleCuba)
			l.Territory = "IR"
			return r.seal(l)
		}},
		{agent.NoOwnActivation, nil, func(r *rig) order.Sealed { return r.seal(r.notice(ruleCuba)) }},
		{agent.ActivatedElsewhere, berlin, func(r *rig) order.Sealed { return r.seal(r.notice(ruleCuba)) }},
		{agent.ActivatedElsewhere, crimea, func(r *rig) order.Sealed { return r.seal(r.notice(ruleCuba)) }},
		{agent.ActivatedBeforePolicy, cuba, func(r *rig) order.Sealed {
			review(r, func(p *protocol.Policy) { p.AppliesFrom = territory.DayOf(r.serverTime()) })
			return r.seal(r.notice(ruleCuba))
		}},
		{agent.ActivatedOutsideRule, cuba, func(r *rig) order.Sealed {
			review(r, func(p *protocol.Policy) { p.Rules[0].Since = territory.DayOf(r.serverTime()) })
			return r.seal(r.notice(ruleCuba))
		}},
		{agent.BootNotVerified, cuba, func(r *rig) order.Sealed {
			r.phone.Boot = evidence.BootCustom
			return r.seal(r.notice(ruleCuba))
		}},
		{agent.BootNotVerified, cuba, func(r *rig) order.Sealed {
			n := noticed(r)
			r.phone.Boot = evidence.BootUnlocked
			return r.seal(r.lock(n))
		}},
		{agent.ClockDoubtful, cuba, func(r *rig) order.Sealed {
			r.phone.Off(100 * day)
			r.open()
			return r.seal(r.notice(ruleCuba))
		}},
		{agent.NoticeTooShort, cuba, func(r *rig) order.Sealed { // than the Charter
			l := r.notice(ruleCuba)
			l.IssuedAt = l.IssuedAt.Add(-5 * day)
			l.Deadline = r.serverTime().Add(order.MinNotice - time.Second)
			return r.seal(l)
		}},
		{agent.NoticeTooShort, cuba, func(r *rig) order.Sealed { // than the policy
			l := r.notice(ruleCuba)
			l.Deadline = l.IssuedAt.Add(10*day - time.Second)
			return r.seal(l)
		}},
		{agent.DeadlineMovedEarlier, cuba, func(r *rig) order.Sealed {
			l := noticed(r)
			l.Deadline = l.Deadline.Add(-time.Second)
			return r.seal(l)
		}},
		{agent.DeadlineMovedEarlier, cuba, func(r *rig) order.Sealed { // by a lock
			l := r.lock(noticed(r))
			l.Deadline = l.Deadline.Add(-time.Second)
			return r.seal(l)
		}},
		{agent.NoNotice, cuba, func(r *rig) order.Sealed { return r.seal(r.lock(r.notice(ruleCuba))) }},
		{agent.LockTooLong, cuba, func(r *rig) order.Sealed {
			l := r.lock(noticed(r))
			l.EndsAt = l.EffectAt.Add(365*day + time.Second)
			return r.seal(l)
		}},
		{agent.EndPassed, cuba, func(r *rig) order.Sealed {
			l := r.lock(noticed(r))
			for range 43 {
				r.live(cuba)
			}
			return r.seal(l)
		}},
		{agent.AlreadyLocked, cuba, func(r *rig) order.Sealed {
			n := noticed(r)
			s := r.seal(r.lock(n))
			r.applied(r.checkIn(s), s)
			for range 11 {
				r.live(cuba)
			}
			l := r.lock(n)
			l.EndsAt = l.EndsAt.Add(day)
			return r.seal(l)
		}},
		{agent.OlderThanLift, cuba, func(r *rig) order.Sealed {
			n := r.notice(ruleCuba)
			r.phone.Wait(time.Minute)
			s := r.seal(r.lift(ruleCuba, order.ByRule))
			r.applied(r.checkIn(s), s)
			return r.seal(n)
		}},
		{agent.GroundFinallyLifted, cuba, func(r *rig) order.Sealed {
			s := r.seal(r.lift(ruleCuba, order.ByHuman))
			r.applied(r.checkIn(s), s)
			r.phone.Wait(40 * day)
			return r.seal(r.notice(ruleCuba))
		}},
	} {
		t.Run(string(tc.want), func(t *testing.T) {
			r := newRig(t, 7)
			r.enrol()
			for range 3 {
				r.live(tc.place)
			}
			s := tc.order(r)
			before := r.agent.Screen().Stage
			r.refused(r.checkIn(s), s, tc.want)
			r.stage(before)
		})
	}
}

func TestRefusalsOfHolds(t *testing.T) {
	for _, tc := range []struct {
		name string
		want agent.Reason
		hold func(r *rig) ([]protocol.Warrant, order.Sealed)
	}{
		{"not delivered", agent.WarrantMissing, func(r *rig) ([]protocol.Warrant, order.Sealed) {
			n, _ := r.hold(r.warrant("w1"))
			return nil, r.seal(n)
		}},
		{"another of the same name", agent.WarrantMismatch, func(r *rig) ([]protocol.Warrant, order.Sealed) {
			w := r.warrant("w1")
			n, _ := r.hold(w)
			w.Reason = "something else"
			return []protocol.Warrant{w}, r.seal(n)
		}},
		{"longer than a hold may be", agent.WarrantEndTooFar, func(r *rig) ([]protocol.Warrant, order.Sealed) {
			w := r.warrant("w1")
			w.EndsAt = w.IssuedAt.Add(order.MaxHold + time.Second)
			n, _ := r.hold(w)
			return []protocol.Warrant{w}, r.seal(n)
		}},
		{"ended", agent.WarrantEnded, func(r *rig) ([]protocol.Warrant, order.Sealed) {
			w := r.warrant("w1")
			w.IssuedAt, w.EndsAt = w.IssuedAt.Add(-10*day), w.IssuedAt.Add(-day)
			n, _ := r.hold(w)
			return []protocol.Warrant{w}, r.seal(n)
		}},
		{"a lock that ends otherwise", agent.EndNotWarrants, func(r *rig) ([]protocol.Warrant, order.Sealed) {
			w := r.warrant("w1")
			n, l := r.hold(w)
			s := r.seal(n)
			r.applied(r.deliver([]protocol.Warrant{w}, s), s)
			l.EndsAt = l.EndsAt.Add(-time.Second)
			return []protocol.Warrant{w}, r.seal(l)
		}},
		{"a lock on another warrant of the name", agent.WarrantMismatch, func(r *rig) ([]protocol.Warrant, order.Sealed) {
			w := r.warrant("w1")
			n, l := r.hold(w)
			s := r.seal(n)
			r.applied(r.deliver([]protocol.Warrant{w}, s), s)
			w.EndsAt = w.EndsAt.Add(day)
			_, l2 := r.hold(w)
			l.Authority, l.EndsAt = l2.Authority, w.EndsAt
			return []protocol.Warrant{w}, r.seal(l)
		}},
		{"a lock without notice", agent.NoNotice, func(r *rig) ([]protocol.Warrant, order.Sealed) {
			w := r.warrant("w1")
			_, l := r.hold(w)
			return []protocol.Warrant{w}, r.seal(l)
		}},
		{"short notice", agent.NoticeTooShort, func(r *rig) ([]protocol.Warrant, order.Sealed) {
			w := r.warrant("w1")
			n, _ := r.hold(w)
			n.Deadline = n.IssuedAt.Add(order.MinNotice - time.Second)
			return []protocol.Warrant{w}, r.seal(n)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := enrolledRig(t, 8, berlin)
			warrants, s := tc.hold(r)
			r.refused(r.deliver(warrants, s), s, tc.want)
		})
	}
}

// A hold reaches a device wherever it was activated, after notice, and ends with its warrant.
func TestHoldEndsWithItsWarrant(t *testing.T) {
	r := enrolledRig(t, 9, berlin)
	w := r.warrant("w1")
	n, l := r.hold(w)
	sn, sl := r.seal(n), r.seal(l)
	r.applied(r.deliver([]protocol.Warrant{w}, sl, sn), sn, sl) // the answer lists them the wrong way round
	for range 11 {
		r.live(berlin)
	}
	r.stage(order.Locked)
	if v := r.agent.Screen(); v.WarrantReason != w.Reason || v.Case != w.Case || !v.EndsAt.Equal(w.EndsAt) {
		t.Fatalf("screen %+v", v.GroundView)
	}
	r.phone.Wait(w.EndsAt.Sub(r.phone.True))
	r.stage(order.Lifted)
}

// A notice on a warrant that is never followed by a lock ends with the warrant too.
func TestNoticeEndsWithItsWarrant(t *testing.T) {
	r := enrolledRig(t, 10, berlin)
	w := r.warrant("w1")
	n, _ := r.hold(w)
	s := r.seal(n)
	r.applied(r.deliver([]protocol.Warrant{w}, s), s)
	r.phone.Wait(w.EndsAt.Sub(r.phone.True))
	r.stage(order.Lifted)
}

func TestReplaysAreNoRefusals(t *testing.T) {
	r := enrolledRig(t, 11, cuba)
	n := r.notice(ruleCuba)
	sn, sl := r.seal(n), r.seal(r.lock(n))
	r.applied(r.checkIn(sn, sl), sn, sl)
	r.applied(r.checkIn(sl, sn), sn, sl)
	for range 11 {
		r.live(cuba)
	}
	r.applied(r.checkIn(sn, sl), sn, sl)
	r.stage(order.Locked)
	lift := r.seal(r.lift(ruleCuba, order.ByRule))
	r.applied(r.checkIn(lift), lift)
	r.applied(r.checkIn(sn, sl, lift), sn, sl, lift)
	r.stage(order.Lifted)
}

// A lift that is not final leaves room for a new notice, which begins at the beginning.
func TestLiftByRuleThenNoticeAgain(t *testing.T) {
	r, _ := lockedRig(t, 12)
	lift := r.seal(r.lift(ruleCuba, order.ByRule))
	r.applied(r.checkIn(lift), lift)
	r.phone.Wait(time.Hour)
	n := r.notice(ruleCuba)
	sn, sl := r.seal(n), r.seal(r.lock(n))
	r.applied(r.checkIn(sn, sl), sn, sl)
	if v := r.agent.Screen(); v.Stage != order.Noticed || v.ShownDays != 0 {
		t.Fatalf("screen %+v", v.GroundView)
	}
	for range 11 {
		r.live(cuba)
	}
	r.stage(order.Locked)
}

// A later notice moves the deadline, and a lock that was to come before it gives way.
func TestLaterNoticeOvertakesPendingLock(t *testing.T) {
	r := enrolledRig(t, 13, cuba)
	n := r.notice(ruleCuba)
	sn, sl := r.seal(n), r.seal(r.lock(n))
	r.applied(r.checkIn(sn, sl), sn, sl)
	n.Deadline = n.Deadline.Add(20 * day)
	later := r.seal(n)
	r.applied(r.checkIn(later), later)
	claims := r.claims()
	if len(claims.Refusals) != 1 || claims.Refusals[0] != (evidence.Refusal{Order: sl.ID(), Reason: string(agent.OvertakenByNotice)}) {
		t.Fatalf("refusals %v", claims.Refusals)
	}
	for range 15 {
		r.live(cuba)
	}
	r.stage(order.Noticed)
}

// Of two pending locks the one later in the ledger counts, in whatever sequence they arrive.
func TestLaterLockOvertakesPendingOne(t *testing.T) {
	r := enrolledRig(t, 14, cuba)
	n := r.notice(ruleCuba)
	first := r.lock(n)
	second := first
	second.EffectAt = first.EffectAt.Add(5 * day)
	sn, s1, s2 := r.seal(n), r.seal(first), r.seal(second)
	r.applied(r.checkIn(sn, s2), sn, s2)
	r.refused(r.checkIn(s1), s1, agent.OvertakenByLock)
	if v := r.agent.Screen(); !v.EffectAt.Equal(second.EffectAt) {
		t.Fatalf("takes effect %v", v.EffectAt)
	}
}

// Conditions are checked again when a lock is to take hold, and what fails then is refused and reported.
func TestPendingLockIsJudgedAgain(t *testing.T) {
	for _, tc := range []struct {
		want   agent.Reason
		change func(r *rig)
	}{
		{agent.BootNotVerified, func(r *rig) { r.phone.Boot = evidence.BootCustom }},
		{agent.RuleUnknown, func(r *rig) {
			r.policy.Rules = r.policy.Rules[1:]
			r.policy.Hash = sha256.Sum256([]byte("policy 2"))
			ans := r.answer(r.claims().Sequence)
			ans.Policy = &r.policy
			r.accept(ans)
		}},
	} {
		r := enrolledRig(t, 15, cuba)
		n := r.notice(ruleCuba)
		sn, sl := r.seal(n), r.seal(r.lock(n))
		r.applied(r.checkIn(sn, sl), sn, sl)
		for range 10 {
			r.live(cuba)
		}
		tc.change(r)
		r.phone.Wait(day)
		must(t, r.agent.Tick())
		r.stage(order.Noticed)
		claims := r.claims()
		if len(claims.Refusals) != 1 || claims.Refusals[0] != (evidence.Refusal{Order: sl.ID(), Reason: string(tc.want)}) {
			t.Fatalf("refusals %v, want %v", claims.Refusals, tc.want)
		}
	}
}

// A lock that was given up is judged afresh when it is sent again.
func TestLockThatWasGivenUpMayComeAgain(t *testing.T) {
	r := enrolledRig(t, 19, cuba)
	n := r.notice(ruleCuba)
	sn, sl := r.seal(n), r.seal(r.lock(n))
	r.applied(r.checkIn(sn, sl), sn, sl)
	r.phone.Boot = evidence.BootUnknown
	for range 11 {
		r.live(cuba)
	}
	r.stage(order.Noticed)
	r.phone.Boot = evidence.BootVerified
	r.live(cuba)
	r.stage(order.Noticed)
	r.applied(r.checkIn(sl), sl)
	r.stage(order.Locked)
	if claims := r.claims(); len(claims.Refusals) != 0 {
		t.Fatalf("refusals %v", claims.Refusals)
	}
}

// An order that rests on the policy before the present one counts, when the present one still has the rule.
func TestOrderOnItsWayWhileThePolicyChanges(t *testing.T) {
	r := enrolledRig(t, 16, cuba)
	n := r.seal(r.notice(ruleCuba))
	r.policy.Hash = sha256.Sum256([]byte("policy 2"))
	ans := r.answer(r.claims().Sequence, n)
	ans.Policy = &r.policy
	r.applied(r.accept(ans), n)
}

func TestPolicyFloors(t *testing.T) {
	for _, tc := range []struct {
		want   agent.Reason
		change func(p *protocol.Policy)
	}{
		{agent.PolicyRolledBack, func(p *protocol.Policy) { p.Effective = p.Effective.Add(-time.Second) }},
		{agent.PolicyNoticeTooShort, func(p *protocol.Policy) { p.NoticeDays = 6 }},
		{agent.PolicyTooFewShown, func(p *protocol.Policy) { p.ShownDays = 2 }},
		{agent.PolicyTooFewShown, func(p *protocol.Policy) { p.ShownDays = 300 }},
		{agent.PolicyTooFewDays, func(p *protocol.Policy) { p.Observation.Days = 2 }},
		{agent.PolicyTooFewDays, func(p *protocol.Policy) { p.Observation.Percent = 49 }},
		{agent.PolicyTooFewDays, func(p *protocol.Policy) { p.Observation.Window = 2 }},
		{agent.PolicyLockTooLong, func(p *protocol.Policy) { p.LockDays = 731 }},
		{agent.PolicyLockTooLong, func(p *protocol.Policy) { p.LockDays = 0 }},
		{agent.PolicyIncomplete, func(p *protocol.Policy) { p.Rules[0].Source = "" }},
		{agent.PolicyIncomplete, func(p *protocol.Policy) { p.Rules[0].ReviewBy = 0 }},
		{agent.PolicyIncomplete, func(p *protocol.Policy) { p.Contact = protocol.Contact{Name: "nobody"} }},
	} {
		r := enrolledRig(t, 17, cuba)
		bad := usualPolicy()
		bad.Hash = sha256.Sum256([]byte("bad"))
		tc.change(&bad)
		ans := r.answer(r.claims().Sequence)
		ans.Policy = &bad
		out := r.accept(ans)
		if len(out.Refused) != 1 || out.Refused[0].Reason != string(tc.want) || out.Refused[0].Order != order.ID(bad.Hash) {
			t.Errorf("%v: refused %v", tc.want, out.Refused)
		}
		if claims := r.claims(); claims.PolicyHash != r.policy.Hash || len(claims.Refusals) != 1 {
			t.Errorf("%v: policy %x, refusals %v", tc.want, claims.PolicyHash, claims.Refusals)
		}
		if tc.want == agent.PolicyRolledBack {
			continue
		}
		fresh := newRig(t, 18)
		fresh.policy = bad
		answer, err := fresh.enrolAnswer().Marshal()
		must(t, err)
		if err := fresh.agent.AcceptEnrolment(answer); err == nil || fresh.agent.Enrolled() {
			t.Errorf("%v: enrolled under a policy below the floors: %v", tc.want, err)
		}
	}
}
