package pgtest

import (
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Lag is a proxy before a cluster that can be told to hold back all that passes: a database that is far away, or slow.
type Lag struct {
	socket   string
	listener net.Listener
	by       atomic.Int64 // nanoseconds
	open     sync.WaitGroup
}

// Lag makes one, on loopback, which holds nothing back yet. Stop must be called, after all connections were closed.
func (c *Cluster) Lag() (*Lag, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	g := &Lag{socket: filepath.Join(c.dir, ".s.PGSQL.5432"), listener: l}
	g.open.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			g.open.Go(func() { g.serve(client) })
		}
	})
	return g, nil
}

// By has each piece wait for so long, in each direction.
func (g *Lag) By(d time.Duration) { g.by.Store(int64(d)) }

// URL is the address of a database of the cluster behind g.
func (g *Lag) URL(database string) string {
	return "postgres://bailiwick@" + g.listener.Addr().String() + "/" + database + "?sslmode=disable"
}

// Stop ends the proxy.
func (g *Lag) Stop() {
	g.listener.Close()
	g.open.Wait()
}

func (g *Lag) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", g.socket)
	if err != nil {
		return
	}
	defer server.Close()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			g.pass(way[1], way[0])
			client.Close()
			server.Close()
		})
	}
	both.Wait()
}

func (g *Lag) pass(to, from net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			time.Sleep(time.Duration(g.by.Load()))
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
