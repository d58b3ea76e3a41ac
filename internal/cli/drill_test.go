package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/fleet/drill"
)

func TestDrill(t *testing.T) {
	out, faults, status := run(t, "drill", "list")
	if status != exitOK || faults != "" || strings.Count(out, "\n") != len(drill.Drills())+1 || !strings.Contains(out, "hold-outside-cohort") {
		t.Errorf("%d %s%s", status, out, faults)
	}
	out, _, status = run(t, "drill", "list", "--json")
	var list []listedDrill
	if err := json.Unmarshal([]byte(out), &list); err != nil || status != exitOK || len(list) != len(drill.Drills()) || len(list[0].Ways) == 0 {
		t.Errorf("%d %v %s", status, err, out)
	}
	file := filepath.Join(t.TempDir(), "drills.json")
	out, faults, status = run(t, "drill", "wipe", "--json", file)
	if status != exitOK || !strings.Contains(out, "No phone was wrongly locked.") || !strings.Contains(faults, "wipe") {
		t.Errorf("%d %s%s", status, out, faults)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var results []map[string]any
	if err := json.Unmarshal(data, &results); err != nil || len(results) != 1 || results[0]["drill"] != "wipe" || results[0]["wrongly_locked"] != 0.0 || len(results[0]) != 5 {
		t.Errorf("%v %s", err, data)
	}
	if _, faults, status = run(t, "drill", "nonsense"); status != exitUsage || !strings.Contains(faults, "lock-traveller") {
		t.Errorf("%d %s", status, faults)
	}
}

// One phone that was wrongly locked is a failure.
func TestDrillConcludes(t *testing.T) {
	var out bytes.Buffer
	err := conclude(&out, []drill.Result{{Drill: "a"}, {Drill: "b", WronglyLocked: 1, Wrong: []string{"at home: locked"}}})
	if !errors.Is(err, errSaid) || !strings.Contains(out.String(), "b: at home: locked") {
		t.Errorf("%v %s", err, out.String())
	}
}

// The drills look at the ledger as often as a monitor does that nobody told otherwise.
func TestDrillMonitorsAsTheMonitorDoes(t *testing.T) {
	for _, leaf := range parser(t).Model.Leaves(false) {
		if leaf.Name != "monitor" || leaf.Parent.Name != "ledger" {
			continue
		}
		for _, flag := range leaf.Flags {
			if flag.Name == "interval" && flag.Default == "1m" && drill.MonitorEvery.String() == "1m0s" {
				return
			}
		}
	}
	t.Error("the monitor's interval is another one than the drills'")
}
