package failover

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent/client"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// fleet is the devices, and the servers that they know.
type fleet struct {
	bases  []string
	client *http.Client

	count     atomic.Int64 // check-ins that were acknowledged
	delivered atomic.Int64 // devices that have their notice

	mu      sync.Mutex
	epoch   []byte
	last    time.Time     // when one was acknowledged
	longest time.Duration // between two that were
	since   time.Duration // likewise, since it was asked for last
}

func newFleet(bases []string) *fleet {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	// A server that stands still must not hold a device up for long.
	return &fleet{bases: bases, client: &http.Client{Transport: transport, Timeout: 10 * time.Second}}
}

// ask sends a request to a server, by a number that is taken modulo how many there are. An answer that is no success is a *client.Problem.
func (f *fleet) ask(ctx context.Context, server int, path, contentType string, body []byte) ([]byte, error) {
	method := http.MethodPost
	if body == nil {
		method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(ctx, method, f.bases[server%len(f.bases)]+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	answer, err := f.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, protocol.MaxAnswer))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		p := &client.Problem{Status: answer.StatusCode}
		if err := json.Unmarshal(data, p); err != nil {
			return nil, fmt.Errorf("%s answered %s: %q", r.URL, answer.Status, data)
		}
		return nil, p
	}
	return data, nil
}

// temporary reports whether a device may well try again what was refused.
func temporary(p *client.Problem) bool {
	return p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable || strings.Contains(p.Type, "epoch-")
}

func (f *fleet) setEpoch(epoch []byte) {
	if len(epoch) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch = epoch
}

func (f *fleet) currentEpoch() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epoch
}

// acknowledged notes that a check-in was, and how long none had been before.
func (f *fleet) acknowledged() {
	f.count.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if !f.last.IsZero() {
		f.longest, f.since = max(f.longest, now.Sub(f.last)), max(f.since, now.Sub(f.last))
	}
	f.last = now
}

// pauseSince returns the longest pause since it was asked for last, the present one included.
func (f *fleet) pauseSince() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.since
	f.since = 0
	return p
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
