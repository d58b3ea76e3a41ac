package bench

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/witness"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// plainGrid is the bound of a look-up: one cell of an array of whole degrees, without any border.
type plainGrid [360 * 180]territory.Code

func newPlainGrid() *plainGrid {
	g := new(plainGrid)
	for i := range g {
		g[i] = territory.Locate(float64(i/360)-89.5, float64(i%360)-179.5)
	}
	return g
}

//go:noinline
func (g *plainGrid) locate(lat, lon float64) territory.Code {
	if !(lat >= -90 && lat < 90 && lon >= -180 && lon < 180) {
		return territory.Unknown
	}
	return g[(int(lat+90))*360+int(lon+180)]
}

// territoryLocate looks places up that people are in: cities and up to 100 km around them, some of them at borders.
func territoryLocate(_ context.Context, s *session) (Row, error) {
	if err := territory.Load(); err != nil {
		return Row{}, err
	}
	r := mathrand.New(mathrand.NewPCG(seed, 0))
	all := phone.Places()
	places := make([]territory.Fix, 4096)
	for i := range places {
		p := all[i%len(all)]
		places[i] = territory.Fix{Lat: p.Lat + 2*(r.Float64()-.5), Lon: p.Lon + 2*(r.Float64()-.5)}
	}
	grid, found := newPlainGrid(), 0
	look := func(locate func(lat, lon float64) territory.Code) func() {
		return func() {
			for i := range places {
				if locate(places[i].Lat, places[i].Lon) != territory.Unknown {
					found++
				}
			}
		}
	}
	each, bound := inTurns(pick(s, 3*time.Second, time.Second), len(places), look(territory.Locate), look(grid.locate))
	if found == 0 {
		return Row{}, errors.New("no place is anywhere")
	}
	return Row{Value: perSecond(each), Bound: perSecond(bound), Note: "one processor; cities and 100 km around, the coast and borders among them"}, nil
}

// handWritten decides the plain cases of the sample policy as somebody would who knows it by heart.
//
//go:noinline
func handWritten(f *policy.Facts, today territory.Day) (policy.Verdict, string) {
	if f.ActivationMixed || f.Activation == "" {
		return policy.Indeterminate, ""
	}
	rule := ""
	switch f.Activation {
	case "CU":
		rule = "cuba"
	case "IR":
		rule = "iran"
	case "SY":
		rule = "syria"
	case "KP":
		rule = "north-korea"
	case "UA-43", "UA-40":
		rule = "crimea"
	}
	if rule == "" || f.ActivatedOn < 20_758 {
		return policy.Permit, rule
	}
	if f.Attestation != policy.Genuine || f.RecordMissing || f.ClockDoubtful || today > 20_878 {
		return policy.Indeterminate, rule
	}
	return policy.Deny, rule
}

// decide decides by the sample policy about devices of which one in a hundred was activated where it may not be, and one in fifty under a
// licence.
func decide(_ context.Context, s *session) (Row, error) {
	p, err := policy.Parse("terms-2026-11.yaml", policies.Current)
	if err != nil {
		return Row{}, err
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	today := territory.DayOf(now)
	facts := make([]policy.Facts, 1000)
	for i := range facts {
		home := [...]territory.Code{"ES", "DE", "MX", "IN", "US"}[i%5]
		switch {
		case i%100 == 0:
			home = "UA-43"
		case i%50 == 1:
			home = "CU"
		}
		facts[i] = policy.Facts{Activation: home, ActivatedOn: today - 15, Attestation: policy.Genuine, Category: "consumer", Market: "DE", Present: home}
	}
	sum := 0
	each, bound := inTurns(pick(s, 3*time.Second, time.Second), len(facts), func() {
		for i := range facts {
			sum += int(p.Decide(facts[i], now).Verdict)
		}
	}, func() {
		for i := range facts {
			verdict, rule := handWritten(&facts[i], today)
			sum += int(verdict) + len(rule)
		}
	})
	if sum == 0 {
		return Row{}, errors.New("nothing was decided")
	}
	return Row{Value: perSecond(each), Bound: perSecond(bound), Note: "one processor; the bound answers without reasons and licences"}, nil
}

func perSecond(nanoseconds float64) float64 { return 1e9 / nanoseconds }

// orderVerify has a device check an order with one witness in a ledger of 4,096: commitment, inclusion, the checkpoint's signature and the
// cosignature. The bound is two bare Ed25519 checks and the hashes.
func orderVerify(ctx context.Context, s *session) (Row, error) {
	dir, remove, err := s.scratch("order")
	if err != nil {
		return Row{}, err
	}
	defer remove()
	id := device.ID{1, 2, 3}
	sealed, verifier, err := provenOrder(ctx, dir, id)
	if err != nil {
		return Row{}, err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Row{}, err
	}
	message := make([]byte, 150) // a checkpoint has about so many bytes
	signature, node := ed25519.Sign(private, message), [65]byte{}
	const hashes = 12 + 2 // the path in a tree of 4,096, the leaf, the commitment
	var wrong error
	each, bound := inTurns(pick(s, 3*time.Second, time.Second), 1, func() {
		if _, err := sealed.Open(id); err != nil {
			wrong = err
		}
		if c, err := verifier.Verify(sealed.Leaf, sealed.Proof); err != nil || c.Witnesses != 1 {
			wrong = errors.Join(err, errors.New("a good order was refused"))
		}
	}, func() {
		for range 2 {
			if !ed25519.Verify(public, message, signature) {
				wrong = errors.New("a good signature was refused")
			}
		}
		for range hashes {
			sum := sha256.Sum256(node[:])
			copy(node[1:], sum[:])
		}
	})
	return Row{Value: each / 1000, Bound: bound / 1000, Note: "on one processor of this machine, in a ledger of 4,096 with one witness"}, wrong
}

const benchOrigin = "bench.example/ledger"

// provenOrder puts an order and 4,095 others into a ledger with a witness, and proves it.
func provenOrder(ctx context.Context, dir string, id device.ID) (sealed order.Sealed, v *proof.Verifier, err error) {
	key, err := ledger.Key(filepath.Join(dir, "ledger"), benchOrigin)
	if err != nil {
		return sealed, nil, err
	}
	w, err := witness.Open(witness.Config{Dir: filepath.Join(dir, "witness"), Name: "witness.example/w1", Logs: []string{key}, Now: time.Now})
	if err != nil {
		return sealed, nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return sealed, nil, errors.Join(err, w.Close())
	}
	server := &http.Server{Handler: w.Handler(), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	at := ledger.Witness{URL: "http://" + listener.Addr().String(), Key: w.VerifierKey()}
	l, err := ledger.Open(ctx, filepath.Join(dir, "ledger"), ledger.Options{Origin: benchOrigin, Witnesses: []ledger.Witness{at}})
	if err == nil {
		leaves := issueOrders(4096)
		sealed.Salt, sealed.Leaf = [32]byte{1}, leaves[0]
		leaf, parsed := order.ParseLeaf(leaves[0])
		leaf.Commitment = order.Commit(sealed.Salt, id)
		sealed.Leaf, err = leaf.Marshal()
		if err = errors.Join(err, parsed); err == nil {
			leaves[0] = bytes.Clone(sealed.Leaf)
			var indexes []uint64
			if indexes, err = l.AppendBatch(ctx, leaves); err == nil {
				sealed.Proof, err = l.Proof(ctx, indexes[0])
			}
		}
		err = errors.Join(err, l.Close(ctx))
	}
	err = errors.Join(err, server.Close())
	<-served // which says that it was closed
	if err = errors.Join(err, w.Close()); err != nil {
		return sealed, nil, fmt.Errorf("an order for the measurement: %w", err)
	}
	v, err = proof.New(benchOrigin, key, []string{w.VerifierKey()}, 1)
	return sealed, v, err
}
