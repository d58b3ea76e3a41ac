// Package corpus keeps the seeds of fuzz tests honest: Go passes over a seed file in silence when its folder is named
// after no fuzz test, so each package writes its seeds from its own fixtures, and checks them in an ordinary test.
//
// It serves tests only, for fuzz tests that take one []byte.
package corpus

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const header = "go test fuzz v1\n"

func folder(fuzz string) string { return filepath.Join("testdata", "fuzz", fuzz) }

// Write makes or replaces a seed of the fuzz test of this name, in the package under test.
func Write(tb testing.TB, fuzz, name string, data []byte) {
	tb.Helper()
	if err := os.MkdirAll(folder(fuzz), 0o755); err != nil {
		tb.Fatal(err)
	}
	text := fmt.Sprintf("%s[]byte(%q)\n", header, data)
	if err := os.WriteFile(filepath.Join(folder(fuzz), name), []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
}

// Read returns one seed. A seed that is missing or unreadable fails the test.
func Read(tb testing.TB, fuzz, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(folder(fuzz), name))
	if err != nil {
		tb.Fatalf("%v; write the seeds again: go test -run Seeds -update", err)
	}
	quoted, ok := strings.CutPrefix(string(text), header+"[]byte(")
	quoted, end := strings.CutSuffix(quoted, ")\n")
	if !ok || !end {
		tb.Fatalf("seed %s of %s is not one []byte", name, fuzz)
	}
	data, err := strconv.Unquote(quoted)
	if err != nil {
		tb.Fatalf("seed %s of %s: %v", name, fuzz, err)
	}
	return []byte(data)
}

// CheckNames fails the test when a folder of seeds is named after none of the fuzz tests, or is empty.
func CheckNames(tb testing.TB, fuzz ...string) {
	tb.Helper()
	entries, err := os.ReadDir(filepath.Join("testdata", "fuzz"))
	if err != nil {
		tb.Fatal(err)
	}
	known := make(map[string]bool)
	for _, name := range fuzz {
		known[name] = true
	}
	for _, e := range entries {
		if !known[e.Name()] {
			tb.Errorf("seeds for %s, which is no fuzz test here", e.Name())
		}
		delete(known, e.Name())
		if seeds, err := os.ReadDir(folder(e.Name())); err != nil || len(seeds) == 0 {
			tb.Errorf("%s has no seeds: %v", e.Name(), err)
		}
	}
	for name := range known {
		tb.Errorf("%s has no folder of seeds", name)
	}
}
