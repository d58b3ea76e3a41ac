// Package pgtest runs a real PostgreSQL for tests: a cluster of its own in a temporary folder, which answers on a socket in that folder
// and nowhere else. Debian's package postgresql has what it takes; scripts/test installs it. A test that needs it fails without it.
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//	func TestX(t *testing.T) { url := pgtest.Database(t) … }
//
// The server ends with the tests, however they end: the kernel stops it when the process that started it is gone.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a running server. Its superuser is "bailiwick", without a password: the folder of the socket is closed to others.
type Cluster struct {
	dir     string // holds data and the socket
	bin     string
	as      *account // nil unless root, which PostgreSQL refuses to run as
	mu      sync.Mutex
	limit   uint64 // bytes of a file, 0 for no limit
	process *os.Process
	ended   chan error
}

// Start makes a cluster and starts it. Settings are given as "name=value". Stop must be called.
func Start(settings ...string) (*Cluster, error) {
	c := new(Cluster)
	var err error
	if c.bin, err = binaries(); err != nil {
		return nil, err
	}
	if c.dir, err = os.MkdirTemp("/tmp", "bailiwick-pg-"); err != nil { // the path of a socket is 107 bytes long at most
		return nil, err
	}
	if err := c.make(settings); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.dir))
	}
	if err := c.Restart(); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// binaries finds the folder of initdb and postgres: on the PATH, or where Debian keeps them.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil { // the other programs lie beside it
			return filepath.Dir(path), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("pgtest: PostgreSQL is missing: install it (Debian: apt-get install postgresql), or let scripts/test do it")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

func (c *Cluster) make(settings []string) error {
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return fmt.Errorf("pgtest: PostgreSQL does not run as root, and there is no user postgres: %w", err)
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2, os.Chown(c.dir, int(uid), int(gid))); err != nil {
			return fmt.Errorf("pgtest: %w", err)
		}
		c.as = &account{uint32(uid), uint32(gid)}
	}
	init := exec.Command(filepath.Join(c.bin, "initdb"), "--no-sync", "--auth=trust", "--username=bailiwick", "--encoding=UTF8", "--locale=C.UTF-8", "-D", c.data())
	init.Dir = c.dir
	init.SysProcAttr = attributes(c.as, 0)
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: initdb: %w\n%s", err, out)
	}
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintf(f, "listen_addresses = ''\nunix_socket_directories = '%s'\n", c.dir)
	for _, s := range settings {
		fmt.Fprintln(f, s)
	}
	return f.Sync()
}

// account is a user of the system.
type account struct{ user, group uint32 }

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// Restart starts the server unless it runs, and waits until it answers.
func (c *Cluster) Restart() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for deadline := time.Now().Add(30 * time.Second); c.process == nil; time.Sleep(50 * time.Millisecond) {
		// After a kill a former child may take a moment to notice that its server is gone, and its memory is in use until then.
		if err := c.start(); err != nil && (time.Now().After(deadline) || !strings.Contains(err.Error(), "shared memory block")) {
			return err
		}
	}
	return nil
}

func (c *Cluster) start() error {
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	server := exec.Command(filepath.Join(c.bin, "postgres"), "-D", c.data())
	if c.limit > 0 { // util-linux's prlimit sets it, and becomes the server
		server = exec.Command("prlimit", fmt.Sprintf("--fsize=%d:", c.limit), server.Path, "-D", c.data())
	}
	server.Dir, server.Stdout, server.Stderr = c.dir, log, log
	// SIGQUIT is an immediate shutdown. The kernel sends it when the thread that started the server ends, so that thread is kept.
	server.SysProcAttr = attributes(c.as, syscall.SIGQUIT)
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := server.Start()
		started <- err
		if err == nil {
			ended <- server.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	c.process, c.ended = server.Process, ended
	return c.wait()
}

func (c *Cluster) wait() error {
	deadline := time.Now().Add(60 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, c.URL("postgres"))
		if err == nil {
			err = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-c.ended:
			c.process = nil
			return fmt.Errorf("pgtest: the server ended at once:\n%s", c.Log())
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("pgtest: the server does not answer: %w\n%s", err, c.Log())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// LimitFiles lets no file of the server grow beyond bytes (RLIMIT_FSIZE) from the next start on; 0 takes the limit away. Extending a
// table fails then as it does on a full disk. Files of the log have 16 MiB from the start.
func (c *Cluster) LimitFiles(bytes uint64) { c.limit = bytes }

// Log is what the server has said since its last start.
func (c *Cluster) Log() string {
	b, _ := os.ReadFile(filepath.Join(c.dir, "log"))
	return string(b)
}

// Dir holds the socket, and in it, under data, the cluster.
func (c *Cluster) Dir() string { return c.dir }

// Kill ends all processes of the server at once, as a loss of power would: SIGKILL, no checkpoint, no goodbye.
func (c *Cluster) Kill() error { return c.end(syscall.SIGKILL) }

// Stop ends the server and removes the folder.
func (c *Cluster) Stop() error {
	return errors.Join(c.end(syscall.SIGQUIT), os.RemoveAll(c.dir))
}

func (c *Cluster) end(signal syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return nil
	}
	children := childrenOf(c.process.Pid)
	err := c.process.Signal(signal)
	if signal == syscall.SIGKILL {
		for _, child := range children { // by their ids, before they notice that their server is gone
			_ = child.Kill()
		}
	}
	<-c.ended
	c.process = nil
	return err
}

// URL is how to reach a database of the cluster.
func (c *Cluster) URL(database string) string {
	return "postgres:///" + database + "?" + url.Values{"host": {c.dir}, "user": {"bailiwick"}, "sslmode": {"disable"}}.Encode()
}

var numbers atomic.Int64

// Database makes an empty database and returns its URL. It goes with the cluster.
func (c *Cluster) Database(t TB) string {
	t.Helper()
	name := fmt.Sprint("t", numbers.Add(1))
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return c.URL(name)
}
