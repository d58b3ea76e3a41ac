// Package unlock is the way out without a network (Charter C9): a locked screen shows a challenge of eight digits, the
// owner reads it to support, support answers with eight digits, and the owner types them.
//
// The answer is an OCRA response (RFC 6287) of the suite in [Suite]: HMAC-SHA-256 with a secret per device, over the
// challenge and a counter that both sides keep and that is spent by a right answer. The device draws a new challenge
// whenever it shows one:
//
//	challenge, err := unlock.NewChallenge(rand.Reader)      // device: show unlock.Group(challenge)
//	code, err := unlock.Answer(secret, counter, challenge)   // authority: counter = codes known to be spent
//	spent, ok := unlock.Check(secret, next, unlock.Window, challenge, typed)
//	                                                         // device: if ok, next = spent + 1, durably, then unlock
//
// After each wrong code the device waits as [Backoff] says, and keeps the count of failures where a restart does not
// reach. Both sides read digits of any script.
package unlock

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
)

const (
	// Suite is the OCRA suite: HMAC-SHA-256, eight digits out, a counter and eight digits of challenge in.
	Suite = "OCRA-1:HOTP-SHA256-8:C-QN08"

	// Digits is the length of a challenge and of a code.
	Digits = 8

	// Window is how many counters a device tries: its own next one, and those after it, in case that support gave out
	// codes that were never typed.
	Window = 16

	// MaxWait is the longest wait that Backoff asks for.
	MaxWait = time.Hour

	firstWait = 5 * time.Second

	secretLabel = "bailiwick/unlock/1\x00"
)

// ErrInput says that a text is not eight digits. The error that wraps it says what was wrong, for the person who typed.
var ErrInput = errors.New("unlock: type the eight digits")

// Answer returns the code for a challenge at a counter: eight ASCII digits. secret has at least 16 bytes. It fails
// with ErrInput when challenge is not eight digits, as Normalise returns them.
func Answer(secret []byte, counter uint64, challenge string) (string, error) {
	if len(secret) < 16 {
		return "", fmt.Errorf("unlock: a secret of %d bytes is too short", len(secret))
	}
	if canonical, err := Normalise(challenge); err != nil || canonical != challenge {
		return "", fmt.Errorf("%w: the challenge is not in its canonical form", ErrInput)
	}
	suite, err := ParseOCRA(Suite)
	if err != nil {
		return "", err
	}
	return suite.Response(secret, Input{Counter: counter, Question: challenge})
}

// Check looks for the counter, of window counters beginning with from, at which code answers challenge. It returns
// that counter, which is then spent with all before it. Both texts may be as people type them. It takes the same time
// whichever counter fits or none, and window is cut to Window.
func Check(secret []byte, from, window uint64, challenge, code string) (uint64, bool) {
	challenge, err := Normalise(challenge)
	if err != nil {
		return 0, false
	}
	typed, err := Normalise(code)
	if err != nil {
		return 0, false
	}
	window = min(window, Window, math.MaxUint64-from)
	fits := 0
	at := uint64(0)
	for i := range window {
		want, err := Answer(secret, from+i, challenge)
		if err != nil {
			return 0, false
		}
		equal := subtle.ConstantTimeCompare([]byte(want), []byte(typed))
		first := equal &^ fits // the lowest counter that fits, should two do
		at |= (from + i) & -uint64(first)
		fits |= equal
	}
	return at, fits == 1
}

// NewChallenge draws a challenge of eight digits from random (crypto/rand.Reader).
func NewChallenge(random io.Reader) (string, error) {
	limit := uint64(math.Pow10(Digits))
	// The top of the range that limit does not divide is drawn again, so that no challenge is likelier than another.
	ceiling := math.MaxUint32 / limit * limit
	for {
		var b [4]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", fmt.Errorf("unlock: no randomness: %w", err)
		}
		if n := uint64(binary.BigEndian.Uint32(b[:])); n < ceiling {
			return fmt.Sprintf("%0*d", Digits, n%limit), nil
		}
	}
}

// Normalise reads a challenge or a code as people type it and returns its eight ASCII digits: digits of any script
// count, and spaces, dashes, dots and marks of writing direction are passed over. It fails with ErrInput.
func Normalise(input string) (string, error) {
	if len(input) > 128 {
		return "", fmt.Errorf("%w: this text is far longer", ErrInput)
	}
	digits := make([]byte, 0, Digits)
	for _, r := range input {
		d := device.DigitValue(r)
		switch {
		case d >= 0 && len(digits) == Digits:
			return "", fmt.Errorf("%w: there are more than %d", ErrInput, Digits)
		case d >= 0:
			digits = append(digits, byte('0'+d))
		case strings.ContainsRune(" \t\r\n\u00a0\u202f-\u2010\u2011\u2012\u2013\u2014\u2212._/\u200e\u200f\u061c", r):
		default:
			return "", fmt.Errorf("%w: %q is none", ErrInput, r)
		}
	}
	if len(digits) != Digits {
		return "", fmt.Errorf("%w: there are only %d of %d", ErrInput, len(digits), Digits)
	}
	return string(digits), nil
}

// Group returns eight digits in two groups of four, as people read them out: "1234 5678".
func Group(digits string) string {
	if len(digits) != Digits {
		return digits
	}
	return digits[:Digits/2] + " " + digits[Digits/2:]
}

// DeriveSecret returns the unlock secret of a device: HKDF-SHA-256 (RFC 5869) of the authority's master secret, with no
// salt and "bailiwick/unlock/1" || 0x00 || id as info. The authority keeps one master and no table of secrets, so that
// no lost record leaves a device that nobody can unlock.
func DeriveSecret(master [32]byte, id device.ID) [32]byte {
	key, err := hkdf.Key(sha256.New, master[:], nil, secretLabel+string(id[:]), 32)
	if err != nil {
		panic(err) // constant lengths, within the limits of RFC 5869
	}
	return [32]byte(key)
}

// Backoff returns how long the device takes no code after so many wrong ones in a row: five seconds after the first,
// twice as long after each further one, an hour at most. A right code sets failures to zero.
func Backoff(failures int) time.Duration {
	if failures <= 0 {
		return 0
	}
	wait := firstWait
	for range failures - 1 {
		if wait *= 2; wait >= MaxWait {
			return MaxWait
		}
	}
	return wait
}
