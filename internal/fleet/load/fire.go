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
	"time"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// Plan says when tokens are sent.
type Plan struct {
	Rate        float64       // arrivals a second, by chance; 0 sends as fast as the connections are free
	Duration    time.Duration // after which nothing is sent any more; 0 for until the tokens are used up
	Connections int           // requests under way at most
	Devices     int           // that send in turn, so that a token waits until the one so many before it was answered; 0 if no device sends twice
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

// Fire sends the tokens, as many as the plan has moments for, each when the one before of its device was answered, and waits for the answers. It
// returns early when ctx ends.
func Fire(ctx context.Context, t Target, tokens [][]byte, p Plan) *Result {
	var moments []time.Duration
	if p.Rate > 0 {
		moments = Arrivals(p.Rate, p.Duration, p.Seed)
		tokens = tokens[:min(len(tokens), len(moments))]
	}
	r := &Result{Errors: map[string]int{}}
	f := &fire{ctx: ctx, target: t, plan: p, tokens: tokens, moments: moments, begun: time.Now()}
	due := turnsOf(len(tokens), p.Devices)
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range p.Connections {
		wait.Go(func() {
			c := connection{fire: f, accepted: make([]time.Duration, 0, len(tokens)/p.Connections+16), errors: map[string]int{}}
			for mine, more := due.next(); more && c.send(mine); mine, more = due.next() {
			}
			mu.Lock()
			defer mu.Unlock()
			r.Sent += c.sent
			r.Latencies = append(r.Latencies, c.accepted...)
			for kind, n := range c.errors {
				r.Errors[kind] += n
			}
		})
	}
	wait.Wait()
	r.Elapsed = time.Since(f.begun)
	if moments != nil && ctx.Err() == nil {
		r.Elapsed = max(r.Elapsed, p.Duration)
	}
	r.Accepted = len(r.Latencies)
	slices.Sort(r.Latencies)
	return r
}

// fire is what all connections know.
type fire struct {
	ctx     context.Context
	target  Target
	plan    Plan
	tokens  [][]byte
	moments []time.Duration // nil without a rate
	begun   time.Time
}

// connection sends one token after the other.
type connection struct {
	*fire
	sent     int
	accepted []time.Duration
	errors   map[string]int
}

// send sends a token when it is due; false when it is too late for it.
func (c *connection) send(t turn) bool {
	defer t.end()
	if c.moments != nil && !until(c.ctx, c.begun.Add(c.moments[t.token])) {
		return false
	}
	t.wait()
	intended := time.Now()
	switch {
	case c.ctx.Err() != nil:
		return false
	case c.moments != nil:
		intended = c.begun.Add(c.moments[t.token])
	case c.plan.Duration > 0 && intended.Sub(c.begun) >= c.plan.Duration:
		return false
	}
	status, body, err := c.target.Do(c.ctx, http.MethodPost, protocol.PathCheckIn, evidence.MediaType, c.tokens[t.token])
	took := time.Since(intended)
	c.sent++
	switch {
	case err != nil:
		c.errors[kindOfFailure(err)]++
	case status != http.StatusOK:
		c.errors[kindOf(status, body)]++
		if status == http.StatusServiceUnavailable && c.moments == nil {
			until(c.ctx, time.Now().Add(c.plan.Pause))
		}
	default:
		c.accepted = append(c.accepted, took)
	}
	if c.plan.Sent != nil {
		c.plan.Sent(t.token + 1)
	}
	return true
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
