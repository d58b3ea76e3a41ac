package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/httpapi"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/phonepage"
	"github.com/bailiwick-dev/bailiwick/territory"
)

type deviceCommand struct {
	Server string `help:"The server, which must be a sandbox (bailiwick serve --sandbox, or the demo)." default:"${server}" env:"BAILIWICK_SERVER" placeholder:"URL"`
	Model  string `help:"Model of the phone." default:"Lantern P" placeholder:"NAME"`
	Market string `help:"Territory that the phone is made for." default:"MX" placeholder:"CODE"`
	City   string `help:"City in which the phone is at first." default:"Mexico City" placeholder:"NAME"`
	Folder string `help:"Keep the phone in this folder, and switch the same one on again next time. A new one is made each time when left out." type:"path" placeholder:"DIR"`
	Listen string `help:"Address and port of the phone's page." default:"127.0.0.1:0" placeholder:"HOST:PORT"`
	Lang   string `help:"Language of the phone; the browser's when left out." placeholder:"TAG"`
}

func (deviceCommand) Help() string {
	return `A real agent on simulated hardware, with its screen in your browser. Beside the screen you set place, SIM, networks, clock and boot state, and let
days pass. Nothing listens beyond this machine.

Examples:
  bailiwick device                                 on a sandbox started with bailiwick serve --sandbox
  bailiwick device --market AE --city Tehran --lang fa
  bailiwick device --folder ./my-phone             keep it`
}

// Run makes the phone and serves its page until it is interrupted.
func (c *deviceCommand) Run(ctx context.Context, env Environment) error {
	market, err := territory.ParseCode(strings.ToUpper(c.Market))
	if err != nil {
		return usageError{err}
	}
	place, err := findPlace(c.City)
	if err != nil {
		return usageError{err}
	}
	server, err := serverAddress(c.Server)
	if err != nil {
		return err
	}
	box := &sandboxClient{server: server, now: env.Now, http: &http.Client{Timeout: 30 * time.Second}}
	if err := box.find(ctx); err != nil {
		return err
	}
	p, err := c.phone(ctx, box, market)
	if err != nil {
		return err
	}
	p.Move(phone.World{
		Fix:  &territory.Fix{Lat: place.Lat, Lon: place.Lon, AccuracyM: 15},
		Cell: place.Cell, SIM: place.Cell, WiFi: place.WiFi, Address: place.Addr(), Online: true,
	})
	page, err := phonepage.New(phonepage.Config{Phone: p, Clock: box, Now: box.Now, OwnerURL: box.server + "/owner", Lang: c.Lang})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w (choose another with --listen)", c.Listen, err)
	}
	fmt.Fprintf(env.Stdout, "The phone is at http://%s/ (IMEI %s). Stop it with Ctrl-C.\n", listener.Addr(), p.Config().IMEI)
	return servePage(ctx, listener, page.Handler())
}

func servePage(ctx context.Context, l net.Listener, h http.Handler) error {
	server := httpapi.NewServer(h, nil)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		graceful, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := server.Shutdown(graceful)
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}
}

func findPlace(name string) (phone.Place, error) {
	var names []string
	for _, p := range phone.Places() {
		if strings.EqualFold(p.Name, name) {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return phone.Place{}, fmt.Errorf("no city %q; there are %s (other places can be set on the page)", name, strings.Join(names, ", "))
}

// identity is what a kept phone's factory wrote into it.
type identity struct {
	app.PhoneMade
	Model string `json:"model"`
	Key   string `json:"key"` // PKCS #8, PEM
}

func (c *deviceCommand) phone(ctx context.Context, box *sandboxClient, market territory.Code) (*phone.Phone, error) {
	id, storage, err := c.identity(ctx, box, market)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(id.Key))
	if block == nil {
		return nil, errors.New("the phone's key is no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("the phone's key is of another kind")
	}
	cfg := phone.Config{IMEI: device.IMEI(id.IMEI), Serial: id.Serial, Model: id.Model, Key: signer, Server: box.server, HTTP: box.http, Storage: storage, Now: box.Now}
	for _, text := range id.Chain {
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		cfg.Chain = append(cfg.Chain, der)
	}
	return phone.New(cfg)
}

// identity reads the kept phone, or has one made.
func (c *deviceCommand) identity(ctx context.Context, box *sandboxClient, market territory.Code) (id identity, storage agent.Storage, err error) {
	file := filepath.Join(c.Folder, "identity.json")
	if c.Folder != "" {
		text, err := os.ReadFile(file)
		if err == nil {
			return id, agent.FileStorage(filepath.Join(c.Folder, "agent")), json.Unmarshal(text, &id)
		} else if !errors.Is(err, os.ErrNotExist) {
			return id, nil, err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return id, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return id, nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return id, nil, err
	}
	id = identity{Model: c.Model, Key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))}
	wish := app.PhoneOrder{Model: c.Model, Market: market, PublicKey: base64.StdEncoding.EncodeToString(public)}
	if err := box.call(ctx, http.MethodPost, app.PathSandboxPhones, wish, &id.PhoneMade); err != nil {
		return id, nil, err
	}
	if c.Folder == "" {
		return id, agent.MemoryStorage(), nil
	}
	text, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return id, nil, err
	}
	agentDir := filepath.Join(c.Folder, "agent")
	if err := os.MkdirAll(agentDir, 0o700); err != nil {
		return id, nil, err
	}
	return id, agent.FileStorage(agentDir), os.WriteFile(file, text, 0o600)
}

// sandboxClient talks to a sandbox server, and keeps its time.
type sandboxClient struct {
	server string
	now    func() time.Time
	http   *http.Client

	mu    sync.Mutex
	ahead time.Duration
}

// Now is the sandbox's time.
func (s *sandboxClient) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now().Add(s.ahead)
}

// find looks whether the server is a sandbox, and takes its time.
func (s *sandboxClient) find(ctx context.Context) error {
	err := s.sync(ctx)
	var refused *problem
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return fmt.Errorf("the server at %s is no sandbox: it makes no virtual phones\n  Start one that does with: bailiwick serve --sandbox", s.server)
	}
	return err
}

// MoveOn implements phonepage.Clock.
func (s *sandboxClient) MoveOn(ctx context.Context, hours int) error {
	var reading app.ClockReading
	if err := s.call(ctx, http.MethodPost, app.PathSandboxClock, app.ClockMove{Hours: hours}, &reading); err != nil {
		return err
	}
	return s.sync(ctx)
}

func (s *sandboxClient) sync(ctx context.Context) error {
	var reading app.ClockReading
	if err := s.call(ctx, http.MethodGet, app.PathSandboxClock, nil, &reading); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead = reading.Now.Sub(s.now())
	return nil
}

func (s *sandboxClient) call(ctx context.Context, method, path string, question, answer any) error {
	return callJSON(ctx, s.http, method, s.server+path, "", question, answer)
}
