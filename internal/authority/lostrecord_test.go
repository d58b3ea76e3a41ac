package authority_test

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/order"
)

// A phone that lost its record enrols again with the same key, as one with an IDevID does after a factory reset. It has forgotten the
// notice, so that another one has to come, with all of its days (C3): a lock would be refused for ever.
func TestRecordLostWithTheSameKey(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "ACME", "ES")).enrol()
	p.live(8, havana)
	p.stage(cuba, order.Noticed, order.Noticed)
	p.wait(day)
	p.record.data = nil
	p.start()
	p.enrol()
	p.live(1, havana)
	again := p.stage(cuba, order.Noticed, order.Lifted) // the lift came, and the notice has to wait for an activation
	if again.Round != 2 || again.ShownDays != 0 || again.Applied != order.Observed {
		t.Fatalf("%+v", again)
	}
	p.live(10, havana)
	again = p.stage(cuba, order.Noticed, order.Noticed)
	if again.Round != 2 {
		t.Fatalf("%+v", again)
	}
	var shown int
	for _, g := range p.Screen().Grounds {
		if g.Ground == cuba {
			shown = g.ShownDays
		}
	}
	if shown == 0 || again.ShownDays != shown {
		t.Errorf("the authority counts %d shown days, the device %d", again.ShownDays, shown)
	}
}
