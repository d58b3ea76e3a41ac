package drill

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/fleet"
	"github.com/bailiwick-dev/bailiwick/internal/httpapi"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/internal/witness"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const (
	origin      = "drill.bailiwick.example/ledger"
	witnessName = "drill.bailiwick.example/witness"
)

// Scene is the honest world up to the morning of the takeover: the server's folder, the witness's, and every phone's record. It is
// made once; each attack begins with copies of it.
type Scene struct {
	dir     string // holds server/ and witness/
	trust   protocol.Trust
	first   order.Ground // the warrant for the first consignment
	ends    time.Time    // when it ends
	actors  []*actor
	own     map[order.ID]bool // orders that the honest server issued
	records []authority.Production
}

// actor is one phone at the takeover.
type actor struct {
	role
	made   phone.Config // without server, storage and clock
	record []byte       // what its agent kept
	phone  *phone.Phone // until the takeover
}

// Stage makes the honest world in dir, which is empty: a real server, a witness of its own, and agents that enrol and live with them
// for 26 days.
func Stage(ctx context.Context, dir string) (_ *Scene, err error) {
	s := &Scene{dir: dir, own: map[order.ID]bool{}}
	clock := fleet.NewClock(fleet.Start.Add(-time.Hour))
	watching, err := watchLedger(s.serverDir(), s.witnessDir(), clock.Now)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, watching.stop()) }()
	a, err := app.Open(ctx, app.Config{
		Dir: s.serverDir(), BaseURL: "http://127.0.0.1", Origin: origin, Sandbox: true, Witnesses: []ledger.Witness{watching.Witness},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Policy:         app.Document{Name: "terms-2021-09.yaml", Source: policies.Terms202109},
		Now:            clock.Now, DeviceIDs: mathrand.NewChaCha8([32]byte{}), PasswordCost: 4, ManualWork: true, Unlimited: true,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	h := &honest{Scene: s, app: a, clock: clock, server: &http.Client{Transport: near{a.Handler()}}}
	if err := h.live(ctx); err != nil {
		return nil, fmt.Errorf("the honest story: %w", err)
	}
	s.trust = a.Trust()
	// The sandbox keeps its officers' keys in the server's folder. Officers have them elsewhere, and so have they here.
	return s, os.Rename(filepath.Join(s.serverDir(), "sandbox", "officers"), s.officersDir())
}

// officersDir is where the officers have their keys: out of the attacker's reach, unless a drill says otherwise.
func (s *Scene) officersDir() string { return filepath.Join(s.dir, "officers") }

func (s *Scene) serverDir() string  { return filepath.Join(s.dir, "server") }
func (s *Scene) witnessDir() string { return filepath.Join(s.dir, "witness") }

// honest is the story while it goes on.
type honest struct {
	*Scene
	app    *app.App
	clock  *fleet.Clock
	server *http.Client
	cases  [2]string
	appeal bool
}

var officers = [2]*authority.Officer{{Name: "officer-one", Role: "officer"}, {Name: "officer-two", Role: "officer"}}

func (h *honest) live(ctx context.Context) error {
	if err := h.manufacture(ctx); err != nil {
		return err
	}
	for day := range takeover {
		for _, hours := range []time.Duration{0, 8} {
			h.clock.AdvanceTo(morning(day).Add(hours * time.Hour))
			if err := h.everyone(ctx, day); err != nil {
				return fmt.Errorf("day %d: %w", day, err)
			}
			if err := h.work(ctx); err != nil {
				return fmt.Errorf("day %d: %w", day, err)
			}
		}
		if err := h.office(ctx, day); err != nil {
			return fmt.Errorf("day %d: %w", day, err)
		}
		if err := h.work(ctx); err != nil {
			return fmt.Errorf("day %d: %w", day, err)
		}
	}
	return h.finish(ctx)
}

// manufacture makes the phones and hands their records over. The warrant's ground is known once it is drafted; see office.
func (h *honest) manufacture(ctx context.Context) error {
	for n, r := range cast(order.Ground{}) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		a := &actor{role: r, made: phone.Config{
			IMEI: sandbox.IMEI("00100101", n), Serial: fmt.Sprintf("DR%06d", n), Model: "Lantern P", Key: key,
		}}
		if a.made.Chain, err = h.app.Factory.Issue(a.made.IMEI, a.made.Serial, key.Public()); err != nil {
			return err
		}
		cfg := a.made
		cfg.Server, cfg.HTTP, cfg.Storage, cfg.Now = "http://127.0.0.1", h.server, kept{a}, h.clock.Now
		if a.phone, err = phone.New(cfg); err != nil {
			return err
		}
		h.actors = append(h.actors, a)
		h.records = append(h.records, authority.Production{
			IMEI: a.made.IMEI, Serial: a.made.Serial, Model: a.made.Model, Market: r.market,
			Consignment: r.consignment, ShippedOn: territory.DayOf(fleet.Start) - 40,
		})
	}
	_, err := h.app.Service.ImportProduction(ctx, officers[0], h.records)
	return err
}

// kept is a storage whose record the scene can copy.
type kept struct{ *actor }

func (k kept) Load() ([]byte, error) {
	if k.record == nil {
		return nil, os.ErrNotExist
	}
	return append([]byte(nil), k.record...), nil
}

func (k kept) Save(record []byte) error {
	k.record = append([]byte(nil), record...)
	return nil
}

var _ agent.Storage = kept{}

func (h *honest) everyone(ctx context.Context, day int) error {
	for _, a := range h.actors {
		if day < a.start {
			continue
		}
		a.phone.Move(a.world(day))
		if err := a.phone.Use(); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		if !a.online(day) || a.phone.Agent().Enrolled() && !a.phone.Due() {
			continue
		}
		if err := a.phone.CheckIn(ctx); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return nil
}

func (h *honest) work(ctx context.Context) error {
	if err := h.app.Service.Sweep(ctx); err != nil {
		return err
	}
	_, err := h.app.Service.Sequence(ctx)
	return err
}

// office is what officers and owners do on a day.
func (h *honest) office(ctx context.Context, day int) error {
	s := h.app.Service
	switch day {
	case newPolicyDay:
		source, err := withoutSudan(morning(newPolicyDay))
		if err != nil {
			return err
		}
		if err := h.publish(ctx, "terms-2021-09b.yaml", source); err != nil {
			return err
		}
	case caseDay:
		for n, consignment := range []string{firstConsignment, secondConsignment} {
			c, err := s.OpenCase(ctx, officers[0], "Phones shipped to India appear elsewhere", consignment)
			if err != nil {
				return err
			}
			h.cases[n] = c.ID
			w, err := h.hold(ctx, c.ID)
			if err != nil {
				return err
			}
			if n == 0 {
				h.first, h.ends = order.Ground{Kind: order.Warrant, ID: w.ID}, w.EndsAt
			}
		}
		for i, r := range cast(h.first) {
			h.actors[i].lawful = r.lawful
		}
	case releaseDay:
		if _, err := s.ConcludeCase(ctx, officers[1], h.cases[1], "The consignee resold the shipment. The buyers acted in good faith."); err != nil {
			return err
		}
	}
	return errors.Join(h.decideWaves(ctx), h.answerOwner(ctx))
}

// publish has two officers publish a policy.
func (h *honest) publish(ctx context.Context, name string, source []byte) error {
	_, _, err := h.app.Service.PublishPolicy(ctx, officers[0], name, source)
	return err
}

// hold has two officers sign a warrant for a case.
func (h *honest) hold(ctx context.Context, caseID string) (*authority.Warrant, error) {
	const reason = "We are investigating how phones of this shipment left the market that they were made for."
	w, _, err := h.app.Service.DraftWarrant(ctx, officers[0], caseID, reason, h.clock.Now().Add(warrantDays*24*time.Hour))
	if err != nil {
		return nil, err
	}
	return h.app.Service.CountersignWarrant(ctx, officers[1], w.ID)
}

func (h *honest) decideWaves(ctx context.Context) error {
	waves, err := h.app.Service.Waves(ctx, 10)
	if err != nil {
		return err
	}
	for _, w := range waves {
		if w.State != authority.WaveOpen {
			continue
		}
		detail, err := h.app.Service.WaveDetail(ctx, w.ID)
		if err != nil {
			return err
		}
		approval := authority.WaveApproval{Note: "Counts and samples looked at.", Confirm: detail.Confirm, Shown: detail.Wave.Size}
		if _, err := h.app.Service.ApproveWave(ctx, officers[0], w.ID, approval); err != nil {
			return err
		}
	}
	return nil
}

// answerOwner lets the owner in Damascus appeal as soon as they have read the notice, and an officer grant it.
func (h *honest) answerOwner(ctx context.Context) error {
	a := h.actor(damascusFree)
	screen := a.phone.Agent().Screen()
	if h.appeal || screen.Stage != order.Noticed {
		return nil
	}
	h.appeal = true
	filed, err := h.app.Service.FileAppeal(ctx, string(a.made.IMEI), screen.Reference, "I bought this phone for my clinic and hold a licence.", "")
	if err != nil {
		return err
	}
	return h.app.Service.AnswerAppeal(ctx, officers[1], filed.ID, true, "The licence covers your phone. We are sorry for the trouble.")
}

func (s *Scene) actor(name string) *actor {
	for _, a := range s.actors {
		if a.name == name {
			return a
		}
	}
	panic("the cast has no " + name) // the names are constants
}

// finish checks that the story came as it was written: an attack on a scene that is not what it says proves nothing.
func (h *honest) finish(ctx context.Context) error {
	want := map[string]order.Stage{
		madrid: order.Observed, newYork: order.Observed, traveller: order.Observed, emigrant: order.Observed, tehranNew: order.Observed,
		havanaNew: order.Observed, tehranNotice: order.Noticed, havanaLocked: order.Locked, damascusFree: order.Lifted,
		khartoumFree: order.Lifted, khartoumOld: order.Observed, held: order.Locked, heldOffline: order.Observed, neighbour: order.Observed,
		released: order.Lifted,
	}
	h.clock.AdvanceTo(morning(takeover))
	for _, a := range h.actors {
		if got := a.phone.Agent().Screen().Stage; got != want[a.name] {
			return fmt.Errorf("the phone %s is %v, and ought to be %v", a.name, got, want[a.name])
		}
		a.phone = nil
	}
	size, err := h.app.Ledger.Size(ctx)
	if err != nil {
		return err
	}
	return h.app.Ledger.Entries(ctx, 0, size, func(_ uint64, leaf []byte) error {
		h.own[order.LeafID(leaf)] = true
		return nil
	})
}

// withoutSudan is the policy of September 2021 as officers amend it: Sudan is no longer named.
func withoutSudan(effective time.Time) ([]byte, error) {
	text := string(policies.Terms202109)
	for _, section := range [][2]string{{"  - id: sudan\n", "  - id: crimea\n"}, {"  - name: activated in Sudan", "  - name: activated in Simferopol"}} {
		begin, end := strings.Index(text, section[0]), strings.Index(text, section[1])
		if begin < 0 || end < begin {
			return nil, errors.New("the sample policy no longer has what this drill takes out of it")
		}
		text = text[:begin] + text[end:]
	}
	date := effective.Format(time.DateOnly)
	return []byte(strings.NewReplacer(
		"version: 1", "version: 2", "effective_from: 2021-09-01", "effective_from: "+date,
		"on: 2021-09-10", "on: "+effective.AddDate(0, 0, 5).Format(time.DateOnly),
	).Replace(text)), nil
}

// watching is a witness with a key and a folder of its own, asked over HTTP on loopback.
type watching struct {
	ledger.Witness
	open   *witness.Witness
	server *http.Server
	served chan error
}

// watchLedger makes the ledger's key first, so that the witness knows whose checkpoints to take.
func watchLedger(serverDir, dir string, now func() time.Time) (*watching, error) {
	key, err := ledger.Key(filepath.Join(serverDir, "ledger"), origin)
	if err != nil {
		return nil, err
	}
	w, err := witness.Open(witness.Config{Dir: dir, Name: witnessName, Logs: []string{key}, Now: now})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	watch := &watching{open: w, server: httpapi.NewServer(w.Handler(), nil), served: make(chan error, 1)}
	watch.Witness = ledger.Witness{URL: "http://" + listener.Addr().String(), Key: w.VerifierKey()}
	go func() { watch.served <- watch.server.Serve(listener) }() // ends with stop
	return watch, nil
}

// stop ends it, after the ledger that needs it.
func (w *watching) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := w.server.Shutdown(ctx)
	if served := <-w.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, w.open.Close())
}
