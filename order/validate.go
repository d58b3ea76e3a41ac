package order

import (
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// Validate checks that the fields of l fit each other. It fails with ErrInvalid.
//
// It knows nothing of the Charter's floors: a notice that is too short, or a lock that is too long, is a well-formed
// order, and the agent refuses it under the Charter's name.
func (l Leaf) Validate() error {
	if l.Kind < Notice || l.Kind > Lift {
		return invalid("kind %d is neither notice, lock nor lift", l.Kind)
	}
	if err := l.Ground.Validate(); err != nil {
		return err
	}
	switch {
	case l.Ground.Kind == Rule && !l.Territory.WellFormed():
		return invalid("a rule's order names a territory such as CU or UA-43")
	case l.Ground.Kind == Warrant && l.Territory != territory.Unknown:
		return invalid("a warrant's order names no territory")
	case l.Authority == [32]byte{}:
		return invalid("the authority, a SHA-256 of the policy or warrant, is missing")
	case l.Commitment == [32]byte{}:
		return invalid("the commitment to a device is missing")
	}
	for _, t := range [...]time.Time{l.IssuedAt, l.Deadline, l.EffectAt, l.EndsAt} {
		if t.IsZero() {
			continue
		}
		if t.Nanosecond() != 0 || t.Unix() <= 0 || t.Unix() > maxTime {
			return invalid("times are whole seconds from 1970 to 9999; %v is not", t)
		}
	}
	if l.IssuedAt.IsZero() {
		return invalid("the time of issue is missing")
	}
	return l.validateTimes()
}

// validateTimes checks which times and which cause the kind of order has, and their sequence.
func (l Leaf) validateTimes() error {
	switch l.Kind {
	case Notice:
		if !l.Deadline.After(l.IssuedAt) {
			return invalid("a notice has a deadline after its issue")
		}
		if !l.EffectAt.IsZero() || !l.EndsAt.IsZero() || l.Cause != 0 {
			return invalid("a notice has no effect, no end and no cause")
		}
	case Lock:
		switch {
		case l.Deadline.IsZero():
			return invalid("a lock repeats the deadline that its notice told")
		case l.EffectAt.IsZero() || l.EffectAt.Before(l.Deadline):
			return invalid("a lock takes effect at its deadline or later")
		case !l.EndsAt.After(l.EffectAt):
			return invalid("a lock ends after it took effect")
		case l.Cause != 0:
			return invalid("a lock has no cause; its ground says why")
		}
	case Lift:
		if !l.Deadline.IsZero() || !l.EffectAt.IsZero() || !l.EndsAt.IsZero() {
			return invalid("a lift has no deadline, no effect and no end: it holds at once and for good")
		}
		if l.Cause < ByRule || l.Cause > ByCode {
			return invalid("a lift says its cause")
		}
	}
	return nil
}

// Validate checks the kind and the characters of a ground. It fails with ErrInvalid.
func (g Ground) Validate() error {
	if g.Kind != Rule && g.Kind != Warrant {
		return invalid("ground kind %d is neither rule nor warrant", g.Kind)
	}
	if len(g.ID) < 1 || len(g.ID) > 64 {
		return invalid("a ground's id has 1 to 64 characters, not %d", len(g.ID))
	}
	for i := range len(g.ID) {
		c := g.ID[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-') {
			return invalid("a ground's id has characters of a-z, 0-9, '.', '_' and '-' only: %q", g.ID)
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}
