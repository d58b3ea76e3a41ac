package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
)

// edge is the right side of a tree in tables: all that is needed to append to it.
type edge struct {
	tree   *compact.Range
	tiles  map[uint64][]byte // by level: the tile that is not full yet
	bundle []byte            // the bundle that is not full yet
}

// loadEdge reads the right side of a tree, and checks that it bears out the root.
func loadEdge(ctx context.Context, tables Tables, t Tree) (*edge, error) {
	e := &edge{tiles: make(map[uint64][]byte)}
	parsed := make(map[uint64]*tile)
	for level := uint64(0); t.Size>>(layout.TileHeight*level) > 0; level++ {
		nodes := t.Size >> (layout.TileHeight * level)
		width := uint8(nodes % layout.TileWidth)
		if width == 0 {
			continue
		}
		raw, err := tables.Tile(ctx, level, nodes/layout.TileWidth)
		if err == nil {
			raw, err = narrowTile(raw, width)
		}
		if err != nil {
			return nil, unread(fmt.Sprintf("tile %d of level %d", nodes/layout.TileWidth, level), err)
		}
		var hashes api.HashTile
		if err := hashes.UnmarshalText(raw); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupted, err)
		}
		e.tiles[level], parsed[level] = slices.Clone(raw), newTile(hashes.Nodes)
	}
	if err := e.loadBundle(ctx, tables, t.Size); err != nil {
		return nil, err
	}
	var hashes [][]byte
	for _, id := range compact.RangeNodes(0, t.Size, nil) { // each is in one of these tiles
		level, _, height, within := layout.NodeCoordsToTileAddress(uint64(id.Level), id.Index)
		if parsed[level] == nil || within >= uint64(len(parsed[level][height])) {
			return nil, fmt.Errorf("%w: node %d of level %d is missing", ErrCorrupted, id.Index, id.Level)
		}
		hashes = append(hashes, parsed[level][height][within])
	}
	var err error
	if e.tree, err = (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewRange(0, t.Size, hashes); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if root, err := rootOf(e.tree); err != nil || root != t.Root {
		return nil, fmt.Errorf("%w: the tiles of %d entries have another root than the tree (%v)", ErrCorrupted, t.Size, err)
	}
	return e, nil
}

func (e *edge) loadBundle(ctx context.Context, tables Tables, size uint64) error {
	width := uint8(size % layout.EntryBundleWidth)
	if width == 0 {
		return nil
	}
	raw, err := tables.Bundle(ctx, size/layout.EntryBundleWidth)
	if err == nil {
		raw, err = narrowBundle(raw, width)
	}
	if err != nil {
		return unread(fmt.Sprintf("bundle %d", size/layout.EntryBundleWidth), err)
	}
	e.bundle = slices.Clip(raw)
	return nil
}

// grown returns what leaves add, and the edge after them. e stays as it is.
func (e *edge) grown(leaves [][]byte) (Growth, *edge, error) {
	tree, _ := copyTree(progress{tree: e.tree})
	next := &edge{tree: tree, tiles: make(map[uint64][]byte, len(e.tiles)), bundle: slices.Clone(e.bundle)}
	for level, raw := range e.tiles {
		next.tiles[level] = slices.Clone(raw)
	}
	g := Growth{From: tree.End()}
	changed := make(map[uint64]bool)
	visit := func(id compact.NodeID, hash []byte) {
		if id.Level%layout.TileHeight != 0 {
			return
		}
		level := uint64(id.Level / layout.TileHeight)
		next.tiles[level], changed[level] = append(next.tiles[level], hash...), true
		if len(next.tiles[level]) == layout.TileWidth*sha256.Size {
			g.Tiles = append(g.Tiles, Row{level, id.Index / layout.TileWidth, next.tiles[level]})
			delete(next.tiles, level)
			delete(changed, level)
		}
	}
	for _, leaf := range leaves {
		if err := tree.Append(rfc6962.DefaultHasher.HashLeaf(leaf), visit); err != nil {
			return g, nil, fmt.Errorf("ledger: %w", err)
		}
		next.bundle = binary.BigEndian.AppendUint16(next.bundle, uint16(len(leaf)))
		next.bundle = append(next.bundle, leaf...)
		if tree.End()%layout.EntryBundleWidth == 0 {
			g.Bundles = append(g.Bundles, Row{0, tree.End()/layout.EntryBundleWidth - 1, next.bundle})
			next.bundle = nil
		}
	}
	g.Size = tree.End()
	for level := range changed {
		g.Tiles = append(g.Tiles, Row{level, g.Size >> (layout.TileHeight * (level + 1)), next.tiles[level]})
	}
	if len(next.bundle) > 0 {
		g.Bundles = append(g.Bundles, Row{0, g.Size / layout.EntryBundleWidth, next.bundle})
	}
	var err error
	g.Root, err = rootOf(tree)
	return g, next, err
}
