package ledger_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/order"
)

const (
	crashDir  = "BAILIWICK_TEST_CRASH_DIR"
	crashURL  = "BAILIWICK_TEST_CRASH_URL"
	crashFrom = "BAILIWICK_TEST_CRASH_FROM"
)

// TestMain doubles as the process that the crash test kills: it appends until it dies, and prints the number of each
// leaf once it was acknowledged.
func TestMain(m *testing.M) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		pgtest.Main(m)
	}
	from, err := strconv.Atoi(os.Getenv(crashFrom))
	if err == nil {
		err = appendForever(dir, os.Getenv(crashURL), from)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func appendForever(dir, url string, from int) error {
	failed := make(chan error)
	l, err := openForever(dir, url, failed)
	if err != nil {
		return err
	}
	lines := make(chan string)
	for worker := range 4 {
		go func() {
			for n := from + worker; ; n += 4 {
				index, err := l.Append(context.Background(), leaf(n))
				if err != nil {
					failed <- err
					return
				}
				lines <- fmt.Sprintf("%d %d\n", n, index)
			}
		}()
	}
	for {
		select {
		case err := <-failed:
			return err
		case line := <-lines:
			if _, err := os.Stdout.WriteString(line); err != nil {
				return err
			}
		}
	}
}

// openForever opens a ledger that this process leads until it dies.
func openForever(dir, url string, failed chan<- error) (*ledger.Ledger, error) {
	ctx := context.Background()
	opts := ledger.Options{Origin: origin}
	if url == "" {
		return ledger.Open(ctx, dir, opts)
	}
	db, err := postgres.Open(ctx, url, postgres.Options{Lease: shortLease})
	if err != nil {
		return nil, err
	}
	l, err := ledger.OpenTables(dir, db.Ledger(), opts)
	if err != nil {
		return nil, err
	}
	term, err := db.Campaign(ctx)
	if err != nil {
		return nil, err
	}
	go func() { failed <- l.Lead(ctx, term.Ledger()) }()
	for !l.Leads() {
		time.Sleep(time.Millisecond)
	}
	return l, nil
}

// A writer is killed at random moments. Whatever it had acknowledged is in the ledger, at the index that it said; the
// ledger opens again, and bears out its checkpoint; and of what was under way Find tells whether it is there.
func TestKilledAtAnyMoment(t *testing.T) {
	inBoth(t, func(t *testing.T, p *place) {
		acknowledged := make(map[int]uint64)
		const rounds = 8
		for round := range rounds {
			from := round * 1_000_000
			for n, index := range runAndKill(t, p, from) {
				acknowledged[n] = index
			}
		}
		if len(acknowledged) < rounds {
			t.Fatalf("only %d leaves were acknowledged: this test saw nothing", len(acknowledged))
		}
		l := p.open(t)
		got, err := ledger.Verify(t.Context(), p.public(t, l), l.LogKey(), nil)
		if err != nil {
			t.Fatal(err)
		}
		stored := make(map[uint64]string)
		err = l.Entries(t.Context(), 0, got.Entries, func(index uint64, data []byte) error {
			stored[index] = string(data)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for n, index := range acknowledged {
			if stored[index] != string(leaf(n)) {
				t.Errorf("leaf %d was acknowledged at %d and is not there", n, index)
			}
		}
		for index, data := range stored {
			if at, found, err := l.Find(t.Context(), order.LeafID([]byte(data))); err != nil || !found || at != index {
				t.Errorf("entry %d: found %v at %d, %v", index, found, at, err)
			}
		}
		t.Logf("%d acknowledged, %d in the ledger", len(acknowledged), got.Entries)
	})
}

// runAndKill runs a writer and returns what it acknowledged before it was killed.
func runAndKill(t *testing.T, p *place, from int) map[int]uint64 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+p.dir, crashURL+"="+p.url, crashFrom+"="+strconv.Itoa(from))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := make(map[int]uint64)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if len(acknowledged) == 0 { // it works: a moment later it is killed
			timer := time.AfterFunc(time.Duration(rand.IntN(400))*time.Millisecond, func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
		}
		var n int
		var index uint64
		if _, err := fmt.Sscanf(lines.Text(), "%d %d", &n, &index); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		acknowledged[n] = index
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
	return acknowledged
}
