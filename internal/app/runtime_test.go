package app_test

import (
	"runtime"
	"runtime/metrics"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/app"
)

func TestSettle(t *testing.T) {
	places, goal := runtime.GOMAXPROCS(0), heapGoal()
	for _, name := range []string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS"} {
		t.Setenv(name, "")
	}
	restore := app.Settle()
	if got := runtime.GOMAXPROCS(0); got <= places {
		t.Errorf("%d goroutines at once on %d processors: one that waits for the disk stops a processor", got, places)
	}
	if more := heapGoal() - goal; more < 128<<20 {
		t.Errorf("garbage is collected after %d more bytes", more)
	}
	restore()
	if got := runtime.GOMAXPROCS(0); got != places {
		t.Errorf("%d goroutines at once afterwards, before %d", got, places)
	}

	t.Setenv("GOGC", "100")
	t.Setenv("GOMAXPROCS", "3")
	goal = heapGoal()
	defer app.Settle()()
	if got := runtime.GOMAXPROCS(0); got != places {
		t.Errorf("GOMAXPROCS is set, and yet %d at once, before %d", got, places)
	}
	if more := heapGoal() - goal; more > 64<<20 {
		t.Errorf("GOGC is set, and yet garbage is collected after %d more bytes", more)
	}
}

// heapGoal is the size at which garbage is collected next, bytes.
func heapGoal() int64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
