package order

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
)

// commitLabel keeps commitments apart from every other hash in the system.
const commitLabel = "bailiwick/order/commitment/1\x00"

// Commit returns the commitment to a device that a leaf carries: SHA-256("bailiwick/order/commitment/1" || 0x00 ||
// salt || id). The salt has 256 random bits, is used once, and goes to the device and nowhere else, so that nobody
// who reads the ledger can tell which device a leaf speaks of, or that two leaves speak of the same one.
func Commit(salt [32]byte, id device.ID) [32]byte {
	var buf [len(commitLabel) + 32 + 16]byte
	n := copy(buf[:], commitLabel)
	n += copy(buf[n:], salt[:])
	copy(buf[n:], id[:])
	return sha256.Sum256(buf[:])
}

// ID returns the order's name, whether or not the leaf can be read.
func (s Sealed) ID() ID { return LeafID(s.Leaf) }

// Open reads the leaf and checks that the commitment names this device. It does not check the proof (see
// ledger/proof), nor whether the order may be followed. It fails with ErrMalformed, ErrVersion, ErrInvalid or
// ErrCommitment.
func (s Sealed) Open(id device.ID) (Leaf, error) {
	l, err := ParseLeaf(s.Leaf)
	if err != nil {
		return Leaf{}, err
	}
	want := Commit(s.Salt, id)
	if subtle.ConstantTimeCompare(want[:], l.Commitment[:]) != 1 {
		return Leaf{}, fmt.Errorf("%w: the salt does not open the commitment to %v", ErrCommitment, id)
	}
	return l, nil
}

// MaxSealed bounds a marshalled Sealed in bytes.
const MaxSealed = MaxLeaf + MaxProof + 64

type wireSealed struct {
	_     struct{} `cbor:",toarray"`
	Leaf  []byte
	Salt  []byte
	Proof []byte
}

// Marshal returns s as a CBOR array of three byte strings, as it travels in answers and in a lift's QR code.
func (s Sealed) Marshal() ([]byte, error) {
	if err := s.CheckSize(); err != nil {
		return nil, err
	}
	return dcbor.Marshal(&wireSealed{Leaf: s.Leaf, Salt: s.Salt[:], Proof: s.Proof})
}

// ParseSealed reads what Marshal wrote. It looks at sizes only; Open reads the leaf.
func ParseSealed(data []byte) (Sealed, error) {
	if len(data) > MaxSealed {
		return Sealed{}, fmt.Errorf("%w: %d bytes, a sealed order has at most %d", ErrMalformed, len(data), MaxSealed)
	}
	var w wireSealed
	if err := dcbor.Unmarshal(data, &w); err != nil {
		return Sealed{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	s := Sealed{Leaf: w.Leaf, Proof: w.Proof}
	if !dcbor.Fixed(s.Salt[:], w.Salt) {
		return Sealed{}, fmt.Errorf("%w: a salt has 32 bytes, not %d", ErrMalformed, len(w.Salt))
	}
	return s, s.CheckSize()
}

// CheckSize checks that the leaf and the proof are there and within MaxLeaf and MaxProof. It fails with ErrMalformed.
func (s Sealed) CheckSize() error {
	if len(s.Leaf) == 0 || len(s.Leaf) > MaxLeaf {
		return fmt.Errorf("%w: a leaf has 1 to %d bytes, not %d", ErrMalformed, MaxLeaf, len(s.Leaf))
	}
	if len(s.Proof) == 0 || len(s.Proof) > MaxProof {
		return fmt.Errorf("%w: a proof has 1 to %d bytes, not %d", ErrMalformed, MaxProof, len(s.Proof))
	}
	return nil
}
