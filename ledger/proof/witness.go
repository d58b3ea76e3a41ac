package proof

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Signature types of C2SP signed-note.
const (
	typeEd25519     = 0x01
	typeCosignature = 0x04 // timestamped Ed25519 cosignature, C2SP tlog-cosignature
)

// witness verifies the Ed25519 cosignatures of one witness (C2SP tlog-cosignature, cosignature/v1). It is written out
// here, thirty lines, to keep the post-quantum variant's library out of firmware.
type witness struct {
	name string
	hash uint32
	key  [ed25519.PublicKeySize]byte
}

var _ note.Verifier = (*witness)(nil)

// newWitness reads a verifier key, "name+hash+key" with type 0x04, or with type 0x01 as witnesses also publish theirs.
func newWitness(vkey string) (*witness, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	hash, encoded, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) != 1+ed25519.PublicKeySize || name == "" || strings.ContainsAny(name, " \t\n") {
		return nil, errors.New("it has the form name+hash+key, and is an Ed25519 key")
	}
	if key[0] != typeEd25519 && key[0] != typeCosignature {
		return nil, fmt.Errorf("key type %#02x is not that of an Ed25519 witness", key[0])
	}
	if hash != fmt.Sprintf("%08x", keyHash(name, key)) {
		return nil, fmt.Errorf("the hash %q does not fit name and key; it was copied wrongly", hash)
	}
	key[0] = typeCosignature
	return &witness{name: name, hash: keyHash(name, key), key: [ed25519.PublicKeySize]byte(key[1:])}, nil
}

func keyHash(name string, typedKey []byte) uint32 {
	h := sha256.Sum256(append([]byte(name+"\n"), typedKey...))
	return binary.BigEndian.Uint32(h[:])
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }

// Verify checks a cosignature: eight bytes of POSIX seconds, then the signature of the header, the time and the text.
func (w *witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize || signature[0] > 0x7f { // times end at 2^63-1
		return false
	}
	message := fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(w.key[:], message, signature[8:])
}

// cosignedAt is the time in a cosignature that was verified: POSIX seconds, behind the four bytes of the key's hash.
func cosignedAt(s note.Signature) int64 {
	raw, err := base64.StdEncoding.DecodeString(s.Base64)
	if err != nil || len(raw) < 12 {
		return 0
	}
	return int64(min(binary.BigEndian.Uint64(raw[4:]), 1<<40)) // some date far ahead, which every calendar can still add to
}

// sameKey reports whether a ledger's Ed25519 verifier key has the public key of w: one key is one voice.
func sameKey(logKey string, w *witness) bool {
	_, rest, _ := strings.Cut(logKey, "+")
	_, encoded, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(encoded)
	return err == nil && len(key) == 1+ed25519.PublicKeySize && [ed25519.PublicKeySize]byte(key[1:]) == w.key
}
