package move

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
)

const (
	// Mark is the file that says of a data folder that its records are in a database.
	Mark = "records-in-database"
	// PutAway is the name of the SQLite file of a folder whose records have been moved.
	PutAway = sqlite.FileName + ".moved"
)

// ErrRuns says that the rest is small and that a server still runs on the folder.
var ErrRuns = errors.New("little is left to copy, and a server still runs on the data folder")

// Options says what to move, and where to.
type Options struct {
	Dir    string // the data folder
	URL    string // the database: a libpq connection string or URL
	Ledger string // verifier key of the folder's ledger
	Now    time.Time

	// Stop is asked when little is left and the folder is still held, by whom the error says. When it returns nil the folder is tried
	// again, after another pass if it is still held. What it returns otherwise ends Run, which can be called again later.
	Stop func(ctx context.Context, held error) error
	// Passed hears of every pass that has come to its end, and Progress how far one is. They may be nil.
	Passed   func(Pass)
	Progress func(Progress)
}

// Report is what a move came to.
type Report struct {
	Where  string  `json:"where"` // the database, without a password
	Passes []Pass  `json:"passes"`
	Tables []Table `json:"tables"` // empty when an earlier run had finished all but the folder
}

// Run moves the records. It may be killed and called again at any point, see the package comment. It fails with [fs.ErrNotExist] when the
// folder has no records, with [postgres.ErrInUse] and [postgres.ErrOccupied] as BeginMove does, and with what Options.Stop returns.
func Run(ctx context.Context, opts Options) (_ *Report, err error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("move: %w", err)
	}
	opts.Dir = dir
	if err := present(dir); err != nil {
		return nil, err
	}
	m, err := postgres.BeginMove(ctx, opts.URL, opts.Ledger)
	if errors.Is(err, postgres.ErrMoved) {
		return conclude(ctx, opts.Dir, err)
	} else if err != nil {
		return nil, err
	}
	defer m.Close()
	r := &run{opts: opts, move: m, report: &Report{Where: m.Where()}}
	if err := r.beside(ctx); err != nil {
		if r.held != nil {
			err = errors.Join(err, r.held.Close())
		}
		return nil, err
	}
	return r.report, r.alone(ctx)
}

// present refuses a folder without records, and says where they are if that is known.
func present(dir string) error {
	_, err := os.Stat(filepath.Join(dir, sqlite.FileName))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if text, e := os.ReadFile(filepath.Join(dir, Mark)); e == nil {
		return fmt.Errorf("move: the data folder %s has no records: %s", dir, strings.Join(strings.Fields(string(text)), " "))
	}
	return fmt.Errorf("move: the data folder %s has no records: %w", dir, err)
}

// conclude does what is left of a move that the database has seen the end of: the folder's file is put away.
func conclude(ctx context.Context, dir string, moved error) (_ *Report, err error) {
	if _, err := os.Stat(filepath.Join(dir, Mark)); err != nil {
		return nil, fmt.Errorf("%w, yet the data folder %s does not say so: it is an older copy, and what its devices were told since is in the database", moved, dir)
	}
	held, err := sqlite.Hold(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	if err := held.Settle(ctx); err != nil {
		return nil, err
	}
	return &Report{}, held.PutAway(PutAway)
}

// run is one call of Run.
type run struct {
	opts   Options
	move   *postgres.Move
	report *Report
	held   *sqlite.Folder
}

// beside copies while a server may run, until it does not run any more and the folder is held.
func (r *run) beside(ctx context.Context) error {
	return r.copying(ctx, func(c *copier) (err error) {
		for waiting := false; ; {
			if waiting {
				err = r.passUntilFree(ctx, c)
			} else {
				err = r.pass(ctx, c, false)
			}
			if err != nil || r.held != nil {
				return err
			}
			if !waiting && !r.small() {
				continue
			}
			for asked := false; ; asked = true {
				if r.held, err = sqlite.Hold(r.opts.Dir); err == nil || !errors.Is(err, sqlite.ErrLocked) {
					return err
				}
				if asked {
					break
				}
				if err := r.opts.Stop(ctx, fmt.Errorf("%w: %w", ErrRuns, err)); err != nil {
					return err
				}
			}
			waiting = true
		}
	})
}

// freeEvery is how often a folder is tried while the end of its server is waited for.
const freeEvery = 200 * time.Millisecond

// passUntilFree makes a pass and breaks it off when the folder comes free: from then on devices wait, and the rest is due.
func (r *run) passUntilFree(ctx context.Context, c *copier) error {
	passing, breakOff := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(freeEvery)
		defer tick.Stop()
		for {
			select {
			case <-passing.Done():
				return
			case <-tick.C:
			}
			if held, err := sqlite.Hold(r.opts.Dir); err == nil {
				r.held = held
				breakOff()
				return
			}
		}
	}()
	err := r.pass(passing, c, false)
	breakOff()
	<-ended
	if r.held != nil {
		return nil // however far it came, the next one begins anew
	}
	return err
}

// small reports whether another pass beside the server would not leave much less: little changed in the last one, or no less than in
// the one before.
func (r *run) small() bool {
	n := len(r.report.Passes)
	last := &r.report.Passes[n-1]
	return last.wrote() <= max(1000, last.Read/1000) || n > 2 && last.wrote() > r.report.Passes[n-2].wrote()/2
}

// copying opens both sides for f.
func (r *run) copying(ctx context.Context, f func(*copier) error) (err error) {
	from, err := sqlite.OpenReader(ctx, r.opts.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := r.move.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close(context.WithoutCancel(ctx))) }()
	tables, err := catalogue(ctx, from, to)
	if err != nil {
		return err
	}
	return f(&copier{from: &folder{from}, to: &database{to}, tables: tables, progress: r.opts.Progress})
}

func (r *run) pass(ctx context.Context, c *copier, quiet bool) error {
	p, err := c.pass(ctx, len(r.report.Passes)+1, quiet)
	if err != nil {
		return err
	}
	r.report.Passes = append(r.report.Passes, p)
	if r.opts.Passed != nil {
		r.opts.Passed(p)
	}
	return nil
}

// alone does the rest while nobody else has the folder.
func (r *run) alone(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, r.held.Close()) }()
	var tables []*table
	var given map[string]int64
	if err := r.copying(ctx, func(c *copier) (err error) {
		tables = c.tables
		if err := r.rest(ctx, c); err != nil {
			return err
		}
		if given, err = c.from.given(ctx); err != nil {
			return err
		}
		r.report.Tables, err = c.verify(ctx)
		return err
	}); err != nil {
		return err
	}
	if err := r.held.Settle(ctx); err != nil {
		return err
	}
	text := fmt.Sprintf("The records of this folder are in PostgreSQL: start the server with --database.\nThey were moved to %s on %s.\n",
		r.move.Where(), r.opts.Now.UTC().Format("2006-01-02 15:04 UTC"))
	if err := r.held.WriteMark(Mark, text); err != nil {
		return err
	}
	if err := r.move.Finish(ctx, r.opts.Ledger, func(tx pgx.Tx) error {
		return errors.Join(sequences(ctx, tx, tables, given), sums(ctx, tx))
	}); err != nil {
		return err
	}
	return r.held.PutAway(PutAway)
}

// rest makes passes until nothing has to wait. Nothing changes meanwhile: a row waits at most for one that it refers to, or for one that goes.
func (r *run) rest(ctx context.Context, c *copier) error {
	before := int64(-1)
	for {
		if err := r.pass(ctx, c, true); err != nil {
			return err
		}
		last := r.report.Passes[len(r.report.Passes)-1]
		if last.Left == 0 {
			return nil
		}
		if last.Left == before && last.wrote() == last.Left {
			return fmt.Errorf("move: PostgreSQL does not take %d rows, which refer to rows that are not there or have a key that others have: the records of the data folder are not sound", last.Left)
		}
		before = last.Left
	}
}
