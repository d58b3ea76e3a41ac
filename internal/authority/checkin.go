package authority

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/span"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// CheckIn appraises evidence, moves what it makes due, and answers with the orders that wait for the device. When it returns an
// answer, everything that the evidence said and led to is durable. The same evidence twice is refused as replayed: a device that
// missed an answer signs new evidence, and loses nothing.
func (s *Service) CheckIn(ctx context.Context, token []byte, from netip.Addr) (*protocol.CheckInAnswer, error) {
	c, err := s.Contact(token)
	if err != nil {
		return nil, err
	}
	return c.CheckIn(ctx, from)
}

// Contact is evidence that was read and not yet verified.
type Contact interface {
	// Urgency says how much it matters that this contact is made: a hint, before anything is verified.
	Urgency() Urgency
	// CheckIn goes on as [Service.CheckIn] does. It is called once at most.
	CheckIn(ctx context.Context, from netip.Addr) (*protocol.CheckInAnswer, error)
}

// Contact reads evidence, so that an edge can decide whether to verify it now. The caller leaves token alone until the check-in is done.
func (s *Service) Contact(token []byte) (Contact, error) {
	u, err := evidence.Parse(token)
	if err != nil {
		err = deviceFault(err)
		s.counters.refusal("check-in", err)
		return nil, err
	}
	return &contact{s, u}, nil
}

type contact struct {
	s *Service
	u *evidence.Unverified
}

func (c *contact) Urgency() Urgency { return c.s.urgent.of(c.u) }

func (c *contact) CheckIn(ctx context.Context, from netip.Addr) (*protocol.CheckInAnswer, error) {
	answer, err := c.s.checkIn(ctx, c.u, from)
	if err != nil {
		c.s.counters.refusal("check-in", err)
		return nil, err
	}
	c.s.counters.checkIns.Inc()
	return answer, nil
}

func (s *Service) checkIn(ctx context.Context, u *evidence.Unverified, from netip.Addr) (*protocol.CheckInAnswer, error) {
	ctx, sp := span.Start(ctx, "check-in")
	defer sp.End()
	answer, err := s.checkInStages(ctx, u, from)
	return answer, marked(sp, err)
}

func (s *Service) checkInStages(ctx context.Context, u *evidence.Unverified, from netip.Addr) (*protocol.CheckInAnswer, error) {
	now := s.now()
	d, err := s.known(ctx, u.Device())
	if err != nil {
		return nil, err
	}
	known := verifier.Known{Key: d.Key, Ceiling: d.KeyCeiling, Sequence: d.Sequence}
	_, verifying := span.Start(ctx, "verify evidence")
	appraisal, err := s.verifier.Evidence(u, known, now)
	verifying.End()
	if err != nil {
		return nil, deviceFault(err)
	}
	if !s.pacer.allows(d, now) { // only now: nobody else can use up a device's turns
		return nil, ErrTooOften
	}
	book, err := s.book(ctx, now)
	if err != nil {
		return nil, err
	}
	v := &visit{turn: &turn{s: s, now: now, book: book}, book: book, said: appraisal}
	if v.plain(d) {
		written, err := v.writePlain(ctx, known.Sequence)
		if err != nil {
			return nil, err
		}
		if written {
			return s.answer(ctx, v, from)
		}
	}
	err = s.turn(ctx, now, book, func(t *turn) (err error) {
		v = &visit{turn: t, book: book, said: appraisal}
		return v.accept(&known)
	})
	if err != nil {
		return nil, err
	}
	return s.answer(ctx, v, from)
}

// known reads the record of the device that evidence claims to come from.
func (s *Service) known(ctx context.Context, id device.ID) (d *Device, err error) {
	err = s.view(ctx, func(tx Tx) (err error) {
		d, err = tx.Device(id)
		return err
	})
	if errors.Is(err, ErrAbsent) {
		return nil, ErrUnknownDevice.because(err)
	}
	return d, err
}

// book is what all check-ins share: the policy in force, nil when none is, the holds, and what officers have signed.
type book struct {
	rules   int64 // up to which change all of it has been read
	edition *edition
	holds   map[string][]hold
	signed  *signatures
}

// book has what is kept in memory ready before a transaction begins, because a transaction must not ask the store for it.
func (s *Service) book(ctx context.Context, now time.Time) (*book, error) {
	if err := s.follow(ctx); err != nil {
		return nil, err
	}
	rules := s.changes.read.Load()
	g, err := s.signed(ctx) // an answer that needs a fresh timestamp has it made, see answer
	if err != nil {
		return nil, err
	}
	e, err := s.inForce(ctx, now)
	if err != nil && !errors.Is(err, ErrNoPolicy) {
		return nil, err
	}
	holds, err := s.allHolds(ctx)
	if err != nil {
		return nil, err
	}
	return &book{rules, e, holds, g}, nil
}

// visit is one check-in while it is written down.
type visit struct {
	*turn
	book         *book
	said         *verifier.Appraisal
	device       *Device
	decision     policy.Decision
	restrictions []*Restriction
	orders       []*Order                  // to put into the answer
	held         map[string]*protocol.Held // warrants of orders, by id
	pending      bool                      // an order for this device waits for the ledger
}

// accept writes the evidence down and does what it makes due.
func (v *visit) accept(known *verifier.Known) error {
	d, err := v.tx.Device(v.said.Device)
	if err != nil {
		return err
	}
	if !bytes.Equal(d.Key, known.Key) {
		return ErrBadSignature.saying("the device was enrolled anew while this arrived")
	}
	was := d.Sequence
	if v.said.Sequence <= was {
		return ErrSequenceReplayed
	}
	v.device = d
	before := *d
	v.takeDown()
	if err := v.takeActivation(); err != nil {
		return err
	}
	v.decision = v.s.decide(v.book.edition, d, v.now)
	changed := record(d, v.decision, v.now)
	if err := v.tx.UpdateDeviceIfNewer(d, was); err != nil {
		if errors.Is(err, ErrConflict) {
			return ErrSequenceReplayed.because(err)
		}
		return err
	}
	if err := v.noteChanges(&before, changed); err != nil {
		return err
	}
	if err := v.reported(); err != nil {
		return err
	}
	if err := v.due(); err != nil {
		return err
	}
	return v.collect()
}

// takeDown copies what the device says of itself into its record.
func (v *visit) takeDown() {
	d, said := v.device, v.said
	days, future := mergeDays(d.Days, said.Days, territory.DayOf(v.now)+1)
	d.Sequence, d.LastSeen, d.Days = said.Sequence, v.now, days
	d.Attestation, d.Boot, d.Software = said.Attestation, said.Boot, said.Software
	d.ClockDoubt = said.ClockDoubt || future
}

// takeActivation accepts a claimed activation if the recorded days bear it out; a device has one, for life.
func (v *visit) takeActivation() error {
	d, claimed := v.device, v.said.Activation
	if claimed == nil || d.Activation != nil || v.book.edition == nil {
		return nil
	}
	if bornOut(*claimed, d.Days, v.book.edition.extract.Observation) {
		a := *claimed
		d.Activation = &a
		return nil
	}
	events, err := v.tx.Events(d.ID, 50)
	if err != nil || slices.ContainsFunc(events, func(e Event) bool { return e.Kind == "activation-doubted" }) {
		return err
	}
	return v.note(d.ID, "activation-doubted", order.Ground{}, "rule",
		"The device claims an activation in %s that the days it reported do not bear out; it does not count.", claimed.Territory)
}

// noteChanges writes a line for what is new; a plain check-in leaves none.
func (v *visit) noteChanges(before *Device, decided bool) error {
	d := v.device
	var none order.Ground
	if before.Activation == nil && d.Activation != nil {
		mixed := ""
		if d.Activation.Mixed {
			mixed = " Earlier days named another territory, so it supports no restriction."
		}
		if err := v.note(d.ID, "activated", none, "device", "The territory of activation is established: %s, on %s.%s",
			d.Activation.Territory, d.Activation.Day, mixed); err != nil {
			return err
		}
	}
	if before.Attestation != d.Attestation && !before.LastSeen.IsZero() {
		if err := v.note(d.ID, "appraised", none, "rule", "The system is now appraised as %s, before as %s.", d.Attestation, before.Attestation); err != nil {
			return err
		}
	}
	if before.ClockDoubt != d.ClockDoubt {
		text := "The device's clock is trusted again."
		if d.ClockDoubt {
			text = "The device's clock is in doubt; nothing is escalated meanwhile."
		}
		if err := v.note(d.ID, "clock", none, "device", "%s", text); err != nil {
			return err
		}
	}
	if !decided || len(v.decision.Reasons) == 0 {
		return nil
	}
	return v.note(d.ID, "decided", none, "rule", "The policy's decision is now %s: %s", v.decision.Verdict, v.decision.Reasons[0].Text)
}
