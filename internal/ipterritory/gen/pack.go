package main

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// table gathers what ranges.bin holds; its form is described in ipterritory/decode.go.
type table struct {
	codes    []territory.Code
	families [][]segment
}

func (t *table) add(segments []segment) {
	t.families = append(t.families, segments)
	for _, s := range segments {
		t.codes = append(t.codes, s.code)
	}
	slices.Sort(t.codes) // Unknown, the empty one, stands first
	t.codes = slices.Compact(t.codes)
}

func (t *table) pack() ([]byte, error) {
	var raw bytes.Buffer
	raw.WriteByte(byte(len(t.codes)))
	for _, c := range t.codes {
		raw.WriteByte(byte(len(c)))
		raw.WriteString(string(c))
	}
	for _, segments := range t.families {
		var sizes, odd, codes []byte
		for i, s := range segments {
			n, _ := slices.BinarySearch(t.codes, s.code)
			codes = append(codes, byte(n))
			if i > 0 {
				sizes, odd = appendSize(sizes, odd, s.start-segments[i-1].start)
			}
		}
		raw.Write(binary.AppendUvarint(nil, uint64(len(segments))))
		raw.Write(sizes)
		raw.Write(binary.AppendUvarint(nil, uint64(len(odd))))
		raw.Write(odd)
		raw.Write(codes)
	}
	out := bytes.NewBufferString("BIPT1\n")
	w, err := flate.NewWriter(out, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw.Bytes()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func appendSize(sizes, odd []byte, n uint64) ([]byte, []byte) {
	zeros := bits.TrailingZeros64(n)
	if n>>zeros == 1 {
		return append(sizes, byte(zeros)), odd
	}
	return append(sizes, byte(64+zeros)), binary.AppendUvarint(odd, n>>zeros>>1)
}
