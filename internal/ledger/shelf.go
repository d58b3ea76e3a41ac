package ledger

import (
	"context"
	"time"
)

// shelf is where a ledger is kept: a folder that one process writes, or tables that many servers read and their leader writes. The files that
// it holds are the same, byte for byte.
type shelf interface {
	Source

	// IntegratedSize returns how many entries the tree has, published or not.
	IntegratedSize(ctx context.Context) (uint64, error)
	// add sequences leaves, durably, and returns their indexes. When it fails any of them may be in the tree.
	add(ctx context.Context, leaves [][]byte) ([]uint64, error)
	// serving returns a context that also ends when what this process has sequenced may be left to another one to publish.
	serving(ctx context.Context) (context.Context, context.CancelFunc)
	// file returns what is served to the public: a tile or a bundle of exactly that width, or fs.ErrNotExist.
	file(ctx context.Context, r resource) ([]byte, error)
	// patience is how old the published checkpoint may be that Size and Checkpoint return.
	patience() time.Duration
	// close publishes what was sequenced, where nobody else would, and frees the place.
	close(ctx context.Context) error
}

// resource names a tile or a bundle. Width 0 stands for a full one.
type resource struct {
	path         string
	entries      bool
	level, index uint64
	width        uint8
}
