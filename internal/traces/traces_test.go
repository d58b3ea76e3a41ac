package traces

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/span"
)

// collector takes down what is sent to it.
type collector struct {
	mu     sync.Mutex
	bodies [][]byte
	answer int
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && r.Method == http.MethodPost && r.URL.Path == "/v1/traces" && r.Header.Get("Content-Type") == "application/json" {
		c.bodies = append(c.bodies, body)
	}
	w.WriteHeader(c.answer)
}

// TestSpansAreSent: a span and its child arrive in the protocol's JSON encoding, with what was said of them, and nothing of an error but its name.
func TestSpansAreSent(t *testing.T) {
	c := &collector{answer: http.StatusOK}
	server := httptest.NewServer(c)
	defer server.Close()
	p, err := Open(server.URL, "v1.2.3", 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, outer := span.Start(span.With(t.Context(), p.Tracer()), "outer")
	_, inner := span.Start(ctx, "inner")
	span.Count(inner, "orders", 7)
	span.Label(inner, "http.route", "GET /x")
	span.Fail(inner, "store-unavailable")
	inner.End()
	outer.End()
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(c.bodies) != 1 {
		t.Fatalf("%d batches", len(c.bodies))
	}
	var got request
	if err := json.Unmarshal(c.bodies[0], &got); err != nil {
		t.Fatal(err)
	}
	spans := got.ResourceSpans[0].ScopeSpans[0].Spans
	if len(spans) != 2 || spans[0].Name != "inner" || spans[1].Name != "outer" {
		t.Fatalf("%s", c.bodies[0])
	}
	id := regexp.MustCompile(`^[0-9a-f]{16}$`)
	if spans[0].ParentSpanID != spans[1].SpanID || spans[0].TraceID != spans[1].TraceID || len(spans[0].TraceID) != 32 || !id.MatchString(spans[0].SpanID) {
		t.Errorf("the child is not the parent's: %s", c.bodies[0])
	}
	if s := spans[0]; s.Status == nil || s.Status.Code != 2 || s.Status.Message != "store-unavailable" || len(s.Attributes) != 2 || s.Attributes[0].Value["intValue"] != "7" || s.Start > s.End {
		t.Errorf("%+v", s)
	}
	if spans[1].Status != nil || len(got.ResourceSpans[0].Resource.Attributes) != 2 {
		t.Errorf("%s", c.bodies[0])
	}
}

// TestCollectorIsAway: nothing waits for a collector that refuses or is not there, and its address stays out of errors.
func TestCollectorIsAway(t *testing.T) {
	refusing := httptest.NewServer(&collector{answer: http.StatusServiceUnavailable})
	defer refusing.Close()
	for address, says := range map[string]string{refusing.URL: "the collector answers 503", "http://127.0.0.1:1": "the collector does not answer"} {
		e := &exporter{url: address + path, client: http.DefaultClient}
		if err := e.ExportSpans(t.Context(), nil); err == nil || err.Error() != "traces: "+says {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, bad := range []string{"", "collector:4318", "ftp://x", "://"} {
		if _, err := Open(bad, "", 1); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := Open("http://127.0.0.1:4318", "", 2); err == nil {
		t.Error("a share of 2 is taken")
	}
}

// Without a tracer nothing is made, and nothing costs memory.
func TestNoTracer(t *testing.T) {
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		inner, s := span.Start(ctx, "x")
		span.Count(s, "n", 1)
		span.Fail(s, "y")
		s.End()
		if inner != ctx || s.IsRecording() {
			panic(errors.New("a span was made"))
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
