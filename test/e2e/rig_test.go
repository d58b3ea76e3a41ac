package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/fleet"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// TestMain lets the test binary be the server that some tests kill or starve, and the copy that moves a fleet.
func TestMain(m *testing.M) {
	if os.Getenv(childMove) != "" {
		os.Exit(beMover())
	}
	if os.Getenv(childFolder) != "" {
		os.Exit(beServer())
	}
	os.Exit(m.Run())
}

// server is an authority on loopback.
type server struct {
	*app.App
	base  string
	clock *fleet.Clock
	http  *http.Client
}

// serve starts a sandbox server with the policy of September 2021 on a fresh folder, at a simulated time; change may alter
// its configuration. It ends with the test.
func serve(t *testing.T, at time.Time, change func(*app.Config)) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{clock: fleet.NewClock(at), base: "http://" + listener.Addr().String()}
	cfg := app.Config{
		Dir: t.TempDir(), BaseURL: s.base, Origin: "e2e.bailiwick.example/ledger", Sandbox: true,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Policy:         app.Document{Name: "terms-2021-09.yaml", Source: policies.Terms202109},
		Now:            s.clock.Now, PasswordCost: 4,
	}
	if change != nil {
		change(&cfg)
	}
	if s.App, err = app.Open(t.Context(), cfg); err != nil {
		t.Fatal(errors.Join(err, listener.Close()))
	}
	serving, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(serving, listener) }()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	s.http = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		if err := errors.Join(<-served, s.Close()); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return s
}

// officer makes an officer who has chosen a password, logged in as an administrator would let them.
func (s *server) officer(t *testing.T, name, role string) (o *authority.Officer, password string) {
	t.Helper()
	ctx := t.Context()
	oneTime, err := s.Service.AddOfficer(ctx, &authority.Officer{Name: "rig", Role: "admin"}, name, role)
	if err != nil {
		t.Fatal(err)
	}
	_, o, err = s.Service.Login(ctx, name, oneTime)
	if err != nil {
		t.Fatal(err)
	}
	password = "own-" + oneTime
	if err := s.Service.ChangePassword(ctx, o, oneTime, password); err != nil {
		t.Fatal(err)
	}
	_, o, err = s.Service.Login(ctx, name, password)
	if err != nil {
		t.Fatal(err)
	}
	return o, password
}

// publicLedger reads the ledger as anyone can: over HTTP, with nothing but its verifier key.
type publicLedger struct{ base, key string }

func (l publicLedger) Verify(ctx context.Context) (fleet.Verified, error) {
	v := fleet.Verified{Orders: map[order.ID]order.Leaf{}}
	source, err := ledger.Remote(l.base + "/ledger/")
	if err != nil {
		return v, err
	}
	checked, err := ledger.Verify(ctx, source, l.key, func(_ uint64, raw []byte) error {
		leaf, err := order.ParseLeaf(raw)
		if err != nil {
			return err
		}
		v.Orders[order.LeafID(raw)] = leaf
		return nil
	})
	v.Origin, v.Size = checked.Origin, checked.Entries
	return v, err
}

// phone makes the n-th virtual phone of the factory, in a place, as its owner would carry it.
func makePhone(t testing.TB, factory *sandbox.Factory, base string, client *http.Client, now func() time.Time, n int, at phone.Place) *phone.Phone {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	imei, serial := sandbox.IMEI("00100101", n), "E2E"+string(sandbox.IMEI("00100101", n))
	chain, err := factory.Issue(imei, serial, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	p, err := phone.New(phone.Config{
		IMEI: imei, Serial: serial, Model: "Lantern P", Key: key, Chain: chain,
		Server: base, HTTP: client, Storage: agent.MemoryStorage(), Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Move(worldAt(at))
	return p
}

// worldAt is what a phone sees in a place.
func worldAt(at phone.Place) phone.World {
	return phone.World{
		Fix:  &territory.Fix{Lat: at.Lat, Lon: at.Lon, AccuracyM: 15},
		Cell: at.Cell, SIM: at.Cell, WiFi: at.WiFi, Address: at.Addr(), Online: true,
	}
}

// problem is a refusal, RFC 9457.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Fix    string `json:"fix"`
	Epoch  []byte `json:"epoch"`
}

func ignore[T any](_ T, err error) error { return err }

// direct hands a request to a server's handler without a network.
func direct(a *app.App, r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	a.Handler().ServeHTTP(answer, r)
	return answer.Result(), nil
}

// readKey returns the verifier key from a ledger's key file, its second line.
func readKey(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	_, public, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return public, nil
}
