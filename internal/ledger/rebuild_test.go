package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// grown opens the ledger in dir, appends entries up to size, and closes it.
func grown(t *testing.T, dir string, from, size int) (key string, signed []byte) {
	t.Helper()
	l, err := Open(t.Context(), dir, Options{Origin: "rebuild.example/ledger"})
	if err != nil {
		t.Fatal(err)
	}
	var leaves [][]byte
	for i := from; i < size; i++ {
		leaves = append(leaves, fmt.Appendf(nil, "leaf %d", i))
	}
	if _, err := l.AppendBatch(t.Context(), leaves); err != nil {
		t.Fatal(err)
	}
	if signed, err = l.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return l.LogKey(), signed
}

// copied copies the public files of the ledger in dir as they were at a checkpoint.
func copied(t *testing.T, dir string, size uint64, signed []byte) string {
	t.Helper()
	to := t.TempDir()
	put := func(path string, data []byte) error {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, path)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), data, 0o644)
	}
	if err := errors.Join(CopyPublic(t.Context(), Folder(dir), size, put), put("checkpoint", signed)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestRebuiltLedgerGoesOn: a ledger that was built from a copy of an earlier tree, or from the newest public files, has the same tree, and
// what is appended to it continues what was published. The copy is as wide as its checkpoint says although more has been added since.
func TestRebuiltLedgerGoesOn(t *testing.T) {
	original := t.TempDir()
	key, early := grown(t, original, 0, 700)
	_, late := grown(t, original, 700, 1100)
	copy700 := copied(t, original, 700, early)
	if _, err := Verify(t.Context(), Copied(copy700), key, nil); err != nil {
		t.Fatalf("the copy: %v", err)
	}
	for name, source := range map[string]Source{"the copy": Copied(copy700), "the original": Folder(original)} {
		t.Run(name, func(t *testing.T) {
			c, err := Contains(t.Context(), source, key, [][]byte{early})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			secret, err := os.ReadFile(filepath.Join(original, keyName))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(MarkBehind(dir), os.WriteFile(filepath.Join(dir, keyName), secret, 0o600)); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrBehind) {
				t.Fatalf("a ledger that is behind opens: %v", err)
			}
			if err := Rebuild(t.Context(), dir, source, key, c); err != nil {
				t.Fatal(err)
			}
			grown(t, dir, int(c.Entries), 1300)
			want := [][]byte{early}
			if name == "the original" {
				want = append(want, late)
			}
			if _, err := Contains(t.Context(), Folder(dir), key, want); err != nil {
				t.Errorf("it forked: %v", err)
			}
		})
	}
	if _, err := Contains(t.Context(), Copied(copy700), key, [][]byte{early, late}); !errors.Is(err, ErrShrank) {
		t.Errorf("an old copy passes for the newest: %v", err)
	}
	fork := copied(t, original, 700, early)
	forkDir := t.TempDir()
	secret, _ := os.ReadFile(filepath.Join(original, keyName))
	if err := os.WriteFile(filepath.Join(forkDir, keyName), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Contains(t.Context(), Copied(fork), key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := Rebuild(t.Context(), forkDir, Copied(fork), key, c); err != nil {
		t.Fatal(err)
	}
	grown(t, forkDir, 5000, 5400) // 400 other entries
	if _, err := Contains(t.Context(), Folder(forkDir), key, [][]byte{late}); !errors.Is(err, ErrForked) {
		t.Errorf("a fork passes: %v", err)
	}
}

// A ledger of no entries can be put back as well.
func TestRebuildOfNothing(t *testing.T) {
	original, dir := t.TempDir(), t.TempDir()
	key, signed := grown(t, original, 0, 0)
	c, err := Contains(t.Context(), Copied(copied(t, original, 0, signed)), key, [][]byte{signed})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := os.ReadFile(filepath.Join(original, keyName))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, keyName), secret, 0o600), Rebuild(t.Context(), dir, Folder(original), key, c)); err != nil {
		t.Fatal(err)
	}
	grown(t, dir, 0, 3)
	if _, err := Contains(t.Context(), Folder(dir), key, [][]byte{signed}); err != nil {
		t.Error(err)
	}
}

// TestInUse: a ledger that a process has open is seen to be so, and stays open.
func TestInUse(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(t.Context(), dir, Options{Origin: "rebuild.example/ledger", CheckpointInterval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if got, err := InUse(dir); err != nil || got != want {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
		if want {
			if err := l.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTail: the newest entries are held to the signed root without reading the others, and a changed one is found, in them or in a tile
// before them.
func TestTail(t *testing.T) {
	original := t.TempDir()
	key, signed := grown(t, original, 0, 1000)
	for _, last := range []uint64{0, 1, 300, 999, 1000, 5000} {
		if err := VerifyTail(t.Context(), Folder(original), key, last); err != nil {
			t.Errorf("the last %d: %v", last, err)
		}
	}
	for _, c := range []struct {
		path string
		last uint64
		want error
	}{{"tile/entries/003.p/232", 100, ErrCorrupted}, {"tile/1/000.p/3", 100, ErrCorrupted}, {"tile/0/000", 100, nil}, {"tile/entries/000", 100, nil}, {"tile/entries/000", 1000, ErrCorrupted}} {
		broken := copied(t, original, 1000, signed)
		data, err := os.ReadFile(filepath.Join(broken, c.path))
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(filepath.Join(broken, c.path), data, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := VerifyTail(t.Context(), Copied(broken), key, c.last); !errors.Is(err, c.want) {
			t.Errorf("%s, the last %d: %v", c.path, c.last, err)
		}
	}
}
