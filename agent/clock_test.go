package agent

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/territory"
)

const day = 24 * time.Hour

// hands is a set of clocks for the tests of the pure clock.
type hands struct {
	truth  time.Time
	offset time.Duration
	uptime time.Duration
	boots  int
}

func newHands() *hands { return &hands{truth: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)} }

func (h *hands) wait(d time.Duration) { h.truth, h.uptime = h.truth.Add(d), h.uptime+d }

func (h *hands) off(d time.Duration) { h.truth, h.uptime, h.boots = h.truth.Add(d), 0, h.boots+1 }

func (h *hands) read(c *clock) bool {
	return c.read(reading{h.truth.Add(h.offset).Unix(), h.uptime, fmt.Sprint(h.boots)})
}

func begun(h *hands) *clock {
	c := &clock{}
	h.read(c)
	c.contact(h.truth)
	c.ProofDue = 0 // as after half a day with the server
	return c
}

// The first date that a device is told may be wrong: until another contact agrees with it half a day later, no date is held against
// anybody.
func TestClockFirstDateMayBeWrong(t *testing.T) {
	for _, wrong := range []time.Duration{day, -day, year, -10 * year} {
		h := newHands()
		c := &clock{}
		h.read(c)
		c.contact(h.truth.Add(wrong))
		h.wait(time.Minute)
		h.read(c)
		c.contact(h.truth.Add(wrong)) // agrees, and proves nothing so soon
		for range 3 {
			h.wait(13 * time.Hour)
			h.read(c)
			c.contact(h.truth)
		}
		if c.Doubt || c.Owed != 0 || c.ProofDue != 0 {
			t.Errorf("a first date wrong by %v: %+v", wrong, c)
		}
		h.wait(time.Hour)
		h.read(c)
		for range 2 {
			c.contact(h.truth.Add(-30 * day))
		}
		if !c.Doubt {
			t.Errorf("after a first date wrong by %v a liar is believed", wrong)
		}
	}
}

func TestClockConstantOffsetDoesNoHarm(t *testing.T) {
	for _, offset := range []time.Duration{0, -56 * year, 20 * year, 7 * time.Hour, -13 * day} {
		h := newHands()
		h.offset = offset
		c := begun(h)
		for range 40 {
			h.wait(20 * time.Hour)
			h.read(c)
			h.off(4 * time.Hour)
			h.read(c)
		}
		if c.Doubt || !c.likely().Equal(h.truth) {
			t.Errorf("offset %v: doubt %v, %v instead of %v", offset, c.Doubt, c.likely(), h.truth)
		}
		if want := h.truth.Add(-160 * time.Hour); !c.certain().Equal(want) {
			t.Errorf("offset %v: certain %v, want %v", offset, c.certain(), want)
		}
		c.contact(h.truth)
		if c.Doubt || !c.certain().Equal(h.truth) {
			t.Errorf("offset %v: after a contact doubt %v, certain %v", offset, c.Doubt, c.certain())
		}
	}
}

func TestClockGames(t *testing.T) {
	for _, tc := range []struct {
		name    string
		play    func(h *hands, c *clock)
		doubt   bool
		elapsed time.Duration
		gap     time.Duration
		longest time.Duration
	}{
		{"set forward while on", func(h *hands, c *clock) { h.offset = 10 * year; h.wait(time.Hour); h.read(c) },
			false, time.Hour, 0, time.Hour},
		{"set back while on", func(h *hands, c *clock) { h.offset = -10 * year; h.wait(time.Hour); h.read(c) },
			false, time.Hour, 0, time.Hour},
		{"set forward, seen, then a boot", func(h *hands, c *clock) { h.offset = 10 * year; h.read(c); h.off(time.Hour); h.read(c) },
			false, time.Hour, time.Hour, time.Hour},
		{"set forward a month across a boot", func(h *hands, c *clock) { h.offset = 30 * day; h.off(0); h.read(c) },
			false, 30 * day, 30 * day, 30 * day},
		{"set forward a year across a boot", func(h *hands, c *clock) { h.offset = 365 * day; h.off(0); h.read(c) },
			true, 0, 0, 365 * day},
		{"1970 after a boot", func(h *hands, c *clock) {
			h.offset = -time.Duration(h.truth.Unix()) * time.Second
			h.off(day)
			h.wait(time.Minute)
			h.read(c)
		},
			true, time.Minute, 0, time.Minute},
		{"off for 44 days", func(h *hands, c *clock) { h.off(44 * day); h.wait(day); h.read(c) },
			false, 45 * day, 44 * day, 45 * day},
		{"off for a year", func(h *hands, c *clock) { h.off(365 * day); h.wait(day); h.read(c) },
			true, day, 0, 366 * day},
		{"uptime goes back within a boot", func(h *hands, c *clock) { h.wait(day); h.read(c); h.uptime -= time.Hour; h.read(c) },
			true, day, 0, day},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHands()
			c := begun(h)
			tc.play(h, c)
			if c.Doubt != tc.doubt || c.Elapsed != tc.elapsed || c.Gap != tc.gap || c.Longest != tc.longest {
				t.Fatalf("doubt %v, elapsed %v, gap %v, longest %v; want %v, %v, %v, %v",
					c.Doubt, c.Elapsed, c.Gap, c.Longest, tc.doubt, tc.elapsed, tc.gap, tc.longest)
			}
			// The second honest contact ends every doubt.
			c.contact(h.truth)
			h.wait(time.Hour)
			h.read(c)
			c.contact(h.truth)
			if c.Doubt {
				t.Fatal("doubt outlived a contact that was consistent")
			}
		})
	}
}

func TestClockContactThatDisagrees(t *testing.T) {
	for _, tc := range []struct {
		lie   time.Duration
		doubt bool
	}{{0, false}, {11 * time.Hour, false}, {-11 * time.Hour, false}, {13 * time.Hour, true}, {-13 * time.Hour, true}, {100 * year, true}} {
		h := newHands()
		c := begun(h)
		h.wait(day)
		h.read(c)
		c.contact(h.truth.Add(tc.lie))
		if c.Doubt != tc.doubt {
			t.Errorf("lie of %v: doubt %v", tc.lie, c.Doubt)
		}
	}
}

// Whoever leads the date away from the own time, in one step or in many, cannot end the doubt by agreeing with it: only the way
// back does.
func TestClockOwedByLiars(t *testing.T) {
	for _, tc := range []struct {
		name  string
		steps int
		by    time.Duration
		every time.Duration
	}{
		{"a year ahead at once", 1, year, time.Hour},
		{"a year back at once", 1, -year, time.Hour},
		{"ahead, eleven hours at a time", 20, 11 * time.Hour, time.Minute},
		{"back, eleven hours at a time", 20, -11 * time.Hour, time.Minute},
		{"back, half a second at a time", 100_000, -500 * time.Millisecond, 1500 * time.Millisecond},
		{"back, an hour a day", 30, -time.Hour, day},
	} {
		h := newHands()
		c := begun(h)
		lie := time.Duration(0)
		for range tc.steps {
			lie += tc.by
			h.wait(tc.every)
			h.read(c)
			c.contact(h.truth.Add(lie))
		}
		for range 3 {
			h.wait(day)
			h.read(c)
			c.contact(h.truth.Add(lie))
			if !c.Doubt {
				t.Fatalf("%s: a liar who agreed with the lie is believed", tc.name)
			}
		}
		for range 2 {
			h.wait(time.Hour)
			h.read(c)
			c.contact(h.truth)
		}
		if c.Doubt {
			t.Errorf("%s: the doubt outlived the way back, and %v are owed", tc.name, time.Duration(c.Owed)*time.Millisecond)
		}
	}
}

// What a device could not know, because it was switched off, is held against nobody, nor is the step back from it.
func TestClockExcusesTimeSwitchedOff(t *testing.T) {
	for _, off := range []time.Duration{8 * time.Hour, 30 * day, 60 * day, 2 * year} {
		for _, wall := range []time.Duration{0, -10 * year, -off, 20 * day} {
			h := newHands()
			c := begun(h)
			h.offset = wall
			h.off(off)
			for range 2 {
				h.wait(time.Minute)
				h.read(c)
				c.contact(h.truth)
			}
			if c.Doubt {
				t.Errorf("off for %v with a wall clock off by %v: in doubt for ever", off, wall)
			}
		}
	}
	h := newHands()
	c := begun(h)
	h.off(0)
	h.read(c)
	c.contact(h.truth.Add(9 * year)) // a server's clock that jumped
	for range 2 {
		h.wait(time.Hour)
		h.read(c)
		c.contact(h.truth)
	}
	if c.Doubt {
		t.Error("a server that mended its clock is never believed again")
	}
}

// A server that led the date away and back again owes nothing, also when the device booted in between.
func TestClockWayBackAcrossABoot(t *testing.T) {
	for _, lie := range []time.Duration{day, -day, year, -year} {
		for _, off := range []time.Duration{0, 8 * time.Hour, 40 * day} {
			h := newHands()
			c := begun(h)
			h.wait(time.Hour)
			h.read(c)
			c.contact(h.truth.Add(lie))
			h.off(off)
			for range 2 {
				h.wait(time.Minute)
				h.read(c)
				c.contact(h.truth)
			}
			if c.Doubt {
				t.Errorf("a lie of %v, mended after %v off: still in doubt, %v owed", lie, off, time.Duration(c.Owed)*time.Millisecond)
			}
		}
	}
}

// Two honest clocks that go apart as quartz does stay in agreement for years.
func TestClockForgivesQuartz(t *testing.T) {
	for _, per := range []time.Duration{1000, -1000} {
		h := newHands()
		c := begun(h)
		for d := range 3650 {
			h.wait(day)
			h.read(c)
			if c.contact(h.truth.Add(time.Duration(d) * day / per)); c.Doubt {
				t.Fatalf("in doubt on day %d", d)
			}
		}
	}
}

func TestClockBeforeTheFirstContact(t *testing.T) {
	h := newHands()
	h.offset = -time.Duration(h.truth.Unix()) * time.Second
	c := &clock{}
	h.read(c)
	h.wait(3 * day)
	h.read(c)
	if c.today() != 3 {
		t.Fatalf("day %d, want the third after 1970-01-01", c.today())
	}
	own := c.mark().Own
	shift := c.contact(h.truth)
	if want := territory.DayOf(h.truth); 3+shift != want || c.today() != want {
		t.Fatalf("shift %d leads to %d, want %d", shift, 3+shift, want)
	}
	if c.mark().Own != own+shift {
		t.Fatalf("own days moved by %d, want %d", c.mark().Own-own, shift)
	}
}

// Whatever the clocks and servers do: own time never goes back, the readings keep their sequence, and nothing overflows.
func TestClockReadingsKeepTheirSequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clock{}
		wild := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1e6, 1e7), rapid.Int64Range(1e9, 2e9))
		spans := rapid.OneOf(rapid.Int64(), rapid.Int64Range(0, int64(100*day)))
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			before := c
			if rapid.Bool().Draw(t, "contact") && c.Begun {
				c.contact(time.Unix(wild.Draw(t, "server"), 0))
				if c.Gap != 0 || !c.certain().Equal(c.likely()) {
					t.Fatal("a contact leaves a gap")
				}
			} else {
				c.read(reading{wild.Draw(t, "wall"), time.Duration(spans.Draw(t, "uptime")), rapid.SampledFrom([]string{"a", "b"}).Draw(t, "boot")})
			}
			switch {
			case c.Elapsed < before.Elapsed, c.Longest < before.Longest:
				t.Fatal("own time went back")
			case c.Elapsed > mostElapsed, c.Longest > mostElapsed, c.Gap < 0, c.Gap > c.Elapsed-c.ServerAt:
				t.Fatalf("out of range: %+v", c)
			case c.certain().After(c.likely()):
				t.Fatal("the certain time is after the likely one")
			case c.Longest-before.Longest < c.Elapsed-before.Elapsed && c.Longest < mostElapsed:
				t.Fatal("the longest time grew less than the own")
			}
		}
	})
}

// With an honest server, whoever sets the clock cannot bring the certain time beyond the truth.
func TestClockCertainIsNeverEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHands()
		c := begun(h)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			span := time.Duration(rapid.Int64Range(0, int64(50*day/time.Second)).Draw(t, "span")) * time.Second
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				h.wait(span)
			case 1:
				h.off(span)
			case 2:
				h.offset = time.Duration(rapid.Int64Range(-int64(60*year/time.Second), int64(60*year/time.Second)).Draw(t, "offset")) * time.Second
			case 3:
				h.read(c)
				c.contact(h.truth)
			}
			h.read(c)
			if c.certain().After(h.truth) {
				t.Fatalf("certain %v, truth %v", c.certain(), h.truth)
			}
		}
	})
}

// With honest clocks, a server that lies about the date cannot hurry the own time.
func TestClockOwnTimeIsNotTheServers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHands()
		c := begun(h)
		began := h.truth
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			h.wait(time.Duration(rapid.Int64Range(0, int64(3*day)).Draw(t, "span")))
			h.read(c)
			c.contact(time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "lie"), 0))
		}
		if c.Elapsed != h.truth.Sub(began) {
			t.Fatalf("own time %v, truth %v", c.Elapsed, h.truth.Sub(began))
		}
	})
}

func TestDayMarks(t *testing.T) {
	h := newHands()
	c := begun(h)
	m := c.mark()
	h.wait(14 * time.Hour) // 23:00
	h.read(c)
	if c.mark().after(m) {
		t.Error("a new day before midnight")
	}
	h.wait(2 * time.Hour)
	h.read(c)
	if !c.mark().after(m) {
		t.Error("no new day after midnight")
	}
	m = c.mark()
	c.contact(h.truth.Add(5 * day))
	if c.mark().after(m) {
		t.Error("a server's lie made a new day")
	}
	m = c.mark()
	h.offset = 40 * day
	h.off(0)
	h.read(c)
	if c.mark().after(m) {
		t.Error("a clock that was set across a boot made a new day")
	}
}

// A phone that was never switched off for more than ten years still counts its own time: a lock on it must end, too (Charter C8).
func TestClockThatWasNeverSwitchedOff(t *testing.T) {
	h := newHands()
	c := begun(h)
	h.wait(11 * 365 * day)
	h.read(c)
	held := c.now()
	end := c.likely().Add(60 * day)
	h.wait(59 * day)
	h.read(c)
	if c.ended(end, held, 60*day) {
		t.Fatal("over a day early")
	}
	h.wait(day)
	h.read(c)
	if !c.ended(end, held, 60*day) {
		t.Errorf("it goes on at %v; the device counts %v", end, c.Elapsed)
	}
}
