package authority

import (
	"slices"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// mergeDays adds reported days to recorded ones. Both are in order. A day is told again as it grows on the device, and grows here by
// the same rule: what it named before it may not take back, only contradict. Days after last are left out, and reported as such; the
// newest evidence.MaxDays are kept.
func mergeDays(recorded, reported []territory.DayRecord, last territory.Day) (merged []territory.DayRecord, future bool) {
	merged = append(make([]territory.DayRecord, 0, len(recorded)+len(reported)), recorded...)
	for _, day := range reported {
		if day.Day > last {
			future = true
			continue
		}
		at, known := slices.BinarySearchFunc(merged, day.Day, func(r territory.DayRecord, d territory.Day) int { return int(r.Day) - int(d) })
		if known {
			merged[at] = merged[at].Merge(day)
		} else {
			merged = slices.Insert(merged, at, day)
		}
	}
	if over := len(merged) - evidence.MaxDays; over > 0 {
		merged = slices.Delete(merged, 0, over)
	}
	return merged, future
}

// bornOut reports whether the recorded days establish the activation that a device claims. The day may differ within the window: a
// policy may have changed its terms since the device counted.
func bornOut(claimed territory.Activation, days []territory.DayRecord, o territory.Observation) bool {
	own, established := territory.Establish(days, o)
	apart := int(own.Day) - int(claimed.Day)
	return established && own.Territory == claimed.Territory && own.Mixed == claimed.Mixed && max(apart, -apart) <= o.Window
}
