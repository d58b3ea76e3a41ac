package vectors

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/transparency-dev/formats/log"
	tlogproof "github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ledger is a transparency log in memory whose key, and so every byte of its proofs, follows from its name and a seed.
type ledger struct {
	t      *testing.T
	origin string
	key    string
	signer note.Signer
	hashes []tlog.Hash
	size   int64
}

func (l *ledger) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	read := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		read[i] = l.hashes[at]
	}
	return read, nil
}

// noteKey makes a note signer's and verifier's key (C2SP signed-note, Ed25519) out of a seed.
func noteKey(t *testing.T, name, seedName string) (signer note.Signer, public string) {
	t.Helper()
	private := edKey(seedName)
	public, err := note.NewEd25519VerifierKey(name, private.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	verifier := must(note.NewVerifier(public))(t)
	hash := make([]byte, 4)
	binary.BigEndian.PutUint32(hash, verifier.KeyHash())
	secret := append([]byte{1}, private.Seed()...)
	text := fmt.Sprintf("PRIVATE+KEY+%s+%s+%s", name, hex.EncodeToString(hash), base64.StdEncoding.EncodeToString(secret))
	return must(note.NewSigner(text))(t), public
}

func newLedger(t *testing.T, origin, seedName string) *ledger {
	t.Helper()
	l := &ledger{t: t, origin: origin}
	l.signer, l.key = noteKey(t, origin, seedName)
	return l
}

// append sequences a leaf and returns its index.
func (l *ledger) append(data []byte) int64 {
	l.t.Helper()
	stored := must(tlog.StoredHashes(l.size, data, l))(l.t)
	l.hashes = append(l.hashes, stored...)
	l.size++
	return l.size - 1
}

// proof returns the proof of the leaf at index in the present tree, cosigned by witnesses.
func (l *ledger) proof(index int64, witnesses ...note.Signer) []byte {
	l.t.Helper()
	root := must(tlog.TreeHash(l.size, l))(l.t)
	path := must(tlog.ProveRecord(l.size, index, l))(l.t)
	checkpoint := log.Checkpoint{Origin: l.origin, Size: uint64(l.size), Hash: root[:]}
	signed := must(note.Sign(&note.Note{Text: string(checkpoint.Marshal())}, append([]note.Signer{l.signer}, witnesses...)...))(l.t)
	p := tlogproof.TLogProof{Index: uint64(index), Checkpoint: signed}
	for _, h := range path {
		p.Hashes = append(p.Hashes, h)
	}
	return p.Marshal()
}

// cosigner is a witness (C2SP tlog-cosignature, cosignature/v1) whose clock stands still.
type cosigner struct {
	name string
	key  ed25519.PrivateKey
}

func (c cosigner) typed() []byte { return append([]byte{4}, c.key.Public().(ed25519.PublicKey)...) }

func (c cosigner) Name() string { return c.name }

func (c cosigner) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(c.name+"\n"), c.typed()...))
	return binary.BigEndian.Uint32(sum[:])
}

func (c cosigner) Sign(text []byte) ([]byte, error) {
	at := uint64(moment.Unix())
	signed := append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", at), text...)
	return append(binary.BigEndian.AppendUint64(nil, at), ed25519.Sign(c.key, signed)...), nil
}

func (c cosigner) public() string {
	return fmt.Sprintf("%s+%08x+%s", c.name, c.KeyHash(), base64.StdEncoding.EncodeToString(c.typed()))
}
