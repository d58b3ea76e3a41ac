package agent_test

import (
	"testing"
	"time"
)

// BenchmarkCheckIn is a device's side of a day: look around, sign, take the answer. It prints a ratio to the bare signature.
func BenchmarkCheckIn(b *testing.B) {
	r := enrolledRig(b, 91, cuba)
	key := r.phone.Platform().Key
	digest := make([]byte, 32)
	began := time.Now()
	const signatures = 200
	for range signatures {
		if _, err := key.Sign(r.phone.Platform().Random, digest, nil); err != nil {
			b.Fatal(err)
		}
	}
	bare := time.Since(began) / signatures
	answer := func(sequence uint64) []byte {
		data, err := r.answer(sequence).Marshal()
		must(b, err)
		return data
	}
	sequence := r.claims().Sequence
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		must(b, r.agent.Observe(signals(cuba)))
		if _, err := r.agent.Evidence(); err != nil {
			b.Fatal(err)
		}
		sequence++
		if _, err := r.agent.Accept(answer(sequence)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(bare), "bare-signatures/op")
}
