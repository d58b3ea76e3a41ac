package ledger_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
)

const origin = "ledger.bailiwick.example/test"

func open(t testing.TB, dir string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), dir, ledger.Options{Origin: origin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeLedger(t, l) })
	return l
}

func closeLedger(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	if err := l.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

func leaf(n int) []byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return append([]byte(fmt.Sprintf("leaf %d ", n)), sum[:]...)
}

func leaves(from, to int) [][]byte {
	var out [][]byte
	for n := from; n < to; n++ {
		out = append(out, leaf(n))
	}
	return out
}

// Every appended leaf is proved offline by the device's own verifier, and the whole ledger bears out its checkpoint.
func TestAppendProveVerify(t *testing.T) {
	inBoth(t, func(t *testing.T, p *place) {
		l := p.open(t)
		if size, err := l.Size(t.Context()); err != nil || size != 0 {
			t.Fatalf("a new ledger has %d entries, %v", size, err)
		}
		verifier, err := proof.New(l.Origin(), l.LogKey(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		const n = 700 // two full bundles and a partial one
		indexes, err := l.AppendBatch(t.Context(), leaves(0, n))
		if err != nil {
			t.Fatal(err)
		}
		if size, _ := l.Size(t.Context()); size < n {
			t.Fatalf("the checkpoint covers %d of %d entries that were acknowledged", size, n)
		}
		for i, index := range indexes {
			text, err := l.Proof(t.Context(), index)
			if err != nil {
				t.Fatal(err)
			}
			checked, err := verifier.Verify(leaf(i), text)
			if err != nil || checked.Index != index || checked.Size != n {
				t.Fatalf("leaf %d: %+v, %v", i, checked, err)
			}
			if _, err := verifier.Verify(leaf(i+1), text); !errors.Is(err, proof.ErrInclusion) {
				t.Fatalf("the proof of leaf %d proves leaf %d: %v", i, i+1, err)
			}
		}
		if _, err := l.Proof(t.Context(), n); !errors.Is(err, ledger.ErrNoEntry) {
			t.Errorf("proof behind the end: %v", err)
		}
		seen := 0
		got, err := ledger.Verify(t.Context(), p.public(t, l), l.LogKey(), func(index uint64, data []byte) error {
			if index != uint64(seen) || string(data) != string(leaf(seen)) {
				return fmt.Errorf("entry %d is not the one that was appended", index)
			}
			seen++
			return nil
		})
		if err != nil || got.Entries != n || seen != n || got.Origin != origin {
			t.Errorf("%+v, %d seen, %v", got, seen, err)
		}
	})
}

func TestConcurrentAppends(t *testing.T) {
	inBoth(t, func(t *testing.T, p *place) {
		l := p.open(t)
		var wg sync.WaitGroup
		indexes := make([]uint64, 300)
		for n := range indexes {
			wg.Go(func() {
				var err error
				if indexes[n], err = l.Append(t.Context(), leaf(n)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		taken := make(map[uint64]bool)
		for n, index := range indexes {
			if taken[index] {
				t.Fatalf("index %d was given twice", index)
			}
			taken[index] = true
			if got, found, err := l.Find(t.Context(), order.LeafID(leaf(n))); err != nil || !found || got != index {
				t.Fatalf("leaf %d: found %v at %d, appended at %d, %v", n, found, got, index, err)
			}
		}
	})
}

func TestEntriesAndFind(t *testing.T) {
	inBoth(t, func(t *testing.T, p *place) {
		l := p.open(t)
		if _, err := l.AppendBatch(t.Context(), leaves(0, 600)); err != nil {
			t.Fatal(err)
		}
		next := 250
		err := l.Entries(t.Context(), 250, 530, func(index uint64, data []byte) error {
			if index != uint64(next) || string(data) != string(leaf(next)) {
				t.Fatalf("entry %d is out of place", index)
			}
			next++
			return nil
		})
		if err != nil || next != 530 {
			t.Errorf("stopped at %d: %v", next, err)
		}
		stop := errors.New("enough")
		if err := l.Entries(t.Context(), 0, 2, func(uint64, []byte) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("the visitor's error was lost: %v", err)
		}
		if err := l.Entries(t.Context(), 0, 601, nil); !errors.Is(err, ledger.ErrNoEntry) {
			t.Errorf("entries behind the end: %v", err)
		}
		ids := []order.ID{order.LeafID(leaf(3)), order.LeafID(leaf(599)), order.LeafID([]byte("never appended"))}
		found, err := l.FindAll(t.Context(), ids, 0)
		if err != nil || len(found) != 2 || found[ids[0]] != 3 || found[ids[1]] != 599 {
			t.Errorf("found %v, %v", found, err)
		}
		found, err = l.FindAll(t.Context(), ids, 4)
		if err != nil || len(found) != 1 || found[ids[1]] != 599 {
			t.Errorf("from entry 4 on, found %v, %v", found, err)
		}
	})
}

func TestRefusesBadLeavesAndLateAppends(t *testing.T) {
	inBoth(t, func(t *testing.T, p *place) {
		l := p.open(t)
		for _, bad := range [][]byte{nil, {}, make([]byte, order.MaxLeaf+1)} {
			if _, err := l.Append(t.Context(), bad); !errors.Is(err, ledger.ErrTooLarge) {
				t.Errorf("%d bytes: %v", len(bad), err)
			}
		}
		closeLedger(t, l)
		if _, err := l.Append(t.Context(), leaf(1)); !errors.Is(err, ledger.ErrClosed) {
			t.Errorf("append after close: %v", err)
		}
	})
}

// More entries than the queue holds wait, and all arrive.
func TestQueueIsCapped(t *testing.T) {
	inBoth(t, func(t *testing.T, p *place) {
		l := p.openWith(t, ledger.Options{Origin: origin, MaxQueue: 64})
		indexes, err := l.AppendBatch(t.Context(), leaves(0, 200))
		if err != nil || len(indexes) != 200 {
			t.Fatalf("%d indexes, %v", len(indexes), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.AppendBatch(ctx, leaves(200, 201)); !errors.Is(err, context.Canceled) {
			t.Errorf("append with an ended context: %v", err)
		}
	})
}

func TestOneProcessOneKeyOneOrigin(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if _, err := ledger.Open(t.Context(), dir, ledger.Options{Origin: origin}); !errors.Is(err, ledger.ErrInUse) {
		t.Errorf("second open: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, "ledger.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
	if _, err := l.Append(t.Context(), leaf(0)); err != nil {
		t.Fatal(err)
	}
	key := l.LogKey()
	closeLedger(t, l)

	if _, err := ledger.Open(t.Context(), dir, ledger.Options{Origin: "another.example"}); !errors.Is(err, ledger.ErrOrigin) {
		t.Errorf("another origin: %v", err)
	}
	l, err = ledger.Open(t.Context(), dir, ledger.Options{}) // the origin is known by now
	if err != nil || l.LogKey() != key || l.Origin() != origin {
		t.Fatalf("reopened as %v: %v", l, err)
	}
	closeLedger(t, l)

	if err := os.Chmod(filepath.Join(dir, "ledger.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Open(t.Context(), dir, ledger.Options{}); !errors.Is(err, ledger.ErrKey) {
		t.Errorf("a key that others can read: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "ledger.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Open(t.Context(), dir, ledger.Options{Origin: origin}); !errors.Is(err, ledger.ErrKey) {
		t.Errorf("a lost key: %v", err)
	}
	if _, err := ledger.Open(t.Context(), t.TempDir(), ledger.Options{}); !errors.Is(err, ledger.ErrOrigin) {
		t.Errorf("a new ledger without a name: %v", err)
	}
}

// A changed entry, a changed checkpoint and a missing bundle are found.
func TestVerifyFindsTampering(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if _, err := l.AppendBatch(t.Context(), leaves(0, 300)); err != nil {
		t.Fatal(err)
	}
	key := l.LogKey()
	closeLedger(t, l)
	verify := func() error {
		_, err := ledger.Verify(t.Context(), ledger.Folder(dir), key, nil)
		return err
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	change := func(name string, edit func([]byte) []byte) (undo func()) {
		path := filepath.Join(dir, "log", filepath.FromSlash(name))
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, edit(append([]byte(nil), before...)), 0o600); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.WriteFile(path, before, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	undo := change("tile/entries/000", func(b []byte) []byte { b[10] ^= 1; return b })
	if err := verify(); !errors.Is(err, ledger.ErrCorrupted) {
		t.Errorf("a changed entry: %v", err)
	}
	undo()
	undo = change("checkpoint", func(b []byte) []byte { return []byte(strings.Replace(string(b), "\n300\n", "\n299\n", 1)) })
	if err := verify(); !errors.Is(err, ledger.ErrCorrupted) {
		t.Errorf("a changed checkpoint: %v", err)
	}
	undo()
	undo = change("tile/entries/000", func(b []byte) []byte { return b[:42] })
	if err := verify(); !errors.Is(err, ledger.ErrCorrupted) {
		t.Errorf("a short bundle: %v", err)
	}
	undo()
	if err := verify(); err != nil {
		t.Errorf("undone: %v", err)
	}
	if _, err := ledger.Verify(t.Context(), ledger.Folder(dir), "no key", nil); !errors.Is(err, ledger.ErrKey) {
		t.Errorf("no key: %v", err)
	}
}
