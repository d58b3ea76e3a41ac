package postgres

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

// cutter stands between the store and the server and cuts connections: what was asked never arrives, or it is done and the answer to the
// commit is lost. It can stand still, too.
type cutter struct {
	socket            string
	asked, answered   atomic.Int64 // cuts on the way there, and of answers to commits
	connections, calm atomic.Int64
	open              sync.WaitGroup
	still             sync.RWMutex // held while nothing gets through
	direct            string       // past it
}

// through makes a proxy before the shared server, and returns the address of a database behind it.
func through(t *testing.T) (*cutter, string) {
	t.Helper()
	c := pgtest.Shared(t)
	direct := c.Database(t)
	config, err := pgx.ParseConfig(direct)
	if err != nil {
		t.Fatal(err)
	}
	p := &cutter{direct: direct, socket: filepath.Join(c.Dir(), ".s.PGSQL.5432")}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.open.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.open.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() { l.Close(); p.open.Wait() })
	return p, "postgres://bailiwick@" + l.Addr().String() + "/" + config.Database + "?sslmode=disable"
}

func (p *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", p.socket)
	if err != nil {
		return
	}
	defer server.Close()
	p.connections.Add(1)
	there := make(chan struct{})
	go func() {
		defer close(there)
		defer server.Close()
		defer client.Close()
		p.pass(server, client, func([]byte) bool {
			cut := p.calm.Load() == 0 && rand.N(400) == 0
			if cut {
				p.asked.Add(1)
			}
			return cut
		})
	}()
	p.pass(client, server, func(b []byte) bool {
		cut := p.calm.Load() == 0 && bytes.Contains(b, []byte("COMMIT\x00")) && rand.N(40) == 0
		if cut {
			p.answered.Add(1)
		}
		return cut
	})
	client.Close()
	server.Close()
	<-there
}

// stall lets nothing through until resume, and cuts nothing: a host that was paused, or a network that swallows everything.
func (p *cutter) stall()  { p.still.Lock() }
func (p *cutter) resume() { p.still.Unlock() }

func (p *cutter) pass(to io.Writer, from io.Reader, cut func([]byte) bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			if cut(b[:n]) {
				return
			}
			p.still.RLock()
			_, err := to.Write(b[:n])
			p.still.RUnlock()
			if err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// TestConnectionsAreCut: whatever is lost on the way, each update takes effect once, and its caller is told so.
func TestConnectionsAreCut(t *testing.T) {
	const workers = 12
	p, url := through(t)
	p.calm.Store(1)
	y := newTally(t, openedAt(t, url, Options{Patience: time.Minute}), workers)
	p.calm.Store(0)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for n := range workers {
		group.Go(func() { y.work(t, n, stop) })
	}
	for deadline := time.Now().Add(3 * time.Minute); p.asked.Load() < 20 || p.answered.Load() < 20; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("only %d and %d cuts", p.asked.Load(), p.answered.Load())
			break
		}
	}
	p.calm.Store(1)
	close(stop)
	group.Wait()
	y.check(t, true)
	if y.refused.Load()+y.conflicts.Load() != 0 {
		t.Errorf("%d were refused, %d conflicts with nobody", y.refused.Load(), y.conflicts.Load())
	}
	t.Logf("%d cuts on the way there, %d on the way back, %d connections, %+v", p.asked.Load(), p.answered.Load(), p.connections.Load(), y.db.Stats())
}
