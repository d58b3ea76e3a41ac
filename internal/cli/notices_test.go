package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestFollowNotices: a warrant for many devices is in force at once; its notices are waited for, unless told not to, and what stopped them is said.
func TestFollowNotices(t *testing.T) {
	const (
		job     = `{"id":7,"kind":"notices","subject":"warrant-0001","state":%q,"done":%d,"total":12000,"by":"ben"%s}`
		over    = `,"finished_at":"2026-11-20T09:30:00Z","result":{"enrolled":11000,"noticed":10900,"before":90,"left":10}`
		stopped = `,"finished_at":"2026-11-20T09:30:00Z","result":{"enrolled":900,"noticed":900,"before":0,"left":0},"fault":{"name":"case-concluded","detail":"ana concluded case-0001: no more notices are given"}`
		warrant = `{"id":"warrant-0001","ends_at":"2027-01-20T12:00:00Z","devices":%d,"signers":[]%s}`
	)
	running := fmt.Sprintf(job, "running", 1000, "")
	for name, tc := range map[string]struct {
		notices, later string // the job as the answer has it, and as it is when asked for
		flags          string
		status         int
		out, faults    string
		waits          bool
	}{
		"small": {"", "", "", exitOK, "warrant-0001 is in force until 2027-01-20: notices go to 12 devices.\n", "", false},
		"waits": {running, fmt.Sprintf(job, "done", 12000, over), "", exitOK,
			"warrant-0001 is in force until 2027-01-20: notices go to 11000 devices: 10900 were given now, 90 at a check-in before, and 10 wait for a later one.\n", "", true},
		"does not wait": {running, "", "--no-wait", exitOK,
			"warrant-0001 is in force until 2027-01-20: its notices are being given: 1,000 of 12,000 devices\nWait for it with: bailiwick job wait 7\n", "", false},
		"for machines": {running, fmt.Sprintf(job, "done", 12000, over), "--json", exitOK, `"state": "done"`, "", true},
		"stopped": {running, fmt.Sprintf(job, "cancelled", 1000, stopped), "", exitFailure,
			"warrant-0001 is in force until 2027-01-20: its notices stopped at 1,000 of 12,000 devices: bailiwick job show 7 says why\n", "ana concluded case-0001: no more notices are given", true},
	} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/jobs/7" {
				asked++
				fmt.Fprint(w, tc.later)
				return
			}
			notices, devices := "", 12
			if tc.notices != "" {
				w.WriteHeader(http.StatusAccepted)
				notices, devices = `,"notices":`+tc.notices, 1000
			}
			fmt.Fprintf(w, warrant, devices, notices)
		}))
		args := append([]string{"case", "countersign", "warrant-0001", "--server", server.URL, "--token", "t"}, strings.Fields(tc.flags)...)
		out, faults, status := run(t, args...)
		server.Close()
		if status != tc.status || tc.flags != "--json" && out != tc.out || !strings.Contains(out, tc.out) || !strings.Contains(faults, tc.faults) || asked > 0 != tc.waits {
			t.Errorf("%s: %d, asked %d times\n%s%s", name, status, asked, out, faults)
		}
		if tc.flags == "--json" && (!strings.Contains(out, `"devices": 11000`) || strings.Contains(out, "running")) {
			t.Errorf("%s: %s", name, out)
		}
	}
}
