package territory

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"sync"
)

// PLMN names a mobile network by its mobile country code and mobile network code (3GPP TS 23.003, section 2.2):
// "250-32". The network code keeps its two or three digits, "01" and "001" are different networks. The zero value
// means absent.
type PLMN string

// ParsePLMN reads "MCC-MNC", three digits, a hyphen, two or three digits. It does not ask whether the network exists.
func ParsePLMN(s string) (PLMN, error) {
	if (len(s) != 6 && len(s) != 7) || s[3] != '-' || !digits(s[:3]) || !digits(s[4:]) {
		return "", fmt.Errorf("territory: %q is not a network code: write MCC-MNC, such as 250-32", clip(s))
	}
	return PLMN(s), nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// MCC returns the mobile country code, "250" of "250-32"; empty when p is malformed.
func (p PLMN) MCC() string {
	if len(p) < 6 || p[3] != '-' {
		return ""
	}
	return string(p[:3])
}

// MNC returns the mobile network code, "32" of "250-32"; empty when p is malformed.
func (p PLMN) MNC() string {
	if len(p) < 6 || p[3] != '-' {
		return ""
	}
	return string(p[4:])
}

// Territories returns every territory that p may stand for by the embedded table, likeliest first; nil when p is
// unknown, international (MCC 901) or a test network (001). More than one where a code is shared, or where the table
// cannot exclude one: a mainland Russian network is RU and, as it may serve or roam there, also UA-43, UA-40 and the
// occupied oblasts. The slice is shared: do not write to it.
func (p PLMN) Territories() []Code { return EmbeddedPLMNs().Territories(p) }

//go:embed plmn.csv
var plmnCSV []byte

var embeddedPLMNs = sync.OnceValue(func() *PLMNTable {
	t, err := ParsePLMNTable(bytes.NewReader(plmnCSV))
	if err != nil {
		panic(err) // the file is part of the program; a test reads it
	}
	return t
})

// EmbeddedPLMNs returns the table that is built into the program. Source: plmn.csv in this package, where each row
// says its own.
func EmbeddedPLMNs() *PLMNTable { return embeddedPLMNs() }

// Territories is PLMN.Territories by this table. An exact row wins over the row of the whole MCC.
func (t *PLMNTable) Territories(p PLMN) []Code {
	if r := t.row(p); r != nil {
		return r.all
	}
	return nil
}

func (t *PLMNTable) row(p PLMN) *plmnRow {
	if t == nil || len(p) < 6 || len(p) > 7 || p[3] != '-' {
		return nil
	}
	if r, ok := t.rows[p]; ok {
		return r
	}
	return t.rows[p[:3]] // no copy: a slice of the same string
}

// plmnRow is what one row says of a network.
type plmnRow struct {
	serves []Code // it serves these: one unit of prior weight is parted evenly among them
	maybe  []Code // it cannot be excluded in these: each has minorShare of the weight
	absent []Code // subdivisions of a served country that it does not serve
	all    []Code // serves, then maybe
}

// stands reports whether the row's network may be met in place c, and whether only as one that cannot be excluded.
func (r *plmnRow) stands(c Code) bool {
	if slices.Contains(r.all, c) {
		return true
	}
	return !slices.Contains(r.absent, c) && coveredBy(r.serves, c)
}

func coveredBy(set []Code, c Code) bool {
	for _, s := range set {
		if s.Covers(c) {
			return true
		}
	}
	return false
}
