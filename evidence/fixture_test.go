package evidence_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// The keys of these tests are fixed, so that the seeds in testdata stay valid.
func esKey(tb testing.TB) *ecdsa.PrivateKey {
	d := sha256.Sum256([]byte("bailiwick test key, ES256"))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func edKey(testing.TB) ed25519.PrivateKey {
	d := sha256.Sum256([]byte("bailiwick test key, EdDSA"))
	return ed25519.NewKeyFromSeed(d[:])
}

var issued = time.Date(2021, 9, 10, 8, 30, 0, 0, time.UTC)

// usualClaims is a check-in in everyday life: two days in one territory, one ground.
func usualClaims() evidence.Claims {
	signals := territory.Kinds(0).With(territory.GNSS).With(territory.Cell).With(territory.SIM)
	day := territory.DayOf(issued)
	return evidence.Claims{
		Device:     device.ID{0x4b, 0x1d, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		Sequence:   42,
		Epoch:      []byte("epoch-2021-09-10"),
		IssuedAt:   issued,
		Boot:       evidence.BootVerified,
		Software:   "0.1.0",
		PolicyHash: sha256.Sum256([]byte("policy")),
		Days: []territory.DayRecord{
			{Day: day - 1, Territory: "CU", Percent: 98, Agree: signals},
			{Day: day, Territory: "CU", Percent: 97, Agree: signals, Against: territory.Kinds(0).With(territory.IP)},
		},
		Activation: &territory.Activation{Territory: "CU", Day: day - 7},
		Grounds: []evidence.GroundState{{
			Ground:    order.Ground{Kind: order.Rule, ID: "cuba"},
			Stage:     order.Noticed,
			Order:     order.ID(sha256.Sum256([]byte("order"))),
			ShownDays: 4,
			FirstSeen: day - 5,
			Deadline:  issued.AddDate(0, 0, 9).Truncate(24 * time.Hour),
		}},
		Metadata: evidence.MetadataVersions{Root: 1, Timestamp: 17},
	}
}

// fullestClaims fills every list to its bound with its largest elements.
func fullestClaims() evidence.Claims {
	c := usualClaims()
	c.Boot, c.ClockDoubt = evidence.BootUnlocked, true
	c.Days, c.Grounds = nil, nil
	c.Metadata = evidence.MetadataVersions{Root: math.MaxUint64, Timestamp: math.MaxUint64}
	for i := range evidence.MaxDays {
		c.Days = append(c.Days, territory.DayRecord{
			Day: territory.Day(18000 + i), Territory: "UA-43", Percent: 99, Agree: 31, Against: 31,
		})
	}
	for i := range evidence.MaxGrounds {
		c.Grounds = append(c.Grounds, evidence.GroundState{
			Ground: order.Ground{Kind: order.Warrant, ID: fmt.Sprintf("%064d", i)},
			Stage:  order.Lifted, Cause: order.ByCode, Order: order.ID{1}, ShownDays: 255, FirstSeen: 20000,
			Deadline: issued, EndsAt: issued,
		})
	}
	for range evidence.MaxRefusals {
		c.Refusals = append(c.Refusals, evidence.Refusal{
			Order: order.ID{2}, Reason: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		})
	}
	return c
}
