package tuftest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
)

// key is a key pair and how metadata write its public half.
type key struct {
	id     string
	public map[string]any
	sign   func(message []byte) []byte
}

// signer signs under a key id, which need not be its key's.
type signer struct {
	id  string
	key *key
}

func makeKey(seed [32]byte, name string, ec bool) *key {
	k := &key{}
	if ec {
		k.ecdsa(seed)
	} else {
		private := ed25519.NewKeyFromSeed(seed[:])
		k.public = map[string]any{"keytype": "ed25519", "scheme": "ed25519", "keyval": map[string]any{"public": hex.EncodeToString(private[32:])}}
		k.sign = func(message []byte) []byte { return ed25519.Sign(private, message) }
	}
	k.public["x-bailiwick-officer"] = name
	sum := sha256.Sum256(canonical(k.public))
	k.id = hex.EncodeToString(sum[:])
	return k
}

func (k *key) ecdsa(seed [32]byte) {
	seed[0] &= 0x7f // below the order of P-256
	private := must(ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:]))
	der := must(x509.MarshalPKIXPublicKey(private.Public()))
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	k.public = map[string]any{"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": map[string]any{"public": text}}
	k.sign = func(message []byte) []byte {
		digest := sha256.Sum256(message)
		return must(private.Sign(nil, digest[:], crypto.SHA256)) // without a source of randomness it signs as RFC 6979 says
	}
}

// file writes a metadata file.
func file(signed map[string]any, signers []signer) []byte {
	message := canonical(signed)
	signatures := []any{}
	for _, s := range signers {
		signatures = append(signatures, map[string]any{"keyid": s.id, "sig": hex.EncodeToString(s.key.sign(message))})
	}
	return must(json.Marshal(map[string]any{"signed": json.RawMessage(must(json.Marshal(signed))), "signatures": signatures}))
}

func canonical(v any) []byte { return must(cjson.EncodeCanonical(v)) }

// must serves what cannot fail for the keys and values that are made here.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
