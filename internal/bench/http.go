package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/fleet/load"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// peak is what a server of its own, on processors of its own, did over HTTP.
type peak struct {
	rate, bound  float64 // at its highest, and bare checks on the server's processors
	cpu, cpuBare float64 // microseconds a check-in, and a bare check
	written      float64 // bytes a check-in that the kernel sent to the disk
	offered      float64 // the rate of the open loop
	away         float64 // share of it for which the server was too busy
	awayPeak     float64 // the same of those who came as fast as they could; what it costs is charged to those who were served
	p50, p99     time.Duration
	served       int // check-ins of the open loop
	server, load int // processors
}

// openLoopShare of the peak is what the open loop offers.
const openLoopShare = .6

// overHTTP measures a real server on half of the processors with the load on the other half, when it is asked for first.
func (s *session) overHTTP(ctx context.Context) (*peak, error) {
	if s.peak == nil && s.peakFault == nil {
		s.peak, s.peakFault = s.measureHTTP(ctx)
	}
	return s.peak, s.peakFault
}

func (s *session) measureHTTP(ctx context.Context) (*peak, error) {
	if s.Serve == nil {
		return nil, leftOut("no server can be started from here")
	}
	server, generator, err := halves()
	if err != nil {
		return nil, err
	}
	dir, remove, err := s.scratch("http")
	if err != nil {
		return nil, err
	}
	defer remove()
	duration, looped := pick(s, 20*time.Second, 6*time.Second), pick(s, 30*time.Second, 8*time.Second)
	glance, err := es256Rate(300 * time.Millisecond)
	if err != nil {
		return nil, err
	}
	n := int(min(glance*.7*duration.Seconds(), 1_000_000))
	f, err := s.populate(ctx, dir, "", s.few())
	if err != nil {
		return nil, err
	}
	w, err := s.enter(ctx, dir, "", f, n)
	if err != nil {
		return nil, err
	}
	if err := w.leave(); err != nil {
		return nil, err
	}
	tokens, err := w.sign(ctx, s, n)
	if err != nil {
		return nil, err
	}
	p := &peak{server: len(server), load: len(generator)}
	if err := p.measureBound(server); err != nil {
		return nil, err
	}
	c, err := s.startServer(ctx, dir, server)
	if err != nil {
		return nil, err
	}
	err = within(generator, func() error { return p.fire(ctx, s, c, w, tokens, duration, looped) })
	if err = errors.Join(err, c.stop()); err != nil {
		return nil, err
	}
	bound, bare := p.bound, p.cpuBare
	err = p.measureBound(server)
	p.bound, p.cpuBare = (bound+p.bound)/2, (bare+p.cpuBare)/2 // the machine may have changed its pace meanwhile
	return p, err
}

// measureBound measures bare checks on the server's processors while no server runs.
func (p *peak) measureBound(server []int) error {
	return within(server, func() error {
		before, err := cpuTime()
		if err != nil {
			return err
		}
		begun := time.Now()
		if p.bound, err = es256Rate(time.Second); err != nil {
			return err
		}
		checks := p.bound * time.Since(begun).Seconds()
		after, err := cpuTime()
		p.cpuBare = float64((after - before).Microseconds()) / checks // by processor time: the machine may have others to serve
		return err
	})
}

// fire finds the peak with what it costs, and then offers a part of it as an open loop.
func (p *peak) fire(ctx context.Context, s *session, c *child, w *world, tokens [][]byte, duration, looped time.Duration) error {
	connections := underWay(p.server)
	t := load.Remote(c.base, connections)
	step := func(int) { s.Progress.Step(1) }
	warm := len(tokens) / 20
	load.Fire(ctx, t, tokens[:warm], load.Plan{Duration: duration / 10, Connections: connections, Devices: len(w.devices), Pause: pause})
	s.Progress.Stage("checking in over HTTP", len(tokens)-warm)
	before, err := c.spent()
	if err != nil {
		return err
	}
	r := load.Fire(ctx, t, tokens[warm:], load.Plan{Duration: duration, Connections: connections, Devices: len(w.devices), Pause: pause, Sent: step})
	after, err := c.spent()
	if err = errors.Join(err, s.refusals(r, mostTurnedAway)); err != nil {
		return err
	}
	p.rate, p.awayPeak = r.Rate(), r.TurnedAway()
	p.cpu = float64((after.cpu - before.cpu).Microseconds()) / float64(r.Accepted)
	p.written = float64(after.written-before.written) / float64(r.Accepted)
	p.offered = p.rate * openLoopShare
	moments := load.Arrivals(p.offered, looped, seed)
	more, err := w.sign(ctx, s, len(moments))
	if err != nil {
		return err
	}
	s.Progress.Stage("checking in as an open loop", len(moments))
	uncollected(func() {
		r = load.Fire(ctx, t, more, load.Plan{Rate: p.offered, Duration: looped, Connections: connections, Devices: len(w.devices), Seed: seed, Sent: step})
	})
	p.p50, p.p99, p.served = r.Percentile(.5), r.Percentile(.99), r.Sent
	p.away = r.TurnedAway()
	return s.refusals(r, .01)
}

// spareForLoad is how much garbage the load may leave while nothing is collected, bytes.
const spareForLoad = 4 << 30

// uncollected runs fn without collecting garbage in this process, which has a population in memory: marking it takes the load's processors for a
// tenth of a second, and what was not sent meanwhile would be charged to the server, and then come all at once.
func uncollected(fn func()) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	limit := debug.SetMemoryLimit(int64(m.Sys) + spareForLoad)
	percent := debug.SetGCPercent(-1)
	defer func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}()
	fn()
}

func checkinHTTP(ctx context.Context, s *session) (Row, error) {
	p, err := s.overHTTP(ctx)
	if err != nil {
		return Row{}, err
	}
	return Row{Value: p.rate, Bound: p.bound, Note: fmt.Sprintf("a server process on %d processors, the load on %d others; SQLite, %s devices; bound on the server's processors; %.1f %% turned away; %s",
		p.server, p.load, thousands(s.few()), 100*p.awayPeak, mixNote)}, nil
}

func checkinP99(ctx context.Context, s *session) (Row, error) {
	p, err := s.overHTTP(ctx)
	if err != nil {
		return Row{}, err
	}
	return Row{Value: float64(p.p99.Microseconds()) / 1000, Bound: 25, Note: fmt.Sprintf("open loop at %.0f a second, 60 %% of the peak just measured, over HTTP; %s check-ins, %.2f %% of them turned away; p50 %.1f ms",
		p.offered, thousands(p.served), 100*p.away, float64(p.p50.Microseconds())/1000)}, nil
}

func checkinCPU(ctx context.Context, s *session) (Row, error) {
	p, err := s.overHTTP(ctx)
	if err != nil {
		return Row{}, err
	}
	return Row{Value: p.cpu, Bound: p.cpuBare, Note: "of the server process at its peak, HTTP, store and kernel included"}, nil
}

func checkinDisk(ctx context.Context, s *session) (Row, error) {
	p, err := s.overHTTP(ctx)
	if err != nil {
		return Row{}, err
	}
	sizes, err := s.recordSizes(ctx, "")
	if err != nil {
		return Row{}, err
	}
	return Row{Value: p.written, Bound: sizes.record, Note: "sent to the disk by the server process at its peak, SQLite's log and its checkpoints included"}, nil
}

// child is a server process.
type child struct {
	cmd  *exec.Cmd
	base string
	log  *tail
}

// startServer starts a server on a data folder, on these processors, at whatever port is free, and waits until it answers.
func (s *session) startServer(ctx context.Context, dir string, processors []int) (*child, error) {
	c := &child{log: &tail{base: make(chan string, 1)}}
	c.cmd = s.Serve(ctx, "--sandbox", "--data", dir, "--listen", "127.0.0.1:0", "--log-level", "warn")
	c.cmd.Stdout, c.cmd.Stderr = c.log, c.log
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(os.Interrupt) }
	c.cmd.WaitDelay = 20 * time.Second
	if err := startOn(c.cmd, processors); err != nil {
		return nil, err
	}
	starting := time.NewTimer(time.Minute)
	defer starting.Stop()
	select {
	case c.base = <-c.log.base:
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), c.stop())
	case <-starting.C:
		return nil, errors.Join(errors.New("the server does not say that it is up"), c.stop())
	}
	client := &http.Client{Timeout: 5 * time.Second}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		response, err := client.Get(c.base + protocol.PathEpoch)
		if err == nil {
			_ = response.Body.Close()
			return c, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("the server does not answer: %w\n%s", err, c.log), c.stop())
		}
	}
}

func (c *child) stop() error {
	_ = c.cmd.Process.Signal(os.Interrupt) // it may have ended by itself, which Wait tells
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("the server ended: %w\n%s", err, c.log)
	}
	return nil
}

// tail keeps the end of what a server writes, and tells its address when it says it.
type tail struct {
	text []byte
	base chan string // takes one
	told bool
}

var saysItsAddress = regexp.MustCompile(`(?m)^ *public page +(http://\S+)/$`)

func (t *tail) Write(b []byte) (int, error) {
	t.text = append(t.text, b...)
	if said := saysItsAddress.FindSubmatch(t.text); said != nil && !t.told {
		t.told = true
		t.base <- string(said[1])
	}
	if over := len(t.text) - 4096; over > 0 {
		t.text = t.text[over:]
	}
	return len(b), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.text)) }
