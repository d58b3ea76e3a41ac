package authority_test

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/store/memory"
)

// BenchmarkCheckInAlone measures plain check-ins one after another on a store in memory: what a check-in costs above the store, its
// signature and its answer included. "over-bare" is its time over that of a bare signature check on one core in the same run.
func BenchmarkCheckInAlone(b *testing.B) {
	const fleet = 100
	s, tokens, key := benchFleet(b, memory.New(), fleet, b.N)
	for _, token := range tokens[:fleet] {
		_, err := s.CheckIn(ctx, token, home)
		must(b, err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, token := range tokens[fleet:] {
		a, err := s.CheckIn(ctx, token, home)
		must(b, err)
		_, err = a.Marshal()
		must(b, err)
	}
	b.StopTimer()
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/bareSeconds(b, key), "over-bare")
}
