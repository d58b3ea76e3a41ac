package app

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/durable"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// A sandbox server makes virtual phones and lets its clock be moved on, so that a story of weeks can be lived through in
// minutes. These are its endpoints; a server that is no sandbox answers 404 to them.
const (
	PathSandboxPhones = "/sandbox/phones" // POST PhoneOrder → PhoneMade
	PathSandboxClock  = "/sandbox/clock"  // GET → ClockReading; POST ClockMove → ClockReading
)

// PhoneOrder asks for a virtual phone.
type PhoneOrder struct {
	Model     string         `json:"model"`
	Market    territory.Code `json:"market"`
	PublicKey string         `json:"public_key"` // PKIX DER, base64
}

// PhoneMade is what the factory wrote into it.
type PhoneMade struct {
	IMEI   string   `json:"imei"`
	Serial string   `json:"serial"`
	Chain  []string `json:"chain"` // DER, base64, leaf first
}

// ClockReading is the sandbox's time.
type ClockReading struct {
	Now time.Time `json:"now"`
}

// ClockMove moves the sandbox's clock on.
type ClockMove struct {
	Hours int `json:"hours"` // 1 to 24 × 31
}

// sandboxTAC begins with 00, which no real model has.
const sandboxTAC = "00900100"

// movable is a clock that can be moved on; how far survives a restart, since records must not lie in the future.
type movable struct {
	mu   sync.Mutex
	base func() time.Time
	file string
	by   time.Duration
}

func newMovable(base func() time.Time, dir string) (*movable, error) {
	m := &movable{base: base, file: filepath.Join(dir, "clock-moved-on")}
	text, err := os.ReadFile(m.file)
	if errors.Is(err, os.ErrNotExist) {
		return m, nil
	} else if err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.file, err)
	}
	m.by = time.Duration(seconds) * time.Second
	return m, nil
}

func (m *movable) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.base().Add(m.by)
}

// MoveOn moves the clock on by d, durably.
func (m *movable) MoveOn(d time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	by := m.by + d
	if err := durable.WriteFile(m.file, []byte(strconv.FormatInt(int64(by/time.Second), 10)+"\n"), 0o600); err != nil {
		return err
	}
	m.by = by
	return nil
}

// sandboxHandler serves the endpoints of a sandbox.
type sandboxHandler struct {
	factory *sandbox.Factory
	service *authority.Service
	store   authority.Store
	clock   *movable
	work    func(ctx context.Context) error // periodic work, after the clock moved
}

// routes adds the endpoints; host is the server's own, with or without a port.
func (h *sandboxHandler) routes(mux *http.ServeMux, host string) {
	for pattern, handle := range map[string]func(*http.Request) (any, error){
		"POST " + PathSandboxPhones: h.makePhone, "GET " + PathSandboxClock: h.readClock, "POST " + PathSandboxClock: h.moveClock,
	} {
		mux.Handle(pattern, guarded(host, answer(handle)))
	}
}

func (h *sandboxHandler) readClock(*http.Request) (any, error) {
	return ClockReading{h.clock.Now()}, nil
}

func (h *sandboxHandler) moveClock(r *http.Request) (any, error) {
	var move ClockMove
	if err := decode(r, &move); err != nil {
		return nil, err
	}
	if move.Hours < 1 || move.Hours > 24*31 {
		return nil, fmt.Errorf("hours is 1 to %d, not %d", 24*31, move.Hours)
	}
	if err := h.clock.MoveOn(time.Duration(move.Hours) * time.Hour); err != nil {
		return nil, err
	}
	return ClockReading{h.clock.Now()}, h.work(r.Context())
}

func (h *sandboxHandler) makePhone(r *http.Request) (any, error) {
	var wish PhoneOrder
	if err := decode(r, &wish); err != nil {
		return nil, err
	}
	market, err := territory.ParseCode(string(wish.Market))
	if err != nil {
		return nil, err
	}
	if len(wish.Model) == 0 || len(wish.Model) > 64 {
		return nil, errors.New("model is 1 to 64 characters")
	}
	der, err := base64.StdEncoding.DecodeString(wish.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("public_key: %w", err)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("public_key: %w", err)
	}
	var number int64
	err = h.store.Update(r.Context(), func(tx authority.Tx) (err error) {
		number, err = tx.NextNumber("sandbox-phone")
		return err
	})
	if err != nil {
		return nil, err
	}
	n := int(number)
	made := PhoneMade{IMEI: string(sandbox.IMEI(sandboxTAC, n)), Serial: fmt.Sprintf("VP%06d", n)}
	chain, err := h.factory.Issue(sandbox.IMEI(sandboxTAC, n), made.Serial, public)
	if err != nil {
		return nil, err
	}
	for _, c := range chain {
		made.Chain = append(made.Chain, base64.StdEncoding.EncodeToString(c))
	}
	_, err = h.service.ImportProduction(r.Context(), factoryClerk, []authority.Production{{
		IMEI: sandbox.IMEI(sandboxTAC, n), Serial: made.Serial, Model: wish.Model, Market: market,
		ShippedOn: territory.DayOf(h.clock.Now()) - 30,
	}})
	return made, err
}

// factoryClerk writes production records on behalf of the sandbox's factory.
var factoryClerk = &authority.Officer{Name: "sandbox factory", Role: "admin"}

func answer(handle func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		result, err := handle(r)
		if err != nil {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:bailiwick:problem:sandbox", "title": "The sandbox cannot do that", "status": 400, "detail": err.Error()})
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(result)
	}
}

func decode(r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 16<<10))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
