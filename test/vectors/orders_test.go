package vectors

import (
	"bytes"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

type trust struct {
	Origin    string   `json:"origin"`
	LogKey    string   `json:"log_key"`
	Witnesses []string `json:"witnesses,omitempty"`
	Quorum    int      `json:"quorum,omitempty"`
}

func trustOf(t protocol.Trust) trust { return trust{t.Origin, t.LogKey, t.Witnesses, t.Quorum} }

// orderVector is a sealed order and whether it is one for this device at all: the first of the checks in
// docs/protocol.md, section 7, which need no state.
type orderVector struct {
	Name   string `json:"name"`
	Trust  trust  `json:"trust"`
	Device Hex    `json:"device"`
	Sealed Hex    `json:"sealed"`
	Reason string `json:"reason,omitempty"` // empty: it is genuine
	ID     Hex    `json:"id"`
	Index  uint64 `json:"index,omitempty"`
	Leaf   *leaf  `json:"leaf,omitempty"`
}

func noticeLeaf() order.Leaf {
	return order.Leaf{
		Kind: order.Notice, Ground: order.Ground{Kind: order.Rule, ID: "cuba"}, Territory: "CU", Authority: seed("policy"),
		IssuedAt: moment, Deadline: moment.AddDate(0, 0, 14),
	}
}

func makeOrders(t *testing.T) (made []orderVector) {
	const origin = "ledger.example/vectors"
	main, forger := newLedger(t, origin, "ledger"), newLedger(t, origin, "forger")
	elsewhere := newLedger(t, "ledger.example/other", "ledger")
	w1, w2 := cosigner{"witness.example/1", edKey("witness 1")}, cosigner{"witness.example/2", edKey("witness 2")}
	plain := trust{Origin: origin, LogKey: main.key}
	witnessed := trust{Origin: origin, LogKey: main.key, Witnesses: []string{w1.public(), w2.public()}, Quorum: 2}
	a, b := deviceID("a"), deviceID("b")
	for n := range 5 {
		main.append([]byte{byte(n)})
	}
	commit := func(l order.Leaf, to device.ID) ([]byte, [32]byte) {
		salt := seed("salt/" + l.Kind.String() + l.Ground.String() + to.String())
		l.Commitment = order.Commit(salt, to)
		return must(l.Marshal())(t), salt
	}
	add := func(name string, trusted trust, s order.Sealed, index int64, reason string) {
		sealed := must(s.Marshal())(t)
		id := s.ID()
		v := orderVector{Name: name, Trust: trusted, Device: a[:], Sealed: sealed, Reason: reason, ID: id[:]}
		if reason == "" {
			v.Index, v.Leaf = uint64(index), leafOf(must(order.ParseLeaf(s.Leaf))(t))
		}
		made = append(made, v)
	}
	good := func(name string, l order.Leaf) order.Sealed {
		data, salt := commit(l, a)
		index := main.append(data)
		s := order.Sealed{Leaf: data, Salt: salt, Proof: main.proof(index)}
		add(name, plain, s, index, "")
		return s
	}
	notice := noticeLeaf()
	sealed := good("a notice", notice)
	lock := notice
	lock.Kind, lock.EffectAt, lock.EndsAt = order.Lock, lock.Deadline.Add(3*time.Hour), lock.Deadline.AddDate(0, 1, 0)
	good("a lock", lock)
	lift := notice
	lift.Kind, lift.Deadline, lift.Cause = order.Lift, time.Time{}, order.ByHuman
	good("a lift", lift)
	hold := notice
	hold.Ground, hold.Territory, hold.Authority = order.Ground{Kind: order.Warrant, ID: "w-1"}, "", seed("warrant")
	good("a notice by warrant", hold)

	index := int64(5)
	both, one := sealed, sealed
	both.Proof, one.Proof = main.proof(index, w1, w2), main.proof(index, w2)
	add("two witnesses of two", witnessed, both, index, "")
	add("a later checkpoint than that of its leaf", plain, order.Sealed{Leaf: sealed.Leaf, Salt: sealed.Salt, Proof: main.proof(index)}, index, "")
	add("one witness of two", witnessed, one, 0, "proof-invalid")
	add("no witness of two", witnessed, sealed, 0, "proof-invalid")
	bad := func(name, reason string, change func(s *order.Sealed)) {
		s := order.Sealed{Leaf: bytes.Clone(sealed.Leaf), Salt: sealed.Salt, Proof: bytes.Clone(sealed.Proof)}
		change(&s)
		add(name, plain, s, 0, reason)
	}
	bad("another salt", "commitment-mismatch", func(s *order.Sealed) { s.Salt[0] ^= 1 })
	bad("for another device", "commitment-mismatch", func(s *order.Sealed) {
		s.Leaf, s.Salt = commit(notice, b)
		s.Proof = main.proof(main.append(s.Leaf))
	})
	bad("a leaf that is no order", "leaf-malformed", func(s *order.Sealed) {
		s.Leaf = []byte{0xa1, 0, 9}
		s.Proof = main.proof(main.append(s.Leaf))
	})
	bad("a leaf with a byte more", "leaf-malformed", func(s *order.Sealed) {
		s.Leaf = append(s.Leaf, 0)
		s.Proof = main.proof(main.append(s.Leaf))
	})
	bad("never sequenced", "proof-invalid", func(s *order.Sealed) {
		l := notice
		l.Deadline = l.Deadline.Add(time.Hour)
		s.Leaf, s.Salt = commit(l, a)
	})
	bad("a ledger of the same name with another key", "proof-invalid", func(s *order.Sealed) { s.Proof = forger.proof(forger.append(s.Leaf)) })
	bad("a ledger of another name", "proof-invalid", func(s *order.Sealed) { s.Proof = elsewhere.proof(elsewhere.append(s.Leaf)) })
	bad("an index that is not its own", "proof-invalid", func(s *order.Sealed) { s.Proof = replaced(t, s.Proof, []byte("index 5\n"), []byte("index 4\n")) })
	bad("a signature changed", "proof-invalid", func(s *order.Sealed) { s.Proof = flip(s.Proof, -6) })
	bad("a line break more", "proof-invalid", func(s *order.Sealed) { s.Proof = append(s.Proof, '\n') })
	bad("a proof that is no text", "proof-invalid", func(s *order.Sealed) { s.Proof = []byte{0} })
	bad("a hash left out", "proof-invalid", func(s *order.Sealed) {
		lines := bytes.SplitAfter(s.Proof, []byte("\n"))
		s.Proof = bytes.Join(append(lines[:2:2], lines[3:]...), nil)
	})
	return made
}

func TestOrders(t *testing.T) {
	for _, v := range file(t, "orders.json", makeOrders(t)) {
		t.Run(v.Name, func(t *testing.T) {
			s := must(order.ParseSealed(v.Sealed))(t)
			if id := s.ID(); !bytes.Equal(id[:], v.ID) {
				t.Errorf("id %s", id)
			}
			verifier := must(proof.New(v.Trust.Origin, v.Trust.LogKey, v.Trust.Witnesses, v.Trust.Quorum))(t)
			l, err := s.Open(device.ID(v.Device))
			reason := ""
			switch {
			case order.FaultOf(err) == order.ErrCommitment:
				reason = "commitment-mismatch"
			case err != nil:
				reason = "leaf-malformed"
			}
			var checked proof.Checked
			if reason == "" {
				if checked, err = verifier.Verify(s.Leaf, s.Proof); err != nil {
					reason = "proof-invalid"
				}
			}
			if reason != v.Reason {
				t.Fatalf("reason %q (%v), want %q", reason, err, v.Reason)
			}
			if reason == "" {
				same(t, "leaf", leafOf(l), v.Leaf)
				if checked.Index != v.Index {
					t.Errorf("index %d, want %d", checked.Index, v.Index)
				}
			}
		})
	}
}
