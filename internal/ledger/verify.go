package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// Verified is a ledger whose entries and tiles bear out its signed checkpoint.
type Verified struct {
	Origin  string
	Entries uint64 // all were read, and all are in Root
	Root    [32]byte
}

// Verify checks the checkpoint's signature with the ledger's verifier key, reads every entry, recomputes the root from nothing
// but them, and compares every tile. visit, when not nil, sees each leaf in order; its error ends the run. It fails with
// ErrCorrupted when signature, entries, tiles and root do not agree, and with ErrKey for a key that is none. An Auditor
// does this again and again, with witnesses and a memory.
func Verify(ctx context.Context, source Source, logKey string, visit func(index uint64, leaf []byte) error) (Verified, error) {
	key, err := note.NewVerifier(logKey)
	if err != nil {
		return Verified{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	verifier, err := proof.New(key.Name(), logKey, nil, 0)
	if err != nil {
		return Verified{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	a, err := NewAuditor(source, verifier, nil, time.Now).Audit(ctx, visit)
	return Verified{Origin: key.Name(), Entries: a.Size, Root: a.Root}, err
}

// readBundle returns the entries of one bundle, as far as the tree of size has them.
func readBundle(ctx context.Context, read client.EntryBundleFetcherFunc, index, size uint64) ([][]byte, error) {
	raw, err := read(ctx, index, layout.PartialTileSize(0, index, size))
	if err != nil {
		return nil, unread(fmt.Sprintf("bundle %d", index), err)
	}
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(raw); err != nil {
		return nil, fmt.Errorf("%w: bundle %d: %w", ErrCorrupted, index, err)
	}
	want := min(size-index*layout.EntryBundleWidth, layout.EntryBundleWidth)
	if n := len(bundle.Entries); uint64(n) < want || n > layout.EntryBundleWidth {
		return nil, fmt.Errorf("%w: bundle %d has %d entries, not %d", ErrCorrupted, index, len(bundle.Entries), want)
	}
	return bundle.Entries[:want], nil
}

// unread tells what is missing, which breaks a ledger, from what could not be fetched now.
func unread(what string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is missing", ErrCorrupted, what)
	}
	return fmt.Errorf("ledger: reading %s: %w", what, err)
}
