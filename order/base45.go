package order

import (
	"fmt"
	"strings"
)

// base45 is the alphabet of RFC 9285, which is that of a QR code's alphanumeric mode.
const base45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

// encodeBase45 writes two bytes as three characters, and a last single one as two (RFC 9285, section 4).
func encodeBase45(data []byte) string {
	var b strings.Builder
	b.Grow((len(data)*3 + 1) / 2)
	for len(data) >= 2 {
		n := int(data[0])<<8 | int(data[1])
		b.WriteByte(base45[n%45])
		b.WriteByte(base45[n/45%45])
		b.WriteByte(base45[n/2025])
		data = data[2:]
	}
	if len(data) == 1 {
		b.WriteByte(base45[data[0]%45])
		b.WriteByte(base45[data[0]/45])
	}
	return b.String()
}

// decodeBase45 reads what encodeBase45 wrote. It fails with ErrMalformed for another character, a length that cannot be, and for
// three characters that stand for more than 65,535, or two for more than 255 (section 6).
func decodeBase45(text string) ([]byte, error) {
	if len(text)%3 == 1 {
		return nil, fmt.Errorf("%w: base 45 of %d characters is cut short", ErrMalformed, len(text))
	}
	data := make([]byte, 0, len(text)/3*2+1)
	for len(text) > 0 {
		group := text[:min(3, len(text))]
		text = text[len(group):]
		n, weight := 0, 1
		for i := range len(group) {
			v := strings.IndexByte(base45, group[i])
			if v < 0 {
				return nil, fmt.Errorf("%w: %q does not belong in base 45", ErrMalformed, group[i])
			}
			n += v * weight
			weight *= 45
		}
		switch {
		case len(group) == 3 && n <= 0xffff:
			data = append(data, byte(n>>8), byte(n))
		case len(group) == 2 && n <= 0xff:
			data = append(data, byte(n))
		default:
			return nil, fmt.Errorf("%w: base 45 of a number that is too large", ErrMalformed)
		}
	}
	return data, nil
}
