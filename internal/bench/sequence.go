package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Sizes of a round of the sequence row, in orders: what a release brings, in the batches of the sequencer.
const (
	sequenceRound  = 1 << 17
	sequenceBatch  = 1 << 13
	sequenceCaller = 4
)

// sequence issues orders (salt, commitment, leaf) and sequences them: every one is durable and covered by a published checkpoint at the end
// of a round. Beside it, in turns, Tessera alone appends the same bytes in the same batches.
func sequence(ctx context.Context, s *session) (Row, error) {
	dir, remove, err := s.scratch("sequence")
	if err != nil {
		return Row{}, err
	}
	defer remove()
	ours, err := ledger.Open(ctx, filepath.Join(dir, "ours"), ledger.Options{Origin: benchOrigin})
	if err != nil {
		return Row{}, err
	}
	bare, err := newBare(ctx, filepath.Join(dir, "bare"))
	if err != nil {
		return Row{}, errors.Join(err, ours.Close(ctx))
	}
	rounds := pick(s, 6, 2)
	spent, bound, err := sequenceRounds(ctx, s, ours, bare, rounds)
	if err = errors.Join(err, bare.stop(ctx), ours.Close(ctx)); err != nil {
		return Row{}, err
	}
	orders := float64(rounds * sequenceRound)
	return Row{Value: orders / spent.Seconds(), Bound: orders / bound.Seconds(), Note: fmt.Sprintf("issued, durable and under a published checkpoint; %s orders, without the store",
		thousands(rounds*sequenceRound))}, nil
}

func sequenceRounds(ctx context.Context, s *session, ours *ledger.Ledger, bare *bareTessera, rounds int) (spent, bound time.Duration, err error) {
	s.Progress.Stage("sequencing", rounds)
	for range rounds {
		all := make([][][]byte, sequenceCaller)
		begun := time.Now()
		if err := callers(func(caller int) error {
			for range sequenceRound / sequenceCaller / sequenceBatch {
				batch := issueOrders(sequenceBatch)
				if _, err := ours.AppendBatch(ctx, batch); err != nil {
					return err
				}
				all[caller] = append(all[caller], batch...)
			}
			return nil
		}); err != nil {
			return 0, 0, err
		}
		spent += time.Since(begun)
		begun = time.Now()
		if err := callers(func(caller int) error {
			for part := 0; part < len(all[caller]); part += sequenceBatch {
				if err := bare.append(ctx, all[caller][part:part+sequenceBatch]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return 0, 0, err
		}
		bound += time.Since(begun)
		s.Progress.Step(1)
	}
	return spent, bound, nil
}

func callers(work func(caller int) error) error {
	var g errgroup.Group
	for caller := range sequenceCaller {
		g.Go(func() error { return work(caller) })
	}
	return g.Wait()
}

// issueOrders makes the leaves of n locks, as the authority issues them.
func issueOrders(n int) [][]byte {
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
			panic(err) // constants
		}
		out[i] = leaf
	}
	return out
}

// bareTessera is a ledger by Tessera's POSIX driver and nothing of ours, with the settings of ours.
type bareTessera struct {
	appender *tessera.Appender
	reader   tessera.LogReader
	shutdown func(context.Context) error
	cancel   context.CancelFunc
	room     *semaphore.Weighted
}

func newBare(ctx context.Context, dir string) (*bareTessera, error) {
	secret, _, err := note.GenerateKey(rand.Reader, benchOrigin)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	driver, err := posix.New(ctx, posix.Config{Path: filepath.Join(dir, "log")})
	if err != nil {
		cancel()
		return nil, err
	}
	b := &bareTessera{cancel: cancel, room: semaphore.NewWeighted(16384)}
	b.appender, b.shutdown, b.reader, err = tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().WithCheckpointSigner(signer).
		WithCheckpointInterval(100*time.Millisecond).WithBatching(1024, 20*time.Millisecond))
	if err != nil {
		cancel()
		return nil, err
	}
	return b, nil
}

func (t *bareTessera) stop(ctx context.Context) error {
	defer t.cancel()
	return t.shutdown(ctx)
}

// append returns once a published checkpoint covers the leaves.
func (t *bareTessera) append(ctx context.Context, leaves [][]byte) error {
	if err := t.room.Acquire(ctx, int64(len(leaves))); err != nil {
		return err
	}
	futures := make([]tessera.IndexFuture, len(leaves))
	for i, leaf := range leaves {
		futures[i] = t.appender.Add(ctx, tessera.NewEntry(leaf))
	}
	highest, err := uint64(0), error(nil)
	for _, future := range futures {
		index, failed := future()
		err = errors.Join(err, failed)
		highest = max(highest, index.Index)
	}
	t.room.Release(int64(len(leaves)))
	if err != nil {
		return err
	}
	for {
		raw, err := t.reader.ReadCheckpoint(ctx)
		if err != nil {
			return err
		}
		var c log.Checkpoint
		if _, err := c.Unmarshal(raw); err != nil {
			return err
		}
		if c.Size > highest {
			return ctx.Err()
		}
		time.Sleep(5 * time.Millisecond)
	}
}
