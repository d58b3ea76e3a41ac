package ledger_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// BenchmarkAppend measures acknowledged appends by many callers at once, without witnesses and with one, which syncs its state for each
// checkpoint, on the same machine.
func BenchmarkAppend(b *testing.B) {
	b.Run("alone", func(b *testing.B) { appendAll(b, open(b, b.TempDir())) })
	b.Run("witnessed", func(b *testing.B) {
		dir := b.TempDir()
		w := newDesk(b, "witness.example/w1", newKey(b, dir)).Witness
		l, err := ledger.Open(b.Context(), dir, ledger.Options{Origin: origin, Witnesses: []ledger.Witness{w}})
		if err != nil {
			b.Fatal(err)
		}
		defer closeLedger(b, l)
		appendAll(b, l)
	})
}

func appendAll(b *testing.B, l *ledger.Ledger) {
	const callers = 64
	var wg sync.WaitGroup
	start := time.Now()
	done := 0
	for b.Loop() { // one round: each caller appends a batch
		for caller := range callers {
			wg.Go(func() {
				from := (done*callers + caller) * 64
				if _, err := l.AppendBatch(context.Background(), leaves(from, from+64)); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
		done++
	}
	b.ReportMetric(float64(done*callers*64)/time.Since(start).Seconds(), "leaves/s")
}

// BenchmarkProof measures proofs against one checkpoint, and their offline check against the bound of one bare note
// signature in the same run.
func BenchmarkProof(b *testing.B) {
	l := open(b, b.TempDir())
	const n = 20_000
	if _, err := l.AppendBatch(b.Context(), leaves(0, n)); err != nil {
		b.Fatal(err)
	}
	b.Run("make", func(b *testing.B) {
		index := uint64(0)
		for b.Loop() {
			if _, err := l.Proof(b.Context(), index); err != nil {
				b.Fatal(err)
			}
			index = (index + 1) % n
		}
	})
	b.Run("check", func(b *testing.B) {
		verifier, err := proof.New(l.Origin(), l.LogKey(), nil, 0)
		if err != nil {
			b.Fatal(err)
		}
		key, err := note.NewVerifier(l.LogKey())
		if err != nil {
			b.Fatal(err)
		}
		text, err := l.Proof(b.Context(), 17)
		if err != nil {
			b.Fatal(err)
		}
		checkpoint, err := l.Checkpoint(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		var spent, bound time.Duration
		for b.Loop() {
			start := time.Now()
			if _, err := verifier.Verify(leaf(17), text); err != nil {
				b.Fatal(err)
			}
			middle := time.Now()
			if _, err := note.Open(checkpoint, note.VerifierList(key)); err != nil {
				b.Fatal(err)
			}
			spent += middle.Sub(start)
			bound += time.Since(middle)
		}
		b.ReportMetric(float64(spent)/float64(bound), "x-bare-note")
	})
}
