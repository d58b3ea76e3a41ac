package order_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	tlogproof "github.com/transparency-dev/formats/proof"

	"github.com/bailiwick-dev/bailiwick/internal/corpus"
	"github.com/bailiwick-dev/bailiwick/order"
)

// sealedIn is a lift in a ledger whose tree is so many hashes deep, with so many cosignatures. Hashes and signatures are random, as
// far as size goes: nothing of them can be made shorter.
func sealedIn(tb testing.TB, hashes, witnesses int) order.Sealed {
	tb.Helper()
	bytesOf := func(n int) []byte { b := make([]byte, n); _, _ = rand.Read(b); return b }
	const origin = "trust.phones.example/ledger"
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n%s\n\n", origin, 1<<hashes, base64.StdEncoding.EncodeToString(bytesOf(32)))
	fmt.Fprintf(&b, "— %s %s\n", origin, base64.StdEncoding.EncodeToString(bytesOf(68)))
	for i := range witnesses {
		fmt.Fprintf(&b, "— witness-%d.university.example/w1 %s\n", i, base64.StdEncoding.EncodeToString(bytesOf(76)))
	}
	p := tlogproof.TLogProof{Index: 1<<hashes - 1, Checkpoint: []byte(b.String())}
	for range hashes {
		p.Hashes = append(p.Hashes, [32]byte(bytesOf(32)))
	}
	return order.Sealed{Leaf: marshal(tb, lift()), Salt: salt, Proof: p.Marshal()}
}

// A lift fits into one QR code that phones read, whatever the size of the ledger. Capacities are those of ISO/IEC 18004, level L.
func TestLiftFitsOneQRCode(t *testing.T) {
	for _, c := range []struct{ hashes, witnesses, most int }{
		{12, 1, 1250},  // a small fleet's: version 20-L
		{20, 1, 1637},  // a million entries: 24-L (1,704)
		{30, 0, 1990},  // 10^9 entries: 27-L
		{30, 1, 2132},  // 28-L
		{30, 3, 2520},  // 30-L
		{40, 5, 3440},  // far beyond: 36-L
		{0, 0, 700},    // the only entry
		{63, 9, 99999}, // too large for any
	} {
		s := sealedIn(t, c.hashes, c.witnesses)
		packed, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		text, err := s.QRText()
		if c.most > order.MaxQRText {
			if !errors.Is(err, order.ErrMalformed) {
				t.Errorf("a proof that fits nowhere: %d characters, %v", len(text), err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d hashes, %d witnesses: sealed %d bytes, QR text %d characters", c.hashes, c.witnesses, len(packed), len(text))
		if len(text) > c.most {
			t.Errorf("%d hashes, %d witnesses: %d characters, want at most %d", c.hashes, c.witnesses, len(text), c.most)
		}
		if rest := strings.Trim(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"); rest != "" {
			t.Errorf("%q is not of the alphanumeric mode", rest)
		}
		back, err := order.ParseQRText(" " + text + "\r\n")
		if err != nil || back.Salt != s.Salt || !bytes.Equal(back.Leaf, s.Leaf) || !bytes.Equal(back.Proof, s.Proof) {
			t.Errorf("%d hashes: came back otherwise, %v", c.hashes, err)
		}
	}
}

func TestQRTextRefused(t *testing.T) {
	good, err := sealedIn(t, 5, 1).QRText()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		want order.Fault
	}{
		"empty":           {"", order.ErrNotQR},
		"a link":          {"https://shop.example/", order.ErrNotQR},
		"a later version": {"BWL2:" + good[5:], order.ErrVersion},
		"version 0":       {"BWL0:" + good[5:], order.ErrNotQR},
		"lower case":      {strings.ToLower(good), order.ErrNotQR},
		"cut":             {good[:len(good)/2], order.ErrMalformed},
		"cut by one":      {good[:len(good)-1], order.ErrMalformed},
		"more behind":     {good + "000", order.ErrMalformed},
		"too large group": {good + ":::", order.ErrMalformed},
		"other character": {good[:20] + "_" + good[21:], order.ErrMalformed},
		"nothing behind":  {order.QRPrefix, order.ErrMalformed},
		"too long":        {order.QRPrefix + strings.Repeat("0", order.MaxQRText), order.ErrMalformed},
	} {
		if _, err := order.ParseQRText(c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for name, change := range map[string]func(proof string) string{
		"extension lines": func(p string) string { return strings.Replace(p, "\n\n— ", "\nmore\n\n— ", 1) },
		"carriage return": func(p string) string { return strings.Replace(p, "\n", "\r\n", 1) },
		"leading zero":    func(p string) string { return strings.Replace(p, "index ", "index 0", 1) },
		"extra data":      func(p string) string { return strings.Replace(p, "index ", "extra AAAA\nindex ", 1) },
		"no signature":    func(p string) string { return p[:strings.Index(p, "— ")] },
		"rubbish":         func(string) string { return "proof" },
	} {
		s := sealedIn(t, 5, 1)
		s.Proof = []byte(change(string(s.Proof)))
		if text, err := s.QRText(); !errors.Is(err, order.ErrMalformed) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

// The examples of RFC 9285, section 4.3 and 4.4.
func TestBase45OfTheRFC(t *testing.T) {
	for plain, text := range map[string]string{"AB": "BB8", "Hello!!": "%69 VD92EX0", "base-45": "UJCLQE7W581", "ietf!": "QED8WEX0"} {
		if got := order.EncodeBase45([]byte(plain)); got != text {
			t.Errorf("%q is written %q, want %q", plain, got, text)
		}
		if got, err := order.DecodeBase45(text); err != nil || string(got) != plain {
			t.Errorf("%q is read %q, %v", text, got, err)
		}
	}
	for _, bad := range []string{"GGW", "A", "::", "aa", "AAAA"} {
		if got, err := order.DecodeBase45(bad); !errors.Is(err, order.ErrMalformed) {
			t.Errorf("%q is read as %x", bad, got)
		}
	}
}

// What ParseQRText accepts, QRText writes again, and what it refuses has a name.
func FuzzParseQRText(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := order.ParseQRText(string(data))
		if err != nil {
			if order.FaultOf(err) == "" {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		if again, err := s.QRText(); err != nil || again != strings.TrimSpace(string(data)) {
			t.Fatalf("read %q\nwrote %q, %v", data, again, err)
		}
	})
}

func TestQRSeeds(t *testing.T) {
	if *update {
		for name, s := range map[string]order.Sealed{"lift": sealedIn(t, 3, 1), "only-entry": sealedIn(t, 0, 0)} {
			text, err := s.QRText()
			if err != nil {
				t.Fatal(err)
			}
			corpus.Write(t, "FuzzParseQRText", name, []byte(text))
			corpus.Write(t, "FuzzParseQRText", name+"-cut", []byte(text[:len(text)-9]))
		}
	}
	corpus.CheckNames(t, "FuzzParseLeaf", "FuzzParseSealed", "FuzzParseQRText")
	for _, name := range []string{"lift", "only-entry"} {
		if _, err := order.ParseQRText(string(corpus.Read(t, "FuzzParseQRText", name))); err != nil {
			t.Errorf("seed %s: %v", name, err)
		}
	}
}
