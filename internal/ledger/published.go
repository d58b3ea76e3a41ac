package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// pollInterval is how often waiting Appends look for a new checkpoint, all together.
const pollInterval = 5 * time.Millisecond

// checkpoint is a published checkpoint whose signature was checked.
type checkpoint struct {
	raw  []byte
	size uint64
	root [32]byte
}

// published holds the newest checkpoint. Its zero value knows none.
type published struct {
	current atomic.Pointer[checkpoint]

	mu    sync.Mutex // of reading the file
	asked time.Time  // when it was last read
}

// awaitSize waits until the published checkpoint covers size entries, and returns it.
func (l *Ledger) awaitSize(ctx context.Context, size uint64) (*checkpoint, error) {
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	for {
		c, err := l.newest(ctx)
		if err != nil && !l.waiting(err) && ctx.Err() == nil { // the end of ctx may come while it is read, too
			return nil, err
		}
		if err == nil && c.size >= size {
			return c, nil
		}
		timer.Reset(pollInterval)
		select {
		case <-ctx.Done():
			if len(l.opts.Witnesses) > 0 {
				return nil, fmt.Errorf("%w: sequenced, but no cosigned checkpoint seen yet: %w", ErrWitnesses, context.Cause(ctx))
			}
			return nil, fmt.Errorf("ledger: sequenced, but no checkpoint seen yet: %w", context.Cause(ctx))
		case <-timer.C:
		}
	}
}

// newest returns the newest checkpoint, at most as old as the shelf's patience.
func (l *Ledger) newest(ctx context.Context) (*checkpoint, error) {
	return l.newestSince(ctx, time.Time{})
}

// newestSince is newest where what was read before that moment does not do. However many ask, it is read once.
func (l *Ledger) newestSince(ctx context.Context, since time.Time) (*checkpoint, error) {
	p := &l.published
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.current.Load()
	if c != nil && time.Since(p.asked) < l.kept.patience() && !p.asked.Before(since) {
		return c, nil
	}
	p.asked = time.Now()
	raw, err := l.kept.ReadCheckpoint(ctx)
	if err != nil {
		return nil, fmt.Errorf("ledger: reading the checkpoint: %w", err)
	}
	if c != nil && bytes.Equal(raw, c.raw) {
		return c, nil
	}
	parsed, err := l.policy.verifier.Checkpoint(raw)
	if errors.Is(err, proof.ErrQuorum) && c == nil {
		return nil, fmt.Errorf("%w: %w", ErrWitnesses, err) // from before there were witnesses; Tessera publishes it anew
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupted, err)
	}
	if c != nil && parsed.Size < c.size {
		return nil, fmt.Errorf("%w: it shrank from %d to %d entries", ErrCorrupted, c.size, parsed.Size)
	}
	return p.take(&checkpoint{raw: raw, size: parsed.Size, root: parsed.Root}), nil
}

// take makes c the newest checkpoint unless a larger one came meanwhile, and returns the one that is.
func (p *published) take(c *checkpoint) *checkpoint {
	for {
		old := p.current.Load()
		if old != nil && old.size > c.size {
			return old
		}
		if p.current.CompareAndSwap(old, c) {
			return c
		}
	}
}

// Size returns how many leaves the newest published checkpoint covers.
func (l *Ledger) Size(ctx context.Context) (uint64, error) {
	c, err := l.newest(ctx)
	if err != nil {
		return 0, err
	}
	return c.size, nil
}

// Checkpoint returns the newest published checkpoint, a signed note (C2SP tlog-checkpoint).
func (l *Ledger) Checkpoint(ctx context.Context) ([]byte, error) {
	c, err := l.newest(ctx)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(c.raw), nil
}
