package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDrillSimulate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	stdout, stderr, status := run(t, "drill", "simulate", "--minutes", "0.001", "--seed", "3", "--json", file)
	if status != exitOK || !strings.Contains(stdout, "0 violations, 0 lifts undelivered") {
		t.Fatalf("%d\n%s%s", status, stdout, stderr)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var report map[string]any
	if err := json.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"seed", "device_years", "seconds", "faults", "violations", "lifts_undelivered"} {
		if _, ok := report[field]; !ok {
			t.Errorf("no %s in %s", field, data)
		}
	}
	if len(report) != 6 || report["seed"] != 3.0 {
		t.Errorf("%s", data)
	}

	stdout, stderr, status = run(t, "drill", "simulate", "--seed", "3", "--world", "0", "--trace", "--json", "-")
	if lines := strings.Count(stderr, "\n"); status != exitOK || lines < 1000 || !json.Valid([]byte(stdout)) {
		t.Errorf("%d: %d lines of trace, and %s", status, lines, stdout)
	}
	for _, wrong := range [][]string{{"--minutes", "0"}, {"--trace"}, {"--minutes", "-1"}} {
		if _, _, status := run(t, append([]string{"drill", "simulate"}, wrong...)...); status != exitUsage {
			t.Errorf("%v: status %d", wrong, status)
		}
	}
}
