package evidence

import (
	"errors"
	"fmt"

	"github.com/bailiwick-dev/bailiwick/internal/sign1"
)

// Fault names why a token is refused. It is an error to test with errors.Is, and its text is a stable name for
// metrics and problem documents. What is wrong in detail is in the error that wraps it, and safe to show.
type Fault string

// The faults that a token can have.
const (
	ErrOversized Fault = "evidence-oversized" // more than MaxToken bytes
	ErrMalformed Fault = "evidence-malformed" // truncated, not deterministic CBOR, or not of this structure
	ErrAlgorithm Fault = "algorithm-refused"  // neither ES256 with P-256 nor EdDSA with Ed25519
	ErrCritical  Fault = "critical-refused"   // a critical header parameter that nobody here understands
	ErrProfile   Fault = "profile-unknown"    // another EAT profile, or none
	ErrLocation  Fault = "location-refused"   // it carries the EAT location claim (Charter C11)
	ErrClaim     Fault = "claim-unknown"      // a claim that the profile does not have
	ErrInvalid   Fault = "evidence-invalid"   // well-formed, but a claim is out of bounds or contradicts another
	ErrSignature Fault = "signature-invalid"  // it does not verify with the device's key
)

// Error returns the stable name.
func (f Fault) Error() string { return string(f) }

// Faults lists every fault, in the sequence in which they are declared: for metrics that begin at zero, and documents.
func Faults() []Fault {
	return []Fault{
		ErrOversized, ErrMalformed, ErrAlgorithm, ErrCritical, ErrProfile, ErrLocation, ErrClaim, ErrInvalid, ErrSignature,
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

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}
