package authority_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// withoutActivation is a phone that lost its record after a notice: a new one is issued at once, and the phone refuses it until it has
// established anew where it is.
func (r *rig) withoutActivation() *phone {
	r.Helper()
	p := r.newPhone(r.made("C-1", "ACME", "ES")).enrol()
	p.live(8, havana)
	p.stage(cuba, order.Noticed, order.Noticed)
	p.wait(day)
	p.record.data = nil
	p.start()
	p.enrol()
	p.live(1, territory.Signals{})
	return p
}

// A phone refuses a notice for weeks, and then because it leaves too little time. The one that follows must reach it: issued anew at
// each check-in, none ever would, and the ledger would fill.
func TestNoticeThatCameTooLateIsIssuedOnceMore(t *testing.T) {
	r := newRig(t)
	p := r.withoutActivation()
	p.live(10, territory.Signals{})
	before := r.leaves()
	p.live(8, havana)
	p.stage(cuba, order.Noticed, order.Noticed)
	if n := r.leaves() - before; n != 1 {
		t.Errorf("%d more notices are in the ledger, want 1", n)
	}
}

// A notice rests on the policy of its day. A phone that could not follow it until two later policies had come does not know that
// one any more, and needs the notice under the present one.
func TestNoticeUnderAForgottenPolicy(t *testing.T) {
	r := newRig(t)
	admin := &authority.Officer{Name: "root", Role: authority.RoleAdmin}
	p := r.withoutActivation()
	for version := 2; version <= 3; version++ {
		source := bytes.Replace(policies.Terms202109, []byte("version: 1"), fmt.Appendf(nil, "version: %d", version), 1)
		_, _, err := r.PublishPolicy(ctx, admin, "terms.yaml", source)
		must(t, err)
		p.live(1, territory.Signals{})
	}
	before := r.leaves()
	p.live(6, havana)
	p.stage(cuba, order.Noticed, order.Noticed)
	if n := r.leaves() - before; n != 1 {
		t.Errorf("%d more notices are in the ledger, want 1", n)
	}
}
