package ledger

import (
	"context"
	"fmt"

	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"

	"github.com/bailiwick-dev/bailiwick/order"
)

// Entries calls fn for the leaves of [from, to) in order, until fn returns an error, which it returns. to is at most
// Size, or it fails with ErrNoEntry. fn may keep leaf.
func (l *Ledger) Entries(ctx context.Context, from, to uint64, fn func(index uint64, leaf []byte) error) error {
	size, err := l.Size(ctx)
	if err != nil {
		return err
	}
	if to > size || from > to {
		return fmt.Errorf("%w: [%d, %d) of %d", ErrNoEntry, from, to, size)
	}
	for index := from; index < to; {
		bundle, err := readBundle(ctx, l.kept.ReadEntryBundle, index/layout.EntryBundleWidth, size)
		if err != nil {
			return err
		}
		first := index / layout.EntryBundleWidth * layout.EntryBundleWidth
		last := min(to, first+uint64(len(bundle)))
		for ; index < last; index++ {
			if err := fn(index, bundle[index-first]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Find returns the index of the leaf with this RFC 6962 leaf hash (an order.ID), the newest one when it stands more
// than once, and false when there is none. It sees all that any earlier process sequenced. It reads 32 bytes per
// entry, newest first: fast for what was lost in a crash, slow for what was never there.
func (l *Ledger) Find(ctx context.Context, leafHash [32]byte) (uint64, bool, error) {
	found, err := l.FindAll(ctx, []order.ID{leafHash}, 0)
	index, ok := found[leafHash]
	return index, ok, err
}

// FindAll looks for many orders at once, among the entries from since on, and returns the indexes of those that are
// there. A process that restarts asks for what it meant to append and had not seen answered.
func (l *Ledger) FindAll(ctx context.Context, ids []order.ID, since uint64) (map[order.ID]uint64, error) {
	// What is sequenced and not published yet counts too.
	waiting, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	if err := l.catchUp(waiting); err != nil {
		return nil, err
	}
	size, err := l.Size(ctx)
	if err != nil {
		return nil, err
	}
	wanted := make(map[order.ID]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	found := make(map[order.ID]uint64)
	for end := size; end > since && len(found) < len(wanted); {
		tile := (end - 1) / layout.TileWidth
		first := tile * layout.TileWidth
		hashes, err := l.leafHashes(ctx, tile, size)
		if err != nil {
			return nil, err
		}
		for index := end; index > max(first, since); index-- {
			id := order.ID(hashes[index-1-first])
			if _, seen := found[id]; wanted[id] && !seen {
				found[id] = index - 1
			}
		}
		end = first
	}
	return found, nil
}

// leafHashes returns the leaf hashes under one tile of the bottom level, as far as the tree of size has them.
func (l *Ledger) leafHashes(ctx context.Context, tile, size uint64) ([][]byte, error) {
	raw, err := l.kept.ReadTile(ctx, 0, tile, layout.PartialTileSize(0, tile, size))
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	var parsed api.HashTile
	if err := parsed.UnmarshalText(raw); err != nil {
		return nil, fmt.Errorf("%w: tile %d: %w", ErrCorrupted, tile, err)
	}
	if uint64(len(parsed.Nodes)) < min(size-tile*layout.TileWidth, layout.TileWidth) {
		return nil, fmt.Errorf("%w: tile %d is short", ErrCorrupted, tile)
	}
	return parsed.Nodes, nil
}
