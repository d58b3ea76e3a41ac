package agent

import (
	"fmt"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

// EnrolmentToken returns what the device sends to become a member of the fleet: signed, fresh by the epoch, with the
// certificates of its key.
func (a *Agent) EnrolmentToken(ep protocol.EpochAnswer) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.enrolled() {
		return nil, ErrAlreadyEnrolled
	}
	p := a.platform
	return protocol.SignEnrolment(&protocol.Enrolment{
		Epoch: ep.Epoch, IMEI: p.Identity.IMEI, Serial: p.Identity.Serial, Model: p.Identity.Model, Software: p.Software,
	}, p.Chain, p.Key)
}

// AcceptEnrolment takes the server's answer: the device's id, whom it trusts from now on, the officers' metadata, and its policy, which
// two officers must have signed and which must keep the Charter's floors. (Where one of these is refused, the error wraps a Reason.)
// Whose signatures count is told by Platform.Root, or else by the answer's first root, which is believed once.
// The days observed so far are moved to the server's calendar.
// It fails with ErrAlreadyEnrolled on an enrolled device.
func (a *Agent) AcceptEnrolment(answer []byte) error {
	ans, err := protocol.ParseEnrolAnswer(answer)
	if err != nil {
		return fmt.Errorf("agent: the answer to the enrolment: %w", err)
	}
	verifier, err := newVerifier(ans.Trust)
	if err != nil {
		return fmt.Errorf("agent: the answer to the enrolment: %w", err)
	}
	officers, err := enrolledUnder(a.platform.Root, ans)
	if err != nil {
		return err
	}
	if reason := checkPolicy(ans.Policy, nil); reason != "" {
		return fmt.Errorf("agent: the policy %q: %w", ans.Policy.ID, reason)
	}
	challenge, err := unlock.NewChallenge(a.platform.Random)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	err = a.change(func(s *state) (bool, error) {
		if s.enrolled() {
			return false, ErrAlreadyEnrolled
		}
		s.Device, s.Secret, s.Trust, s.Policy = ans.Device, ans.UnlockSecret, ans.Trust, ans.Policy
		s.Epoch, s.DueOn = ans.Epoch, s.Clock.Elapsed
		// A device that lost its record enrols again with the same key, and does not know what it sent before: the seconds
		// of its life are more than its check-ins can have been.
		s.Sequence = max(s.Sequence, uint64(ans.Time.Unix()))
		s.Unlock = unlockState{Challenge: challenge}
		s.moveDays(s.Clock.contact(ans.Time))
		s.settle(ans.Time, ans.Time)
		s.trust(officers)
		s.Signed = true
		s.establish()
		return true, nil
	})
	if err == nil {
		a.verifier = verifier
	}
	return err
}

func newVerifier(t protocol.Trust) (*proof.Verifier, error) {
	return proof.New(t.Origin, t.LogKey, t.Witnesses, t.Quorum)
}

// moveDays renumbers what was observed before the device knew the date.
func (s *state) moveDays(by territory.Day) {
	kept := s.Days[:0]
	for _, d := range s.Days {
		if d.Day += by; d.Day >= 0 {
			kept = append(kept, d)
		}
	}
	s.Days = kept
	if s.Earlier != nil {
		moved := *s.Earlier // a clone of the state may share it
		moved.Day = max(moved.Day+by, 0)
		s.Earlier = &moved
	}
	s.Current += by
	s.DayMark.Certain += by
	s.DayMark.Own += by
}
