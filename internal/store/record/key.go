package record

import (
	"bytes"
	"crypto/ecdh"
	"crypto/elliptic"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Kinds of keys. Each but verbatim is what follows a fixed beginning of the PKIX DER (RFC 5480, RFC 8410).
const (
	verbatim = iota
	p256
	ed25
	p256Small
	kinds
)

var shapes = [kinds]struct {
	begins string
	more   int
}{
	p256: {"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04", 64},
	ed25: {"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 32},
}

func shortKey(key []byte) (kind byte, short []byte) {
	for kind := byte(p256); kind < p256Small; kind++ {
		s := &shapes[kind]
		if len(key) == len(s.begins)+s.more && bytes.HasPrefix(key, []byte(s.begins)) {
			return kind, key[len(s.begins):]
		}
	}
	return verbatim, key
}

// onCurve reports whether one coordinate of a point can be told from the other: of a key that is no point it cannot.
func onCurve(xy []byte) bool {
	_, err := ecdh.P256().NewPublicKey(append([]byte{4}, xy...))
	return err == nil
}

// compressed is a point by one coordinate and the parity of the other (SEC 1, section 2.3.3).
func compressed(xy []byte) []byte {
	return append([]byte{2 + xy[63]&1}, xy[:32]...)
}

// small reads a compressed point. known is taken when it is the same one's key.
func (r *reader) small(known []byte) []byte {
	if len(r.b) < 33 {
		r.bad = true
		return nil
	}
	point := r.b[:33]
	r.b = r.b[33:]
	s := &shapes[p256]
	if len(known) == len(s.begins)+s.more && bytes.HasPrefix(known, []byte(s.begins)) && bytes.Equal(known[len(s.begins):len(s.begins)+32], point[1:]) &&
		2+known[len(known)-1]&1 == point[0] {
		return known
	}
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), point)
	if x == nil {
		r.bad = true
		return nil
	}
	key := append(append(make([]byte, 0, len(s.begins)+s.more), s.begins...), point[1:]...)
	return append(key, y.FillBytes(make([]byte, 32))...)
}

// key reads a key into the memory of the one before.
func (r *reader) key(before []byte, kind byte) []byte {
	into := before[:0]
	if kind == p256Small {
		return r.small(before)
	}
	if kind == verbatim {
		b := r.take(2, MaxKey)
		if again, _ := shortKey(b); again != verbatim {
			r.bad = true
		}
		if len(b) == 0 {
			return nil
		}
		return append(into, b...)
	}
	if kind >= kinds || len(r.b) < shapes[kind].more {
		r.bad = true
		return nil
	}
	s := &shapes[kind]
	if need := len(s.begins) + s.more; cap(into) < need {
		into = make([]byte, 0, need)
	}
	key := append(append(into, s.begins...), r.b[:s.more]...)
	r.b = r.b[s.more:]
	return key
}

// Number is the key of a device's row: the first 8 bytes of its ID as a big-endian number with the highest bit turned over, so that
// signed numbers have the order of IDs.
func Number(id device.ID) int64 {
	return int64(binary.BigEndian.Uint64(id[:8]) ^ 1<<63)
}

// Rest is the part of an ID that is not in its number.
func Rest(id device.ID) []byte { return id[8:] }

// ID puts number and rest together again.
func ID(number int64, rest []byte) (id device.ID, err error) {
	if len(rest) != 8 {
		return id, fmt.Errorf("record: the rest of an id has 8 bytes, not %d", len(rest))
	}
	binary.BigEndian.PutUint64(id[:8], uint64(number)^1<<63)
	copy(id[8:], rest)
	return id, nil
}

// IMEINumber is an IMEI as a number of at most 14 digits; the check digit follows from them. An IMEI that ParseIMEI refuses has none.
func IMEINumber(imei device.IMEI) (int64, error) {
	if len(imei) != 15 {
		return 0, fmt.Errorf("record: an IMEI has 15 digits, not %d", len(imei))
	}
	n := int64(0)
	for i := range 14 {
		if imei[i] < '0' || imei[i] > '9' {
			return 0, fmt.Errorf("record: %q is no IMEI", imei)
		}
		n = 10*n + int64(imei[i]-'0')
	}
	if device.CheckDigit(string(imei[:14])) != imei[14] {
		return 0, fmt.Errorf("record: the check digit of the IMEI %s is wrong", imei)
	}
	return n, nil
}

// IMEI is the IMEI with a number, 0 to 99999999999999.
func IMEI(number int64) (device.IMEI, error) {
	if number < 0 || number > 99_999_999_999_999 {
		return "", fmt.Errorf("record: %d is the number of no IMEI", number)
	}
	var b [15]byte
	digits := strconv.AppendInt(b[:0], 100_000_000_000_000+number, 10)
	copy(b[:], digits[1:])
	b[14] = checkDigit(b[:14])
	return device.IMEI(b[:]), nil
}

// checkDigit is device.CheckDigit of digits that are bytes, which it would copy.
func checkDigit(digits []byte) byte {
	sum := byte(0)
	for i, c := range digits {
		d := c - '0'
		if i%2 == 1 { // of 14 digits, the last and every other before it
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return '0' + (10-sum%10)%10
}

// Place is the territory under which a device is counted: of its activation, else of the last decided day.
func Place(d *authority.Device) territory.Code {
	if d.Activation != nil {
		return d.Activation.Territory
	}
	return d.Present()
}
