package admission

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// server serves so many at once, each for so long; more than those wait inside.
type server struct {
	gate    *Gate
	workers chan struct{}
	each    time.Duration
}

func newServer(cfg Config, workers int, each time.Duration) *server {
	return &server{gate: New(cfg), workers: make(chan struct{}, workers), each: each}
}

func (s *server) call(ctx context.Context, class Class) error { return s.callFor(ctx, class, s.each) }

func (s *server) callFor(ctx context.Context, class Class, each time.Duration) error {
	leave, err := s.gate.Enter(ctx, class)
	if err != nil {
		return err
	}
	s.workers <- struct{}{}
	time.Sleep(each)
	<-s.workers
	leave(true)
	return nil
}

// story is how one caller fared.
type story struct {
	attempts int
	done     time.Duration
}

// insist calls until it is served, and comes back when it is told to.
func (s *server) insist(t *testing.T, class Class, began time.Time) story {
	for n := 1; ; n++ {
		err := s.call(t.Context(), class)
		if err == nil {
			return story{n, time.Since(began)}
		}
		var shed *Shed
		if !errors.As(err, &shed) || shed.RetryAfter < time.Second || shed.RetryAfter%time.Second != 0 {
			t.Errorf("class %v: %v", class, err)
			return story{}
		}
		time.Sleep(shed.RetryAfter)
	}
}

// herd lets so many of each class call at once.
func (s *server) herd(t *testing.T, sizes map[Class]int) map[Class][]story {
	var (
		mu      sync.Mutex
		wait    sync.WaitGroup
		stories = make(map[Class][]story)
		began   = time.Now()
	)
	for class, n := range sizes {
		for range n {
			wait.Go(func() {
				told := s.insist(t, class, began)
				mu.Lock()
				defer mu.Unlock()
				stories[class] = append(stories[class], told)
			})
		}
	}
	wait.Wait()
	return stories
}

func worst(stories []story) (w story) {
	for _, s := range stories {
		w.attempts, w.done = max(w.attempts, s.attempts), max(w.done, s.done)
	}
	return w
}

// A whole fleet comes at once: 20 seconds' worth of what the server can do. Lifts and enrolments go first, the rest is told to come back
// in turn, and all are served in little more than the time that they take.
func TestAHerdIsAbsorbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(Config{Least: 16}, 20, 20*time.Millisecond) // 1,000 a second
		stories := s.herd(t, map[Class]int{Plain: 20_000, Lift: 200, Enrolment: 200, Restricted: 200})
		for class, n := range map[Class]int{Plain: 20_000, Lift: 200, Enrolment: 200, Restricted: 200} {
			if len(stories[class]) != n {
				t.Fatalf("%d of class %v were served, of %d", len(stories[class]), class, n)
			}
		}
		lift, plain := worst(stories[Lift]), worst(stories[Plain])
		t.Logf("lifts %+v, enrolments %+v, restricted %+v, plain %+v", lift, worst(stories[Enrolment]), worst(stories[Restricted]), plain)
		if lift.attempts != 1 || lift.done > 2*time.Second {
			t.Errorf("a lift took %d attempts and %v", lift.attempts, lift.done)
		}
		if e := worst(stories[Enrolment]); e.attempts != 1 || e.done > 3*time.Second {
			t.Errorf("an enrolment took %d attempts and %v", e.attempts, e.done)
		}
		if plain.attempts > 8 || plain.done > 2*time.Minute {
			t.Errorf("a plain check-in took %d attempts and %v", plain.attempts, plain.done)
		}
		if shed := s.gate.counts[Plain][shed]; shed < 10_000 {
			t.Errorf("%d plain check-ins were turned away", shed)
		}
		if s.gate.inside != 0 || s.gate.waiting() || s.gate.of != [classes]int{} {
			t.Errorf("left over: %d inside, %v", s.gate.inside, s.gate.of)
		}
	})
}

// What a server can do is not turned away, whether its disk is fast or slow.
func TestNobodyIsTurnedAwayBelowCapacity(t *testing.T) {
	for _, each := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			const workers = 60
			s := newServer(Config{}, workers, each)
			gap := each * 100 / workers / 60 // 60 % of capacity
			var wait sync.WaitGroup
			for range 5000 {
				wait.Go(func() {
					if err := s.call(t.Context(), Plain); err != nil {
						t.Error(err)
					}
				})
				time.Sleep(gap)
			}
			wait.Wait()
		})
	}
}

// A store that becomes slower for good, and serves as many as before, costs some calls at first and none later.
func TestAStoreThatBecomesSlower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond = 500
		s := newServer(Config{}, 1000, 5*time.Millisecond)
		var wait sync.WaitGroup
		var late atomic.Int64
		began, each := time.Now(), s.each
		for range 60 * perSecond {
			if time.Since(began) > 5*time.Second {
				each = 400 * time.Millisecond
			}
			each := each
			after := time.Since(began) > 30*time.Second
			wait.Go(func() {
				if err := s.callFor(t.Context(), Plain, each); err != nil && after {
					late.Add(1)
				}
			})
			time.Sleep(time.Second / perSecond)
		}
		wait.Wait()
		if n := late.Load(); n > 0 {
			t.Errorf("%d of %d calls were turned away 25 seconds after the store became slower", n, 30*perSecond)
		}
	})
}

// A stuck server turns calls away in time, holds a bounded number, and lets in again when it moves.
func TestAStuckServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Least: 8, Most: 8, Waiting: 16})
		var leave []func(bool)
		for range 8 {
			l, err := g.Enter(t.Context(), Plain)
			if err != nil {
				t.Fatal(err)
			}
			leave = append(leave, l)
		}
		var mu sync.Mutex
		var wait sync.WaitGroup
		turned := map[Class]int{}
		for i := range 1000 {
			for _, class := range []Class{Lift, Enrolment, Restricted, Plain, Doubted} {
				wait.Go(func() {
					_, err := g.Enter(t.Context(), class)
					var shed *Shed
					if !errors.As(err, &shed) || shed.Class != class {
						t.Errorf("%v: %v", class, err)
					}
					mu.Lock()
					defer mu.Unlock()
					turned[class]++
				})
			}
			time.Sleep(7 * time.Millisecond)
			g.mu.Lock()
			for class, q := range g.queues {
				if q.len() > 16 || len(q.list)-q.first > 16 || len(q.list) > 200 {
					t.Fatalf("step %d: %d of class %v wait, %d kept", i, q.len(), Class(class), len(q.list))
				}
			}
			g.mu.Unlock()
		}
		wait.Wait()
		for class := range classes {
			if turned[class] != 1000 {
				t.Errorf("%d of class %v were turned away", turned[class], class)
			}
		}
		for _, l := range leave {
			l(false)
		}
		l, err := g.Enter(t.Context(), Plain)
		if err != nil {
			t.Fatal(err)
		}
		l(true)
	})
}

// Who gives up while waiting leaves no trace.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Least: 1, Most: 1})
		leave, err := g.Enter(t.Context(), Lift)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := g.Enter(ctx, Lift); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if g.waiting() || g.inside != 1 {
			t.Fatalf("%d inside, waiting %v", g.inside, g.waiting())
		}
		leave(true)
		if g.inside != 0 {
			t.Fatalf("%d inside", g.inside)
		}
	})
}

// crowd lets a hundred of each class call, one class after the other, and counts those who come in and stay.
func crowd(t *testing.T, g *Gate, order ...Class) map[Class]int {
	inside := map[Class]int{}
	for _, class := range order {
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if _, err := g.Enter(ctx, class); err == nil {
				inside[class]++
			}
			cancel()
		}
	}
	return inside
}

// Claims that nobody has verified yet take half of the places at most, and doubtful networks an eighth, however many they are.
func TestUnverifiedClaimsDoNotFillTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Least: 64, Most: 64})
		inside := crowd(t, g, Doubted, Restricted, Plain)
		if inside[Doubted] != 8 || inside[Restricted] != 32 || inside[Plain] != 24 {
			t.Errorf("inside: %v", inside)
		}
	})
}

// Enrolments, too, are claims that nobody has verified: whoever sends nothing else, from however many networks, leaves places for devices that
// check in, and both sorts of claims together leave a quarter.
func TestEnrolmentsDoNotKeepDevicesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Least: 64, Most: 64})
		inside := crowd(t, g, Enrolment, Restricted, Plain)
		if inside[Enrolment] != 32 || inside[Restricted] != 16 || inside[Plain] != 16 {
			t.Errorf("inside: %v", inside)
		}
	})
}

// Moments to come back are in turn, and never beyond the horizon.
func TestMomentsToComeBack(t *testing.T) {
	s := schedule{horizon: time.Hour}
	now := time.Unix(1_000_000_000, 0)
	counts := map[time.Duration]int{}
	var last time.Duration
	for i := range 400_000 {
		wait := s.next(now, 100) // 80 a second are told to come
		if wait < time.Second || wait > time.Hour || wait%time.Second != 0 {
			t.Fatalf("told to come back in %v", wait)
		}
		if i < 80*3500 && wait < last {
			t.Fatalf("call %d in %v, the one before in %v", i, wait, last)
		}
		last = wait
		counts[wait]++
	}
	for wait, n := range counts {
		if n > 81+2*400_000/3600 {
			t.Errorf("%d are told to come back in %v", n, wait)
		}
	}
}
