package tufrepo

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var phrase = []byte("correct horse")

func asking(answer []byte) func() ([]byte, error) {
	return func() ([]byte, error) { return answer, nil }
}

func TestKeyFiles(t *testing.T) {
	for _, kind := range []Kind{Ed25519, ES256} {
		k, err := NewKey(kind, "Zoë Ünal: deputy", rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := k.MarshalPlain()
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := k.Marshal(phrase)
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{"plain": plain, "sealed": sealed, "sealed, by mail": bytes.ReplaceAll(sealed, []byte("\n"), []byte("\r\n"))} {
			again, err := ParseKey(data, asking(phrase))
			if err != nil || again.Public() != k.Public() {
				t.Fatalf("%s, %s: %v", kind, name, err)
			}
			signature, err := again.sign([]byte("text"))
			if err != nil || !k.Public().verify([]byte("text"), signature) || k.Public().verify([]byte("test"), signature) {
				t.Errorf("%s, %s: signs wrongly: %v", kind, name, err)
			}
		}
		if bytes.Contains(sealed, plain[60:100]) {
			t.Error("the encrypted file shows the key")
		}
		public, err := ParsePublicKey(k.Public().Marshal())
		if err != nil || public != k.Public() || public.Kind() != kind || public.Name() != "Zoë Ünal: deputy" {
			t.Errorf("%+v, %v", public, err)
		}
		if g := k.Public().Grouped(); len(strings.Fields(g)) != 16 || strings.ReplaceAll(g, " ", "") != k.Public().ID() || len(k.Public().ID()) != 64 {
			t.Errorf("%q of %q", g, k.Public().ID())
		}
	}
}

func TestRefusedKeyFiles(t *testing.T) {
	k := newTestKey(t, ES256, "Ada")
	plain, err := k.MarshalPlain()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := k.Marshal(phrase)
	if err != nil {
		t.Fatal(err)
	}
	renamed := bytes.Replace(sealed, []byte("Name: Ada"), []byte("Name: Eve"), 1)
	for name, c := range map[string]struct {
		data   []byte
		answer func() ([]byte, error)
		want   error
	}{
		"wrong passphrase":      {sealed, asking([]byte("battery staple")), ErrPassphrase},
		"empty passphrase":      {sealed, asking(nil), ErrPassphrase},
		"nobody to ask":         {sealed, nil, ErrPassphrase},
		"nobody answers":        {sealed, func() ([]byte, error) { return nil, os.ErrDeadlineExceeded }, os.ErrDeadlineExceeded},
		"another name outside":  {renamed, asking(phrase), ErrKey},
		"a public key":          {k.Public().Marshal(), nil, ErrKey},
		"two keys":              {append(bytes.Clone(plain), plain...), nil, ErrKey},
		"nothing":               {nil, nil, ErrKey},
		"another file":          {[]byte("# Notes\n"), nil, ErrKey},
		"far too long":          {bytes.Repeat(plain, 200), nil, ErrKey},
		"without a name":        {bytes.Replace(plain, []byte("Name: Ada\n\n"), nil, 1), nil, ErrKey},
		"a header that is new":  {bytes.Replace(plain, []byte("Name: Ada\n"), []byte("Name: Ada\nRole: chief\n"), 1), nil, ErrKey},
		"not a key within":      {pem.EncodeToMemory(&pem.Block{Type: pemPlain, Headers: map[string]string{"Name": "Ada"}, Bytes: []byte{1}}), nil, ErrKey},
		"not encrypted within":  {pem.EncodeToMemory(&pem.Block{Type: pemEncrypted, Headers: map[string]string{"Name": "Ada"}, Bytes: []byte("{}")}), asking(phrase), ErrPassphrase},
		"truncated":             {plain[:len(plain)/2], nil, ErrKey},
		"a byte of it changed":  {bytes.Replace(sealed, sealed[200:204], []byte("AAAA"), 1), asking(phrase), ErrPassphrase},
		"text before the block": {append([]byte("hello\n"), plain...), nil, ErrKey},
	} {
		if got, err := ParseKey(c.data, c.answer); !errors.Is(err, c.want) || got != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	public := k.Public().Marshal()
	for name, data := range map[string][]byte{
		"a private key": plain,
		"another name":  bytes.Replace(public, []byte("Name: Ada"), []byte("Name: Eve"), 1),
		"no key id":     bytes.Replace(public, []byte("Key-Id: "+k.Public().ID()+"\n"), nil, 1),
		"a name twice":  bytes.Replace(public, []byte("Name: Ada"), []byte("Name: Eve\nName: Ada"), 1),
	} {
		if _, err := ParsePublicKey(data); !errors.Is(err, ErrKey) {
			t.Errorf("public, %s: %v", name, err)
		}
	}
	if _, err := k.Marshal(nil); !errors.Is(err, ErrPassphrase) {
		t.Errorf("encrypted with nothing: %v", err)
	}
}

func TestRefusedKeys(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, public := range []any{p384.Public(), r.Public(), nil, "key"} {
		if _, err := NewPublicKey("Ada", public); !errors.Is(err, ErrKey) {
			t.Errorf("%T: %v", public, err)
		}
	}
	for _, name := range []string{"", " Ada", "Ada ", "A\nda", "A\x00da", "Ada\u202e", "Ad\xffa", strings.Repeat("a", MaxName+1)} {
		if _, err := NewKey(Ed25519, name, rand.Reader); !errors.Is(err, ErrKey) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := NewKey("rsa", "Ada", rand.Reader); !errors.Is(err, ErrKey) {
		t.Errorf("%v", err)
	}
	if _, err := NewKey(Ed25519, "Ada", strings.NewReader("short")); err == nil {
		t.Error("a key of too little randomness")
	}
}

func TestKeysOnDisk(t *testing.T) {
	k := newTestKey(t, Ed25519, "Ada")
	data, err := k.Marshal(phrase)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ada.key")
	if err := WriteKey(path, data); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if again, err := ReadKey(path, asking(phrase)); err != nil || again.Public() != k.Public() {
		t.Errorf("%v", err)
	}
	if err := WriteKey(path, []byte("other")); !errors.Is(err, os.ErrExist) {
		t.Errorf("overwritten: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(path, asking(phrase)); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("others may read it: %v", err)
	}
	if _, err := ReadKey(path+".none", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestOfficersThatCannotBe(t *testing.T) {
	w := newWorld(t)
	eve := mustPublic(t, "Eve", w.ada) // Ada's key under another name
	many := []PublicKey{}
	for i := range MaxOfficers + 1 {
		many = append(many, newTestKey(t, Ed25519, strings.Repeat("x", i+1)).Public())
	}
	for name, terms := range map[string]FoundingTerms{
		"one":                      {Officers: []PublicKey{w.ada.Public()}, Threshold: 1, Online: w.online.Public()},
		"a threshold of one":       {Officers: []PublicKey{w.ada.Public(), w.bela.Public()}, Threshold: 1, Online: w.online.Public()},
		"a threshold of all and 1": {Officers: []PublicKey{w.ada.Public(), w.bela.Public()}, Threshold: 3, Online: w.online.Public()},
		"one key twice":            {Officers: []PublicKey{w.ada.Public(), eve}, Threshold: 2, Online: w.online.Public()},
		"one name twice":           {Officers: []PublicKey{w.ada.Public(), mustPublic(t, "Ada", w.bela)}, Threshold: 2, Online: w.online.Public()},
		"the server":               {Officers: []PublicKey{w.ada.Public(), w.online.Public()}, Threshold: 2, Online: mustPublic(t, "host", w.online)},
		"no server":                {Officers: []PublicKey{w.ada.Public(), w.bela.Public()}, Threshold: 2},
		"no key":                   {Officers: []PublicKey{w.ada.Public(), {}}, Threshold: 2, Online: w.online.Public()},
		"too many":                 {Officers: many, Threshold: 2, Online: w.online.Public()},
	} {
		terms.Now = founded
		if p, err := Found(terms); !errors.Is(err, ErrOfficers) || p != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]Changes{
		"Ada's key again":     {Add: []PublicKey{eve}},
		"who is none leaves":  {Remove: []PublicKey{w.online.Public()}},
		"too few stay":        {Remove: []PublicKey{w.ada.Public(), w.bela.Public()}},
		"threshold too high":  {Threshold: 4},
		"threshold too low":   {Threshold: 1},
		"an officer's online": {Online: w.chen.Public()},
	} {
		c.Now = founded
		if p, err := w.repository.ProposeOfficers(c); !errors.Is(err, ErrOfficers) || p != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParsePublicKey(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePublicKey(data)
		if err != nil {
			if !errors.Is(err, ErrKey) {
				t.Fatal(err)
			}
			return
		}
		again, err := ParsePublicKey(p.Marshal())
		if err != nil || again != p {
			t.Fatalf("%+v became %+v, %v", p, again, err)
		}
	})
}

// FuzzParseKey never knows the passphrase of a key that is encrypted: that costs a tenth of a second each.
func FuzzParseKey(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParseKey(data, nil)
		if err != nil {
			if !errors.Is(err, ErrKey) && !errors.Is(err, ErrPassphrase) {
				t.Fatal(err)
			}
			return
		}
		plain, err := k.MarshalPlain()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseKey(plain, nil); err != nil || again.Public() != k.Public() {
			t.Fatalf("%v", err)
		}
	})
}
