package load

import (
	"cmp"
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// Plan says when tokens are sent.
type Plan struct {
	Rate        float64       // arrivals a second, by chance; 0 sends as fast as the connections are free
	Duration    time.Duration // after which nothing is sent any more; 0 for until the tokens are used up
	Connections int           // requests under way at most
	Seed        uint64
	Pause       time.Duration  // without a rate: for how long a connection is quiet when the server is too busy for it (503)
	Sent        func(sent int) // told of each, from many goroutines; may be nil
}

// busy is the kind of error of a server that has too much to do.
const busy = "unavailable"

// Result is what became of them.
type Result struct {
	Sent, Accepted int
	Elapsed        time.Duration
	Errors         map[string]int // by kind
	// Latencies are those of accepted check-ins, ascending: from the moment at which each was to be sent, when the plan has a rate.
	Latencies []time.Duration
}

// Rate is accepted check-ins a second.
func (r *Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Accepted) / r.Elapsed.Seconds()
}

// TurnedAway is the share of what was sent for which the server was too busy: it told these devices when to come back.
func (r *Result) TurnedAway() float64 { return float64(r.Errors[busy]) / float64(max(1, r.Sent)) }

// Refused is the share that was refused for any other reason, or not answered.
func (r *Result) Refused() float64 {
	return float64(r.Sent-r.Accepted)/float64(max(1, r.Sent)) - r.TurnedAway()
}

// Percentile is the latency that a share of the accepted check-ins did not exceed; 0 when there was none.
func (r *Result) Percentile(share float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	return r.Latencies[min(len(r.Latencies)-1, max(0, int(math.Ceil(share*float64(len(r.Latencies))))-1))]
}

// Arrivals are the moments, from the start, of a Poisson process of the rate, within the duration.
func Arrivals(rate float64, within time.Duration, seed uint64) (at []time.Duration) {
	r := rand.New(rand.NewPCG(seed, math.MaxUint64))
	for t := r.ExpFloat64() / rate; t < within.Seconds(); t += r.ExpFloat64() / rate {
		at = append(at, time.Duration(t*float64(time.Second)))
	}
	return at
}

// Fire sends the tokens, as many as the plan has moments for, and waits for the answers. It returns early when ctx ends.
func Fire(ctx context.Context, t Target, tokens [][]byte, p Plan) *Result {
	var moments []time.Duration
	if p.Rate > 0 {
		moments = Arrivals(p.Rate, p.Duration, p.Seed)
		tokens = tokens[:min(len(tokens), len(moments))]
	}
	r := &Result{Errors: map[string]int{}}
	var next atomic.Int64
	var mu sync.Mutex
	var wait sync.WaitGroup
	begun := time.Now()
	for range p.Connections {
		wait.Go(func() {
			mine, errs := make([]time.Duration, 0, len(tokens)/p.Connections+16), map[string]int{}
			sent := 0
			for i := next.Add(1) - 1; i < int64(len(tokens)); i = next.Add(1) - 1 {
				intended := time.Now()
				if moments != nil {
					intended = begun.Add(moments[i])
					if !until(ctx, intended) {
						break
					}
				} else if ctx.Err() != nil || p.Duration > 0 && intended.Sub(begun) >= p.Duration {
					break
				}
				status, body, err := t.Do(ctx, http.MethodPost, protocol.PathCheckIn, evidence.MediaType, tokens[i])
				took := time.Since(intended)
				sent++
				switch {
				case err != nil:
					errs[kindOfFailure(err)]++
				case status != http.StatusOK:
					errs[kindOf(status, body)]++
					if status == http.StatusServiceUnavailable && moments == nil {
						until(ctx, time.Now().Add(p.Pause))
					}
				default:
					mine = append(mine, took)
				}
				if p.Sent != nil {
					p.Sent(int(i) + 1)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			r.Sent += sent
			r.Latencies = append(r.Latencies, mine...)
			for kind, n := range errs {
				r.Errors[kind] += n
			}
		})
	}
	wait.Wait()
	r.Elapsed = time.Since(begun)
	if moments != nil && ctx.Err() == nil {
		r.Elapsed = max(r.Elapsed, p.Duration)
	}
	r.Accepted = len(r.Latencies)
	slices.Sort(r.Latencies)
	return r
}

// until waits for a moment; false when ctx ended.
func until(ctx context.Context, moment time.Time) bool {
	wait := time.Until(moment)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Kinds are the kinds of errors, the most frequent first.
func (r *Result) Kinds() []string {
	return slices.SortedFunc(maps.Keys(r.Errors), func(a, b string) int {
		return cmp.Or(r.Errors[b]-r.Errors[a], cmp.Compare(a, b))
	})
}
