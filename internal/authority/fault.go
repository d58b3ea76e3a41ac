package authority

import (
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// deviceFault gives a refused token its name. Details of formats are safe to show; those of certificates and keys are kept for
// the log.
func deviceFault(err error) error {
	switch verifier.RefusalOf(err) {
	case verifier.Malformed:
		return ErrMalformed.because(err)
	case verifier.BadSignature:
		return ErrBadSignature.because(err)
	case verifier.EpochExpired:
		return ErrEpochExpired.because(err)
	case verifier.EpochUnknown:
		return ErrEpochUnknown.because(err)
	case verifier.ChainUntrusted:
		return ErrChainUntrusted.because(err)
	case verifier.IMEIMismatch:
		return ErrIMEIMismatch.because(err)
	case verifier.Replayed:
		return ErrSequenceReplayed.because(err)
	}
	if f := evidence.FaultOf(err); f != "" {
		return &Error{Kind: Invalid, Name: string(f), Detail: err.Error(), Fix: ErrMalformed.Fix, Err: err}
	}
	if f := protocol.FaultOf(err); f != "" {
		return &Error{Kind: Invalid, Name: string(f), Detail: err.Error(), Fix: ErrMalformed.Fix, Err: err}
	}
	return &Error{Kind: Internal, Name: "internal", Detail: "something went wrong on our side", Fix: "try again later", Err: err}
}
