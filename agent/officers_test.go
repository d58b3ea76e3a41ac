package agent_test

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// tell delivers metadata, and orders, in a check-in.
func (r *rig) tell(u *tuf.Update, sealed ...order.Sealed) agent.Outcome {
	r.Helper()
	ans := r.answer(r.claims().Sequence, sealed...)
	ans.Metadata = u
	return r.accept(ans)
}

// told requires metadata to be taken without a word.
func (r *rig) told(u *tuf.Update) {
	r.Helper()
	if out := r.tell(u); len(out.Refused) != 0 {
		r.Fatalf("refused %v", out.Refused)
	}
}

// unheeded requires metadata to be refused for a reason, reported under their timestamp's hash, and to change nothing.
func (r *rig) unheeded(u *tuf.Update, reason agent.Reason) {
	r.Helper()
	before := r.claims().Metadata
	out := r.tell(u)
	want := evidence.Refusal{Order: sha256.Sum256(u.Timestamp), Reason: string(reason)}
	if len(out.Refused) != 1 || out.Refused[0] != want {
		r.Fatalf("refused %v, want %v", out.Refused, want)
	}
	after := r.claims()
	if after.Metadata != before {
		r.Fatalf("metadata %+v became %+v", before, after.Metadata)
	}
	for _, reported := range after.Refusals {
		if reported == want {
			return
		}
	}
	r.Fatalf("%v is not in the next evidence: %v", want, after.Refusals)
}

// fresh makes a repository's timestamp newer than another's: what a server that was taken over can do with its own keys.
func fresh(r, than *tuftest.Repository, now time.Time) *tuf.Update {
	for r.Versions().Timestamp <= than.Versions().Timestamp {
		r.Refresh(now)
	}
	u := r.Update(0)
	return &u
}

// forged is a policy that no officer signed: it prohibits Germany.
func forged() protocol.Policy {
	p := usualPolicy()
	p.Hash, p.Effective = sha256.Sum256([]byte("forged")), p.Effective.AddDate(0, 1, 0)
	rule := p.Rules[0]
	rule.ID, rule.Codes = "germany", []territory.Code{"DE"}
	p.Rules = append(p.Rules, rule)
	return p
}

func TestEvidenceTellsTheMetadata(t *testing.T) {
	r := enrolledRig(t, 200, cuba)
	v := r.officers.Repository.Versions()
	if got := r.claims().Metadata; got != (evidence.MetadataVersions{Root: v.Root, Timestamp: v.Timestamp}) {
		t.Fatalf("%+v, want those of %+v", got, v)
	}
	r.told(r.metadata())
	r.open()
	if got := r.claims().Metadata.Timestamp; got != r.officers.Repository.Versions().Timestamp {
		t.Fatalf("timestamp %d", got)
	}
}

// Whatever is wrong with an update, the device keeps what it had, says why, and follows what needs no officers.
func TestBrokenMetadataAreRefusedByName(t *testing.T) {
	r, _ := lockedRig(t, 201)
	seen := map[string]bool{}
	for _, role := range []string{tuf.Root, tuf.Targets, tuf.Policy, tuf.Warrant, tuf.Snapshot, tuf.Timestamp} {
		for _, fault := range tuftest.Faults() {
			if !tuftest.Possible(fault, role) {
				continue
			}
			r.told(r.metadata())
			u := r.officers.Repository.Break(fault, role).Update(0)
			if fault == tuftest.Expired && (role == tuf.Policy || role == tuf.Warrant) {
				r.told(&u) // the others' do not suffer
				r.officers.Repository.Publish(r.phone.True)
				r.officers.Repository.Publish(r.phone.True)
				continue
			}
			trusted, err := tuf.Open(r.officers.Repository.Root(1))
			must(t, err)
			trusted, _, err = trusted.Apply(*r.metadata(), r.phone.True)
			must(t, err)
			_, _, err = trusted.Apply(u, r.phone.True)
			name := string(tuf.FaultOf(err))
			if !strings.HasPrefix(name, "metadata-") {
				t.Fatalf("%s in %s: %v", fault, role, err)
			}
			r.told(r.metadata())
			u = r.officers.Repository.Break(fault, role).Update(0)
			r.unheeded(&u, agent.Reason(name))
			seen[name] = true
		}
	}
	r.told(r.metadata())
	garbage := r.metadata()
	garbage.Targets = []byte("{}")
	r.unheeded(garbage, agent.MetadataMixed)
	garbage = r.metadata()
	garbage.Timestamp = []byte("{}")
	r.unheeded(garbage, agent.MetadataMalformed)
	for _, want := range []agent.Reason{
		agent.MetadataOversized, agent.MetadataThreshold, agent.MetadataUnsigned, agent.MetadataRootGap, agent.MetadataRolledBack, agent.MetadataExpired,
	} {
		if !seen[string(want)] {
			t.Errorf("nothing was refused as %s", want)
		}
	}
	r.stage(order.Locked)
	lift := r.seal(r.lift(ruleCuba, order.ByHuman))
	out := r.tell(garbage, lift)
	if len(out.Applied) != 1 || len(out.Refused) != 1 {
		t.Fatalf("a lift beside refused metadata: %+v", out)
	}
	r.stage(order.Lifted)
}

// The answer's other parts do not wait for metadata: the epoch, the acknowledgement, the count of unlock codes.
func TestRefusedMetadataCostNothingElse(t *testing.T) {
	r := enrolledRig(t, 202, cuba)
	must(t, r.agent.Observe(signals(berlin)))
	before := r.claims()
	ans := r.answer(before.Sequence)
	ans.Metadata = r.metadata()
	ans.Metadata.Policy = []byte("x")
	if out := r.accept(ans); len(out.Refused) != 1 {
		t.Fatalf("%+v", out)
	}
	after := r.claims()
	if len(before.Days) == 0 || len(after.Days) != 0 || !bytes.Equal(after.Epoch, ans.Epoch) {
		t.Fatalf("the rest of the answer was lost: %+v", after)
	}
}

// A policy, or a warrant, without metadata in the same answer counts for nothing.
func TestNothingCountsWithoutItsMetadata(t *testing.T) {
	r := enrolledRig(t, 203, berlin)
	p := forged()
	must(t, r.officers.SignPolicy(p))
	w := r.warrant("w1")
	must(t, r.officers.SignWarrant(w))
	r.told(r.metadata())
	notice, _ := r.hold(w)
	s := r.seal(notice)
	ans := r.answer(r.claims().Sequence, s)
	ans.Policy, ans.Warrants = &p, r.held(w)
	data, err := ans.Marshal()
	must(t, err)
	out, err := r.agent.Accept(data)
	must(t, err)
	want := []evidence.Refusal{{Order: p.Hash, Reason: string(agent.PolicyUnsigned)}, {Order: s.ID(), Reason: string(agent.WarrantUnsigned)}}
	if len(out.Refused) != 2 || out.Refused[0] != want[0] || out.Refused[1] != want[1] {
		t.Fatalf("%+v", out)
	}
	if r.claims().PolicyHash == p.Hash {
		t.Fatal("the policy was taken")
	}
}

// A server that was taken over signs a new timestamp over an old policy role, which is unexpired and was genuine once.
func TestReplayOfAnOldPolicyRole(t *testing.T) {
	r := enrolledRig(t, 204, cuba)
	old := r.officers.Repository.Clone()
	lenient := r.policy
	lenient.Rules, lenient.Hash = lenient.Rules[1:], sha256.Sum256([]byte("without Cuba"))
	ans := r.answer(r.claims().Sequence)
	ans.Policy = &lenient
	r.accept(ans)
	if r.claims().PolicyHash != lenient.Hash {
		t.Fatal("the new policy was not taken")
	}
	r.unheeded(fresh(old, r.officers.Repository, r.phone.True), agent.MetadataRolledBack)
	ans = r.answer(r.claims().Sequence)
	ans.Policy, ans.Metadata = &r.policy, fresh(old, r.officers.Repository, r.phone.True)
	if out := r.accept(ans); len(out.Refused) != 2 || out.Refused[1].Reason != string(agent.PolicyUnsigned) {
		t.Fatalf("%+v", out)
	}
	s := r.seal(r.notice(ruleCuba))
	r.refused(r.checkIn(s), s, agent.RuleUnknown)
}

// A device that is told of nothing new, or of new timestamps only, follows its policy as long as the officers' signatures last.
func TestFreezeEndsWithThePolicyRole(t *testing.T) {
	for name, told := range map[string]func(r *rig){
		"no metadata at all":  func(r *rig) { r.checkIn() },
		"new timestamps only": func(r *rig) { r.told(r.metadata()) },
	} {
		t.Run(name, func(t *testing.T) {
			r := enrolledRig(t, 205, cuba)
			signed := r.phone.True.Add(-3 * day) // when the policy was, at the enrolment
			for r.phone.True.Before(signed.Add(389 * day)) {
				r.phone.Wait(day)
				told(r)
			}
			n := r.notice(ruleCuba)
			sn, sl := r.seal(n), r.seal(r.lock(n))
			r.applied(r.checkIn(sn, sl), sn, sl)
			for range 12 { // the lock would take hold on the eleventh day
				r.live(cuba)
				told(r)
			}
			r.stage(order.Noticed)
			want := evidence.Refusal{Order: sl.ID(), Reason: string(agent.PolicyExpired)}
			s := r.seal(r.notice(ruleCuba))
			r.refused(r.checkIn(s), s, agent.PolicyExpired)
			again := r.checkIn(sl)
			if len(again.Refused) != 1 || again.Refused[0] != want {
				t.Fatalf("the lock that waited: %+v", again)
			}
			r.officers.Repository.Publish(r.phone.True) // the officers sign again
			r.told(r.metadata())
			r.applied(r.checkIn(sl), sl)
			r.stage(order.Locked)
		})
	}
}

// A server that stops the clock of a device, in steps none of which alone raises doubt, or sets it back, does not make signatures last longer:
// nothing escalates while it lies, and when it tells the truth they have ended.
func TestFreezeByAServerThatLiesAboutTheDate(t *testing.T) {
	for name, lie := range map[string]func(r *rig){
		"stopped":  func(r *rig) { r.lie -= 11 * time.Hour },
		"set back": func(r *rig) { r.lie = -300 * day },
	} {
		t.Run(name, func(t *testing.T) {
			r := enrolledRig(t, 214, cuba)
			end := r.phone.True.Add(397 * day) // of the policy that was signed at the enrolment, three days ago
			for r.phone.True.Before(end) {
				r.phone.Wait(11 * time.Hour)
				lie(r)
				r.checkIn()
			}
			r.told(r.metadata())
			s := r.seal(r.notice(ruleCuba))
			r.refused(r.checkIn(s), s, agent.ClockDoubtful)
			r.lie = 0
			r.checkIn()
			r.checkIn()
			s = r.seal(r.notice(ruleCuba))
			r.refused(r.checkIn(s), s, agent.PolicyExpired)
			r.officers.SignAnew(r.phone.True)
			r.told(r.metadata())
			r.applied(r.checkIn(s), s)
		})
	}
}

// What a device was switched off may be taken off its date by a server, for want of another witness than its wall clock. By its own calendar
// signatures, reviews and warrants end all the same.
func TestTimeSwitchedOffKeepsNothingAlive(t *testing.T) {
	r := enrolledRig(t, 217, cuba)
	end := r.phone.True.Add(400 * day)
	for r.phone.True.Before(end) {
		r.phone.Off(8 * time.Hour)
		r.open()
		r.lie -= 8 * time.Hour
		r.checkIn()
		r.phone.Wait(16 * time.Hour)
		r.checkIn()
	}
	if v := r.agent.Screen(); v.ClockDoubt {
		t.Fatal("the lie was noticed, which is not what this is about")
	}
	r.told(r.metadata())
	s := r.seal(r.notice(ruleCuba))
	r.refused(r.checkIn(s), s, agent.PolicyExpired)
}

// A phone that lay in a drawer, whose own time stood still, takes signatures for expired by the date that it is told.
func TestSignaturesExpireByTheDateToo(t *testing.T) {
	r := enrolledRig(t, 216, cuba)
	for range 7 {
		r.phone.Off(60 * day) // longer than the wall clock is believed
		r.open()
		r.checkIn()
		r.checkIn()
	}
	if v := r.agent.Screen(); v.ClockDoubt {
		t.Fatal("the clock is still in doubt")
	}
	s := r.seal(r.notice(ruleCuba))
	r.refused(r.checkIn(s), s, agent.PolicyExpired)
}

// A date before 1970 is an end like any other that has come.
func TestSignaturesThatEndedBefore1970(t *testing.T) {
	r := enrolledRig(t, 215, cuba)
	r.officers.Repository.Edit(tuf.Policy, func(signed map[string]any) { signed["expires"] = "1969-12-31T23:59:59Z" })
	r.officers.SignAnew(r.phone.True)
	r.told(r.metadata())
	r.open()
	s := r.seal(r.notice(ruleCuba))
	r.refused(r.checkIn(s), s, agent.PolicyExpired)
}

// A pending lock that comes due when the signatures have expired waits no longer.
func TestPendingLockGivesUpWhenSignaturesExpire(t *testing.T) {
	r := enrolledRig(t, 206, cuba)
	for range 385 {
		r.phone.Wait(day)
		r.checkIn()
	}
	n := r.notice(ruleCuba)
	n.Deadline = n.IssuedAt.Add(20 * day)
	sn, sl := r.seal(n), r.seal(r.lock(n))
	r.applied(r.checkIn(sn, sl), sn, sl)
	for range 21 {
		r.live(cuba)
	}
	r.stage(order.Noticed)
	if v := r.agent.Screen(); !v.EffectAt.IsZero() {
		t.Fatalf("a lock still waits: %+v", v.GroundView)
	}
}

// Whoever has the server's keys for once can make versions so high that the true ones look old: a new root with new keys mends it.
func TestFastForwardEndsWithANewRoot(t *testing.T) {
	r := enrolledRig(t, 207, cuba)
	attacked := r.officers.Repository.Clone()
	for _, role := range []string{tuf.Snapshot, tuf.Timestamp} {
		attacked.Edit(role, func(signed map[string]any) { signed["version"] = uint64(1) << 40 })
	}
	attacked.Refresh(r.phone.True)
	u := attacked.Update(0)
	r.told(&u)
	r.unheeded(r.metadata(), agent.MetadataRolledBack)
	r.officers.Repository.Rotate(r.phone.True, tuftest.Rotation{Online: true})
	r.told(r.metadata())
	s := r.seal(r.notice(ruleCuba))
	r.applied(r.checkIn(s), s)
}

// A warrant holds the devices of its cohort, and no other.
func TestHoldOutsideTheCohort(t *testing.T) {
	r := enrolledRig(t, 208, berlin)
	others, members, err := agenttest.Cohort("secret", "356938035643809", "490154203237518")
	must(t, err)
	_, own := r.cohort()
	w := r.warrant("w1")
	w.Cohort = others
	notice, lock := r.hold(w)
	for name, m := range map[string]protocol.Member{
		"another device's proof": members["490154203237518"], "no proof": {}, "a proof in another cohort": own,
	} {
		s := r.seal(notice)
		ans := r.answer(r.claims().Sequence, s, r.seal(lock))
		if m.Index >= others.Size {
			m.Index = 0 // or else the answer cannot be written
		}
		ans.Warrants = []protocol.Held{{Warrant: w, Member: m}}
		if out := r.accept(ans); len(out.Refused) != 2 || out.Refused[0].Reason != string(agent.NotInCohort) {
			t.Fatalf("%s: %+v", name, out)
		}
		r.stage(order.Observed)
	}
}

// An id stands for one document: a server cannot put another in its place, nor can officers once the owner was told.
func TestWarrantIDWithOtherContent(t *testing.T) {
	r := enrolledRig(t, 209, berlin)
	w := r.warrant("w1")
	must(t, r.officers.SignWarrant(w))
	longer := w
	longer.EndsAt = w.EndsAt.Add(20 * day)
	notice, lock := r.hold(longer)
	ans := r.answer(r.claims().Sequence, r.seal(notice), r.seal(lock))
	ans.Warrants, ans.Metadata = r.held(longer), r.metadata() // which list w
	if out := r.accept(ans); len(out.Refused) != 2 || out.Refused[0].Reason != string(agent.WarrantUnsigned) {
		t.Fatalf("%+v", out)
	}
	r.stage(order.Observed)

	notice, _ = r.hold(w)
	s := r.seal(notice)
	r.applied(r.deliver([]protocol.Warrant{w}, s), s)
	notice, _ = r.hold(longer)
	s = r.seal(notice)
	r.refused(r.deliver([]protocol.Warrant{longer}, s), s, agent.WarrantMismatch)
	if v := r.agent.Screen(); v.Stage != order.Noticed || !v.EndsAt.Equal(w.EndsAt) {
		t.Fatalf("%+v", v.GroundView)
	}
	r.phone.Wait(w.EndsAt.Sub(r.phone.True))
	r.stage(order.Lifted)
	r.phone.Wait(time.Hour)
	notice, _ = r.hold(longer)
	s = r.seal(notice)
	r.refused(r.deliver([]protocol.Warrant{longer}, s), s, agent.WarrantMismatch)
}

// What the officers sign no more supports nothing more, although the signatures over it would last.
func TestPolicyThatOfficersWithdrew(t *testing.T) {
	r := enrolledRig(t, 210, cuba)
	n := r.notice(ruleCuba)
	sn, sl := r.seal(n), r.seal(r.lock(n))
	r.applied(r.checkIn(sn, sl), sn, sl)
	withdrawn := r.officers.Repository
	withdrawn.Drop(tuf.Policy, tuf.PolicyPath(r.policy.Hash))
	withdrawn.Publish(r.phone.True)
	r.told(r.metadata())
	for range 12 {
		r.live(cuba)
	}
	r.stage(order.Noticed)
	r.refused(r.checkIn(sl), sl, agent.PolicyUnsigned)
	data, err := r.policy.Marshal()
	must(t, err)
	withdrawn.Add(tuf.Policy, tuf.PolicyPath(r.policy.Hash), data)
	withdrawn.Publish(r.phone.True)
	r.told(r.metadata())
	r.applied(r.checkIn(sl), sl)
	r.stage(order.Locked)
}

// The lists of policies and of warrants expire each for itself.
func TestExpiredListsAreRefusedByName(t *testing.T) {
	r := enrolledRig(t, 211, berlin)
	w, p := r.warrant("w1"), forged()
	must(t, r.officers.SignWarrant(w))
	must(t, r.officers.SignPolicy(p))
	r.told(r.metadata())
	notice, _ := r.hold(w)
	s := r.seal(notice)
	ans := r.answer(r.claims().Sequence, s)
	u := r.officers.Repository.Break(tuftest.Expired, tuf.Warrant).Update(0)
	ans.Warrants, ans.Metadata = r.held(w), &u
	r.refused(r.accept(ans), s, agent.WarrantExpired)
	r.officers.Repository.Publish(r.phone.True)

	ans = r.answer(r.claims().Sequence)
	u = r.officers.Repository.Break(tuftest.Expired, tuf.Policy).Update(0)
	ans.Policy, ans.Metadata = &p, &u
	out := r.accept(ans)
	if len(out.Refused) != 1 || out.Refused[0] != (evidence.Refusal{Order: p.Hash, Reason: string(agent.PolicyExpired)}) {
		t.Fatalf("%+v", out)
	}
}

// When officers come and go, a device follows the chain of roots, and the signatures of those who left count no more.
func TestOfficersComeAndGo(t *testing.T) {
	r := enrolledRig(t, 212, cuba)
	before := r.officers.Repository.Clone()
	for range 3 {
		r.officers.Repository.Rotate(r.phone.True, tuftest.Rotation{Add: 1, Remove: 1})
	}
	r.told(r.metadata())
	if v := r.claims().Metadata; v.Root != 4 {
		t.Fatalf("root %d", v.Root)
	}
	before.Add(tuf.Policy, tuf.PolicyPath(forged().Hash), []byte("x"))
	before.Publish(r.phone.True)
	before.Publish(r.phone.True)
	u := fresh(before, r.officers.Repository, r.phone.True)
	u.Roots = nil
	r.unheeded(u, agent.MetadataUnsigned)
	s := r.seal(r.notice(ruleCuba))
	r.applied(r.checkIn(s), s)
}
