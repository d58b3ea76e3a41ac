package ledger

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"
)

// Source reads the public files of a ledger; client.FileFetcher and client.HTTPFetcher of Tessera are Sources.
type Source interface {
	ReadCheckpoint(ctx context.Context) ([]byte, error)
	ReadEntryBundle(ctx context.Context, index uint64, width uint8) ([]byte, error)
}

// Folder returns the Source of the ledger in dir, as Open takes it. It may be read while another process writes.
func Folder(dir string) Source { return client.FileFetcher{Root: filepath.Join(dir, "log")} }

// Verified is a ledger whose entries bear out its signed checkpoint.
type Verified struct {
	Origin  string
	Entries uint64 // all were read, and all are in Root
	Root    [32]byte
}

// Verify checks the checkpoint's signature with the ledger's verifier key, reads every entry, and recomputes the root
// from nothing but them. visit, when not nil, sees each leaf in order; its error ends the run. It fails with
// ErrCorrupted when signature, entries and root do not agree, and with ErrKey for a key that is none.
func Verify(ctx context.Context, source Source, logKey string, visit func(index uint64, leaf []byte) error) (Verified, error) {
	verifier, err := note.NewVerifier(logKey)
	if err != nil {
		return Verified{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	raw, err := source.ReadCheckpoint(ctx)
	if err != nil {
		return Verified{}, fmt.Errorf("ledger: reading the checkpoint: %w", err)
	}
	signed, _, _, err := log.ParseCheckpoint(raw, verifier.Name(), verifier)
	if err != nil {
		return Verified{}, fmt.Errorf("%w: %w", ErrCorrupted, err)
	}
	tree := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for tree.End() < signed.Size {
		if err := ctx.Err(); err != nil {
			return Verified{}, err
		}
		if err := appendBundle(ctx, source, tree, signed.Size, visit); err != nil {
			return Verified{}, err
		}
	}
	root, err := tree.GetRootHash(nil)
	if err != nil {
		return Verified{}, fmt.Errorf("ledger: %w", err)
	}
	if signed.Size == 0 {
		root = rfc6962.DefaultHasher.EmptyRoot()
	}
	if !bytes.Equal(root, signed.Hash) {
		return Verified{}, fmt.Errorf("%w: the root of %d entries is another one", ErrCorrupted, signed.Size)
	}
	return Verified{Origin: signed.Origin, Entries: signed.Size, Root: [32]byte(root)}, nil
}

// appendBundle adds the next bundle's leaves to tree.
func appendBundle(
	ctx context.Context, source Source, tree *compact.Range, size uint64, visit func(uint64, []byte) error,
) error {
	entries, err := readBundle(ctx, source.ReadEntryBundle, tree.End()/layout.EntryBundleWidth, size)
	if err != nil {
		return err
	}
	for _, leaf := range entries {
		at := tree.End()
		if err := tree.Append(rfc6962.DefaultHasher.HashLeaf(leaf), nil); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		if visit != nil {
			if err := visit(at, leaf); err != nil {
				return err
			}
		}
	}
	return nil
}

// readBundle returns the entries of one bundle, as far as the tree of size has them.
func readBundle(ctx context.Context, read client.EntryBundleFetcherFunc, index, size uint64) ([][]byte, error) {
	raw, err := read(ctx, index, layout.PartialTileSize(0, index, size))
	if err != nil {
		return nil, fmt.Errorf("ledger: reading bundle %d: %w", index, err)
	}
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(raw); err != nil {
		return nil, fmt.Errorf("%w: bundle %d: %w", ErrCorrupted, index, err)
	}
	want := min(size-index*layout.EntryBundleWidth, layout.EntryBundleWidth)
	if uint64(len(bundle.Entries)) < want {
		return nil, fmt.Errorf("%w: bundle %d has %d entries, not %d", ErrCorrupted, index, len(bundle.Entries), want)
	}
	return bundle.Entries[:want], nil
}

// Remote returns the Source of a ledger served at a base URL, such as https://trust.example.com/ledger/.
func Remote(base string) (Source, error) {
	root, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return client.NewHTTPFetcher(root, &http.Client{Timeout: 30 * time.Second})
}
