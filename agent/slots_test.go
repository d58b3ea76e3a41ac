package agent

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// crowded is the state of a device in Cuba under a policy with many rules.
func crowded() *state {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	s := &state{Activation: &territory.Activation{Territory: "CU", Day: territory.DayOf(at) - 5}}
	s.Clock.read(reading{at.Unix(), 0, "a"})
	s.Clock.contact(at)
	s.trust(someOfficers())
	s.Signed = true
	s.Policy = protocol.Policy{NoticeDays: 7, ShownDays: 3, LockDays: 30}
	for i := range 600 {
		s.Policy.Rules = append(s.Policy.Rules, protocol.Rule{
			ID: ruleID(i), Codes: []territory.Code{"CU"}, Name: "n", LegalBasis: "l", Source: "s", ReviewBy: math.MaxInt32,
		})
	}
	return s
}

func ruleID(i int) string { return fmt.Sprintf("rule-%d", i) }

// issued is an order on rule i, the index-th of the ledger, issued so many seconds after the clock's last contact.
func issued(s *state, kind order.Kind, i int, index uint64, after int64, cause order.Cause) opened {
	at := time.Unix(s.Clock.Server+after, 0).UTC()
	o := opened{index: index, leaf: order.Leaf{
		Kind: kind, Ground: order.Ground{Kind: order.Rule, ID: ruleID(i)}, Territory: "CU", IssuedAt: at, Cause: cause,
	}}
	if kind == order.Notice {
		o.leaf.Deadline = at.Add(10 * day)
	}
	o.id = order.ID{byte(index), byte(index >> 8), byte(kind)}
	return o
}

func TestSlotsAreBounded(t *testing.T) {
	s := crowded()
	for i := range evidence.MaxGrounds {
		if reason := s.obey(issued(s, order.Notice, i, uint64(i), 0, 0), evidence.BootVerified, brought{}); reason != "" {
			t.Fatal(reason)
		}
	}
	if reason := s.obey(issued(s, order.Notice, 16, 16, 0, 0), evidence.BootVerified, brought{}); reason != TooManyGrounds {
		t.Fatalf("a notice beyond the slots: %q", reason)
	}
	// Lifts on unknown grounds count though every slot is in force.
	s.obey(issued(s, order.Lift, 17, 17, 10, order.ByHuman), evidence.BootVerified, brought{})
	s.obey(issued(s, order.Lift, 18, 18, 20, order.ByRule), evidence.BootVerified, brought{})
	// A lifted ground gives way.
	s.obey(issued(s, order.Lift, 3, 19, 0, order.ByHuman), evidence.BootVerified, brought{})
	for _, tc := range []struct {
		rule  int
		after int64
		want  Reason
	}{
		{17, 100, GroundFinallyLifted},
		{18, 20, OlderThanLift}, {19, 20, OlderThanLift}, // more than was lifted, never less
		{18, 21, ""},
		{3, 100, GroundFinallyLifted}, // its tombstone stayed
		{20, 100, TooManyGrounds},
	} {
		o := issued(s, order.Notice, tc.rule, 100+uint64(tc.rule), tc.after, 0)
		if got := s.obey(o, evidence.BootVerified, brought{}); got != tc.want {
			t.Errorf("rule %d: %q, want %q", tc.rule, got, tc.want)
		}
	}
}

// When no tombstone fits any more, no new ground is taken: nothing that was lifted for good is ever forgotten.
func TestTombstonesAreBounded(t *testing.T) {
	s := crowded()
	for i := range 500 {
		s.obey(issued(s, order.Lift, i, uint64(i), 0, order.ByHuman), evidence.BootVerified, brought{})
	}
	if len(s.Restrictions) > evidence.MaxGrounds || len(s.Tombstones) > maxTombstones {
		t.Fatalf("%d slots, %d tombstones", len(s.Restrictions), len(s.Tombstones))
	}
	for i := range 600 {
		if reason := s.obey(issued(s, order.Notice, i, 1000+uint64(i), 100, 0), evidence.BootVerified, brought{}); reason == "" {
			t.Fatalf("rule %d: noticed again", i)
		}
	}
}

// Whatever comes in whatever sequence: a ground lifted for good is never in force again, the bounds hold, and the record
// survives writing and reading.
func TestSlotsOverRandomOrders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := crowded()
		final := map[string]bool{}
		for n := range rapid.IntRange(1, 300).Draw(t, "orders") {
			i := rapid.IntRange(0, 40).Draw(t, "rule")
			kind, cause := order.Notice, order.Cause(0)
			if rapid.Bool().Draw(t, "lift") {
				kind, cause = order.Lift, rapid.SampledFrom([]order.Cause{order.ByRule, order.ByHuman}).Draw(t, "cause")
			}
			o := issued(s, kind, i, uint64(n), rapid.Int64Range(0, 50).Draw(t, "after"), cause)
			if reason := s.obey(o, evidence.BootVerified, brought{}); kind == order.Lift && reason != "" {
				t.Fatalf("a lift was refused: %v", reason)
			}
			if cause.Final() {
				final[ruleID(i)] = true
			}
			for _, r := range s.Restrictions {
				if r.Stage != order.Lifted && final[r.Ground.ID] {
					t.Fatalf("%v is %v after a final lift", r.Ground, r.Stage)
				}
				if kind == order.Lift && r.Ground == o.leaf.Ground && r.Stage != order.Lifted {
					t.Fatalf("%v is %v after a lift", r.Ground, r.Stage)
				}
			}
			if len(s.Restrictions) > evidence.MaxGrounds || len(s.Tombstones) > maxTombstones || len(s.Refusals) > evidence.MaxRefusals {
				t.Fatal("a bound is broken")
			}
		}
	})
}

// A tie in time is broken by the ledger's index, in whatever sequence the orders arrive.
func TestLiftAndNoticeOfOneSecond(t *testing.T) {
	for _, tc := range []struct {
		lift, notice uint64
		want         Reason
	}{{5, 4, OlderThanLift}, {5, 6, ""}} {
		s := crowded()
		s.obey(issued(s, order.Lift, 0, tc.lift, 0, order.ByRule), evidence.BootVerified, brought{})
		if got := s.obey(issued(s, order.Notice, 0, tc.notice, 0, 0), evidence.BootVerified, brought{}); got != tc.want {
			t.Errorf("lift %d, notice %d: %q, want %q", tc.lift, tc.notice, got, tc.want)
		}
	}
}

func TestRefusalsAreBoundedAndAcknowledged(t *testing.T) {
	s := &state{}
	for i := range 40 {
		s.Sequence = uint64(i)
		s.refuse(order.ID{byte(i)}, NoNotice)
	}
	if len(s.Refusals) != evidence.MaxRefusals || s.Refusals[0].Order != (order.ID{24}) {
		t.Fatalf("%d refusals, the first %v", len(s.Refusals), s.Refusals[0].Order)
	}
	s.refuse(order.ID{30}, AlreadyLocked)
	if last := s.Refusals[len(s.Refusals)-1]; len(s.Refusals) != evidence.MaxRefusals || last.Order != (order.ID{30}) || last.Reason != string(AlreadyLocked) {
		t.Fatalf("%d refusals, the last %v", len(s.Refusals), last)
	}
	s.acknowledge(39) // evidence 39 left before the last refusal was made
	if len(s.Refusals) != 2 {
		t.Fatalf("%d refusals left, want 2", len(s.Refusals))
	}
}

func TestDaysAreBoundedAndAcknowledged(t *testing.T) {
	s := crowded()
	s.Activation = nil
	s.Device[0] = 1
	s.Policy.Observation = territory.Observation{Days: 3, Window: 3, Percent: 95}
	in := func(code territory.Code) territory.Assessment {
		return territory.Assessment{Candidates: []territory.Candidate{{Territory: code, Probability: 0.99}}, Agree: territory.Kinds(0).With(territory.GNSS)}
	}
	next := func() {
		s.Clock.read(reading{s.Clock.Wall + 86400, s.Clock.Uptime + day, "a"})
	}
	s.observe(in("DE"))
	for range 100 {
		next()
		s.observe(territory.Assessment{})
	}
	if len(s.Days) != maxDays || s.Earlier == nil || s.Earlier.Territory != "DE" {
		t.Fatalf("%d days, earlier %v", len(s.Days), s.Earlier)
	}
	for range 3 {
		next()
		s.observe(in("CU"))
	}
	if s.Activation == nil || s.Activation.Territory != "CU" || !s.Activation.Mixed {
		t.Fatalf("a day that was dropped was forgotten: activation %+v", s.Activation)
	}
	s.Sequence = 7
	s.acknowledge(7)
	if n := len(s.unreported()); n != 0 {
		t.Fatalf("%d days after all were acknowledged", n)
	}
	s.observe(in("DE")) // a conflict today: the record changed
	if n := len(s.unreported()); n != 1 {
		t.Fatalf("%d days to report, want the one that changed", n)
	}
}
