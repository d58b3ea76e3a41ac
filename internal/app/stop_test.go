package app_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/app"
)

// closing is a listener that looks at what /readyz says when it is closed.
type closing struct {
	net.Listener
	look func()
}

func (c closing) Close() error {
	c.look()
	return c.Listener.Close()
}

// TestNotReadyBeforeTheListenerCloses: whoever spreads requests over servers hears that this one stops while it still answers.
func TestNotReadyBeforeTheListenerCloses(t *testing.T) {
	a := opened(t, func(*app.Config) {})
	ask := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return w
	}
	if w := ask(); w.Code != http.StatusOK {
		t.Fatalf("before: %d %s", w.Code, w.Body)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var then []*httptest.ResponseRecorder
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := a.Serve(ctx, closing{listener, func() { then = append(then, ask()) }}); err != nil {
		t.Fatal(err)
	}
	if len(then) == 0 || then[0].Code != http.StatusServiceUnavailable || !strings.Contains(then[0].Body.String(), "told to stop") {
		t.Errorf("when the listener closes: %v", then)
	}
}
