package interop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
)

// labels reads the claim labels that RFC 9711 registered.
func labels(t *testing.T) map[string]int64 {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder(t, "eat/cddl"), "claim-labels.cddl"))
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]int64)
	for _, m := range regexp.MustCompile(`JC< *"([a-z_]+)" *, *([0-9]+) *>`).FindAllStringSubmatch(string(data), -1) {
		n, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		out[m[1]] = n
	}
	if len(out) != 21 {
		t.Fatalf("%d labels in claim-labels.cddl, want 21", len(out))
	}
	return out
}

// Each registered claim of a token stands at its registered label and has its registered type.
func TestRegisteredClaims(t *testing.T) {
	label := labels(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := evidence.Claims{
		Device: device.ID{1, 2, 3}, Sequence: 1, Epoch: []byte("epoch-01"), IssuedAt: time.Unix(1631262600, 0), Software: "1.2.3",
	}
	for _, boot := range []evidence.Boot{evidence.BootVerified, evidence.BootUnlocked, evidence.BootCustom} {
		c.Boot = boot
		token, err := evidence.Sign(&c, key)
		if err != nil {
			t.Fatal(err)
		}
		var m cose.Sign1Message
		if err := m.UnmarshalCBOR(token); err != nil {
			t.Fatal(err)
		}
		claims := make(map[int64]cbor.RawMessage)
		if err := cbor.Unmarshal(m.Payload, &claims); err != nil {
			t.Fatal(err)
		}
		var nonce, ueid []byte
		var profile, name string
		var version []any
		for at, v := range map[int64]any{
			label["eat_nonce"]: &nonce, label["ueid"]: &ueid, label["eat_profile"]: &profile, label["swname"]: &name,
			label["swversion"]: &version,
		} {
			if err := cbor.Unmarshal(claims[at], v); err != nil {
				t.Fatalf("claim %d: %v", at, err)
			}
			delete(claims, at)
		}
		if !bytes.Equal(nonce, c.Epoch) || len(ueid) != 17 || ueid[0] != 1 || !bytes.Equal(ueid[1:], c.Device[:]) {
			t.Errorf("eat_nonce %x, ueid %x", nonce, ueid)
		}
		if profile != evidence.Profile || name != evidence.Component || len(version) != 1 || version[0] != "1.2.3" {
			t.Errorf("eat_profile %q, swname %q, swversion %v", profile, name, version)
		}
		oemboot, debug := claims[label["oemboot"]], claims[label["dbgstat"]]
		if (boot == evidence.BootVerified) != bytes.Equal(oemboot, []byte{0xf5}) {
			t.Errorf("boot %d: oemboot %x", boot, oemboot)
		}
		if (boot == evidence.BootUnlocked) != bytes.Equal(debug, []byte{0}) { // "enabled"
			t.Errorf("boot %d: dbgstat %x", boot, debug)
		}
		delete(claims, label["oemboot"])
		delete(claims, label["dbgstat"])
		delete(claims, 6) // iat, RFC 8392
		for at := range claims {
			if at >= -65536 {
				t.Errorf("claim %d is neither registered by RFC 9711 nor in the private-use range", at)
			}
		}
	}
	if label["location"] != 264 {
		t.Errorf("location is claim %d: evidence refuses 264", label["location"])
	}
}

// The example token of RFC 9711 is an EAT of another profile: refused with its outer tag, and without it by name.
func TestExampleTokenIsOfAnotherProfile(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(folder(t, "eat/cddl"), "Example-Tokens", "valid_cwt.diag"))
	if err != nil {
		t.Fatal(err)
	}
	var parts [][]byte
	for _, m := range regexp.MustCompile(`h'([0-9A-Fa-f\s]*)'`).FindAllStringSubmatch(string(data), -1) {
		b, err := hex.DecodeString(strings.Join(strings.Fields(m[1]), ""))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, b)
	}
	if len(parts) != 3 {
		t.Fatalf("%d byte strings in the example, want 3", len(parts))
	}
	signed, err := cbor.Marshal(cbor.Tag{Number: 18, Content: []any{parts[0], map[int]int{}, parts[1], parts[2]}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.Parse(append([]byte{0xd8, 61}, signed...)); !errors.Is(err, evidence.ErrMalformed) {
		t.Errorf("with tag 61: %v", err)
	}
	if _, err := evidence.Parse(signed); !errors.Is(err, evidence.ErrProfile) {
		t.Errorf("without: %v", err)
	}
}
