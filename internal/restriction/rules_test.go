package restriction

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

var (
	now   = time.Date(2021, 9, 20, 8, 0, 0, 0, time.UTC)
	terms = Terms{NoticeDays: 14, ShownDays: 5, SeenWithin: 14 * day}
	fine  = Standing{Support: Holds, Attestation: policy.Genuine, LastSeen: now.Add(-time.Hour)}
)

// ripe is a restriction whose lock is due.
func ripe() *Restriction {
	return &Restriction{Stage: order.Noticed, Round: 1, NoticedAt: now.Add(-16 * day), Deadline: now.Add(-day), ShownDays: 5, Applied: order.Noticed}
}

func with(change func(*Restriction)) *Restriction {
	r := ripe()
	change(r)
	return r
}

func standing(change func(*Standing)) Standing {
	s := fine
	change(&s)
	return s
}

func TestDue(t *testing.T) {
	lifted := func(c order.Cause) *Restriction {
		return with(func(r *Restriction) { r.Stage, r.Cause = order.Lifted, c })
	}
	locked := with(func(r *Restriction) { r.Stage, r.EndsAt = order.Locked, now.Add(time.Second) })
	for _, tc := range []struct {
		name string
		r    *Restriction
		s    Standing
		want Action
	}{
		{"a denial begins with a notice", nil, fine, Notify},
		{"not in doubt about the clock", nil, standing(func(s *Standing) { s.ClockDoubt = true }), Nothing},
		{"not on a custom system", nil, standing(func(s *Standing) { s.Attestation = policy.Custom }), Nothing},
		{"not on an unknown one", nil, standing(func(s *Standing) { s.Attestation = policy.AttestationUnknown }), Nothing},
		{"not when indeterminate", nil, standing(func(s *Standing) { s.Support = Unclear }), Nothing},
		{"not when permitted", nil, standing(func(s *Standing) { s.Support = Gone }), Nothing},
		{"again after a lift by rule", lifted(order.ByRule), fine, Notify},
		{"never after a human's", lifted(order.ByHuman), fine, Nothing},
		{"never after a case's", lifted(order.ByCase), fine, Nothing},
		{"never after a code", lifted(order.ByCode), fine, Nothing},
		{"not after it ran its full course", lifted(order.ByEnd), fine, Nothing},
		{"a lock is proposed", ripe(), fine, Propose},
		{"not twice", with(func(r *Restriction) { r.Wave = 7 }), fine, Nothing},
		{"not before the deadline", with(func(r *Restriction) { r.Deadline = now.Add(time.Second) }), fine, Nothing},
		{"at the deadline", with(func(r *Restriction) { r.Deadline = now }), fine, Propose},
		{"not shown on too few days", with(func(r *Restriction) { r.ShownDays = 4 }), fine, Nothing},
		{"not while an appeal is open", with(func(r *Restriction) { r.Appealing = true }), fine, Nothing},
		{"not when unseen for long", ripe(), standing(func(s *Standing) { s.LastSeen = now.Add(-15 * day) }), Nothing},
		{"not when the device refused the notice", with(func(r *Restriction) { r.AppliedNote = "activated-elsewhere" }), fine, Nothing},
		{"withdrawn by doubt", with(func(r *Restriction) { r.Wave = 7 }), standing(func(s *Standing) { s.ClockDoubt = true }), Withdraw},
		{"withdrawn when indeterminate", with(func(r *Restriction) { r.Wave = 7 }), standing(func(s *Standing) { s.Support = Unclear }), Withdraw},
		{"withdrawn by an appeal", with(func(r *Restriction) { r.Wave, r.Appealing = 7, true }), fine, Withdraw},
		{"lifted when permitted", ripe(), standing(func(s *Standing) { s.Support = Gone }), LiftGone},
		{"lifted when permitted, locked", locked, standing(func(s *Standing) { s.Support = Gone }), LiftGone},
		{"kept when indeterminate", ripe(), standing(func(s *Standing) { s.Support = Unclear }), Nothing},
		{"kept when indeterminate, locked", locked, standing(func(s *Standing) { s.Support = Unclear }), Nothing},
		{"kept until its end", locked, fine, Nothing},
		{"lifted at its end", with(func(r *Restriction) { r.Stage, r.EndsAt = order.Locked, now }), fine, LiftEnd},
		{"lifted at its end, in doubt", with(func(r *Restriction) { r.Stage, r.EndsAt = order.Locked, now }), Standing{}, LiftEnd},
		{"lifted at its warrant's end", ripe(), standing(func(s *Standing) { s.Support = Ended }), LiftEnd},
		{"told again when it did not arrive", with(func(r *Restriction) { r.Applied, r.Deadline = order.Observed, now.Add(8*day-1) }), fine, Remind},
		{"not yet", with(func(r *Restriction) { r.Applied, r.Deadline = order.Observed, now.Add(8*day) }), fine, Nothing},
		{"told again when it came too late", with(func(r *Restriction) {
			r.Applied, r.Deadline, r.AppliedNote = order.Observed, now.Add(9*day), "notice-too-short"
		}), fine, Remind},
		{"told again under the policy that the device has", with(func(r *Restriction) {
			r.Applied, r.Deadline, r.AppliedNote = order.Observed, now.Add(9*day), "policy-unknown"
		}), standing(func(s *Standing) { s.HasPolicy = true }), Remind},
		{"not under one that it has not", with(func(r *Restriction) {
			r.Applied, r.Deadline, r.AppliedNote = order.Observed, now.Add(9*day), "policy-unknown"
		}), fine, Nothing},
		{"not told again in doubt", with(func(r *Restriction) { r.Applied, r.Deadline = order.Observed, now }), Standing{Support: Holds}, Nothing},
	} {
		if got := Due(tc.r, tc.s, terms, now); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestSupport(t *testing.T) {
	for _, tc := range []struct {
		d    policy.Decision
		want Support
	}{
		{policy.Decision{}, Unclear},
		{policy.Decision{Rule: "cuba"}, Unclear},
		{policy.Decision{Verdict: policy.Deny, Rule: "cuba"}, Holds},
		{policy.Decision{Verdict: policy.Deny, Rule: "iran"}, Gone},
		{policy.Decision{Verdict: policy.Permit, Rule: "cuba"}, Gone},
		{policy.Decision{Verdict: policy.Permit}, Gone},
	} {
		if got := OfRule("cuba", tc.d); got != tc.want {
			t.Errorf("%+v: %v, want %v", tc.d, got, tc.want)
		}
	}
	for _, tc := range []struct {
		held, concluded bool
		ends            time.Time
		want            Support
	}{
		{true, false, now.Add(1), Holds}, {true, false, now, Ended}, {false, false, now.Add(1), Unclear}, {false, true, now.Add(1), Gone},
		{true, true, now.Add(-1), Gone},
	} {
		if got := OfWarrant(tc.held, tc.concluded, tc.ends, now); got != tc.want {
			t.Errorf("%+v: %v, want %v", tc, got, tc.want)
		}
	}
}

func anyStanding(t *rapid.T) Standing {
	return Standing{
		Support: Support(rapid.IntRange(0, 3).Draw(t, "support")), Attestation: policy.Attestation(rapid.IntRange(0, 3).Draw(t, "attestation")),
		ClockDoubt: rapid.Bool().Draw(t, "doubt"), LastSeen: now.Add(-time.Duration(rapid.IntRange(0, 30).Draw(t, "seen")) * day),
	}
}

func anyRestriction(t *rapid.T) *Restriction {
	r := &Restriction{
		Round: 1, Stage: order.Stage(rapid.IntRange(1, 3).Draw(t, "stage")), NoticedAt: now.Add(-30 * day),
		Deadline:  now.Add(time.Duration(rapid.IntRange(-20, 20).Draw(t, "deadline")) * day),
		ShownDays: rapid.IntRange(0, 12).Draw(t, "shown"), Wave: int64(rapid.IntRange(0, 1).Draw(t, "wave")),
		Appealing: rapid.Bool().Draw(t, "appealing"), Applied: order.Stage(rapid.IntRange(0, 3).Draw(t, "applied")),
		AppliedNote: rapid.SampledFrom([]string{"", "notice-too-short", "activated-elsewhere"}).Draw(t, "note"),
	}
	switch r.Stage {
	case order.Locked:
		r.EndsAt = now.Add(time.Duration(rapid.IntRange(-20, 20).Draw(t, "ends")) * day)
	case order.Lifted:
		r.Cause = order.Cause(rapid.IntRange(1, 5).Draw(t, "cause"))
	}
	return r
}

// C3, C9, C10: whatever the history, nothing escalates in doubt, under appeal, after a final lift, or before its days are over.
func TestNothingEscalatesInDoubt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, s := anyRestriction(t), anyStanding(t)
		action := Due(r, s, terms, now)
		escalates := action == Notify || action == Propose || action == Remind
		if escalates && (s.ClockDoubt || s.Attestation != policy.Genuine || s.Support != Holds) {
			t.Fatalf("%v in doubt: %+v", action, s)
		}
		if escalates && (r.Final() || r.Appealing && r.Stage != order.Lifted || r.Stage == order.Locked) {
			t.Fatalf("%v after %+v", action, r)
		}
		if action == Propose && (now.Before(r.Deadline) || r.ShownDays < terms.ShownDays || r.Wave != 0) {
			t.Fatalf("proposed too early: %+v", r)
		}
		if s.Support == Unclear && action == LiftGone {
			t.Fatal("an indeterminate decision lifted")
		}
		if r.Stage == order.Lifted && !slices.Contains([]Action{Nothing, Notify}, action) {
			t.Fatalf("%v of a lifted restriction", action)
		}
	})
}

// C8: an active restriction whose end has come, or whose ground is gone, is always lifted.
func TestEndsAlwaysCome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, s := anyRestriction(t), anyStanding(t)
		over := s.Support == Ended || s.Support == Gone || r.Stage == order.Locked && !now.Before(r.EndsAt)
		if action := Due(r, s, terms, now); r.Active() && over && action != LiftEnd && action != LiftGone {
			t.Fatalf("%v of %+v, %+v", action, r, s)
		}
	})
}

// Doubt is never in the way of one thing only: more reasons against a lock never make one due.
func TestMoreDoubtNeverEscalates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, s := anyRestriction(t), anyStanding(t)
		doubted := s
		doubted.ClockDoubt = true
		before, after := Due(r, s, terms, now), Due(r, doubted, terms, now)
		if after == Propose || after == Notify || after == Remind {
			t.Fatalf("%v, with doubt %v", before, after)
		}
	})
}

func TestTimesFallOnNoon(t *testing.T) {
	codes := []territory.Code{"CU", "IR", "SY", "KP", "SD", "UA-43", "US", "RU", "WS", "CK", territory.Unknown}
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(codes).Draw(t, "code")
		at := time.Unix(rapid.Int64Range(1_500_000_000, 1_900_000_000).Draw(t, "at"), 0).UTC()
		noon := NoonAfter(c, at)
		if noon.Before(at) || noon.Sub(at) >= day {
			t.Fatalf("noon after %v in %s is %v", at, c, noon)
		}
		local := noon.Add(time.Duration(offsets[c.Country()]) * time.Hour)
		if local.Hour() != 12 || local.Minute() != 0 || local.Second() != 0 {
			t.Fatalf("noon in %s is at %v", c, local)
		}
		if d := Deadline(c, terms, at); d.Sub(at) < 14*day || d.Sub(at) >= 15*day {
			t.Fatalf("deadline %v after", d.Sub(at))
		}
		if d := Deadline(c, Terms{}, at); d.Sub(at) < order.MinNotice+Arrival {
			t.Fatalf("the floor does not hold: %v", d.Sub(at))
		}
		deadline := at.Add(time.Duration(rapid.IntRange(-30, 30).Draw(t, "deadline")) * time.Hour)
		if e := Effect(c, deadline, at, 36*time.Hour); e.Before(deadline) || e.Before(at.Add(36*time.Hour)) {
			t.Fatalf("effect %v, deadline %v, approved %v", e, deadline, at)
		}
	})
}

// Every listed code is one that exists, and stands once; what a policy names is not left to chance.
func TestOffsetsNameTerritories(t *testing.T) {
	for c, hours := range offsets {
		if !c.Valid() || c.IsSubdivision() || hours < -12 || hours > 14 {
			t.Errorf("%q: %d", c, hours)
		}
	}
	for _, c := range []territory.Code{"CU", "IR", "SY", "KP", "SD", "UA", "ES", "US"} {
		if _, listed := offsets[c]; !listed {
			t.Errorf("%s is not listed", c)
		}
	}
}
