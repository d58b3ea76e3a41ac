package tuf

import (
	"errors"
	"fmt"
)

// Fault names why metadata or a file are refused. It is an error to test with errors.Is, and its text is a stable name
// for metrics, problem documents and refusals. What is wrong in detail is in the error that wraps it.
type Fault string

// The faults, in the sequence in which an update is looked at.
const (
	ErrOversized  Fault = "metadata-oversized"   // more than MaxMetadata bytes or MaxRoots roots; not read
	ErrMalformed  Fault = "metadata-malformed"   // no strict JSON, not the metadata of that role, or out of bounds
	ErrThreshold  Fault = "metadata-threshold"   // fewer than Threshold officers would suffice for a role of theirs
	ErrSignatures Fault = "metadata-unsigned"    // fewer different signers than the role's threshold
	ErrRootGap    Fault = "metadata-root-gap"    // a root is not the successor of the trusted one
	ErrRolledBack Fault = "metadata-rolled-back" // a version is lower than one that was trusted
	ErrExpired    Fault = "metadata-expired"     // its date has passed
	ErrMixed      Fault = "metadata-mixed"       // snapshot and timestamp do not describe the other parts
	ErrNotListed  Fault = "target-not-listed"    // officers signed no file of that path, or not in that role
	ErrDiffers    Fault = "target-differs"       // listed, but with another length or hash
)

// Error returns the stable name.
func (f Fault) Error() string { return string(f) }

// Faults lists every fault, in the sequence in which they are declared: for metrics that begin at zero, and documents.
func Faults() []Fault {
	return []Fault{
		ErrOversized, ErrMalformed, ErrThreshold, ErrSignatures, ErrRootGap, ErrRolledBack, ErrExpired, ErrMixed, ErrNotListed, ErrDiffers,
	}
}

// FaultOf returns the Fault that err wraps, or "" when there is none.
func FaultOf(err error) Fault {
	var f Fault
	errors.As(err, &f)
	return f
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}
