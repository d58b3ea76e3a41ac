// Package riverqueue hands jobs to one of several servers that share a PostgreSQL database, with River (https://riverqueue.com). The row of a
// job stays the authority's own (authority.Job, with its cursor); a job of River's carries its number only, and lives as long as somebody
// works at it:
//
//	q, err := riverqueue.Open(ctx, url, riverqueue.Options{})
//	… authority.Config{Jobs: q.Take}
//	q.Run(ctx, service.StepJob)   // until ctx ends
//
// Take may be called again and again with everything that is unfinished: River keeps one of each. A worker does steps for a while, then
// puts the job back, so that servers take turns. When a server dies, River gives its job to another after [Options].Rescue; should the first
// one still be at work, the guard of authority.JobTx.AdvanceIfAt makes one of the two harmless.
//
// River polls: it listens to nothing, and takes no advisory locks (what it has of them is for a way of inserting that is not used). One
// NOTIFY is left, which nobody hears: that of a server that stops in good order and leaves River's housekeeping to another; on engines that
// have no NOTIFY River leaves it out. Its tables (river_…) are in the schema of the records, made by its own migrations.
package riverqueue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// Options tunes a queue. The zero value is right for most.
type Options struct {
	Logger  *slog.Logger  // default: nothing is logged
	Workers int           // jobs that this server works at, at once; default 2
	Poll    time.Duration // how often this server looks for jobs; default 1 s
	Turn    time.Duration // how long it works at one before others come first; default 10 s
	Rescue  time.Duration // after how long a job of a server that died is given to another; default 30 s
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Workers <= 0 {
		o.Workers = 2
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Turn <= 0 {
		o.Turn = 10 * time.Second
	}
	if o.Rescue <= 0 {
		o.Rescue = 30 * time.Second
	}
	return o
}

// Connections is how many connections a queue with these options holds at most: its workers, and four for what River does beside them.
func (o Options) Connections() int { return o.withDefaults().Workers + 4 }

// Queue is an open queue. It is safe for concurrent use.
type Queue struct {
	pool *pgxpool.Pool
	opts Options
	only *river.Client[pgx.Tx] // inserts, and works at nothing
}

// name is the queue's, among others that River may keep.
const name = "bailiwick"

// numbered is what a job of River's carries.
type numbered struct {
	ID int64 `json:"id"`
}

// Kind implements river.JobArgs.
func (numbered) Kind() string { return "bailiwick-job" }

// driver says that there is no LISTEN and no NOTIFY, whatever the engine has.
type driver struct{ *riverpgxv5.Driver }

func (driver) SupportsListener() bool     { return false }
func (driver) SupportsListenNotify() bool { return false }

// Open opens the queue in a database, and brings River's tables to their newest form. Close must be called.
func Open(ctx context.Context, url string, opts Options) (*Queue, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("riverqueue: the address of the database cannot be read: write it as postgres://user@host/database")
	}
	opts = opts.withDefaults()
	config.MaxConns = int32(opts.Connections())
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("riverqueue: %w", err)
	}
	q := &Queue{pool: pool, opts: opts}
	if err := q.migrate(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	if q.only, err = river.NewClient(driver{riverpgxv5.New(pool)}, &river.Config{Logger: opts.Logger}); err != nil {
		pool.Close()
		return nil, fmt.Errorf("riverqueue: %w", err)
	}
	return q, nil
}

// migrate makes River's tables. Of two servers that start at once one may find that the other was first; then it looks again.
func (q *Queue) migrate(ctx context.Context) error {
	m, err := rivermigrate.New(riverpgxv5.New(q.pool), &rivermigrate.Config{Logger: q.opts.Logger})
	if err != nil {
		return fmt.Errorf("riverqueue: %w", err)
	}
	const attempts = 5
	for i := 1; ; i++ {
		_, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		if err == nil {
			return nil
		}
		if i == attempts || ctx.Err() != nil {
			return fmt.Errorf("riverqueue: cannot make the tables of the queue: %w (the role needs CREATE on the schema)", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(i) * 100 * time.Millisecond):
		}
	}
}

// Close gives the connections back; Run must have returned.
func (q *Queue) Close() { q.pool.Close() }

// Take implements authority.Config.Jobs.
func (q *Queue) Take(ctx context.Context, unfinished []*authority.Job) error {
	var list []river.InsertManyParams
	for _, j := range unfinished {
		list = append(list, river.InsertManyParams{Args: numbered{j.ID}, InsertOpts: &river.InsertOpts{
			Queue: name, MaxAttempts: 1000, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
				rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled}},
		}})
	}
	if len(list) == 0 {
		return nil
	}
	if _, err := q.only.InsertMany(ctx, list); err != nil {
		return fmt.Errorf("riverqueue: %w", err)
	}
	return nil
}

// Step does the next step of a job and returns it as it is then: authority.Service.StepJob.
type Step func(ctx context.Context, id int64) (*authority.Job, error)

// Run works at jobs until ctx ends; then it finishes the steps that are under way, and returns nil.
func (q *Queue) Run(ctx context.Context, step Step) error {
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, &worker{step: step, opts: q.opts}); err != nil {
		return fmt.Errorf("riverqueue: %w", err)
	}
	client, err := river.NewClient(driver{riverpgxv5.New(q.pool)}, &river.Config{
		Logger: q.opts.Logger, Queues: map[string]river.QueueConfig{name: {MaxWorkers: q.opts.Workers}}, Workers: workers,
		PollOnly: true, FetchPollInterval: q.opts.Poll, FetchCooldown: min(q.opts.Poll, 100*time.Millisecond),
		JobTimeout: q.opts.Turn + q.opts.Rescue/2, RescueStuckJobsAfter: q.opts.Turn + q.opts.Rescue,
	})
	if err != nil {
		return fmt.Errorf("riverqueue: %w", err)
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("riverqueue: %w", err)
	}
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := client.StopAndCancel(stopping); err != nil {
		return fmt.Errorf("riverqueue: stopping: %w", err)
	}
	return nil
}

// worker works at one job for a turn.
type worker struct {
	river.WorkerDefaults[numbered]
	step Step
	opts Options
}

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, task *river.Job[numbered]) error {
	for until := time.Now().Add(w.opts.Turn); time.Now().Before(until); {
		j, err := w.step(ctx, task.Args.ID)
		switch {
		case errors.Is(err, authority.ErrNotFound):
			return nil // it was forgotten
		case err != nil:
			w.opts.Logger.Error("a step of a job failed and will be tried again", "job", task.Args.ID, "error", err)
			return river.JobSnooze(5 * time.Second)
		case j.State.Finished():
			return nil
		}
	}
	return river.JobSnooze(0)
}
