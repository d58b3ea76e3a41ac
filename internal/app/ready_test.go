package app_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bailiwick-dev/bailiwick/internal/app"
)

// Anybody may ask whether the server is ready; what it costs is bounded.
func TestReadinessCostsOneWriteASecond(t *testing.T) {
	registry := prometheus.NewRegistry()
	a := opened(t, func(c *app.Config) { c.Registry = registry })
	before, began := updates(t, registry), time.Now()
	for range 50 {
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if w.Code != http.StatusOK {
			t.Fatal(w.Code)
		}
	}
	if n := updates(t, registry) - before; n < 1 || n > 10+time.Since(began).Seconds() {
		t.Errorf("%v updates for 50 questions in %v", n, time.Since(began))
	}
}

// updates returns how many updates the store has committed.
func updates(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "bailiwick_store_updates_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("the store's updates are not counted")
	return 0
}
