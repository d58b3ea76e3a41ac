package durable

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name+".new", []byte("half of what a kill has left, and longer than what comes"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{[]byte("first"), []byte("second"), nil} {
		if err := WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%q, %v; want %q", got, err, data)
		}
	}
	if _, err := os.Stat(name + ".new"); !os.IsNotExist(err) {
		t.Errorf("the part was left behind: %v", err)
	}
}

// TestNothingLost: what cannot be replaced stays as it was.
func TestNothingLost(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	if err := WriteFile(name, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(name+".new", 0o700); err != nil { // stands in the way
		t.Fatal(err)
	}
	if err := WriteFile(name, []byte("second"), 0o600); err == nil {
		t.Error("a file was replaced although its part could not be written")
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "first" {
		t.Errorf("%q, %v", got, err)
	}
}
