package territory

import "testing"

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
