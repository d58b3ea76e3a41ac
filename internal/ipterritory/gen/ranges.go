package main

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// family is an address family in units of its table: single addresses of IPv4, /64 networks of IPv6.
type family struct {
	name string
	bits int
}

type span struct {
	first, last uint64
	code        territory.Code
	over        bool // marks a network rather than a registration, and goes before it
}

// segment holds up to the next one's start.
type segment struct {
	start uint64
	code  territory.Code
}

func (f family) segments(modules string) ([]segment, error) {
	spans, err := f.read(modules, countriesPackage, "geo-whois-asn-country-", func(row []string) territory.Code {
		if c := territory.Code(row[2]); c.Valid() {
			return c
		}
		return territory.Unknown // such as AN, which ISO withdrew in 2010
	})
	if err != nil {
		return nil, err
	}
	networks, err := f.read(modules, networksPackage, "asn-", func(row []string) territory.Code { return crimean[row[2]] })
	if err != nil {
		return nil, err
	}
	for _, n := range networks {
		n.over = true
		spans = append(spans, n)
	}
	return flatten(spans), nil
}

func (f family) read(modules, pkg, prefix string, code func([]string) territory.Code) ([]span, error) {
	path := filepath.Join(modules, pkg, prefix+f.name+".csv")
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	rows := csv.NewReader(file)
	rows.ReuseRecord = true
	var spans []span
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return spans, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		c := code(row)
		if c == territory.Unknown {
			continue
		}
		s, ok, err := f.span(row[0], row[1])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if ok {
			s.code = c
			spans = append(spans, s)
		}
	}
}

// span converts a range to units; ok is false when it fills none.
func (f family) span(from, to string) (s span, ok bool, err error) {
	a, err := netip.ParseAddr(from)
	if err != nil {
		return s, false, err
	}
	b, err := netip.ParseAddr(to)
	if err != nil {
		return s, false, err
	}
	if b.Less(a) || a.Is4() != b.Is4() || a.Is4() != (f.bits == 32) {
		return s, false, fmt.Errorf("%s to %s is no range of %s", from, to, f.name)
	}
	if a.Is4() {
		return span{first: uint64(be32(a)), last: uint64(be32(b))}, true, nil
	}
	first, firstRest := halves(a)
	last, lastRest := halves(b)
	if firstRest != 0 {
		first++ // a network that is begun in the middle is not filled
	}
	if lastRest != math.MaxUint64 {
		last--
	}
	return span{first: first, last: last}, first <= last && last != math.MaxUint64, nil
}

func be32(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func halves(a netip.Addr) (hi, lo uint64) {
	b := a.As16()
	for i := range 8 {
		hi, lo = hi<<8|uint64(b[i]), lo<<8|uint64(b[i+8])
	}
	return hi, lo
}

// flatten resolves overlaps: a network's mark goes first, then the smaller range, which is the later registration.
func flatten(spans []span) []segment {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	edges := make([]uint64, 0, 2*len(spans)+1)
	edges = append(edges, 0)
	for _, s := range spans {
		edges = append(edges, s.first, s.last+1)
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	var segments []segment
	var open []span
	for _, at := range edges {
		for len(spans) > 0 && spans[0].first == at {
			open, spans = append(open, spans[0]), spans[1:]
		}
		open = slices.DeleteFunc(open, func(s span) bool { return s.last < at })
		code := territory.Unknown
		if len(open) > 0 {
			code = slices.MinFunc(open, narrower).code
		}
		if n := len(segments); n == 0 || segments[n-1].code != code {
			segments = append(segments, segment{at, code})
		}
	}
	return segments
}

func narrower(a, b span) int {
	if a.over != b.over {
		if a.over {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.last-a.first, b.last-b.first), cmp.Compare(b.first, a.first), cmp.Compare(a.code, b.code))
}
