package territory

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// history reads a story: fields of "day:territory[@percent][!kinds]", where kinds defaults to gnss, and the territory may
// be "?" (undecided) or "x" (conflict).
func history(t testing.TB, story string) []DayRecord {
	t.Helper()
	var days []DayRecord
	for _, f := range strings.Fields(story) {
		f, kinds, ownKinds := strings.Cut(f, "!")
		day, what, _ := strings.Cut(f, ":")
		what, percent, weak := strings.Cut(what, "@")
		n, err := strconv.Atoi(day)
		if err != nil {
			t.Fatal(err)
		}
		r := DayRecord{Day: Day(n), Territory: Code(what), Percent: 99, Agree: Kinds(0).With(GNSS)}
		if weak {
			p, err := strconv.Atoi(percent)
			if err != nil {
				t.Fatal(err)
			}
			r.Percent = uint8(p)
		}
		if ownKinds {
			r.Agree = 0
			for k := range kindCount {
				if slices.Contains(strings.Split(kinds, ","), k.String()) {
					r.Agree = r.Agree.With(k)
				}
			}
		}
		switch what {
		case "?":
			r = DayRecord{Day: r.Day}
		case "x":
			r = DayRecord{Day: r.Day, Against: Kinds(0).With(GNSS)}
		}
		days = append(days, r)
	}
	return days
}

func TestEstablishStories(t *testing.T) {
	usual := Observation{Days: 3, Window: 14, Percent: 95}
	for _, tt := range []struct {
		name, story string
		o           Observation
		want        string // "territory day" and "mixed"; empty when none
	}{
		{"three days", "1:CU 2:CU 3:CU", usual, "CU 3"},
		{"two days", "1:CU 2:CU", usual, ""},
		{"undecided days between", "1:CU 2:? 3:CU 9:CU", usual, "CU 9"},
		{"set up at home, flew out the next day", "1:DE 2:CU 3:CU 4:CU 5:CU", usual, "CU 4 mixed"},
		{"home long enough, then abroad", "1:DE 2:DE 3:DE 4:CU 5:CU 6:CU", usual, "DE 3"},
		{"an excursion", "1:CU 2:MX 3:CU 4:CU 5:CU", usual, "CU 5 mixed"},
		{"back to the first territory", "1:DE 2:CU 3:DE 4:DE 5:DE", usual, "DE 5 mixed"},
		{"to and fro", "1:DE 2:CU 3:DE 4:CU 5:DE 6:CU", usual, ""},
		{"a weak day elsewhere is enough for doubt", "1:DE@60 2:CU 3:CU 4:CU", usual, "CU 4 mixed"},
		{"a weak day does not count", "1:CU@94 2:CU 3:CU", usual, ""},
		{"a weak day of the same territory does no harm", "1:CU@94 2:CU 3:CU 4:CU", usual, "CU 4"},
		{"under half is nothing", "1:DE@49 2:CU 3:CU 4:CU", usual, "CU 4"},
		{"a day in conflict", "1:x 2:CU 3:CU 4:CU", usual, "CU 4 mixed"},
		{"a conflict between", "1:CU 2:CU 3:x 4:CU 5:CU", usual, ""},
		{"outside the window", "1:CU 20:CU 21:CU", usual, ""},
		{"the window slides", "1:CU 20:CU 21:CU 22:CU", usual, "CU 22"},
		{"the last day of the window", "1:CU 2:CU 14:CU", usual, "CU 14"},
		{"the day after the window", "1:CU 2:CU 15:CU", usual, ""},
		{"the floor holds", "1:CU 2:CU", Observation{Days: 1, Window: 1, Percent: 0}, ""},
		{"the floor's window", "1:CU 2:CU 3:CU", Observation{Days: -5, Window: -5, Percent: 0}, "CU 3"},
		{"a percentage that no day reaches is 99", "1:CU 2:CU 3:CU", Observation{Days: 3, Window: 3, Percent: 255}, "CU 3"},
		{"an address alone", "1:CU!ip 2:CU!ip 3:CU!ip 4:CU!sim,ip,wifi", usual, ""},
		{"a cell alone", "1:CU!cell 2:CU!cell 3:CU!cell,ip", usual, ""},
		{"cell and Wi-Fi", "1:CU!cell,wifi 2:CU!cell,wifi 3:CU!cell,wifi", usual, "CU 3"},
		{"Kyiv with and without a fix", "1:UA-30 2:UA!cell,sim 3:UA-30 4:UA-30", usual, "UA-30 4"},
		{"a country counts its subdivisions", "1:UA!cell,sim 2:UA-30 3:UA-32", usual, "UA 3"},
		{"Kyiv, then Crimea", "1:UA!cell,sim 2:UA-43 3:UA-43 4:UA-43", usual, "UA 3"},
		{"Kherson, then Crimea", "1:UA-65 2:UA-43 3:UA-43 4:UA-43", usual, "UA-43 4 mixed"},
		{"Crimea, and a day on which Russia's codes had no fix", "1:UA-43 2:RU!cell,wifi 3:UA-43 4:UA-43", usual, "UA-43 4"},
		{"Russia's codes first: it may have been Moscow", "1:RU@94!cell,wifi 2:UA-43 3:UA-43 4:UA-43", usual, "UA-43 4 mixed"},
		{"Moscow with a fix, then Crimea", "1:RU 2:UA-43 3:UA-43 4:UA-43", usual, "UA-43 4 mixed"},
		{"Crimea, then Ukraine's network: somewhere in Ukraine", "1:UA-43 2:UA!cell,sim 3:UA-43 4:UA-43 5:UA-43", usual, "UA 4 mixed"},
		{"no territory at all", "1:? 2:? 3:?", usual, ""},
		{"not a code", "1:cu 2:cu 3:cu", usual, ""},
		{"the same day three times", "1:CU 1:CU 1:CU", usual, ""},
		{"a day told twice with different territories", "1:CU 1:MX 2:CU 3:CU 4:CU", usual, "CU 4 mixed"},
		{"unsorted", "4:CU 1:DE 3:CU 2:CU", usual, "CU 4 mixed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, ok := Establish(history(t, tt.story), tt.o)
			got := ""
			if ok {
				got = string(a.Territory) + " " + strconv.Itoa(int(a.Day))
				if a.Mixed {
					got += " mixed"
				}
			} else if a != (Activation{}) {
				t.Errorf("not established, yet %v", a)
			}
			if got != tt.want {
				t.Errorf("%s: established %q, want %q", tt.story, got, tt.want)
			}
		})
	}
}

func TestEstablishLeavesItsInputAlone(t *testing.T) {
	days := history(t, "4:CU 1:DE 3:CU 2:CU")
	before := slices.Clone(days)
	Establish(days, Observation{Days: 3, Window: 9, Percent: 95})
	if !slices.Equal(days, before) {
		t.Errorf("input became %v", days)
	}
}

var someCodes = []Code{"CU", "DE", "UA", "UA-30", "UA-43", "UA-40", "UA-65", "RU", "MX", Unknown}

func drawRecord(day Day) *rapid.Generator[DayRecord] {
	return rapid.Custom(func(t *rapid.T) DayRecord {
		c := rapid.SampledFrom(someCodes).Draw(t, "territory")
		agree := Kinds(rapid.IntRange(0, 31).Draw(t, "agree"))
		against := Kinds(rapid.IntRange(0, 31).Draw(t, "against")) &^ agree
		switch {
		case c != Unknown && mayEstablish(agree):
			return DayRecord{day, c, uint8(rapid.IntRange(50, 99).Draw(t, "percent")), agree, against}
		case rapid.Bool().Draw(t, "conflict"):
			return DayRecord{Day: day, Against: Kinds(rapid.IntRange(1, 31).Draw(t, "kinds"))}
		}
		return DayRecord{Day: day}
	})
}

func drawDays(t *rapid.T, from Day) []DayRecord {
	n := rapid.IntRange(0, 25).Draw(t, "n")
	var days []DayRecord
	for range n {
		from += Day(rapid.IntRange(1, 6).Draw(t, "gap"))
		days = append(days, drawRecord(from).Draw(t, "day"))
	}
	return days
}

func drawObservation(t *rapid.T) Observation {
	return Observation{
		Days: rapid.IntRange(-2, 8).Draw(t, "days"), Window: rapid.IntRange(-2, 40).Draw(t, "window"),
		Percent: rapid.Uint8().Draw(t, "percent"),
	}
}

func TestEstablishedNeverChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawObservation(t)
		days := drawDays(t, 0)
		before, ok := Establish(days, o)
		if !ok {
			return
		}
		later := append(slices.Clone(days), drawDays(t, days[len(days)-1].Day)...)
		if after, still := Establish(later, o); !still || after != before {
			t.Fatalf("%v became %v", before, after)
		}
	})
}

// Every activation has enough distinct days of its territory behind it, in its window; and one that is not mixed has
// no earlier day that names another territory.
func TestEstablishedHasItsDays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawObservation(t)
		days := drawDays(t, 0)
		a, ok := Establish(days, o)
		if !ok {
			return
		}
		need, window := max(o.Days, 3), max(o.Window, max(o.Days, 3))
		n := 0
		for _, d := range days {
			if d.Day > a.Day {
				break
			}
			if c, ok := d.Decided(min(o.Percent, 99)); ok && a.Territory.Covers(c) && int(a.Day-d.Day) < window {
				n++
			}
			if d.Territory != Unknown && !a.Territory.Covers(d.Territory) && !d.mayStandFor(a.Territory) && !a.Mixed {
				t.Fatalf("%v is not mixed, yet %v", a, d)
			}
		}
		if n < need {
			t.Fatalf("%v has %d days in its window, needs %d", a, n, need)
		}
	})
}

func TestEstablishIgnoresOrderAndRepetition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawObservation(t)
		days := drawDays(t, 0)
		for range rapid.IntRange(0, 3).Draw(t, "repeats") {
			if len(days) > 0 {
				days = append(days, drawRecord(days[rapid.IntRange(0, len(days)-1).Draw(t, "which")].Day).Draw(t, "again"))
			}
		}
		want, wantOK := Establish(days, o)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		r.Shuffle(len(days), func(i, j int) { days[i], days[j] = days[j], days[i] })
		if got, ok := Establish(days, o); got != want || ok != wantOK {
			t.Fatalf("%v %v, in another order %v %v", want, wantOK, got, ok)
		}
	})
}

func TestMergeIsOrderless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawRecord(7).Draw(t, "a"), drawRecord(7).Draw(t, "b"), drawRecord(7).Draw(t, "c")
		if a.Merge(b) != b.Merge(a) {
			t.Fatalf("%v and %v: %v, %v", a, b, a.Merge(b), b.Merge(a))
		}
		if a.Merge(b).Merge(c) != a.Merge(b.Merge(c)) {
			t.Fatalf("%v, %v, %v: %v, %v", a, b, c, a.Merge(b).Merge(c), a.Merge(b.Merge(c)))
		}
		if a.Merge(a) != a {
			t.Fatalf("%v with itself: %v", a, a.Merge(a))
		}
		if other := (DayRecord{Day: 8, Territory: "DE", Percent: 99}); a.Merge(other) != a {
			t.Fatal("records of different days merged")
		}
	})
}

func BenchmarkEstablish(b *testing.B) {
	var days []DayRecord
	for d := range Day(90) {
		days = append(days, DayRecord{Day: d, Territory: []Code{"DE", "CU"}[d%2], Percent: 99, Agree: Kinds(0).With(GNSS)})
	}
	b.ReportAllocs()
	for b.Loop() {
		Establish(days, Observation{Days: 3, Window: 14, Percent: 95})
	}
}
