// Package proof checks offline that an order is in the public ledger (Charter C6).
//
// A proof is a C2SP tlog-proof: the index of the leaf, the RFC 6962 inclusion proof, and the checkpoint (C2SP
// tlog-checkpoint, a signed note) that it leads to. The checkpoint counts when the ledger's key signed it, and when at
// least a quorum of known witnesses cosigned it (C2SP tlog-cosignature, Ed25519):
//
//	v, err := proof.New(trust.Origin, trust.LogKey, trust.Witnesses, trust.Quorum)
//	checked, err := v.Verify(sealed.Leaf, sealed.Proof)
//
// It runs on devices: no network, no clock, no files, bounded memory, and few dependencies.
package proof

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/transparency-dev/formats/log"
	tlogproof "github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Bounds of a proof's text.
const (
	MaxText   = 16 << 10 // bytes, as order.MaxProof
	maxHashes = 63       // a tree of 2^63 leaves needs no more
)

// Fault names why a proof is refused. It is an error to test with errors.Is, and its text is a stable name for
// metrics and refusals.
type Fault string

// The faults that a proof can have.
const (
	ErrOversized Fault = "proof-oversized" // more than MaxText bytes
	ErrMalformed Fault = "proof-malformed" // not a tlog-proof, in the one way of writing it
	ErrOrigin    Fault = "proof-origin"    // the checkpoint of another ledger
	ErrUnsigned  Fault = "proof-unsigned"  // the ledger's key did not sign the checkpoint, or a known key's signature is wrong
	ErrQuorum    Fault = "proof-quorum"    // fewer known witnesses cosigned than must
	ErrInclusion Fault = "proof-inclusion" // the leaf is not at this index of this tree
	ErrTrust     Fault = "trust-invalid"   // New: an origin, a key or a quorum that cannot be used
)

// Error returns the stable name.
func (f Fault) Error() string { return string(f) }

// FaultOf returns the Fault that err wraps, or "" when there is none.
func FaultOf(err error) Fault {
	var f Fault
	errors.As(err, &f)
	return f
}

// Verifier checks proofs of one ledger. It may be used from many goroutines.
type Verifier struct {
	origin    string
	log       note.Verifier
	witnesses []note.Verifier
	known     note.Verifiers
	quorum    int
}

// Checked is what a proof proves: the leaf is entry Index of the tree of Size leaves with this Root.
type Checked struct {
	Index     uint64
	Size      uint64
	Root      [32]byte
	Witnesses int // how many known witnesses cosigned the checkpoint
}

// New returns a verifier for the ledger with this origin line and key (a C2SP signed-note verifier key whose name is
// the origin). witnesses are verifier keys of Ed25519 witnesses, each a different one; quorum says how many of them
// must have cosigned, and 0 asks for none. It fails with ErrTrust.
func New(origin, logKey string, witnesses []string, quorum int) (*Verifier, error) {
	logVerifier, err := note.NewVerifier(logKey)
	if err != nil {
		return nil, fmt.Errorf("%w: the ledger's key: %w", ErrTrust, err)
	}
	if origin == "" || logVerifier.Name() != origin {
		return nil, fmt.Errorf("%w: the ledger's key is named %q, the origin is %q; they are the same", ErrTrust, logVerifier.Name(), origin)
	}
	if quorum < 0 || quorum > len(witnesses) {
		return nil, fmt.Errorf("%w: a quorum of %d of %d witnesses", ErrTrust, quorum, len(witnesses))
	}
	v := &Verifier{origin: origin, log: logVerifier, quorum: quorum}
	seen := make(map[[32]byte]bool)
	for _, key := range witnesses {
		w, err := newWitness(key)
		if err != nil {
			return nil, fmt.Errorf("%w: a witness's key: %w", ErrTrust, err)
		}
		if seen[w.key] {
			return nil, fmt.Errorf("%w: witness %s has the key of another one", ErrTrust, w.name)
		}
		if sameKey(logKey, w) {
			return nil, fmt.Errorf("%w: witness %s has the ledger's own key, and would witness for itself", ErrTrust, w.name)
		}
		seen[w.key] = true
		v.witnesses = append(v.witnesses, w)
	}
	v.known = note.VerifierList(append([]note.Verifier{logVerifier}, v.witnesses...)...)
	return v, nil
}

// Verify checks that leaf, byte for byte, is in the ledger. text is a tlog-proof without extra data. It fails with
// ErrOversized, ErrMalformed, ErrOrigin, ErrUnsigned, ErrQuorum or ErrInclusion.
func (v *Verifier) Verify(leaf, text []byte) (Checked, error) {
	p, err := parse(text)
	if err != nil {
		return Checked{}, err
	}
	checkpoint, err := v.Checkpoint(p.Checkpoint)
	if err != nil {
		return Checked{}, err
	}
	c := Checked{Index: p.Index, Size: checkpoint.Size, Root: checkpoint.Root, Witnesses: len(checkpoint.Witnesses)}
	if c.Index >= c.Size || c.Size > math.MaxInt64 {
		return Checked{}, fmt.Errorf("%w: index %d in a tree of %d", ErrInclusion, c.Index, c.Size)
	}
	path := make(tlog.RecordProof, len(p.Hashes))
	for i := range p.Hashes {
		path[i] = p.Hashes[i]
	}
	if err := tlog.CheckRecord(path, int64(c.Size), c.Root, int64(c.Index), tlog.RecordHash(leaf)); err != nil {
		return Checked{}, fmt.Errorf("%w: %w", ErrInclusion, err)
	}
	return c, nil
}

// parse reads a tlog-proof that is written in the one canonical way.
func parse(text []byte) (*tlogproof.TLogProof, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrOversized, len(text), MaxText)
	}
	var p tlogproof.TLogProof
	if err := p.Unmarshal(text); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch {
	case p.ExtraData != nil:
		return nil, fmt.Errorf("%w: extra data has no meaning here", ErrMalformed)
	case len(p.Hashes) > maxHashes:
		return nil, fmt.Errorf("%w: %d hashes, at most %d", ErrMalformed, len(p.Hashes), maxHashes)
	case !bytes.Equal(p.Marshal(), text):
		return nil, fmt.Errorf("%w: line ends, numbers or padding are not as C2SP writes them", ErrMalformed)
	}
	return &p, nil
}

// Checkpoint is a checkpoint whose signatures count.
type Checkpoint struct {
	Size      uint64
	Root      [32]byte
	Witnesses []string // names of the known witnesses that cosigned it, each once
	// Cosigned is a time that as many of them as the quorum asks for gave or passed, of one when it asks for none; zero without any. A
	// device compares it with nothing; who watches a ledger sees by it that the ledger stands still.
	Cosigned time.Time
	Text     string // what was signed: origin, size, root, and any extension lines, with the newline at the end
}

// Checkpoint opens a signed checkpoint: origin, the ledger's signature, the quorum of witnesses, and the one way of writing
// it. It fails with ErrOrigin, ErrUnsigned, ErrQuorum or ErrMalformed. It says nothing of any leaf: Verify does.
func (v *Verifier) Checkpoint(signed []byte) (Checkpoint, error) {
	if len(signed) > MaxText {
		return Checkpoint{}, fmt.Errorf("%w: a checkpoint of %d bytes, at most %d", ErrOversized, len(signed), MaxText)
	}
	if origin, _, _ := strings.Cut(string(signed), "\n"); origin != v.origin {
		return Checkpoint{}, fmt.Errorf("%w: it is not %q", ErrOrigin, v.origin)
	}
	n, err := note.Open(signed, v.known)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	if !signedBy(n, v.log) {
		return Checkpoint{}, fmt.Errorf("%w: the ledger's own signature is missing", ErrUnsigned)
	}
	var witnesses []string
	var times []int64
	for _, w := range v.witnesses {
		if s, found := signatureOf(n, w); found {
			witnesses, times = append(witnesses, w.Name()), append(times, cosignedAt(s))
		}
	}
	if len(witnesses) < v.quorum {
		return Checkpoint{}, fmt.Errorf("%w: %d of %d cosignatures", ErrQuorum, len(witnesses), v.quorum)
	}
	var c log.Checkpoint
	if _, err := c.Unmarshal([]byte(n.Text)); err != nil || len(c.Hash) != tlog.HashSize {
		return Checkpoint{}, fmt.Errorf("%w: the checkpoint has no origin, size and root", ErrMalformed)
	}
	if !strings.HasPrefix(n.Text, string(c.Marshal())) {
		return Checkpoint{}, fmt.Errorf("%w: size or root are not as C2SP writes them", ErrMalformed)
	}
	checked := Checkpoint{Size: c.Size, Root: [32]byte(c.Hash), Witnesses: witnesses, Text: n.Text}
	if len(times) > 0 {
		slices.Sort(times)
		checked.Cosigned = time.Unix(times[len(times)-max(v.quorum, 1)], 0).UTC()
	}
	return checked, nil
}

// signedBy reports whether note.Open found and checked v's signature.
func signedBy(n *note.Note, v note.Verifier) bool {
	_, found := signatureOf(n, v)
	return found
}

func signatureOf(n *note.Note, v note.Verifier) (note.Signature, bool) {
	for _, s := range n.Sigs {
		if s.Name == v.Name() && s.Hash == v.KeyHash() {
			return s, true
		}
	}
	return note.Signature{}, false
}
