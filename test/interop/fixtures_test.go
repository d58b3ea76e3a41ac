// Package interop holds this project's formats against vectors that others made: COSE, EAT and Merkle proofs. (The
// vectors for unlock codes are read by package unlock itself.)
//
// The vectors are no part of this repository. They lie beside it, at ../shared/fixtures seen from its root; where that
// folder does not exist at all these tests are skipped, and where it exists anything missing in it fails them.
package interop

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

const fixtures = "../../../shared/fixtures"

// folder returns a folder of vectors.
func folder(t *testing.T, name string) string {
	t.Helper()
	if _, err := os.Stat(fixtures); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no independent vectors at %s", fixtures)
	}
	dir := filepath.Join(fixtures, filepath.FromSlash(name))
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		t.Fatalf("%s is there, but has no folder %s: %v", fixtures, name, err)
	}
	return dir
}

// load reads every JSON file below a folder of vectors, by its path there; there must be exactly want.
func load[T any](t *testing.T, name string, want int) map[string]T {
	t.Helper()
	dir := folder(t, name)
	out := make(map[string]T)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".json" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var v T
		if err := json.Unmarshal(data, &v); err != nil {
			return err
		}
		short, err := filepath.Rel(dir, path)
		out[filepath.ToSlash(short)] = v
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != want {
		t.Fatalf("%s has %d vectors, want %d", name, len(out), want)
	}
	return out
}
