package ledger_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sync/semaphore"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Sizes of BenchmarkSequence, in orders: what a release brings, in the batches of the sequencer.
const (
	benchRound  = 1 << 17
	benchBatch  = 1 << 13
	benchCaller = 4
)

// BenchmarkSequence issues orders (salt, commitment, leaf) and sequences them: every one is durable and covered by a published
// checkpoint at the end of a round. Beside it, in turns, Tessera alone appends the same bytes in the same batches. The
// bar is 30,000 orders/s on two cores.
func BenchmarkSequence(b *testing.B) {
	ours := open(b, b.TempDir())
	bare := newBare(b)
	var spent, bound time.Duration
	rounds := 0
	for b.Loop() {
		all := make([][][]byte, benchCaller)
		begun := time.Now()
		inTurns(func(caller int) {
			for range benchRound / benchCaller / benchBatch {
				batch := issueMany(b, benchBatch)
				if _, err := ours.AppendBatch(context.Background(), batch); err != nil {
					b.Error(err)
				}
				all[caller] = append(all[caller], batch...)
			}
		})
		spent += time.Since(begun)
		begun = time.Now()
		inTurns(func(caller int) {
			for range benchRound / benchCaller / benchBatch {
				bare.append(b, all[caller][:benchBatch])
				all[caller] = all[caller][benchBatch:]
			}
		})
		bound += time.Since(begun)
		rounds++
	}
	orders := float64(rounds * benchRound)
	b.ReportMetric(orders/spent.Seconds(), "orders/s")
	b.ReportMetric(orders/bound.Seconds(), "tessera-alone/s")
	b.ReportMetric(float64(bound)/float64(spent), "of-tessera")
}

func inTurns(work func(caller int)) {
	var wg sync.WaitGroup
	for caller := range benchCaller {
		wg.Go(func() { work(caller) })
	}
	wg.Wait()
}

// issueMany makes the leaves of n locks, as the authority issues them.
func issueMany(b *testing.B, n int) [][]byte {
	issued := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	out := make([][]byte, n)
	for i := range out {
		var salt [32]byte
		var id device.ID
		_, _ = rand.Read(salt[:]) // never fails
		_, _ = rand.Read(id[:])
		leaf, err := order.Leaf{
			Kind: order.Lock, Ground: order.Ground{Kind: order.Rule, ID: "cuba"}, Territory: "CU", Authority: [32]byte{1}, IssuedAt: issued,
			Deadline: issued, EffectAt: issued.Add(72 * time.Hour), EndsAt: issued.Add(180 * 24 * time.Hour), Commitment: order.Commit(salt, id),
		}.Marshal()
		if err != nil {
			b.Fatal(err)
		}
		out[i] = leaf
	}
	return out
}

// bareTessera is a ledger by Tessera's POSIX driver and nothing of ours, with the settings of ours.
type bareTessera struct {
	appender *tessera.Appender
	reader   tessera.LogReader
	room     *semaphore.Weighted
}

func newBare(b *testing.B) *bareTessera {
	ctx, cancel := context.WithCancel(context.Background())
	secret, _, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		b.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		b.Fatal(err)
	}
	driver, err := posix.New(ctx, posix.Config{Path: filepath.Join(b.TempDir(), "log")})
	if err != nil {
		b.Fatal(err)
	}
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().WithCheckpointSigner(signer).
		WithCheckpointInterval(100*time.Millisecond).WithBatching(1024, 20*time.Millisecond))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := shutdown(ctx); err != nil {
			b.Error(err)
		}
		cancel()
	})
	return &bareTessera{appender: appender, reader: reader, room: semaphore.NewWeighted(16384)}
}

// append returns once a published checkpoint covers the leaves.
func (t *bareTessera) append(b *testing.B, leaves [][]byte) {
	ctx := context.Background()
	if err := t.room.Acquire(ctx, int64(len(leaves))); err != nil {
		b.Error(err)
	}
	futures := make([]tessera.IndexFuture, len(leaves))
	for i, leaf := range leaves {
		futures[i] = t.appender.Add(ctx, tessera.NewEntry(leaf))
	}
	highest := uint64(0)
	for _, future := range futures {
		index, err := future()
		if err != nil {
			b.Error(err)
		}
		highest = max(highest, index.Index)
	}
	t.room.Release(int64(len(leaves)))
	for {
		raw, err := t.reader.ReadCheckpoint(ctx)
		if err != nil {
			b.Error(err)
			return
		}
		var c log.Checkpoint
		if _, err := c.Unmarshal(raw); err != nil {
			b.Error(err)
			return
		}
		if c.Size > highest {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
