package daemon

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAndroidBoot(t *testing.T) {
	for text, want := range map[string]evidence.Boot{
		"quiet androidboot.verifiedbootstate=green ro": evidence.BootVerified,
		"androidboot.verifiedbootstate = \"yellow\"\n": evidence.BootCustom,
		"androidboot.verifiedbootstate=orange":         evidence.BootUnlocked,
		"androidboot.verifiedbootstate=red":            evidence.BootUnknown,
		"xandroidboot.verifiedbootstate=green":         evidence.BootUnknown,
		"androidboot.verifiedbootstate=greenish":       evidence.BootUnknown,
		"":                                             evidence.BootUnknown,
		"androidboot.verifiedbootstate=orange androidboot.verifiedbootstate=green": evidence.BootUnlocked,
	} {
		if got := androidBoot("/nowhere", write(t, []byte(text))); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	if got := androidBoot(write(t, bytes.Repeat([]byte("androidboot.verifiedbootstate=green "), 4000))); got != evidence.BootUnknown {
		t.Errorf("a file without bounds: %v", got)
	}
}

// A reading that fails gives the last one: no time passes.
func TestKernelUptime(t *testing.T) {
	path := write(t, []byte("12.34 99.00\n"))
	uptime, err := kernelUptime(path)
	if err != nil || uptime() != 12340*time.Millisecond {
		t.Fatalf("%v", err)
	}
	for _, bad := range []string{"", "x 1", "-1 1", "NaN 1", "1e300 1", "Inf"} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := uptime(); got != 12340*time.Millisecond {
			t.Errorf("%q: %v", bad, got)
		}
		if _, err := kernelUptime(path); err == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file := func(k any) string {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return write(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	for _, good := range []crypto.Signer{p256, ed} {
		if k, err := readKey(file(good)); err != nil || !k.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(good.Public()) {
			t.Errorf("%T: %v", good, err)
		}
	}
	for name, path := range map[string]string{
		"P-384": file(p384), "no file": "/nowhere", "no PEM": write(t, []byte("key")),
		"damaged":         write(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})),
		"another block":   write(t, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte{1}})),
		"a file too long": write(t, make([]byte, maxFile+1)),
	} {
		if _, err := readKey(path); err == nil || !strings.Contains(err.Error(), "key: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "d"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, p256.Public(), p256)
	if err != nil {
		t.Fatal(err)
	}
	chain := write(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	if got, err := readChain(chain, p256); err != nil || len(got) != 1 || !bytes.Equal(got[0], der) {
		t.Errorf("chain: %v", err)
	}
	if _, err := readChain(chain, ed); err == nil || !strings.Contains(err.Error(), "not the key's") {
		t.Errorf("another key's chain: %v", err)
	}
	for name, path := range map[string]string{"a key": file(ed), "nothing": write(t, nil), "no file": "/nowhere"} {
		if _, err := readChain(path, p256); err == nil {
			t.Errorf("%s as a chain: accepted", name)
		}
	}
}

func TestOfficersRootFile(t *testing.T) {
	good := tuftest.New(tuftest.Options{Seed: "daemon", Now: time.Unix(1, 0)})
	cfg := &Config{OfficersRoot: write(t, good.Root(1))}
	if data, err := readOfficersRoot(cfg.OfficersRoot); err != nil || !bytes.Equal(data, good.Root(1)) {
		t.Errorf("%v", err)
	}
	for name, data := range map[string][]byte{
		"nothing": nil, "no root": []byte("{}"), "a timestamp": good.Update(1).Timestamp, "too long": make([]byte, maxFile+1),
		"one officer": good.Break(tuftest.OneSignature, tuf.Root).Root(2),
	} {
		if _, err := readOfficersRoot(write(t, data)); err == nil || !strings.Contains(err.Error(), "officers_root: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStateKeyFile(t *testing.T) {
	for digits, good := range map[int]bool{0: false, 62: false, 63: false, 64: true, 128: true, 130: false} {
		key, err := readStateKey(write(t, []byte(strings.Repeat("a", digits)+"\n")))
		if (err == nil) != good || good && len(key) != digits/2 {
			t.Errorf("%d digits: %d bytes, %v", digits, len(key), err)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, seed := range []string{
		`{"server":"https://a.example","storage":"/x","imei":"490154203237518","chain":"/c","tick_seconds":5,"boot_state":"android"}`,
		`{}`, `{"server":"ftp://x"}`, `{"imei":"1","imei":"2"}`, `[1]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := ParseConfig(data)
		if err == nil && (cfg.Server == "" || cfg.tick() < time.Second || cfg.tick() > 15*time.Minute || len(cfg.IMEI) != 15) {
			t.Fatalf("%+v", cfg)
		}
	})
}
