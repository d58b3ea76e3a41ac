package corpus

import (
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var cddlKey = regexp.MustCompile(`(?m)^  (\? )?(-?[0-9]+) =>`)

// CheckCDDL fails the test unless the rule of this name in the document, a map, has the very keys of the wire struct,
// optional where the struct leaves empty members out.
func CheckCDDL(tb testing.TB, document, rule string, wire any) {
	tb.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		tb.Fatal(err)
	}
	_, body, found := strings.Cut(string(text), "\n"+rule+" = {\n")
	body, _, closed := strings.Cut(body, "\n}")
	if !found || !closed {
		tb.Errorf("%s has no CDDL rule %q", document, rule)
		return
	}
	documented := make(map[int64]bool)
	for _, m := range cddlKey.FindAllStringSubmatch("\n"+body, -1) {
		key, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			tb.Fatal(err)
		}
		documented[key] = m[1] != ""
	}
	t := reflect.TypeOf(wire)
	for i := range t.NumField() {
		tag := strings.Split(t.Field(i).Tag.Get("cbor"), ",")
		key, err := strconv.ParseInt(tag[0], 10, 64)
		if err != nil {
			tb.Fatalf("%v.%s has no integer key", t, t.Field(i).Name)
		}
		optional := len(tag) == 3 && tag[2] == "omitempty"
		if said, ok := documented[key]; !ok || said != optional {
			tb.Errorf("%s: key %d of %s: documented %v, optional %v there and %v in the code", document, key, rule, ok, said, optional)
		}
		delete(documented, key)
	}
	for key := range documented {
		tb.Errorf("%s: rule %s has key %d, which the code does not", document, rule, key)
	}
}
