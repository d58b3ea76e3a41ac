package vectors

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
)

var update = flag.Bool("update", false, "write testdata/vectors again")

const folder = "../../testdata/vectors"

// Hex is bytes as lower-case hexadecimal digits.
type Hex []byte

func (h Hex) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// file compares what was made with the file, or writes it, and gives back what the file says: the tests run that.
func file[T any](t *testing.T, name string, made []T) []T {
	t.Helper()
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(made); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, name)
	if *update {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; make it with: go test ./test/vectors -update", err)
	}
	if !bytes.Equal(data, text.Bytes()) {
		t.Errorf("%s is not what the code makes; look why, then: go test ./test/vectors -update", name)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var read []T
	if err := d.Decode(&read); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(read) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return read
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// moment is when vectors happen unless they say otherwise.
var moment = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

// seed is 32 bytes that a name leads to.
func seed(name string) [32]byte { return sha256.Sum256([]byte("bailiwick/vectors/" + name)) }

func deviceID(name string) device.ID {
	s := seed("device/" + name)
	return device.ID(s[:16])
}

// edKey is an Ed25519 key made from a name.
func edKey(name string) ed25519.PrivateKey {
	s := seed("key/" + name)
	return ed25519.NewKeyFromSeed(s[:])
}

// stableKey is a P-256 key whose signatures are those of RFC 6979, so that they are the same every time.
type stableKey struct{ *ecdsa.PrivateKey }

func (k stableKey) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return k.PrivateKey.Sign(nil, digest, crypto.SHA256)
}

func ecKey(t *testing.T, name string) stableKey {
	t.Helper()
	s := seed("key/" + name)
	return stableKey{must(ecdsa.ParseRawPrivateKey(elliptic.P256(), s[:]))(t)}
}

// key is a public key in a vector: alg "EdDSA" with the 32 bytes of RFC 8032, or "ES256" with the uncompressed point.
type key struct {
	Alg    string `json:"alg"`
	Public Hex    `json:"public"`
}

func keyOf(t *testing.T, k crypto.Signer) key {
	t.Helper()
	switch public := k.Public().(type) {
	case ed25519.PublicKey:
		return key{"EdDSA", Hex(public)}
	case *ecdsa.PublicKey:
		return key{"ES256", Hex(must(public.Bytes())(t))}
	}
	t.Fatalf("a key of type %T", k.Public())
	return key{}
}

func (k key) public(t *testing.T) crypto.PublicKey {
	t.Helper()
	if k.Alg == "EdDSA" {
		return ed25519.PublicKey(k.Public)
	}
	return must(ecdsa.ParseUncompressedPublicKey(elliptic.P256(), k.Public))(t)
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// leaf is an order's fields in a vector; times are Unix seconds, 0 and "" where there is none.
type leaf struct {
	Kind       string `json:"kind"`
	Ground     string `json:"ground"`
	Territory  string `json:"territory,omitempty"`
	Authority  Hex    `json:"authority"`
	IssuedAt   int64  `json:"issued_at"`
	Deadline   int64  `json:"deadline,omitempty"`
	EffectAt   int64  `json:"effect_at,omitempty"`
	EndsAt     int64  `json:"ends_at,omitempty"`
	Cause      string `json:"cause,omitempty"`
	Commitment Hex    `json:"commitment"`
}

func leafOf(l order.Leaf) *leaf {
	return &leaf{
		Kind: l.Kind.String(), Ground: l.Ground.String(), Territory: string(l.Territory), Authority: l.Authority[:],
		IssuedAt: unix(l.IssuedAt), Deadline: unix(l.Deadline), EffectAt: unix(l.EffectAt), EndsAt: unix(l.EndsAt),
		Cause: l.Cause.String(), Commitment: l.Commitment[:],
	}
}

// same requires two values to be equal as JSON.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	g, w := must(json.Marshal(got))(t), must(json.Marshal(want))(t)
	if !bytes.Equal(g, w) {
		t.Errorf("%s:\n%s, want\n%s", what, g, w)
	}
}

func flip(data []byte, at int) []byte {
	changed := slices.Clone(data)
	changed[(at+len(changed))%len(changed)] ^= 1
	return changed
}

// Every file of the folder is made and read by a test of this package.
func TestNoOtherFiles(t *testing.T) {
	known := []string{
		"README.md", "answers.json", "cohorts.json", "commitments.json", "device-numbers.json", "enrolment.json", "evidence.json", "lifts-as-text.json", "lives.json", "metadata.json",
		"orders.json", "policies.json",
		"references.json", "unlock-codes.json", "warrants.json",
	}
	var names []string
	for _, e := range must(os.ReadDir(folder))(t) {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, known) {
		t.Errorf("testdata/vectors has %v, want %v", names, known)
	}
	readme := must(os.ReadFile(filepath.Join(folder, "README.md")))(t)
	for _, name := range known[1:] {
		if !bytes.Contains(readme, []byte("`"+name+"`")) {
			t.Errorf("README.md does not speak of %s", name)
		}
	}
}
