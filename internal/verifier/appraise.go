package verifier

import (
	"errors"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// ClockSlack is how far a device's clock may be from the server's before it is doubted: as long as an epoch is accepted.
const ClockSlack = EpochsAccepted * EpochPeriod

// Enrolled is what an enrolment proved.
type Enrolled struct {
	protocol.Enrolment
	Key     []byte             // PKIX DER
	Ceiling policy.Attestation // the best that an appraisal of this key's evidence can be
}

// Enrolment appraises an enrolment token. The error wraps a [Fault], or a protocol.Fault for what cannot be read.
func (v *Verifier) Enrolment(token []byte, now time.Time) (*Enrolled, error) {
	u, err := protocol.ParseEnrolment(token)
	if err != nil {
		return nil, err
	}
	id, err := v.identify(u.Chain, now)
	if err != nil {
		return nil, err
	}
	claimed, err := u.Verify(id.key)
	if err != nil {
		return nil, fault(BadSignature, err)
	}
	if err := v.epochs.Check(claimed.Epoch, now); err != nil {
		return nil, epochFault(err)
	}
	if claimed.IMEI != id.imei {
		return nil, fault(IMEIMismatch, errors.New("the certificate names another IMEI than the enrolment"))
	}
	return &Enrolled{Enrolment: *claimed, Key: id.pkix, Ceiling: id.ceiling}, nil
}

// Known is what the authority's record says of the device that evidence claims to come from.
type Known struct {
	Key      []byte             // PKIX DER
	Ceiling  policy.Attestation // from its enrolment
	Sequence uint64             // of the last evidence accepted
}

// Appraisal is evidence that was verified, and what it is worth.
type Appraisal struct {
	evidence.Claims
	Attestation policy.Attestation
	ClockDoubt  bool // the device doubts its clock, or it is far from the server's
}

// Evidence appraises evidence that evidence.Parse read. The sequence must be greater than the last one accepted; whoever
// writes the result down must check that again, in the same transaction. The error wraps a [Fault].
func (v *Verifier) Evidence(u *evidence.Unverified, known Known, now time.Time) (*Appraisal, error) {
	if u.Sequence() <= known.Sequence {
		return nil, fault(Replayed, fmt.Errorf("sequence %d, the last accepted one is %d", u.Sequence(), known.Sequence))
	}
	key, err := publicKey(known.Key)
	if err != nil {
		return nil, fmt.Errorf("verifier: the stored key of a device cannot be read: %w", err)
	}
	claims, err := u.Verify(key)
	if err != nil {
		return nil, fault(BadSignature, err)
	}
	if err := v.epochs.Check(claims.Epoch, now); err != nil {
		return nil, epochFault(err)
	}
	off := now.Sub(claims.IssuedAt)
	return &Appraisal{
		Claims:      *claims,
		Attestation: weaker(known.Ceiling, ofBoot(claims.Boot)),
		ClockDoubt:  claims.ClockDoubt || off > ClockSlack || off < -ClockSlack,
	}, nil
}

func epochFault(err error) error {
	if errors.Is(err, ErrEpochExpired) {
		return fault(EpochExpired, err)
	}
	return fault(EpochUnknown, err)
}

func ofBoot(b evidence.Boot) policy.Attestation {
	switch b {
	case evidence.BootVerified:
		return policy.Genuine
	case evidence.BootCustom:
		return policy.Custom
	case evidence.BootUnlocked:
		return policy.Unlocked
	}
	return policy.AttestationUnknown
}

// weaker returns the weaker of two appraisals. Unknown is weaker than any: nothing follows from it.
func weaker(a, b policy.Attestation) policy.Attestation {
	if a == policy.AttestationUnknown || b == policy.AttestationUnknown {
		return policy.AttestationUnknown
	}
	return max(a, b) // Genuine, Custom, Unlocked: in falling strength
}
