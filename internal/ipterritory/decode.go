package ipterritory

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// The form of ranges.bin: the magic line, then a DEFLATE stream of
//
//	number of codes (1 byte), for each its length (1 byte) and letters; the first is empty and means unknown
//	then for IPv4 (units: addresses) and IPv6 (units: /64 networks):
//	number of segments n (uvarint)
//	n−1 size bytes: s < 64 is a segment of 2^s units; 64+s one of (2·odd+1)·2^s
//	length of the odd parts in bytes (uvarint), and the odd parts (uvarints)
//	n code numbers (1 byte each)
//
// The first segment starts at 0, the last one ends with the address space.
const magic = "BIPT1\n"

const (
	maxSegments = 1 << 20
	maxRaw      = 16 << 20
)

var errDamaged = errors.New("ipterritory: the table of address ranges is damaged: build the program again")

func damaged(what string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(what, args...))
}

func decode(data []byte) (*table, error) {
	packed, ok := bytes.CutPrefix(data, []byte(magic))
	if !ok {
		return nil, damaged("it does not begin with %q", magic)
	}
	in := bytes.NewReader(packed)
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(in), maxRaw+1))
	if err != nil {
		return nil, damaged("%v", err)
	}
	if len(raw) > maxRaw || in.Len() > 0 {
		return nil, damaged("it is too long")
	}
	r := reader{rest: raw}
	t := &table{codes: r.codes()}
	starts, codes := r.family(32, len(t.codes))
	t.starts6, t.in6 = r.family(64, len(t.codes))
	if r.err == nil && len(r.rest) > 0 {
		r.err = damaged("%d bytes are left over", len(r.rest))
	}
	if r.err != nil {
		return nil, r.err
	}
	t.in = codes
	t.starts = make([]uint32, len(starts))
	for i, s := range starts {
		t.starts[i] = uint32(s)
	}
	t.first = firsts(t.starts)
	return t, nil
}

// firsts lists the segment that holds the first address of each /16, and the last segment at the end.
func firsts(starts []uint32) []uint32 {
	first := make([]uint32, 1<<16+1)
	i := 0
	for block := range uint32(1 << 16) {
		for i+1 < len(starts) && starts[i+1] <= block<<16 {
			i++
		}
		first[block] = uint32(i)
	}
	first[1<<16] = uint32(len(starts) - 1)
	return first
}

// reader reads the raw stream and keeps the first error.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) take(n uint64) []byte {
	if r.err == nil && n > uint64(len(r.rest)) {
		r.err = damaged("it ends too soon")
	}
	if r.err != nil {
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.err = damaged("a number is cut off")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) codes() []territory.Code {
	n := int(r.byte())
	codes := make([]territory.Code, 0, n)
	for i := range n {
		c := territory.Code(r.take(uint64(r.byte())))
		if r.err == nil && c.Valid() != (i > 0) {
			r.err = damaged("%q is not a territory", c)
		}
		codes = append(codes, c)
	}
	if r.err == nil && n == 0 {
		r.err = damaged("it has no territories")
	}
	return codes
}

func (r *reader) family(bits, codes int) ([]uint64, []uint8) {
	n := r.uvarint()
	if r.err == nil && (n == 0 || n > maxSegments) {
		r.err = damaged("%d segments", n)
	}
	if r.err != nil {
		return nil, nil
	}
	sizes := r.take(n - 1)
	odd := reader{rest: r.take(r.uvarint())}
	in := r.take(n)
	if r.err != nil {
		return nil, nil
	}
	starts := make([]uint64, 1, n)
	for _, s := range sizes {
		next, ok := after(starts[len(starts)-1], s, &odd, bits)
		if !ok {
			r.err = damaged("a segment is out of the address space")
			return nil, nil
		}
		starts = append(starts, next)
	}
	if odd.err != nil || len(odd.rest) > 0 {
		r.err = damaged("sizes and odd parts do not match")
	}
	for _, c := range in {
		if int(c) >= codes {
			r.err = damaged("territory number %d does not exist", c)
		}
	}
	return starts, in
}

// after adds a segment's size to its start; ok is false when that leaves the address space.
func after(start uint64, size byte, odd *reader, bits int) (next uint64, ok bool) {
	shift := size & 63
	factor := uint64(1)
	if size >= 64 {
		half := odd.uvarint()
		if half == 0 || half > math.MaxUint64>>1 {
			return 0, false
		}
		factor = half<<1 | 1
	}
	units := factor << shift
	if size >= 128 || units>>shift != factor {
		return 0, false
	}
	next = start + units
	return next, next > start && (bits == 64 || next>>bits == 0)
}
