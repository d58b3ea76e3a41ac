//go:build unix

package policy

import (
	"syscall"
	"testing"
	"time"
)

// spent is how much processor time this process takes for something: neither a machine that stands still nor others that use it count.
func spent(t *testing.T, do func()) time.Duration {
	t.Helper()
	used := func() time.Duration {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			t.Fatal(err)
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	before := used()
	do()
	return used() - before
}

func TestBulkIsRefusedInAMoment(t *testing.T) {
	for name, src := range bulk() {
		if d := spent(t, func() { _, _ = Parse("bulk.yaml", []byte(src)) }); d > 5*time.Second {
			t.Errorf("%s: took %s", name, d)
		}
	}
}

// The search for unreachable rules is bounded: a file that is all rules is read in a moment.
func TestParseOfManyRulesIsQuick(t *testing.T) {
	if d := spent(t, func() { parsed(t, manyRules(maxEntries)) }); d > 5*time.Second {
		t.Errorf("took %s", d)
	}
}
