package httpapi

import (
	"net/http"
	"net/netip"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// limiter keeps a rate for each of the network prefixes that called last. Who is forgotten starts with a full burst.
type limiter struct {
	rate Rate

	mu    sync.Mutex
	known *lru.LRU[netip.Prefix, *rate.Limiter]
}

func newLimiter(r Rate, prefixes int) (*limiter, error) {
	known, err := lru.NewLRU[netip.Prefix, *rate.Limiter](prefixes, nil)
	return &limiter{rate: r, known: known}, err
}

func (l *limiter) allows(a netip.Addr) bool {
	if l.rate.PerSecond < 0 {
		return true
	}
	p := prefixOf(a)
	l.mu.Lock()
	of, ok := l.known.Get(p)
	if !ok {
		of = rate.NewLimiter(rate.Limit(l.rate.PerSecond), l.rate.Burst)
		l.known.Add(p, of)
	}
	l.mu.Unlock()
	return of.Allow()
}

var errTooMany = func() *Problem {
	return retryLater(newProblem(http.StatusTooManyRequests, statusNames[http.StatusTooManyRequests],
		"too many requests from this network", "try again in a few seconds"))
}
