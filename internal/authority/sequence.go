package authority

import (
	"context"
	"errors"
	"sync"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Bounds of the sequencer, in orders.
const (
	sequenceBatch = 1024    // per transaction
	sequenceStart = 1 << 17 // looked at at once after a start
)

// sequencer brings pending orders into the ledger, one pass at a time.
type sequencer struct {
	mu       sync.Mutex
	begun    bool              // what was pending at the start is known
	doubtful map[order.ID]bool // an earlier attempt, cut short, may have brought them into the ledger
}

// Sequence brings the pending orders into the ledger, and returns how many it brought. An order is delivered only after this: its
// leaf is in the ledger and published, and its index in the store. After a crash or a failure between the two, the ledger is
// asked before anything is appended again, so that no order is in it twice.
func (s *Service) Sequence(ctx context.Context) (int, error) {
	s.sequencer.mu.Lock()
	defer s.sequencer.mu.Unlock()
	if err := s.beginSequencing(ctx); err != nil {
		return 0, err
	}
	total := 0
	for {
		batch, err := s.pending(ctx)
		if err != nil || len(batch) == 0 {
			return total, err
		}
		n, err := s.sequenceBatch(ctx, batch)
		total += n
		s.counters.sequenced.Add(float64(n))
		if err != nil {
			for _, o := range batch {
				s.sequencer.doubtful[o.ID] = true
			}
			return total, err
		}
		for _, o := range batch {
			delete(s.sequencer.doubtful, o.ID)
		}
	}
}

// beginSequencing doubts whatever was pending when this process began.
func (s *Service) beginSequencing(ctx context.Context) error {
	if s.sequencer.begun {
		return nil
	}
	s.sequencer.doubtful = make(map[order.ID]bool)
	return s.view(ctx, func(tx Tx) error {
		pending, err := tx.PendingOrders(sequenceStart)
		for _, o := range pending {
			s.sequencer.doubtful[o.ID] = true
		}
		s.sequencer.begun = err == nil && len(pending) < sequenceStart
		return err
	})
}

// pending returns the next orders for the ledger: the oldest one of each device only, so that a device's orders enter the ledger
// in the sequence in which they were issued; devices break ties by it.
func (s *Service) pending(ctx context.Context) (batch []*Order, err error) {
	seen := make(map[device.ID]bool)
	err = s.view(ctx, func(tx Tx) error {
		orders, err := tx.PendingOrders(sequenceBatch)
		for _, o := range orders {
			if !seen[o.Device] {
				seen[o.Device] = true
				batch = append(batch, o)
			}
		}
		return err
	})
	return batch, err
}

// sequenceBatch appends what is not in the ledger yet, and then marks all of it.
func (s *Service) sequenceBatch(ctx context.Context, batch []*Order) (n int, err error) {
	var doubtful []order.ID
	for _, o := range batch {
		if s.sequencer.doubtful[o.ID] {
			doubtful = append(doubtful, o.ID)
		}
	}
	indexes := make(map[order.ID]uint64, len(batch))
	if len(doubtful) > 0 {
		if indexes, err = s.cfg.Ledger.FindAll(ctx, doubtful, 0); err != nil {
			return 0, ErrLedgerUnavailable.because(err)
		}
	}
	var leaves [][]byte
	var appended []order.ID
	for _, o := range batch {
		if _, there := indexes[o.ID]; !there {
			leaves, appended = append(leaves, o.Leaf), append(appended, o.ID)
		}
	}
	if len(leaves) > 0 {
		fresh, err := s.cfg.Ledger.AppendBatch(ctx, leaves)
		if err != nil {
			return 0, ErrLedgerUnavailable.because(err)
		}
		for i, id := range appended {
			indexes[id] = fresh[i]
		}
	}
	err = s.update(ctx, func(tx Tx) error {
		n = 0
		for _, o := range batch {
			if err := tx.SequenceIfPending(o.ID, indexes[o.ID]); errors.Is(err, ErrConflict) {
				continue // marked already
			} else if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		n = 0
	}
	return n, err
}
