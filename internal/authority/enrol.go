package authority

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

// Enrol makes a device a member of the fleet. Whoever asks again with the same key gets the same answer, so that a lost one costs
// nothing. A new key for a known IMEI, as after a factory reset, takes the place of the old one: see admitAgain.
func (s *Service) Enrol(ctx context.Context, token []byte) (*protocol.EnrolAnswer, error) {
	answer, err := s.enrol(ctx, token)
	if err != nil {
		s.counters.refusal("enrol", err)
		return nil, err
	}
	return answer, nil
}

func (s *Service) enrol(ctx context.Context, token []byte) (*protocol.EnrolAnswer, error) {
	now := s.now()
	proved, err := s.verifier.Enrolment(token, now)
	if err != nil {
		return nil, deviceFault(err)
	}
	g, err := s.fresh(ctx, now)
	if err != nil {
		return nil, err
	}
	if !g.founded() {
		return nil, ErrNoPolicy.because(ErrUnfounded)
	}
	e, err := s.inForce(ctx, now)
	if err != nil {
		return nil, err
	}
	id, err := s.member(ctx, proved, now)
	for again := 0; errors.Is(err, ErrConflict) && again < 3; again++ { // the ID is taken, or somebody else enrols the device just now
		id, err = s.member(ctx, proved, now)
	}
	if err != nil {
		return nil, err
	}
	return &protocol.EnrolAnswer{
		Device: id, UnlockSecret: unlock.DeriveSecret(s.cfg.UnlockMaster, id), Trust: s.cfg.Trust, Policy: e.extract,
		Epoch: s.verifier.Epochs().At(now), Time: now, Metadata: g.repository.Update(0),
	}, nil
}

// member gives a device a record, or its record the device's new key, and returns its ID.
func (s *Service) member(ctx context.Context, proved *verifier.Enrolled, now time.Time) (id device.ID, err error) {
	fresh, err := s.newDeviceID()
	if err != nil {
		return id, err
	}
	err = s.turn(ctx, now, nil, func(t *turn) error {
		d, err := t.tx.DeviceByIMEI(proved.IMEI)
		switch {
		case errors.Is(err, ErrAbsent):
			id = fresh
			return t.admit(fresh, proved)
		case err != nil:
			return err
		}
		id = d.ID
		if bytes.Equal(d.Key, proved.Key) {
			return nil
		}
		return t.admitAgain(d, proved)
	})
	return id, err
}

func (t *turn) admit(id device.ID, proved *verifier.Enrolled) error {
	d := &Device{
		ID: id, IMEI: proved.IMEI, Serial: proved.Serial, Model: proved.Model, Software: proved.Software, Key: proved.Key,
		KeyCeiling: proved.Ceiling, EnrolledAt: t.now,
		Reasons: []policy.Reason{{Code: policy.ActivationNotKnown, Text: "The device has not checked in yet."}},
	}
	if err := t.tx.InsertDevice(d); err != nil {
		return err
	}
	t.count = append(t.count, t.s.counters.enrolments.Inc)
	return t.note(id, "enrolled", order.Ground{}, "device", "The device was enrolled.")
}

// admitAgain gives a known device a new key. Its epoch must be of a later period than the last enrolment, so that an old token
// cannot bring an old key back. The device has lost what it knew; whatever restricted it is lifted, and begins again with a notice
// and all of its days if it is still due (Charter C3).
func (t *turn) admitAgain(d *Device, proved *verifier.Enrolled) error {
	given, err := t.s.verifier.Epochs().Period(proved.Epoch, t.now)
	if err != nil {
		return ErrEpochUnknown.because(err)
	}
	if given <= verifier.PeriodOf(d.EnrolledAt) {
		return ErrAlreadyEnrolled.saying("this IMEI was enrolled with another key a short while ago").fixing("try again in %s", verifier.EpochPeriod)
	}
	restrictions, err := t.tx.Restrictions(d.ID)
	if err != nil {
		return err
	}
	d.Key, d.KeyCeiling, d.Sequence, d.EnrolledAt = proved.Key, proved.Ceiling, 0, t.now
	d.Serial, d.Software = proved.Serial, proved.Software
	// A phone stays what it was sold as: what its maker's records say goes before this name, and a name for each of its keys would be as many
	// entries of the stores' dictionary of models, which nobody deletes.
	d.Model = cmp.Or(d.Model, proved.Model)
	d.Attestation = policy.AttestationUnknown
	if err := t.tx.PutDevice(d); err != nil {
		return err
	}
	t.count = append(t.count, t.s.counters.enrolments.Inc)
	if err := t.note(d.ID, "enrolled", order.Ground{}, "device", "The device was enrolled again with a new key."); err != nil {
		return err
	}
	for _, r := range restrictions {
		if r.Active() {
			if err := t.lift(r, [32]byte{}, order.ByRule, "rule", "The device was reset and has forgotten the notice."); err != nil {
				return err
			}
		}
	}
	return nil
}
