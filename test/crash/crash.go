// Package crash kills a process that acknowledges work, at random moments, and hands what it acknowledged to a check.
//
// The process writes one line to its standard output for each thing that it holds to be durable, after it is; a line that
// was cut off by the kill is no acknowledgement. A test in the same package does this to the SQLite store; others can do
// it to a whole server, by a child that is a client and the command's Setup that starts the server.
package crash

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Plan says what is killed, how often, and how it is judged.
type Plan struct {
	Rounds  int                       // how often; at least 1
	Enough  func() bool               // whether what happened proves anything: until it does there are more rounds, up to ten times as many; nil for at once
	Longest time.Duration             // a round is killed after a random time up to this, counted from its start
	Seed    uint64                    // of the random times
	Command func(round int) *exec.Cmd // a fresh process for a round; its standard output must be free
	// Check is called after each kill, with the process gone and what it acknowledged in this round.
	Check func(round int, acknowledged []string) error
}

// Run carries the plan out, and returns how many lines were acknowledged in all. It fails the test when a check fails, or
// when a process ends before it is killed.
func Run(t *testing.T, p Plan) (acknowledged int) {
	t.Helper()
	random := rand.New(rand.NewPCG(p.Seed, 0))
	for round := 0; round < p.Rounds || round < 10*p.Rounds && p.Enough != nil && !p.Enough(); round++ {
		life := time.Duration(random.Int64N(int64(p.Longest)))
		lines, err := Kill(p.Command(round), life)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := p.Check(round, lines); err != nil {
			t.Fatalf("round %d, killed after %v with %d acknowledged: %v", round, life, len(lines), err)
		}
		acknowledged += len(lines)
	}
	return acknowledged
}

// Kill starts cmd, sends it SIGKILL after a while, waits for its end and returns its whole lines.
func Kill(cmd *exec.Cmd, after time.Duration) ([]string, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	read := make(chan []string, 1)
	go func() { read <- wholeLines(out) }() // ends when the process does
	var early bool
	var lines []string
	select {
	case lines = <-read:
		early = true
	case <-time.After(after):
		err = cmd.Process.Kill()
		lines = <-read
	}
	ended := cmd.Wait()
	if early {
		return nil, fmt.Errorf("the process ended by itself (%v): %s", ended, complaint.String())
	}
	return lines, errors.Join(err)
}

func wholeLines(r io.Reader) []string {
	var lines []string
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return lines
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
}
