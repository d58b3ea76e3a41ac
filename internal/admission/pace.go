package admission

import "time"

// interval is how often the limit moves, and how long a queue must stand to be an overload.
const interval = 100 * time.Millisecond

// initial is how many may be inside before anything was measured.
const initial = 256

// pace is how many may be inside at once, by what is measured.
type pace struct {
	limit  float64
	rate   float64       // successes a second, of the last seconds in which calls waited
	base   time.Duration // what a call takes when nobody waits; 0 before it is known
	began  time.Time     // of this interval
	total  time.Duration // inside, of those that left in this interval
	left   int
	waited bool // somebody waited in this interval
}

func (p *pace) places() int { return int(p.limit) }

// took notes a success.
func (p *pace) took(d time.Duration) {
	p.total += d
	p.left++
}

// settle ends an interval when it is over.
func (p *pace) settle(now time.Time, cfg *Config, waiting bool) {
	if p.began.IsZero() {
		p.began = now
		return
	}
	passed := now.Sub(p.began)
	if passed < interval {
		return
	}
	p.measure(passed)
	if p.left > 0 {
		p.move(p.total/time.Duration(p.left), cfg)
	}
	p.began, p.total, p.left, p.waited = now, 0, 0, waiting
}

// measure follows the rate of successes. What was served while nobody waited says only that as much can be served.
func (p *pace) measure(passed time.Duration) {
	now := float64(p.left) / passed.Seconds()
	if p.waited && p.rate > 0 {
		p.rate += (now - p.rate) * 0.3
	} else {
		p.rate = max(p.rate, now)
	}
}

// move changes the limit after an interval whose calls took mean on average.
func (p *pace) move(mean time.Duration, cfg *Config) {
	most, least := float64(cfg.Most), float64(cfg.Least)
	switch {
	case p.base == 0 || mean < p.base:
		p.base = mean
	case !p.waited || p.limit == least: // it has become slower for good, and not by what is inside at once
		p.base += (mean - p.base) / 64
	}
	switch {
	case mean > max(cfg.Target, 3*p.base):
		p.limit = max(least, p.limit*7/8)
	case p.waited:
		p.limit = min(most, p.limit*9/8+1)
	}
}

// schedule gives out moments to come back.
type schedule struct {
	horizon time.Duration
	free    time.Time // the next free moment
}

// next takes the next free moment and returns how far away it is: whole seconds, at least 1, at most the horizon. When all of it is taken
// the latter half of it is shared by chance.
func (s *schedule) next(now time.Time, rate float64) time.Duration {
	gap := time.Duration(float64(time.Second) / max(rate*4/5, 1))
	if soonest := now.Add(time.Second); s.free.Before(soonest) {
		s.free = soonest
	}
	wait := s.free.Sub(now)
	if wait >= s.horizon {
		return later(s.horizon)
	}
	s.free = s.free.Add(gap)
	return min((wait + time.Second - 1).Truncate(time.Second), s.horizon)
}
