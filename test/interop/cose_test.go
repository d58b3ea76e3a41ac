package interop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/bailiwick-dev/bailiwick/internal/sign1"
)

// coseVector is a file of the COSE working group's examples, as far as it is of one signer.
type coseVector struct {
	Title string
	Fail  bool
	Input struct {
		Sign0 *struct {
			Key      coseKey
			External string
		}
	}
	Output struct{ CBOR string }
}

type coseKey struct {
	Kty, Crv string
	X, Y     string
	XHex     string `json:"x_hex"`
	YHex     string `json:"y_hex"`
}

func (k coseKey) public(t *testing.T) crypto.PublicKey {
	t.Helper()
	coordinate := func(b64, hexed string) []byte {
		if hexed != "" {
			b, err := hex.DecodeString(hexed)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		b, err := base64.RawURLEncoding.DecodeString(b64)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	x := coordinate(k.X, k.XHex)
	if k.Kty == "OKP" {
		return ed25519.PublicKey(x)
	}
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Crv]
	if curve == nil {
		t.Fatalf("unknown curve %q", k.Crv)
	}
	// SEC 1, 2.3.3: 0x04 and both coordinates at full width.
	size := (curve.Params().BitSize + 7) / 8
	point := make([]byte, 1+2*size)
	point[0] = 4
	y := coordinate(k.Y, k.YHex)
	copy(point[1+size-len(x):], x)
	copy(point[1+2*size-len(y):], y)
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (v coseVector) bytes(t *testing.T) []byte {
	t.Helper()
	data, err := hex.DecodeString(v.Output.CBOR)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// narrowed returns the vector's signed parts in the form that this project reads: tag 18 and an empty unprotected
// header, which no signature covers. The vectors carry a key id there.
func (v coseVector) narrowed(t *testing.T) []byte {
	t.Helper()
	data := v.bytes(t)
	var parts []cbor.RawMessage
	var tag cbor.RawTag
	if err := cbor.Unmarshal(data, &tag); err == nil {
		data = tag.Content
	}
	if err := cbor.Unmarshal(data, &parts); err != nil || len(parts) != 4 {
		t.Fatalf("%s is no COSE_Sign1: %v", v.Title, err)
	}
	out := append([]byte{0xd2, 0x84}, parts[0]...)
	out = append(append(out, 0xa0), parts[2]...)
	return append(out, parts[3]...)
}

// verify reads and verifies with this project's envelope.
func verify(t *testing.T, v coseVector, data []byte) error {
	t.Helper()
	m, err := sign1.Parse(data)
	if err != nil {
		return err
	}
	return m.Verify(v.Input.Sign0.Key.public(t))
}

// Signatures that others made verify here, and what they broke is refused. Each vector that does not verify although
// it is right stands in the table with the rule that it breaks.
func TestCOSE(t *testing.T) {
	type outcome struct{ narrowed, raw error }
	for _, set := range []struct {
		folder string
		files  int
		want   map[string]outcome
	}{
		{"cose/sign1-tests", 9, map[string]outcome{
			// alg stands in the unprotected header, where nothing is read (go-cose does not read it either).
			"sign-pass-01.json": {sign1.ErrAlgorithm, sign1.ErrMalformed},
			// It signs external data, of which no token here has any.
			"sign-pass-02.json": {sign1.ErrSignature, sign1.ErrMalformed},
			// It has no tag (go-cose reads that as another type); with the tag its signature is right.
			"sign-pass-03.json": {nil, sign1.ErrMalformed},
			// Another tag, which narrowed mends; raw it is refused.
			"sign-fail-01.json": {nil, sign1.ErrMalformed},
			"sign-fail-02.json": {sign1.ErrSignature, sign1.ErrMalformed},
			"sign-fail-03.json": {sign1.ErrAlgorithm, sign1.ErrMalformed},
			"sign-fail-04.json": {sign1.ErrAlgorithm, sign1.ErrMalformed},
			"sign-fail-06.json": {sign1.ErrSignature, sign1.ErrMalformed},
			"sign-fail-07.json": {sign1.ErrSignature, sign1.ErrMalformed},
		}},
		{"cose/ecdsa-examples", 8, map[string]outcome{
			"ecdsa-sig-01.json": {nil, sign1.ErrMalformed},
			"ecdsa-sig-02.json": {sign1.ErrAlgorithm, sign1.ErrMalformed}, // ES384
			"ecdsa-sig-03.json": {sign1.ErrAlgorithm, sign1.ErrMalformed}, // ES512
			"ecdsa-sig-04.json": {sign1.ErrAlgorithm, sign1.ErrMalformed}, // ES512 with a P-256 key
		}},
		{"cose/eddsa-examples", 4, map[string]outcome{
			"eddsa-sig-01.json": {nil, sign1.ErrMalformed},
			"eddsa-sig-02.json": {sign1.ErrMalformed, sign1.ErrMalformed}, // Ed448, whose signature is longer
		}},
		{"cose/CWT", 5, map[string]outcome{
			"A_3.json": {nil, nil}, // RFC 8392, appendix A.3: already in this project's form
		}},
	} {
		checked := 0
		for name, v := range load[coseVector](t, set.folder, set.files) {
			if v.Input.Sign0 == nil {
				continue // of several signers, a MAC, or encrypted
			}
			want, listed := set.want[name]
			if !listed {
				t.Errorf("%s/%s is not in the table", set.folder, name)
				continue
			}
			checked++
			if err := verify(t, v, v.narrowed(t)); !errors.Is(err, want.narrowed) {
				t.Errorf("%s/%s: %v, want %v", set.folder, name, err, want.narrowed)
			}
			if err := verify(t, v, v.bytes(t)); !errors.Is(err, want.raw) {
				t.Errorf("%s/%s as it is: %v, want %v", set.folder, name, err, want.raw)
			}
		}
		if checked != len(set.want) {
			t.Errorf("%s: %d vectors checked, %d in the table", set.folder, checked, len(set.want))
		}
	}
}
