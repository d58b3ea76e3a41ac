package simulate

import "testing"

// BenchmarkWorlds lives through whole worlds on one core, and says how many device-years that makes a minute.
func BenchmarkWorlds(b *testing.B) {
	f, err := newFactory()
	if err != nil {
		b.Fatal(err)
	}
	years := 0.0
	for n := 0; b.Loop(); n++ {
		years += newWorld(f, 1, uint64(n), planted{}, nil).run().DeviceYears
	}
	b.ReportMetric(years/b.Elapsed().Minutes(), "device-years/min")
}
