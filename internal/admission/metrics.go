package admission

import "github.com/prometheus/client_golang/prometheus"

var (
	callsDesc = prometheus.NewDesc("bailiwick_admission_calls_total",
		"Devices' calls by class, and whether they were admitted, shed, or gone before it was their turn.", []string{"class", "outcome"}, nil)
	waitingDesc = prometheus.NewDesc("bailiwick_admission_waiting", "Devices' calls that wait for a place, by class.", []string{"class"}, nil)
	insideDesc  = prometheus.NewDesc("bailiwick_admission_inside", "Devices' calls that are being served.", nil, nil)
	placesDesc  = prometheus.NewDesc("bailiwick_admission_places", "Devices' calls that may be served at once, by what is measured.", nil, nil)
	comingDesc  = prometheus.NewDesc("bailiwick_admission_return_seconds", "How far ahead plain check-ins are told to come back.", nil, nil)
)

// Register lets a registry show what the gate does.
func (g *Gate) Register(r prometheus.Registerer) error { return r.Register(collector{g}) }

type collector struct{ gate *Gate }

func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{callsDesc, waitingDesc, insideDesc, placesDesc, comingDesc} {
		to <- d
	}
}

func (c collector) Collect(to chan<- prometheus.Metric) {
	s := c.gate.state()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for class := range classes {
		for outcome := range outcomes {
			to <- prometheus.MustNewConstMetric(callsDesc, prometheus.CounterValue, float64(s.counts[class][outcome]), class.String(), outcomeNames[outcome])
		}
		gauge(waitingDesc, float64(s.waiting[class]), class.String())
	}
	gauge(insideDesc, float64(s.inside))
	gauge(placesDesc, float64(s.places))
	gauge(comingDesc, s.coming)
}

// state is the gate at one moment.
type state struct {
	counts         [classes][outcomes]uint64
	waiting        [classes]int
	inside, places int
	coming         float64 // seconds
}
