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
	var days []territory.DayRecord
	for range n {
		d := territory.DayRecord{
			Day:       territory.Day(day),
			Territory: rapid.SampledFrom([]territory.Code{"", "CU", "UA", "UA-43", "FR-20R"}).Draw(t, "territory"),
			Percent:   uint8(rapid.SampledFrom([]int{0, 70, 99}).Draw(t, "percent")),
			Agree:     territory.Kinds(rapid.SampledFrom([]int{0, 3, 31}).Draw(t, "agree")),
			Against:   territory.Kinds(rapid.SampledFrom([]int{0, 0, 0, 4}).Draw(t, "against")),
		}
		if n := len(days); n > 0 && rapid.Bool().Draw(t, "alike") {
			d = days[n-1]
			d.Day = territory.Day(day)
		}
		days = append(days, d)
		day += rapid.SampledFrom([]int32{1, 1, 1, 1, 2, 30}).Draw(t, "step")
	}
	return days
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
	var quiet, busy []territory.DayRecord
	for i := range territory.Day(evidence.MaxDays) {
		d := territory.DayRecord{Day: 20000 + i, Territory: "DE", Percent: 97, Agree: 3}
		quiet = append(quiet, d)
		d.Percent -= uint8(i % 7)
		busy = append(busy, d)
	}
	for _, tc := range []struct {
		name string
		days []territory.DayRecord
		most int
	}{{"at home", quiet, 12}, {"moving about", busy, 200}} {
		b, err := Pack(tc.days)
		if err != nil || len(b) > tc.most {
			t.Errorf("%s: 90 days take %d bytes, at most %d wanted (%v)", tc.name, len(b), tc.most, err)
		}
	}
}

func TestDaysHaveOneEncoding(t *testing.T) {
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
	} {
		b, err := Pack(days)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		days, err := Unpack(b)
		if err != nil {
			return
		}
		back, err := Pack(days)
		if err != nil || !bytes.Equal(back, b) {
			t.Fatalf("%x was read as %v and written as %x (%v)", b, days, back, err)
		}
	})
}
