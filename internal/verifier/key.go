package verifier

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
)

// What a PKIX key (RFC 5280, SubjectPublicKeyInfo) of the two kinds that devices have begins with; the rest is the bare key.
var (
	pkixP256    = []byte("\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00")
	pkixEd25519 = []byte("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00")
)

// publicKey reads a key that is kept as PKIX DER: as x509 does, and without its parser for what devices have.
func publicKey(pkix []byte) (crypto.PublicKey, error) {
	if point, ok := bytes.CutPrefix(pkix, pkixP256); ok && len(point) == 65 {
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	}
	if key, ok := bytes.CutPrefix(pkix, pkixEd25519); ok && len(key) == ed25519.PublicKeySize {
		return ed25519.PublicKey(key), nil
	}
	return x509.ParsePKIXPublicKey(pkix)
}
