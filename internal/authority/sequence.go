package authority

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/span"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Bounds of the sequencer, in orders.
const (
	sequenceWindow = 1 << 16 // looked at at once
	sequenceBatch  = 1 << 13 // per append: one checkpoint covers it
	markBatch      = 1 << 12 // per transaction: others wait for no longer
	sequenceStart  = 1 << 17 // looked at at once after a start
)

// sequencer brings pending orders into the ledger, one pass at a time.
type sequencer struct {
	mu       sync.Mutex
	begun    bool              // what was pending at the start, or when this server began to lead, is known
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
		window, err := s.pending(ctx)
		if err != nil || len(window) == 0 {
			return total, err
		}
		n, err := s.sequenceAll(ctx, window)
		total += n
		s.counters.sequenced.Add(float64(n))
		if err != nil {
			return total, err
		}
	}
}

// sequenceAll brings a window of orders into the ledger, batch by batch; while one is appended, the one before is marked. When
// anything fails, the whole window is doubtful: what was marked is not pending any more.
func (s *Service) sequenceAll(ctx context.Context, window []*Order) (total int, err error) {
	ctx, sp := span.Start(ctx, "sequence")
	span.Count(sp, "orders", len(window))
	defer func() { _ = marked(sp, err); sp.End() }()
	type marked struct {
		n   int
		err error
	}
	marking := make(chan marked, 1)
	marking <- marked{}
	for batch := range slices.Chunk(window, sequenceBatch) {
		var indexes map[order.ID]uint64
		indexes, err = s.intoLedger(ctx, batch)
		before := <-marking
		total += before.n
		if err = errors.Join(before.err, err); err != nil {
			marking <- marked{}
			break
		}
		go func() {
			n, err := s.mark(ctx, batch, indexes)
			marking <- marked{n, err}
		}()
	}
	last := <-marking
	total, err = total+last.n, errors.Join(err, last.err)
	for _, o := range window {
		if err != nil {
			s.sequencer.doubtful[o.ID] = true
		} else {
			delete(s.sequencer.doubtful, o.ID)
			s.urgent.ordered(o.Kind, o.Device, s.now())
		}
	}
	return total, err
}

// beginSequencing doubts whatever was pending when this process began, or began to lead: another one may have been cut short.
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
	err = s.view(ctx, func(tx Tx) error {
		batch = nil
		seen := make(map[device.ID]bool)
		orders, err := tx.PendingOrders(sequenceWindow)
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

// intoLedger appends what is not in the ledger yet, and returns the indexes of all.
func (s *Service) intoLedger(ctx context.Context, batch []*Order) (indexes map[order.ID]uint64, err error) {
	var doubtful []order.ID
	for _, o := range batch {
		if s.sequencer.doubtful[o.ID] {
			doubtful = append(doubtful, o.ID)
		}
	}
	indexes = make(map[order.ID]uint64, len(batch))
	if len(doubtful) > 0 {
		if indexes, err = s.cfg.Ledger.FindAll(ctx, doubtful, 0); err != nil {
			return nil, ErrLedgerUnavailable.because(err)
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
		appending, sp := span.Start(ctx, "ledger append")
		span.Count(sp, "leaves", len(leaves))
		fresh, err := s.cfg.Ledger.AppendBatch(appending, leaves)
		sp.End()
		if err != nil {
			return nil, ErrLedgerUnavailable.because(err)
		}
		for i, id := range appended {
			indexes[id] = fresh[i]
		}
	}
	return indexes, nil
}

// mark notes in the store where in the ledger each order is, and returns how many it noted: those that were not before.
func (s *Service) mark(ctx context.Context, batch []*Order, indexes map[order.ID]uint64) (total int, err error) {
	ctx, sp := span.Start(ctx, "mark sequenced")
	defer sp.End()
	for part := range slices.Chunk(batch, markBatch) {
		n := 0
		places := make([]Place, len(part))
		for i, o := range part {
			places[i] = Place{o.Device, o.ID, indexes[o.ID]}
		}
		err := s.update(WithGuardsOnly(WithManyWrites(ctx)), func(tx Tx) error {
			hit, err := tx.SequenceAllIfPending(places) // the others are marked already
			n = trues(hit)
			return err
		})
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

func trues(list []bool) (n int) {
	for _, is := range list {
		if is {
			n++
		}
	}
	return n
}
