package scale_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/scale"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/order"
)

const childFolder = "BAILIWICK_RELEASES_IN"

// TestMain is also the child that is killed: it goes on with the release in the folder that the environment names, and says each step.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		if err := releaseIn(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	pgtest.Main(m)
}

func releaseIn(dir string) error {
	ctx := context.Background()
	store, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		return err
	}
	s, closed, err := newService(ctx, store, dir)
	if err != nil {
		return err
	}
	defer closed()
	jobs, err := s.UnfinishedJobs(ctx)
	if err != nil {
		return err
	}
	if len(jobs) == 0 {
		j, err := s.BeginConclusion(ctx, ada, "case-0001", "The buyers acted in good faith; the route is explained.")
		if err != nil {
			return err
		}
		jobs = append(jobs, j)
	}
	for {
		j, err := s.StepJob(ctx, jobs[0].ID)
		if err != nil {
			return err
		}
		fmt.Println("step", j.Step, j.State)
		if _, err := s.Sequence(ctx); err != nil {
			return err
		}
		if j.State.Finished() {
			return nil
		}
	}
}

// TestReleaseSurvivesKill kills a process with kill -9 in the middle of a release, several times, and lets another go on each time.
func TestReleaseSurvivesKill(t *testing.T) {
	const n = 12_400
	ctx := context.Background()
	dir := t.TempDir()
	store, err := sqlite.Open(ctx, dir, sqlite.Options{})
	must(t, err)
	_, err = scale.Held(ctx, store, n, now, nil)
	must(t, err)
	must(t, store.Close())
	kills := 0
	for finished := false; !finished; {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childFolder+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		must(t, err)
		must(t, child.Start())
		lines := bufio.NewScanner(out)
		for steps := 0; lines.Scan(); {
			if steps++; steps == 2 && kills < 3 && !strings.HasSuffix(lines.Text(), string(authority.JobDone)) {
				must(t, child.Process.Kill()) // while the next step is under way
				kills++
			}
			finished = strings.HasSuffix(lines.Text(), string(authority.JobDone))
		}
		if err := child.Wait(); finished {
			must(t, err)
		} else if err == nil {
			t.Fatal("the child ended and was not killed")
		}
	}
	if kills < 3 {
		t.Errorf("it was killed %d times only", kills)
	}
	store, err = sqlite.Open(ctx, dir, sqlite.Options{})
	must(t, err)
	defer func() { must(t, store.Close()) }()
	places := make(map[uint64]bool)
	must(t, store.View(ctx, func(tx authority.Tx) error {
		for i := range n {
			list, err := tx.OrdersOf(scale.ID(i), 10)
			if err != nil {
				return err
			}
			if len(list) != 1 || list[0].Kind != order.Lift || !list[0].Sequenced || places[list[0].Index] {
				t.Fatalf("device %d: %+v", i, list)
			}
			places[list[0].Index] = true
		}
		j, err := tx.Job(1)
		if err != nil {
			return err
		}
		if j.State != authority.JobDone || j.Done != n {
			t.Errorf("%+v", j)
		}
		return nil
	}))
}
