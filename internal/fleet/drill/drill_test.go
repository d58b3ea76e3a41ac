package drill

import (
	"testing"
)

func TestAll(t *testing.T) {
	results, err := Run(t.Context(), Drills(), func(r Result) { t.Log(r.Drill) })
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		t.Logf("%s: %d %q\n  %s\n  %s\n  %s", r.Drill, r.WronglyLocked, r.Wrong, r.Attack, r.NoticedBy, r.NoticedAfter)
	}
}
