package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/durable"
	"github.com/bailiwick-dev/bailiwick/internal/jobs/riverqueue"
	"github.com/bailiwick-dev/bailiwick/internal/span"
	"github.com/bailiwick-dev/bailiwick/internal/store/move"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
)

// records is a store that the server has opened.
type records interface {
	authority.Store
	Register(prometheus.Registerer) error
	Close() error
}

// openRecords opens the records where they belong: in the data folder, or in the database. A folder whose records are in one place is not
// started with the other: its ledger would go on without them.
func (a *App) openRecords(ctx context.Context) error {
	mark := filepath.Join(a.cfg.Dir, move.Mark)
	marked, err := exists(mark)
	if err != nil {
		return err
	}
	there, err := exists(filepath.Join(a.cfg.Dir, sqlite.FileName))
	switch {
	case err != nil:
		return err
	case marked && there:
		return fmt.Errorf("the records of the data folder %s are on their way into PostgreSQL, and the last step is missing: run bailiwick store copy again (%s)", a.cfg.Dir, said(mark))
	}
	progress := func(what string, done, total int) {
		a.cfg.Logger.Info("bringing the records to this release's schema", "what", what, "done", done, "of", total)
	}
	if a.cfg.Database == "" {
		if marked {
			return fmt.Errorf("the records of the data folder %s are in PostgreSQL: name it with --database (%s)", a.cfg.Dir, said(mark))
		}
		store, err := sqlite.Open(ctx, a.cfg.Dir, sqlite.Options{Committed: a.committed(), Progress: progress})
		if err == nil {
			a.store = store
		}
		return err
	}
	if there {
		return fmt.Errorf("the records of the data folder %s are in its file %s: leave out --database, move them with bailiwick store copy, or name another data folder", a.cfg.Dir, sqlite.FileName)
	}
	options := postgres.Options{Progress: progress}
	if heard := a.committed(); heard != nil {
		options.Committed = func(began time.Time, took time.Duration, durable bool) { heard(began, took, 0, durable) }
	}
	store, err := postgres.Open(ctx, a.cfg.Database, options)
	if err == nil {
		a.store = store
	}
	return err
}

// committed makes a span of each commit, which many requests may share; nil without a tracer.
func (a *App) committed() func(began time.Time, took time.Duration, updates int, durable bool) {
	if a.cfg.Tracer == nil {
		return nil
	}
	return func(began time.Time, took time.Duration, updates int, durable bool) {
		_, sp := a.cfg.Tracer.Start(context.Background(), "store commit", trace.WithTimestamp(began))
		if updates > 0 {
			span.Count(sp, "updates", updates)
		}
		if !durable {
			span.Fail(sp, "not-durable")
		}
		sp.End(trace.WithTimestamp(began.Add(took)))
	}
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

// bindRecords ties records in a database to their ledger and to the keys that all its servers have.
func (a *App) bindRecords(ctx context.Context, keys [32]byte) error {
	store, ok := a.store.(*postgres.DB)
	if !ok {
		return nil
	}
	if err := store.BelongTo(ctx, a.Ledger.LogKey(), keys); err != nil {
		return err
	}
	mark := filepath.Join(a.cfg.Dir, move.Mark)
	if there, err := exists(mark); there || err != nil {
		return err
	}
	return durable.WriteFile(mark, []byte("The records of this folder are in PostgreSQL: start the server with --database.\n"), 0o600)
}

// said is what a mark says, on one line.
func said(mark string) string {
	text, err := os.ReadFile(mark)
	if err != nil {
		return mark
	}
	return mark + " says: " + strings.Join(strings.Fields(string(text)), " ")
}

func exists(file string) (bool, error) {
	_, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
