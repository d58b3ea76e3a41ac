package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Nothing is found, and every kind of fault was there.
func TestRun(t *testing.T) {
	report, err := Run(t.Context(), Config{Seed: 1, Worlds: 6})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range report.Found {
		t.Error(v)
	}
	for _, k := range Kinds() {
		if report.Faults[k] == 0 {
			t.Errorf("no fault of the kind %s", k)
		}
	}
	if len(report.Faults) != len(Kinds()) || report.Worlds != 6 || report.DeviceYears < 3000 || report.Notices < 200 || report.Locks < 150 {
		t.Errorf("%+v", report)
	}
	t.Logf("%.0f device-years, %d steps, %d wakes, %d check-ins, %d notices, %d locks, %d checks", report.DeviceYears, report.Steps,
		report.Wakes, report.CheckIns, report.Notices, report.Locks, report.Checks)
}

// A world is a function of its seed and number: one core or several, alone or among others, it comes to the same.
func TestWorldsRepeat(t *testing.T) {
	one, err := Run(t.Context(), Config{Seed: 5, Worlds: 2, Cores: 1})
	if err != nil {
		t.Fatal(err)
	}
	many, err := Run(t.Context(), Config{Seed: 5, Worlds: 2, Cores: 2})
	if err != nil {
		t.Fatal(err)
	}
	one.Seconds, many.Seconds = 0, 0
	if !reflect.DeepEqual(one, many) {
		t.Errorf("%+v\n%+v", one, many)
	}
	var first, second bytes.Buffer
	for _, trace := range []*bytes.Buffer{&first, &second} {
		if _, err := Replay(Config{Seed: 5, Trace: trace}, 1); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) || strings.Count(first.String(), "\n") < 1000 {
		t.Errorf("two traces of %d and %d bytes of one world differ", first.Len(), second.Len())
	}
}

// A violation of a run is found again by its world alone, at the same step.
func TestReplay(t *testing.T) {
	plant := onScreen(hasty)
	report, err := Run(t.Context(), Config{Seed: 1, Worlds: 3, plant: plant})
	if err != nil {
		t.Fatal(err)
	}
	if report.Violations == 0 || report.OK() {
		t.Fatal("nothing was found")
	}
	for _, v := range report.Found {
		again, err := Replay(Config{Seed: 1, plant: plant}, v.World)
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Found) != 1 || again.Found[0] != v {
			t.Errorf("%v, and then %v", v, again.Found)
		}
	}
}

func TestReportAsJSON(t *testing.T) {
	data, err := json.Marshal(&Report{Seed: 1, Faults: map[Kind]int{Crash: 0}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"seed":1,"device_years":0,"seconds":0,"faults":{"crash":0},"violations":0,"lifts_undelivered":0}`
	if string(data) != want {
		t.Errorf("%s\nwant %s", data, want)
	}
}

func TestRunEnds(t *testing.T) {
	if _, err := Run(t.Context(), Config{Seed: 1}); err == nil {
		t.Error("neither a time nor a number of worlds, and it ran")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if report, err := Run(gone, Config{Seed: 1, For: time.Hour}); err != nil || report.Worlds != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// The days of looks are counted from the hour that gives the most.
func TestDistinctDays(t *testing.T) {
	at := func(hours ...int) (looks []time.Time) {
		for _, h := range hours {
			looks = append(looks, began.Add(time.Duration(h)*time.Hour))
		}
		return looks
	}
	for _, tc := range []struct {
		looks []time.Time
		want  int
	}{{nil, 0}, {at(0), 1}, {at(0, 1), 2}, {at(0, 1, 2), 2}, {at(0, 12, 30), 3}, {at(0, 24, 48), 3}, {at(0, 20, 23), 2}} {
		if got := distinctDays(tc.looks); got != tc.want {
			t.Errorf("%v: %d, want %d", tc.looks, got, tc.want)
		}
	}
}
