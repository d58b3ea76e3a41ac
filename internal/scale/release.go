package scale

import (
	"context"
	"runtime"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// Released is what a release of many devices took.
type Released struct {
	Devices int
	Orders  time.Duration // until the last order was durable in the store
	Logged  time.Duration // until the last was in the ledger, published, and its place durable in the store
	Peak    uint64        // bytes of heap in use, at most, as looked at ten times a second
}

// Release concludes the case of a fleet that Held made, and waits until every lift is issued and in the ledger, while the sequencer runs
// beside, as on a server. The service must not run otherwise.
func Release(ctx context.Context, s *authority.Service, caseID string, officer *authority.Officer) (*Released, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &Released{}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.Peak = peakHeap(ctx)
	}()
	begun := time.Now()
	j, err := s.BeginConclusion(ctx, officer, caseID, "The consignee resold the shipment abroad; the buyers acted in good faith.")
	if err != nil {
		return nil, err
	}
	issued := make(chan error, 1)
	go func() {
		done, err := s.FinishJob(ctx, j.ID)
		if err == nil {
			err = done.Err()
		}
		r.Orders = time.Since(begun)
		issued <- err
	}()
	for over := false; ; {
		select {
		case err := <-issued:
			if err != nil {
				return nil, err
			}
			over = true
		default:
		}
		n, err := s.Sequence(ctx)
		if err != nil {
			return nil, err
		}
		r.Devices += n
		if over && n == 0 {
			break
		}
		if n == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	r.Logged = time.Since(begun)
	cancel()
	<-watched
	return r, nil
}

// peakHeap looks at the heap until ctx ends.
func peakHeap(ctx context.Context) (peak uint64) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var m runtime.MemStats
	for {
		select {
		case <-ctx.Done():
			return peak
		case <-tick.C:
			runtime.ReadMemStats(&m)
			peak = max(peak, m.Sys-m.HeapReleased)
		}
	}
}
