package main

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"strings"
)

// The map of package territory.
const (
	unitsPerDegree = 8192
	worldX         = 360 * unitsPerDegree
	worldY         = 180 * unitsPerDegree
)

// unit rounds to index units. What closes a ring along the antimeridian or a pole goes one unit off the map.
func unit(p pt) [2]int {
	x := int(math.Round((p.lon() + 180) * unitsPerDegree))
	y := int(math.Round((p.lat() + 90) * unitsPerDegree))
	if x <= 0 {
		x = -1
	}
	if x >= worldX {
		x = worldX + 1
	}
	if y <= 0 {
		y = -1
	}
	return [2]int{x, y}
}

type arc struct {
	points [][2]int
	codes  []uint16
}

// rounded turns a chain into an arc, nil when nothing is left of it.
func rounded(c chain) *arc {
	a := &arc{codes: c.codes}
	for _, p := range c.points {
		if u := unit(p); len(a.points) == 0 || a.points[len(a.points)-1] != u {
			a.points = append(a.points, u)
		}
	}
	if len(a.points) < 2 {
		return nil
	}
	return a
}

// encode writes the file that package territory documents. codes are in order of rank; arcs use numbers from 1.
func encode(codes []string, arcs []*arc) []byte {
	var sets [][]uint16
	number := map[string]int{}
	key := func(s []uint16) string {
		var b strings.Builder
		for _, c := range s {
			b.WriteRune(rune(c))
		}
		return b.String()
	}
	for _, a := range arcs {
		if k := key(a.codes); number[k] == 0 {
			sets = append(sets, a.codes)
			number[k] = len(sets)
		}
	}
	out := binary.AppendUvarint(nil, uint64(len(codes)))
	for _, c := range codes {
		out = append(binary.AppendUvarint(out, uint64(len(c))), c...)
	}
	out = binary.AppendUvarint(out, uint64(len(sets)))
	for _, s := range sets {
		out = binary.AppendUvarint(out, uint64(len(s)))
		for _, c := range s {
			out = binary.AppendUvarint(out, uint64(c))
		}
	}
	total := 0
	for _, a := range arcs {
		total += len(a.points)
	}
	out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(len(arcs))), uint64(total))
	var last [2]int
	for _, a := range arcs {
		out = binary.AppendUvarint(out, uint64(number[key(a.codes)]-1))
		out = binary.AppendUvarint(out, uint64(len(a.points)))
		for _, p := range a.points {
			out = binary.AppendVarint(out, int64(p[0]-last[0]))
			out = binary.AppendVarint(out, int64(p[1]-last[1]))
			last = p
		}
	}
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, flate.BestCompression) // the level is valid
	_, _ = w.Write(out)                                     // a Buffer takes everything
	_ = w.Close()
	rest := append(binary.BigEndian.AppendUint32(nil, uint32(len(out))), packed.Bytes()...)
	return append(binary.BigEndian.AppendUint32([]byte("BWB1"), crc32.ChecksumIEEE(rest)), rest...)
}

// sortArcs puts neighbours together, which packs better.
func sortArcs(arcs []*arc) {
	slices.SortStableFunc(arcs, func(a, b *arc) int { return slices.Compare(a.codes, b.codes) })
}
