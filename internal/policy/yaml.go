package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// Bounds of a policy file.
const (
	MaxSize  = 1 << 20 // bytes
	maxDepth = 12      // nested mappings and lists
	maxNodes = 200_000 // YAML values
)

// reader turns YAML nodes into values and collects what is wrong with them. Its read methods return the zero value
// after a complaint, so that reading goes on and every fault of the file is told at once.
type reader struct {
	file     string
	src      []byte
	lines    [][]byte // of src, for positions inside block scalars
	problems Problems
	trials   int // of the search for unreachable rules
}

func (r *reader) complain(n *yaml.Node, hint, format string, args ...any) {
	r.complainAt(n.Line, n.Column, hint, format, args...)
}

func (r *reader) complainAt(line, column int, hint, format string, args ...any) {
	r.problems = append(r.problems, Problem{r.file, max(line, 1), max(column, 1), fmt.Sprintf(format, args...), hint})
}

// document parses src into the one mapping that a policy file is, or complains and returns nil.
func (r *reader) document() *yaml.Node {
	switch {
	case len(r.src) > MaxSize:
		r.complainAt(1, 1, "", "the file has %d bytes; a policy has at most %d", len(r.src), MaxSize)
		return nil
	case !utf8.Valid(r.src):
		line, column := badUTF8(r.src)
		r.complainAt(line, column, "save the file as UTF-8", "not UTF-8")
		return nil
	}
	r.lines = bytes.Split(r.src, []byte("\n"))
	if line := tooNested(r.src); line > 0 {
		r.complainAt(line, 1, "", "nested more than %d deep", maxDepth)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(r.src))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		r.syntax(err)
		return nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		r.complain(&second, "one policy, one file", "a second YAML document begins here")
		return nil
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err)
		return nil
	}
	if len(doc.Content) != 1 {
		r.complainAt(1, 1, "begin with: format: "+Format, "the file holds no policy")
		return nil
	}
	nodes := 0
	if !r.plain(doc.Content[0], 1, &nodes) {
		return nil
	}
	return doc.Content[0]
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

// syntax reports an error of the YAML parser, which knows the line only.
func (r *reader) syntax(err error) {
	if errors.Is(err, io.EOF) {
		r.complainAt(1, 1, "begin with: format: "+Format, "the file is empty")
		return
	}
	message, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = strings.TrimPrefix(err.Error(), m[0])
	}
	r.complainAt(line, 1, "look at this line and at those around it", "not YAML: %s", message)
}

// plain refuses what a policy has no use for and readers disagree about: anchors, aliases, tags, depth, bulk.
func (r *reader) plain(n *yaml.Node, depth int, nodes *int) bool {
	if *nodes++; *nodes > maxNodes {
		r.complain(n, "", "more than %d values in the file", maxNodes)
		return false
	}
	if depth > maxDepth {
		r.complain(n, "", "nested more than %d deep", maxDepth)
		return false
	}
	ok := true
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		r.complain(n, "write the value out", "anchors and aliases are not allowed")
		ok = false
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.complain(n, "leave the tag out", "YAML tags are not allowed")
		ok = false
	}
	for _, child := range n.Content {
		if *nodes > maxNodes || !r.plain(child, depth+1, nodes) {
			ok = false
		}
	}
	return ok
}

// tooNested finds a line with absurd nesting before the YAML parser recurses into it; 0 when there is none. Brackets in
// strings count too, hence the slack: plain has the exact bound.
func tooNested(src []byte) int {
	const slack = 256
	line, deep := 1, 0
	for _, c := range src {
		switch c {
		case '\n':
			line++
		case '[', '{':
			if deep++; deep > slack {
				return line
			}
		case ']', '}':
			deep = max(deep-1, 0)
		}
	}
	for i, l := range bytes.Split(src, []byte("\n")) {
		trimmed := bytes.TrimLeft(l, " ")
		if len(l)-len(trimmed) > slack && len(trimmed) > 0 || bytes.HasPrefix(trimmed, bytes.Repeat([]byte("- "), maxDepth+1)) {
			return i + 1
		}
	}
	return 0
}

func badUTF8(src []byte) (line, column int) {
	line, column = 1, 1
	for len(src) > 0 {
		c, size := utf8.DecodeRune(src)
		if c == utf8.RuneError && size == 1 {
			break
		}
		if column++; c == '\n' {
			line, column = line+1, 1
		}
		src = src[size:]
	}
	return line, column
}

// key is one entry that a mapping may have.
type key struct {
	name string
	need bool
	read func(*yaml.Node)
}

// mapping reads n as a mapping with these keys and no others, each at most once, and returns the value of each key.
func (r *reader) mapping(n *yaml.Node, what string, keys ...key) nodes {
	if n.Kind != yaml.MappingNode {
		r.complain(n, "write key: value lines", "%s is a mapping, this is %s", what, kindOf(n))
		return nil
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	seen, values := map[string]*yaml.Node{}, nodes{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		at := slices.Index(names, name.Value)
		switch first := seen[name.Value]; {
		case name.Kind != yaml.ScalarNode || at < 0:
			r.complain(name, suggest(name.Value, names, oneOf(names)), "%s has no key %q", what, clip(name.Value))
		case first != nil:
			r.complain(name, "keep one of the two", "key %q again; it is first at %d:%d", name.Value, first.Line, first.Column)
		default:
			seen[name.Value] = name
			if empty(value) {
				r.complain(name, "give it a value or leave the key out", "%q is empty", name.Value)
				continue
			}
			values[name.Value] = value
			keys[at].read(value)
		}
	}
	for _, k := range keys {
		if k.need && seen[k.name] == nil {
			r.complain(n, "add it", "%s needs %q", what, k.name)
		}
	}
	return values
}

// list reads n as a list of at least least and at most most values.
func (r *reader) list(n *yaml.Node, what string, least, most int, read func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		r.complain(n, "write [a, b] or lines that begin with -", "%s is a list, this is %s", what, kindOf(n))
		return
	}
	if len(n.Content) < least || len(n.Content) > most {
		r.complain(n, "", "%s has %d to %d entries, not %d", what, least, most, len(n.Content))
	}
	for i, item := range n.Content {
		if i == most {
			return
		}
		if empty(item) {
			r.complain(item, "", "an empty entry in %s", what)
			continue
		}
		read(item)
	}
}

// text reads a string of 1 to most characters. Numbers, dates and booleans are refused: they need quotes.
func (r *reader) text(n *yaml.Node, what string, most int) string {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		hint := ""
		if n.Kind == yaml.ScalarNode {
			hint = fmt.Sprintf("put it in quotes: %q", clip(n.Value))
		}
		r.complain(n, hint, "%s is text, this is %s", what, kindOf(n))
		return ""
	}
	s := strings.TrimSpace(n.Value)
	if count := utf8.RuneCountInString(s); count == 0 || count > most {
		r.complain(n, "", "%s has 1 to %d characters, not %d", what, most, count)
		return ""
	}
	// Direction marks and control characters can make a terminal or a page show another text than the one signed.
	if i := strings.IndexFunc(s, unshown); i >= 0 {
		c, _ := utf8.DecodeRuneInString(s[i:])
		r.complain(n, "remove it", "%s holds the invisible character %U", what, c)
		return ""
	}
	return s
}

func unshown(c rune) bool {
	return unicode.IsControl(c) && c != '\n' && c != '\t' || c >= 0x202A && c <= 0x202E || c >= 0x2066 && c <= 0x2069 || c == 0xFEFF
}

var idForm = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

// id reads an identifier: lower-case letters, digits and inner hyphens, at most 63.
func (r *reader) id(n *yaml.Node, what string) string {
	s := r.text(n, what, 200)
	if s != "" && !idForm.MatchString(s) {
		r.complain(n, `for instance "crimea"`, "%s has 1 to 63 lower-case letters, digits and inner hyphens", what)
		return ""
	}
	return s
}

// number reads a decimal integer from lo to hi.
func (r *reader) number(n *yaml.Node, what, hint string, lo, hi int) int {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
		r.complain(n, "", "%s is a whole number, this is %s", what, kindOf(n))
		return 0
	}
	v, err := strconv.Atoi(n.Value)
	if err != nil || strconv.Itoa(v) != n.Value {
		r.complain(n, "write decimal digits", "%s is %q", what, clip(n.Value))
		return 0
	}
	if v < lo || v > hi {
		r.complain(n, hint, "%s is %d; it is at least %d and at most %d", what, v, lo, hi)
		return 0
	}
	return v
}

// boolean reads true or false.
func (r *reader) boolean(n *yaml.Node, what string) bool {
	if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" {
		r.complain(n, "write true or false", "%s is true or false, this is %s", what, kindOf(n))
	}
	return n.Value == "true"
}

// Days that a policy may name.
var firstDay, lastDay = dayOf("1900-01-01"), dayOf("2199-12-31")

// date reads YYYY-MM-DD.
func (r *reader) date(n *yaml.Node, what string) territory.Day {
	t, err := time.Parse(time.DateOnly, n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		r.complain(n, "write YYYY-MM-DD", "%s is a date, this is %s", what, kindOf(n))
		return 0
	}
	d := territory.DayOf(t)
	if d < firstDay || d > lastDay {
		r.complain(n, "", "%s is between %s and %s, not %s", what, firstDay, lastDay, d)
		return 0
	}
	return d
}

// code reads a territory.
func (r *reader) code(n *yaml.Node, what string) territory.Code {
	s := r.text(n, what, 200)
	if s == "" {
		return territory.Unknown
	}
	c, err := territory.ParseCode(s)
	if err != nil {
		r.complain(n, suggestTerritory(s), "%q is no known territory", clip(s))
	}
	return c
}

// choice reads one of the given words and returns its index, or -1.
func (r *reader) choice(n *yaml.Node, what string, words []string) int {
	i := slices.Index(words, n.Value)
	if n.Kind != yaml.ScalarNode || i < 0 {
		r.complain(n, suggest(n.Value, words, oneOf(words)), "%s cannot be %q", what, clip(n.Value))
		return -1
	}
	return i
}

func empty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "the number " + clip(n.Value)
	case "!!timestamp":
		return "the date " + clip(n.Value)
	case "!!bool":
		return "the boolean " + clip(n.Value)
	}
	return fmt.Sprintf("%q", clip(n.Value))
}

func clip(s string) string {
	if runes := []rune(s); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return s
}

func dayOf(date string) territory.Day {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		panic(err)
	}
	return territory.DayOf(t)
}
