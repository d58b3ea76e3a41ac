// Package phone is a virtual phone: a real agent on simulated hardware. Its place, SIM, networks, clock and boot state are
// set from outside, the way the world sets them for a real one; everything else is the agent's own doing.
//
// The simulator (package fleet) runs thousands of them; `bailiwick device` runs one, with a screen.
package phone

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/client"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// ErrOffline is returned by CheckIn while the phone has no network.
var ErrOffline = errors.New("the phone has no network")

// World is what surrounds the phone now.
type World struct {
	Fix     *territory.Fix // nil without satellite reception
	Cell    territory.PLMN // serving network; empty without
	SIM     territory.PLMN // home network of the SIM; empty without
	WiFi    territory.Code // country that access points announce
	Address netip.Addr     // public address; invalid means the connection's own
	Online  bool
}

// Config describes a phone as it leaves the factory.
type Config struct {
	IMEI     device.IMEI
	Serial   string
	Model    string
	Key      crypto.Signer
	Chain    [][]byte // certificates, leaf first, DER
	Server   string   // base URL of the authority
	HTTP     *http.Client
	Storage  agent.Storage
	Now      func() time.Time // true time; the phone's own clock may be off by ClockOffset
	Random   io.Reader        // crypto/rand.Reader when nil
	Software string
	Root     []byte // the officers' root metadata in its firmware; nil for none, see agent.Platform
}

// Phone is safe for concurrent use.
type Phone struct {
	cfg    Config
	client *client.Client

	mu          sync.Mutex
	agent       *agent.Agent
	world       World
	boot        evidence.Boot
	clockOffset time.Duration
	bootedAt    time.Time
	boots       uint64
	lastError   error
}

// New switches a phone on for the first time, or again if its storage has a past.
func New(cfg Config) (*Phone, error) {
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.Software == "" {
		cfg.Software = "bailiwick-agent/virtual"
	}
	p := &Phone{cfg: cfg, boot: evidence.BootVerified, bootedAt: cfg.Now(), boots: 1}
	p.client = &client.Client{Server: cfg.Server, HTTP: withAddress(cfg.HTTP, p)}
	opened, err := agent.Open(agent.Platform{
		Storage: cfg.Storage, Key: cfg.Key, Chain: cfg.Chain,
		Identity: agent.Identity{IMEI: cfg.IMEI, Serial: cfg.Serial, Model: cfg.Model},
		Software: cfg.Software, Random: cfg.Random, Root: cfg.Root,
		Now: p.wallClock, Uptime: p.uptime, BootID: p.bootID, Boot: p.bootState,
	})
	if err != nil {
		return nil, fmt.Errorf("phone %s: %w", cfg.Serial, err)
	}
	p.agent = opened
	return p, nil
}

// Agent gives the enforcement point that runs on the phone.
func (p *Phone) Agent() *agent.Agent { return p.agent }

// Config returns what the phone was made with.
func (p *Phone) Config() Config { return p.cfg }

// World returns what surrounds the phone.
func (p *Phone) World() World {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.world
}

// Move puts the phone into another world.
func (p *Phone) Move(w World) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.world = w
}

// SetBoot changes the boot state, as unlocking the bootloader or flashing another system does. The phone restarts.
func (p *Phone) SetBoot(b evidence.Boot) {
	p.mu.Lock()
	p.boot = b
	p.mu.Unlock()
	p.Restart()
}

// SetClockOffset makes the phone's clock wrong by d from now on.
func (p *Phone) SetClockOffset(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clockOffset = d
}

// ClockOffset returns how wrong the phone's clock is.
func (p *Phone) ClockOffset() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clockOffset
}

// BootState returns the state of the boot chain.
func (p *Phone) BootState() evidence.Boot { return p.bootState() }

// Restart reboots the phone: uptime begins anew, and what the agent has stored is all that it knows.
func (p *Phone) Restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.boots++
	p.bootedAt = p.cfg.Now()
}

// Use lives through a moment of the phone's day: it sees its signals, lets time pass, and shows what there is to show.
func (p *Phone) Use() error {
	w := p.World()
	if err := p.agent.Observe(territory.Signals{GNSS: w.Fix, Cell: w.Cell, SIM: w.SIM, WiFi: w.WiFi}); err != nil {
		return err
	}
	if err := p.agent.Tick(); err != nil {
		return err
	}
	if p.agent.Screen().Stage == order.Noticed {
		return p.agent.Shown()
	}
	return nil
}

// CheckIn enrols the phone if it is new, and checks in.
func (p *Phone) CheckIn(ctx context.Context) error {
	if !p.World().Online {
		return ErrOffline
	}
	err := p.checkIn(ctx)
	p.mu.Lock()
	p.lastError = err
	p.mu.Unlock()
	return err
}

func (p *Phone) checkIn(ctx context.Context) error {
	if !p.agent.Enrolled() {
		if err := p.client.Enrol(ctx, p.agent); err != nil {
			return err
		}
	}
	_, err := p.client.CheckIn(ctx, p.agent)
	return err
}

// LastError returns how the last check-in ended.
func (p *Phone) LastError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastError
}

// Due reports whether the agent wants to check in now.
func (p *Phone) Due() bool { return !p.agent.NextCheckIn().After(p.wallClock()) }

func (p *Phone) wallClock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cfg.Now().Add(p.clockOffset)
}

func (p *Phone) uptime() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cfg.Now().Sub(p.bootedAt)
}

func (p *Phone) bootID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%d-%d", p.boots, p.bootedAt.UnixNano())
}

func (p *Phone) bootState() evidence.Boot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.boot
}

// withAddress makes requests appear to come from the phone's public address, the way a proxy in front of the authority
// reports it; the authority believes it only from a proxy that it trusts.
func withAddress(c *http.Client, p *Phone) *http.Client {
	if c == nil {
		c = &http.Client{Timeout: 30 * time.Second}
	}
	copied := *c
	next := copied.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	copied.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		if a := p.World().Address; a.IsValid() {
			r = r.Clone(r.Context())
			r.Header.Set("X-Forwarded-For", a.String())
		}
		return next.RoundTrip(r)
	})
	return &copied
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
