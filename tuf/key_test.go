package tuf_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

func pemOf(tb testing.TB, public any, block pem.Block) string {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		tb.Fatal(err)
	}
	block.Bytes = append(der, block.Bytes...)
	return string(pem.EncodeToMemory(&block))
}

func curve(tb testing.TB, c elliptic.Curve) *ecdsa.PublicKey {
	tb.Helper()
	private, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return &private.PublicKey
}

// A root that names a key in any form but one is refused, whether or not anybody signs with it.
func TestKeyForms(t *testing.T) {
	p256 := curve(t, elliptic.P256())
	good := pemOf(t, p256, pem.Block{Type: "PUBLIC KEY"})
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edwards := strings.Repeat("ab", 32)
	for name, c := range map[string]struct {
		kind, scheme, public string
		taken                bool
	}{
		"Ed25519":               {"ed25519", "ed25519", edwards, true},
		"P-256":                 {"ecdsa", "ecdsa-sha2-nistp256", good, true},
		"P-256 by its old name": {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", good, true},
		"no line end":           {"ecdsa", "ecdsa-sha2-nistp256", strings.TrimSpace(good), true},
		"P-384":                 {"ecdsa", "ecdsa-sha2-nistp384", pemOf(t, curve(t, elliptic.P384()), pem.Block{Type: "PUBLIC KEY"}), false},
		"P-384 called P-256":    {"ecdsa", "ecdsa-sha2-nistp256", pemOf(t, curve(t, elliptic.P384()), pem.Block{Type: "PUBLIC KEY"}), false},
		"RSA":                   {"rsa", "rsassa-pss-sha256", pemOf(t, &private.PublicKey, pem.Block{Type: "PUBLIC KEY"}), false},
		"RSA called P-256":      {"ecdsa", "ecdsa-sha2-nistp256", pemOf(t, &private.PublicKey, pem.Block{Type: "PUBLIC KEY"}), false},
		"another block":         {"ecdsa", "ecdsa-sha2-nistp256", pemOf(t, p256, pem.Block{Type: "CERTIFICATE"}), false},
		"a header":              {"ecdsa", "ecdsa-sha2-nistp256", pemOf(t, p256, pem.Block{Type: "PUBLIC KEY", Headers: map[string]string{"A": "b"}}), false},
		"bytes behind the key":  {"ecdsa", "ecdsa-sha2-nistp256", pemOf(t, p256, pem.Block{Type: "PUBLIC KEY", Bytes: []byte{0}}), false},
		"text before":           {"ecdsa", "ecdsa-sha2-nistp256", "text\n" + good, false},
		"text behind":           {"ecdsa", "ecdsa-sha2-nistp256", good + "text", false},
		"two blocks":            {"ecdsa", "ecdsa-sha2-nistp256", good + good, false},
		"other line ends":       {"ecdsa", "ecdsa-sha2-nistp256", strings.ReplaceAll(good, "\n", "\r\n"), false},
		"no PEM":                {"ecdsa", "ecdsa-sha2-nistp256", edwards, false},
		"PEM for Ed25519":       {"ed25519", "ed25519", good, false},
		"capitals":              {"ed25519", "ed25519", strings.ToUpper(edwards), false},
		"a byte less":           {"ed25519", "ed25519", edwards[2:], false},
		"a byte more":           {"ed25519", "ed25519", edwards + "00", false},
		"no hex":                {"ed25519", "ed25519", strings.Repeat("xy", 32), false},
		"another scheme":        {"ed25519", "ecdsa-sha2-nistp256", edwards, false},
	} {
		r := published(tuftest.Options{})
		r.Edit(tuf.Root, func(signed map[string]any) {
			signed["keys"].(map[string]any)["one-more"] = map[string]any{"keytype": c.kind, "scheme": c.scheme, "keyval": map[string]any{"public": c.public}}
		})
		r.Rotate(date(), tuftest.Rotation{})
		_, err := tuf.Open(r.Root(3))
		if c.taken && err != nil || !c.taken && tuf.FaultOf(err) != tuf.ErrMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}
