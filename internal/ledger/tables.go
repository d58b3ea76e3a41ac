package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/note"
)

// Tables are where servers that share a database keep a ledger. A tile and a bundle is one row, as wide as it is by now: what is narrower is
// its beginning. All methods may be called concurrently, on every server.
type Tables interface {
	// Tree returns what was committed last.
	Tree(ctx context.Context) (Tree, error)
	// Checkpoint returns the published checkpoint, fs.ErrNotExist before the first.
	Checkpoint(ctx context.Context) ([]byte, error)
	// Tile and Bundle return a row, fs.ErrNotExist where there is none.
	Tile(ctx context.Context, level, index uint64) ([]byte, error)
	Bundle(ctx context.Context, index uint64) ([]byte, error)
}

// Office is what the leader may do with the tables in its term. Each method is a transaction: all of it is durable when it returns nil, and
// none of it when it returns ErrNotLeader; after any other error either may be the case, and Settle tells. A term that another one has
// followed changes nothing any more, however late its statements arrive.
type Office interface {
	// Settle returns the tree, once nothing of an earlier term or of an earlier call is under way, and once it is as durable as any commit.
	Settle(ctx context.Context) (Tree, error)
	// Grow replaces the tree of g.From entries by a larger one, and fails when it has not that size.
	Grow(ctx context.Context, g Growth) error
	// Publish replaces the published checkpoint by one of size entries: at least as many as the one before has, at most as many as the
	// tree. A ledger that was Elsewhere is here from then on.
	Publish(ctx context.Context, size uint64, checkpoint []byte) error
}

// Tree is the state of a ledger in tables.
type Tree struct {
	Size        uint64
	Root        [32]byte
	Published   []byte    // the checkpoint; nil before the first
	PublishedAt time.Time // by the database's clock
	Now         time.Time // likewise
	Elsewhere   bool      // it was begun in a folder, and has still to be brought in
}

// Growth is what entries add to a tree: rows that are new or wider than they were.
type Growth struct {
	From, Size uint64
	Root       [32]byte
	Tiles      []Row
	Bundles    []Row // of level 0
}

// Row is a tile or a bundle.
type Row struct {
	Level, Index uint64
	Data         []byte
}

// movedName is the file that says of a folder that its ledger goes on in a database.
const movedName = "ledger-in-database"

// tablesPatience is how old the checkpoint may be that a server shows which does not lead.
const tablesPatience = 100 * time.Millisecond

// OpenTables opens the ledger in tables, with the key in the folder keys, which is made at the very first start. It reads and proves on every
// server; AppendBatch fails with ErrNotLeader until Lead runs. It fails with ErrOrigin, ErrKey, or an error of the file system.
func OpenTables(keys string, tables Tables, opts Options) (*Ledger, error) {
	opts = opts.withDefaults()
	signer, logKey, err := loadKey(keys, keys, opts.Origin) // no checkpoint lies there: whether a key is missing, the database tells
	if err != nil {
		return nil, err
	}
	l, err := newLedger(signer.Name(), logKey, opts)
	if err != nil {
		return nil, err
	}
	l.kept = &tableShelf{tables: tables, signer: signer, policy: l.policy, opts: opts, ledger: l, log: slog.New(newSparse(opts.Log.Handler())),
		adding: make(chan *addition), turned: make(chan struct{}, 1)}
	return l, nil
}

// tableShelf keeps a ledger in tables.
type tableShelf struct {
	tables Tables
	signer note.Signer
	policy *policy
	opts   Options
	ledger *Ledger
	log    *slog.Logger

	adding chan *addition
	turned chan struct{} // the tree has grown, for who publishes

	mu   sync.Mutex
	term context.Context // while this server leads; nil else
}

func (s *tableShelf) ReadCheckpoint(ctx context.Context) ([]byte, error) {
	return s.tables.Checkpoint(ctx)
}

func (s *tableShelf) ReadTile(ctx context.Context, level, index uint64, width uint8) ([]byte, error) {
	data, err := s.tables.Tile(ctx, level, index)
	if err != nil {
		return nil, err
	}
	return narrowTile(data, width)
}

func (s *tableShelf) ReadEntryBundle(ctx context.Context, index uint64, width uint8) ([]byte, error) {
	data, err := s.tables.Bundle(ctx, index)
	if err != nil {
		return nil, err
	}
	return narrowBundle(data, width)
}

// NextIndex makes it a tessera.LogReader.
func (s *tableShelf) NextIndex(ctx context.Context) (uint64, error) { return s.IntegratedSize(ctx) }

func (s *tableShelf) IntegratedSize(ctx context.Context) (uint64, error) {
	tree, err := s.tables.Tree(ctx)
	return tree.Size, err
}

func (s *tableShelf) file(ctx context.Context, r resource) ([]byte, error) {
	if r.entries {
		return s.ReadEntryBundle(ctx, r.index, r.width)
	}
	return s.ReadTile(ctx, r.level, r.index, r.width)
}

func (s *tableShelf) patience() time.Duration { return tablesPatience }

// close has nothing to free: what was sequenced and is not published yet, the leader publishes, or the one after it.
func (s *tableShelf) close(context.Context) error { return nil }

// narrowTile returns the beginning of a tile, of that width.
func narrowTile(data []byte, width uint8) ([]byte, error) {
	want := widthOf(width) * sha256.Size
	if len(data) < want {
		return nil, fs.ErrNotExist
	}
	return data[:want], nil
}

// narrowBundle returns the first entries of a bundle, as many as width says.
func narrowBundle(data []byte, width uint8) ([]byte, error) {
	rest := data
	for range widthOf(width) {
		if len(rest) == 0 {
			return nil, fs.ErrNotExist
		}
		if len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
			return nil, fmt.Errorf("%w: a bundle ends in the middle of an entry", ErrCorrupted)
		}
		rest = rest[2+int(binary.BigEndian.Uint16(rest)):]
	}
	return bytes.Clone(data[:len(data)-len(rest)]), nil
}

func widthOf(width uint8) int {
	if width == 0 {
		return layout.TileWidth
	}
	return int(width)
}
