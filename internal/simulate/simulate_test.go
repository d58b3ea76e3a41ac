package simulate

import (
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	report, err := Run(t.Context(), Config{Seed: 3, Worlds: 600})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range report.Found {
		t.Error(v)
	}
	t.Logf("%.0f device-years in %.1f s: %.0f a minute; %d steps, %d wakes, %d check-ins, %d notices, %d locks, %d checks; %v", report.DeviceYears,
		report.Seconds, report.DeviceYears/report.Seconds*60, report.Steps, report.Wakes, report.CheckIns, report.Notices, report.Locks, report.Checks, report.Faults)
	_ = time.Second
}
