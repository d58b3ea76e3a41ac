package failover

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
)

// build builds the program as it is shipped.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "bailiwick")
	cmd := exec.Command("go", "build", "-o", program, "../../cmd/bailiwick")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// process is one server.
type process struct {
	name string
	base string // its address
	key  string // the ledger's verifier key, as it says
	cmd  *exec.Cmd
	end  chan error // what it ended with

	mu  sync.Mutex
	log bytes.Buffer
}

var (
	publicPage = regexp.MustCompile(`public page +(http://\S+)/`)
	keyLine    = regexp.MustCompile(`ledger key +(\S+)`)
)

// serve starts a server on a data folder and waits until it says that it is up.
func serve(t *testing.T, program, name, dir, database string) *process {
	t.Helper()
	p := &process{name: name, end: make(chan error, 1)}
	p.cmd = exec.Command(program, "serve", "--sandbox", "--data", dir, "--database", database, "--listen", "127.0.0.1:0")
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	lines := bufio.NewScanner(out)
	for (p.base == "" || p.key == "") && lines.Scan() {
		if m := publicPage.FindStringSubmatch(lines.Text()); m != nil {
			p.base = m[1]
		}
		if m := keyLine.FindStringSubmatch(lines.Text()); m != nil {
			p.key = m[1]
		}
	}
	go func() {
		_, _ = io.Copy(io.Discard, out) // so that it never waits for us
		p.end <- p.cmd.Wait()
	}()
	if p.base == "" || p.key == "" {
		err := <-p.end
		p.end <- err // for kill
		t.Fatalf("server %s did not come up: %v\n%s", name, err, p.said())
	}
	return p
}

// Write takes down what the server logs.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// signal sends the process a signal.
func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("server %s: %v", p.name, err)
	}
}

// kill ends it at once, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	err := <-p.end
	p.end <- err
}

// alive reports whether it runs, or else what it ended with.
func (p *process) alive() error {
	select {
	case err := <-p.end:
		p.end <- err
		return errors.Join(fmt.Errorf("server %s has ended", p.name), err)
	default:
		return nil
	}
}
