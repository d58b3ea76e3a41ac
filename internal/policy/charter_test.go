package policy

import (
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/order"
)

// A policy within the bounds of this package is one that devices take: they hold it to package order's.
func TestBoundsAreTheDevices(t *testing.T) {
	days := func(d time.Duration) int { return int(d / (24 * time.Hour)) }
	for name, pair := range map[string][2]int{
		"observed days":    {LeastObservedDays, order.MinObservationDays},
		"notice days":      {LeastNoticeDays, days(order.MinNotice)},
		"shown days":       {LeastShownDays, order.MinShownDays},
		"shown days, most": {MostShownDays, order.MaxShownDays},
		"sunset":           {MostSunsetDays, days(order.MaxLock)},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %d here, %d on devices", name, pair[0], pair[1])
		}
	}
}
