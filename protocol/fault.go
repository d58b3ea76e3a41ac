package protocol

import (
	"errors"
	"fmt"

	"github.com/bailiwick-dev/bailiwick/internal/sign1"
)

// Fault names why a message is refused. It is an error to test with errors.Is, and its text is a stable name for
// metrics and problem documents. What is wrong in detail is in the error that wraps it, and safe to show.
type Fault string

// The faults that a message can have.
const (
	ErrOversized Fault = "message-oversized" // more bytes than the message may have
	ErrMalformed Fault = "message-malformed" // truncated, not deterministic CBOR, or not of this structure
	ErrInvalid   Fault = "message-invalid"   // well-formed, but a field is out of bounds or contradicts another
	ErrAlgorithm Fault = "algorithm-refused" // enrolment: neither ES256 with P-256 nor EdDSA with Ed25519
	ErrCritical  Fault = "critical-refused"  // enrolment: a critical header parameter that nobody here understands
	ErrChain     Fault = "chain-malformed"   // enrolment: no certificates, too many, or too large
	ErrSignature Fault = "signature-invalid" // enrolment: it does not verify with the key of the first certificate
)

// Error returns the stable name.
func (f Fault) Error() string { return string(f) }

// Faults lists every fault, in the sequence in which they are declared: for metrics that begin at zero, and documents.
func Faults() []Fault {
	return []Fault{
		ErrOversized, ErrMalformed, ErrInvalid, ErrAlgorithm, ErrCritical, ErrChain, ErrSignature,
	}
}

// FaultOf returns the Fault that err wraps, or "" when there is none.
func FaultOf(err error) Fault {
	var f Fault
	errors.As(err, &f)
	return f
}

// envelope gives the envelope's errors their names here.
func envelope(err error) error {
	fault := ErrMalformed
	switch {
	case errors.Is(err, sign1.ErrAlgorithm):
		fault = ErrAlgorithm
	case errors.Is(err, sign1.ErrCritical):
		fault = ErrCritical
	case errors.Is(err, sign1.ErrSignature):
		fault = ErrSignature
	}
	return fmt.Errorf("%w: %w", fault, err)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}

func oversized(have, most int) error {
	return fmt.Errorf("%w: %d bytes, at most %d", ErrOversized, have, most)
}

func chainFault(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrChain}, args...)...)
}
