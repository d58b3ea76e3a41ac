package escrow

import (
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
)

// crockford is Douglas Crockford's base 32: no I, L, O or U, which are taken for other characters.
var crockford = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

const (
	alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	qrPrefix = "BWE1:"
	title    = "BAILIWICK ESCROW SHARE"

	lineChars = 32 // characters of a line, without its check
	maxText   = 8 << 10
	maxLines  = 24
)

type wireShare struct {
	Version   int    `cbor:"0,keyasint"`
	K         int    `cbor:"1,keyasint"`
	N         int    `cbor:"2,keyasint"`
	Index     int    `cbor:"3,keyasint"`
	Day       int64  `cbor:"4,keyasint"` // since 1970-01-01
	Server    string `cbor:"5,keyasint"`
	Value     []byte `cbor:"6,keyasint"`
	Sealed    []byte `cbor:"7,keyasint"`
	Key       []byte `cbor:"8,keyasint"`
	Signature []byte `cbor:"9,keyasint,omitempty"`
}

func (s *Share) wire() *wireShare {
	return &wireShare{Version: 1, K: s.K, N: s.N, Index: s.Index, Day: s.Made.Unix() / 86400, Server: s.Server,
		Value: s.value[:], Sealed: s.sealed[:], Key: s.key[:]}
}

// message is what the split's key signs: everything that the share says.
func (s *Share) message() ([]byte, error) {
	data, err := dcbor.Marshal(s.wire())
	return append([]byte(signLabel), data...), err
}

func (s *Share) marshal() []byte {
	w := s.wire()
	w.Signature = s.signature[:]
	data, err := dcbor.Marshal(w)
	if err != nil {
		panic(err) // integers, a text that was checked, and bytes
	}
	return data
}

func parseBinary(data []byte) (*Share, error) {
	var w wireShare
	if err := dcbor.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("%w: lines are missing at the end, or this is no share (%w)", ErrMistyped, err)
	}
	s := &Share{K: w.K, N: w.N, Index: w.Index, Made: time.Unix(w.Day*86400, 0).UTC(), Server: w.Server}
	switch {
	case w.Version != 1:
		return nil, fmt.Errorf("%w: a share of version %d; this reads version 1", ErrMistyped, w.Version)
	case w.K < MinThreshold || w.K > w.N || w.N > MaxShares || w.Index < 1 || w.Index > w.N || w.Day < 0 || w.Day > 1<<24 || !oneLine(w.Server):
		return nil, fmt.Errorf("%w: share %d of %d, of which %d open it, cannot be", ErrMistyped, w.Index, w.N, w.K)
	case !dcbor.Fixed(s.value[:], w.Value), !dcbor.Fixed(s.sealed[:], w.Sealed), !dcbor.Fixed(s.key[:], w.Key), !dcbor.Fixed(s.signature[:], w.Signature):
		return nil, fmt.Errorf("%w: a part has the wrong length", ErrMistyped)
	}
	return s, nil
}

// QRText returns the share as the text of a QR code, of the alphanumeric mode's characters.
func (s *Share) QRText() string { return qrPrefix + crockford.EncodeToString(s.marshal()) }

// Text returns the share as people print and type it. The numbered lines are the share; each ends with two characters that show a slip in
// it. What stands above them says the same for people, and is compared when it is there.
func (s *Share) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nEscrow: %s\nShare:  %d of %d; any %d open it\nMade:   %s\nServer: %s\n\n", title, s.Escrow(), s.Index, s.N, s.K, s.Made.Format(time.DateOnly), s.Server)
	all := crockford.EncodeToString(s.marshal())
	for n := 1; all != ""; n++ {
		line := all[:min(lineChars, len(all))]
		all = all[len(line):]
		fmt.Fprintf(&b, "%2d  %s  %s\n", n, grouped(line, 4, " "), check(n, line))
	}
	fmt.Fprintf(&b, "\n# With %d of these %d shares, anybody unlocks every phone of this server; nothing can be locked with them.\n", s.K, s.N)
	b.WriteString("# Keep it on paper, apart from the others. To read it: bailiwick escrow verify FILE\n")
	return b.String()
}

// check gives two characters for a line: its characters as a number to the base 32, after the line's own, modulo the prime 1021. One
// wrong character, two neighbours exchanged and a line in another's place always change it.
func check(n int, line string) string {
	h := n
	for i := range len(line) {
		h = (h*32 + strings.IndexByte(alphabet, line[i])) % 1021
	}
	return string([]byte{alphabet[h/32], alphabet[h%32]})
}

func grouped(s string, size int, between string) string {
	var parts []string
	for ; len(s) > size; s = s[size:] {
		parts = append(parts, s[:size])
	}
	return strings.Join(append(parts, s), between)
}

// ParseShare reads what Text wrote, as people type it, or the text of a QR code. Case, spaces and dashes do not matter, O is read as 0, I and
// L as 1, digits of any script count; what stands above the numbered lines may be left out, and must fit when it is there. It
// fails with ErrMistyped, naming the line. It does not check the signature: Check does.
func ParseShare(text string) (*Share, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%w: this text is far longer than a share", ErrMistyped)
	}
	if body, ok := strings.CutPrefix(strings.TrimSpace(text), qrPrefix); ok {
		return parseBody(body)
	}
	var body strings.Builder
	heads := make(map[string]string)
	next := 1
	for line := range strings.Lines(text) {
		line = strings.Trim(line, " \t\r\n\ufeff\u200e\u200f")
		name, value, isHead := strings.Cut(line, ":")
		switch {
		case line == "" || line[0] == '#' || strings.EqualFold(line, title):
		case isHead && headNames[strings.ToLower(name)]:
			heads[strings.ToLower(name)] = strings.TrimSpace(value)
		default:
			chars, err := parseLine(line, next)
			if err != nil {
				return nil, err
			}
			body.WriteString(chars)
			next++
		}
	}
	if next == 1 {
		return nil, fmt.Errorf("%w: there are no numbered lines, so this is no share", ErrMistyped)
	}
	s, err := parseBody(body.String())
	if err != nil {
		return nil, err
	}
	return s, s.compare(heads)
}

var headNames = map[string]bool{"escrow": true, "share": true, "made": true, "server": true}

// compare holds what people wrote above the lines against what the lines say.
func (s *Share) compare(heads map[string]string) error {
	for name, want := range map[string]string{
		"escrow": s.Escrow(), "share": fmt.Sprintf("%d of %d; any %d open it", s.Index, s.N, s.K), "made": s.Made.Format(time.DateOnly), "server": s.Server,
	} {
		if got, there := heads[name]; there && !strings.EqualFold(got, want) {
			return fmt.Errorf("%w: it says %q: %q at the top, and %q in its lines; one of them was changed", ErrMistyped, name, got, want)
		}
	}
	return nil
}

func parseBody(chars string) (*Share, error) {
	data, err := crockford.DecodeString(chars)
	if err != nil || crockford.EncodeToString(data) != chars {
		return nil, fmt.Errorf("%w: lines are missing at the end, or one is cut short", ErrMistyped)
	}
	return parseBinary(data)
}

// parseLine reads a numbered line, whose number must be the next one, and checks it.
func parseLine(line string, next int) (string, error) {
	number, rest, _ := strings.Cut(line, " ")
	n := 0
	for _, r := range strings.TrimRight(number, ".)") {
		d := device.DigitValue(r)
		if d < 0 || n > maxLines {
			return "", fmt.Errorf("%w: %.40q is no numbered line; lines of your own begin with #", ErrMistyped, line)
		}
		n = 10*n + d
	}
	if n != next || next > maxLines {
		return "", fmt.Errorf("%w: line %d comes where line %d should be", ErrMistyped, n, next)
	}
	var chars strings.Builder
	for _, r := range rest {
		if strings.ContainsRune(" \t-\u00a0\u2010\u2011\u2012\u2013\u200e\u200f", r) {
			continue
		}
		c := strings.ToUpper(string(r))
		if d := device.DigitValue(r); d >= 0 {
			c = strconv.Itoa(d)
		}
		switch c {
		case "O":
			c = "0"
		case "I", "L":
			c = "1"
		}
		if len(c) != 1 || !strings.Contains(alphabet, c) {
			return "", fmt.Errorf("%w: %q in line %d does not belong in a share", ErrMistyped, r, n)
		}
		chars.WriteString(c)
	}
	all := chars.String()
	if len(all) < 3 || len(all) > lineChars+2 {
		return "", fmt.Errorf("%w: line %d has %d characters; a whole one has %d", ErrMistyped, n, len(all), lineChars+2)
	}
	if line, sum := all[:len(all)-2], all[len(all)-2:]; check(n, line) != sum {
		return "", fmt.Errorf("%w: line %d is mistyped; compare it with the paper, four characters at a time", ErrMistyped, n)
	}
	return all[:len(all)-2], nil
}
