package authority_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// benchFleet enrols devices and signs a token for the first contact of each, and more for later ones, in turn.
func benchFleet(b *testing.B, store authority.Store, fleet, more int) (*authority.Service, [][]byte, *ecdsa.PrivateKey) {
	now := time.Date(2021, 9, 20, 9, 0, 0, 0, time.UTC)
	s, _ := service(b, store, now)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(b, err)
	pkix, err := x509.MarshalPKIXPublicKey(key.Public())
	must(b, err)
	ids := make([]device.ID, fleet)
	must(b, store.Update(ctx, func(tx authority.Tx) error {
		for i := range ids {
			binary.BigEndian.PutUint64(ids[i][:], uint64(i+1)*0x9E3779B97F4A7C15)
			body := fmt.Sprintf("35%012d", i)
			d := &authority.Device{ID: ids[i], IMEI: device.IMEI(body + string(device.CheckDigit(body))), Key: pkix, KeyCeiling: policy.Genuine, EnrolledAt: now}
			if err := tx.InsertDevice(d); err != nil {
				return err
			}
		}
		return nil
	}))
	tokens := make([][]byte, fleet+more)
	today := territory.DayOf(now)
	_, document, err := s.PolicyInForce(ctx)
	must(b, err)
	for i := range tokens {
		day := territory.DayRecord{Day: today - 60 + territory.Day(i/fleet%60), Territory: "ES", Percent: 99, Agree: territory.Kinds(0).With(territory.GNSS)}
		tokens[i], err = evidence.Sign(&evidence.Claims{Device: ids[i%fleet], Sequence: uint64(i/fleet + 1), Epoch: s.Epoch(ctx).Epoch, IssuedAt: now,
			Boot: evidence.BootVerified, Software: "1", PolicyHash: document.Hash, Days: []territory.DayRecord{day}}, key)
		must(b, err)
	}
	return s, tokens, key
}

// service is an authority without a ledger to write to: plain check-ins need none.
func service(b testing.TB, store authority.Store, now time.Time) (*authority.Service, *verifier.Verifier) {
	_, root := testRoot(b, now)
	v, err := verifier.New([]*x509.Certificate{root}, verifier.NewEpochs([32]byte{1}))
	must(b, err)
	officers, err := sandbox.OpenOfficers(b.TempDir())
	must(b, err)
	online, err := tufrepo.NewKey(tufrepo.Ed25519, "test server", rand.Reader)
	must(b, err)
	s, err := authority.New(authority.Config{Store: store, Ledger: &brokenLedger{}, Verifier: v, Now: func() time.Time { return now },
		Online: online, Signer: officers, EpochSecret: [32]byte{1}, UnlockMaster: [32]byte{2}, PasswordCost: 4,
		Pace: authority.Pace{Burst: -1}})
	must(b, err)
	must(b, s.EnsureFounded(ctx))
	_, err = s.EnsurePolicy(ctx, "terms-2021-09.yaml", policies.Terms202109)
	must(b, err)
	return s, v
}

// bareSeconds is how long one bare ES256 check takes on one core.
func bareSeconds(b *testing.B, key *ecdsa.PrivateKey) float64 {
	digest := sha256.Sum256([]byte("evidence"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	must(b, err)
	const times = 5000
	begun := time.Now()
	for range times {
		if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
			b.Fatal("a good signature is refused")
		}
	}
	return time.Since(begun).Seconds() / times
}

func benchKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func pkixOf(t testing.TB, key *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	return der
}
