package protocol_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

var now = time.Date(2021, 9, 10, 8, 30, 0, 0, time.UTC)

// The keys of these tests are fixed, so that the seeds in testdata stay valid.
func esKey(tb testing.TB) *ecdsa.PrivateKey {
	d := sha256.Sum256([]byte("bailiwick test key, ES256"))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func certificate(tb testing.TB, key *ecdsa.PrivateKey) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "device"},
		NotBefore: now, NotAfter: now.AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(nil, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

func enrolment() protocol.Enrolment {
	return protocol.Enrolment{
		Epoch: []byte("epoch-2021-09-10"), IMEI: "490154203237518", Serial: "R5CN90", Model: "SM-G991B", Software: "0.1.0",
	}
}

func policy() protocol.Policy {
	return protocol.Policy{
		Hash: sha256.Sum256([]byte("policy")), ID: "terms-2021-09",
		Effective: time.Date(2021, 9, 1, 0, 0, 0, 0, time.UTC),
		Rules: []protocol.Rule{
			{
				ID: "cuba", Codes: []territory.Code{"CU"}, Name: "Cuba", LegalBasis: "15 CFR 746.2", Source: "eCFR",
				Since: 18000, ReviewBy: 19000,
			},
			{ID: "crimea", Codes: []territory.Code{"UA-43", "UA-40"}, Name: "Crimea", Since: 17000, Until: 20000, ReviewBy: 19000},
		},
		Observation: territory.Observation{Days: 5, Window: 14, Percent: 90},
		NoticeDays:  14, ShownDays: 3, LockDays: 365, AppliesFrom: 18800,
		Contact: protocol.Contact{
			Name: "Owner care", Phone: "+1 555 0100", Email: "owners@example.com", OwnerURL: "https://example.com/owner",
		},
	}
}

func warrant() protocol.Warrant {
	return protocol.Warrant{
		ID: "7", Case: "2021-09-a", Reason: "Diverted consignment under investigation.",
		IssuedAt: now, EndsAt: now.AddDate(0, 0, 30), Officers: [2]string{"ada", "grace"},
		Cohort: protocol.Cohort{Root: sha256.Sum256([]byte("root")), Size: 3},
	}
}

func held() protocol.Held {
	return protocol.Held{Warrant: warrant(), Member: protocol.Member{
		Salt: sha256.Sum256([]byte("salt")), Index: 2, Path: [][32]byte{{1}, {2}},
	}}
}

func metadata() tuf.Update {
	return tuf.Update{
		Roots: [][]byte{[]byte("root 1"), []byte("root 2")}, Timestamp: []byte("timestamp"), Snapshot: []byte("snapshot"),
		Targets: []byte("targets"), Policy: []byte("policy"), Warrant: []byte("warrant"),
	}
}

func enrolAnswer() protocol.EnrolAnswer {
	return protocol.EnrolAnswer{
		Device: device.ID{1, 2, 3}, UnlockSecret: sha256.Sum256([]byte("secret")),
		Trust: protocol.Trust{
			Origin: "bailiwick.example/ledger", LogKey: "bailiwick.example/ledger+0102+AQ==",
			Witnesses: []string{"witness.example+0102+BA=="}, Quorum: 1,
		},
		Policy: policy(), Metadata: metadata(), Epoch: []byte("epoch-2021-09-10"), Time: now,
	}
}

func checkInAnswer() protocol.CheckInAnswer {
	p, m := policy(), metadata()
	m.Roots = nil // the device has them
	return protocol.CheckInAnswer{
		Epoch: []byte("epoch-2021-09-10"), Time: now, NextCheckIn: 24 * time.Hour, Sequence: 42, IP: "UA-43",
		Orders:   []order.Sealed{{Leaf: []byte{1}, Salt: [32]byte{2}, Proof: []byte("c2sp.org/tlog-proof@v1\n")}},
		Warrants: []protocol.Held{held()}, Policy: &p, Unlocks: 3, Metadata: &m,
	}
}
