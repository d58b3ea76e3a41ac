package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/client"
	"github.com/bailiwick-dev/bailiwick/agent/lines"
)

const (
	firstWait = time.Minute // after a check-in that failed
	mostWait  = time.Hour
	idle      = 10 * time.Minute // a connection to the socket that says nothing for so long is closed
	mostPeers = 16               // connections to the socket at a time
)

// Daemon is an agent with its courier. Its methods may be used by several goroutines.
type Daemon struct {
	cfg    Config
	agent  *agent.Agent
	client client.Client
	now    func() time.Time
	log    *slog.Logger

	checking sync.Mutex // one check-in at a time
	wake     chan struct{}

	writing sync.Mutex
	out     io.Writer
	last    []byte // the screen written last
}

// Open puts an agent together from a configuration and what the hardware brings. Changes of the screen go to out.
func Open(cfg Config, hw Hardware, out io.Writer, log *slog.Logger) (*Daemon, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	p, err := platform(&cfg, hw)
	if err != nil {
		return nil, err
	}
	courier, err := transport(&cfg)
	if err != nil {
		return nil, err
	}
	opened, err := agent.Open(p)
	if err != nil {
		return nil, err
	}
	return &Daemon{
		cfg: cfg, agent: opened, client: client.Client{Server: cfg.Server, HTTP: courier}, now: p.Now, log: log,
		wake: make(chan struct{}, 1), out: out,
	}, nil
}

// Run opens a daemon and lets it run until ctx ends, which is no error. The end of in is not its end: a service may have
// no standard input at all. All that it started has ended when it returns, but for a read of in that cannot be interrupted.
func Run(ctx context.Context, cfg Config, hw Hardware, in io.Reader, out io.Writer, log *slog.Logger) error {
	d, err := Open(cfg, hw, out, log)
	if err != nil {
		return err
	}
	listener, err := d.listen()
	if err != nil {
		return err
	}
	var started sync.WaitGroup
	defer started.Wait()
	if listener != nil {
		started.Go(func() { d.accept(ctx, listener) })
	}
	go d.input(ctx, in) // ends with in, or with the process
	d.keep(ctx)
	return nil
}

// Once handles the lines of in, checks in if that is due, and returns.
func (d *Daemon) Once(ctx context.Context, in io.Reader) error {
	if err := d.agent.Tick(); err != nil {
		return err
	}
	d.publish()
	d.input(ctx, in)
	if d.due() {
		_, err := d.checkIn(ctx)
		return err
	}
	return nil
}

// keep ticks and checks in until ctx ends.
func (d *Daemon) keep(ctx context.Context) {
	ticker := time.NewTicker(d.cfg.tick())
	defer ticker.Stop()
	wait, notBefore := time.Duration(0), time.Time{}
	for {
		d.ticked(d.agent.Tick())
		if d.due() && !time.Now().Before(notBefore) { // by the monotonic clock: nobody sets the back-off
			if _, err := d.checkIn(ctx); err == nil {
				wait, notBefore = 0, time.Time{}
			} else if ctx.Err() == nil {
				wait = backOff(wait, err)
				notBefore = time.Now().Add(wait)
				d.log.Warn("check-in failed", "error", err, "again_in", wait)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-d.wake:
		}
	}
}

// backOff is how long to wait after a check-in that failed, when the wait before it was that long: what the server asks for, or a minute,
// and then twice as long each time, an hour at most.
func backOff(before time.Duration, err error) time.Duration {
	wait := firstWait
	if p := new(client.Problem); errors.As(err, &p) && p.RetryAfter > 0 {
		wait = p.RetryAfter
	}
	return min(max(wait, 2*before), mostWait)
}

func (d *Daemon) ticked(err error) {
	if err != nil {
		d.log.Error("tick failed", "error", err)
	}
	if err := d.agent.CounterFault(); err != nil {
		d.log.Warn("a copy of the record could be put back unnoticed", "error", err)
	}
	d.publish()
}

func (d *Daemon) due() bool { return !d.agent.NextCheckIn().After(d.now()) }

// checkIn enrols the device if it is new, and checks in.
func (d *Daemon) checkIn(ctx context.Context) (agent.Outcome, error) {
	d.checking.Lock()
	defer d.checking.Unlock()
	if err := d.client.Enrol(ctx, d.agent); err != nil {
		return agent.Outcome{}, err
	}
	out, err := d.client.CheckIn(ctx, d.agent)
	d.publish()
	if err == nil {
		d.log.Info("checked in", "applied", len(out.Applied), "refused", len(out.Refused), "next", out.NextCheckIn.UTC().Format(time.RFC3339))
	}
	return out, err
}

// publish writes the screen when it is another than the last one written.
func (d *Daemon) publish() {
	d.writing.Lock()
	defer d.writing.Unlock()
	text, err := json.Marshal(answer{Screen: d.screen()})
	if err != nil || bytes.Equal(text, d.last) {
		return
	}
	if _, err := d.out.Write(append(text, '\n')); err != nil {
		d.log.Error("write the screen", "error", err)
		return
	}
	d.last = text
}

func (d *Daemon) screen() *lines.Screen {
	s := lines.ScreenOf(d.agent.Screen())
	return &s
}

// listen opens the socket. A socket that a killed daemon left behind is taken over; one that somebody answers on is not.
func (d *Daemon) listen() (net.Listener, error) {
	path := d.cfg.Socket
	if path == "" {
		return nil, nil
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("socket: %s is there and is no socket", path)
		}
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			return nil, errors.Join(fmt.Errorf("socket: another agent answers on %s", path), c.Close())
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("socket: %w", err)
		}
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), listener.Close())
	}
	return listener, nil
}

// accept serves the socket until ctx ends, and returns when its last connection is closed.
func (d *Daemon) accept(ctx context.Context, listener net.Listener) {
	var peers sync.WaitGroup
	defer peers.Wait()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	places := make(chan struct{}, mostPeers)
	for {
		places <- struct{}{}
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			d.log.Error("socket", "error", err)
			<-places
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
			continue
		}
		peers.Go(func() {
			defer func() { <-places }()
			d.serve(ctx, conn)
		})
	}
}
