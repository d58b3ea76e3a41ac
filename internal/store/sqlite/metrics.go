package sqlite

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Register adds what [DB.Stats] tells to a registry.
func (db *DB) Register(registry prometheus.Registerer) error {
	var errs []error
	for _, m := range []struct {
		name, help string
		counts     bool
		value      func(Stats) int64
	}{
		{"commits_total", "Commits, failed ones included.", true, func(s Stats) int64 { return s.Batches }},
		{"commits_failed_total", "Commits that failed: disk full or an I/O error; every update in them was refused.", true, func(s Stats) int64 { return s.Failed }},
		{"updates_total", "Updates that were run.", true, func(s Stats) int64 { return s.Updates }},
		{"updates_turned_away_total", "Updates refused because too many waited.", true, func(s Stats) int64 { return s.TurnedAway }},
		{"updates_waiting", "Updates that wait now.", false, func(s Stats) int64 { return int64(s.Waiting) }},
		{"log_bytes", "Size of the write-ahead log.", false, func(s Stats) int64 { return s.LogBytes }},
	} {
		value := func() float64 { return float64(m.value(db.Stats())) }
		name := "bailiwick_store_" + m.name
		if m.counts {
			errs = append(errs, registry.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: m.help}, value)))
		} else {
			errs = append(errs, registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: m.help}, value)))
		}
	}
	return errors.Join(errs...)
}
