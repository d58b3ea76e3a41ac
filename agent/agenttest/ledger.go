// Package agenttest gives tests what a device meets in the world: a ledger in memory whose proofs are real, and a phone
// whose clocks, boots, storage and crashes a test controls.
package agenttest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/transparency-dev/formats/log"
	tlogproof "github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// Ledger is a transparency log in memory, with a signed checkpoint for each proof. It is for one goroutine.
type Ledger struct {
	origin string
	key    string
	signer note.Signer
	hashes hashes
	size   int64
	salts  *rand.ChaCha8
}

// hashes are the stored hashes of the tree, as tlog numbers them.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	read := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at < 0 || at >= int64(len(h)) {
			return nil, fmt.Errorf("agenttest: no hash %d", at)
		}
		read[i] = h[at]
	}
	return read, nil
}

// NewLedger returns an empty ledger. The same origin and seed give the same key and the same salts.
func NewLedger(origin string, seed uint64) (*Ledger, error) {
	random := rand.NewChaCha8(seedOf("ledger", seed))
	private, public, err := note.GenerateKey(random, origin)
	if err != nil {
		return nil, fmt.Errorf("agenttest: a ledger's key: %w", err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, fmt.Errorf("agenttest: a ledger's key: %w", err)
	}
	return &Ledger{origin: origin, key: public, signer: signer, salts: random}, nil
}

// Trust is what a device needs to check this ledger's proofs.
func (l *Ledger) Trust() protocol.Trust { return protocol.Trust{Origin: l.origin, LogKey: l.key} }

// Size is the number of leaves.
func (l *Ledger) Size() int64 { return l.size }

// Commit fills in a leaf's commitment to the device and returns its bytes and the salt, without sequencing it.
func (l *Ledger) Commit(leaf order.Leaf, id device.ID) ([]byte, [32]byte, error) {
	var salt [32]byte
	if _, err := l.salts.Read(salt[:]); err != nil {
		return nil, salt, err
	}
	leaf.Commitment = order.Commit(salt, id)
	data, err := leaf.Marshal()
	return data, salt, err
}

// Seal sequences a leaf for the device and returns the order with its proof in the tree of that moment.
func (l *Ledger) Seal(leaf order.Leaf, id device.ID) (order.Sealed, error) {
	data, salt, err := l.Commit(leaf, id)
	if err != nil {
		return order.Sealed{}, fmt.Errorf("agenttest: %w", err)
	}
	proof, err := l.Append(data)
	return order.Sealed{Leaf: data, Salt: salt, Proof: proof}, err
}

// Append sequences any bytes and returns their C2SP tlog-proof.
func (l *Ledger) Append(data []byte) ([]byte, error) {
	index := l.size
	stored, err := tlog.StoredHashes(index, data, l.hashes)
	if err != nil {
		return nil, fmt.Errorf("agenttest: append: %w", err)
	}
	l.hashes = append(l.hashes, stored...)
	l.size++
	return l.Prove(index)
}

// Prove returns a proof of the leaf at index in the present tree.
func (l *Ledger) Prove(index int64) ([]byte, error) {
	root, err := tlog.TreeHash(l.size, l.hashes)
	if err != nil {
		return nil, fmt.Errorf("agenttest: root: %w", err)
	}
	path, err := tlog.ProveRecord(l.size, index, l.hashes)
	if err != nil {
		return nil, fmt.Errorf("agenttest: proof: %w", err)
	}
	checkpoint := log.Checkpoint{Origin: l.origin, Size: uint64(l.size), Hash: root[:]}
	signed, err := note.Sign(&note.Note{Text: string(checkpoint.Marshal())}, l.signer)
	if err != nil {
		return nil, fmt.Errorf("agenttest: sign: %w", err)
	}
	p := tlogproof.TLogProof{Index: uint64(index), Checkpoint: signed}
	for _, h := range path {
		p.Hashes = append(p.Hashes, h)
	}
	return p.Marshal(), nil
}

func seedOf(what string, seed uint64) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte("bailiwick/agenttest/"+what+"\x00"), seed))
}
