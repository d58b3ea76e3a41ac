package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sums lists the hashes of what the borders were built by and of what came out. It is committed, and a test compares
// it, so that neither side changes alone. The sources are pinned in sources.go, which is one of the files.
func sums(dir, root string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") || strings.HasSuffix(f, "evaluate.go") })
	files = append(files, filepath.Join(dir, "zones.tab"), filepath.Join(root, "borders.bin"), filepath.Join(root, "testdata", "borders.csv"))
	var b strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(data), filepath.Base(f))
	}
	return b.String(), nil
}

func writeSums(root string) error {
	dir := filepath.Join(root, "gen", "borders")
	s, err := sums(dir, root)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "borders.sum"), []byte(s), 0o644)
}
