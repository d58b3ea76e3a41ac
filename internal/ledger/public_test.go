package ledger_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// What only one reader was shown, under the ledger's own key, is not in the ledger that everybody is shown.
func TestPublic(t *testing.T) {
	secret, public := t.TempDir(), t.TempDir()
	l := open(t, secret)
	if err := os.MkdirAll(public, 0o700); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(secret, "ledger.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(public, "ledger.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	other := open(t, public)
	v, err := proof.New(origin, l.LogKey(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	add := func(l *ledger.Ledger, from, to int) {
		t.Helper()
		if _, err := l.AppendBatch(t.Context(), leaves(from, to)); err != nil {
			t.Fatal(err)
		}
	}
	add(l, 0, 3)
	text, err := l.Proof(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	leaf := leaves(2, 3)[0]
	check := func(what, dir string, leaf []byte, want error) {
		t.Helper()
		if err := ledger.Public(t.Context(), ledger.Folder(dir), v, leaf, text); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	check("its own ledger", secret, leaf, nil)
	check("a public one that ends before", public, leaf, ledger.ErrShrank)
	add(other, 7, 10)
	check("another of the same size", public, leaf, ledger.ErrForked)
	add(other, 10, 20)
	check("another that went on", public, leaf, ledger.ErrForked)
	add(l, 3, 20)
	check("its own, which went on", secret, leaf, nil)
	check("another leaf", secret, leaves(1, 2)[0], proof.ErrInclusion)
}
