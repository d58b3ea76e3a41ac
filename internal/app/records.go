package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/jobs/riverqueue"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
)

// records is a store that the server has opened.
type records interface {
	authority.Store
	Register(prometheus.Registerer) error
	Close() error
}

// elsewhere is the file that says of a data folder that its records are in a database.
const elsewhere = "records-in-database"

// openRecords opens the records where they belong: in the data folder, or in the database. A folder whose records are in one place is not
// started with the other: its ledger would go on without them.
func (a *App) openRecords(ctx context.Context) error {
	if err := os.MkdirAll(a.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the data folder: %w", err)
	}
	mark := filepath.Join(a.cfg.Dir, elsewhere)
	if a.cfg.Database == "" {
		if there, err := exists(mark); err != nil {
			return err
		} else if there {
			return fmt.Errorf("the records of the data folder %s are in PostgreSQL (%s says so): name it with --database", a.cfg.Dir, mark)
		}
		store, err := sqlite.Open(ctx, a.cfg.Dir, sqlite.Options{})
		if err == nil {
			a.store = store
		}
		return err
	}
	if there, err := exists(filepath.Join(a.cfg.Dir, sqlite.FileName)); err != nil {
		return err
	} else if there {
		return fmt.Errorf("the records of the data folder %s are in its file %s: leave out --database, or name another data folder", a.cfg.Dir, sqlite.FileName)
	}
	store, err := postgres.Open(ctx, a.cfg.Database, postgres.Options{})
	if err == nil {
		a.store = store
	}
	return err
}

// openQueue opens the queue by which several servers on one database share jobs. The store has made its tables by then, so that River's come
// into a schema that is known to be ours.
func (a *App) openQueue(ctx context.Context) (take func(context.Context, []*authority.Job) error, err error) {
	if a.cfg.Database == "" || a.cfg.ManualWork {
		return nil, nil
	}
	a.queue, err = riverqueue.Open(ctx, a.cfg.Database, riverqueue.Options{Logger: slog.New(warnings{a.cfg.Logger.Handler()})})
	if err != nil {
		return nil, err
	}
	return a.queue.Take, nil
}

// bindRecords ties records in a database to the ledger in the data folder.
func (a *App) bindRecords(ctx context.Context) error {
	store, ok := a.store.(*postgres.DB)
	if !ok {
		return nil
	}
	if err := store.BelongTo(ctx, a.Ledger.LogKey()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(a.cfg.Dir, elsewhere), []byte("The records of this folder are in PostgreSQL: start the server with --database.\n"), 0o600)
}

func exists(file string) (bool, error) {
	_, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
