package firmware

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/fleet"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const tehran = `{"gnss":{"lat":35.6944,"lon":51.4215,"accuracy_m":15},"cell":"432-11","sim":"432-11","wifi":"IR"}`

// world is a real server on a simulated clock, what stands between it and one device, and the officers.
type world struct {
	t       *testing.T
	app     *app.App
	clock   *fleet.Clock
	base    string // of the network: the server, with lifts held back on request
	officer *authority.Officer

	key    *ecdsa.PrivateKey
	chain  [][]byte
	imei   device.IMEI
	serial string

	mu        sync.Mutex
	holdLifts bool
	held      []byte // the last lift that did not get through, as a QR code would carry it
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: fleet.NewClock(time.Date(2021, time.September, 2, 7, 0, 0, 0, time.UTC))}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + listener.Addr().String()
	w.app, err = app.Open(t.Context(), app.Config{
		Dir: t.TempDir(), BaseURL: address, Origin: "firmware.bailiwick.example/ledger", Sandbox: true,
		Policy: app.Document{Name: "terms-2021-09.yaml", Source: policies.Terms202109},
		Now:    w.clock.Now, PasswordCost: 4, ManualWork: true, Unlimited: true,
	})
	if err != nil {
		t.Fatal(errors.Join(err, listener.Close()))
	}
	serving, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- w.app.Serve(serving, listener) }()
	network := httptest.NewServer(w.network(address))
	w.base = network.URL
	t.Cleanup(func() {
		network.Close()
		stop()
		if err := errors.Join(<-served, w.app.Close()); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	w.hire()
	w.manufacture()
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) hire() {
	ctx, admin := w.t.Context(), &authority.Officer{Name: "rig", Role: "admin"}
	oneTime, err := w.app.Service.AddOfficer(ctx, admin, "ana", "admin")
	w.must(err)
	_, ana, err := w.app.Service.Login(ctx, "ana", oneTime)
	w.must(err)
	w.must(w.app.Service.ChangePassword(ctx, ana, oneTime, "own-"+oneTime))
	_, w.officer, err = w.app.Service.Login(ctx, "ana", "own-"+oneTime)
	w.must(err)
}

// manufacture makes the device's key and identity, as a factory does.
func (w *world) manufacture() {
	var err error
	w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	w.imei, w.serial = sandbox.IMEI("00100101", 1), "FW1"
	w.chain, err = w.app.Factory.Issue(w.imei, w.serial, w.key.Public())
	w.must(err)
	_, err = w.app.Service.ImportProduction(w.t.Context(), w.officer, []authority.Production{{
		IMEI: w.imei, Serial: w.serial, Model: "Lantern P", Market: "AE", ShippedOn: territory.DayOf(w.clock.Now()) - 30,
	}})
	w.must(err)
}

// network carries requests to the server and answers back, lifts only when they are not held back.
func (w *world) network(address string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.t.Error(err)
		}
		to, err := url.JoinPath(address, r.URL.Path)
		if err != nil {
			w.t.Error(err)
		}
		request, err := http.NewRequestWithContext(r.Context(), r.Method, to, bytes.NewReader(body))
		if err != nil {
			w.t.Error(err)
			return
		}
		request.Header.Set("Content-Type", r.Header.Get("Content-Type"))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			w.t.Error(err)
		}
		if r.URL.Path == protocol.PathCheckIn && response.StatusCode == http.StatusOK {
			answer = w.withoutLifts(answer)
		}
		rw.Header().Set("Content-Type", response.Header.Get("Content-Type"))
		rw.WriteHeader(response.StatusCode)
		if _, err := rw.Write(answer); err != nil {
			w.t.Log(err)
		}
	})
}

func (w *world) withoutLifts(answer []byte) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.holdLifts {
		return answer
	}
	parsed, err := protocol.ParseCheckInAnswer(answer)
	if err != nil {
		w.t.Error(err)
		return answer
	}
	parsed.Orders = slices.DeleteFunc(parsed.Orders, func(s order.Sealed) bool {
		leaf, err := order.ParseLeaf(s.Leaf)
		if err != nil || leaf.Kind != order.Lift {
			return false
		}
		if w.held, err = s.Marshal(); err != nil {
			w.t.Error(err)
		}
		return true
	})
	if answer, err = parsed.Marshal(); err != nil {
		w.t.Error(err)
	}
	return answer
}

// heldLift returns the lift that did not get through.
func (w *world) heldLift() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held
}

// day lets a day pass, and the server do its work.
func (w *world) day() error {
	w.clock.AdvanceTo(w.clock.Now().Add(24 * time.Hour))
	return w.work()
}

func (w *world) work() error {
	ctx := context.Background()
	if err := w.app.Service.Sweep(ctx); err != nil {
		return err
	}
	_, err := w.app.Service.Sequence(ctx)
	return err
}

// approve approves the open wave, if there is one, and reports whether there was.
func (w *world) approve() (bool, error) {
	ctx := context.Background()
	now, err := w.app.Service.Overview(ctx)
	if err != nil || now.OpenWave == nil {
		return false, err
	}
	detail, err := w.app.Service.WaveDetail(ctx, now.OpenWave.ID)
	if err != nil {
		return false, err
	}
	approval := authority.WaveApproval{Note: "Counts and samples looked at.", Confirm: detail.Confirm}
	if _, err := w.app.Service.ApproveWave(ctx, w.officer, now.OpenWave.ID, approval); err != nil {
		return false, err
	}
	return true, w.work()
}

// forgive has a person lift the device's restriction, and keeps the lift from reaching it by network.
func (w *world) forgive() error {
	ctx := context.Background()
	d, r, err := w.restriction(ctx)
	if err != nil {
		return err
	}
	if err := w.app.Service.LiftByHuman(ctx, w.officer, d.ID, r.Ground, "The phone was bought in good faith."); err != nil {
		return err
	}
	w.mu.Lock()
	w.holdLifts = true
	w.mu.Unlock()
	return w.work()
}

func (w *world) restriction(ctx context.Context) (*authority.Device, *authority.Restriction, error) {
	d, err := w.app.Service.FindDevice(ctx, string(w.imei))
	if err != nil {
		return nil, nil, err
	}
	detail, err := w.app.Service.DeviceDetail(ctx, d.ID)
	if err != nil {
		return nil, nil, err
	}
	if len(detail.Restrictions) != 1 {
		return nil, nil, errors.New("the device has " + strconv.Itoa(len(detail.Restrictions)) + " restrictions")
	}
	return d, detail.Restrictions[0], nil
}
