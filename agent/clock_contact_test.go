package agent

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// told is a contact as it may go: what the phone's own time and the server's date do before an answer comes, and whether the phone doubts after it.
type told struct {
	wait  time.Duration // that passes for both
	lie   time.Duration // the server's time minus the true one, when it answers
	late  time.Duration // that the answer is on its way
	doubt bool
}

// What killing a server can bring to a phone, and what would have to come along for the phone to doubt. An answer that is lost is no contact,
// and the next one finds more time passed on both sides.
func TestClockAndServersThatAreKilled(t *testing.T) {
	for _, tc := range []struct {
		name     string
		contacts []told
	}{
		{"answers lost for three weeks", []told{{wait: 21 * day}, {wait: day}}},
		{"answers lost for a year", []told{{wait: year}, {wait: day}}},
		{"asked again at once", []told{{wait: day}, {wait: time.Second}, {}, {}}},
		{"late by less than half a day", []told{{wait: day, late: 11 * time.Hour}, {}, {wait: day, late: 11 * time.Hour}, {wait: day}}},
		{"an answer of yesterday", []told{{late: 30 * time.Hour, doubt: true}, {doubt: true}, {}, {wait: day}}},
		{"two answers of yesterday", []told{{late: 30 * time.Hour, doubt: true}, {late: 24 * time.Hour, doubt: true}, {doubt: true}, {}}},
		{"started again with the time of an hour before", []told{{wait: day, lie: -time.Hour}, {wait: day, lie: -time.Hour}, {wait: day}}},
		{"started again with the time of a day before", []told{{lie: -day, doubt: true}, {wait: day, lie: -day, doubt: true}, {doubt: true}, {}}},
		{"started again a day ahead", []told{{lie: day, doubt: true}, {wait: day, lie: day, doubt: true}, {doubt: true}, {}}},
		{"a day ahead, and another", []told{{lie: day, doubt: true}, {lie: 2 * day, doubt: true}, {lie: 2 * day, doubt: true}, {doubt: true}, {}}},
	} {
		h := newHands()
		c := begun(h)
		for i, told := range tc.contacts {
			h.wait(told.wait)
			at := h.truth.Add(told.lie)
			h.wait(told.late)
			h.read(c)
			if c.contact(at); c.Doubt != told.doubt {
				t.Errorf("%s: doubt %v after contact %d, %v owed", tc.name, c.Doubt, i, time.Duration(c.Owed)*time.Millisecond)
			}
		}
		if c.Doubt {
			t.Errorf("%s: in doubt for ever", tc.name)
		}
	}
}

// As long as server and phone have right clocks, no sequence of kills, lost answers, answers that are late by up to eleven hours, and
// check-ins that are tried again makes a phone doubt, whether or not the first date is borne out yet.
func TestClockDoubtsNoHonestServer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHands()
		c := &clock{}
		h.read(c)
		span := func(most time.Duration, of string) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(most/time.Second)).Draw(t, of)) * time.Second
		}
		for range rapid.IntRange(1, 80).Draw(t, "contacts") {
			h.wait(span(40*day, "wait"))
			at := h.truth
			if rapid.Bool().Draw(t, "late") {
				h.wait(span(11*time.Hour, "by"))
			}
			h.read(c)
			if rapid.Bool().Draw(t, "lost") {
				continue
			}
			if c.contact(at); c.Doubt {
				t.Fatalf("in doubt: %+v", *c)
			}
		}
	})
}

// A date that was wrong for half a day or more when the phone began to trust its server is borne out, and the right one is then a lie
// to the phone: it cannot tell which was wrong, and a phone that excused the way back would excuse it to whoever wants to tell an old
// date for ever. It doubts until about a year and a half have passed, or the server is back at the date that was borne out (decision 10).
func TestClockWrongDateThatWasBorneOut(t *testing.T) {
	for _, wrong := range []time.Duration{day, -day} {
		for name, first := range map[string][]told{
			"wrong at the enrolment":    {{lie: wrong}, {wait: day, lie: wrong}},
			"wrong after the enrolment": {{}, {lie: wrong, doubt: true}, {wait: day, lie: wrong}},
			"wrong when asked again":    {{}, {lie: wrong, doubt: true}, {lie: wrong}, {wait: day, lie: wrong}},
		} {
			h := newHands()
			c := &clock{}
			h.read(c)
			contact := func(told told) {
				t.Helper()
				h.wait(told.wait)
				h.read(c)
				if c.contact(h.truth.Add(told.lie)); c.Doubt != told.doubt {
					t.Fatalf("%s by %v: doubt %v, want %v: %+v", name, wrong, c.Doubt, told.doubt, *c)
				}
			}
			for _, told := range first {
				contact(told)
			}
			if c.ProofDue != 0 {
				t.Fatalf("%s by %v: not borne out: %+v", name, wrong, *c)
			}
			for range 400 {
				contact(told{wait: day, doubt: true})
			}
			for range 120 { // one part in a thousand is forgotten: half a day of it in 500 days
				h.wait(day)
				h.read(c)
				c.contact(h.truth)
			}
			if c.Doubt {
				t.Errorf("%s by %v: after 520 days %v are owed", name, wrong, time.Duration(c.Owed)*time.Millisecond)
			}
		}
	}
}

// The same date costs nothing when it is mended before a contact half a day later could bear it out.
func TestClockWrongDateThatWasMendedInTime(t *testing.T) {
	for _, wrong := range []time.Duration{day, -day} {
		h := newHands()
		c := &clock{}
		h.read(c)
		for _, lie := range []time.Duration{0, wrong, wrong, 0, wrong, 0, 0} {
			h.wait(time.Hour)
			h.read(c)
			c.contact(h.truth.Add(lie))
		}
		for range 3 {
			h.wait(day)
			h.read(c)
			if c.contact(h.truth); c.Doubt || c.Owed != 0 {
				t.Errorf("wrong by %v: %+v", wrong, *c)
			}
		}
	}
}
