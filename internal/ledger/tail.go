package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/note"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// VerifyTail checks the checkpoint's signature with the ledger's verifier key and the newest entries, at least so many as last says or all that
// there are: with the tiles of what is before them they have to come to the signed root. It reads little, however long the ledger is, and
// says nothing of the entries before. It fails as [Verify] does.
func VerifyTail(ctx context.Context, source Source, logKey string, last uint64) error {
	key, err := note.NewVerifier(logKey)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	verifier, err := proof.New(key.Name(), logKey, nil, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	signed, err := source.ReadCheckpoint(ctx)
	if err != nil {
		return unread("the checkpoint", err)
	}
	c, err := verifier.Checkpoint(signed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupted, err)
	}
	first := (c.Size - min(last, c.Size)) / layout.EntryBundleWidth * layout.EntryBundleWidth
	var hashes [][]byte
	for _, id := range compact.RangeNodes(0, first, nil) {
		h, err := nodeOf(ctx, source, uint64(id.Level), id.Index, c.Size)
		if err != nil {
			return err
		}
		hashes = append(hashes, h)
	}
	tree, err := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewRange(0, first, hashes)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	for tree.End() < c.Size {
		entries, err := readBundle(ctx, source.ReadEntryBundle, tree.End()/layout.EntryBundleWidth, c.Size)
		if err != nil {
			return err
		}
		for _, leaf := range entries {
			if err := tree.Append(rfc6962.DefaultHasher.HashLeaf(leaf), nil); err != nil {
				return fmt.Errorf("ledger: %w", err)
			}
		}
	}
	root, err := rootOf(tree)
	if err == nil && root != c.Root {
		err = fmt.Errorf("%w: the last %d entries and the tiles before them come to another root of %d entries", ErrCorrupted, c.Size-first, c.Size)
	}
	return errors.Join(err, ctx.Err())
}

// nodeOf reads one node of the tree of size from the tile that it is in.
func nodeOf(ctx context.Context, source Source, level, index, size uint64) ([]byte, error) {
	tileLevel, tileIndex, height, within := layout.NodeCoordsToTileAddress(level, index)
	what := fmt.Sprintf("tile %d of level %d", tileIndex, tileLevel)
	raw, err := source.ReadTile(ctx, tileLevel, tileIndex, layout.PartialTileSize(tileLevel, tileIndex, size))
	if err != nil {
		return nil, unread(what, err)
	}
	var parsed api.HashTile
	if err := parsed.UnmarshalText(raw); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupted, what, err)
	}
	nodes := parsed.Nodes
	for range height {
		var parents [][]byte
		for i := 0; i+1 < len(nodes); i += 2 {
			parents = append(parents, rfc6962.DefaultHasher.HashChildren(nodes[i], nodes[i+1]))
		}
		nodes = parents
	}
	if within >= uint64(len(nodes)) {
		return nil, fmt.Errorf("%w: %s is short", ErrCorrupted, what)
	}
	return nodes[within], nil
}
