//go:build unix

package territory

import (
	"bytes"
	"fmt"
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

func TestLocateCSVIsQuick(t *testing.T) {
	var in, out bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintf(&in, "%.5f,%.5f,%d\n", 44+float64(i%997)/400, 33+float64(i%1009)/200, i%3000)
	}
	d := spent(t, func() {
		if err := LocateCSV(t.Context(), &in, &out, CSVOptions{}); err != nil {
			t.Fatal(err)
		}
	})
	if n := bytes.Count(out.Bytes(), []byte("\n")); n != 100_000 {
		t.Errorf("%d lines", n)
	}
	if d > 5*time.Second {
		t.Errorf("%v for 100,000 lines", d)
	}
}
