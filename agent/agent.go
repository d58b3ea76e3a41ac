package agent

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Errors that callers tell apart.
var (
	ErrNotEnrolled     = errors.New("the device is not enrolled; enrol it first")
	ErrAlreadyEnrolled = errors.New("the device is enrolled, and whom it trusts is set for life")
	ErrNoEpoch         = errors.New("the agent has no epoch; get one from the server")
)

// Agent is one device's attester and enforcement point. It is safe for use by several goroutines.
type Agent struct {
	platform Platform

	mu       sync.Mutex
	state    *state
	verifier *proof.Verifier // nil until enrolled
	savedOn  time.Duration   // own time of the last save
	unsaved  bool            // the memory is ahead of the storage by something that must not be lost
	reopened bool            // the record was loaded and no evidence was made since, see Evidence

	generation uint64 // of the last save, whether it succeeded or not; see record.go
	behind     error  // why the counter has not reached generation
}

// Open reads the agent's record, or begins one. It saves nothing, so that it works with a full disk. A record that is
// there and cannot be read is an error (ErrDamaged when none of its copies is whole): the platform then restricts
// nothing, says so to the owner, and may remove the record and enrol again.
func Open(p Platform) (*Agent, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	a := &Agent{platform: p, state: &state{}}
	if err := a.load(); err != nil {
		return nil, err
	}
	var err error
	if a.state.enrolled() {
		if a.verifier, err = newVerifier(a.state.Trust); err != nil {
			return nil, fmt.Errorf("agent: the record's trust: %w", err)
		}
	}
	return a, nil
}

// change is the one way in which the state changes. It takes a copy, accounts for the time, ends what has come to its end,
// lets f change it, lets locks take hold that are due even so, saves the copy, and only then puts it in the place of the
// old one. f reports whether the change has to be durable.
// When f fails nothing changes but the clock.
//
// When saving fails, nothing is applied but lifts: a full disk must not keep a device locked (Charter C8, C9). They are
// saved with the next change.
func (a *Agent) change(f func(s *state) (durable bool, err error)) error {
	boot := a.platform.Boot()
	next := a.state.clone()
	durable := next.Clock.read(a.platform.reading())
	durable = next.expire() || durable
	if f != nil {
		before := next.clone()
		changed, err := f(next)
		if err != nil {
			if saving := a.commit(before, durable); saving != nil {
				return errors.Join(err, saving)
			}
			return err
		}
		durable = next.expire() || changed || durable
	}
	durable = next.activate(boot) || durable
	return a.commit(next, durable)
}

// commit saves next where that is needed, and makes it the state.
func (a *Agent) commit(next *state, durable bool) error {
	durable = durable || a.unsaved || next.Clock.Elapsed-a.savedOn >= clockSaveStep
	if durable {
		if err := a.save(next); err != nil {
			a.relieve(next)
			return fmt.Errorf("agent: the change was not saved and does not count; make room and try again: %w", err)
		}
		a.unsaved, a.savedOn = false, next.Clock.Elapsed
	}
	a.state = next
	return nil
}

// relieve takes from a state that could not be saved the passing of time, the restrictions that it lifted, and the count of
// unlock codes.
func (a *Agent) relieve(next *state) {
	kept := a.state.clone()
	kept.Clock.read(a.platform.reading())
	for i := range kept.Restrictions {
		r := &kept.Restrictions[i]
		if n := next.restriction(r.Ground); n != nil && n.Stage == order.Lifted && r.Stage != order.Lifted {
			*r = *n
		}
	}
	kept.Unlock = next.Unlock // wrong codes count, and a right one is spent
	a.state, a.unsaved = kept, true
}

// Enrolled reports whether the device belongs to a fleet.
func (a *Agent) Enrolled() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state.enrolled()
}

// Tick tells the agent that time passed: ends come, and locks that waited take hold. The platform calls it at least
// every quarter of an hour, after every boot, and when the wall clock was set.
func (a *Agent) Tick() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.change(nil)
}

// Shown tells the agent that the owner saw the screen with its notices and their dates. It counts distinct days.
func (a *Agent) Shown() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.change(func(s *state) (bool, error) {
		counted := false
		mark := s.Clock.mark()
		for i := range s.Restrictions {
			counted = s.Restrictions[i].shown(mark) || counted
		}
		return counted, nil
	})
}

// NextCheckIn returns when to check in next, as the platform's wall clock will show it: now, when it is due.
func (a *Agent) NextCheckIn() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.state.Clock
	c.read(a.platform.reading())
	return a.platform.Now().Add(max(0, a.state.DueOn-c.Elapsed))
}

// SetEpoch takes the fresh epoch of a problem document, to sign evidence with.
func (a *Agent) SetEpoch(epoch []byte) error {
	if len(epoch) < 8 || len(epoch) > 64 {
		return fmt.Errorf("agent: an epoch has 8 to 64 bytes, not %d", len(epoch))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.change(func(s *state) (bool, error) {
		if !s.enrolled() {
			return false, ErrNotEnrolled
		}
		s.Epoch = bytes.Clone(epoch)
		return false, nil // lost in a crash, the next refusal brings another
	})
}
