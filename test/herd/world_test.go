package herd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/admission"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/httpapi"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const day = 24 * time.Hour

var cuba = order.Ground{Kind: order.Rule, ID: "cuba"}

// world is a real server on loopback, with a real store and a real ledger, in a standing time.
type world struct {
	t       *testing.T
	dir     string
	now     time.Time
	open    func() (records, error)
	store   records
	ledger  *ledger.Ledger
	service *authority.Service
	factory *sandbox.Factory
	policy  [32]byte
	key     *ecdsa.PrivateKey // of all enrolled devices: what is measured is the server
	pkix    []byte
	server  *httptest.Server
	crowd   *http.Client // many devices behind few connections, as a carrier's gateway would have them
	own     *http.Client
}

// records is a store that can be closed.
type records interface {
	authority.Store
	Close() error
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T, open func() (records, error)) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{t: t, dir: t.TempDir(), now: time.Date(2021, 9, 20, 9, 0, 0, 0, time.UTC), open: open}
	var err error
	w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	w.pkix, err = x509.MarshalPKIXPublicKey(w.key.Public())
	must(t, err)
	w.factory, err = sandbox.Open(w.dir + "/factory")
	must(t, err)
	w.store, err = w.open()
	must(t, err)
	t.Cleanup(func() { must(t, w.store.Close()) })
	w.ledger, err = ledger.Open(ctx, w.dir+"/ledger", ledger.Options{Origin: "ledger.example/herd"})
	must(t, err)
	t.Cleanup(func() { must(t, w.ledger.Close(ctx)) })
	appraiser, err := verifier.New([]*x509.Certificate{w.factory.Root()}, verifier.NewEpochs([32]byte{1}))
	must(t, err)
	officers, err := sandbox.OpenOfficers(w.dir + "/officers")
	must(t, err)
	online, err := tufrepo.NewKey(tufrepo.Ed25519, "test server", rand.Reader)
	must(t, err)
	w.service, err = authority.New(authority.Config{Store: w.store, Ledger: w.ledger, Verifier: appraiser, Now: func() time.Time { return w.now },
		Online: online, Signer: officers, EpochSecret: [32]byte{1}, UnlockMaster: [32]byte{2}, PasswordCost: 4,
		Trust: protocol.Trust{Origin: w.ledger.Origin(), LogKey: w.ledger.LogKey()}})
	must(t, err)
	must(t, w.service.EnsureFounded(ctx))
	_, err = w.service.EnsurePolicy(ctx, "terms-2021-09.yaml", policies.Terms202109)
	must(t, err)
	_, document, err := w.service.PolicyInForce(ctx)
	must(t, err)
	w.policy = document.Hash
	w.serve()
	return w
}

// serve listens. So few places that any machine has too few of them, and a rate by network that few of these devices would exceed:
// all of them share an address.
func (w *world) serve() {
	h, err := httpapi.New(httpapi.Config{Authority: w.service, Production: noCSV, Admission: admission.Config{Least: 16, Most: 64},
		DeviceRate: httpapi.Rate{PerSecond: 1, Burst: 20}})
	must(w.t, err)
	w.server = httptest.NewUnstartedServer(nil)
	w.server.Config = httpapi.NewServer(h, nil)
	w.server.Start()
	w.t.Cleanup(w.server.Close)
	client := func(connections int) *http.Client {
		transport := &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}
		w.t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	w.crowd, w.own = client(500), client(0)
}

// restart ends the server and opens the store anew, as after a crash.
func (w *world) restart(t *testing.T) {
	w.server.Close()
	must(t, w.store.Close())
	var err error
	w.store, err = w.open()
	must(t, err)
}

func (w *world) device(id device.ID) (d *authority.Device) {
	must(w.t, w.store.View(context.Background(), func(tx authority.Tx) (err error) {
		d, err = tx.Device(id)
		return err
	}))
	return d
}

// enrolled makes devices that have checked in before, numbered from first.
func (w *world) enrolled(first, n int) []device.ID {
	ids := make([]device.ID, n)
	must(w.t, w.store.Update(context.Background(), func(tx authority.Tx) error {
		for i := range ids {
			binary.BigEndian.PutUint64(ids[i][:], uint64(first+i+1)*0x9E3779B97F4A7C15)
			d := &authority.Device{ID: ids[i], IMEI: sandbox.IMEI("35000001", first%1_000_000+i), Key: w.pkix, KeyCeiling: policy.Genuine,
				Attestation: policy.Genuine, EnrolledAt: w.now.Add(-30 * day), LastSeen: w.now.Add(-day)}
			if err := tx.InsertDevice(d); err != nil {
				return err
			}
		}
		return nil
	}))
	return ids
}

// locked makes devices that are locked, and lifts them all: their lifts are in the ledger, and wait for them.
func (w *world) locked(first, n int) []device.ID {
	ctx, ids := context.Background(), w.enrolled(first, n)
	must(w.t, w.store.Update(ctx, func(tx authority.Tx) error {
		for _, id := range ids {
			noticed := w.now.Add(-20 * day)
			r := &restriction.Restriction{Device: id, Ground: cuba, Round: 1, Stage: order.Noticed, Territory: "CU", Authority: w.policy,
				Reference: order.Reference(id, cuba), NoticedAt: noticed, Deadline: noticed.Add(10 * day)}
			if err := tx.NoticeIfFree(r); err != nil {
				return err
			}
			if err := tx.LockIfNoticed(id, cuba, noticed.Add(10*day), noticed.Add(11*day), noticed.Add(100*day)); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, id := range ids {
		must(w.t, w.service.LiftByHuman(ctx, &authority.Officer{Name: "ana", Role: authority.RoleOfficer}, id, cuba, "It was an error."))
	}
	if _, err := w.service.Sequence(ctx); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// sign makes evidence of a device.
func (w *world) sign(id device.ID, sequence uint64, grounds []evidence.GroundState) []byte {
	today := territory.DayOf(w.now)
	token, err := evidence.Sign(&evidence.Claims{Device: id, Sequence: sequence, Epoch: w.service.Epoch(context.Background()).Epoch, IssuedAt: w.now,
		Boot: evidence.BootVerified, Software: "1", PolicyHash: w.policy, Grounds: grounds,
		Days: []territory.DayRecord{{Day: today, Territory: "ES", Percent: 99, Agree: territory.Kinds(0).With(territory.GNSS)}}}, w.key)
	if err != nil {
		w.t.Error(err)
	}
	return token
}

// fresh makes new devices, each with a key and a certificate, and returns what they enrol with.
func (w *world) fresh(n int) [][]byte {
	tokens := make([][]byte, n)
	for i := range tokens {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(w.t, err)
		imei := sandbox.IMEI("35000002", i)
		chain, err := w.factory.Issue(imei, "S", key.Public())
		must(w.t, err)
		tokens[i], err = protocol.SignEnrolment(&protocol.Enrolment{Epoch: w.service.Epoch(context.Background()).Epoch, IMEI: imei, Serial: "S",
			Model: "Lantern X", Software: "1"}, chain, key)
		must(w.t, err)
	}
	return tokens
}

func noCSV(io.Reader) ([]authority.Production, error) { return nil, errors.New("not here") }
