package evidence_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/evidence"
)

// BenchmarkParseVerify compares reading a token with the bound that nobody can beat: the bare signature check of the
// standard library, run in turns with it. The ratio is the figure that carries over to another machine.
func BenchmarkParseVerify(b *testing.B) {
	es, ed := esKey(b), edKey(b)
	for _, bc := range []struct {
		name string
		key  crypto.Signer
		c    evidence.Claims
	}{
		{"ES256/usual", es, usualClaims()},
		{"ES256/fullest", es, fullestClaims()},
		{"EdDSA/usual", ed, usualClaims()},
	} {
		b.Run(bc.name, func(b *testing.B) {
			token, err := evidence.Sign(&bc.c, bc.key)
			if err != nil {
				b.Fatal(err)
			}
			bare := bareVerify(b, bc.key)
			read := func() {
				u, err := evidence.Parse(token)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := u.Verify(bc.key.Public()); err != nil {
					b.Fatal(err)
				}
			}
			var spent, bound []time.Duration
			b.ReportAllocs()
			for bareFirst := false; b.Loop(); bareFirst = !bareFirst { // whoever comes second finds warm caches
				first, second := read, bare
				if bareFirst {
					first, second = bare, read
				}
				start := time.Now()
				first()
				middle := time.Now()
				second()
				end := time.Now()
				if bareFirst {
					bound, spent = append(bound, middle.Sub(start)), append(spent, end.Sub(middle))
				} else {
					spent, bound = append(spent, middle.Sub(start)), append(bound, end.Sub(middle))
				}
			}
			// Medians: on a busy machine the mean measures the neighbours.
			b.ReportMetric(float64(median(spent))/float64(median(bound)), "x-bare-verify")
			b.ReportMetric(float64(median(spent)-median(bound)), "ns-over-bare")
			b.ReportMetric(float64(len(token)), "bytes")
		})
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// bareVerify returns one signature check of a 300-byte message with key.
func bareVerify(b *testing.B, key crypto.Signer) func() {
	message := make([]byte, 300)
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		digest := sha256.Sum256(message)
		signature, err := ecdsa.SignASN1(nil, k, digest[:])
		if err != nil {
			b.Fatal(err)
		}
		return func() {
			digest := sha256.Sum256(message)
			if !ecdsa.VerifyASN1(&k.PublicKey, digest[:], signature) {
				b.Fatal("bare signature refused")
			}
		}
	case ed25519.PrivateKey:
		signature := ed25519.Sign(k, message)
		return func() {
			if !ed25519.Verify(k.Public().(ed25519.PublicKey), message, signature) {
				b.Fatal("bare signature refused")
			}
		}
	}
	b.Fatalf("no bound for a %T", key)
	return nil
}
