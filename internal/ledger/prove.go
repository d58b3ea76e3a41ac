package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/transparency-dev/formats/proof"
	merkle "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
)

// cachedTiles bounds the memory for proofs: 512 tiles of at most 16 KiB.
const cachedTiles = 512

// tileKey names a tile at one width. A tile of a given width never changes, so it serves every checkpoint.
type tileKey struct {
	level, index uint64
	width        uint8
}

// tile has the nodes of one tile: tile[0] is what the file has, tile[n+1] are the parents of tile[n] as far as both
// children are there. Tessera's own proof builder hashes these anew for every proof.
type tile [layout.TileHeight + 1][][]byte

// Proof returns the C2SP tlog-proof of the leaf at index for a published checkpoint that covers it. It fails with
// ErrNoEntry when none does, and with ErrCorrupted when the tiles do not bear the checkpoint out: no device sees such a proof.
func (l *Ledger) Proof(ctx context.Context, index uint64) ([]byte, error) {
	// Any checkpoint that covers index will do; only when ours does not is it worth looking for a newer one.
	c := l.published.current.Load()
	if c == nil || index >= c.size {
		var err error
		if c, err = l.newestSince(ctx, time.Now()); err != nil {
			return nil, err
		}
	}
	if index >= c.size {
		return nil, fmt.Errorf("%w: %d of %d", ErrNoEntry, index, c.size)
	}
	nodes, err := merkle.Inclusion(index, c.size)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	hashes := make([][]byte, len(nodes.IDs))
	for i, id := range nodes.IDs {
		if hashes[i], err = l.node(ctx, uint64(id.Level), id.Index, c.size); err != nil {
			return nil, err
		}
	}
	if hashes, err = nodes.Rehash(hashes, rfc6962.DefaultHasher.HashChildren); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	leaf, err := l.node(ctx, 0, index, c.size)
	if err != nil {
		return nil, err
	}
	if err := merkle.VerifyInclusion(rfc6962.DefaultHasher, index, c.size, leaf, hashes, c.root[:]); err != nil {
		return nil, fmt.Errorf("%w: the tiles do not prove entry %d of %d; restore the ledger's folder from a copy: %w", ErrCorrupted, index, c.size, err)
	}
	p := proof.TLogProof{Index: index, Checkpoint: c.raw, Hashes: make([][32]byte, len(hashes))}
	for i, h := range hashes {
		p.Hashes[i] = [32]byte(h)
	}
	return p.Marshal(), nil
}

// node returns one node of the tree of size.
func (l *Ledger) node(ctx context.Context, level, index, size uint64) ([]byte, error) {
	tileLevel, tileIndex, height, within := layout.NodeCoordsToTileAddress(level, index)
	t, err := l.tile(ctx, tileKey{tileLevel, tileIndex, layout.PartialTileSize(tileLevel, tileIndex, size)})
	if err != nil {
		return nil, err
	}
	if within >= uint64(len(t[height])) {
		return nil, fmt.Errorf("%w: tile %d of level %d is short", ErrCorrupted, tileIndex, tileLevel)
	}
	return t[height][within], nil
}

func (l *Ledger) tile(ctx context.Context, key tileKey) (*tile, error) {
	if t, ok := l.tiles.Get(key); ok {
		return t, nil
	}
	raw, err := l.kept.ReadTile(ctx, key.level, key.index, key.width)
	if err != nil {
		return nil, fmt.Errorf("ledger: reading tile %d of level %d: %w", key.index, key.level, err)
	}
	var parsed api.HashTile
	if err := parsed.UnmarshalText(raw); err != nil {
		return nil, fmt.Errorf("%w: tile %d of level %d: %w", ErrCorrupted, key.index, key.level, err)
	}
	t := newTile(parsed.Nodes)
	l.tiles.Add(key, t)
	return t, nil
}

// newTile computes the parents.
func newTile(nodes [][]byte) *tile {
	t := new(tile)
	t[0] = nodes
	for height := range layout.TileHeight {
		for i := 0; i+1 < len(t[height]); i += 2 {
			t[height+1] = append(t[height+1], rfc6962.DefaultHasher.HashChildren(t[height][i], t[height][i+1]))
		}
	}
	return t
}
