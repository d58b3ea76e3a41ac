package authority

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/bailiwick-dev/bailiwick/device"
)

// Pace is how often one device may check in: Burst times at once, and one more for each Every that passes. The zero Pace stands for the
// default; a negative Burst for no limit.
type Pace struct {
	Every time.Duration
	Burst int
}

// pacedDevices bounds how many devices are remembered: of those that came back within an Every, the last.
const pacedDevices = 1 << 16

// pacer turns away devices that check in all the time: a loop in an agent, or a key in wrong hands. It counts by device, after the
// signature was checked, so that nobody behind the same address pays for it, and nobody else can use up a device's turns. A device that
// comes at a usual pace is not remembered at all.
type pacer struct {
	pace Pace

	mu    sync.Mutex
	known *lru.LRU[device.ID, spent]
}

// spent is how many turns a device has used up at a time.
type spent struct {
	turns float64
	at    time.Time
}

func newPacer(p Pace) (*pacer, error) {
	known, err := lru.NewLRU[device.ID, spent](pacedDevices, nil)
	return &pacer{pace: p, known: known}, err
}

// allows takes a turn of a device whose evidence was verified.
func (p *pacer) allows(d *Device, now time.Time) bool {
	if p.pace.Burst < 0 || now.Sub(d.LastSeen) >= p.pace.Every {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s, _ := p.known.Get(d.ID)
	if passed := now.Sub(s.at); passed > 0 {
		s.turns = max(0, s.turns-float64(passed)/float64(p.pace.Every))
	}
	if s.turns+1 > float64(p.pace.Burst) {
		return false
	}
	p.known.Add(d.ID, spent{s.turns + 1, now})
	return true
}
