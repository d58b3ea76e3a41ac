package days

import (
	"bytes"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/territory"
)

func drawDays(t *rapid.T) []territory.DayRecord {
	n := rapid.IntRange(0, evidence.MaxDays).Draw(t, "n")
	day := rapid.Int32Range(math.MinInt32, math.MaxInt32-40*evidence.MaxDays).Draw(t, "first")
	usual := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) territory.DayRecord {
		return territory.DayRecord{
			Territory: rapid.SampledFrom([]territory.Code{"", "CU", "UA", "UA-43", "FR-20R"}).Draw(t, "territory"),
			Percent:   uint8(rapid.SampledFrom([]int{0, 70, 99}).Draw(t, "percent")),
			Agree:     territory.Kinds(rapid.SampledFrom([]int{0, 3, 31}).Draw(t, "agree")),
			Against:   territory.Kinds(rapid.SampledFrom([]int{0, 0, 0, 4}).Draw(t, "against")),
		}
	}), 1, 40).Draw(t, "kinds of days")
	var days []territory.DayRecord
	for range n {
		d := usual[min(rapid.IntRange(0, len(usual)-1).Draw(t, "kind"), rapid.IntRange(0, len(usual)-1).Draw(t, "or"))]
		d.Day = territory.Day(day)
		days = append(days, d)
		day += rapid.SampledFrom([]int32{1, 1, 1, 1, 2, 30}).Draw(t, "step")
	}
	return days
}

// alternating is days that the second encoding is for, with one passed over.
func alternating(n int) (days []territory.DayRecord) {
	for i := range n {
		day := territory.Day(20_000 + i + i/9)
		days = append(days, territory.DayRecord{Day: day, Territory: "CU", Percent: uint8(98 + i%2), Agree: 3})
	}
	return days
}

// What is written by a release that knows one encoding is read, and written anew in fewer bytes.
func TestRunsOfChangingDaysAreRead(t *testing.T) {
	days := alternating(20)
	old := appendRuns(nil, days)
	got, shortest, err := Read(nil, old)
	if err != nil || shortest || !reflect.DeepEqual(got, days) {
		t.Fatalf("%v, %v, %v", got, shortest, err)
	}
	b, err := Pack(days)
	if err != nil || b[0] != ranksVersion || len(b) >= len(old) {
		t.Errorf("%d bytes of kind %d instead of %d: %v", len(b), b[0], len(old), err)
	}
}

func TestDaysComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := drawDays(t)
		b, err := Pack(days)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Unpack(b)
		if err != nil || len(back) != len(days) || len(days) > 0 && !reflect.DeepEqual(back, days) {
			t.Fatalf("%v\n%v\n%v", days, back, err)
		}
	})
}

func TestDaysAreSmall(t *testing.T) {
	var quiet, busy, changing []territory.DayRecord
	for i := range territory.Day(evidence.MaxDays) {
		d := territory.DayRecord{Day: 20000 + i, Territory: "DE", Percent: 97, Agree: 3}
		quiet = append(quiet, d)
		d.Percent -= uint8(i % 7)
		changing = append(changing, d)
		d.Percent -= uint8(i)
		busy = append(busy, d)
	}
	for _, tc := range []struct {
		name string
		days []territory.DayRecord
		most int
	}{{"at home", quiet, 12}, {"changing", changing, 70}, {"never the same", busy, 200}} {
		b, err := Pack(tc.days)
		if err != nil || len(b) > tc.most {
			t.Errorf("%s: 90 days take %d bytes, at most %d wanted (%v)", tc.name, len(b), tc.most, err)
		}
	}
}

func TestDaysHaveOneEncoding(t *testing.T) {
	if days, err := Unpack([]byte{2, 2, 8, 2, 0, 0, 9, 0x80, 8, 0x55}); err != nil || len(days) != 8 {
		t.Errorf("what most of the following are made from: %v, %v", days, err)
	}
	for name, b := range map[string][]byte{
		"another version":           {2, 0x20, 2, 0, 0},
		"no entry":                  {1},
		"cut off":                   {1, 0x20, 2},
		"no first day":              {1, 0x00, 0, 0},
		"long number":               {1, 0x20, 0x82, 0x00, 0, 0},
		"no gap in gap":             {1, 0x20, 2, 0, 0, 0xa0, 0, 1},
		"run of one":                {1, 0x60, 2, 1, 0, 0},
		"run of 91":                 {1, 0x60, 2, 91, 0, 0},
		"same as nothing":           {1, 0xa0, 2, 0},
		"same code spelled out":     {1, 0x20, 2, 2, 'C', 'U', 0, 0x00, 2, 'C', 'U', 1},
		"no code":                   {1, 0x20, 2, 2, 'c', 'u', 0},
		"code of seven":             {1, 0x20, 2, 7, 'U', 'A', '-', 'A', 'A', 'A', 'A', 0},
		"100 per cent":              {1, 0x20, 2, 0, 100},
		"nothing against":           {1, 0x20, 2, 0, 0x80, 0},
		"unknown kind against":      {1, 0x20, 2, 0, 0x80, 0x40},
		"day that belongs to a run": {1, 0x20, 2, 0, 7, 0x80, 7},
		"beyond the last day":       {1, 0x60, 0xfe, 0xff, 0xff, 0xff, 0x0f, 2, 0, 0},

		"ranks: shorter as runs":        {2, 2, 2, 2, 0, 0, 9, 0x80, 8, 0x40},
		"ranks: longer than it may be":  {2, 2, 0xfb, 0x01, 2, 0, 0, 9, 0x80, 8, 0x40},
		"ranks: one kind":               append([]byte{2, 2, 8, 1, 0, 0, 9}, 0x55),
		"ranks: rare kinds first":       append([]byte{2, 2, 8, 2, 0, 0, 9, 0x80, 8}, 0xab),
		"ranks: later of equals first":  append([]byte{2, 2, 8, 2, 0, 0, 9, 0x80, 8}, 0xaa),
		"ranks: a kind twice":           append([]byte{2, 2, 8, 2, 0, 0, 9, 0x80, 9}, 0x55),
		"ranks: a kind that is nowhere": append([]byte{2, 2, 8, 3, 0, 0, 9, 0x80, 8, 0x80, 7}, 0x55),
		"ranks: passed over first":      append([]byte{2, 2, 8, 2, 0, 0, 9, 0x20}, 0xaa),
		"ranks: passed over last":       append([]byte{2, 2, 8, 2, 0, 0, 9, 0x20}, 0x55),
		"ranks: passed over twice":      append([]byte{2, 2, 9, 3, 0, 0, 9, 0x20, 0x20}, 0x58, 0),
		"ranks: bits left over":         append([]byte{2, 2, 7, 2, 0, 0, 9, 0x80, 8}, 0x55),
		"ranks: a byte left over":       append([]byte{2, 2, 8, 2, 0, 0, 9, 0x80, 8}, 0x55, 0),
		"ranks: cut off":                append([]byte{2, 2, 9, 2, 0, 0, 9, 0x80, 8}, 0x55),
	} {
		if days, err := Unpack(b); err == nil {
			t.Errorf("%s: read as %v", name, days)
		}
	}
}

func FuzzDays(f *testing.F) {
	for _, days := range [][]territory.DayRecord{
		nil, {{Day: 1}}, {{Day: -5, Territory: "CU", Percent: 99, Agree: 3, Against: 4}},
		{{Day: 1, Territory: "CU"}, {Day: 2, Territory: "CU"}, {Day: 9, Territory: "UA-43", Percent: 1}, {Day: 10}},
		alternating(12),
	} {
		b, err := Pack(days)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		days, shortest, err := Read(nil, b)
		if err != nil {
			return
		}
		back, err := Pack(days)
		if !shortest && err == nil && len(back) < len(b) { // written when there was one encoding
			if again, err := Unpack(back); err != nil || !reflect.DeepEqual(again, days) {
				t.Fatalf("%v comes back as %v, %v", days, again, err)
			}
			return
		}
		if err != nil || !bytes.Equal(back, b) {
			t.Fatalf("%x was read as %v and written as %x (%v)", b, days, back, err)
		}
	})
}
