package tufrepo

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Kind is a kind of key.
type Kind string

const (
	Ed25519 Kind = "ed25519" // RFC 8032; the usual choice
	ES256   Kind = "es256"   // ECDSA with P-256 and SHA-256, for keys kept in hardware that knows nothing else
)

// MaxName is the longest name of a key's holder, in bytes of UTF-8.
const MaxName = 64

// nameField is the field of a key in metadata that carries its holder's name.
const nameField = "x-bailiwick-officer"

// PublicKey is a public key and its holder's name. The zero value is no key.
type PublicKey struct {
	name string
	kind Kind
	pkix string // DER (RFC 5280, SubjectPublicKeyInfo); a string, so that keys compare with ==
	id   string
}

// Key is a private key with its holder's name.
type Key struct {
	public PublicKey
	signer crypto.Signer
}

// NewKey makes a key for the holder of this name from rand (crypto/rand.Reader, but in tests). The name is what people will
// read beside every signature: 1 to [MaxName] bytes, printable.
func NewKey(kind Kind, name string, rand io.Reader) (*Key, error) {
	var seed [48]byte
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("tufrepo: making a key: %w", err)
	}
	switch kind {
	case Ed25519:
		return keyOf(name, ed25519.NewKeyFromSeed(seed[:ed25519.SeedSize]))
	case ES256:
		// FIPS 186-5, A.2.1: 128 bits more than the order has make the bias negligible.
		one := big.NewInt(1)
		d := new(big.Int).Mod(new(big.Int).SetBytes(seed[:]), new(big.Int).Sub(elliptic.P256().Params().N, one))
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d.Add(d, one).FillBytes(make([]byte, 32)))
		if err != nil {
			return nil, fmt.Errorf("tufrepo: making a key: %w", err)
		}
		return keyOf(name, private)
	}
	return nil, fmt.Errorf("%w: no kind of key is called %q: use %s or %s", ErrKey, kind, Ed25519, ES256)
}

func keyOf(name string, signer crypto.Signer) (*Key, error) {
	public, err := NewPublicKey(name, signer.Public())
	if err != nil {
		return nil, err
	}
	return &Key{public, signer}, nil
}

// NewPublicKey names a public key, which is an ed25519.PublicKey or an *ecdsa.PublicKey on P-256. Faults are [ErrKey].
func NewPublicKey(name string, key crypto.PublicKey) (PublicKey, error) {
	if err := checkName(name); err != nil {
		return PublicKey{}, err
	}
	p := PublicKey{name: name}
	switch k := key.(type) {
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return PublicKey{}, fmt.Errorf("%w: an Ed25519 key has 32 bytes, this one %d", ErrKey, len(k))
		}
		p.kind = Ed25519
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return PublicKey{}, fmt.Errorf("%w: the only curve for ECDSA is P-256", ErrKey)
		}
		p.kind = ES256
	default:
		return PublicKey{}, fmt.Errorf("%w: %T is neither Ed25519 nor ECDSA P-256", ErrKey, key)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	p.pkix = string(der)
	if p.id, err = p.tuf().ID(); err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return p, nil
}

// checkName keeps out what could make two names look alike on a screen or break a header line.
func checkName(name string) error {
	if name == "" || len(name) > MaxName || !utf8.ValidString(name) || strings.TrimSpace(name) != name ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("%w: a name has 1 to %d bytes, printable, without space at its ends", ErrKey, MaxName)
	}
	return nil
}

// Public returns the public half.
func (k *Key) Public() PublicKey { return k.public }

// Name returns the holder's name.
func (p PublicKey) Name() string { return p.name }

// Kind returns what kind of key it is.
func (p PublicKey) Kind() Kind { return p.kind }

// Same says whether both are the same public key, under whatever names.
func (p PublicKey) Same(other PublicKey) bool { return p.pkix == other.pkix }

// ID returns the key id in metadata: 64 hex digits, the SHA-256 of the key's canonical form, its name included.
func (p PublicKey) ID() string { return p.id }

// Grouped returns the key id in sixteen groups of four digits, for two people who compare it by telephone.
func (p PublicKey) Grouped() string {
	var groups []string
	for group := range slices.Chunk([]byte(p.id), 4) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, " ")
}

func (p PublicKey) crypto() crypto.PublicKey {
	key, err := x509.ParsePKIXPublicKey([]byte(p.pkix))
	if err != nil { // NewPublicKey has encoded it
		panic("tufrepo: " + err.Error())
	}
	return key
}

// tuf returns the key as it stands in metadata.
func (p PublicKey) tuf() *metadata.Key {
	key, err := metadata.KeyFromPublicKey(p.crypto())
	if err != nil {
		panic("tufrepo: " + err.Error())
	}
	key.UnrecognizedFields = map[string]any{nameField: p.name}
	return key
}

// publicOf reads a key of metadata. It takes what tuf() writes and nothing else.
func publicOf(key *metadata.Key) (PublicKey, error) {
	if key == nil {
		return PublicKey{}, fmt.Errorf("%w: a key is missing", ErrKey)
	}
	name, _ := key.UnrecognizedFields[nameField].(string)
	raw, err := key.ToPublicKey()
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	p, err := NewPublicKey(name, raw)
	if err != nil {
		return PublicKey{}, err
	}
	said, err1 := encode(key)
	meant, err2 := encode(p.tuf())
	if err := errors.Join(err1, err2); err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if !bytes.Equal(said, meant) {
		return PublicKey{}, fmt.Errorf("%w: the key of %q is not written as Bailiwick writes keys", ErrKey, name)
	}
	return p, nil
}

// sign signs bytes. ECDSA is deterministic (RFC 6979), so that signing twice gives one file.
func (k *Key) sign(message []byte) ([]byte, error) {
	if k.public.kind == Ed25519 {
		return k.signer.Sign(nil, message, crypto.Hash(0))
	}
	digest := sha256.Sum256(message)
	return k.signer.Sign(nil, digest[:], crypto.SHA256)
}

func (p PublicKey) verify(message, signature []byte) bool {
	switch key := p.crypto().(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, signature)
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(message)
		return ecdsa.VerifyASN1(key, digest[:], signature)
	}
	return false
}
