package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// The environment that turns the test binary into a server process on a listener that it inherits.
const (
	childFolder = "BAILIWICK_E2E_FOLDER"
	childClock  = "BAILIWICK_E2E_CLOCK" // the real time, in nanoseconds since 1970, that is storyStart to it
	childStore  = "BAILIWICK_E2E_STORE" // the database with its records; in the folder when empty
)

var storyStart = time.Date(2021, time.September, 2, 7, 0, 0, 0, time.UTC)

// beServer serves until it is killed or told to stop.
func beServer() int {
	if err := childServes(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func childServes() error {
	go fillAndFree(os.Getenv(childFolder)) // ends with the process
	zero, err := strconv.ParseInt(os.Getenv(childClock), 10, 64)
	if err != nil {
		return err
	}
	inherited := os.NewFile(3, "listener")
	listener, err := net.FileListener(inherited)
	if err != nil {
		return err
	}
	cfg := childConfig(os.Getenv(childFolder), "http://"+listener.Addr().String(), time.Unix(0, zero))
	cfg.Database = os.Getenv(childStore)
	a, err := app.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	return errors.Join(a.Serve(context.Background(), listener), a.Close())
}

// Signals that fill the server's disk, and make room again.
const (
	fill = syscall.SIGUSR1
	free = syscall.SIGUSR2
)

// fillAndFree stands for a disk that fills up: no file may grow more than a little beyond the largest one.
func fillAndFree(dir string) {
	asked := make(chan os.Signal, 4)
	signal.Notify(asked, fill, free)
	for s := range asked {
		limit := syscall.Rlimit{Cur: math.MaxUint64, Max: math.MaxUint64}
		if s == fill {
			limit.Cur = uint64(largest(dir)) + 64<<10
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func largest(dir string) (most int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, _ error) error { // files come and go meanwhile
		if e != nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				most = max(most, info.Size())
			}
		}
		return nil
	})
	return most
}

func childConfig(dir, base string, zero time.Time) app.Config {
	return app.Config{
		Dir: dir, BaseURL: base, Origin: "e2e.bailiwick.example/ledger", Sandbox: true, Unlimited: true, PasswordCost: 4,
		Policy: app.Document{Name: "terms-2021-09.yaml", Source: policies.Terms202109},
		Now:    func() time.Time { return storyStart.Add(time.Since(zero)) },
	}
}

func (n *nest) config() app.Config {
	cfg := childConfig(n.dir, n.base, n.zero)
	cfg.Database = n.database
	return cfg
}

// nest is where server processes live one after the other: their folder, clock and listener, which stays open between them, so
// that clients wait in its queue while none is there.
type nest struct {
	dir      string
	database string // with the records; in dir when empty
	base     string
	zero     time.Time
	listener *os.File
}

func newNest(t *testing.T) *nest {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(file.Close(), listener.Close()); err != nil {
			t.Error(err)
		}
	})
	return &nest{dir: t.TempDir(), base: "http://" + listener.Addr().String(), zero: time.Now(), listener: file}
}

// command is a server process, not started.
func (n *nest) command() *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFolder+"="+n.dir, childStore+"="+n.database, fmt.Sprintf("%s=%d", childClock, n.zero.UnixNano()))
	cmd.ExtraFiles = []*os.File{n.listener}
	return cmd
}
