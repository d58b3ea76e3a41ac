package verifier

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"testing"
)

// What x509 reads is read the same way, and what it refuses is refused.
func TestStoredKeys(t *testing.T) {
	var keys [][]byte
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, der)
	}
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	keys = append(keys, der)
	for i, der := range keys {
		same(t, der)
		if _, err := publicKey(der); err != nil {
			t.Errorf("key %d is refused: %v", i, err)
		}
		for cut := range len(der) {
			same(t, der[:cut])
		}
		same(t, append(der[:len(der):len(der)], 0))
		for at := range der {
			changed := append([]byte(nil), der...)
			changed[at] ^= 1
			same(t, changed)
		}
	}
}

func same(t *testing.T, der []byte) {
	t.Helper()
	got, err := publicKey(der)
	want, wantErr := x509.ParsePKIXPublicKey(der)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%x: %v, x509 says %v", der, err, wantErr)
	}
	if err != nil {
		return
	}
	switch want := want.(type) {
	case *ecdsa.PublicKey:
		if !want.Equal(got) {
			t.Fatalf("%x is another key", der)
		}
	case ed25519.PublicKey:
		if !want.Equal(got) {
			t.Fatalf("%x is another key", der)
		}
	}
}
