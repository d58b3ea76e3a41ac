package authority_test

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// Of two servers on one store, what one publishes binds the other one at once where it would escalate: the notice that a device gets in the
// same second rests on the policy of now, though the server's memory was of the one before.
func TestNoNoticeByRulesThatHaveChanged(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "shop", "ES")).enrol()
	for range 4 { // one day short of an activation
		must(t, p.Observe(havana))
		p.checkIn()
		r.wait(day)
	}
	other, err := authority.New(func() authority.Config {
		c := r.config
		c.Registry = nil
		return c
	}())
	must(t, err)
	_, _, err = r.PolicyInForce(ctx) // now it is in this server's memory
	must(t, err)
	document, _, err := other.PublishPolicy(ctx, r.ana, "newer.yaml", append([]byte("# newer\n"), policies.Terms202109...))
	must(t, err)
	must(t, p.Observe(havana))
	p.checkIn()
	must(t, p.Observe(havana)) // the device has the newer policy, and says so
	p.checkIn()
	found := p.stage(order.Ground{Kind: order.Rule, ID: "cuba"}, order.Noticed, order.Observed)
	if found.Authority != document.Hash {
		t.Errorf("the notice rests on the policy %x, and %x is in force", found.Authority, document.Hash)
	}
}
