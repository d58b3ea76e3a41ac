package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

// ErrNothingToUnlock says that no ground restricts the device. The code was not looked at and is not spent.
var ErrNothingToUnlock = errors.New("nothing restricts this device, so there is nothing to unlock; keep the code")

// CodeResult says what became of an unlock code.
type CodeResult struct {
	Unlocked bool
	Lifted   []order.Ground // for good, when Unlocked
	TooEarly bool           // the code was not looked at, because Wait is not over
	Wait     time.Duration  // until another code may be entered
}

// unlockState is what the offline unlock keeps.
type unlockState struct {
	Challenge string        // on the screen until a code was right
	Counter   uint64        // the least that is not spent
	Failures  uint32        // wrong codes since the last right one
	FailedOn  time.Duration // own time of the last wrong one
}

// wait is how long no code is taken.
func (u *unlockState) wait(c clock) time.Duration {
	return max(0, unlock.Backoff(int(min(u.Failures, 64)))-(c.Elapsed-u.FailedOn))
}

// spent takes the number of codes that the server knows to be spent. One answer leads at most a window on, so that a server
// that lies once cannot put the counter where no code is ever given; a device that is further behind, as after it lost its
// record, gets there with a few answers.
func (u *unlockState) spent(known uint64) {
	if known > u.Counter {
		u.Counter += min(known-u.Counter, unlock.Window)
	}
}

// EnterCode tries an unlock code that support gave for the challenge on the screen. It needs no network and no right clock. A
// right code is a person's decision about the device: it ends for good every ground that is locked, or, when none is,
// every ground that is noticed; other grounds stay as they are. It is then spent.
//
// A wrong code makes the device wait, twice as long each time, across reboots. A text that is no code at all is an error
// (unlock.ErrInput) and costs nothing. When the result could not be saved it counts all the same, and an error says so.
func (a *Agent) EnterCode(code string) (CodeResult, error) {
	code, err := unlock.Normalise(code)
	if err != nil {
		return CodeResult{}, fmt.Errorf("agent: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var result CodeResult
	err = a.change(func(s *state) (bool, error) {
		if !s.enrolled() {
			return false, ErrNotEnrolled
		}
		stage, ok := s.unlockable()
		if !ok {
			return false, ErrNothingToUnlock
		}
		if result.Wait = s.Unlock.wait(s.Clock); result.Wait > 0 {
			result.TooEarly = true
			return false, nil
		}
		spent, right := unlock.Check(s.Secret[:], s.Unlock.Counter, unlock.Window, s.Unlock.Challenge, code)
		if !right {
			s.Unlock.Failures = min(s.Unlock.Failures+1, 1<<20)
			s.Unlock.FailedOn = s.Clock.Elapsed
			result.Wait = s.Unlock.wait(s.Clock)
			return true, nil
		}
		result.Unlocked, result.Lifted = true, s.liftByCode(stage)
		next := unlockState{Challenge: s.Unlock.Challenge, Counter: spent + 1}
		if challenge, err := unlock.NewChallenge(a.platform.Random); err == nil {
			next.Challenge = challenge // without randomness the old one serves: its code is spent
		}
		s.Unlock = next
		return true, nil
	})
	return result, err
}

// unlockable returns the stage of the grounds that a code would lift now.
func (s *state) unlockable() (order.Stage, bool) {
	found := order.Observed
	for _, r := range s.Restrictions {
		switch {
		case r.Stage == order.Locked:
			return order.Locked, true
		case r.Stage == order.Noticed:
			found = order.Noticed
		}
	}
	return found, found != order.Observed
}

func (s *state) liftByCode(stage order.Stage) (lifted []order.Ground) {
	for i := range s.Restrictions {
		if r := &s.Restrictions[i]; r.Stage == stage {
			r.lift(order.ByCode, order.ID{}, s.Clock)
			lifted = append(lifted, r.Ground)
		}
	}
	return lifted
}
