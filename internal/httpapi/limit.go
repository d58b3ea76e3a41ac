package httpapi

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
)

// limiter keeps a rate for each of the network prefixes that called last. Who is forgotten starts with a full burst.
type limiter struct {
	rate Rate

	mu    sync.Mutex
	known *lru.LRU[netip.Prefix, spent]
}

// spent is how much of its burst a network has used up at a time.
type spent struct {
	calls float64
	at    time.Time
}

func newLimiter(r Rate, prefixes int) (*limiter, error) {
	known, err := lru.NewLRU[netip.Prefix, spent](prefixes, nil)
	return &limiter{rate: r, known: known}, err
}

// allows takes a call of the address's network, if it has one left.
func (l *limiter) allows(a netip.Addr) bool { return l.take(a, 1) }

// open reports whether the address's network has a call left, and takes none.
func (l *limiter) open(a netip.Addr) bool { return l.take(a, 0) }

// take takes calls, if there is one left.
func (l *limiter) take(a netip.Addr, calls float64) bool {
	if l.rate.PerSecond < 0 {
		return true
	}
	p, now := prefixOf(a), time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	s, known := l.known.Get(p)
	if passed := now.Sub(s.at); passed > 0 {
		s.calls = max(0, s.calls-passed.Seconds()*l.rate.PerSecond)
	}
	if s.calls+1 > float64(l.rate.Burst) {
		return false
	}
	if calls > 0 || known {
		l.known.Add(p, spent{s.calls + calls, now})
	}
	return true
}

var errTooMany = func() *Problem {
	return retryLater(newProblem(http.StatusTooManyRequests, statusNames[http.StatusTooManyRequests],
		"too many requests from this network", "try again in a few seconds"))
}

var errCrowded = func() *Problem {
	return retryLater(newProblem(http.StatusServiceUnavailable, statusNames[http.StatusServiceUnavailable],
		"too many requests at once", "try again in a few seconds"))
}
