package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/durable"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

const (
	// newestName is the file in a server's own folder that holds the newest checkpoint that it has seen published.
	newestName  = "newest-checkpoint"
	newestEvery = 10 * time.Second
)

// notBehind refuses a ledger in a database that has less than this server has seen published: the database was put back to an older state,
// and to go on from there would sign a second history. A ledger in the data folder is put back together with the folder: see package backup.
func (a *App) notBehind(ctx context.Context) error {
	if _, ok := a.database(); !ok {
		return nil
	}
	file := filepath.Join(a.cfg.Dir, newestName)
	kept, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	var now proof.Checkpoint
	signed, err := a.Ledger.Checkpoint(ctx)
	none := errors.Is(err, fs.ErrNotExist)
	if err != nil && !none {
		return err
	}
	verifier, err := proof.New(a.Ledger.Origin(), a.Ledger.LogKey(), nil, 0)
	if err != nil {
		return err
	}
	seen, err := verifier.Checkpoint(kept)
	if err != nil {
		return fmt.Errorf("%s holds no checkpoint of this ledger; delete it if you know that the database is the newest: %w", file, err)
	}
	if !none {
		if now, err = verifier.Checkpoint(signed); err != nil {
			return err
		}
	}
	switch {
	case now.Size < seen.Size:
		return fmt.Errorf("%w: the one in the database has %d, and this server has seen %d published (%s). The database was put back to an older state, or a standby that lacked "+
			"the last entries was promoted, and to go on would show the public two histories: recover it to a later point in time (docs/operations.md, PostgreSQL: Backup)",
			ledger.ErrShrank, now.Size, seen.Size, file)
	case !none && now.Size == seen.Size && now.Root != seen.Root:
		return fmt.Errorf("%w: the database has another root of %d entries than this server has seen published (%s)", ledger.ErrForked, now.Size, file)
	}
	return a.noteNewest(ctx)
}

// noteNewest keeps the newest checkpoint, when it is another one.
func (a *App) noteNewest(ctx context.Context) error {
	signed, err := a.Ledger.Checkpoint(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // none was published yet
	} else if err != nil {
		return err
	}
	file := filepath.Join(a.cfg.Dir, newestName)
	if kept, err := os.ReadFile(file); err == nil && bytes.Equal(kept, signed) {
		return nil
	}
	return durable.WriteFile(file, signed, 0o600)
}

// keepNewest notes it again and again until ctx ends. What cannot be noted now is noted later.
func (a *App) keepNewest(ctx context.Context) {
	if _, ok := a.database(); !ok {
		return
	}
	tick := time.NewTicker(newestEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := a.noteNewest(ctx); err != nil && ctx.Err() == nil {
			a.cfg.Logger.Debug("the newest checkpoint could not be noted", "error", err)
		}
	}
}
