package evidence_test

import (
	"bytes"
	"flag"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/veraison/go-cose"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/corpus"
)

var update = flag.Bool("update", false, "write the seeds of the fuzz tests again")

// payload returns what a token signs.
func payload(tb testing.TB, token evidence.Token) []byte {
	tb.Helper()
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(token); err != nil {
		tb.Fatal(err)
	}
	return m.Payload
}

// Any bytes: Parse returns, and what it accepts without a signature verifies only if the key signed it.
func FuzzParse(f *testing.F) {
	key := esKey(f)
	genuine := [][]byte{corpus.Read(f, "FuzzParse", "usual"), corpus.Read(f, "FuzzParse", "fullest")}
	f.Fuzz(func(t *testing.T, token []byte) {
		before := bytes.Clone(token)
		u, err := evidence.Parse(token)
		if !bytes.Equal(before, token) {
			t.Fatal("Parse changed its input")
		}
		if err != nil {
			if evidence.FaultOf(err) == "" {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		if _, err := u.Verify(&key.PublicKey); err == nil {
			for _, g := range genuine {
				if bytes.Equal(payload(t, g), payload(t, token)) {
					return
				}
			}
			t.Fatalf("claims that nobody signed were accepted")
		}
	})
}

// Any claims set, signed: what Parse accepts, Sign writes again to the same bytes, and reads again to the same claims.
func FuzzClaims(f *testing.F) {
	f.Fuzz(func(t *testing.T, claims []byte) {
		if len(claims) > evidence.MaxToken-128 {
			return
		}
		key := edKey(t)
		signer, err := cose.NewSigner(cose.AlgorithmEdDSA, key)
		if err != nil {
			t.Fatal(err)
		}
		headers := cose.Headers{Protected: cose.ProtectedHeader{cose.HeaderLabelAlgorithm: cose.AlgorithmEdDSA}}
		if claims == nil {
			claims = []byte{}
		}
		token, err := cose.Sign1(nil, signer, headers, claims, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := parseAndVerify(token, key.Public())
		if err != nil {
			if evidence.FaultOf(err) == "" {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		again, err := evidence.Sign(c, key)
		if err != nil {
			t.Fatalf("%+v was read and cannot be written: %v", c, err)
		}
		if !bytes.Equal(payload(t, again), claims) {
			t.Fatalf("read %x\nwrote %x", claims, payload(t, again))
		}
		twice, err := parseAndVerify(again, key.Public())
		if diff := cmp.Diff(c, twice); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
	})
}

func TestSeeds(t *testing.T) {
	usual, fullest := usualClaims(), fullestClaims()
	if *update {
		for name, c := range map[string]evidence.Claims{"usual": usual, "fullest": fullest} {
			token := sign(t, c)
			corpus.Write(t, "FuzzParse", name, token)
			corpus.Write(t, "FuzzClaims", name, payload(t, token))
		}
		token := sign(t, usual)
		corpus.Write(t, "FuzzParse", "truncated", token[:200])
		corpus.Write(t, "FuzzParse", "indefinite", append([]byte{0xd2, 0x9f}, token[2:]...))
		corpus.Write(t, "FuzzParse", "tagged-cwt", append([]byte{0xd8, 61}, token...))
		corpus.Write(t, "FuzzClaims", "location", []byte{0xa1, 0x19, 0x01, 0x08, 0xa2, 1, 0xf9, 0x51, 0x9e, 2, 0xf9, 0x50, 0x44})
		corpus.Write(t, "FuzzClaims", "duplicate-key", []byte{0xa2, 6, 1, 6, 1})
	}
	corpus.CheckNames(t, "FuzzParse", "FuzzClaims")
	for name, want := range map[string]evidence.Claims{"usual": usual, "fullest": fullest} {
		token := corpus.Read(t, "FuzzParse", name)
		got, err := parseAndVerify(token, esKey(t).Public())
		if diff := cmp.Diff(&want, got); err != nil || diff != "" {
			t.Errorf("seed %s is out of date: %v\n%s", name, err, diff)
		}
		if !bytes.Equal(corpus.Read(t, "FuzzClaims", name), payload(t, token)) {
			t.Errorf("seed %s of FuzzClaims is out of date", name)
		}
	}
}
