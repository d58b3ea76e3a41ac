package fleet

import (
	"sync/atomic"
	"time"
)

// Clock is simulated time, shared by a server and the phones that it serves. It stands still until it is advanced, or
// runs at the pace of real time once Run was called. It is safe for concurrent use.
type Clock struct {
	at      atomic.Int64 // nanoseconds since 1970
	started atomic.Int64 // monotonic anchor in nanoseconds since start; 0 while standing still
	anchor  time.Time
}

// NewClock returns a clock that stands still at the given time.
func NewClock(at time.Time) *Clock {
	c := &Clock{anchor: time.Now()}
	c.at.Store(at.UnixNano())
	return c
}

// Now returns the simulated time, UTC.
func (c *Clock) Now() time.Time {
	at := c.at.Load()
	if s := c.started.Load(); s != 0 {
		at += int64(time.Since(c.anchor)) - s
	}
	return time.Unix(0, at).UTC()
}

// AdvanceTo moves a standing clock forward. Times in the past are ignored: time never runs backwards.
func (c *Clock) AdvanceTo(t time.Time) {
	for {
		at := c.at.Load()
		if t.UnixNano() <= at || c.at.CompareAndSwap(at, t.UnixNano()) {
			return
		}
	}
}

// Run lets time pass from here on as it does outside.
func (c *Clock) Run() { c.started.Store(int64(time.Since(c.anchor))) }
