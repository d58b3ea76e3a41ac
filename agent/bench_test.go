package agent_test

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
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

// BenchmarkAccept is what an answer costs a device: one without anything, one with an order and its proof, and one with officers' metadata, each with
// the saving of the record. It prints the ratio to one bare Ed25519 verification, of which metadata need ten.
func BenchmarkAccept(b *testing.B) {
	for _, bc := range []struct {
		name string
		fill func(r *rig, ans *protocol.CheckInAnswer)
	}{
		{"empty", func(*rig, *protocol.CheckInAnswer) {}},
		{"order", func(r *rig, ans *protocol.CheckInAnswer) {
			ans.Orders = []order.Sealed{r.seal(r.lift(ruleCrimea, order.ByRule))}
		}},
		{"metadata", func(r *rig, ans *protocol.CheckInAnswer) { ans.Metadata = r.metadata(); ans.Metadata.Roots = nil }},
	} {
		b.Run(bc.name, func(b *testing.B) {
			r := enrolledRig(b, 92, cuba)
			ans := r.answer(r.claims().Sequence)
			bc.fill(r, &ans)
			data, err := ans.Marshal()
			must(b, err)
			bare := bareVerification(b)
			b.ReportAllocs()
			for b.Loop() {
				if out, err := r.agent.Accept(data); err != nil || len(out.Refused) != 0 {
					b.Fatal(out, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(bare), "bare-verifications/op")
			b.ReportMetric(float64(len(data)), "bytes")
		})
	}
}

// bareVerification is how long the standard library takes for one Ed25519 signature.
func bareVerification(b *testing.B) time.Duration {
	public, private, err := ed25519.GenerateKey(nil)
	must(b, err)
	message := make([]byte, 1000)
	signature := ed25519.Sign(private, message)
	began := time.Now()
	const times = 200
	for range times {
		if !ed25519.Verify(public, message, signature) {
			b.Fatal("a good signature was refused")
		}
	}
	return time.Since(began) / times
}
