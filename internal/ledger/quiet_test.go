package ledger

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

// quietFrom and quietKey tell a child process which public files to build a ledger from, and whose.
const (
	quietFrom = "BAILIWICK_TEST_QUIET_FROM"
	quietKey  = "BAILIWICK_TEST_QUIET_KEY"
)

// TestRebuildIsQuiet: a process that builds a ledger, and has opened none, says nothing beside what its command says. It needs a process of its
// own, since the first ledger that a process opens says where such messages go.
func TestRebuildIsQuiet(t *testing.T) {
	if from := os.Getenv(quietFrom); from != "" {
		c, err := Contains(t.Context(), Copied(from), os.Getenv(quietKey), nil)
		if err := errors.Join(err, Rebuild(t.Context(), t.TempDir(), Copied(from), os.Getenv(quietKey), c)); err != nil {
			t.Fatal(err)
		}
		return
	}
	original := t.TempDir()
	key, signed := grown(t, original, 0, 3)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRebuildIsQuiet$")
	child.Env = append(os.Environ(), quietFrom+"="+copied(t, original, 3, signed), quietKey+"="+key)
	out, err := child.CombinedOutput()
	if err != nil || string(out) != "PASS\n" {
		t.Errorf("%v; it says %q", err, out)
	}
}
