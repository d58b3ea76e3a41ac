package verifier

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"
)

// EpochPeriod is how long one epoch is given out; EpochsAccepted is how many are accepted, the current one included, so
// that a device may sign with an epoch that it got 36 to 48 hours before.
const (
	EpochPeriod    = 12 * time.Hour
	EpochsAccepted = 4
	epochSize      = 8 + 16
)

// The ways in which an epoch is not accepted.
var (
	ErrEpochExpired = errors.New("the epoch is too old")
	ErrEpochUnknown = errors.New("the epoch was never given out")
)

// Epochs makes and recognises the server's epochs (eat_nonce, RFC 9711, section 4.1). Servers that share a secret accept each
// other's. An epoch is the number of its period, 8 bytes big-endian, and the first 16 bytes of
// HMAC-SHA-256(secret, "bailiwick/epoch/1" || 0x00 || number): to anyone else it is an opaque string.
type Epochs struct {
	secret [32]byte
	recent atomic.Pointer[window] // nil before the first one was asked for
}

// window are the epochs that are accepted in one period, made once: every check-in asks for two of them.
type window struct {
	last   int64 // the period in which they are accepted
	epochs [EpochsAccepted][epochSize]byte
}

// at returns the window of a period.
func (e *Epochs) at(last int64) *window {
	if w := e.recent.Load(); w != nil && w.last == last {
		return w
	}
	w := &window{last: last}
	for i := range w.epochs {
		copy(w.epochs[i][:], e.of(last-int64(i)))
	}
	e.recent.Store(w)
	return w
}

// NewEpochs returns the epochs of a secret of 32 random bytes.
func NewEpochs(secret [32]byte) *Epochs { return &Epochs{secret: secret} }

// At returns the epoch to give out at now.
func (e *Epochs) At(now time.Time) []byte { return bytes.Clone(e.at(period(now)).epochs[0][:]) }

// Check returns nil, ErrEpochExpired for a genuine epoch that is too old, or ErrEpochUnknown for anything else, one from
// the future included.
func (e *Epochs) Check(epoch []byte, now time.Time) error {
	if len(epoch) != epochSize {
		return ErrEpochUnknown
	}
	n, today := int64(binary.BigEndian.Uint64(epoch)), period(now)
	if age := today - n; age >= 0 && age < EpochsAccepted {
		if !hmac.Equal(e.at(today).epochs[age][:], epoch) {
			return ErrEpochUnknown
		}
		return nil
	}
	if n > today || !hmac.Equal(e.of(n), epoch) {
		return ErrEpochUnknown
	}
	return ErrEpochExpired
}

func period(t time.Time) int64 { return t.Unix() / int64(EpochPeriod/time.Second) }

func (e *Epochs) of(n int64) []byte {
	out := binary.BigEndian.AppendUint64(make([]byte, 0, 8+sha256.Size), uint64(n))
	mac := hmac.New(sha256.New, e.secret[:])
	mac.Write([]byte("bailiwick/epoch/1\x00"))
	mac.Write(out[:8])
	return mac.Sum(out)[:epochSize]
}

// Period returns the number of the period in which an accepted epoch was given out.
func (e *Epochs) Period(epoch []byte, now time.Time) (int64, error) {
	if err := e.Check(epoch, now); err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(epoch)), nil
}

// PeriodOf returns the number of the period that holds t.
func PeriodOf(t time.Time) int64 { return period(t) }
