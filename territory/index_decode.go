package territory

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The file, all numbers unsigned varints unless said otherwise:
//
//	"BWB1", CRC-32 (IEEE) of the rest and length of what follows unpacked, each 4 bytes big endian, then a
//	DEFLATE stream of
//	codes:  count, each as length and letters, in order of rank
//	sets:   count, each as count and numbers of codes (from 1), ascending: what an arc parts
//	arcs:   count, number of points in all, then each as number of its set, number of points, and the points as signed varint pairs: x and y
//	        less those of the point before (of the last arc for a first point)
//
// Points are in units from (−90°, −180°). What lies on the antimeridian or at a pole only to close a ring is one
// unit outside of the map.
const fileMagic = "BWB1"

// Bounds on what a decoder will build.
const (
	maxCodes   = 1000
	maxSets    = 10_000
	maxArcs    = 200_000
	maxPoints  = 2_000_000
	maxInflate = 16 << 20
)

var errDamaged = errors.New("territory: the border data is damaged; build the binary again from a clean source tree")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

// arcs is the decoded file.
type arcs struct {
	codes  []Code     // from 1
	sets   [][]uint16 // ascending
	points []point
	starts []uint32 // of each arc, and the end of the last
	parts  []uint16 // the set of each arc
}

func decodeIndex(data []byte) (*index, error) {
	a, err := decodeArcs(data)
	if err != nil {
		return nil, err
	}
	return buildIndex(a)
}

func decodeArcs(data []byte) (*arcs, error) {
	raw, err := unpackBorders(data)
	if err != nil {
		return nil, err
	}
	return parseArcs(raw)
}

// unpackBorders checks the header and returns what was packed.
func unpackBorders(data []byte) ([]byte, error) {
	if len(data) < 12 || string(data[:4]) != fileMagic {
		return nil, damaged("no %s header", fileMagic)
	}
	if crc32.ChecksumIEEE(data[8:]) != binary.BigEndian.Uint32(data[4:8]) {
		return nil, damaged("checksum")
	}
	size := binary.BigEndian.Uint32(data[8:12])
	if size > maxInflate {
		return nil, damaged("more than %d bytes", maxInflate)
	}
	raw, unpacker := make([]byte, size), flate.NewReader(bytes.NewReader(data[12:]))
	if _, err := io.ReadFull(unpacker, raw); err != nil {
		return nil, damaged("%v", err)
	}
	if n, err := unpacker.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return nil, damaged("more than %d bytes", size)
	}
	return raw, nil
}

func parseArcs(raw []byte) (*arcs, error) {
	d := varints{b: raw}
	a := d.arcs()
	if d.err == nil && len(d.b) != 0 {
		d.fail("%d bytes left over", len(d.b))
	}
	return a, d.err
}

// varints reads numbers until the first error, and zeros after it.
type varints struct {
	b   []byte
	err error
}

func (d *varints) fail(format string, args ...any) {
	if d.err == nil {
		d.err = damaged(format, args...)
	}
	d.b = nil
}

func (d *varints) number(what string, least, most int) int {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v < uint64(least) || v > uint64(most) {
		d.fail("%s", what)
		return 0
	}
	d.b = d.b[n:]
	return int(v)
}

func (d *varints) step() int32 {
	if len(d.b) > 0 && d.b[0] < 0x80 { // most are short
		v := int32(d.b[0])
		d.b = d.b[1:]
		return v>>1 ^ -(v & 1)
	}
	v, n := binary.Varint(d.b)
	if n <= 0 || v < -2*worldX || v > 2*worldX {
		d.fail("step")
		return 0
	}
	d.b = d.b[n:]
	return int32(v)
}

func (d *varints) arcs() *arcs {
	a := &arcs{codes: []Code{Unknown}}
	for n := d.number("codes", 1, maxCodes); n > 0; n-- {
		l := d.number("code length", 2, 6)
		if l > len(d.b) {
			d.fail("code")
			return a
		}
		a.codes = append(a.codes, Code(d.b[:l]))
		d.b = d.b[l:]
	}
	for n := d.number("sets", 1, maxSets); n > 0; n-- {
		var set []uint16
		last := 0
		for k := d.number("set size", 1, 16); k > 0 && d.err == nil; k-- {
			last = d.number("code number", last+1, len(a.codes)-1)
			set = append(set, uint16(last))
		}
		a.sets = append(a.sets, set)
	}
	d.chains(a)
	return a
}

func (d *varints) chains(a *arcs) {
	n := d.number("arcs", 1, maxArcs)
	total := d.number("points in all", 2, maxPoints)
	a.points = make([]point, 0, min(total, len(d.b)/2)) // a point takes two bytes or more
	a.starts, a.parts = make([]uint32, 0, n+1), make([]uint16, 0, n)
	var p point
	for ; n > 0 && d.err == nil; n-- {
		a.parts = append(a.parts, uint16(d.number("set number", 0, len(a.sets)-1)))
		a.starts = append(a.starts, uint32(len(a.points)))
		for k := d.number("points", 2, total-len(a.points)); k > 0 && d.err == nil; k-- {
			last := p
			p.X, p.Y = p.X+d.step(), p.Y+d.step()
			if p == last && len(a.points) > int(a.starts[len(a.starts)-1]) {
				d.fail("a point twice")
			}
			if p.X < -1 || p.X > worldX+1 || p.Y < -1 || p.Y > worldY+1 {
				d.fail("point off the map")
			}
			a.points = append(a.points, p)
		}
	}
	a.starts = append(a.starts, uint32(len(a.points)))
	if d.err == nil && len(a.points) != total {
		d.fail("%d points, not %d", len(a.points), total)
	}
}
