package cli

import (
	"testing"
	"time"
)

// TestCountedOn: the numbers of a large case come with their age, and with what can be done about it.
func TestCountedOn(t *testing.T) {
	at := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	running := &jobAnswer{ID: 7, Kind: "count", Subject: "case-0001", State: "running", Done: 310_000, Total: 1_000_000, Left: 9, By: "nora"}
	failed := &jobAnswer{ID: 8, Kind: "count", Subject: "case-0001", State: "failed", FinishedAt: &at}
	for _, tc := range []struct {
		at   *time.Time
		job  *jobAnswer
		want string
	}{
		{nil, nil, "Count it with: bailiwick case count case-0001\n"},
		{&at, nil, "counted on 20 Nov 2026, 09:30 UTC\nCount it anew with: bailiwick case count case-0001\n"},
		{&at, running, "counted on 20 Nov 2026, 09:30 UTC\njob 7 counts it now, by nora: 310,000 of 1,000,000 devices, less than a minute left\n"},
		{nil, failed, "job 8, which counted it last, failed: bailiwick job show 8 says why\nCount it with: bailiwick case count case-0001\n"},
	} {
		if got := countedOn("case-0001", tc.at, tc.job); got != tc.want {
			t.Errorf("%q, not %q", got, tc.want)
		}
	}
}

func TestQuoted(t *testing.T) {
	for text, want := range map[string]string{"SHIP-2021": "SHIP-2021", "Lantern X": "'Lantern X'", "Nobody's": `'Nobody'\''s'`, "$(date)": "'$(date)'"} {
		if got := quoted(text); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
