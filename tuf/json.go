package tuf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of JSON. Integers are those that every reader of JSON holds exactly (RFC 8259, section 6).
const (
	maxDepth   = 16
	maxInteger = 1<<53 - 1
)

type kind byte

const (
	kindObject kind = iota + 1
	kindArray
	kindString
	kindInteger
	kindBool
)

func (k kind) String() string {
	return [...]string{"nothing", "an object", "an array", "a string", "an integer", "a boolean"}[k]
}

// value is a JSON value with its place in the document: what is signed is the canonical form of raw.
type value struct {
	kind    kind
	raw     []byte
	text    string // of a string
	integer int64
	flag    bool
	items   []value  // of an array
	members []member // of an object, as they stand there
}

type member struct {
	name  string
	value value
}

// parseJSON reads exactly one value of the subset of JSON (RFC 8259) that two readers cannot understand differently:
// valid UTF-8, no name twice in an object, integers only, no null, nested at most maxDepth deep. It fails with
// ErrMalformed. Work and memory are linear in the data, but for repeated names, which are looked for in a set.
func parseJSON(data []byte) (value, error) {
	if !utf8.Valid(data) {
		return value{}, malformed("not UTF-8")
	}
	s := scanner{data: data}
	s.space()
	v, err := s.value(0)
	if err != nil {
		return value{}, err
	}
	if s.space(); s.at != len(data) {
		return value{}, s.fail("bytes behind the end")
	}
	return v, nil
}

type scanner struct {
	data []byte
	at   int
}

func (s *scanner) fail(what string) error { return malformed("JSON, offset %d: %s", s.at, what) }

// peek returns the byte at hand, and 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.data) && strings.IndexByte(" \t\r\n", s.data[s.at]) >= 0 {
		s.at++
	}
}

func (s *scanner) value(depth int) (v value, err error) {
	start := s.at
	switch c := s.peek(); {
	case (c == '{' || c == '[') && depth == maxDepth:
		return value{}, s.fail("nested too deep")
	case c == '{':
		v.kind = kindObject
		v.members, err = s.object(depth + 1)
	case c == '[':
		v.kind = kindArray
		v.items, err = s.array(depth + 1)
	case c == '"':
		v.kind = kindString
		v.text, err = s.text()
	case c == '-' || '0' <= c && c <= '9':
		v.kind = kindInteger
		v.integer, err = s.integer()
	case s.word("true"):
		v.kind, v.flag = kindBool, true
	case s.word("false"):
		v.kind = kindBool
	case s.word("null"):
		err = s.fail("null: some readers take it for absent")
	default:
		err = s.fail("no value")
	}
	v.raw = s.data[start:s.at]
	return v, err
}

func (s *scanner) word(w string) bool {
	if !strings.HasPrefix(string(s.data[s.at:min(len(s.data), s.at+len(w))]), w) {
		return false
	}
	s.at += len(w)
	return true
}

// more reads what stands between the elements of a container that ends with closing, and whether one follows.
func (s *scanner) more(first bool, closing byte) (bool, error) {
	s.space()
	switch c := s.peek(); {
	case c == closing:
		s.at++
		return false, nil
	case first:
		return true, nil
	case c != ',':
		return false, s.fail("neither a comma nor the end")
	}
	s.at++
	s.space()
	return true, nil
}

func (s *scanner) array(depth int) (items []value, err error) {
	s.at++
	for {
		more, err := s.more(len(items) == 0, ']')
		if err != nil || !more {
			return items, err
		}
		item, err := s.value(depth)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
}

func (s *scanner) object(depth int) (members []member, err error) {
	s.at++
	var seen names
	for {
		more, err := s.more(len(members) == 0, '}')
		if err != nil || !more {
			return members, err
		}
		if s.peek() != '"' {
			return nil, s.fail("no name")
		}
		name, err := s.text()
		if err != nil {
			return nil, err
		}
		if seen.add(members, name) {
			return nil, s.fail("the same name twice in one object")
		}
		if s.space(); s.peek() != ':' {
			return nil, s.fail("no colon")
		}
		s.at++
		s.space()
		v, err := s.value(depth)
		if err != nil {
			return nil, err
		}
		members = append(members, member{name, v})
	}
}

// names are those of an object with many members; the few of most objects are looked through.
type names map[string]bool

// add reports whether name is among the members, which grow by it next.
func (n *names) add(members []member, name string) (twice bool) {
	const few = 12
	if len(members) < few {
		return slices.ContainsFunc(members, func(m member) bool { return m.name == name })
	}
	if *n == nil {
		*n = make(names)
		for _, m := range members {
			(*n)[m.name] = true
		}
	}
	twice = (*n)[name]
	(*n)[name] = true
	return twice
}

func (s *scanner) integer() (int64, error) {
	start := s.at
	if s.peek() == '-' {
		s.at++
	}
	digits := s.at
	for '0' <= s.peek() && s.peek() <= '9' {
		s.at++
	}
	text := string(s.data[start:s.at])
	if strings.IndexByte(".eE", s.peek()) >= 0 && s.at < len(s.data) {
		return 0, s.fail("a number that is no integer")
	}
	if n := s.at - digits; n == 0 || n > 1 && s.data[digits] == '0' || text == "-0" {
		return 0, s.fail("no number")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > maxInteger || n < -maxInteger {
		return 0, s.fail("an integer beyond 2^53 - 1")
	}
	return n, nil
}

func (s *scanner) text() (string, error) {
	s.at++
	start := s.at
	for s.at < len(s.data) {
		switch c := s.data[s.at]; {
		case c == '"':
			text := string(s.data[start:s.at])
			s.at++
			return text, nil
		case c == '\\':
			return s.escaped(s.data[start:s.at:s.at])
		case c < ' ':
			return "", s.fail("a control character in a string")
		default:
			s.at++
		}
	}
	return "", s.fail("a string without an end")
}

// escaped goes on with a string from its first backslash.
func (s *scanner) escaped(text []byte) (string, error) {
	for s.at < len(s.data) {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return string(text), nil
		case c == '\\':
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			text = utf8.AppendRune(text, r)
		case c < ' ':
			return "", s.fail("a control character in a string")
		default:
			text = append(text, c)
			s.at++
		}
	}
	return "", s.fail("a string without an end")
}

func (s *scanner) escape() (rune, error) {
	if len(s.data)-s.at < 2 {
		return 0, s.fail("a string without an end")
	}
	c := s.data[s.at+1]
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		s.at += 2
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	r, err := s.unit()
	if err != nil || r < 0xD800 || r > 0xDFFF {
		return r, err
	}
	low, err := s.unit()
	if err != nil || r > 0xDBFF || low < 0xDC00 || low > 0xDFFF {
		return 0, s.fail("half of a surrogate pair")
	}
	return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, nil
}

// unit reads \uXXXX.
func (s *scanner) unit() (rune, error) {
	if len(s.data)-s.at < 6 || s.data[s.at] != '\\' || s.data[s.at+1] != 'u' {
		return 0, s.fail("an unknown escape")
	}
	var r rune
	for _, c := range s.data[s.at+2 : s.at+6] {
		i := strings.IndexByte("0123456789abcdef", c|0x20)
		if i < 0 || c < '0' {
			return 0, s.fail("an unknown escape")
		}
		r = r<<4 | rune(i)
	}
	s.at += 6
	return r, nil
}

// fields is an object whose names mean something. The first mistake stays in err, and everything read after it is zero.
type fields struct {
	of      string // for errors
	members []member
	err     error
}

// open reads v as an object with these names. A name that differs from one of them by case only is refused, since the
// readers of encoding/json take it for the same.
func open(v value, of string, names ...string) *fields {
	f := &fields{of: of, members: v.members}
	if v.kind != kindObject {
		f.err = malformed("%s is %s, not an object", of, v.kind)
		return f
	}
	for _, m := range v.members {
		for _, name := range names {
			if m.name != name && strings.EqualFold(m.name, name) {
				f.err = malformed("%s has %q, which is not %q", of, m.name, name)
			}
		}
	}
	return f
}

// find returns a member by its name; it is of kind 0 when it is absent or after a mistake.
func (f *fields) find(name string) value {
	if f.err != nil {
		return value{}
	}
	for _, m := range f.members {
		if m.name == name {
			return m.value
		}
	}
	return value{}
}

// need returns a member that must be there and of this kind.
func (f *fields) need(name string, k kind) value {
	v := f.find(name)
	if v.kind != k {
		f.reject("%s is %s, not %s", name, v.kind, k)
		return value{}
	}
	return v
}

// reject makes the first mistake.
func (f *fields) reject(format string, args ...any) {
	if f.err == nil {
		f.err = malformed("%s: %s", f.of, fmt.Sprintf(format, args...))
	}
}

func (f *fields) text(name string) string { return f.need(name, kindString).text }

// count returns an integer from least to most.
func (f *fields) count(name string, least, most int64) int64 {
	v := f.need(name, kindInteger)
	if f.err == nil && (v.integer < least || v.integer > most) {
		f.reject("%s is %d, must be %d to %d", name, v.integer, least, most)
		return 0
	}
	return v.integer
}

// list returns an array of at most most items.
func (f *fields) list(name string, most int) []value {
	v := f.need(name, kindArray)
	if len(v.items) > most {
		f.reject("%s has %d items, at most %d", name, len(v.items), most)
		return nil
	}
	return v.items
}

// table returns an object with at most most members, whose names mean nothing here.
func (f *fields) table(name string, most int) []member {
	v := f.need(name, kindObject)
	if len(v.members) > most {
		f.reject("%s has %d members, at most %d", name, len(v.members), most)
		return nil
	}
	return v.members
}
