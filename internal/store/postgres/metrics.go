package postgres

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Register adds what [DB.Stats] tells to a registry, under the names of the SQLite store where they mean the same.
func (db *DB) Register(registry prometheus.Registerer) error {
	var errs []error
	for _, m := range []struct {
		name, help string
		counts     bool
		value      func(Stats) int64
	}{
		{"commits_total", "Commits, failed ones included.", true, func(s Stats) int64 { return s.Batches }},
		{"commits_failed_total", "Commits that failed, or whose answer was lost.", true, func(s Stats) int64 { return s.Failed }},
		{"updates_total", "Updates that were run.", true, func(s Stats) int64 { return s.Updates }},
		{"updates_alone_total", "Updates that had a transaction of their own.", true, func(s Stats) int64 { return s.Alone }},
		{"retries_total", "Updates and views that were run again: transactions met, or a connection was lost.", true, func(s Stats) int64 { return s.Retried }},
		{"updates_turned_away_total", "Updates refused because too many waited.", true, func(s Stats) int64 { return s.TurnedAway }},
		{"registrations_total", "Times this server registered on the database: more than once when it was taken for gone.", true, func(s Stats) int64 { return s.Registered }},
		{"updates_waiting", "Updates that wait or run now.", false, func(s Stats) int64 { return s.Waiting }},
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
