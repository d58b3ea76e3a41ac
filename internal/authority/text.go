package authority

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// line checks what a person typed: valid UTF-8, no control characters but line ends, least to most characters after the space
// around it was cut. It names what is wrong.
func line(what, text string, least, most int) (string, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	n := utf8.RuneCountInString(text)
	switch {
	case !utf8.ValidString(text):
		return "", ErrInvalid.saying("the %s is no valid text", what)
	case n < least && least > 0 && n == 0:
		return "", ErrInvalid.saying("the %s is missing", what)
	case n < least:
		return "", ErrInvalid.saying("the %s is too short: write at least %d characters", what, least)
	case n > most:
		return "", ErrInvalid.saying("the %s is too long: %d characters, at most %d", what, n, most)
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }):
		return "", ErrInvalid.saying("the %s has control characters", what)
	}
	return text, nil
}
