package agent_test

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// C5: a phone that was used at home, without a network, and then for longer than the record of days reaches in a prohibited
// territory, has forgotten the days at home by the time that it enrols. It must not take the second place for its first.
func TestDaysThatWereDroppedStillCount(t *testing.T) {
	for name, home := range map[string]*territory.Fix{"another territory": berlin, "the same": cuba} {
		r := newRig(t, 1)
		day := func(place *territory.Fix) {
			must(r, r.agent.Observe(signals(place)))
			r.phone.Wait(24 * 3600e9)
		}
		for range 10 {
			day(home)
		}
		for range evidence.MaxDays + 5 {
			day(cuba)
		}
		r.enrol()
		a := r.agent.Screen().Activation
		if a == nil || a.Territory != "CU" || a.Mixed != (home == berlin) {
			t.Errorf("%s: %+v", name, a)
		}
		r.open()
		if again := r.agent.Screen().Activation; again == nil || *again != *a {
			t.Errorf("%s: %+v after a restart, %+v before", name, again, a)
		}
	}
}
