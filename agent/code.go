package agent

import "time"

// unlockState is what the offline unlock keeps.
type unlockState struct {
	Challenge string
	Counter   uint64
	Failures  uint32
	FailedOn  time.Duration
}

func (u *unlockState) spent(uint64)               {}
func (u *unlockState) wait(c clock) time.Duration { return 0 }
