package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"github.com/bailiwick-dev/bailiwick/internal/durable"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// behindName is the mark of a ledger that was put back from a backup and may lack entries that the public has seen.
const behindName = "restored-and-behind"

// ErrBehind says that a ledger was put back from a backup and has not caught up with what was published since.
var ErrBehind = errors.New("ledger: it was put back from a backup, and may lack what was published since: to go on now could show the public two histories")

// MarkBehind keeps the ledger in dir, which is made if need be, from being opened until [Rebuild] or [Unmark] ends that.
func MarkBehind(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	text := "This ledger was put back from a backup: see bailiwick restore.\n"
	if err := durable.WriteFile(filepath.Join(dir, behindName), []byte(text), 0o600); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Unmark takes the mark of [MarkBehind] away.
func Unmark(dir string) error {
	err := os.Remove(filepath.Join(dir, behindName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ledger: %w", err)
	}
	return durable.SyncFolder(dir)
}

// Behind reports whether the ledger in dir has the mark of [MarkBehind].
func Behind(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, behindName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// InUse reports whether a process has the ledger in dir open.
func InUse(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("ledger: %w", err)
	}
	defer f.Close() // and with it the lock, if it was free
	return lockHeld(f)
}

// Contained is a ledger that was read as a whole, and held to checkpoints that others have.
type Contained struct {
	Verified
	Signed []byte // its checkpoint
}

// Contains reads a whole ledger, as [Verify] does, and finds each of the given signed checkpoints at its beginning: that is what makes it
// a ledger that may go on. It fails with ErrShrank when one of them has more entries, with ErrForked when one has another root, and as
// Verify does.
func Contains(ctx context.Context, source Source, logKey string, checkpoints [][]byte) (Contained, error) {
	key, err := note.NewVerifier(logKey)
	if err != nil {
		return Contained{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	verifier, err := proof.New(key.Name(), logKey, nil, 0)
	if err != nil {
		return Contained{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	known := make(map[uint64][32]byte)
	for _, signed := range checkpoints {
		c, err := verifier.Checkpoint(signed)
		if err != nil {
			return Contained{}, fmt.Errorf("%w: a checkpoint that it is to be held to: %w", ErrCorrupted, err)
		}
		if root, twice := known[c.Size]; twice && root != c.Root {
			return Contained{}, fmt.Errorf("%w: the same key signed two roots of %d entries", ErrForked, c.Size)
		}
		known[c.Size] = c.Root
	}
	tree := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	look := func() error {
		want, asked := known[tree.End()]
		if !asked {
			return nil
		}
		delete(known, tree.End())
		if root, err := rootOf(tree); err != nil || root != want {
			return fmt.Errorf("%w: the first %d entries are others than a published checkpoint says", ErrForked, tree.End())
		}
		return nil
	}
	if err := look(); err != nil {
		return Contained{}, err
	}
	found, err := NewAuditor(source, verifier, nil, time.Now).Audit(ctx, func(_ uint64, leaf []byte) error {
		if err := tree.Append(rfc6962.DefaultHasher.HashLeaf(leaf), nil); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		return look()
	})
	if err != nil {
		return Contained{}, err
	}
	for size := range known {
		return Contained{}, fmt.Errorf("%w: %d, and a published checkpoint has %d", ErrShrank, found.Size, size)
	}
	return Contained{Verified{Origin: key.Name(), Entries: found.Size, Root: found.Root}, found.Signed}, nil
}

// Rebuild makes the ledger of dir anew from public files that c was found in, so that it goes on with the same tree, and takes the mark of
// [MarkBehind] away last. The signing key has to be in dir when the ledger is opened; Rebuild neither reads nor makes it. dir may hold
// what an earlier Rebuild left that was cut short. The files may have grown since c: what is built has c's size and root.
func Rebuild(ctx context.Context, dir string, source Source, logKey string, c Contained) error {
	hush(nil)
	root := filepath.Join(dir, "log")
	if err := os.RemoveAll(root + ".new"); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if err := writePublicKey(root+".new", logKey); err != nil {
		return err
	}
	driver, err := posix.New(ctx, posix.Config{Path: root + ".new"})
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if c.Entries > 0 { // of none there is nothing to take over
		target, err := tessera.NewMigrationTarget(ctx, driver, tessera.NewMigrationOptions())
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		exact := func(ctx context.Context, index uint64, _ uint8) ([]byte, error) {
			return exactBundle(ctx, source, index, c.Entries)
		}
		if err := target.Migrate(ctx, 4, c.Entries, c.Root[:], exact); err != nil {
			return fmt.Errorf("ledger: it could not be built: %w", err)
		}
		checkpoint := filepath.Join(root+".new", layout.CheckpointPath)
		if err := os.WriteFile(checkpoint, bytes.Clone(c.Signed), 0o644); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	if err := durable.SyncTree(root + ".new"); err != nil {
		return err
	}
	if err := os.RemoveAll(root); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if err := os.Rename(root+".new", root); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if err := durable.SyncFolder(dir); err != nil {
		return err
	}
	return Unmark(dir)
}
