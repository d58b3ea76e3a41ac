package tuf

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Bounds of what is signed by whom.
const (
	maxKeys       = 32  // in root, and in the delegations of targets
	maxSignatures = 32  // of one file
	maxKeyID      = 128 // characters
	maxSignature  = 128 // bytes; an ECDSA P-256 signature has at most 72
)

// key is a public key of Ed25519 or ECDSA with P-256 and SHA-256. Its id comes from whoever wrote the metadata and is only
// a name: two keys are the same when their public is.
type key struct {
	public string // in DER (PKIX)
	verify func(message, signature []byte) bool
}

// readKeys reads the member "keys" of root or of delegations, by key id.
func readKeys(f *fields) map[string]key {
	keys := make(map[string]key)
	for _, m := range f.table("keys", maxKeys) {
		if m.name == "" || len(m.name) > maxKeyID {
			f.reject("a key id of %d characters, must be 1 to %d", len(m.name), maxKeyID)
			return nil
		}
		k, err := readKey(m.value)
		if err != nil {
			f.reject("key %q: %v", m.name, err)
			return nil
		}
		keys[m.name] = k
	}
	return keys
}

func readKey(v value) (key, error) {
	f := open(v, "key", "keytype", "scheme", "keyval")
	kind, scheme := f.text("keytype"), f.text("scheme")
	public := open(f.need("keyval", kindObject), "keyval", "public")
	text := public.text("public")
	switch {
	case f.err != nil:
		return key{}, f.err
	case public.err != nil:
		return key{}, public.err
	case kind == "ed25519" && scheme == "ed25519":
		return ed25519Key(text)
	case (kind == "ecdsa" || kind == "ecdsa-sha2-nistp256") && scheme == "ecdsa-sha2-nistp256":
		return ecdsaKey(text)
	}
	return key{}, fmt.Errorf("type %q with scheme %q; neither Ed25519 nor ECDSA with P-256", kind, scheme)
}

func ed25519Key(text string) (key, error) {
	raw, ok := unhex(text)
	if !ok || len(raw) != ed25519.PublicKeySize {
		return key{}, errors.New("an Ed25519 key is 64 digits of lower-case hex")
	}
	public := ed25519.PublicKey(raw)
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return key{}, err
	}
	return key{string(der), func(message, signature []byte) bool { return ed25519.Verify(public, message, signature) }}, nil
}

func ecdsaKey(text string) (key, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(rest) != 0 || strings.TrimSuffix(string(pem.EncodeToMemory(block)), "\n") != strings.TrimSuffix(text, "\n") {
		return key{}, errors.New("an ECDSA key is one block of PEM and nothing else")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	public, ok := parsed.(*ecdsa.PublicKey)
	if block.Type != "PUBLIC KEY" || len(block.Headers) != 0 || err != nil || !ok || public.Curve != elliptic.P256() {
		return key{}, fmt.Errorf("an ECDSA key is a PUBLIC KEY of P-256 (%v)", err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil || string(der) != string(block.Bytes) {
		return key{}, fmt.Errorf("an ECDSA key that is not in DER (%v)", err)
	}
	return key{string(der), func(message, signature []byte) bool {
		digest := sha256.Sum256(message)
		return ecdsa.VerifyASN1(public, digest[:], signature)
	}}, nil
}

// signers are who may sign a role, by key id, and how many different ones of them must.
type signers struct {
	keys      map[string]key
	threshold int
}

// readSigners reads "keyids" and "threshold" of a role, whose keys must be among these.
func readSigners(f *fields, keys map[string]key) signers {
	s := signers{make(map[string]key), int(f.count("threshold", 1, maxKeys))}
	for _, item := range f.list("keyids", maxKeys) {
		k, ok := keys[item.text]
		if item.kind != kindString || !ok {
			f.reject("names a key that is not there")
			return signers{}
		}
		if _, twice := s.keys[item.text]; twice {
			f.reject("names a key twice")
			return signers{}
		}
		s.keys[item.text] = k
	}
	return s
}

// has reports whether one of the keys, by its bytes, may sign.
func (s signers) has(public string) bool {
	for _, k := range s.keys {
		if k.public == public {
			return true
		}
	}
	return false
}

// equal reports whether the same keys may sign, by their bytes.
func (s signers) equal(o signers) bool {
	for _, k := range s.keys {
		if !o.has(k.public) {
			return false
		}
	}
	for _, k := range o.keys {
		if !s.has(k.public) {
			return false
		}
	}
	return true
}

// unhex reads lower-case hex, as TUF writes it.
func unhex(text string) ([]byte, bool) {
	raw, err := hex.DecodeString(text)
	return raw, err == nil && strings.ToLower(text) == text
}
