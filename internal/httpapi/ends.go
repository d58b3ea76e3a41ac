package httpapi

import (
	"context"
	"sync/atomic"
	"time"
)

// ends gives check-ins contexts that end. Those that begin within a second share one, since a timer for each costs more than the rest of what
// the edge does for it.
type ends struct {
	after time.Duration
	last  atomic.Pointer[end]
}

// end is a context and from when on it is given out.
type end struct {
	ctx  context.Context
	from time.Time
}

// endsEach is how long the same context is given out.
const endsEach = time.Second

// context returns one that ends at least after from now, and at most endsEach later. It does not end when the client goes away.
func (e *ends) context(now time.Time) context.Context {
	last := e.last.Load()
	if last != nil && now.Sub(last.from) < endsEach {
		return last.ctx
	}
	ctx, cancel := context.WithTimeout(context.Background(), e.after+endsEach)
	context.AfterFunc(ctx, cancel) // which is nothing to cancel before its time, since others share it
	if e.last.CompareAndSwap(last, &end{ctx, now}) {
		return ctx
	}
	cancel()
	return e.last.Load().ctx
}
