package tuf

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/corpus"
)

// plain is a value as encoding/json would have it with numbers kept.
func (v value) plain() any {
	switch v.kind {
	case kindObject:
		m := map[string]any{}
		for _, member := range v.members {
			m[member.name] = member.value.plain()
		}
		return m
	case kindArray:
		items := []any{}
		for _, item := range v.items {
			items = append(items, item.plain())
		}
		return items
	case kindString:
		return v.text
	case kindInteger:
		return v.integer
	}
	return v.flag
}

// standard is the same by encoding/json.
func standard(t *testing.T, data []byte) any {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		t.Fatalf("accepted, but encoding/json says of %q: %v", data, err)
	}
	return integers(t, v)
}

func integers(t *testing.T, v any) any {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			t.Fatal(err)
		}
		return n
	case []any:
		for i := range v {
			v[i] = integers(t, v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = integers(t, v[name])
		}
	}
	return v
}

// What is accepted encoding/json understands in the same way, and the bytes of the whole are the data without space around it.
func FuzzJSON(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parseJSON(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		if got, want := v.plain(), standard(t, data); !reflect.DeepEqual(got, want) {
			t.Fatalf("read %#v, encoding/json reads %#v", got, want)
		}
		if !bytes.Equal(v.raw, bytes.Trim(data, " \t\r\n")) {
			t.Fatalf("raw is %q", v.raw)
		}
	})
}

func accepted() map[string]string {
	return map[string]string{
		"object":  ` {"a" : 1 , "b":[true,false,[],{}], "":"" } `,
		"escapes": `"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00 é😀` + "\x7f" + `"`,
		"numbers": `[0,-1,9007199254740991,-9007199254740991]`,
		"deep":    strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
	}
}

func TestJSON(t *testing.T) {
	for name, text := range accepted() {
		if v, err := parseJSON([]byte(text)); err != nil || !reflect.DeepEqual(v.plain(), standard(t, []byte(text))) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "space": " ", "two": "1 2", "null": "null", "null inside": "[null]", "word": "trve", "cut word": "tru", "fraction": "1.0", "exponent": "1e3", "plus": "+1",
		"leading zero": "01", "minus": "-", "minus zero": "-0", "minus leading zero": "-01", "hexadecimal": "0x1", "too large": "9007199254740992", "far too large": strings.Repeat("9", 40),
		"not a number": "NaN", "trailing comma": "[1,]", "leading comma": "[,1]", "no comma": "[1 2]", "open array": "[1", "open object": `{"a":1`, "no colon": `{"a" 1}`,
		"no value": `{"a":}`, "name without quotes": `{a:1}`, "comma in object": `{"a":1,}`, "name twice": `{"a":1,"b":2,"a":1}`, "name twice, escaped": `{"a":1,"\u0061":1}`,
		"open string": `"a`, "open escape": `"\`, "unknown escape": `"\x"`, "short unicode": `"\u12"`, "not hexadecimal": `"\u00g0"`, "high half": `"\ud800"`, "low half": `"\udc00"`,
		"two high halves": `"\ud800\ud800"`, "half and a letter": `"\ud800a"`, "control": "\"\x01\"", "control after escape": "\"\\n\x01\"", "newline": "\"\n\"", "not UTF-8": "\"\xff\"",
		"encoded surrogate": "\"\xed\xa0\x80\"", "comment": "/**/1", "byte order mark": "\ufeff1", "too deep": strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
		"single quotes": `'a'`, "odd space": "\f1", "escaped outside": `\u0031`, "odd digits": "\"\\u\x10\x11\x12\x13\"",
	} {
		if v, err := parseJSON([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %#v, %v", name, v.plain(), err)
		}
	}
}

// A repeated name is found wherever it stands, in small objects and in large ones.
func TestNameTwiceAnywhere(t *testing.T) {
	for size := range 40 {
		var text strings.Builder
		for i := range size {
			fmt.Fprintf(&text, `"%d":0,`, i)
		}
		for again := range size {
			if _, err := parseJSON(fmt.Appendf(nil, `{%s"%d":0}`, text.String(), again)); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%d of %d twice: %v", again, size, err)
			}
		}
		if _, err := parseJSON(fmt.Appendf(nil, `{%s"%d":0}`, text.String(), size)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJSONSeeds(t *testing.T) {
	for name, text := range accepted() {
		if flag.Lookup("update").Value.String() == "true" {
			corpus.Write(t, "FuzzJSON", name, []byte(text))
		}
		if string(corpus.Read(t, "FuzzJSON", name)) != text {
			t.Errorf("seed %s is out of date", name)
		}
	}
}
