package authority

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// counters are what the authority counts; nothing in them names a device.
type counters struct {
	checkIns     prometheus.Counter
	enrolments   prometheus.Counter
	refused      *prometheus.CounterVec // by what was sent and the name of the refusal
	orders       *prometheus.CounterVec // by kind
	sequenced    prometheus.Counter
	waves        *prometheus.CounterVec // restrictions by outcome
	deviceSaysNo *prometheus.CounterVec // by the device's reason
	appeals      *prometheus.CounterVec
	logins       *prometheus.CounterVec
	unlocks      prometheus.Counter
	jobs         *prometheus.CounterVec // by kind and how they ended
	steps        *prometheus.CounterVec // by kind
	forgotten    *prometheus.CounterVec // by what it was
	signatures   *prometheus.GaugeVec   // seconds until they end, by role
}

func newCounters(registry prometheus.Registerer) (*counters, error) {
	one := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "bailiwick_" + name, Help: help})
	}
	many := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bailiwick_" + name, Help: help}, labels)
	}
	c := &counters{
		checkIns:     one("check_ins_total", "Evidence accepted and made durable."),
		enrolments:   one("enrolments_total", "Devices enrolled."),
		refused:      many("refused_total", "Tokens refused, by endpoint and reason.", "endpoint", "reason"),
		orders:       many("orders_total", "Orders issued, by kind.", "kind"),
		sequenced:    one("orders_sequenced_total", "Orders that reached the ledger."),
		waves:        many("wave_restrictions_total", "Restrictions of decided waves, by outcome.", "outcome"),
		deviceSaysNo: many("order_refusals_total", "Orders that devices refused, by reason.", "reason"),
		appeals:      many("appeals_total", "Appeals, by state reached.", "state"),
		logins:       many("logins_total", "Log-ins, by outcome.", "outcome"),
		jobs:         many("jobs_total", "Jobs that ended, by kind and outcome.", "kind", "outcome"),
		steps:        many("job_steps_total", "Steps of jobs that are durable, by kind.", "kind"),
		forgotten:    many("forgotten_total", "Records that retention or an erasure forgot, by kind of record.", "record"),
		unlocks:      one("unlock_codes_total", "Unlock codes given out."),
		signatures: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "bailiwick_officers_signatures_expire_seconds",
			Help: "Seconds until the officers' signatures in a role end; negative when they have."}, []string{"role"}),
	}
	if registry == nil {
		return c, nil
	}
	var errs []error
	for _, collector := range []prometheus.Collector{c.checkIns, c.enrolments, c.refused, c.orders, c.sequenced, c.waves,
		c.deviceSaysNo, c.appeals, c.logins, c.unlocks, c.jobs, c.steps, c.forgotten, c.signatures} {
		errs = append(errs, registry.Register(collector))
	}
	return c, errors.Join(errs...)
}

// refusal counts a refused token by the name of its error.
func (c *counters) refusal(endpoint string, err error) {
	if e := AsError(err); e != nil {
		c.refused.WithLabelValues(endpoint, e.Name).Inc()
	}
}
