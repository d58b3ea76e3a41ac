package authority

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// rulesSeries counts the changes of the rules: policies, warrants, holds and officers' signatures. Each is made in the transaction that draws
	// its number.
	rulesSeries = "rules"

	rulesOld      = time.Second // after which a server looks whether another one has changed them
	rulesAttempts = 5           // to escalate by rules that change all the time
)

// errRulesChanged says that a transaction would have escalated by rules that are not those of now. Nothing was written.
var errRulesChanged = &Error{Kind: Unavailable, Name: "rules-changed", Detail: "the rules are being changed", Fix: "try again"}

// changes follows what any server on the same store changes in the rules that this one keeps in memory.
type changes struct {
	read atomic.Int64 // the change up to which everything in memory has been read

	mu     sync.Mutex
	looked time.Time // when it was last found that there is no later one; of the process, not of Config.Now
	look   *glance   // under way; nil when none is
}

// glance is one look at the store, for all who want one.
type glance struct {
	done chan struct{}
	err  error
}

// readUpTo notes that everything has been read as it was at a change, or later.
func (c *changes) readUpTo(number int64) {
	for {
		was := c.read.Load()
		if was >= number || c.read.CompareAndSwap(was, number) {
			return
		}
	}
}

// follow reads anew what another server has changed. What is in memory is at most rulesOld behind after it; what escalates checks again, see
// book.current.
func (s *Service) follow(ctx context.Context) error {
	c := &s.changes
	c.mu.Lock()
	if !c.looked.IsZero() && time.Since(c.looked) < rulesOld {
		c.mu.Unlock()
		return nil
	}
	g := c.look
	if g == nil {
		g = &glance{done: make(chan struct{})}
		c.look = g
		go func() { // for all who wait, whoever of them gives up
			began := time.Now()
			g.err = s.catchUp(context.WithoutCancel(ctx))
			c.mu.Lock()
			c.look = nil
			if g.err == nil {
				c.looked = began
			}
			c.mu.Unlock()
			close(g.done)
		}()
	}
	c.mu.Unlock()
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// catchUp reads the rules anew if there is a change that has not been read.
func (s *Service) catchUp(ctx context.Context) error {
	var newest int64
	err := s.view(ctx, func(tx Tx) (err error) {
		newest, err = tx.LastNumber(rulesSeries)
		return err
	})
	if err != nil || newest <= s.changes.read.Load() {
		return err
	}
	if _, err := s.readRules(ctx); err != nil { // and with them what officers signed
		return err
	}
	if _, err := s.readHolds(ctx); err != nil {
		return err
	}
	s.changes.readUpTo(newest)
	return nil
}

// newBook is a book of the rules of now.
func (s *Service) newBook(ctx context.Context, now time.Time) (*book, error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	return s.book(ctx, now)
}

// current fails with errRulesChanged when the rules have changed since the book was read: asked in the transaction that escalates, it makes sure
// that no notice and no lock rests on what was withdrawn before.
func (b *book) current(tx Tx) error {
	if b == nil {
		return errors.New("authority: a turn without a book escalates")
	}
	newest, err := tx.LastNumber(rulesSeries)
	if err == nil && newest != b.rules {
		err = errRulesChanged
	}
	return err
}
