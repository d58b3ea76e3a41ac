package territory

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Bounds of a network table. The embedded one has some 400 rows and 40 kB.
const (
	maxPLMNTableBytes = 4 << 20
	maxPLMNTableRows  = 50_000
	maxPLMNLine       = 1024
	maxPLMNPlaces     = 32
)

const plmnHeader = "network,serves,maybe,absent,source,reason"

// PLMNTable tells which territories a network code may stand for. It is not changed after it was made and may be used
// by any number of goroutines.
type PLMNTable struct {
	rows map[PLMN]*plmnRow // keys "250-32", and "250" for the rest of an MCC
}

// ParsePLMNTable reads an operator's own table: UTF-8 text, lines that end in LF, first the header
//
//	network,serves,maybe,absent,source,reason
//
// then one row a network:
//
//	250-32,UA-43 UA-40,,,Wikipedia via mcc-mnc-list 1.1.11,used in Crimea only
//	255,UA,,UA-43 UA-40,Wikipedia via mcc-mnc-list 1.1.11,no Ukrainian network has served Crimea since 2015
//
// network is MCC-MNC, or an MCC alone for all of its networks that have no row of their own. The next three hold
// territory codes parted by one blank: those it serves, those where it cannot be excluded, and subdivisions of a served
// country where it is not met. serves may be empty only when maybe is too: the network then stands for nothing, which is
// how an international network is written. source is required, reason is required when maybe or absent is not empty.
// There is no quoting: a field holds no comma, no quote and no control character.
//
// The reader is strict: an unknown code, a second row for a network, a blank line, a missing final newline or more than
// 4 MiB, 50,000 rows, 1,024 bytes a line or 32 codes a field is an error that names the line.
func ParsePLMNTable(r io.Reader) (*PLMNTable, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPLMNTableBytes+1))
	if err != nil {
		return nil, fmt.Errorf("territory: reading the network table: %w", err)
	}
	if len(data) > maxPLMNTableBytes {
		return nil, fmt.Errorf("territory: network table is over %d bytes: split it or shorten its reasons", maxPLMNTableBytes)
	}
	if len(data) == 0 || data[len(data)-1] != '\n' {
		return nil, errors.New("territory: network table does not end in a newline: it may have been cut off")
	}
	t := &PLMNTable{rows: make(map[PLMN]*plmnRow)}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(make([]byte, 0, maxPLMNLine+2), maxPLMNLine+2)
	lines.Split(splitLF)
	n := 0
	for lines.Scan() {
		n++
		if err := t.add(n, lines.Text()); err != nil {
			return nil, fmt.Errorf("territory: network table line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("territory: network table line %d: longer than %d bytes", n+1, maxPLMNLine)
	}
	return t, nil
}

// splitLF is bufio.ScanLines without its mercy for CR.
func splitLF(data []byte, _ bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	return 0, nil, nil
}

func (t *PLMNTable) add(n int, line string) error {
	if n == 1 {
		if line != plmnHeader {
			return fmt.Errorf("the header is %q, expected %q", clip(line), plmnHeader)
		}
		return nil
	}
	if len(line) > maxPLMNLine {
		return fmt.Errorf("longer than %d bytes", maxPLMNLine)
	}
	if len(t.rows) >= maxPLMNTableRows {
		return fmt.Errorf("more than %d rows", maxPLMNTableRows)
	}
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\uFFFD' }) {
		return errors.New("holds a quote, a control character or bytes that are not UTF-8")
	}
	f := strings.Split(line, ",")
	if len(f) != 6 {
		return fmt.Errorf("has %d fields, expected 6", len(f))
	}
	key, err := networkKey(f[0])
	if err != nil {
		return err
	}
	if _, twice := t.rows[key]; twice {
		return fmt.Errorf("network %s has a row already", key)
	}
	row, err := parseRow(f)
	if err != nil {
		return fmt.Errorf("network %s: %w", key, err)
	}
	t.rows[key] = row
	return nil
}

func networkKey(s string) (PLMN, error) {
	if len(s) == 3 && digits(s) {
		return PLMN(s), nil
	}
	p, err := ParsePLMN(s)
	if err != nil {
		return "", fmt.Errorf("%q is neither MCC-MNC nor an MCC", clip(s))
	}
	return p, nil
}

func parseRow(f []string) (*plmnRow, error) {
	var r plmnRow
	seen := make(map[Code]bool)
	for i, set := range []*[]Code{&r.serves, &r.maybe, &r.absent} {
		if f[i+1] == "" {
			continue
		}
		names := strings.Split(f[i+1], " ")
		if len(names) > maxPLMNPlaces {
			return nil, fmt.Errorf("%d codes in one field, at most %d", len(names), maxPLMNPlaces)
		}
		for _, name := range names {
			c, err := ParseCode(name)
			if err != nil {
				return nil, err
			}
			if seen[c] {
				return nil, fmt.Errorf("names %s twice", c)
			}
			seen[c] = true
			*set = append(*set, c)
		}
	}
	return &r, r.check(f[4], f[5])
}

func (r *plmnRow) check(source, reason string) error {
	if len(r.serves) == 0 && len(r.maybe)+len(r.absent) > 0 {
		return errors.New("serves nothing, yet has other codes: fill the second field")
	}
	for _, a := range r.absent {
		if !a.IsSubdivision() || !slices.Contains(r.serves, a.Country()) {
			return fmt.Errorf("is absent from %s, which is not a subdivision of a country that it serves", a)
		}
	}
	if strings.TrimSpace(source) == "" {
		return errors.New("has no source")
	}
	if len(r.maybe)+len(r.absent) > 0 && strings.TrimSpace(reason) == "" {
		return errors.New("needs a reason for what it may serve or does not")
	}
	r.all = slices.Concat(r.serves, r.maybe)
	return nil
}

// Over returns a table in which t's rows go before those of under, network by network. A row of t for a whole MCC
// also hides under's rows for single networks of that MCC: who rewrites an MCC rewrites it whole.
func (t *PLMNTable) Over(under *PLMNTable) *PLMNTable {
	merged := make(map[PLMN]*plmnRow, len(t.rows)+len(under.rows))
	for key, row := range under.rows {
		if _, whole := t.rows[key[:3]]; !whole {
			merged[key] = row
		}
	}
	maps.Copy(merged, t.rows)
	return &PLMNTable{rows: merged}
}

// Len returns the number of rows.
func (t *PLMNTable) Len() int { return len(t.rows) }
