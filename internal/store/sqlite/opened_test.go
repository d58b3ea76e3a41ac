package sqlite

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoDefensiveFlag: zombiezen's Conn.SetDefensive (v1.4.2) gives SQLite one argument where it reads two, so that SQLite writes to wherever the
// memory behind it points. It ended one process in twenty that opened some hundred files; nothing shows it for certain, so that the call is looked for.
func TestNoDefensiveFlag(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, "_test.go") && bytes.Contains(text, []byte(".SetDefensive(")) {
			t.Errorf("%s calls SetDefensive", file)
		}
	}
}
