package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// folderShelf keeps a ledger in a folder, by Tessera's POSIX driver.
type folderShelf struct {
	tessera.LogReader
	root     string // of the public files
	opts     Options
	appender *tessera.Appender
	shutdown func(context.Context) error
	cancel   context.CancelFunc
	lock     *os.File
}

// openFolder takes the folder's lock and starts Tessera. It publishes what a killed process had sequenced, in time.
func openFolder(ctx context.Context, dir string, signer note.Signer, policy *policy, opts Options) (_ *folderShelf, err error) {
	if _, err := os.Stat(filepath.Join(dir, movedName)); err == nil {
		return nil, fmt.Errorf("%w (%s)", ErrMoved, dir)
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &folderShelf{root: filepath.Join(dir, "log"), opts: opts, cancel: cancel}
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	if err := publishAnew(s.root, policy); err != nil {
		return nil, err
	}
	driver, err := posix.New(background, posix.Config{Path: s.root, HTTPClient: policy.client})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	options := appendOptions(signer, policy, opts).WithBatching(opts.BatchSize, opts.BatchAge)
	if s.appender, s.shutdown, s.LogReader, err = tessera.NewAppender(background, driver, options); err != nil {
		if len(opts.Witnesses) > 0 {
			return nil, fmt.Errorf("%w: %w", ErrWitnesses, err)
		}
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return s, nil
}

// appendOptions are how checkpoints are signed and cosigned.
func appendOptions(signer note.Signer, policy *policy, opts Options) *tessera.AppendOptions {
	return tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(opts.CheckpointInterval).
		WithCheckpointRepublishInterval(policy.republish).
		WithWitnesses(policy.group, &tessera.WitnessOptions{Timeout: witnessTimeout})
}

// add queues leaves and waits for their indexes. Once queued it does not look at ctx: batches are short, and an index that is known is
// better than one that must be searched for.
func (s *folderShelf) add(ctx context.Context, leaves [][]byte) ([]uint64, error) {
	futures := make([]tessera.IndexFuture, len(leaves))
	for i, leaf := range leaves {
		futures[i] = s.appender.Add(context.WithoutCancel(ctx), tessera.NewEntry(leaf))
	}
	indexes := make([]uint64, len(leaves))
	var failed error
	for i, future := range futures {
		index, err := future()
		if err != nil {
			failed = err
		}
		indexes[i] = index.Index
	}
	if failed != nil {
		return nil, fmt.Errorf("ledger: entries were not sequenced; is the disk full? %w", failed)
	}
	return indexes, nil
}

func (s *folderShelf) serving(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

// file reads what the public asks for. A partial tile is removed once the full one stands; clients then ask for that.
func (s *folderShelf) file(_ context.Context, r resource) ([]byte, error) {
	return os.ReadFile(filepath.Join(s.root, filepath.FromSlash(r.path)))
}

func (s *folderShelf) patience() time.Duration { return pollInterval }

func (s *folderShelf) close(ctx context.Context) error {
	err := s.shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("ledger: the last entries have no checkpoint yet, and get one at the next start: %w", err)
	}
	s.cancel()
	return errors.Join(err, s.lock.Close())
}

// publishAnew makes Tessera publish at once what was published before there were these witnesses: it goes by the file's
// age. Until then the old checkpoint stands for everyone who reads, and proves nothing to a device that counts witnesses.
func publishAnew(root string, policy *policy) error {
	file := filepath.Join(root, layout.CheckpointPath)
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if _, err := policy.verifier.Checkpoint(raw); !errors.Is(err, proof.ErrQuorum) {
		return nil // as it should be, or worse: newest tells
	}
	return os.Chtimes(file, time.Time{}, time.Unix(0, 0))
}
