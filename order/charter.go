package order

import "time"

// Floors and ceilings that hold whatever a policy or a server says. Policies are refused when they go below, devices
// refuse orders that do.
const (
	MinObservationDays = 3                    // decided days before an activation territory counts (C4)
	MinNotice          = 7 * 24 * time.Hour   // from the first notice to its deadline (C3)
	MinShownDays       = 3                    // distinct days on which the notice was seen (C3)
	MaxShownDays       = 250                  // more distinct days than a device counts; a policy that asked for more could never lock
	MaxLock            = 730 * 24 * time.Hour // from taking effect to the end of a policy lock (C8)
	MaxHold            = 90 * 24 * time.Hour  // from issue to the end of a hold by warrant (C8)
)
