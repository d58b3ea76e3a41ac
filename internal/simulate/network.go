package simulate

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

var somewhere = netip.MustParseAddr("192.0.2.1")

// message is an answer on its way: its exact bytes, and what they say, nil when they were cut.
type message struct {
	bytes  []byte
	answer *protocol.CheckInAnswer
}

// reachable reports whether a message from a device arrives at the server at all.
func (w *world) reachable() bool {
	return w.server.process != nil && !w.now.Before(w.partitioned) && !w.strikes(LostRequest, 0.02)
}

// partition cuts everybody off for a while, now and then.
func (w *world) partition() {
	if w.strikes(Partition, 1) {
		w.partitioned = w.now.Add(w.dice.between(time.Hour, pick(w.dice, 10*time.Hour, 20*day)))
	}
	w.after(w.dice.between(20*day, 900*day), w.partition)
}

// deliver has the server take a token, and checks what it answers before a byte of it leaves.
func (w *world) deliver(from *madeDevice, token []byte) (m *message, err error) {
	err = w.server.ask("check-in", func(ctx context.Context, a *authority.Service) error {
		answer, err := a.CheckIn(ctx, token, somewhere)
		if err != nil {
			return err
		}
		m = &message{answer: answer}
		m.bytes, err = answer.Marshal()
		return err
	})
	if err != nil {
		return nil, err
	}
	w.books.leaves(from.imei, m.answer)
	if w.server.waits() {
		w.after(w.dice.between(time.Second, 10*time.Minute), func() { w.server.work(false) })
	}
	return m, nil
}

// checkIn is a check-in from a device's evidence to what it makes of the answer. It reports whether the answer arrived.
func (h *handset) checkIn() bool {
	if h.w.now.Sub(h.epochAt) > 36*time.Hour && h.w.dice.chance(0.8) && h.w.reachable() { // the one it has is too old
		if fresh := h.epoch(); fresh == nil || !h.do("fresh epoch", func() error { return h.agent.SetEpoch(fresh.Epoch) }) {
			return false
		}
	}
	for range 2 {
		token := h.evidence()
		if token == nil || !h.w.reachable() {
			return false
		}
		m, err := h.send(token)
		var fault *authority.Error
		switch {
		case errors.Is(err, authority.ErrEpochExpired), errors.Is(err, authority.ErrEpochUnknown):
			fresh := h.epoch()
			if fresh == nil || !h.do("fresh epoch", func() error { return h.agent.SetEpoch(fresh.Epoch) }) {
				return false
			}
			continue
		case errors.As(err, &fault) && fault.Kind == authority.Refused && !errors.Is(err, authority.ErrSequenceReplayed):
			h.refusedAtServer = err // a device whose enrolment a restored server has lost enrols again when it is reset
			return false
		case err != nil || m == nil:
			return false
		}
		h.epochAt = h.w.now
		h.accept(m)
		return h.on
	}
	return false
}

// evidence has the agent sign.
func (h *handset) evidence() (token []byte) {
	h.do("evidence", func() error {
		t, err := h.agent.Evidence()
		if errors.Is(err, agent.ErrNoEpoch) {
			return nil
		}
		token = t
		return err
	})
	if !h.on || token == nil {
		return nil
	}
	h.audit.signed(evidence.Token(token))
	return token
}

// send brings a token to the server and an answer back, as far as the network lets it.
func (h *handset) send(token []byte) (*message, error) {
	w := h.w
	m, err := w.deliver(h.made, token)
	if again := w.books.known(err); err == nil && w.strikes(TwiceRequest, 0.01) {
		_, err := w.deliver(h.made, token)
		again(err)
	} else if w.strikes(LateRequest, 0.01) {
		w.after(w.dice.between(time.Minute, 30*day), func() {
			if w.reachable() {
				_, err := w.deliver(h.made, token)
				again(err)
			}
		})
	}
	switch {
	case err != nil:
		return nil, err
	case w.strikes(LostReply, 0.03):
		return nil, nil
	case w.strikes(CutReply, 0.01):
		return &message{bytes: m.bytes[:w.dice.IntN(len(m.bytes))]}, nil
	case w.strikes(Reordered, 0.02):
		h.later(m)
		return nil, nil
	case w.strikes(Repeated, 0.02):
		h.later(m)
	}
	return m, nil
}

// later brings an answer again, or for the first time, after others.
func (h *handset) later(m *message) {
	w := h.w
	w.after(w.dice.between(time.Second, pick(w.dice, time.Hour, 12*time.Hour, 20*day)), func() {
		if h.on && h.agent.Enrolled() {
			h.accept(m)
		}
	})
}

// accept hands an answer to the agent.
func (h *handset) accept(m *message) {
	var out agent.Outcome
	var err error
	h.audit.expect(m.answer)
	h.do("accept", func() error {
		out, err = h.agent.Accept(m.bytes)
		return err
	})
	h.audit.accepted(m.answer, out, err)
}

// epoch asks the server for an epoch; nil when it does not answer.
func (h *handset) epoch() (answer *protocol.EpochAnswer) {
	_ = h.w.server.ask("epoch", func(ctx context.Context, a *authority.Service) error {
		e := a.Epoch(ctx)
		answer = &e
		return nil
	})
	return answer
}

// enrol makes the device a member of the fleet. Answers that are lost come again, since the same key gets the same answer.
func (h *handset) enrol() {
	w := h.w
	if !w.reachable() {
		return
	}
	epoch := h.epoch()
	if epoch == nil {
		return
	}
	var token []byte
	if !h.do("enrolment token", func() (err error) { token, err = h.agent.EnrolmentToken(*epoch); return err }) {
		return
	}
	var answer []byte
	err := w.server.ask("enrol", func(ctx context.Context, a *authority.Service) error {
		e, err := a.Enrol(ctx, token)
		if err != nil {
			return err
		}
		answer, err = e.Marshal()
		return err
	})
	if err != nil || w.strikes(LostReply, 0.05) {
		return
	}
	if h.do("enrol", func() error { return h.agent.AcceptEnrolment(answer) }) {
		h.audit.enrolled(answer)
	}
}
