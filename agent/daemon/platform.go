package daemon

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
)

// Hardware is what a firmware brings of its own. A nil field means that the configuration's file, or the system, serves.
type Hardware struct {
	Key      crypto.Signer // in a secure element
	StateKey []byte
	Root     []byte // of the officers, built in
	Counter  agent.Counter
	Boot     func() evidence.Boot
	Storage  agent.Storage

	Now    func() time.Time
	Uptime func() time.Duration
	BootID func() string
}

// Version is the software version that evidence tells: that of the module, or "devel" of a build from a working tree.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && len(info.Main.Version) <= 64 {
		return info.Main.Version
	}
	return "devel"
}

// platform puts together what the agent needs.
func platform(cfg *Config, hw Hardware) (agent.Platform, error) {
	p := agent.Platform{
		Storage: hw.Storage, Key: hw.Key, Now: hw.Now, Uptime: hw.Uptime, BootID: hw.BootID, Boot: hw.Boot, Random: rand.Reader,
		Software: Version(), StateKey: hw.StateKey, Root: hw.Root, Counter: hw.Counter, AdoptPlain: cfg.AdoptPlain,
		Identity: agent.Identity{IMEI: device.IMEI(cfg.IMEI), Serial: cfg.Serial, Model: cfg.Model},
	}
	if p.Storage == nil {
		p.Storage = agent.FileStorage(cfg.Storage)
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	return p, errors.Join(keys(cfg, &p), system(cfg, &p))
}

func keys(cfg *Config, p *agent.Platform) (err error) {
	if p.Key == nil {
		if cfg.Key == "" {
			return errors.New(`"key" is missing, and the hardware brings none`)
		}
		if p.Key, err = readKey(cfg.Key); err != nil {
			return err
		}
	}
	if p.Chain, err = readChain(cfg.Chain, p.Key); err != nil {
		return err
	}
	if p.StateKey == nil && cfg.StateKey != "" {
		if p.StateKey, err = readStateKey(cfg.StateKey); err != nil {
			return err
		}
	}
	if p.Root == nil && cfg.OfficersRoot != "" {
		p.Root, err = readOfficersRoot(cfg.OfficersRoot)
	}
	return err
}

func system(cfg *Config, p *agent.Platform) (err error) {
	if p.Boot == nil {
		if p.Boot, err = bootStates(cfg.BootState); err != nil {
			return err
		}
	}
	if p.Uptime == nil {
		if p.Uptime, err = kernelUptime("/proc/uptime"); err != nil {
			return err
		}
	}
	if p.BootID == nil {
		id, err := readFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			return fmt.Errorf("no boot id; this needs Linux: %w", err)
		}
		text := strings.TrimSpace(string(id))
		p.BootID = func() string { return text } // no process outlives its boot
	}
	return nil
}

// kernelUptime reads the time since boot, sleep included, to a hundredth of a second. Should a later reading fail, the last one
// serves: no time passes then, which the agent takes for what it is.
func kernelUptime(path string) (func() time.Duration, error) {
	read := func() (time.Duration, error) {
		data, err := readFile(path)
		if err != nil {
			return 0, err
		}
		text, _, _ := strings.Cut(string(data), " ")
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(seconds >= 0 && seconds < math.MaxInt64/float64(time.Second)) {
			return 0, fmt.Errorf("%s says %q", path, text)
		}
		return time.Duration(seconds * float64(time.Second)), nil
	}
	last, err := read()
	if err != nil {
		return nil, fmt.Errorf("no uptime; this needs Linux: %w", err)
	}
	var mu sync.Mutex
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		if now, err := read(); err == nil {
			last = now
		}
		return last
	}, nil
}

// transport returns what speaks with the server.
func transport(cfg *Config) (*http.Client, error) {
	dialer := &net.Dialer{Timeout: 20 * time.Second}
	if cfg.DNS != "" {
		dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, cfg.DNS)
		}}
	}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 20 * time.Second, IdleConnTimeout: time.Minute, MaxIdleConns: 1,
	}
	if cfg.Roots != "" {
		data, err := readFile(cfg.Roots)
		if err != nil {
			return nil, fmt.Errorf("roots: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("roots: %s has no PEM block CERTIFICATE", cfg.Roots)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}
