package authority_test

import (
	"context"
	"errors"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// again is a store that uses what the contract allows: it runs every function twice, and lets only the second run take effect. A
// function that adds to what the first one left would give wrong answers in all tests.
type again struct{ authority.Store }

// often is the store as again uses it, but for the race detector, which makes everything slow.
func often(s authority.Store) authority.Store {
	if raced {
		return s
	}
	return again{s}
}

var errBeginAgain = errors.New("begin again")

func (s again) Update(ctx context.Context, fn func(authority.Tx) error) error {
	if err := s.Store.Update(ctx, func(tx authority.Tx) error { return errors.Join(errBeginAgain, fn(tx)) }); !errors.Is(err, errBeginAgain) {
		return err // it never ran
	}
	return s.Store.Update(ctx, fn)
}

func (s again) View(ctx context.Context, fn func(authority.Tx) error) error {
	_ = s.Store.View(ctx, fn)
	return s.Store.View(ctx, fn)
}
