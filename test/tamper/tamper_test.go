// Package tamper puts one table of bad input before everybody who must refuse it: the device with its proof verifier, the witness,
// and the auditor behind `bailiwick ledger verify`. Each refuses by a stable name.
package tamper

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/formats/log"

	"github.com/bailiwick-dev/bailiwick/order"
)

func TestAlike(t *testing.T) {
	type wants struct {
		device  string // "" is for: accepted
		witness int
		audit   string
		server  string
	}
	// The server is asked whether it goes on with the ledger's public files as they are now, and gives out a proof from them. Where it
	// says nothing, its own state has put them right again, or they are what somebody with its key could have published.
	// With a witness that needs no leaf and no cosignature, some tampering is not its to see.
	const unseen = http.StatusOK
	for name, tc := range map[string]struct {
		make  func(w *world) *material
		want  wants
		fresh bool // witness and auditor have seen nothing
	}{
		"as it should be": {make: func(w *world) *material { return w.show(w.leaves(9, 9, ""), w.all()...) }, want: wants{"", 200, "", ""}},
		"an unknown signature beside": {
			make: func(w *world) *material { return w.show(w.leaves(9, 9, ""), append(w.all(), w.stranger)...) }, want: wants{"", 200, "", ""},
		},
		"a forged checkpoint": {
			make: func(w *world) *material { return w.show(w.leaves(9, 9, ""), w.other, w.ada, w.bob) },
			want: wants{"proof-unsigned", 403, "proof-unsigned", "proof-unsigned"},
		},
		"no signature": {
			make: func(w *world) *material {
				m := w.show(w.leaves(9, 9, ""), w.ledger)
				m.checkpoint = m.checkpoint[:bytes.Index(m.checkpoint, []byte("\u2014"))]
				return m
			},
			want: wants{"proof-unsigned", 403, "proof-unsigned", "proof-unsigned"},
		},
		"unknown signatures only": {
			make: func(w *world) *material { return w.show(w.leaves(9, 9, ""), w.stranger) },
			want: wants{"proof-unsigned", 403, "proof-unsigned", "proof-unsigned"},
		},
		"witnesses without the ledger": {
			make: func(w *world) *material { return w.show(w.leaves(9, 9, ""), w.ada, w.bob) },
			want: wants{"proof-unsigned", 403, "proof-unsigned", "proof-unsigned"},
		},
		"a missing cosignature": {
			make: func(w *world) *material { return w.show(w.leaves(9, 9, ""), w.ledger, w.ada) },
			want: wants{"proof-quorum", unseen, "proof-quorum", ""},
		},
		"one cosignature twice": {
			make: func(w *world) *material {
				m := w.show(w.leaves(9, 9, ""), w.ledger, w.ada)
				m.checkpoint = append(m.checkpoint, m.checkpoint[bytes.LastIndex(m.checkpoint, []byte("\u2014")):]...)
				return m
			},
			want: wants{"proof-quorum", unseen, "proof-quorum", ""},
		},
		"a stranger for a witness": {
			make: func(w *world) *material { return w.show(w.leaves(9, 9, ""), w.ledger, w.ada, w.stranger) },
			want: wants{"proof-quorum", unseen, "proof-quorum", ""},
		},
		"another ledger": {
			make: func(w *world) *material {
				m := w.show(w.leaves(9, 9, ""), w.all()...)
				m.checkpoint = bytes.Replace(m.checkpoint, []byte(origin), []byte("ledger.example/else"), 1)
				return m
			},
			want: wants{"proof-origin", 404, "proof-origin", "proof-origin"},
		},
		"a size with a zero in front": {
			make: func(w *world) *material {
				m := w.show(w.leaves(9, 9, ""), w.all()...)
				text, _, _ := strings.Cut(string(m.checkpoint), "\n\n")
				m.checkpoint = w.sign(strings.Replace(text, "\n9\n", "\n09\n", 1)+"\n", w.all()...)
				return m
			},
			want: wants{"proof-malformed", 400, "proof-malformed", "proof-malformed"},
		},
		"17 KiB": {
			make: func(w *world) *material {
				m := w.show(w.leaves(9, 9, ""), w.all()...)
				m.checkpoint = append(m.checkpoint, bytes.Repeat([]byte("\u2014 x AAAAAAAA\n"), 1100)...)
				return m
			},
			want: wants{"proof-oversized", 400, "ledger-corrupted", "proof-oversized"},
		},
		"an empty ledger": {
			make: func(w *world) *material { return w.show(nil, w.all()...) },
			want: wants{"proof-inclusion", 400, "ledger-shrank", ""},
		},
		"an empty ledger with a root": {
			make: func(w *world) *material {
				m := w.show(nil, w.all()...)
				m.old = 0
				m.checkpoint = w.sign(string(log.Checkpoint{Origin: origin, Hash: make([]byte, 32)}.Marshal()), w.all()...)
				return m
			},
			want: wants{"proof-inclusion", 422, "ledger-corrupted", ""}, fresh: true,
		},
		// A device keeps no sizes: that a ledger shrinks or forks is for witnesses to refuse, whose cosignatures it counts.
		"it shrinks": {
			make: func(w *world) *material { return w.show(w.leaves(4, 4, ""), w.all()...) },
			want: wants{"", 400, "ledger-shrank", ""},
		},
		"it shrinks, and says so to nobody": {
			make: func(w *world) *material { m := w.show(w.leaves(4, 4, ""), w.all()...); m.old = 3; return m },
			want: wants{"", 409, "ledger-shrank", ""},
		},
		"it forks at the same size": {
			make: func(w *world) *material { return w.show(w.leaves(5, 3, "fork"), w.all()...) },
			want: wants{"", 409, "ledger-forked", ""},
		},
		"it forks and grows": {
			make: func(w *world) *material { return w.show(w.leaves(9, 3, "fork"), w.all()...) },
			want: wants{"", 422, "ledger-forked", ""},
		},
		"truncated": {
			make: func(w *world) *material {
				m := w.show(w.leaves(9, 9, ""), w.all()...)
				m.path, m.step, m.entries = m.path[:len(m.path)-1], m.step[:len(m.step)-1], m.entries[:8]
				return m
			},
			want: wants{"proof-inclusion", 422, "ledger-corrupted", ""},
		},
		"duplicated": {
			make: func(w *world) *material {
				m := w.show(w.leaves(9, 9, ""), w.all()...)
				m.path, m.step = append(m.path[:1:1], m.path...), append(m.step[:1:1], m.step...)
				m.entries = append(m.entries[:1:1], m.entries[:8]...)
				return m
			},
			want: wants{"proof-inclusion", 422, "ledger-corrupted", ""},
		},
		"reordered": {
			make: func(w *world) *material {
				m := w.show(w.leaves(9, 9, ""), w.all()...)
				m.path, m.step, m.entries = swap(m.path, 0, 1), swap(m.step, 0, 1), swap(m.entries, 0, 1)
				return m
			},
			want: wants{"proof-inclusion", 422, "ledger-corrupted", ""},
		},
		"forged": {
			make: func(w *world) *material {
				m := w.show(w.leaves(9, 9, ""), w.all()...)
				m.path, m.step, m.entries = slices.Clone(m.path), slices.Clone(m.step), slices.Clone(m.entries)
				m.path[0][7] ^= 1
				m.step[0][7] ^= 1
				m.entries[3] = leafOf(w.t, 3, "forged")
				return m
			},
			want: wants{"proof-inclusion", 422, "ledger-corrupted", ""},
		},
		"a forged leaf": {
			make: func(w *world) *material {
				m := w.show(w.leaves(9, 9, ""), w.all()...)
				m.leaf, m.salt, m.entries = leafOf(w.t, index, "forged"), salted(index, "forged"), slices.Clone(m.entries)
				m.entries[index] = m.leaf
				return m
			},
			want: wants{"proof-inclusion", unseen, "ledger-corrupted", ""},
		},
		"a forged tile": {
			make: func(w *world) *material {
				m := w.show(w.leaves(9, 9, ""), w.all()...)
				m.tile[4][0] ^= 1
				return m
			},
			want: wants{"", unseen, "ledger-corrupted", "ledger-corrupted"},
		},
		"somebody else's order": {
			make: func(w *world) *material {
				m := w.show(w.leaves(9, 9, ""), w.all()...)
				m.salt = salted(index, "guessed")
				return m
			},
			want: wants{"order-not-for-you", unseen, "", ""},
		},
		// The device has this order alone, and sees nothing wrong with it; see package agent for two of them.
		"a salt used twice": {
			make: func(w *world) *material {
				leaves := w.leaves(9, 9, "")
				l, err := order.ParseLeaf(leaves[index])
				if err != nil {
					w.t.Fatal(err)
				}
				l.Deadline = l.Deadline.Add(24 * time.Hour)
				if leaves[7], err = l.Marshal(); err != nil {
					w.t.Fatal(err)
				}
				m := w.show(leaves, w.all()...)
				m.old, m.step = 0, nil
				return m
			},
			want: wants{"", unseen, "order-salt-reused", ""}, fresh: true,
		},
		// Signed and included, and yet no order: two keys of one name, an order behind an order, a number written long.
		"a leaf that parses twice": {make: oddLeaf(twoKinds), want: wants{"order-malformed", unseen, "order-malformed", ""}, fresh: true},
		"two orders in one leaf": {
			make: oddLeaf(func(leaf []byte) []byte { return append(slices.Clone(leaf), leaf...) }),
			want: wants{"order-malformed", unseen, "order-malformed", ""}, fresh: true,
		},
		"a leaf written otherwise": {make: oddLeaf(longForm), want: wants{"order-malformed", unseen, "order-malformed", ""}, fresh: true},
		"a leaf of version 2": {
			make: oddLeaf(func(leaf []byte) []byte { leaf = slices.Clone(leaf); leaf[2] = 2; return leaf }),
			want: wants{"order-version", unseen, "order-version", ""}, fresh: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := tc.make(w)
			got := wants{w.device(m), w.witness(m, tc.fresh), w.audit(m, tc.fresh), w.server(m)}
			if got != tc.want {
				t.Errorf("device, witness, audit, server: %+v, want %+v", got, tc.want)
			}
		})
	}
}

// oddLeaf makes a ledger whose entry 2 is an order that was changed before it was hashed and signed.
func oddLeaf(change func([]byte) []byte) func(*world) *material {
	return func(w *world) *material {
		leaves := w.leaves(9, 9, "")
		leaves[index] = change(leaves[index])
		m := w.show(leaves, w.all()...)
		m.old, m.step = 0, nil // for a witness that has seen nothing
		return m
	}
}

// twoKinds says notice first and lock after: a CBOR map with the key 1 twice.
func twoKinds(leaf []byte) []byte {
	out := append([]byte{leaf[0] + 1}, leaf[1:5]...) // a map with one more pair; version, kind
	return append(append(out, 1, byte(order.Lock)), leaf[5:]...)
}

// longForm writes the kind in two bytes where one would do.
func longForm(leaf []byte) []byte {
	return append(append(slices.Clone(leaf[:4]), 0x18, leaf[4]), leaf[5:]...)
}
