package sqlite

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestMetrics(t *testing.T) {
	db := opened(t, Options{})
	registry := prometheus.NewRegistry()
	if err := db.Register(registry); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := db.Update(t.Context(), event(i, 10)); err != nil {
			t.Fatal(err)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]float64)
	for _, f := range families {
		m := f.GetMetric()[0]
		found[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	if len(found) != 6 || found["bailiwick_store_updates_total"] != 3 || found["bailiwick_store_commits_total"] != 3 ||
		found["bailiwick_store_commits_failed_total"] != 0 || found["bailiwick_store_log_bytes"] == 0 {
		t.Errorf("%v", found)
	}
}
