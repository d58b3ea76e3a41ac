package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
)

// A ledger that its witnesses have not cosigned for days stands still for the public, and whoever monitors it is told.
func TestMonitorTellsOfAStaleLedger(t *testing.T) {
	for age, want := range map[time.Duration]string{0: "ok", ledger.StaleAfter + time.Hour: "STALE"} {
		dir := t.TempDir()
		w, err := startDemoWitness(dir, func() time.Time { return time.Now().Add(-age) })
		if err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(t.Context(), filepath.Join(dir, "ledger"), ledger.Options{Witnesses: []ledger.Witness{w.Witness}})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.stop(); err != nil {
			t.Fatal(err)
		}
		arguments := []string{"ledger", "monitor", dir, "--key", l.LogKey(), "--once", "--state", filepath.Join(dir, "seen.json")}
		out, _, status := run(t, append(arguments, "--witness", w.Key)...)
		if !strings.Contains(out, want) || (status == exitOK) != (age == 0) || strings.Contains(out, "ledger-stale") != (age > 0) {
			t.Errorf("cosigned %v ago: %d %s", age, status, out)
		}
		if out, _, status := run(t, arguments...); status != exitOK || !strings.Contains(out, "ok") {
			t.Errorf("nothing is said of witnesses that nobody named: %d %s", status, out)
		}
	}
}
