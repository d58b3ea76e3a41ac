// Package sign1 is the envelope that a device's tokens share: a COSE_Sign1 (RFC 9052) in one narrow form.
//
// The form: tag 18 and no other tag; everything deterministically encoded (see dcbor); all header parameters in the
// protected bucket, the unprotected one empty; the payload inside; alg ES256 with a P-256 key, or EdDSA with an
// Ed25519 key, and 64 bytes of signature. A crit parameter that lists a label which the caller does not understand is
// refused; unlisted labels that the caller does not know are passed over, as RFC 9052 asks.
//
// It stands on floor 0, below evidence and protocol. go-cose signs; what Parse took apart is verified here, since every check-in
// passes through it: go-cose's own parser accepts more than this form and takes four times as long.
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
	"math"
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

// Message is a parsed envelope whose signature nobody has checked yet. It shares memory with what it was parsed from.
type Message struct {
	protected []byte // the header's byte string, head included
	payload   []byte
	signature []byte
	alg       cose.Algorithm
	chain     [][]byte
}

// Parse reads an envelope of the documented form. understood lists the labels, besides alg, that the caller acts
// upon: only those may be critical. It fails with ErrMalformed, ErrAlgorithm or ErrCritical. The caller bounds data,
// and leaves it alone afterwards.
func Parse(data []byte, understood ...int64) (*Message, error) {
	if len(data) == 0 || data[0] != 0xc0|cose.CBORTagSign1Message {
		return nil, fmt.Errorf("%w: it starts with tag 18, and with no other tag before it", ErrMalformed)
	}
	if err := dcbor.Check(data[1:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	m := new(Message)
	r := dcbor.NewReader(data[1:])
	parts := r.Array(4)
	header := r // a copy: to read the header map once more, without its head
	m.protected = r.Skip()
	unprotected := r.Skip()
	m.payload = r.Bytes(len(data))
	m.signature = r.Bytes(len(data))
	r.End()
	switch {
	case r.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ErrMalformed, r.Err())
	case parts != 4:
		return nil, fmt.Errorf("%w: it has four parts, not %d", ErrMalformed, parts)
	case !bytes.Equal(unprotected, []byte{0xa0}):
		return nil, fmt.Errorf("%w: the unprotected header is empty; nothing unsigned is read", ErrMalformed)
	}
	labels := header.Bytes(len(data))
	if header.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, header.Err())
	}
	if err := m.parseProtected(labels, understood); err != nil {
		return nil, err
	}
	if len(m.signature) != signatureSize { // after the algorithm, whose name is the better answer
		return nil, fmt.Errorf("%w: a signature has %d bytes, not %d", ErrMalformed, signatureSize, len(m.signature))
	}
	return m, nil
}

// maxLabels bounds the header parameters, known and unknown.
const maxLabels = 16

// parseProtected reads the map inside the protected header. Labels that nobody here knows are passed over.
func (m *Message) parseProtected(data []byte, understood []int64) error {
	if err := dcbor.Check(data); err != nil {
		return fmt.Errorf("%w: protected header: %w", ErrMalformed, err)
	}
	r := dcbor.NewReader(data)
	var critical []byte
	for range r.Map(maxLabels) {
		if r.IsText() {
			r.Skip()
			r.Skip()
			continue
		}
		switch r.Int() {
		case cose.HeaderLabelAlgorithm:
			if r.IsText() {
				return fmt.Errorf("%w: the header names another one", ErrAlgorithm)
			}
			m.alg = cose.Algorithm(r.Int())
		case cose.HeaderLabelCritical:
			critical = r.Skip()
		case X5Chain:
			m.chain = readChain(&r)
		default:
			r.Skip()
		}
	}
	if r.End(); r.Err() != nil {
		return fmt.Errorf("%w: protected header: %w", ErrMalformed, r.Err())
	}
	if m.alg != cose.AlgorithmES256 && m.alg != cose.AlgorithmEdDSA {
		return fmt.Errorf("%w: the header says %v", ErrAlgorithm, m.alg)
	}
	if critical != nil {
		return checkCritical(critical, data, understood)
	}
	return nil
}

// checkCritical enforces crit (RFC 9052, section 3.1): an array of one or more labels, each of which stands in the
// header and is understood.
func checkCritical(critical, protected []byte, understood []int64) error {
	r := dcbor.NewReader(critical)
	n := r.Array(maxLabels)
	if n == 0 {
		return fmt.Errorf("%w: crit is an array of labels", ErrMalformed)
	}
	for range n {
		if r.IsText() {
			return fmt.Errorf("%w: label %q", ErrCritical, r.Text(len(critical)))
		}
		label := r.Int()
		if r.Err() != nil {
			return fmt.Errorf("%w: crit: %w", ErrMalformed, r.Err())
		}
		if label != cose.HeaderLabelAlgorithm && !slices.Contains(understood, label) {
			return fmt.Errorf("%w: label %d", ErrCritical, label)
		}
		if !hasLabel(protected, label) {
			return fmt.Errorf("%w: crit lists label %d, which is not in the header", ErrMalformed, label)
		}
	}
	return nil
}

func hasLabel(protected []byte, label int64) bool {
	r := dcbor.NewReader(protected)
	for range r.Map(maxLabels) {
		if r.IsText() {
			r.Skip()
		} else if r.Int() == label {
			return true
		}
		r.Skip()
	}
	return false
}

// maxChain bounds the certificates of a chain here; callers bound them further.
const maxChain = 16

// readChain reads an x5chain (RFC 9360): one certificate alone, or an array of two or more.
func readChain(r *dcbor.Reader) [][]byte {
	if r.IsBytes() {
		return [][]byte{r.Bytes(math.MaxInt)}
	}
	n := r.Array(maxChain)
	if n == 1 {
		r.Reject("one certificate stands alone, not in an array")
	}
	var chain [][]byte
	for range n {
		chain = append(chain, r.Bytes(math.MaxInt))
	}
	return chain
}

// Payload returns what was signed, if the signature is right.
func (m *Message) Payload() []byte { return m.payload }

// Chain returns the certificates of the x5chain parameter, leaf first, as DER. It is empty when there is none. They
// are as trustworthy as the signature and the roots that the caller checks them against.
func (m *Message) Chain() [][]byte { return m.chain }

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
	if !verifies(key, m.toBeSigned(), m.signature) {
		return ErrSignature
	}
	return nil
}

// toBeSigned is the Sig_structure (RFC 9052, section 4.4) of a COSE_Sign1 without external data. The header is deterministically
// encoded already: Parse refuses it otherwise.
func (m *Message) toBeSigned() []byte {
	const context = "Signature1"
	b := make([]byte, 0, len(context)+len(m.protected)+len(m.payload)+16)
	b = dcbor.AppendArray(b, 4)
	b = dcbor.AppendText(b, context)
	b = append(b, m.protected...)
	b = dcbor.AppendBytes(b, nil)
	return dcbor.AppendBytes(b, m.payload)
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

// verifies checks a signature of 64 bytes. crypto/ecdsa takes ASN.1, and checks the point of the key itself.
func verifies(key crypto.PublicKey, content, signature []byte) bool {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(content)
		var der [2*35 + 2]byte
		return ecdsa.VerifyASN1(key, digest[:], asn1Signature(der[:0], signature))
	case ed25519.PublicKey:
		return ed25519.Verify(key, content, signature)
	}
	return false
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
