package authority_test

import (
	"bytes"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// A lock is on its way when a policy with a shorter sunset comes: the device refuses it for good. The authority must not count a
// phone as locked that only shows a notice, until the end of a lock that never held.
func TestLockRefusedForGood(t *testing.T) {
	r := newRig(t)
	p := r.due(1)[0]
	r.approve()
	r.sequence()
	admin := &authority.Officer{Name: "root", Role: authority.RoleAdmin}
	source := bytes.Replace(policies.Terms202109, []byte("sunset: {days: 180}"), []byte("sunset: {days: 30}"), 1)
	_, _, err := r.PublishPolicy(ctx, admin, "shorter.yaml", source)
	must(t, err)
	p.live(3, havana)
	if again := p.stage(cuba, order.Noticed, order.Noticed); again.Round != 2 {
		t.Errorf("%+v", again)
	}
	p.live(20, havana)
	must(t, r.Sweep(ctx))
	r.approve()
	p.live(4, havana)
	p.stage(cuba, order.Locked, order.Locked)
}
