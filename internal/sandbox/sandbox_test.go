package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
)

func TestPhonesOfAReopenedFactoryChainToTheSameRoot(t *testing.T) {
	dir := t.TempDir()
	first, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	imei := IMEI("00900100", 42)
	if _, err := device.ParseIMEI(string(imei)); err != nil {
		t.Fatal(err)
	}
	chain, err := again.Issue(imei, "VP42", key.Public())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(first.Root())
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Error(err)
	}
	if leaf.Subject.SerialNumber != string(imei) {
		t.Errorf("the certificate names %q, not %s", leaf.Subject.SerialNumber, imei)
	}
	info, err := os.Stat(filepath.Join(dir, "sandbox-ca.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file is %v %v", info.Mode(), err)
	}
}

func TestADamagedFactorySaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sandbox-ca.key"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a damaged key was accepted")
	}
}
