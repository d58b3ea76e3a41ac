package evidence_test

import (
	"crypto"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bailiwick-dev/bailiwick/evidence"
)

func TestSignParseVerify(t *testing.T) {
	least := evidence.Claims{
		Device: usualClaims().Device, Sequence: 1, Epoch: []byte("12345678"), IssuedAt: issued,
	}
	for name, c := range map[string]evidence.Claims{"usual": usualClaims(), "fullest": fullestClaims(), "least": least} {
		for _, key := range []crypto.Signer{esKey(t), edKey(t)} {
			token, err := evidence.Sign(&c, key)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			u, err := evidence.Parse(token)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if u.Device() != c.Device || u.Sequence() != c.Sequence {
				t.Errorf("%s: hints are %v, %d", name, u.Device(), u.Sequence())
			}
			got, err := u.Verify(key.Public())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(&c, got); diff != "" {
				t.Errorf("%s: what was signed is not what was read:\n%s", name, diff)
			}
			t.Logf("%s: %d bytes", name, len(token))
		}
	}
}
