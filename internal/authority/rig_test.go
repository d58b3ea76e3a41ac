package authority_test

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const day = 24 * time.Hour

var (
	havana = territory.Signals{GNSS: &territory.Fix{Lat: 23.1136, Lon: -82.3666, AccuracyM: 20}, Cell: "368-01"}
	madrid = territory.Signals{GNSS: &territory.Fix{Lat: 40.4168, Lon: -3.7038, AccuracyM: 20}, Cell: "214-01"}

	cuba = order.Ground{Kind: order.Rule, ID: "cuba"}
	ctx  = context.Background()
	home = netip.MustParseAddr("192.0.2.1")
)

// rig is a real authority on a real store and a real ledger, in a world with one clock.
type rig struct {
	*testing.T
	*authority.Service
	store    *sqlite.DB
	ledger   *ledger.Ledger
	config   authority.Config
	registry *prometheus.Registry
	seconds  atomic.Int64
	root     *x509.Certificate
	rootKey  *ecdsa.PrivateKey
	dir      string
	numbers  int
	officers *sandbox.Officers // of whom two sign

	ana, ben *authority.Officer // two officers
	sam      *authority.Officer // support
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) now() time.Time { return time.Unix(r.seconds.Load(), 0).UTC() }

func (r *rig) wait(d time.Duration) { r.seconds.Add(int64(d / time.Second)) }

func newRig(t *testing.T, tune ...func(*authority.Config)) *rig {
	t.Helper()
	r := &rig{T: t, dir: t.TempDir(), registry: prometheus.NewRegistry()}
	r.seconds.Store(time.Date(2021, 9, 6, 9, 0, 0, 0, time.UTC).Unix())
	r.rootKey, r.root = testRoot(t, r.now())
	var err error
	r.store, err = sqlite.Open(ctx, r.dir+"/store", sqlite.Options{})
	must(t, err)
	r.ledger, err = ledger.Open(ctx, r.dir+"/ledger", ledger.Options{Origin: "ledger.example/test"})
	must(t, err)
	t.Cleanup(func() {
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
		if err := r.ledger.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	v, err := verifier.New([]*x509.Certificate{r.root}, verifier.NewEpochs([32]byte{1}))
	must(t, err)
	r.officers, err = sandbox.OpenOfficers(r.dir + "/officers")
	must(t, err)
	online, err := tufrepo.NewKey(tufrepo.Ed25519, "test server", rand.Reader)
	must(t, err)
	r.config = authority.Config{
		Online: online, Signer: r.officers,
		Store: often(r.store), Ledger: r.ledger, Verifier: v, Now: r.now, Registry: r.registry, PasswordCost: 4,
		Trust: protocol.Trust{Origin: r.ledger.Origin(), LogKey: r.ledger.LogKey()}, EpochSecret: [32]byte{1}, UnlockMaster: [32]byte{2},
	}
	for _, f := range tune {
		f(&r.config)
	}
	r.open()
	must(t, r.EnsureFounded(ctx))
	_, err = r.EnsurePolicy(ctx, "terms-2021-09.yaml", policies.Terms202109)
	must(t, err)
	r.ana, r.ben, r.sam = r.officer("ana", authority.RoleOfficer), r.officer("ben", authority.RoleOfficer), r.officer("sam", authority.RoleSupport)
	r.wait(4 * day) // the policy is no longer new
	return r
}

// open makes the service anew on the same store and ledger, as a restart does.
func (r *rig) open() {
	r.Helper()
	config := r.config
	config.Registry = prometheus.NewRegistry()
	r.registry = config.Registry.(*prometheus.Registry)
	s, err := authority.New(config)
	must(r.T, err)
	r.Service = s
}

// testRoot makes an attestation root, as a factory does.
func testRoot(t testing.TB, now time.Time) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test root"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: now.Add(-day), NotAfter: now.AddDate(20, 0, 0), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	root, err := x509.ParseCertificate(der)
	must(t, err)
	return key, root
}

// officer adds an officer who has changed the one-time password.
func (r *rig) officer(name, role string) *authority.Officer {
	r.Helper()
	admin := &authority.Officer{Name: "root", Role: authority.RoleAdmin}
	once, err := r.AddOfficer(ctx, admin, name, role)
	must(r.T, err)
	token, o, err := r.Login(ctx, name, once)
	must(r.T, err)
	must(r.T, r.ChangePassword(ctx, o, once, "a long password of "+name))
	o, err = r.Authenticate(ctx, token)
	must(r.T, err)
	return o
}

// made imports a production record for the next phone and returns its IMEI.
func (r *rig) made(consignment, consignee string, market territory.Code) device.IMEI {
	r.Helper()
	r.numbers++
	body := fmt.Sprintf("35%012d", r.numbers)
	imei := device.IMEI(body + string(device.CheckDigit(body)))
	_, err := r.ImportProduction(ctx, r.ana, []authority.Production{{IMEI: imei, Serial: "S" + body, Model: "Lantern X", Market: market,
		Consignment: consignment, Consignee: consignee, ShippedOn: territory.DayOf(r.now()) - 30}})
	must(r.T, err)
	return imei
}

// phone is a real agent on simulated hardware in this world.
type phone struct {
	*rig
	*agent.Agent
	imei   device.IMEI
	model  string // that it says, if not the usual one
	key    crypto.Signer
	chain  [][]byte
	record record
	boot   evidence.Boot
	id     device.ID
	offset time.Duration // of its wall clock
}

type record struct {
	mu   sync.Mutex
	data []byte
}

func (s *record) Load() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data == nil {
		return nil, fs.ErrNotExist
	}
	return s.data, nil
}

func (s *record) Save(data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = append([]byte(nil), data...)
	return nil
}

// certify makes a key and its certificate.
func (r *rig) certify(imei device.IMEI, extra ...pkix.Extension) (crypto.Signer, [][]byte) {
	r.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(r.T, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(int64(r.numbers) + 2), Subject: pkix.Name{SerialNumber: string(imei)},
		NotBefore: r.root.NotBefore, NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), ExtraExtensions: extra}
	der, err := x509.CreateCertificate(rand.Reader, template, r.root, public, r.rootKey)
	must(r.T, err)
	return private, [][]byte{der}
}

func (r *rig) newPhone(imei device.IMEI) *phone {
	r.Helper()
	p := &phone{rig: r, imei: imei, boot: evidence.BootVerified}
	p.key, p.chain = r.certify(imei)
	p.start()
	return p
}

// start opens the agent on what its storage holds.
func (p *phone) start() {
	p.Helper()
	begun := p.now()
	a, err := agent.Open(agent.Platform{
		Storage: &p.record, Key: p.key, Chain: p.chain,
		Now:      func() time.Time { return p.now().Add(p.offset) },
		Uptime:   func() time.Duration { return p.now().Sub(begun) },
		BootID:   func() string { return begun.String() },
		Boot:     func() evidence.Boot { return p.boot },
		Random:   rand.Reader,
		Software: "test/1",
		Identity: agent.Identity{IMEI: p.imei, Serial: "S", Model: cmp.Or(p.model, "Lantern X")},
	})
	must(p.T, err)
	p.Agent = a
}

func (p *phone) enrol() *phone {
	p.Helper()
	token, err := p.EnrolmentToken(p.Epoch(ctx))
	must(p.T, err)
	answer, err := p.Enrol(ctx, token)
	must(p.T, err)
	p.id = answer.Device
	data, err := answer.Marshal()
	must(p.T, err)
	must(p.T, p.AcceptEnrolment(data))
	return p
}

// token is the phone's next evidence.
func (p *phone) token() []byte {
	p.Helper()
	token, err := p.Evidence()
	must(p.T, err)
	return token
}

// checkIn checks in once, with a fresh epoch when the old one expired, and takes the answer.
func (p *phone) checkIn() (*protocol.CheckInAnswer, agent.Outcome) {
	p.Helper()
	answer, err := p.CheckIn(ctx, p.token(), home)
	if errors.Is(err, authority.ErrEpochExpired) {
		must(p.T, p.SetEpoch(p.Epoch(ctx).Epoch))
		answer, err = p.CheckIn(ctx, p.token(), home)
	}
	must(p.T, err)
	data, err := answer.Marshal()
	must(p.T, err)
	outcome, err := p.Accept(data)
	must(p.T, err)
	return answer, outcome
}

// sync checks in, brings the orders that came of it into the ledger, and fetches them.
func (p *phone) sync() agent.Outcome {
	p.Helper()
	p.checkIn()
	p.sequence()
	_, outcome := p.checkIn()
	return outcome
}

func (r *rig) sequence() int {
	r.Helper()
	n, err := r.Sequence(ctx)
	must(r.T, err)
	return n
}

// live spends days somewhere: seen by its owner, checked in once a day.
func (p *phone) live(days int, where territory.Signals) {
	p.Helper()
	for range days {
		must(p.T, p.Observe(where))
		must(p.T, p.Shown())
		p.sync()
		p.wait(day)
		must(p.T, p.Tick())
	}
}

func (p *phone) detail() *authority.DeviceDetail {
	p.Helper()
	d, err := p.DeviceDetail(ctx, p.id)
	must(p.T, err)
	return d
}

// stage asserts the stage on a ground, as the authority and as the device see it.
func (p *phone) stage(g order.Ground, server, own order.Stage) *authority.Restriction {
	p.Helper()
	var found *authority.Restriction
	for _, r := range p.detail().Restrictions {
		if r.Ground == g {
			found = r
		}
	}
	got := order.Observed
	if found != nil {
		got = found.Stage
	}
	if got != server {
		p.Fatalf("the authority has %v at %v, want %v; %+v", g, got, server, found)
	}
	screen := order.Observed
	for _, v := range p.Screen().Grounds {
		if v.Ground == g {
			screen = v.Stage
		}
	}
	if screen != own {
		p.Fatalf("the device has %v at %v, want %v", g, screen, own)
	}
	return found
}

// newEmpty is a second authority with nothing in its store, and without officers' keys.
func newEmpty(t *testing.T, r *rig) *authority.Service {
	t.Helper()
	store, err := sqlite.Open(ctx, t.TempDir(), sqlite.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	config := r.config
	config.Store, config.Registry, config.Signer = store, nil, nil
	s, err := authority.New(config)
	must(t, err)
	return s
}
