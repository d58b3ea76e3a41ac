// Package device names devices: the identifier that the authority gives at enrolment, and the IMEI that the maker and
// the owner know.
//
// An [ID] is 16 random bytes and says nothing of the device. An [IMEI] is personal data: it stays between the
// device, its owner and the authority, and is in no order and no ledger entry.
package device

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// ID identifies an enrolled device. The zero ID is no device.
type ID [16]byte

// String returns id as 32 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id names no device.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, fmt.Errorf("device: an id has 32 hexadecimal digits, not %d characters", len(s))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil || id.String() != s {
		return ID{}, errors.New("device: an id has 32 lower-case hexadecimal digits")
	}
	return id, nil
}

// IMEI is the International Mobile Equipment Identity (3GPP TS 23.003, 6.2.1): 15 digits, of which the first eight are
// the Type Allocation Code and the last is a Luhn check digit.
type IMEI string

// TAC returns the Type Allocation Code, which names the model: the first eight digits.
func (i IMEI) TAC() string {
	if len(i) < 8 {
		return ""
	}
	return string(i[:8])
}

// ParseIMEI reads an IMEI as people write it: spaces, dashes and slashes between digits are passed over, and digits of
// any script count (a Persian or Arabic keyboard is no mistake). The check digit must be right.
func ParseIMEI(s string) (IMEI, error) {
	if len(s) > 64 {
		return "", errors.New("device: an IMEI has 15 digits; this text is far longer")
	}
	digits := make([]byte, 0, 15)
	for _, r := range s {
		switch d := DigitValue(r); {
		case d >= 0:
			digits = append(digits, byte('0'+d))
		case r == ' ' || r == '-' || r == '/' || r == '\u00a0' || r == '\u200e' || r == '\u200f':
		default:
			return "", fmt.Errorf("device: %q does not belong in an IMEI; dial *#06# to see it", r)
		}
	}
	if len(digits) != 15 {
		return "", fmt.Errorf("device: an IMEI has 15 digits, this has %d; dial *#06# to see it", len(digits))
	}
	if CheckDigit(string(digits[:14])) != digits[14] {
		return "", errors.New("device: the last digit does not fit the others; a digit is mistyped")
	}
	return IMEI(digits), nil
}

// CheckDigit returns the Luhn digit, '0' to '9', that completes the given decimal digits (ISO/IEC 7812-1, annex B).
func CheckDigit(digits string) byte {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return byte('0' + (10-sum%10)%10)
}
