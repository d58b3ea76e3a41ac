package move

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
)

// TestSmaller: a record of SQLite's store says the same in PostgreSQL's form, in fewer bytes, with the same numbers of the dictionaries.
func TestSmaller(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := newDevice(7)
	if d.Key, err = x509.MarshalPKIXPublicKey(&key.PublicKey); err != nil {
		t.Fatal(err)
	}
	d.Sequence, d.Unlocks = 9, 1
	kept, err := record.Pack(d, record.Numbers{Model: 3, Finding: 4})
	if err != nil {
		t.Fatal(err)
	}
	small, err := smaller(kept)
	if err != nil {
		t.Fatal(err)
	}
	var was, is authority.Device
	before, err := record.Unpack(kept, &was)
	if err != nil {
		t.Fatal(err)
	}
	after, err := record.Unpack(small, &is)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(was, is, cmpopts.EquateEmpty()); d != "" || before != after || len(small) != len(kept)-31 {
		t.Errorf("%d bytes became %d, %v became %v:\n%s", len(kept), len(small), before, after, d)
	}
	if _, err := smaller(kept[:len(kept)-1]); err == nil {
		t.Error("what is no record was taken")
	}
}
