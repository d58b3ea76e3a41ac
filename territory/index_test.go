package territory

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
)

func TestLoadIsIdempotent(t *testing.T) {
	for range 3 {
		if err := Load(); err != nil {
			t.Fatal(err)
		}
	}
}

// packed wraps a body as the generator does.
func packed(body []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.DefaultCompression)
	w.Write(body)
	w.Close()
	rest := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), b.Bytes()...)
	return append(binary.BigEndian.AppendUint32([]byte(fileMagic), crc32.ChecksumIEEE(rest)), rest...)
}

// square is a file with one territory, "XX", from 10°N 10°E to 12°N 12°E.
func square() []byte {
	const u = unitsPerDegree
	b := []byte{1, 2, 'X', 'X', 1, 1, 1, 1, 5, 0, 5}
	for _, v := range []int64{190 * u, 100 * u, 2 * u, 0, 0, 2 * u, -2 * u, 0, 0, -2 * u} {
		b = binary.AppendVarint(b, v)
	}
	return b
}

func TestDecodeReadsTheFormatAsDocumented(t *testing.T) {
	ix, err := decodeIndex(packed(square()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct {
		lat, lon float64
		want     Code
	}{{11, 11, "XX"}, {10.001, 10.001, "XX"}, {11.999, 11.5, "XX"}, {9.97, 11, "XX"}, {9.9, 11, Unknown}, {12.1, 11, Unknown}, {11, 12.04, "XX"}, {11, 12.06, Unknown}} {
		x, y, _ := toUnits(p.lat, p.lon)
		if got := ix.codes[ix.at(x, y)]; got != p.want {
			t.Errorf("%v, %v is %q, want %q", p.lat, p.lon, got, p.want)
		}
	}
	if got := ix.appendWithin(nil, 11, 11, 10); len(got) != 0 {
		t.Errorf("far away: %v", got)
	}
}

func TestDecodeRefusesDamage(t *testing.T) {
	good := packed(square())
	sum := func(b []byte) []byte {
		binary.BigEndian.PutUint32(b[4:8], crc32.ChecksumIEEE(b[8:]))
		return b
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	short := bytes.Clone(good)
	short[11]--
	huge := bytes.Clone(good)
	huge[8] = 0xff
	for name, data := range map[string][]byte{
		"empty":                     nil,
		"another file":              []byte("PNG and so on, long enough"),
		"one bit":                   flipped,
		"cut off":                   good[:len(good)-3],
		"cut off, checksum mended":  sum(bytes.Clone(good[:len(good)-3])),
		"longer than it says":       sum(short),
		"says it is enormous":       sum(huge),
		"no codes":                  packed([]byte{0}),
		"a code of one letter":      packed([]byte{1, 1, 'X'}),
		"a set without codes":       packed([]byte{1, 2, 'X', 'X', 1, 0}),
		"a set with an unknown one": packed([]byte{1, 2, 'X', 'X', 1, 1, 2}),
		"an arc of one point":       packed([]byte{1, 2, 'X', 'X', 1, 1, 1, 1, 2, 0, 1, 0, 0}),
		"an arc with no such set":   packed([]byte{1, 2, 'X', 'X', 1, 1, 1, 1, 2, 1, 2, 0, 0, 2, 2}),
		"a point off the map":       packed([]byte{1, 2, 'X', 'X', 1, 1, 1, 1, 2, 0, 2, 0, 3, 0, 0}),
		"fewer points than it says": packed(append([]byte{1, 2, 'X', 'X', 1, 1, 1, 1, 6}, square()[9:]...)),
		"a point twice":             packed([]byte{1, 2, 'X', 'X', 1, 1, 1, 1, 2, 0, 2, 0, 0, 0, 0}),
		"something after the end":   packed(append(square(), 0)),
		"nothing after the codes":   packed(square()[:4]),
	} {
		if _, err := decodeIndex(data); !errors.Is(err, errDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The checksum keeps a fuzzer out, so it starts behind it.
func FuzzIndex(f *testing.F) {
	f.Add(square())
	f.Add([]byte{2, 2, 'X', 'X', 5, 'Y', 'Y', '-', '4', '3', 2, 1, 1, 2, 1, 2, 2, 4, 0, 2, 0, 0, 2, 2, 1, 2, 0, 0, 4, 4})
	f.Add(square()[:10])
	f.Add([]byte{1, 2, 'X', 'X', 1, 1, 1, 1, 2, 0, 2, 0, 0, 0, 0}) // a point twice once divided by zero
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 400 {
			return // each edge may cross thousands of cells
		}
		a, err := parseArcs(body)
		if err == nil {
			var ix *index
			if ix, err = buildIndex(a); err == nil {
				for _, p := range a.points {
					x, y := onMap(float64(p.X)+0.3, float64(p.Y)-0.3)
					if n := ix.at(x, y); int(n) >= len(ix.codes) {
						t.Fatalf("code %d of %d", n, len(ix.codes))
					}
				}
			}
		}
		if err != nil && !errors.Is(err, errDamaged) {
			t.Fatal(err)
		}
	})
}
