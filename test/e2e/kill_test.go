package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent/client"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/test/crash"
)

// siege is a server that is killed again and again while phones check in, an officer works and the days pass.
type siege struct {
	*nest
	t        *testing.T
	client   *http.Client
	password string
	offset   atomic.Int64 // how far the sandbox's clock was moved on, as last read while no phone checked in
	moves    atomic.Int64 // days that somebody let pass, or tried to
	busy     sync.WaitGroup

	mu     sync.Mutex
	acked  map[device.ID]uint64 // sequence of the last evidence that was answered
	obeyed map[order.ID]bool    // orders that phones report as followed
	broken []string             // what should not have happened

	checkIns, days, locks, lifts atomic.Int64
}

const (
	besiegers  = 24 // phones that check in from the first round on
	reinforced = 1  // phones that enrol newly in each round
	kills      = 50
)

// TestServerSurvivesKills: whatever was acknowledged over HTTP is there after kill -9 at any moment; no order is lost or in
// the ledger twice; and phones go on without enrolling again.
func TestServerSurvivesKills(t *testing.T) {
	s := besiege(t)
	phones := s.found(besiegers + kills*reinforced)
	startup := s.startup() // kills must meet a server at work, on slow machines as well as in the middle of its start

	working, stop := context.WithCancel(t.Context())
	for _, p := range phones[:besiegers] {
		s.start(func() { s.live(working, p) })
	}
	s.start(func() { s.calendar(working) })
	s.start(func() { s.officer(working) })
	began := time.Now()
	plan := crash.Plan{Rounds: kills, Longest: 3*startup + 700*time.Millisecond, Seed: uint64(began.UnixNano()),
		Command: func(round int) *exec.Cmd {
			for i := range reinforced {
				p := phones[besiegers+round*reinforced+i]
				s.start(func() { s.live(working, p) })
			}
			return s.command()
		},
		Check: func(round int, _ []string) error { return s.check() },
	}
	t.Logf("seed %d, a start takes %v", plan.Seed, startup.Round(time.Millisecond))
	defer func() { stop(); s.busy.Wait() }()
	crash.Run(t, plan)
	stop()
	s.busy.Wait()
	t.Logf("%d kills in %v: %d check-ins acknowledged, %d orders obeyed, %d days, %d locks approved, %d lifts", kills,
		time.Since(began).Round(time.Second), s.checkIns.Load(), len(s.obeyed), s.days.Load(), s.locks.Load(), s.lifts.Load())
	s.aftermath(phones)
	for _, b := range s.broken {
		t.Error(b)
	}
	if s.checkIns.Load() < 2000 || len(s.obeyed) < 20 || s.locks.Load() == 0 || s.lifts.Load() == 0 {
		t.Error("too little happened for this to prove anything")
	}
}

func besiege(t *testing.T) *siege {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	t.Cleanup(transport.CloseIdleConnections)
	return &siege{nest: newNest(t), t: t, client: &http.Client{Transport: transport}, acked: map[device.ID]uint64{}, obeyed: map[order.ID]bool{}}
}

func (s *siege) start(work func()) { s.busy.Go(work) }

// startup is how long a server takes until it is ready.
func (s *siege) startup() time.Duration {
	s.t.Helper()
	began := time.Now()
	process := s.spawn()
	for s.get("/readyz") != nil { // its first answer waits in the listener's queue
		pause(s.t.Context(), 10*time.Millisecond)
	}
	took := time.Since(began)
	s.end(process)
	return took
}

// found makes the data folder, an officer and the phones' records, before the first kill.
func (s *siege) found(count int) []*phone.Phone {
	t := s.t
	t.Helper()
	a, err := app.Open(t.Context(), childConfig(s.dir, s.base, s.zero))
	if err != nil {
		t.Fatal(err)
	}
	_, s.password = (&server{App: a}).officer(t, "ada", "officer")
	rows := make([]authority.Production, count)
	for i := range rows {
		rows[i] = authority.Production{IMEI: sandbox.IMEI("00100101", i), Serial: fmt.Sprintf("K%d", i), Model: "Lantern P", Market: "AE"}
	}
	if _, err := a.Service.ImportProduction(t.Context(), &authority.Officer{Name: "rig", Role: "admin"}, rows); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	factory, err := sandbox.Open(filepath.Join(s.dir, "sandbox"))
	if err != nil {
		t.Fatal(err)
	}
	places := []phone.Place{phone.Tehran, phone.Havana, phone.Damascus, phone.Simferopol, phone.Madrid}
	phones := make([]*phone.Phone, count)
	for i := range phones {
		clock := &pocket{siege: s}
		watched := &http.Client{Timeout: 5 * time.Second, Transport: tripper(func(r *http.Request) (*http.Response, error) {
			response, err := s.exchange(phones[i], r)
			if err != nil {
				return nil, err
			}
			if err := clock.follow(r, response); err != nil {
				return nil, err
			}
			return response, nil
		})}
		phones[i] = makePhone(t, factory, s.base, watched, clock.now, i, places[i%len(places)])
	}
	return phones
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// exchange lets a phone's request through, and takes down what the server acknowledged with its answer.
func (s *siege) exchange(p *phone.Phone, r *http.Request) (*http.Response, error) {
	response, err := s.client.Transport.RoundTrip(r)
	if err != nil || r.URL.Path != protocol.PathCheckIn || response.StatusCode != http.StatusOK {
		return response, err
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	token, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	u, err := evidence.Parse(token)
	if err != nil {
		return nil, err
	}
	claims, err := u.Verify(p.Config().Key.Public())
	if err != nil {
		return nil, err
	}
	s.checkIns.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked[claims.Device] = max(s.acked[claims.Device], claims.Sequence)
	for _, g := range claims.Grounds {
		s.obeyed[g.Order] = true
	}
	return response, nil
}

// live uses one phone and checks in, all the time.
func (s *siege) live(ctx context.Context, p *phone.Phone) {
	for ctx.Err() == nil {
		if err := p.Use(); err != nil {
			s.breaks("phone %s: %v", p.Config().Serial, err)
			return
		}
		err := p.CheckIn(ctx)
		var refused *client.Problem
		if errors.As(err, &refused) {
			s.breaks("phone %s: the server refused: %v", p.Config().Serial, refused)
		}
		if p.Agent().Screen().ClockDoubt {
			s.breaks("phone %s doubts its clock, and nobody lied about the date", p.Config().Serial)
		}
		if err != nil {
			pause(ctx, 20*time.Millisecond) // it was killed; a client that hammers the next one would only slow this machine down
		}
	}
}

func (s *siege) breaks(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.broken) < 20 {
		s.broken = append(s.broken, fmt.Sprintf(format, args...))
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// officer approves waves and lifts what is locked, over the JSON interface.
func (s *siege) officer(ctx context.Context) {
	api := &server{base: s.base, http: s.client}
	token := ""
	for ; ctx.Err() == nil; pause(ctx, 100*time.Millisecond) {
		working, cancel := context.WithTimeout(ctx, 3*time.Second)
		if err := s.work(working, api, &token); err != nil && strings.Contains(err.Error(), "no-session") {
			token = ""
		}
		cancel()
	}
}

func (s *siege) work(ctx context.Context, api *server, token *string) error {
	if *token == "" {
		var session struct{ Token string }
		if err := api.call(ctx, http.MethodPost, "/v1/login", "", map[string]string{"name": "ada", "password": s.password}, &session); err != nil {
			return err
		}
		*token = session.Token
	}
	var waves []struct {
		ID    int64
		State string
	}
	if err := api.call(ctx, http.MethodGet, "/v1/waves?limit=1", *token, nil, &waves); err != nil {
		return err
	}
	if len(waves) > 0 && waves[0].State == "open" {
		path := fmt.Sprintf("/v1/waves/%d", waves[0].ID)
		var detail struct{ Confirm int }
		if err := api.call(ctx, http.MethodGet, path, *token, nil, &detail); err != nil {
			return err
		}
		var job struct {
			Result struct{ Locked int }
		}
		if err := api.call(ctx, http.MethodPost, path+"/approve", *token, map[string]any{"note": "", "confirm": detail.Confirm}, &job); err != nil {
			return err
		}
		s.locks.Add(int64(job.Result.Locked))
	}
	return s.lift(ctx, api, *token)
}

func (s *siege) lift(ctx context.Context, api *server, token string) error {
	var locked []struct{ Device struct{ ID string } }
	if err := api.call(ctx, http.MethodGet, "/v1/devices?stage=locked&limit=1", token, nil, &locked); err != nil || len(locked) == 0 {
		return err
	}
	var detail struct {
		Restrictions []struct{ Ground, Stage string }
	}
	if err := api.call(ctx, http.MethodGet, "/v1/devices/"+locked[0].Device.ID, token, nil, &detail); err != nil {
		return err
	}
	for _, r := range detail.Restrictions {
		if r.Stage != "locked" {
			continue
		}
		if err := api.call(ctx, http.MethodPost, "/v1/devices/"+locked[0].Device.ID+"/lift", token,
			map[string]string{"ground": r.Ground, "reason": "The owner showed a licence."}, nil); err != nil {
			return err
		}
		s.lifts.Add(1)
	}
	return nil
}

// check opens what the killed process left behind, and compares it with what it had acknowledged.
func (s *siege) check() error {
	s.mu.Lock()
	acked, obeyed := make(map[device.ID]uint64), make(map[order.ID]bool)
	for id, sequence := range s.acked {
		acked[id] = sequence
	}
	for id := range s.obeyed {
		obeyed[id] = true
	}
	s.mu.Unlock()
	db, err := s.records()
	if err != nil {
		return err
	}
	var rows []*authority.Order
	looked := db.View(context.Background(), func(tx authority.Tx) (err error) {
		for id, sequence := range acked {
			d, err := tx.Device(id)
			if err != nil {
				return fmt.Errorf("device %v was answered and is not there: %w", id, err)
			}
			if d.Sequence < sequence {
				return fmt.Errorf("device %v: sequence %d was acknowledged, %d is stored", id, sequence, d.Sequence)
			}
		}
		rows, err = allOrders(tx)
		return err
	})
	if err := errors.Join(looked, db.Close()); err != nil {
		return err
	}
	return s.compare(rows, obeyed)
}

// records opens the store that the server left behind.
func (s *siege) records() (interface {
	authority.Store
	Close() error
}, error) {
	if s.database != "" {
		return postgres.Open(context.Background(), s.database, postgres.Options{})
	}
	return sqlite.Open(context.Background(), s.dir, sqlite.Options{})
}

func allOrders(tx authority.Tx) (rows []*authority.Order, err error) {
	err = tx.EachDevice(device.ID{}, func(d *authority.Device) error {
		of, err := tx.OrdersOf(d.ID, 1000)
		rows = append(rows, of...)
		return err
	})
	return rows, err
}

// compare holds the store's orders against the ledger's leaves.
func (s *siege) compare(rows []*authority.Order, obeyed map[order.ID]bool) error {
	leaves, err := s.leaves()
	if err != nil {
		return err
	}
	known := make(map[order.ID]*authority.Order)
	for _, o := range rows {
		known[o.ID] = o
		if !o.Sequenced {
			continue
		}
		if o.Index >= uint64(len(leaves)) || !bytes.Equal(leaves[o.Index], o.Leaf) {
			return fmt.Errorf("order %v is marked as entry %d of %d, and that entry is another", o.ID, o.Index, len(leaves))
		}
	}
	seen := make(map[order.ID]bool)
	for i, leaf := range leaves {
		id := order.LeafID(leaf)
		if seen[id] {
			return fmt.Errorf("order %v is in the ledger twice, the second time as entry %d", id, i)
		}
		if seen[id] = true; known[id] == nil {
			return fmt.Errorf("entry %d of the ledger is no order of the store", i)
		}
	}
	for id := range obeyed {
		if !seen[id] {
			return fmt.Errorf("a phone follows order %v, which is not in the ledger", id)
		}
	}
	return nil
}

// leaves verifies the ledger's published files and returns what is in them.
func (s *siege) leaves() (leaves [][]byte, err error) {
	text, err := readKey(filepath.Join(s.dir, "ledger", "ledger.key"))
	if err != nil {
		return nil, err
	}
	source := ledger.Folder(filepath.Join(s.dir, "ledger"))
	if s.database != "" { // the ledger went along, and a server shows it
		a, err := app.Open(context.Background(), s.config())
		if err != nil {
			return nil, err
		}
		shown := httptest.NewServer(a.Handler())
		defer func() { shown.Close(); err = errors.Join(err, a.Close()) }()
		if source, err = ledger.Remote(shown.URL + "/ledger/"); err != nil {
			return nil, err
		}
	}
	_, err = ledger.Verify(context.Background(), source, text, func(_ uint64, leaf []byte) error {
		leaves = append(leaves, bytes.Clone(leaf))
		return nil
	})
	return leaves, err
}

// aftermath starts a server once more, lets everything come to rest, and checks that nothing is left over.
func (s *siege) aftermath(phones []*phone.Phone) {
	t := s.t
	t.Helper()
	cfg := s.config()
	cfg.ManualWork = true // on a database it has to lead, which a server that was killed did
	a, err := app.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	handler := &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) { return direct(a, r) })}
	s.offset.Store(int64(a.Now().Sub(s.still()))) // no phone may have checked in since the last day began
	for range 6 {                                 // what is due, told, heard and, where it came too late, told again
		if err := errors.Join(a.Service.Sweep(t.Context()), ignore(a.Service.Sequence(t.Context()))); err != nil {
			t.Fatal(err)
		}
		for _, p := range phones {
			c := client.Client{Server: s.base, HTTP: handler}
			if err := c.Enrol(t.Context(), p.Agent()); err != nil { // the last one may not have come to it
				t.Errorf("phone %s cannot enrol: %v", p.Config().Serial, err)
				continue
			}
			if _, err := c.CheckIn(t.Context(), p.Agent()); err != nil {
				t.Errorf("phone %s cannot go on: %v", p.Config().Serial, err)
			}
		}
	}
	now, err := a.Service.Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if now.PendingOrders != 0 || now.Devices != len(phones) {
		t.Errorf("%d orders still pending, %d devices of %d", now.PendingOrders, now.Devices, len(phones))
	}
	for _, p := range phones {
		s.agree(a, p)
		if p.Agent().Screen().ClockDoubt {
			t.Errorf("phone %s doubts its clock at the end, and nobody lied about the date", p.Config().Serial)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
}

// agree checks that phone and authority tell the same of every ground on which a phone was restricted.
func (s *siege) agree(a *app.App, p *phone.Phone) {
	d, err := a.Service.FindDevice(s.t.Context(), string(p.Config().IMEI))
	if err != nil {
		s.t.Error(err)
		return
	}
	detail, err := a.Service.DeviceDetail(s.t.Context(), d.ID)
	if err != nil {
		s.t.Error(err)
		return
	}
	for _, r := range detail.Restrictions {
		stage := order.Observed
		for _, g := range p.Agent().Screen().Grounds {
			if g.Ground == r.Ground {
				stage = g.Stage
			}
		}
		waits := r.Stage == order.Locked && stage == order.Noticed && a.Now().Before(r.EffectAt.Add(48*time.Hour))
		if stage != r.Stage && !waits {
			s.t.Errorf("phone %s is %v on %v, the authority has %v: %+v", p.Config().Serial, stage, r.Ground, r.Stage, r)
		}
	}
}

// TestFirstStartSurvivesKills: a first start that is cut short leaves nothing behind that the next one cannot go on from.
func TestFirstStartSurvivesKills(t *testing.T) {
	t.Parallel()
	for round := range 12 {
		n := newNest(t)
		for kill := range 3 {
			life := time.Duration(1+(round*7+kill*13)%40) * 10 * time.Millisecond
			if _, err := crash.Kill(n.command(), life); err != nil {
				t.Fatalf("round %d, kill %d after %v: %v", round, kill, life, err)
			}
		}
		a, err := app.Open(t.Context(), childConfig(n.dir, n.base, n.zero))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if _, _, err := a.Service.PolicyInForce(t.Context()); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}
