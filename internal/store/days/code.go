package days

import "github.com/bailiwick-dev/bailiwick/territory"

// pairs is every two letters, one pair after the other, so that reading a country allocates nothing.
var pairs = func() string {
	b := make([]byte, 0, 2*26*26)
	for first := byte('A'); first <= 'Z'; first++ {
		for second := byte('A'); second <= 'Z'; second++ {
			b = append(b, first, second)
		}
	}
	return string(b)
}()

// Code is the code with the given letters. For a country it allocates nothing.
func Code(b []byte) territory.Code {
	if len(b) == 2 && b[0] >= 'A' && b[0] <= 'Z' && b[1] >= 'A' && b[1] <= 'Z' {
		at := 2 * (26*int(b[0]-'A') + int(b[1]-'A'))
		return territory.Code(pairs[at : at+2])
	}
	return territory.Code(b)
}
