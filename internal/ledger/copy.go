package ledger

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
)

// CopyPublic hands out the public files of a ledger as far as a tree of size entries has them: every tile and every bundle of entries,
// each under its path in tlog-tiles and as wide as that tree says, whatever has been added meanwhile. The caller has read the checkpoint
// of that size before, and keeps it beside them. Nothing is verified: an [Auditor] does that with the copy. An error of put ends it.
func CopyPublic(ctx context.Context, source Source, size uint64, put func(path string, data []byte) error) error {
	for index := uint64(0); index*layout.EntryBundleWidth < size; index++ {
		width := layout.PartialTileSize(0, index, size)
		raw, err := exactBundle(ctx, source, index, size)
		if err != nil {
			return err
		}
		if err := put(layout.EntriesPath(index, width), raw); err != nil {
			return err
		}
	}
	for level, nodes := uint64(0), size; nodes > 0; level, nodes = level+1, nodes>>layout.TileHeight {
		for index := uint64(0); index*layout.TileWidth < nodes; index++ {
			width := layout.PartialTileSize(level, index, size)
			raw, err := source.ReadTile(ctx, level, index, width)
			if err != nil {
				return unread(fmt.Sprintf("tile %d of level %d", index, level), err)
			}
			if want := int(min(nodes-index*layout.TileWidth, layout.TileWidth)) * 32; len(raw) < want {
				return fmt.Errorf("%w: tile %d of level %d is short", ErrCorrupted, index, level)
			} else if err := put(layout.TilePath(level, index, width), raw[:want]); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// exactBundle reads one bundle and cuts off what a tree of size does not have yet: where a partial bundle has given way to a fuller one,
// that is what is read.
func exactBundle(ctx context.Context, source Source, index, size uint64) ([]byte, error) {
	entries, err := readBundle(ctx, source.ReadEntryBundle, index, size)
	if err != nil {
		return nil, err
	}
	var raw []byte
	for _, e := range entries { // api.EntryBundle: a length of 16 bits before each entry
		raw = binary.BigEndian.AppendUint16(raw, uint16(len(e)))
		raw = append(raw, e...)
	}
	var again api.EntryBundle
	if err := again.UnmarshalText(raw); err != nil || len(again.Entries) != len(entries) {
		return nil, fmt.Errorf("%w: bundle %d cannot be written again", ErrCorrupted, index)
	}
	return raw, nil
}
