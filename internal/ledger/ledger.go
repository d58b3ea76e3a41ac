// Package ledger keeps the public transparency log: a C2SP tlog-tiles log whose leaves are orders (order.Leaf).
//
// It is in one folder, written by Tessera's POSIX driver (Open), which holds
//
//	ledger.lock   locked by the one process that writes
//	ledger.key    the note signing key, mode 0600, made at the first start
//	log/          checkpoint, tiles and the verifier key: public, what Handler serves
//
// or in the tables of a database that many servers share (OpenTables), of which one leads and appends (Lead). What the public is served is the
// same, byte for byte, whoever serves it. The key stays in a folder that each server has a copy of.
//
// What Append returned is durable and covered by a published checkpoint, through a kill at any moment. What an Append
// had under way when the process died, or when it returned an error, may or may not be in the ledger: Find tells, and
// telling is all that is needed, since equal leaves have equal hashes. The caller keeps its own record of what it
// meant to append; the ledger holds no intents.
//
// With witnesses (Options.Witnesses) a checkpoint is published once a quorum has cosigned it, and Append waits for that: a
// witness that does not answer delays, and never lets anything through.
//
// Only one process writes: Open refuses a folder that another one has open, and tables take nothing but from the leader, in transactions that its
// term guards. Verify needs nothing but the public files.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/semaphore"
	"k8s.io/klog/v2"

	"github.com/bailiwick-dev/bailiwick/order"
)

// The errors of this package, besides those of the file system.
var (
	ErrInUse     = errors.New("ledger: another process has this ledger open; stop it, or choose another folder")
	ErrClosed    = errors.New("ledger: it is closed")
	ErrOrigin    = errors.New("ledger: it was started under another origin; an origin is for life")
	ErrKey       = errors.New("ledger: the signing key cannot be used")
	ErrTooLarge  = errors.New("ledger: a leaf has 1 to 512 bytes")
	ErrNoEntry   = errors.New("ledger: no published entry has this index")
	ErrCorrupted = errors.New("ledger: the files do not bear out the signed checkpoint")
	ErrWitnesses = errors.New("ledger: too few witnesses cosigned, and without them nothing is published")
	ErrNotLeader = errors.New("ledger: another server leads, and it alone appends")
	ErrMoved     = errors.New("ledger: this one was brought into the database, and goes on there; start the server with --database")
	ErrElsewhere = errors.New("ledger: it is still in the data folder of the server that kept it; start that one first, with --database, so that it brings it into the database")
)

// publishWait is how long an Append waits for its checkpoint, which is due within CheckpointInterval: if it does not come,
// the disk takes no more, and whoever waits should know.
const publishWait = 30 * time.Second

// Options are what a ledger may be opened with. Zero fields have defaults.
type Options struct {
	Origin string // the ledger's name, a schema-less URL by custom; needed at the first start

	CheckpointInterval time.Duration // least time between checkpoints; 100 ms, which is the least that Tessera allows
	BatchSize          uint          // entries sequenced at once; 1024
	BatchAge           time.Duration // how long the first entry of a batch waits for more; 20 ms
	MaxQueue           int64         // entries under way; Append waits beyond that; 16384

	// Witnesses cosign each checkpoint before it is published (C2SP tlog-witness), at least Quorum of them; nothing is
	// published without. Quorum 0 stands for more than half, so that no two quorums are without a witness in common.
	Witnesses []Witness
	Quorum    int
	// Witnessed hears how each request to a witness ended: nil, or why there is no cosignature. It must not block.
	Witnessed func(w Witness, err error)

	// Log receives Tessera's own messages. They go through klog, which is one for the process: the first Open says
	// where to. Nil drops them.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.CheckpointInterval == 0 {
		o.CheckpointInterval = 100 * time.Millisecond
	}
	if o.BatchSize == 0 {
		o.BatchSize = 1024
	}
	if o.BatchAge == 0 {
		o.BatchAge = 20 * time.Millisecond
	}
	if o.MaxQueue == 0 {
		o.MaxQueue = 16384
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Ledger is an open ledger. All methods may be called concurrently.
type Ledger struct {
	origin string
	logKey string
	opts   Options
	policy *policy
	kept   shelf

	room *semaphore.Weighted // of MaxQueue; Tessera's own pushback does nothing on POSIX

	closing sync.RWMutex // read-held by every Append, so that Close waits for them
	closed  bool

	published published
	tiles     *lru.Cache[tileKey, *tile] // for proofs
}

// quiet routes klog, which Tessera writes to and which is one for the process.
var quiet sync.Once

// hush sends Tessera's own messages to a log, once in a process; nil drops them.
func hush(log *slog.Logger) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	quiet.Do(func() { klog.SetSlogLogger(slog.New(newSparse(log.Handler()))) })
}

// Open opens the ledger in dir, creating both if need be, and brings the checkpoint up to what a killed process had
// sequenced. ctx bounds the opening only. It fails with ErrInUse, ErrBehind, ErrOrigin, ErrKey,
// ErrCorrupted or an error of the file system.
func Open(ctx context.Context, dir string, opts Options) (_ *Ledger, err error) {
	opts = opts.withDefaults()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = lock.Close() // frees the lock
		}
	}()
	if behind, err := Behind(dir); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	} else if behind {
		return nil, fmt.Errorf("%w (%s)", ErrBehind, dir)
	}
	root := filepath.Join(dir, "log")
	signer, logKey, err := loadKey(dir, root, opts.Origin)
	if err != nil {
		return nil, err
	}
	if err := writePublicKey(root, logKey); err != nil {
		return nil, err
	}
	l, err := newLedger(signer.Name(), logKey, opts)
	if err != nil {
		return nil, err
	}
	kept, err := openFolder(ctx, dir, signer, l.policy, opts)
	if err != nil {
		return nil, err
	}
	kept.lock, l.kept = lock, kept
	if err := l.firstCheckpoint(ctx); err != nil {
		kept.cancel()
		return nil, err
	}
	return l, nil
}

// newLedger is a ledger that is kept nowhere yet.
func newLedger(origin, logKey string, opts Options) (*Ledger, error) {
	policy, err := newPolicy(origin, logKey, opts)
	if err != nil {
		return nil, err
	}
	hush(opts.Log) // before Tessera says anything
	tiles, err := lru.New[tileKey, *tile](cachedTiles)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return &Ledger{origin: origin, logKey: logKey, policy: policy, opts: opts, room: semaphore.NewWeighted(opts.MaxQueue), tiles: tiles}, nil
}

// catchUp waits until the published checkpoint covers all that was sequenced before a crash.
func (l *Ledger) catchUp(ctx context.Context) error {
	size, err := l.kept.IntegratedSize(ctx)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	_, err = l.awaitSize(ctx, size)
	return err
}

// Origin returns the ledger's name: the first line of its checkpoints.
func (l *Ledger) Origin() string { return l.origin }

// LogKey returns the verifier key (C2SP signed-note) that devices and auditors check checkpoints with.
func (l *Ledger) LogKey() string { return l.logKey }

// Append adds a leaf and returns its index once a durable, published checkpoint covers it. When it fails, the leaf may
// or may not be in the ledger: see Find. Concurrent calls share batches and checkpoints.
func (l *Ledger) Append(ctx context.Context, leaf []byte) (uint64, error) {
	indexes, err := l.AppendBatch(ctx, [][]byte{leaf})
	if err != nil {
		return 0, err
	}
	return indexes[0], nil
}

// AppendBatch adds leaves, in this order but not always side by side, and returns their indexes once a durable,
// published checkpoint covers all of them. When it fails, any of them may be in the ledger: see Find. It waits while
// more than MaxQueue entries are under way.
func (l *Ledger) AppendBatch(ctx context.Context, leaves [][]byte) ([]uint64, error) {
	for _, leaf := range leaves {
		if len(leaf) == 0 || len(leaf) > order.MaxLeaf {
			return nil, fmt.Errorf("%w, not %d", ErrTooLarge, len(leaf))
		}
	}
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return nil, ErrClosed
	}
	indexes := make([]uint64, 0, len(leaves))
	highest := uint64(0)
	for len(leaves) > 0 {
		n := min(int64(len(leaves)), l.opts.MaxQueue)
		sequenced, err := l.sequence(ctx, leaves[:n])
		if err != nil {
			return nil, err
		}
		for _, i := range sequenced {
			highest = max(highest, i)
		}
		indexes, leaves = append(indexes, sequenced...), leaves[n:]
	}
	if len(indexes) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	ctx, leave := l.kept.serving(ctx)
	defer leave()
	if _, err := l.awaitSize(ctx, highest+1); err != nil {
		return nil, err
	}
	return indexes, nil
}

// sequence queues at most MaxQueue leaves and waits for their indexes.
func (l *Ledger) sequence(ctx context.Context, leaves [][]byte) ([]uint64, error) {
	if err := l.room.Acquire(ctx, int64(len(leaves))); err != nil {
		return nil, fmt.Errorf("ledger: nothing was queued: %w", err)
	}
	defer l.room.Release(int64(len(leaves)))
	return l.kept.add(ctx, leaves)
}

// Close waits for every Append under way and for the checkpoint that covers it, and frees the folder. A leader closes before it stops leading. ctx bounds the
// waiting for the checkpoint. After it every Append fails with ErrClosed. Closing twice does nothing.
func (l *Ledger) Close(ctx context.Context) error {
	l.closing.Lock()
	defer l.closing.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return l.kept.close(ctx)
}
