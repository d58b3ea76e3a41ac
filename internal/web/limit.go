package web

import (
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Limiter allows each key some tries at once and then one per interval. It remembers the last 8,192 keys.
type Limiter struct {
	now   func() time.Time
	every time.Duration
	burst int
	keys  *lru.Cache[string, *rate.Limiter]
}

const limiterKeys = 8192

// NewLimiter returns a limiter that allows burst tries at once, and then one per interval.
func NewLimiter(now func() time.Time, every time.Duration, burst int) *Limiter {
	keys, err := lru.New[string, *rate.Limiter](limiterKeys)
	if err != nil {
		panic(err) // the size is positive
	}
	return &Limiter{now, every, burst, keys}
}

// Allow takes one try of key and reports whether there was one left.
func (l *Limiter) Allow(key string) bool {
	fresh := rate.NewLimiter(rate.Every(l.every), l.burst)
	if known, ok, _ := l.keys.PeekOrAdd(key, fresh); ok {
		l.keys.Get(key) // counts as used
		return known.AllowN(l.now(), 1)
	}
	return fresh.AllowN(l.now(), 1)
}

// AddressKey names the holder of an address: an IPv4 address, or the /64 that an IPv6 customer has.
func AddressKey(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
