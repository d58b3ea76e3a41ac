package tuf_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// BenchmarkApply applies an update that brings nothing new, as most check-ins do, beside what it cannot do without: checking one
// signature of timestamp and snapshot and two of targets, policy and warrant. The signatures are Ed25519.
func BenchmarkApply(b *testing.B) {
	r := published(tuftest.Options{})
	trusted := trusting(b, r)
	u := r.Update(2)
	var checks []func() bool
	for role, n := range map[string]int{tuf.Timestamp: 1, tuf.Snapshot: 1, tuf.Targets: 2, tuf.Policy: 2, tuf.Warrant: 2} {
		checks = append(checks, signatures(b, r, *part(&u, role), n)...)
	}
	const rounds = 200
	began := time.Now()
	for range rounds {
		for _, check := range checks {
			if !check() {
				b.Fatal("a signature that Apply accepts is wrong")
			}
		}
	}
	bound := time.Since(began) / rounds
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := trusted.Apply(u, date()); err != nil {
			b.Fatal(err)
		}
	}
	each := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(bound.Nanoseconds()), "bare-ns/op")
	b.ReportMetric(float64(each)/float64(bound), "x-bare")
	b.ReportMetric(float64(len(u.Timestamp)+len(u.Snapshot)+len(u.Targets)+len(u.Policy)+len(u.Warrant)), "bytes")
}

// signatures are the bare checks of the first n signatures of a file.
func signatures(b *testing.B, r *tuftest.Repository, data []byte, n int) (checks []func() bool) {
	var file struct {
		Signed     json.RawMessage
		Signatures []struct{ KeyID, Sig string }
	}
	if err := json.Unmarshal(data, &file); err != nil {
		b.Fatal(err)
	}
	message, err := cjson.EncodeCanonical(file.Signed)
	if err != nil {
		b.Fatal(err)
	}
	keys := ed25519Keys(b, r.Root(2))
	for _, s := range file.Signatures[:n] {
		checks = append(checks, bare(b, keys[s.KeyID], message, s.Sig))
	}
	return checks
}

// ed25519Keys are a root's keys, in hex, by key id.
func ed25519Keys(b *testing.B, root []byte) map[string]string {
	var file struct {
		Signed struct {
			Keys map[string]struct{ Keyval struct{ Public string } }
		}
	}
	if err := json.Unmarshal(root, &file); err != nil {
		b.Fatal(err)
	}
	keys := map[string]string{}
	for id, k := range file.Signed.Keys {
		keys[id] = k.Keyval.Public
	}
	return keys
}

func bare(b *testing.B, public string, message []byte, signature string) func() bool {
	key, err := hex.DecodeString(public)
	if err != nil {
		b.Fatal(err)
	}
	raw, err := hex.DecodeString(signature)
	if err != nil {
		b.Fatal(err)
	}
	return func() bool { return ed25519.Verify(key, message, raw) }
}
