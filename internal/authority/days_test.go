package authority_test

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// A phone checks in when a day has just begun, and sees the sky later. What it then says of that day is what counts, on both sides.
func TestADayIsToldAgainAsItGrows(t *testing.T) {
	for name, tc := range map[string]struct {
		morning territory.Signals
		mixed   bool
	}{
		"undecided at first":              {territory.Signals{Cell: "368-01"}, false},
		"decided for another place first": {madrid, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := r.newPhone(r.made("C-1", "ACME", "ES")).enrol()
			for i := range 12 {
				if i < 4 {
					must(t, p.Observe(tc.morning))
					p.sync()
				}
				must(t, p.Observe(havana))
				p.sync()
				p.wait(day)
				must(t, p.Tick())
			}
			own, d := p.Screen(), p.detail().Device
			if own.Activation == nil || own.Activation.Territory != "CU" || own.Activation.Mixed != tc.mixed {
				t.Fatalf("the device: %+v", own.Activation)
			}
			if d.Activation == nil || *d.Activation != *own.Activation {
				t.Errorf("the authority has %+v, the device %+v", d.Activation, own.Activation)
			}
			if len(d.Days) != len(own.Days) {
				t.Fatalf("%d and %d days", len(d.Days), len(own.Days))
			}
			for i := range d.Days {
				if d.Days[i] != own.Days[i] {
					t.Errorf("the authority has %+v, the device %+v", d.Days[i], own.Days[i])
				}
			}
		})
	}
}
