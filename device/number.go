package device

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const (
	numberGroups = 8
	groupDigits  = 6
	groupFactor  = 11 // each group is a multiple: one wrong digit, or two next to each other exchanged, is not
)

// Number returns id as people read it out, for where there is no network and no record: eight groups of six digits, each
// sixteen bits of the id times eleven, so that each is checked by itself. It says what String says.
func (id ID) Number() string {
	var b strings.Builder
	for i := range numberGroups {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%0*d", groupDigits, int(binary.BigEndian.Uint16(id[2*i:]))*groupFactor)
	}
	return b.String()
}

// ParseNumber reads what Number wrote, as people type it: digits of any script, with whatever spaces, dashes and marks of writing
// direction. The error says which group is mistyped.
func ParseNumber(s string) (ID, error) {
	const most = 512
	var id ID
	if len(s) > most {
		return ID{}, fmt.Errorf("device: a device number has %d digits; this text is far longer", numberGroups*groupDigits)
	}
	digits := make([]int, 0, numberGroups*groupDigits)
	for _, r := range s {
		switch d := DigitValue(r); {
		case d >= 0:
			digits = append(digits, d)
		case strings.ContainsRune(" \t\r\n\u00a0\u202f-\u2010\u2011\u2012\u2013\u2014\u2212._/\u200e\u200f\u061c\u2066\u2067\u2068\u2069", r):
		default:
			return ID{}, fmt.Errorf("device: %q does not belong in a device number; type the digits below the challenge on the screen", r)
		}
	}
	if len(digits) != numberGroups*groupDigits {
		return ID{}, fmt.Errorf("device: a device number has %d digits in %d groups, this has %d", numberGroups*groupDigits, numberGroups, len(digits))
	}
	for i := range numberGroups {
		n := 0
		for _, d := range digits[i*groupDigits : (i+1)*groupDigits] {
			n = 10*n + d
		}
		if n%groupFactor != 0 || n/groupFactor > 0xffff {
			return ID{}, &groupError{i + 1}
		}
		binary.BigEndian.PutUint16(id[2*i:], uint16(n/groupFactor))
	}
	if id.IsZero() {
		return ID{}, errors.New("device: this number names no device")
	}
	return id, nil
}

// WrongGroup returns which group of a device number is mistyped, from 1, when it has all of its digits; otherwise 0.
func WrongGroup(s string) int {
	var wrong *groupError
	if _, err := ParseNumber(s); errors.As(err, &wrong) {
		return wrong.group
	}
	return 0
}

type groupError struct{ group int }

func (e *groupError) Error() string {
	return fmt.Sprintf("device: group %d of %d is mistyped; compare it with the screen digit by digit", e.group, numberGroups)
}
