package ledger

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// sparseEvery is how often one message is let through: what is retried ten times a second fails ten times a second.
const sparseEvery = 30 * time.Second

// sparse is a log handler that drops what it passed on a short while ago.
type sparse struct {
	slog.Handler
	said *said
}

type said struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func newSparse(h slog.Handler) slog.Handler {
	return sparse{h, &said{last: make(map[string]time.Time)}}
}

// Handle goes by the beginning of a message: the rest has times and ports.
func (h sparse) Handle(ctx context.Context, r slog.Record) error {
	key := r.Message[:min(len(r.Message), 64)]
	h.said.mu.Lock()
	recent := r.Time.Sub(h.said.last[key]) < sparseEvery
	if !recent {
		if len(h.said.last) > 1000 {
			clear(h.said.last)
		}
		h.said.last[key] = r.Time
	}
	h.said.mu.Unlock()
	if recent {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h sparse) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sparse{h.Handler.WithAttrs(attrs), h.said}
}
func (h sparse) WithGroup(name string) slog.Handler { return sparse{h.Handler.WithGroup(name), h.said} }
