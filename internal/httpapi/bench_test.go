package httpapi

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// BenchmarkEdge measures what this package adds to a check-in: from the request as net/http has read it to the answer's bytes.
func BenchmarkEdge(b *testing.B) {
	h, err := New(Config{Authority: new(fake), Production: readCSV, Registry: prometheus.NewRegistry()})
	if err != nil {
		b.Fatal(err)
	}
	token := bytes.Repeat([]byte("x"), 360)
	r, err := http.NewRequest(http.MethodPost, protocol.PathCheckIn, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.RemoteAddr, r.ContentLength = "203.0.113.7:4711", int64(len(token))
	r.Header.Set("Content-Type", evidence.MediaType)
	w := &discard{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		r.Body = io.NopCloser(bytes.NewReader(token))
		clear(w.header)
		h.ServeHTTP(w, r)
	}
	if w.status != 0 {
		b.Fatal(w.status)
	}
}

type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
