package territory

import (
	"slices"
	"testing"
	"time"
)

// plainGrid is the bound: one look-up in an array of the same degree cells, without any border.
type plainGrid struct {
	codes []Code
	cells []uint16
}

func newPlainGrid() *plainGrid {
	ix, _ := loadBorders()
	g := &plainGrid{ix.codes, make([]uint16, coarseCols*coarseRows)}
	for i := range g.cells {
		g.cells[i] = ix.drawnAt(float64(i%coarseCols)*unitsPerDegree+4096, float64(i/coarseCols)*unitsPerDegree+4096)
	}
	return g
}

func (g *plainGrid) locate(lat, lon float64) Code {
	x, y, ok := toUnits(lat, lon)
	if !ok {
		return Unknown
	}
	return g.codes[g.cells[int(y)>>coarseShift*coarseCols+int(x)>>coarseShift]]
}

// median times look-ups one place at a time, in turn, and takes the middle: a mean would hide slow cells.
func median(places []sample, locate func(lat, lon float64) Code) float64 {
	const times = 20
	all := make([]float64, 0, len(places))
	for _, p := range places {
		start := time.Now()
		for range times {
			locate(p.lat, p.lon)
		}
		all = append(all, float64(time.Since(start).Nanoseconds())/times)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func BenchmarkLocate(b *testing.B) {
	if err := Load(); err != nil {
		b.Fatal(err)
	}
	grid := newPlainGrid()
	samples := readSamples(b)
	for _, kind := range []struct{ name, sample string }{{"places", "place"}, {"near_borders", "border"}, {"isthmus", "isthmus"}} {
		var places []sample
		for _, s := range samples {
			if s.kind == kind.sample {
				places = append(places, s)
			}
		}
		b.Run(kind.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s := places[i%len(places)]
				Locate(s.lat, s.lon)
				i++
			}
			b.StopTimer()
			ours, bound := median(places, Locate), median(places, grid.locate)
			b.ReportMetric(ours, "ns-median")
			b.ReportMetric(ours/bound, "x-plain-grid")
		})
	}
}

func BenchmarkLocateWithin(b *testing.B) {
	samples := readSamples(b)
	for _, r := range []struct {
		name   string
		metres float64
	}{{"50m", 50}, {"3km", 3000}, {"100km", 100_000}} {
		b.Run(r.name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []Code
			i := 0
			for b.Loop() {
				s := samples[i%len(samples)]
				dst = LocateWithin(dst[:0], s.lat, s.lon, r.metres)
				i++
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeIndex(borderData); err != nil {
			b.Fatal(err)
		}
	}
}
