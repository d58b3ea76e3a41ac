package agent_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// An answer may be larger than the policy that a device keeps. A policy that does not fit is refused by name: were it
// taken, no save would succeed, and the lift in the same answer would be lost.
func TestPolicyThatDoesNotFitIsRefused(t *testing.T) {
	huge := usualPolicy()
	huge.Hash = sha256.Sum256([]byte("huge"))
	for i := range 150 {
		rule := huge.Rules[0]
		rule.ID, rule.LegalBasis = fmt.Sprintf("r%d", i), strings.Repeat("x", 2000)
		huge.Rules = append(huge.Rules, rule)
	}
	r, _ := lockedRig(t, 1)
	lift := r.seal(r.lift(ruleCuba, order.ByHuman))
	ans := r.answer(r.claims().Sequence, lift)
	ans.Policy = &huge
	out := r.accept(ans)
	if len(out.Refused) != 1 || out.Refused[0].Reason != string(agent.PolicyTooLarge) || len(out.Applied) != 1 {
		t.Errorf("%+v", out)
	}
	r.stage(order.Lifted)
	r.checkIn()

	fresh := newRig(t, 2)
	fresh.policy = huge
	answer, err := fresh.enrolAnswer().Marshal()
	must(t, err)
	if err := fresh.agent.AcceptEnrolment(answer); !errors.Is(err, agent.PolicyTooLarge) {
		t.Errorf("enrolment: %v", err)
	}
}

// Whatever fits into a device's memory within the formats' bounds fits into its record: 16 grounds with the longest texts, all
// tombstones, the largest policy, and a root of officers as large as metadata may be.
func TestTheFullestRecordFits(t *testing.T) {
	p := usualPolicy()
	p.Hash = sha256.Sum256([]byte("wide"))
	wide := func(n int) string { return strings.Repeat("𐀀", n) } // four bytes each
	p.Rules = p.Rules[:0]
	for i := range 16 {
		rule := usualPolicy().Rules[0]
		rule.ID = fmt.Sprintf("%064d", i)
		rule.Name, rule.LegalBasis, rule.Source = wide(200), wide(2000), wide(1000)
		p.Rules = append(p.Rules, rule)
	}
	r := enrolledRig(t, 3, cuba)
	r.officers.Repository.Edit(tuf.Root, func(signed map[string]any) { signed["x-note"] = strings.Repeat("x", tuf.MaxMetadata-4000) })
	r.officers.Repository.Rotate(r.phone.True, tuftest.Rotation{})
	if n := len(r.officers.Repository.Root(2)); n < tuf.MaxMetadata-2000 || n > tuf.MaxMetadata {
		t.Fatalf("a root of %d bytes", n)
	}
	ans := r.answer(r.claims().Sequence)
	ans.Policy = &p
	if out := r.accept(ans); len(out.Refused) > 0 {
		t.Fatalf("%+v", out)
	}
	r.policy = p
	for _, rule := range p.Rules {
		out := r.checkIn(r.seal(r.notice(order.Ground{Kind: order.Rule, ID: rule.ID})))
		if len(out.Applied) != 1 {
			t.Fatalf("%+v", out)
		}
	}
	if n := len(r.phone.Flash.Record()); n < 400<<10 {
		t.Errorf("the fullest record has %d bytes", n)
	}
	r.open()
	if n := len(r.agent.Screen().Grounds); n != 16 {
		t.Errorf("%d grounds", n)
	}
}
