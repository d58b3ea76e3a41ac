// Package admission decides who is let in when more devices call than the server can serve: lifts and enrolments first, plain
// check-ins last, and those that must wait are told when to come back, each at a moment of its own.
//
//	g := admission.New(admission.Config{})
//	leave, err := g.Enter(ctx, admission.Plain)
//	if err != nil { … } // *Shed: answer with its RetryAfter
//	… serve …
//	leave(true)
//
// # How many
//
// The limit of what is inside at once follows what is measured, ten times a second: while those who came in succeed within the target on
// average and others wait, it grows by an eighth; when they take longer it shrinks by an eighth. The target is Config.Target, or three times
// what a call takes when nobody waits, whichever is longer: a slow disk is no overload, and a group commit needs many callers at once.
//
// # Who waits, and for how long
//
// Places that become free go to the highest class that waits. Every queue is bounded. Plain calls wait as controlled delay has it (CoDel,
// RFC 8289, in the form that servers use): up to Config.Patience while the queue runs empty now and then, and a tenth of it once it has not
// for a whole interval, because then waiting helps nobody. Whoever is turned away costs no signature check.
//
// # When to come back
//
// A plain call that is turned away takes the next free place in a schedule, an hour long at most, as dense as four fifths of what was served
// in a second when calls last waited, or of the number of places where that is more. So a fleet that comes at once is told to come back in turn, and not at once.
package admission

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Class is how much a call matters; lower ones go first.
type Class uint8

// The classes. What a token says is not verified before it is let in: a class orders calls and allows nothing.
const (
	Lift       Class = iota // a device that these records know to be locked, or to have a lift to come
	Enrolment               // a new device: at most half of the places, and three quarters together with the next class
	Restricted              // a device that says that it is locked, or was opened by a code: at most half of the places
	Plain                   // any other check-in
	Doubted                 // from a network that sends what does not verify: an eighth of the places while half are free, and no waiting
	classes
)

var classNames = [classes]string{"lift", "enrolment", "restricted", "plain", "doubted"}

func (c Class) String() string { return classNames[c] }

// Config bounds a gate. Zero fields have defaults.
type Config struct {
	Target   time.Duration // time inside that is no overload; default 50 ms
	Patience time.Duration // of a plain call that waits; default 100 ms
	Longest  time.Duration // of any other call that waits; default 5 s
	Least    int           // fewest places; default 64
	Most     int           // most places; default 4,096
	Waiting  int           // most that wait in each class; default 4,096, plain calls no more than there are places
	Horizon  time.Duration // the latest moment to come back; default 1 h
}

func (c Config) complete() Config {
	c.Target = or(c.Target, 50*time.Millisecond)
	c.Patience = or(c.Patience, 100*time.Millisecond)
	c.Longest = or(c.Longest, 5*time.Second)
	c.Least = or(c.Least, 64)
	c.Most = max(or(c.Most, 4096), c.Least)
	c.Waiting = or(c.Waiting, 4096)
	c.Horizon = or(c.Horizon, time.Hour)
	return c
}

func or[T comparable](v, standard T) T {
	var zero T
	if v == zero {
		return standard
	}
	return v
}

// Shed is the error of a call that was turned away.
type Shed struct {
	Class      Class
	RetryAfter time.Duration // whole seconds, at least 1
}

func (s *Shed) Error() string {
	return fmt.Sprintf("too busy for a call of class %s; come back in %v", s.Class, s.RetryAfter)
}

// Gate lets calls in. Its methods may be called concurrently; it starts nothing that must be ended.
type Gate struct {
	cfg Config

	mu       sync.Mutex
	inside   int
	of       [classes]int // inside, by class
	queues   [classes]queue
	pace     pace
	schedule schedule
	busy     time.Time // since when plain calls have waited without a break; zero when none waits
	counts   [classes][outcomes]uint64
}

type outcome uint8

const (
	admitted outcome = iota
	shed
	gone // gave up while it waited
	outcomes
)

var outcomeNames = [outcomes]string{"admitted", "shed", "gone"}

// New returns a gate with nobody inside.
func New(cfg Config) *Gate {
	cfg = cfg.complete()
	return &Gate{cfg: cfg, pace: pace{limit: float64(min(max(initial, cfg.Least), cfg.Most))}, schedule: schedule{horizon: cfg.Horizon}}
}

// Enter lets a call in, at once or after a while, or turns it away with a *Shed, or ends with ctx's error. The caller calls leave once, and
// says whether the call succeeded: those that fail early say nothing of the load.
func (g *Gate) Enter(ctx context.Context, class Class) (leave func(ok bool), err error) {
	began := time.Now()
	g.mu.Lock()
	g.settle(began)
	if g.fits(class) && g.queues[class].len() == 0 {
		g.admit(class)
		g.mu.Unlock()
		return g.leaver(class, began), nil
	}
	if class == Doubted || g.queues[class].len() >= g.room(class) {
		err := g.turnAway(class, began)
		g.mu.Unlock()
		return nil, err
	}
	w := &waiter{since: began, answer: make(chan bool, 1)}
	g.queues[class].push(w)
	g.pace.waited = true
	if class == Plain && g.busy.IsZero() {
		g.busy = began
	}
	g.mu.Unlock()
	return g.wait(ctx, class, w)
}

// wait waits for a place.
func (g *Gate) wait(ctx context.Context, class Class, w *waiter) (leave func(bool), err error) {
	longest := g.cfg.Longest
	if class == Plain {
		longest = g.cfg.Patience
	}
	timer := time.NewTimer(longest)
	defer timer.Stop()
	in, answered := false, true
	select {
	case in = <-w.answer:
	case <-ctx.Done():
		answered = false
	case <-timer.C:
		answered = false
	}
	now := time.Now()
	if !answered {
		g.mu.Lock()
		select {
		case in = <-w.answer: // at the very moment
		default:
			w.gone = true
			g.queues[class].left()
			g.idle()
			if ctx.Err() != nil {
				g.counts[class][gone]++
				g.mu.Unlock()
				return nil, ctx.Err()
			}
		}
		g.mu.Unlock()
	}
	if in {
		return g.leaver(class, now), nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return nil, g.turnAway(class, now)
}

func (g *Gate) leaver(class Class, entered time.Time) func(bool) {
	return func(ok bool) {
		now := time.Now()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.inside--
		g.of[class]--
		if ok {
			g.pace.took(now.Sub(entered))
		}
		g.settle(now)
	}
}

// settle moves the limit when its time has come, and lets in whoever fits. The caller holds mu.
func (g *Gate) settle(now time.Time) {
	g.pace.settle(now, &g.cfg, g.waiting())
	for class := range classes {
		q := &g.queues[class]
		for q.len() > 0 && g.fits(class) {
			w := q.pop()
			if class == Plain && now.Sub(w.since) > g.patience(now) {
				w.answer <- false
				continue
			}
			g.admit(class)
			w.answer <- true
		}
	}
	g.idle()
}

// idle notes that no plain call waits.
func (g *Gate) idle() {
	if g.queues[Plain].len() == 0 {
		g.busy = time.Time{}
	}
}

func (g *Gate) waiting() bool {
	for class := range classes {
		if g.queues[class].len() > 0 {
			return true
		}
	}
	return false
}

// patience is how long a plain call may have waited.
func (g *Gate) patience(now time.Time) time.Duration {
	if !g.busy.IsZero() && now.Sub(g.busy) > interval {
		return g.cfg.Patience / 10
	}
	return g.cfg.Patience
}

// fits reports whether there is a place for the class.
func (g *Gate) fits(class Class) bool {
	limit := g.pace.places()
	switch class {
	case Enrolment, Restricted: // what anybody can claim
		return g.inside < limit && g.of[class] < max(1, limit/2) && g.of[Enrolment]+g.of[Restricted] < max(1, limit*3/4)
	case Doubted:
		return g.inside < limit/2 && g.of[class] < max(1, limit/8)
	}
	return g.inside < limit
}

// room is how many may wait.
func (g *Gate) room(class Class) int {
	if class == Plain {
		return min(g.pace.places(), g.cfg.Waiting)
	}
	return g.cfg.Waiting
}

func (g *Gate) admit(class Class) {
	g.inside++
	g.of[class]++
	g.counts[class][admitted]++
}

// turnAway says when to come back. Whoever matters more than a plain call comes back soon.
func (g *Gate) turnAway(class Class, now time.Time) error {
	g.counts[class][shed]++
	wait := time.Duration(1+rand.IntN(10)) * time.Second
	if class == Plain {
		wait = g.schedule.next(now, max(g.pace.rate, g.pace.limit)) // as many as there are places, while little is known
	}
	return &Shed{Class: class, RetryAfter: wait}
}

// state looks at the gate.
func (g *Gate) state() state {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	s := state{counts: g.counts, inside: g.inside, places: g.pace.places(), coming: max(0, g.schedule.free.Sub(now).Seconds())}
	for class := range classes {
		s.waiting[class] = g.queues[class].len()
	}
	return s
}
