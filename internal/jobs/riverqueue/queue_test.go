package riverqueue_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/jobs/riverqueue"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// office is jobs of some steps each, and who did them.
type office struct {
	mu     sync.Mutex
	steps  map[int64]int
	at     map[int64]bool // somebody works at it
	twice  int
	by     map[string]int
	done   chan struct{}
	unless int // jobs that are not finished
	waited int // steps that brought no job on, since one of the two servers had not done any
}

func (o *office) step(who string) riverqueue.Step {
	return func(_ context.Context, id int64) (*authority.Job, error) {
		o.mu.Lock()
		if o.at[id] {
			o.twice++
		}
		o.at[id] = true
		o.mu.Unlock()
		time.Sleep(time.Millisecond)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.at[id] = false
		o.by[who]++
		if o.steps[id] == 1 && len(o.by) < 2 { // on a busy machine one may be through before the other has begun
			o.waited++
			return &authority.Job{ID: id, State: authority.JobRunning}, nil
		}
		j := &authority.Job{ID: id, State: authority.JobRunning}
		if o.steps[id]--; o.steps[id] <= 0 {
			j.State = authority.JobDone
			if o.steps[id] == 0 {
				if o.unless--; o.unless == 0 {
					close(o.done)
				}
			}
		}
		return j, nil
	}
}

func TestServersShareJobs(t *testing.T) {
	url := pgtest.Database(t)
	const jobs, steps = 12, 30
	o := &office{steps: map[int64]int{}, at: map[int64]bool{}, by: map[string]int{}, done: make(chan struct{}), unless: jobs}
	var list []*authority.Job
	for id := int64(1); id <= jobs; id++ {
		o.steps[id] = steps
		list = append(list, &authority.Job{ID: id})
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	for _, who := range []string{"one", "two"} {
		q, err := riverqueue.Open(ctx, url, riverqueue.Options{Poll: 20 * time.Millisecond, Turn: 10 * time.Millisecond})
		must(t, err)
		defer q.Close()
		for range 3 { // everything that is unfinished, again and again
			must(t, q.Take(ctx, list))
		}
		running.Go(func() { must(t, q.Run(ctx, o.step(who))) })
	}
	<-o.done
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer conn.Close(context.Background())
	var advisory, listeners int
	must(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").Scan(&advisory))
	must(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE '%listen%' AND pid <> pg_backend_pid()").Scan(&listeners))
	stop()
	running.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.twice > 0 {
		t.Errorf("%d steps of a job that another server was at", o.twice)
	}
	total := o.by["one"] + o.by["two"]
	if total != jobs*steps+o.waited || o.by["one"] == 0 || o.by["two"] == 0 {
		t.Errorf("steps by server: %v, want %d", o.by, jobs*steps)
	}
	if advisory > 0 || listeners > 0 {
		t.Errorf("%d advisory locks, %d who listen", advisory, listeners)
	}
}

func TestAFailingStepIsTriedAgain(t *testing.T) {
	q, err := riverqueue.Open(t.Context(), pgtest.Database(t), riverqueue.Options{Poll: 20 * time.Millisecond})
	must(t, err)
	defer q.Close()
	must(t, q.Take(t.Context(), []*authority.Job{{ID: 7}}))
	must(t, q.Take(t.Context(), nil))
	ctx, stop := context.WithCancel(t.Context())
	attempts := 0
	must(t, q.Run(ctx, func(_ context.Context, id int64) (*authority.Job, error) {
		if attempts++; attempts == 1 {
			return nil, authority.ErrStoreUnavailable
		}
		stop()
		return &authority.Job{ID: id, State: authority.JobDone}, nil
	}))
	if attempts != 2 {
		t.Errorf("%d attempts", attempts)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	if _, err := riverqueue.Open(t.Context(), "postgres://[", riverqueue.Options{}); err == nil {
		t.Error("opened nothing")
	}
}
