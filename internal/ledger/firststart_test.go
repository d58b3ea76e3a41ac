package ledger_test

import (
	"os"
	"path/filepath"
	"testing"
)

// A first start that is killed after the tree was founded and before its checkpoint was published leaves a ledger without
// one. The next start must publish it and go on.
func TestOpensAfterAFirstStartWithoutACheckpoint(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "log", "checkpoint")); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	if size, err := again.Size(t.Context()); err != nil || size != 0 {
		t.Fatalf("size %d, %v", size, err)
	}
	if index, err := again.Append(t.Context(), []byte("leaf")); err != nil || index != 0 {
		t.Fatalf("index %d, %v", index, err)
	}
}
