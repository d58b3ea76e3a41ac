package bench

import "strconv"

// thousands writes a number as people read it.
func thousands[N int | int64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		if text[i-1] != '-' {
			text = text[:i] + "," + text[i:]
		}
	}
	return text
}
