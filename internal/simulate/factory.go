package simulate

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
)

// maxDevices is how many devices a world can have.
const maxDevices = 320

// factory is what all worlds share and none changes: devices' keys and certificates, the ledger's key, the verifier.
type factory struct {
	ledger   *ledgerKey
	verifier *verifier.Verifier
	devices  []*madeDevice
	online   *tufrepo.Key
	officers officersKeys
}

// madeDevice is a device as it leaves the factory.
type madeDevice struct {
	imei          device.IMEI
	serial, model string
	key           ed25519.PrivateKey
	chain         [][]byte
}

func keyOf(what string, n int) ed25519.PrivateKey {
	seed := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("bailiwick/simulate/"+what+"\x00"), uint64(n)))
	return ed25519.NewKeyFromSeed(seed[:])
}

func newFactory() (*factory, error) {
	key, err := newLedgerKey()
	if err != nil {
		return nil, err
	}
	f := &factory{ledger: key}
	rootKey := keyOf("root", 0)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Simulated factory"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Unix(0, 0), NotAfter: noExpiry, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(nil, template, template, rootKey.Public(), rootKey)
	if err != nil {
		return nil, fmt.Errorf("simulate: the factory's root: %w", err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("simulate: the factory's root: %w", err)
	}
	if f.verifier, err = verifier.New([]*x509.Certificate{root}, verifier.NewEpochs([32]byte{1})); err != nil {
		return nil, err
	}
	if err := f.makeOfficers(); err != nil {
		return nil, err
	}
	for n := range maxDevices {
		d := &madeDevice{imei: sandbox.IMEI("00100101", n), serial: fmt.Sprintf("SIM%02d", n), model: "Lantern P", key: keyOf("device", n)}
		template := &x509.Certificate{SerialNumber: big.NewInt(int64(n) + 2), Subject: pkix.Name{CommonName: d.serial, SerialNumber: string(d.imei)},
			NotBefore: time.Unix(0, 0), NotAfter: noExpiry, KeyUsage: x509.KeyUsageDigitalSignature}
		leaf, err := x509.CreateCertificate(nil, template, root, d.key.Public(), rootKey)
		if err != nil {
			return nil, fmt.Errorf("simulate: a device's certificate: %w", err)
		}
		d.chain = [][]byte{leaf, root.Raw}
		f.devices = append(f.devices, d)
	}
	return f, nil
}

// noExpiry is RFC 5280's date for a certificate without an end (4.1.2.5).
var noExpiry = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

func (f *factory) device(n int) *madeDevice { return f.devices[n] }
