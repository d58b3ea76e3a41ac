package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent/client"
	"github.com/bailiwick-dev/bailiwick/internal/app"
)

// TestFullDisk: a server whose disk is full says so, acknowledges nothing that it cannot keep, loses nothing that it
// acknowledged, and goes on by itself once there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		killed bool
	}{{"then there is room", false}, {"killed while it is full", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := besiege(t)
			phones := s.found(10)
			api := &server{base: s.base, http: s.client}
			process := s.spawn()
			for range 7 { // until notices are on their way
				s.nextDay(api)
				for _, p := range phones {
					if err := errors.Join(p.Use(), p.CheckIn(t.Context())); err != nil {
						t.Fatal(err)
					}
				}
			}
			s.signal(process, fill)
			refused := s.until(503, func(i int) error { return phones[i%len(phones)].CheckIn(t.Context()) })
			if refused.Type != problemType+"store-unavailable" || !strings.Contains(refused.Detail, "nothing that was acknowledged is lost") {
				t.Errorf("a full disk is told as %+v", refused)
			}
			if n := api.metric(t, `bailiwick_refused_total{endpoint="check-in",reason="store-unavailable"}`); n < 1 {
				t.Errorf("counted %v times", n)
			}
			s.until(503, func(int) error { return s.get("/readyz") })
			for _, path := range []string{"/healthz", "/", "/ledger/checkpoint"} {
				if err := s.get(path); err != nil {
					t.Errorf("%s on a full disk: %v", path, err)
				}
			}
			if c.killed {
				s.end(process)
				if err := s.check(); err != nil {
					t.Error(err)
				}
				process = s.spawn()
			} else {
				s.signal(process, free)
			}
			for end := time.Now().Add(15 * time.Second); s.get("/readyz") != nil; pause(t.Context(), 20*time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the server does not come back although there is room")
				}
			}
			for range 3 {
				s.nextDay(api)
				for _, p := range phones {
					if err := errors.Join(p.Use(), p.CheckIn(t.Context())); err != nil {
						t.Errorf("phone %s cannot go on: %v", p.Config().Serial, err)
					}
				}
			}
			s.end(process)
			s.aftermath(phones)
			if len(s.obeyed) == 0 {
				t.Error("no order was given; this proves little")
			}
		})
	}
}

// get asks for a path; what is not 200 is a problem.
func (s *siege) get(path string) error {
	response, err := s.client.Get(s.base + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	p := readProblem(s.t, response)
	return &client.Problem{Status: p.Status, Type: p.Type, Title: p.Title, Detail: p.Detail}
}

func (s *siege) spawn() *exec.Cmd {
	s.t.Helper()
	process := s.command()
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = process.Process.Kill() }) // it may be gone
	return process
}

func (s *siege) signal(process *exec.Cmd, what os.Signal) {
	s.t.Helper()
	if err := process.Process.Signal(what); err != nil {
		s.t.Fatal(err)
	}
}

// end kills the server.
func (s *siege) end(process *exec.Cmd) {
	s.t.Helper()
	if err := process.Process.Kill(); err != nil {
		s.t.Fatalf("the server has ended by itself: %v", err)
	}
	_ = process.Wait() // it was killed, and says so
}

func (s *siege) nextDay(api *server) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	var at app.ClockReading
	s.moves.Add(1)
	if err := api.call(ctx, http.MethodPost, app.PathSandboxClock, "", app.ClockMove{Hours: 24}, &at); err != nil {
		s.t.Fatal(err)
	}
	s.offset.Store(int64(at.Now.Sub(s.still())))
}

// until does something again and again, until the server refuses with a status.
func (s *siege) until(status int, do func(i int) error) *client.Problem {
	s.t.Helper()
	for i := range 20_000 {
		err := do(i)
		var refused *client.Problem
		switch {
		case err == nil:
		case errors.As(err, &refused) && refused.Status == status:
			return refused
		default:
			s.t.Fatal(fmt.Errorf("after %d: %w", i, err))
		}
	}
	s.t.Fatalf("the server never answered %d", status)
	return nil
}
