package verifier

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// Bounds of a certificate and of a file of roots; [protocol.MaxChain] bounds a chain.
const (
	MaxCertificate = 8 << 10 // bytes of DER
	MaxRoots       = 1 << 20 // bytes of a PEM file of roots
)

var (
	oidKeyDescription  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 17}
	oidSubjectAltName  = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidHardwareModule  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 4} // id-on-hardwareModuleName, RFC 4108, section 5
	errNoIMEI          = errors.New("the leaf certificate names no IMEI: a key attestation attests it, an IDevID has it as hwSerialNum or as the subject's serialNumber")
	errKeyAlgorithm    = errors.New("the device's key is neither ECDSA on P-256 nor Ed25519")
	errDeepKeyDescript = errors.New("a certificate other than the leaf carries a key attestation")
)

// Verifier appraises enrolments and evidence. It is never changed after New, and safe for concurrent use.
type Verifier struct {
	roots  *x509.CertPool
	epochs *Epochs
}

// New returns a Verifier that trusts the given attestation roots and recognises the epochs. Without roots it trusts no chain
// (not the system's roots either), so that nobody can enrol.
func New(roots []*x509.Certificate, epochs *Epochs) (*Verifier, error) {
	if epochs == nil {
		return nil, errors.New("verifier: the epochs are needed")
	}
	v := &Verifier{roots: x509.NewCertPool(), epochs: epochs}
	for _, root := range roots {
		v.roots.AddCert(root)
	}
	return v, nil
}

// Epochs returns the epochs that v recognises.
func (v *Verifier) Epochs() *Epochs { return v.epochs }

// ParseRoots reads a PEM file of root certificates. Blocks of another type, and text between blocks, are refused: a file of
// roots should hold nothing else.
func ParseRoots(data []byte) ([]*x509.Certificate, error) {
	if len(data) > MaxRoots {
		return nil, fmt.Errorf("verifier: a file of roots has at most %d bytes, this has %d", MaxRoots, len(data))
	}
	var roots []*x509.Certificate
	for rest := data; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			if len(slices.DeleteFunc(slices.Clone(rest), isSpace)) > 0 {
				return nil, fmt.Errorf("verifier: after %d certificates there is something that is no PEM block", len(roots))
			}
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("verifier: block %d is a %q, only CERTIFICATE belongs in a file of roots", len(roots)+1, block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("verifier: certificate %d: %w", len(roots)+1, err)
		}
		if !cert.IsCA {
			return nil, fmt.Errorf("verifier: certificate %d (%s) is no certificate authority", len(roots)+1, cert.Subject)
		}
		roots = append(roots, cert)
	}
	if len(roots) == 0 {
		return nil, errors.New("verifier: no certificate in the file of roots")
	}
	return roots, nil
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\r' || b == '\t' }

// identity is what a device's certificates prove.
type identity struct {
	key     crypto.PublicKey
	pkix    []byte
	imei    device.IMEI
	ceiling policy.Attestation
}

// identify verifies a chain, leaf first, and reads the device's identity from the leaf.
func (v *Verifier) identify(chain [][]byte, now time.Time) (*identity, error) {
	certs, err := parseChain(chain)
	if err != nil {
		return nil, fault(Malformed, err)
	}
	leaf := certs[0]
	id := &identity{key: leaf.PublicKey, ceiling: policy.Genuine}
	if err := deviceKey(id.key); err != nil {
		return nil, fault(ChainUntrusted, err)
	}
	if id.pkix, err = x509.MarshalPKIXPublicKey(id.key); err != nil {
		return nil, fault(Malformed, err)
	}
	description, err := keyDescription(certs)
	if err != nil {
		return nil, fault(Malformed, err)
	}
	if id.imei, err = namedIMEI(leaf, description); err != nil {
		return nil, fault(Malformed, err)
	}
	if description != nil {
		id.ceiling = description.Attestation()
	}
	if err := v.trusted(certs, now); err != nil {
		return nil, fault(ChainUntrusted, err)
	}
	return id, nil
}

func parseChain(chain [][]byte) ([]*x509.Certificate, error) {
	if len(chain) == 0 || len(chain) > protocol.MaxChain {
		return nil, fmt.Errorf("a chain has 1 to %d certificates, not %d", protocol.MaxChain, len(chain))
	}
	certs := make([]*x509.Certificate, len(chain))
	for i, der := range chain {
		if len(der) > MaxCertificate {
			return nil, fmt.Errorf("certificate %d has %d bytes, at most %d are read", i, len(der), MaxCertificate)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i, err)
		}
		certs[i] = cert
	}
	return certs, nil
}

// trusted follows the chain to a root. A device is no web server, so any extended key usage will do; a leaf that could sign
// certificates is refused, because it could vouch for others.
func (v *Verifier) trusted(certs []*x509.Certificate, now time.Time) error {
	leaf := certs[0]
	if leaf.IsCA {
		return errors.New("the leaf is a certificate authority")
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	// An IDevID names its device in a subjectAltName of a kind that crypto/x509 does not know and, when the subject is
	// empty, marks it critical (RFC 5280, section 4.2.1.6). namedIMEI has read it.
	leaf.UnhandledCriticalExtensions = slices.DeleteFunc(leaf.UnhandledCriticalExtensions,
		func(oid asn1.ObjectIdentifier) bool { return oid.Equal(oidSubjectAltName) })
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: v.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

// deviceKey accepts the two algorithms that evidence is signed with: ES256 and EdDSA with Ed25519.
func deviceKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	}
	return errKeyAlgorithm
}

// keyDescription returns the leaf's Android key attestation, or nil. No other certificate may carry one: what a device's own
// key signed must not pass for the hardware's word.
func keyDescription(certs []*x509.Certificate) (*KeyDescription, error) {
	var found *KeyDescription
	for i, cert := range certs {
		for _, ext := range cert.Extensions {
			if !ext.Id.Equal(oidKeyDescription) {
				continue
			}
			if i > 0 {
				return nil, errDeepKeyDescript
			}
			d, err := ParseKeyDescription(ext.Value)
			if err != nil {
				return nil, err
			}
			found = d
		}
	}
	return found, nil
}

// namedIMEI returns the IMEI that the certificate names: attested by the hardware where there is a key attestation, because
// whoever makes such a key chooses the certificate's names; else hwSerialNum of an IDevID's hardwareModuleName (IEEE 802.1AR,
// 8.10.4), else the subject's serialNumber (8.6).
func namedIMEI(leaf *x509.Certificate, d *KeyDescription) (device.IMEI, error) {
	text := leaf.Subject.SerialNumber
	hw, err := hardwareSerial(leaf)
	if err != nil {
		return "", err
	}
	if hw != "" {
		text = hw
	}
	if d != nil {
		text = d.IMEI
	}
	imei, err := device.ParseIMEI(text)
	if err != nil || string(imei) != text {
		return "", errNoIMEI
	}
	return imei, nil
}

// hardwareSerial reads hwSerialNum from the leaf's subjectAltName; empty when there is none.
func hardwareSerial(leaf *x509.Certificate) (string, error) {
	for _, ext := range leaf.Extensions {
		if !ext.Id.Equal(oidSubjectAltName) {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(ext.Value, &names); err != nil || len(rest) > 0 {
			return "", errors.New("the leaf's subjectAltName cannot be read")
		}
		for _, n := range names {
			if n.Class != asn1.ClassContextSpecific || n.Tag != 0 { // otherName
				continue
			}
			serial, err := hardwareModule(n.Bytes)
			if err != nil || serial != "" {
				return serial, err
			}
		}
	}
	return "", nil
}

// hardwareModule reads an otherName; empty when it is of another type.
func hardwareModule(der []byte) (string, error) {
	var oid asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(der, &oid)
	if err != nil {
		return "", errors.New("an otherName of the leaf cannot be read")
	}
	if !oid.Equal(oidHardwareModule) {
		return "", nil
	}
	var value asn1.RawValue
	if rest, err = asn1.Unmarshal(rest, &value); err != nil || len(rest) > 0 || value.Class != asn1.ClassContextSpecific || value.Tag != 0 {
		return "", errors.New("the leaf's hardwareModuleName cannot be read")
	}
	var module struct {
		Type   asn1.ObjectIdentifier
		Serial []byte
	}
	if err := whole(value.Bytes, &module); err != nil {
		return "", errors.New("the leaf's hardwareModuleName cannot be read")
	}
	return string(module.Serial), nil
}
