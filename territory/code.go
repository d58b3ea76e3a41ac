package territory

import (
	"fmt"
	"strings"
)

// Code names a territory: an ISO 3166-1 alpha-2 code ("CU"), or an ISO 3166-2 code ("UA-43") where a policy
// needs a subdivision. The zero value is Unknown.
type Code string

// Unknown is the code of a place that no table names, and of a question without an answer.
const Unknown Code = ""

// Country returns the ISO 3166-1 part: "UA" for "UA-43", and c itself for a country.
func (c Code) Country() Code {
	if i := strings.IndexByte(string(c), '-'); i >= 0 {
		return c[:i]
	}
	return c
}

// IsSubdivision reports whether c is an ISO 3166-2 code.
func (c Code) IsSubdivision() bool { return strings.IndexByte(string(c), '-') >= 0 }

// Covers reports whether a rule for c speaks of other too: they are equal, or c is the country of other.
// Unknown covers nothing, and nothing covers Unknown.
func (c Code) Covers(other Code) bool {
	return c != Unknown && other != Unknown && (c == other || c == other.Country())
}

// ParseCode returns the territory that s names. It is strict: upper case, and only codes that the embedded ISO
// tables know. The error says what was read.
func ParseCode(s string) (Code, error) {
	if c := Code(s); c.Valid() {
		return c, nil
	}
	return Unknown, fmt.Errorf("territory: %q is not an ISO 3166-1 alpha-2 or a known ISO 3166-2 code", clip(s))
}

func clip(s string) string {
	if len(s) > 32 {
		return s[:32] + "…"
	}
	return s
}
