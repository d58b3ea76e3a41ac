package proof_test

import (
	"testing"
	"time"

	cosign "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// BenchmarkVerifyWitnessed checks an order in a ledger of 4096 with one cosignature, as a device does, beside what it cannot do
// without: opening a note with the same two Ed25519 signatures. The bar is 150 µs.
func BenchmarkVerifyWitnessed(b *testing.B) {
	ada, adaKey := witness(b, "witness.example/ada", 10)
	v, s := newVerifier(b, []string{adaKey}, 1)
	tr := newTree(b, 4096)
	p := tr.prove(b, 17, s, ada)
	text := p.Marshal()
	_, logKey := key(b, origin, 1)
	logVerifier, err := note.NewVerifier(logKey)
	if err != nil {
		b.Fatal(err)
	}
	adaVerifier, err := cosign.NewVerifierForCosignatureV1(adaKey)
	if err != nil {
		b.Fatal(err)
	}
	known := note.VerifierList(logVerifier, adaVerifier)
	const bare = 2000
	began := time.Now()
	for range bare {
		if n, err := note.Open(p.Checkpoint, known); err != nil || len(n.Sigs) != 2 {
			b.Fatal(err)
		}
	}
	bound := time.Since(began) / bare
	for b.Loop() {
		if c, err := v.Verify(leaf(17), text); err != nil || c.Witnesses != 1 {
			b.Fatal(c, err)
		}
	}
	each := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(bound.Nanoseconds()), "bare-ns/op")
	b.ReportMetric(float64(each)/float64(bound), "x-bare")
}
