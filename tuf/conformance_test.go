package tuf

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The vectors are no part of this repository; test/interop says where they lie.
const vectors = "../../shared/fixtures"

// The static repository tuf-on-ci 0.11 of the TUF conformance suite, which has one signer for each role: the workflow is the
// device's, the floor is not. A key of it has a signature that is empty, and its key ids are not hashes of what is there.
func TestConformance(t *testing.T) {
	if _, err := os.Stat(vectors); errors.Is(err, fs.ErrNotExist) {
		t.Logf("no independent vectors at %s", vectors)
		return
	}
	dir := filepath.Join(vectors, "tuf", "tuf-on-ci-0.11")
	read := func(name ...string) []byte {
		data, err := os.ReadFile(filepath.Join(append([]string{dir}, name...)...))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	now, err := time.Parse("2006-01-02 15:04:05-07:00", strings.TrimSpace(string(read("faketime"))))
	if err != nil {
		t.Fatal(err)
	}
	const role = "delegatedrole"
	one := rules{1, []delegated{{role, []string{"delegatedrole/"}}}}
	files := map[string][]byte{
		Timestamp: read("metadata", "timestamp.json"), Snapshot: read("metadata", "2.snapshot.json"),
		Targets: read("metadata", "1.targets.json"), role: read("metadata", "2.delegatedrole.json"),
	}
	roots := [][]byte{read("metadata", "1.root.json")}
	trusted, err := openRoot(read("initial_root.json"), one)
	if err != nil {
		t.Fatal(err)
	}
	next, listing, err := trusted.apply(roots, files, now, one)
	if err != nil {
		t.Fatal(err)
	}
	if got := next.Versions(); got != (Versions{Root: 1, Timestamp: 2, Snapshot: 2, Targets: 1}) || next.roles[role].version != 2 {
		t.Errorf("versions %+v", got)
	}
	path := strings.TrimSpace(string(read("targetpath")))
	artifact := read("targets", "delegatedrole", "45f337ee451b4c098d121d09cc224bacc7794503ac58a47a78cfe7ebefb7fab3.artifact")
	if err := listing.Verify(role, path, artifact); err != nil {
		t.Error(err)
	}
	if err := listing.Verify(role, path, artifact[1:]); !errors.Is(err, ErrDiffers) {
		t.Errorf("another artifact: %v", err)
	}
	if _, _, err := trusted.apply(roots, files, time.Date(2055, 1, 1, 0, 0, 0, 0, time.UTC), one); !errors.Is(err, ErrExpired) {
		t.Errorf("in 2055: %v", err)
	}
	if _, err := Open(roots[0]); !errors.Is(err, ErrThreshold) {
		t.Errorf("a device takes a root of one signer: %v", err)
	}
}
