package load_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/fleet/load"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// serve runs a real server until the test ends.
func serve(t *testing.T, sandbox bool) (*app.App, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + listener.Addr().String()
	a, err := app.Open(t.Context(), app.Config{Dir: t.TempDir(), BaseURL: base, Sandbox: sandbox, PasswordCost: 4,
		Policy: app.Document{Name: "terms-2026-11.yaml", Source: policies.Current}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- a.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-served, a.Close()); err != nil {
			t.Error(err)
		}
	})
	return a, base
}

func TestALoadIsTakenByARealServer(t *testing.T) {
	a, base := serve(t, true)
	var stages recorder
	r, err := load.Run(t.Context(), load.Config{Server: base, Devices: 400, Rate: 300, Duration: 3 * time.Second, Connections: 32, Seed: 5, Progress: &stages})
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() || r.Sent < 600 || r.Sent > 1300 || len(r.Errors) != 0 {
		t.Errorf("sent %d, accepted %d, errors %v", r.Sent, r.Accepted, r.Errors)
	}
	if r.News == 0 || r.News > r.Sent/10 {
		t.Errorf("%d of %d had news", r.News, r.Sent)
	}
	if r.Restricted != 2 {
		t.Errorf("%d of 400 devices have a notice, 2 were activated in a prohibited territory", r.Restricted)
	}
	if !(r.P50 > 0 && r.P50 <= r.P90 && r.P90 <= r.P99 && r.P99 <= r.P999 && r.P999 <= r.Max) {
		t.Errorf("latencies %v %v %v %v %v", r.P50, r.P90, r.P99, r.P999, r.Max)
	}
	if got := strings.Join(stages.names, ", "); got != "enrolling devices, introducing devices, signing evidence, checking in" {
		t.Errorf("stages: %s", got)
	}
	overview, _, err := a.Service.Devices(t.Context(), authority.DeviceQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, d := range overview {
		if len(d.Device.Days) > 40 && d.Device.Sequence > 1 {
			seen++
		}
	}
	if seen < 390 {
		t.Errorf("the server has the history and more than one check-in of %d devices", seen)
	}
}

func TestALoadIsRefused(t *testing.T) {
	_, base := serve(t, false)
	cfg := load.Config{Server: base, Devices: 2, Rate: 1, Duration: time.Second}
	if _, err := load.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "no sandbox") {
		t.Errorf("a server that is no sandbox: %v", err)
	}
	cfg.AllowRemote = true
	if _, err := load.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "no sandbox") {
		t.Errorf("a server that is no sandbox, allowed to be remote: %v", err)
	}
	remote := cfg
	remote.Server, remote.AllowRemote = "http://192.0.2.1:8470", false
	if _, err := load.Run(t.Context(), remote); !errors.Is(err, load.ErrRemote) {
		t.Errorf("a server on another machine: %v", err)
	}
	for name, change := range map[string]func(*load.Config){
		"one device":         func(c *load.Config) { c.Devices = 1 },
		"no rate":            func(c *load.Config) { c.Rate = 0 },
		"no time":            func(c *load.Config) { c.Duration = 0 },
		"too many tokens":    func(c *load.Config) { c.Rate, c.Duration = 1e5, time.Hour },
		"connections":        func(c *load.Config) { c.Connections = 5000 },
		"no address at all":  func(c *load.Config) { c.Server = "localhost:8470" },
		"another protocol":   func(c *load.Config) { c.Server = "ftp://127.0.0.1" },
		"a million devices+": func(c *load.Config) { c.Devices = 1_000_001 },
	} {
		bad := cfg
		change(&bad)
		if _, err := load.Run(t.Context(), bad); err == nil || strings.Contains(err.Error(), "no sandbox") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// stalling answers at once, but for one stall at the beginning.
type stalling struct {
	once  sync.Once
	stall time.Duration
	mu    sync.Mutex
}

func (s *stalling) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.once.Do(func() { time.Sleep(s.stall) })
	w.WriteHeader(http.StatusOK)
}

// A server that stalls for a second at 200 arrivals a second makes two hundred people wait, half a second on average. Whoever counts from when
// a request was sent, with two connections, finds two.
func TestAStallIsChargedToEverybodyWhoWaited(t *testing.T) {
	const stall = time.Second
	tokens := make([][]byte, 1000)
	r := load.Fire(t.Context(), load.Local(&stalling{stall: stall}), tokens, load.Plan{Rate: 200, Duration: 2 * time.Second, Connections: 2, Seed: 1})
	waited := 0
	for _, l := range r.Latencies {
		if l > stall/4 {
			waited++
		}
	}
	if waited < 100 {
		t.Errorf("%d of %d check-ins waited for more than a quarter of the stall; p99 is %v", waited, r.Accepted, r.Percentile(.99))
	}
	if r.Percentile(.999) < stall*8/10 {
		t.Errorf("the longest wait was %v", r.Percentile(1))
	}
}

func TestErrorsAreCountedByKind(t *testing.T) {
	n := 0
	var mu sync.Mutex
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch n++; n % 3 {
		case 0:
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(`{"type":"urn:bailiwick:problem:rate-limited"}`))
		case 1:
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	r := load.Fire(t.Context(), load.Local(h), make([][]byte, 30), load.Plan{Connections: 4})
	if r.Sent != 30 || r.Accepted != 10 || r.Errors["rate-limited"] != 10 || r.Errors["status-502"] != 10 || len(r.Kinds()) != 2 {
		t.Errorf("%+v", r)
	}
	gone := load.Fire(t.Context(), load.Remote("http://127.0.0.1:1", 1), make([][]byte, 2), load.Plan{Connections: 1})
	if gone.Accepted != 0 || gone.Errors["connection-dial"] != 2 {
		t.Errorf("%+v", gone)
	}
}

func TestArrivalsAreAPoissonProcess(t *testing.T) {
	at := load.Arrivals(1000, 20*time.Second, 9)
	if len(at) < 19_000 || len(at) > 21_000 {
		t.Fatalf("%d arrivals in 20 s at 1,000 a second", len(at))
	}
	// Gaps of an exponential distribution exceed their mean with e⁻¹, 37 %; evenly spaced ones never do.
	long := 0
	for i := 1; i < len(at); i++ {
		if at[i] < at[i-1] {
			t.Fatal("arrivals are not in order")
		}
		if at[i]-at[i-1] > time.Millisecond {
			long++
		}
	}
	if share := float64(long) / float64(len(at)); share < .33 || share > .41 {
		t.Errorf("%.0f %% of the gaps are longer than the mean", 100*share)
	}
}

type recorder struct {
	mu    sync.Mutex
	names []string
}

func (r *recorder) Stage(name string, _ int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = append(r.names, name)
}

func (r *recorder) Step(int) {}

// TestLoadIsNotSentOn: a server that sends its callers elsewhere does not get a load there: nobody has said whose server that is.
func TestLoadIsNotSentOn(t *testing.T) {
	var reached atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer elsewhere.Close()
	here := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer here.Close()
	status, _, err := load.Remote(here.URL, 1).Do(t.Context(), http.MethodPost, "/v1/check-in", "text/plain", []byte("x"))
	if err != nil || status != http.StatusTemporaryRedirect || reached.Load() != 0 {
		t.Errorf("%d, %v; it was sent on %d times", status, err, reached.Load())
	}
}

// overtaking answers early tokens late, and keeps in what order each device's came in.
type overtaking struct {
	mu      sync.Mutex
	under   map[byte]bool
	order   map[byte][]byte
	doubled int
}

func (o *overtaking) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var token [2]byte // the device, and which of its tokens
	_, _ = io.ReadFull(r.Body, token[:])
	o.mu.Lock()
	if o.under[token[0]] {
		o.doubled++
	}
	o.under[token[0]] = true
	o.order[token[0]] = append(o.order[token[0]], token[1])
	o.mu.Unlock()
	if token[1] == 0 {
		time.Sleep(time.Millisecond)
	}
	o.mu.Lock()
	o.under[token[0]] = false
	o.mu.Unlock()
}

// More connections than devices: what is sent next has its device's answer before.
func TestADeviceSendsOneAfterTheOther(t *testing.T) {
	const devices, each = 3, 20
	var tokens [][]byte
	for n := range byte(each) {
		for d := range byte(devices) {
			tokens = append(tokens, []byte{d, n})
		}
	}
	for name, plan := range map[string]load.Plan{
		"as fast as they can": {Connections: 16, Devices: devices},
		"at a rate":           {Connections: 16, Devices: devices, Rate: 1e5, Duration: time.Second},
	} {
		o := &overtaking{under: map[byte]bool{}, order: map[byte][]byte{}}
		r := load.Fire(t.Context(), load.Local(o), tokens, plan)
		if r.Accepted != devices*each || o.doubled > 0 {
			t.Errorf("%s: %d accepted, %d while another of the device was under way", name, r.Accepted, o.doubled)
		}
		for d, order := range o.order {
			if !slices.IsSorted(order) {
				t.Errorf("%s: device %d sent %v", name, d, order)
			}
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if r := load.Fire(stopped, load.Local(&overtaking{}), tokens, load.Plan{Connections: 16, Devices: devices}); r.Sent > 0 {
		t.Errorf("%d sent when it was over", r.Sent)
	}
}
