package order

import "errors"

// Fault names why bytes are not an order for this device. It is an error to test with errors.Is, and its text is a
// stable name for metrics, problem documents and refusals. What is wrong in detail is in the error that wraps it.
type Fault string

// The faults that reading an order can have.
const (
	ErrMalformed  Fault = "order-malformed"   // not deterministic CBOR of this structure, or oversized
	ErrVersion    Fault = "order-version"     // a version that this agent does not know
	ErrInvalid    Fault = "order-invalid"     // well-formed, but the fields contradict each other
	ErrCommitment Fault = "order-not-for-you" // the salt does not open the commitment to this device
	ErrSaltReused Fault = "order-salt-reused" // two orders carry one commitment: everybody can see that they are for one device
	ErrNotQR      Fault = "order-not-qr"      // the text of a QR code that holds something else
)

// Error returns the stable name.
func (f Fault) Error() string { return string(f) }

// FaultOf returns the Fault that err wraps, or "" when there is none.
func FaultOf(err error) Fault {
	var f Fault
	errors.As(err, &f)
	return f
}
