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
func (l *limiter) allows(a netip.Addr) bool {
	if l.rate.PerSecond < 0 {
		return true
	}
	p, now := prefixOf(a), time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	s, _ := l.known.Get(p)
	if passed := now.Sub(s.at); passed > 0 {
		s.calls = max(0, s.calls-passed.Seconds()*l.rate.PerSecond)
	}
	if s.calls+1 > float64(l.rate.Burst) {
		return false
	}
	l.known.Add(p, spent{s.calls + 1, now})
	return true
}

// giveBack returns a call that allows took: what came was what it said it was.
func (l *limiter) giveBack(a netip.Addr) {
	if l.rate.PerSecond < 0 {
		return
	}
	p := prefixOf(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, ok := l.known.Peek(p); ok {
		s.calls = max(0, s.calls-1)
		l.known.Add(p, s)
	}
}

var errTooMany = func() *Problem {
	return retryLater(newProblem(http.StatusTooManyRequests, statusNames[http.StatusTooManyRequests],
		"too many requests from this network", "try again in a few seconds"))
}

var errCrowded = func() *Problem {
	return retryLater(newProblem(http.StatusServiceUnavailable, statusNames[http.StatusServiceUnavailable],
		"too many requests at once", "try again in a few seconds"))
}
