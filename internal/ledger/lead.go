package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

const (
	growPatience = 10 * time.Second // for a database that is away, before who appends is told
	growMost     = 1 << 14          // entries of one transaction
	retryEvery   = 100 * time.Millisecond
)

// addition is leaves on their way into the tree.
type addition struct {
	leaves  [][]byte
	indexes []uint64
	err     error
	done    chan struct{} // closed when what is above stands
}

// Lead appends and publishes as the leader of a term, until ctx ends; then it returns nil. It returns ErrNotLeader when another term has
// followed, and ErrElsewhere or ErrCorrupted when the tables cannot be led. While the database is away it tries again. A ledger in a folder is
// led by its one process anyway: Lead waits for ctx.
func (l *Ledger) Lead(ctx context.Context, office Office) error {
	s, ok := l.kept.(*tableShelf)
	if !ok {
		<-ctx.Done()
		return nil
	}
	ctx, resign := context.WithCancelCause(ctx)
	defer resign(ErrNotLeader)
	o := &leading{tableShelf: s, office: office}
	if err := o.begin(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	s.setTerm(ctx)
	defer s.endTerm()
	ended := make(chan error, 2)
	go func() { ended <- o.append(ctx) }()
	go func() { ended <- o.publishAll(ctx) }()
	err := <-ended
	resign(ErrNotLeader)
	return errors.Join(err, <-ended)
}

func (s *tableShelf) setTerm(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.term = ctx
}

func (s *tableShelf) endTerm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.term = nil
}

// Leads reports whether this process appends: always, where the ledger is in a folder.
func (l *Ledger) Leads() bool {
	s, ok := l.kept.(*tableShelf)
	return !ok || s.leads() != nil
}

// leads returns the context of the term that this server leads, nil when it does not.
func (s *tableShelf) leads() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.term
}

func (s *tableShelf) serving(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	term := s.leads()
	if term == nil {
		cancel(ErrNotLeader)
		return ctx, func() {}
	}
	stop := context.AfterFunc(term, func() { cancel(ErrNotLeader) })
	return ctx, func() { stop(); cancel(nil) }
}

// add hands leaves to whoever appends. Once they are taken it waits for the outcome, which is better than an index that must be searched for.
func (s *tableShelf) add(ctx context.Context, leaves [][]byte) ([]uint64, error) {
	term := s.leads()
	if term == nil {
		return nil, ErrNotLeader
	}
	a := &addition{leaves: leaves, done: make(chan struct{})}
	select {
	case s.adding <- a:
	case <-ctx.Done():
		return nil, fmt.Errorf("ledger: nothing was queued: %w", ctx.Err())
	case <-term.Done():
		return nil, ErrNotLeader
	}
	<-a.done
	return a.indexes, a.err
}

// leading is the leader's work of one term.
type leading struct {
	*tableShelf
	office Office
	edge   *edge                // nil when what the tables hold is not known for sure
	sure   atomic.Pointer[Tree] // the tree that is known to be durable: no other one is signed
}

// begin waits until nothing of an earlier term is under way.
func (o *leading) begin(ctx context.Context) error {
	for {
		err := o.settle(ctx)
		if err == nil || final(err) {
			return err
		}
		o.log.Warn("the ledger cannot be taken over yet", "error", err)
		if err := sleep(ctx, retryEvery); err != nil {
			return err
		}
	}
}

// settle reads what the tables hold, once it is certain.
func (o *leading) settle(ctx context.Context) error {
	tree, err := o.office.Settle(ctx)
	if err != nil {
		return err
	}
	if tree.Elsewhere {
		return ErrElsewhere
	}
	if tree.Published != nil {
		// A published checkpoint that the tree has not grown to yet, or not from, says that somebody restored an old copy.
		c, err := o.policy.verifier.Checkpoint(tree.Published)
		switch {
		case errors.Is(err, proof.ErrQuorum): // from before there were these witnesses
		case err != nil:
			return fmt.Errorf("%w: %w", ErrCorrupted, err)
		case c.Size > tree.Size || c.Size == tree.Size && c.Root != tree.Root:
			return fmt.Errorf("%w: the published checkpoint is of another tree", ErrCorrupted)
		}
	}
	if c := o.ledger.published.current.Load(); c != nil { // what this server has seen and shown is in the tree still, or an old copy was restored
		if c.size > tree.Size {
			return fmt.Errorf("%w: the database holds %d entries of the ledger, and %d were published: it was restored from an older copy", ErrCorrupted, tree.Size, c.size)
		}
		if _, err := loadEdge(ctx, o.tables, Tree{Size: c.size, Root: c.root}); err != nil {
			return err
		}
	}
	if o.edge, err = loadEdge(ctx, o.tables, tree); err == nil {
		o.sure.Store(&tree)
	}
	return err
}

// final reports whether trying again does not help.
func final(err error) bool {
	return errors.Is(err, ErrNotLeader) || errors.Is(err, ErrElsewhere) || errors.Is(err, ErrCorrupted)
}

// append grows the tree by what is added, as much as has gathered in one transaction.
func (o *leading) append(ctx context.Context) error {
	for {
		var batch []*addition
		select {
		case <-ctx.Done():
			return nil
		case a := <-o.adding:
			batch = append(batch, a)
		}
		n := len(batch[0].leaves)
		for gather := time.After(o.gatherFor(n)); n < growMost && gather != nil; {
			select {
			case a := <-o.adding:
				batch, n = append(batch, a), n+len(a.leaves)
			case <-gather:
				gather = nil
			}
		}
		err := o.take(ctx, batch, n)
		if err != nil && final(err) {
			return err
		}
	}
}

// gatherFor is how long the first of few leaves waits for more.
func (o *leading) gatherFor(n int) time.Duration {
	if n >= int(o.opts.BatchSize) {
		return 0
	}
	return o.opts.BatchAge
}

// take sequences what was added, and says so.
func (o *leading) take(ctx context.Context, batch []*addition, n int) error {
	leaves := make([][]byte, 0, n)
	for _, a := range batch {
		leaves = append(leaves, a.leaves...)
	}
	// A term that ends meanwhile does not cut this short: the guard decides, and the outcome is better known.
	running, cancel := context.WithTimeout(context.WithoutCancel(ctx), growPatience)
	defer cancel()
	first, err := o.grow(running, leaves)
	for _, a := range batch {
		if a.err = err; err == nil {
			a.indexes = make([]uint64, len(a.leaves))
			for i := range a.indexes {
				a.indexes[i] = first
				first++
			}
		}
		close(a.done)
	}
	select {
	case o.turned <- struct{}{}:
	default:
	}
	return err
}

// grow appends leaves and returns the index of the first. When the answer of the database is lost it asks what became of it, and tries again
// where nothing did.
func (o *leading) grow(ctx context.Context, leaves [][]byte) (uint64, error) {
	var last error
	var meant *Growth
	for {
		if o.edge == nil {
			if err := o.settle(ctx); err != nil {
				if final(err) || ctx.Err() != nil {
					return 0, errors.Join(err, last)
				}
				last = err
				if err := sleep(ctx, retryEvery); err != nil {
					return 0, fmt.Errorf("ledger: the database is away: %w", last)
				}
				continue
			}
		}
		if meant != nil && o.edge.tree.End() == meant.Size { // it had been written
			if root, err := rootOf(o.edge.tree); err == nil && root == meant.Root {
				return meant.From, nil
			}
		}
		g, next, err := o.edge.grown(leaves)
		if err != nil {
			return 0, err
		}
		err = o.office.Grow(ctx, g)
		if err == nil {
			o.edge = next
			o.sure.Store(&Tree{Size: g.Size, Root: g.Root})
			return g.From, nil
		}
		o.edge = nil
		if final(err) || ctx.Err() != nil {
			return 0, err
		}
		meant, last = &g, err
		if err := sleep(ctx, retryEvery); err != nil {
			return 0, fmt.Errorf("ledger: entries were not sequenced, or it is not known: %w", last)
		}
	}
}

// publishAll publishes a checkpoint whenever the tree has grown, at most once in an interval, and anew when witnesses should say that nothing
// is newer.
func (o *leading) publishAll(ctx context.Context) error {
	// Signing and cosigning are Tessera's.
	publisher := appendOptions(o.signer, o.policy, o.opts).CheckpointPublisher(o.tableShelf, o.policy.client)
	next := time.Duration(0)
	for {
		if err := sleep(ctx, next); err != nil {
			return nil
		}
		published, err := o.publish(ctx, publisher)
		if err != nil && ctx.Err() == nil {
			if final(err) {
				return err
			}
			o.log.Warn("no checkpoint could be published, and it is tried again: "+err.Error(), "error", err)
		}
		next = o.opts.CheckpointInterval
		if err == nil && !published {
			idle := time.NewTimer(time.Second)
			select {
			case <-o.turned:
				next = 0
			case <-idle.C:
			case <-ctx.Done():
			}
			idle.Stop()
		}
	}
}

// publish publishes a checkpoint when one is due, and reports whether it did.
func (o *leading) publish(ctx context.Context, sign func(context.Context, uint64, []byte) ([]byte, error)) (bool, error) {
	now, err := o.tables.Tree(ctx)
	if err != nil {
		return false, err
	}
	tree := *o.sure.Load()
	if !o.due(now, tree.Size) {
		return false, nil
	}
	raw, err := sign(ctx, tree.Size, tree.Root[:])
	if err != nil {
		if len(o.opts.Witnesses) > 0 {
			err = fmt.Errorf("%w: %w", ErrWitnesses, err)
		}
		return false, err
	}
	c, err := o.policy.verifier.Checkpoint(raw)
	if err != nil {
		return false, err
	}
	// Not to be cut short: a checkpoint that witnesses know is better published.
	running, cancel := context.WithTimeout(context.WithoutCancel(ctx), growPatience)
	defer cancel()
	if err := o.office.Publish(running, tree.Size, raw); err != nil {
		return false, err
	}
	o.ledger.published.take(&checkpoint{raw: bytes.Clone(raw), size: c.Size, root: c.Root})
	return true, nil
}

// due reports whether the published checkpoint is not of size entries, does not have its quorum, or is to be cosigned anew.
func (o *leading) due(t Tree, size uint64) bool {
	if t.Published == nil {
		return true
	}
	c, err := o.policy.verifier.Checkpoint(t.Published)
	if err != nil { // from before there were these witnesses: settle has looked at the rest
		return errors.Is(err, proof.ErrQuorum)
	}
	return c.Size < size || o.policy.republish > 0 && t.Now.Sub(t.PublishedAt) >= o.policy.republish
}

// sleep waits, or returns why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
