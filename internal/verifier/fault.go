package verifier

import (
	"errors"
	"fmt"
)

// Refusal names why something a device sent is not believed. The names are stable: they are in answers and metrics.
type Refusal string

// The refusals.
const (
	Malformed      Refusal = "malformed"
	BadSignature   Refusal = "bad-signature"
	EpochExpired   Refusal = "epoch-expired"
	EpochUnknown   Refusal = "epoch-unknown"
	ChainUntrusted Refusal = "chain-untrusted"
	IMEIMismatch   Refusal = "imei-mismatch"
	Replayed       Refusal = "sequence-replayed"
)

// Fault is a refusal with its cause.
type Fault struct {
	Refusal Refusal
	Err     error
}

func (f *Fault) Error() string { return fmt.Sprintf("verifier: %s: %v", f.Refusal, f.Err) }

func (f *Fault) Unwrap() error { return f.Err }

func fault(r Refusal, err error) error { return &Fault{r, err} }

// RefusalOf returns the name of the refusal that err wraps, or "".
func RefusalOf(err error) Refusal {
	var f *Fault
	if errors.As(err, &f) {
		return f.Refusal
	}
	return ""
}
