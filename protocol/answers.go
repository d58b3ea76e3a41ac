package protocol

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Bounds of the answers.
const (
	MaxEpochAnswer = 256                 // bytes
	MaxNextCheckIn = 31 * 24 * time.Hour // an answer may not send a device away for longer
)

// Marshal returns the answer's bytes. A fraction of a second in Time is cut off. It fails with ErrInvalid.
func (a EpochAnswer) Marshal() ([]byte, error) {
	if err := checkMoment(a.Epoch, a.Time.Unix()); err != nil {
		return nil, err
	}
	return marshal(&wireEpochAnswer{Version: version, Epoch: a.Epoch, Time: a.Time.Unix()}, MaxEpochAnswer)
}

// ParseEpochAnswer reads what Marshal wrote. It fails with ErrOversized, ErrMalformed or ErrInvalid.
func ParseEpochAnswer(data []byte) (*EpochAnswer, error) {
	var w wireEpochAnswer
	if err := unmarshal(data, MaxEpochAnswer, &w); err != nil {
		return nil, err
	}
	if err := checkVersion(w.Version); err != nil {
		return nil, err
	}
	if err := checkMoment(w.Epoch, w.Time); err != nil {
		return nil, err
	}
	return &EpochAnswer{Epoch: w.Epoch, Time: timeOf(w.Time)}, nil
}

// Marshal returns the answer's bytes, at most MaxAnswer. A fraction of a second in Time is cut off. It fails with
// ErrInvalid or ErrOversized.
func (a EnrolAnswer) Marshal() ([]byte, error) {
	if err := a.validate(); err != nil {
		return nil, err
	}
	return marshal(&wireEnrolAnswer{
		Version: version, Epoch: a.Epoch, Time: a.Time.Unix(),
		Device: a.Device[:], UnlockSecret: a.UnlockSecret[:],
		Trust: wireTrust{
			Origin: a.Trust.Origin, LogKey: a.Trust.LogKey,
			Witnesses: a.Trust.Witnesses, Quorum: uint32(a.Trust.Quorum),
		},
		Policy:   policyToWire(&a.Policy),
		Metadata: updateToWire(&a.Metadata),
	}, MaxAnswer)
}

// ParseEnrolAnswer reads what Marshal wrote. It fails with ErrOversized, ErrMalformed or ErrInvalid.
func ParseEnrolAnswer(data []byte) (*EnrolAnswer, error) {
	var w wireEnrolAnswer
	if err := unmarshal(data, MaxAnswer, &w); err != nil {
		return nil, err
	}
	if err := checkVersion(w.Version); err != nil {
		return nil, err
	}
	policy, err := policyFromWire(&w.Policy)
	if err != nil {
		return nil, err
	}
	a := &EnrolAnswer{
		Trust: Trust{
			Origin: w.Trust.Origin, LogKey: w.Trust.LogKey,
			Witnesses: w.Trust.Witnesses, Quorum: int(w.Trust.Quorum),
		},
		Policy:   *policy,
		Metadata: updateFromWire(&w.Metadata),
		Epoch:    w.Epoch,
		Time:     timeOf(w.Time),
	}
	if !dcbor.Fixed(a.Device[:], w.Device) || !dcbor.Fixed(a.UnlockSecret[:], w.UnlockSecret) {
		return nil, malformed("a device's id has 16 bytes, its unlock secret 32")
	}
	return a, a.validate()
}

func (a *EnrolAnswer) validate() error {
	if err := checkMoment(a.Epoch, a.Time.Unix()); err != nil {
		return err
	}
	if a.Device.IsZero() {
		return invalid("the device's id is missing")
	}
	if err := a.Trust.Validate(); err != nil {
		return err
	}
	if len(a.Metadata.Roots) == 0 {
		return invalid("an enrolment brings the officers' metadata from the first root on")
	}
	if err := validateUpdate(&a.Metadata); err != nil {
		return err
	}
	return a.Policy.Validate()
}

// Validate checks the bounds of t, not the keys themselves; proof.New does that. It fails with ErrInvalid.
func (t *Trust) Validate() error {
	if err := checkText("the ledger's origin", t.Origin, 1, 255); err != nil {
		return err
	}
	if err := checkText("the ledger's key", t.LogKey, 1, 512); err != nil {
		return err
	}
	if len(t.Witnesses) > 32 || t.Quorum < 0 || t.Quorum > len(t.Witnesses) {
		return invalid("at most 32 witnesses, and a quorum of no more than there are")
	}
	for _, w := range t.Witnesses {
		if err := checkText("a witness's key", w, 1, 512); err != nil {
			return err
		}
	}
	return nil
}

// Marshal returns the answer's bytes, at most MaxAnswer. A fraction of a second in Time is cut off. It fails with
// ErrInvalid or ErrOversized.
func (a CheckInAnswer) Marshal() ([]byte, error) {
	if err := a.validate(); err != nil {
		return nil, err
	}
	b, err := a.encode(make([]byte, 0, 128+4096*len(a.Orders)+len(a.Encoded)))
	if err != nil {
		return nil, invalid("%v", err)
	}
	if len(b) > MaxAnswer {
		return nil, oversized(len(b), MaxAnswer)
	}
	return b, nil
}

// encode appends the answer: wireCheckInAnswer, written out by hand because every check-in is answered with one. FuzzCheckInAnswer
// and what Parse does hold it to that.
func (a *CheckInAnswer) encode(b []byte) ([]byte, error) {
	pairs := 5
	for _, there := range [...]bool{a.IP != territory.Unknown, len(a.Orders) > 0, len(a.Warrants) > 0, a.Policy != nil, a.Unlocks > 0, a.Metadata != nil} {
		if there {
			pairs++
		}
	}
	b = dcbor.AppendMap(b, pairs)
	b = dcbor.AppendUint(append(b, 0), version)
	b = dcbor.AppendBytes(append(b, 1), a.Epoch)
	b = dcbor.AppendUint(append(b, 2), uint64(a.Time.Unix()))
	b = dcbor.AppendUint(append(b, 3), uint64(a.NextCheckIn/time.Second))
	b = dcbor.AppendUint(append(b, 4), a.Sequence)
	if a.IP != territory.Unknown {
		b = dcbor.AppendText(append(b, 5), string(a.IP))
	}
	if len(a.Orders) > 0 {
		b = dcbor.AppendArray(append(b, 6), len(a.Orders))
		for i := range a.Orders {
			o := &a.Orders[i]
			b = dcbor.AppendBytes(dcbor.AppendArray(b, 3), o.Leaf)
			b = dcbor.AppendBytes(dcbor.AppendBytes(b, o.Salt[:]), o.Proof)
		}
	}
	var err error
	if len(a.Warrants) > 0 {
		b = dcbor.AppendArray(append(b, 7), len(a.Warrants))
		for i := range a.Warrants {
			if b, err = appendReflected(b, heldToWire(&a.Warrants[i])); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case a.Policy != nil && len(a.Encoded) > 0:
		b = append(append(b, 8), a.Encoded...)
	case a.Policy != nil:
		if b, err = appendReflected(append(b, 8), policyToWire(a.Policy)); err != nil {
			return nil, err
		}
	}
	if a.Unlocks > 0 {
		b = dcbor.AppendUint(append(b, 9), a.Unlocks)
	}
	if a.Metadata != nil {
		b = appendUpdate(append(b, 10), a.Metadata)
	}
	return b, nil
}

// appendReflected appends what is rarely in an answer.
func appendReflected(b []byte, wire any) ([]byte, error) {
	data, err := dcbor.Marshal(wire)
	return append(b, data...), err
}

// ParseCheckInAnswer reads what Marshal wrote. Orders are bounded and not yet opened. It fails with ErrOversized,
// ErrMalformed or ErrInvalid.
func ParseCheckInAnswer(data []byte) (*CheckInAnswer, error) {
	var w wireCheckInAnswer
	if err := unmarshal(data, MaxAnswer, &w); err != nil {
		return nil, err
	}
	if err := checkVersion(w.Version); err != nil {
		return nil, err
	}
	orders, err := sealedFromWire(w.Orders)
	if err != nil {
		return nil, err
	}
	a := &CheckInAnswer{
		Epoch:       w.Epoch,
		Time:        timeOf(w.Time),
		NextCheckIn: time.Duration(w.NextCheckIn) * time.Second,
		Sequence:    w.Sequence,
		IP:          territory.Code(w.IP),
		Orders:      orders,
		Unlocks:     w.Unlocks,
	}
	for i := range w.Warrants {
		held, err := heldFromWire(&w.Warrants[i])
		if err != nil {
			return nil, err
		}
		a.Warrants = append(a.Warrants, *held)
	}
	if w.Policy != nil {
		if a.Policy, err = policyFromWire(w.Policy); err != nil {
			return nil, err
		}
	}
	if w.Metadata != nil {
		update := updateFromWire(w.Metadata)
		a.Metadata = &update
	}
	return a, a.validate()
}

func (a *CheckInAnswer) validate() error {
	if err := checkMoment(a.Epoch, a.Time.Unix()); err != nil {
		return err
	}
	switch {
	case a.NextCheckIn < time.Second || a.NextCheckIn > MaxNextCheckIn || a.NextCheckIn%time.Second != 0:
		return invalid("the next check-in is whole seconds away, 1 to %d, not %v", MaxNextCheckIn/time.Second, a.NextCheckIn)
	case a.Sequence == 0:
		return invalid("the sequence of the evidence that is answered is missing")
	case a.IP != territory.Unknown && !a.IP.WellFormed():
		return invalid("the address's territory is a code such as CU or UA-43, or empty")
	case len(a.Orders) > MaxOrders || len(a.Warrants) > MaxOrders:
		return invalid("at most %d orders and as many warrants", MaxOrders)
	}
	for i := range a.Orders {
		if err := a.Orders[i].CheckSize(); err != nil {
			return invalid("%w", err)
		}
	}
	for i := range a.Warrants {
		if err := a.Warrants[i].validate(); err != nil {
			return err
		}
	}
	if a.Metadata != nil {
		if err := validateUpdate(a.Metadata); err != nil {
			return err
		}
	}
	if a.Policy != nil && len(a.Encoded) == 0 {
		return a.Policy.Validate()
	}
	return nil
}
