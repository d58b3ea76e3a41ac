package order

import (
	"crypto/sha256"
	"strings"

	"github.com/bailiwick-dev/bailiwick/device"
)

const (
	referenceLabel = "bailiwick/order/reference/1\x00"

	// crockford is Douglas Crockford's base 32: no I, L, O or U.
	crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// Reference returns the short name of one restriction: eight characters of Crockford's base 32 as "K7QF-2M9X". The
// locked screen shows it and the owner types it, with the IMEI, on the owner page. It is the first 40 bits of
// SHA-256("bailiwick/order/reference/1" || 0x00 || id || ground kind, one byte || ground id).
//
// It proves nothing but that its bearer saw the screen: two devices of a large fleet may share one.
func Reference(id device.ID, g Ground) string {
	h := sha256.New()
	h.Write([]byte(referenceLabel))
	h.Write(id[:])
	h.Write([]byte{byte(g.Kind)})
	h.Write([]byte(g.ID))
	var sum [sha256.Size]byte
	h.Sum(sum[:0])

	var bits uint64
	for _, b := range sum[:5] {
		bits = bits<<8 | uint64(b)
	}
	var out [9]byte
	out[4] = '-'
	for i := range 8 {
		at := i
		if i >= 4 {
			at++
		}
		out[at] = crockford[bits>>(35-5*i)&31]
	}
	return string(out[:])
}

// ParseReference reads a reference as people type it and returns it as Reference writes it. Case, spaces, dashes and
// marks of writing direction do not matter; O is read as 0, I and L as 1, and digits of any script as digits. It
// fails with ErrInvalid.
func ParseReference(s string) (string, error) {
	if len(s) > 128 {
		return "", invalid("a reference has 8 characters; this text is far longer")
	}
	out := make([]byte, 0, 9)
	n := 0
	for _, r := range s {
		if strings.ContainsRune(" \t\u00a0\u202f-\u2010\u2011\u2012\u2013\u2014\u2212._/\u200e\u200f\u061c", r) {
			continue
		}
		c := byte('?')
		if d := device.DigitValue(r); d >= 0 {
			c = byte('0' + d)
		} else if r < 0x80 {
			c = strings.ToUpper(string(r))[0]
		}
		switch c {
		case 'O':
			c = '0'
		case 'I', 'L':
			c = '1'
		}
		if strings.IndexByte(crockford, c) < 0 {
			return "", invalid("%q does not belong in a reference; type the 8 characters from the screen, as in K7QF-2M9X", r)
		}
		if n == 4 {
			out = append(out, '-')
		}
		out = append(out, c)
		n++
	}
	if n != 8 {
		return "", invalid("a reference has 8 characters, this has %d; type it as on the screen, as in K7QF-2M9X", n)
	}
	return string(out), nil
}
