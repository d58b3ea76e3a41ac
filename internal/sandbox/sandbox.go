// Package sandbox is a small factory for virtual phones: it makes the attestation root, the device certificates and the
// production records that a maker's factory makes for real ones.
//
// Beside it are three officers whose keys it holds, see [Officers]: they make policies and warrants count on one machine, for trying
// them out, and bind nobody.
//
// A virtual phone is a real agent on simulated hardware; only its certificates come from here. A server trusts a
// sandbox's root when it was started with one, says so at start-up, and never does so on an address that others can
// reach unless it is told to.
//
// Certificates follow IEEE 802.1AR (IDevID): the subject's serialNumber is the IMEI, and they do not expire (RFC 5280,
// 4.1.2.5: 99991231235959Z).
package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
)

// Factory signs device certificates. It is safe for concurrent use.
type Factory struct {
	key  *ecdsa.PrivateKey
	root *x509.Certificate
}

var noExpiry = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// Open reads the factory in dir, or founds one there. The key file is readable by its owner alone.
func Open(dir string) (*Factory, error) {
	keyFile, rootFile := filepath.Join(dir, "sandbox-ca.key"), filepath.Join(dir, "sandbox-ca.pem")
	keyPEM, err := os.ReadFile(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return found(dir, keyFile, rootFile)
	} else if err != nil {
		return nil, err
	}
	rootPEM, err := os.ReadFile(rootFile)
	if err != nil {
		return nil, err
	}
	keyBlock, _ := pem.Decode(keyPEM)
	rootBlock, _ := pem.Decode(rootPEM)
	if keyBlock == nil || rootBlock == nil {
		return nil, fmt.Errorf("sandbox: %s is no PEM: delete the folder to found a new factory (phones made by the old one will have to be made again)", dir)
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %s: %w", keyFile, err)
	}
	root, err := x509.ParseCertificate(rootBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %s: %w", rootFile, err)
	}
	return &Factory{key: key, root: root}, nil
}

func found(dir, keyFile, rootFile string) (*Factory, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Bailiwick sandbox factory"},
		NotBefore:             time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              noExpiry,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	rootPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(rootFile, rootPEM, 0o644); err != nil {
		return nil, err
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	return &Factory{key: key, root: root}, os.WriteFile(keyFile, keyPEM, 0o600)
}

// Root returns the attestation root that a server must trust to enrol this factory's phones.
func (f *Factory) Root() *x509.Certificate { return f.root }

// Issue certifies a device key and returns the chain to present at enrolment, leaf first, DER.
func (f *Factory) Issue(imei device.IMEI, serial string, public crypto.PublicKey) ([][]byte, error) {
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: number,
		Subject:      pkix.Name{CommonName: serial, SerialNumber: string(imei)},
		NotBefore:    f.root.NotBefore,
		NotAfter:     noExpiry,
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, f.root, public, f.key)
	if err != nil {
		return nil, err
	}
	return [][]byte{der, f.root.Raw}, nil
}

// IMEI returns the n-th IMEI of a model's Type Allocation Code, with its check digit. TACs of sandbox models begin with
// 00, which the GSMA keeps for test equipment (TS.06, reporting body 00).
func IMEI(tac string, n int) device.IMEI {
	body := fmt.Sprintf("%s%06d", tac, n%1_000_000)
	return device.IMEI(body + string(device.CheckDigit(body)))
}
