// Package sign1 is the envelope that a device's tokens share: a COSE_Sign1 (RFC 9052) in one narrow form.
//
// The form: tag 18 and no other tag; everything deterministically encoded (see dcbor); all header parameters in the
// protected bucket, the unprotected one empty; the payload inside; alg ES256 with a P-256 key, or EdDSA with an
// Ed25519 key, and 64 bytes of signature. A crit parameter that lists a label which the caller does not understand is
// refused; unlisted labels that the caller does not know are passed over, as RFC 9052 asks.
//
// It stands on floor 0, below evidence and protocol. The work is done by go-cose; this package narrows it.
package sign1

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/veraison/go-cose"

	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
)

// The kinds of faults. Callers give them their own public names.
var (
	ErrMalformed = errors.New("not a COSE_Sign1 of the documented form")
	ErrAlgorithm = errors.New("only ES256 with P-256 and EdDSA with Ed25519 are accepted")
	ErrCritical  = errors.New("a critical header parameter is not understood")
	ErrSignature = errors.New("the signature does not verify with this key")
)

// X5Chain is the label of the header parameter that carries certificates (RFC 9360).
const X5Chain = cose.HeaderLabelX5Chain

// signatureSize is that of both algorithms.
const signatureSize = 64

// Sign wraps payload. chain, when not empty, goes into the protected x5chain parameter, leaf first, as DER.
func Sign(payload []byte, chain [][]byte, key crypto.Signer) ([]byte, error) {
	alg, err := algorithmOf(key.Public())
	if err != nil {
		return nil, err
	}
	signer, err := cose.NewSigner(alg, key)
	if err != nil {
		return nil, fmt.Errorf("sign1: %w", err)
	}
	protected := cose.ProtectedHeader{cose.HeaderLabelAlgorithm: alg}
	switch len(chain) {
	case 0:
	case 1: // RFC 9360: one certificate stands alone, more stand in an array
		protected[X5Chain] = chain[0]
	default:
		protected[X5Chain] = chain
	}
	data, err := cose.Sign1(rand.Reader, signer, cose.Headers{Protected: protected}, payload, nil)
	if err != nil {
		return nil, fmt.Errorf("sign1: %w", err)
	}
	return data, nil
}

// Message is a parsed envelope whose signature nobody has checked yet.
type Message struct {
	sign1 cose.Sign1Message
	alg   cose.Algorithm
}

// Parse reads an envelope of the documented form. understood lists the labels, besides alg, that the caller acts
// upon: only those may be critical. It fails with ErrMalformed, ErrAlgorithm or ErrCritical. The caller bounds data.
func Parse(data []byte, understood ...int64) (*Message, error) {
	if len(data) == 0 || data[0] != 0xc0|cose.CBORTagSign1Message {
		return nil, fmt.Errorf("%w: it starts with tag 18, and with no other tag before it", ErrMalformed)
	}
	if err := dcbor.Check(data[1:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	m := new(Message)
	if err := m.sign1.UnmarshalCBOR(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := m.checkHeaders(understood); err != nil {
		return nil, err
	}
	if m.sign1.Payload == nil || len(m.sign1.Signature) != signatureSize {
		return nil, fmt.Errorf("%w: the payload is inside, and the signature has %d bytes", ErrMalformed, signatureSize)
	}
	return m, nil
}

// checkHeaders narrows what go-cose accepts.
func (m *Message) checkHeaders(understood []int64) error {
	h := &m.sign1.Headers
	if !bytes.Equal(h.RawUnprotected, []byte{0xa0}) {
		return fmt.Errorf("%w: the unprotected header is empty; nothing unsigned is read", ErrMalformed)
	}
	if err := checkWrapped(h.RawProtected); err != nil {
		return err
	}
	alg, err := h.Protected.Algorithm()
	if err != nil || alg != cose.AlgorithmES256 && alg != cose.AlgorithmEdDSA {
		return fmt.Errorf("%w: the header says %v", ErrAlgorithm, h.Protected[cose.HeaderLabelAlgorithm])
	}
	m.alg = alg
	critical, err := h.Protected.Critical()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for _, label := range critical {
		n, isInt := label.(int64)
		if !isInt || n != cose.HeaderLabelAlgorithm && !slices.Contains(understood, n) {
			return fmt.Errorf("%w: label %v", ErrCritical, label)
		}
	}
	return nil
}

// checkWrapped checks the encoding of the header map inside its byte string, whose own encoding was checked before.
func checkWrapped(raw []byte) error {
	start := 1
	if info := raw[0] & 0x1f; info >= 24 {
		start += 1 << (info - 24)
	}
	if err := dcbor.Check(raw[start:]); err != nil {
		return fmt.Errorf("%w: protected header: %w", ErrMalformed, err)
	}
	return nil
}

// Payload returns what was signed, if the signature is right.
func (m *Message) Payload() []byte { return m.sign1.Payload }

// Chain returns the certificates of the x5chain parameter, leaf first, as DER. It is nil when there is none. They are
// as trustworthy as the signature and the roots that the caller checks them against.
func (m *Message) Chain() ([][]byte, error) {
	switch v := m.sign1.Headers.Protected[X5Chain].(type) {
	case nil:
		return nil, nil
	case []byte:
		return [][]byte{v}, nil
	case []any:
		if len(v) < 2 {
			return nil, fmt.Errorf("%w: x5chain has a byte string, or an array of two or more", ErrMalformed)
		}
		chain := make([][]byte, len(v))
		for i := range v {
			der, ok := v[i].([]byte)
			if !ok {
				return nil, fmt.Errorf("%w: x5chain has byte strings only", ErrMalformed)
			}
			chain[i] = der
		}
		return chain, nil
	}
	return nil, fmt.Errorf("%w: x5chain has a byte string, or an array of two or more", ErrMalformed)
}

// Verify checks the signature. It fails with ErrSignature, also when key is of the other algorithm, and with
// ErrAlgorithm when key is of neither.
func (m *Message) Verify(key crypto.PublicKey) error {
	alg, err := algorithmOf(key)
	if err != nil {
		return err
	}
	if alg != m.alg {
		return fmt.Errorf("%w: it was made with %v, the key is for %v", ErrSignature, m.alg, alg)
	}
	if err := m.sign1.Verify(nil, verifier{alg, key}); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

func algorithmOf(key crypto.PublicKey) (cose.Algorithm, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k != nil && k.Curve == elliptic.P256() {
			return cose.AlgorithmES256, nil
		}
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize {
			return cose.AlgorithmEdDSA, nil
		}
	}
	return 0, fmt.Errorf("%w: the key is a %T", ErrAlgorithm, key)
}

// verifier implements cose.Verifier. It spares go-cose's second check of the curve point and its detour over big
// integers: crypto/ecdsa takes ASN.1 and checks the point itself.
type verifier struct {
	alg cose.Algorithm
	key crypto.PublicKey
}

func (v verifier) Algorithm() cose.Algorithm { return v.alg }

func (v verifier) Verify(content, signature []byte) error {
	ok := false
	switch key := v.key.(type) {
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(content)
		var der [2*35 + 2]byte
		ok = ecdsa.VerifyASN1(key, digest[:], asn1Signature(der[:0], signature))
	case ed25519.PublicKey:
		ok = ed25519.Verify(key, content, signature)
	}
	if !ok {
		return cose.ErrVerification
	}
	return nil
}

// asn1Signature appends r and s, of 32 bytes each, as the SEQUENCE of two INTEGERs of X9.62.
func asn1Signature(der, signature []byte) []byte {
	der = append(der, 0x30, 0)
	for _, n := range [][]byte{signature[:signatureSize/2], signature[signatureSize/2:]} {
		n = bytes.TrimLeft(n, "\x00")
		if len(n) == 0 || n[0] >= 0x80 {
			der = append(der, 0x02, byte(len(n)+1), 0)
		} else {
			der = append(der, 0x02, byte(len(n)))
		}
		der = append(der, n...)
	}
	der[1] = byte(len(der) - 2)
	return der
}
