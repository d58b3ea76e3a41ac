package agent

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// addressFresh is for how long the territory that the server told of the public address may be used.
const addressFresh = 24 * time.Hour

// Observe folds what the device sees now into the record of the day. The coordinates end here: they are assessed and
// dropped, and neither kept nor sent (Charter C11). The public address's territory comes from the last check-in when the
// platform leaves it empty.
func (a *Agent) Observe(signals territory.Signals) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.change(func(s *state) (bool, error) {
		if signals.IP == territory.Unknown && s.Clock.Elapsed-s.IPOn <= addressFresh {
			signals.IP = s.IP
		}
		return s.observe(territory.Assess(signals)), nil
	})
}
