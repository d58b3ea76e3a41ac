package escrow

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

var (
	master = sha256.Sum256([]byte("the master of a fleet"))
	made   = time.Date(2021, 9, 10, 15, 4, 5, 0, time.UTC)
)

const phrase = "five words drawn at random"

func split(tb testing.TB, k, n int) []*Share {
	tb.Helper()
	shares, err := Split(master, k, n, made, "trust.example.com", rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return shares
}

// Every choice of k shares joins to the master, and no fewer do.
func TestEveryChoiceJoins(t *testing.T) {
	shares := split(t, 3, 5)
	for mask := range 1 << 5 {
		var some []*Share
		for i, s := range shares {
			if mask>>i&1 == 1 {
				some = append(some, s)
			}
		}
		got, err := Join(some)
		if len(some) < 3 {
			if !errors.Is(err, ErrTooFew) || got == master {
				t.Errorf("%d shares: %v", len(some), err)
			}
		} else if err != nil || got != master {
			t.Errorf("shares %05b: %v", mask, err)
		}
	}
}

// Shares below the threshold, taken for a whole set, do not lead to the master.
func TestTooFewSharesSayNothing(t *testing.T) {
	shares := split(t, 3, 5)
	lowered := make([]*Share, 2)
	for i := range lowered {
		s := *shares[i]
		s.K = 2
		lowered[i] = &s
	}
	if _, err := Join(lowered); !errors.Is(err, ErrForged) {
		t.Errorf("with the threshold changed: %v", err)
	}
}

func TestSplitsOfAllSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(MinThreshold, 9).Draw(t, "n")
		k := rapid.IntRange(MinThreshold, n).Draw(t, "k")
		secret := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "master"))
		secret[0] |= 1
		shares, err := Split(secret, k, n, made, "s", rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		picked := rapid.Permutation(shares).Draw(t, "order")[:k]
		if got, err := Join(picked); err != nil || got != secret {
			t.Fatal(err)
		}
	})
}

func TestSettingsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		k, n   int
		server string
		master [32]byte
	}{
		"one alone": {1, 3, "s", master}, "more than there are": {4, 3, "s", master}, "too many": {3, 33, "s", master}, "none": {0, 0, "s", master},
		"no server": {2, 3, "", master}, "two lines": {2, 3, "a\nb", master}, "long": {2, 3, strings.Repeat("s", 65), master}, "no master": {2, 3, "s", [32]byte{}},
	} {
		if _, err := Split(c.master, c.k, c.n, made, c.server, rand.Reader); !errors.Is(err, ErrSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is wrong is named, with the share that it is wrong with.
func TestWrongSharesAreNamed(t *testing.T) {
	shares, others := split(t, 3, 5), split(t, 3, 5)
	changed := *shares[3]
	changed.value[5] ^= 1
	renamed := *shares[3]
	renamed.Server = "another.example.com"
	moved := *shares[3]
	moved.Index = 5
	for name, c := range map[string]struct {
		shares []*Share
		want   Fault
		says   string
	}{
		"of another escrow": {[]*Share{shares[0], shares[1], others[2]}, ErrForeign, "share 3 of 5 is of escrow " + others[2].Escrow()},
		"twice":             {[]*Share{shares[0], shares[1], shares[1]}, ErrRepeated, "share 2 of 5"},
		"value changed":     {[]*Share{shares[0], shares[1], &changed}, ErrForged, "share 4 of 5"},
		"server changed":    {[]*Share{shares[0], &renamed, shares[2]}, ErrForged, "share 4 of 5"},
		"number changed":    {[]*Share{&moved, shares[1], shares[2]}, ErrForged, "share 5 of 5"},
		"two":               {shares[:2], ErrTooFew, "there are 2, and escrow"},
		"none":              {nil, ErrTooFew, "none"},
	} {
		got, err := Join(c.shares)
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) || got != [32]byte{} {
			t.Errorf("%s: %v; want %v and %q", name, err, c.want, c.says)
		}
	}
}

func TestTextIsReadAsPeopleTypeIt(t *testing.T) {
	s := split(t, 3, 5)[1]
	text := s.Text()
	lines := strings.Split(text, "\n")
	numbered := slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return len(l) < 3 || l[0] != ' ' && (l[0] < '0' || l[0] > '9') })
	persian := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r - '0' + '۰'
		}
		return r
	}, strings.Join(numbered, "\n"))
	for name, typed := range map[string]string{
		"as printed": text, "lines of Windows": strings.ReplaceAll(text, "\n", "\r\n"), "small letters": strings.ToLower(text),
		"numbered lines only": strings.Join(numbered, "\n"), "O for 0": strings.ReplaceAll(strings.Join(numbered, "\n"), " 0", " O"),
		"digits of another script": persian, "from the QR code": s.QRText() + "\n",
	} {
		if name == "O for 0" {
			// Numbers of lines stay digits.
			for i, l := range numbered {
				numbered[i] = l[:4] + strings.ReplaceAll(strings.ReplaceAll(l[4:], "0", "o"), "1", "l")
			}
			typed = strings.Join(numbered, "\n")
		}
		got, err := ParseShare(typed)
		if err != nil || *got != *s {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !strings.Contains(text, "Share:  2 of 5; any 3 open it") || !strings.Contains(text, s.Escrow()) || !strings.Contains(text, "2021-09-10") {
		t.Errorf("the text names not everything:\n%s", text)
	}
	t.Logf("%d characters in %d lines; a QR code of %d characters\n%s", len(text), len(numbered), len(s.QRText()), text)
}

func TestMistypedLinesAreNamed(t *testing.T) {
	text := split(t, 3, 5)[1].Text()
	line := func(n int) string { // a numbered line
		for l := range strings.Lines(text) {
			if strings.HasPrefix(l, fmt.Sprintf("%2d  ", n)) {
				return l
			}
		}
		t.Fatalf("no line %d", n)
		return ""
	}
	four := line(4)
	exchanged := []byte(four)
	at := 4
	for exchanged[at] == exchanged[at+1] || exchanged[at+1] == ' ' {
		at++
	}
	exchanged[at], exchanged[at+1] = exchanged[at+1], exchanged[at]
	wrong := []byte(four)
	wrong[6] = map[bool]byte{true: 'Z', false: 'Y'}[wrong[6] != 'Z']
	for name, c := range map[string]struct{ typed, says string }{
		"a wrong character":    {strings.Replace(text, four, string(wrong), 1), "line 4 is mistyped"},
		"two exchanged":        {strings.Replace(text, four, string(exchanged), 1), "line 4 is mistyped"},
		"a line left out":      {strings.Replace(text, four, "", 1), "line 5 comes where line 4"},
		"a line twice":         {strings.Replace(text, four, four+four, 1), "line 4 comes where line 5"},
		"lines exchanged":      {strings.Replace(strings.Replace(text, four, "@", 1), line(5), four, 1), ""},
		"a foreign character":  {strings.Replace(text, four, four[:6]+"!"+four[7:], 1), "line 4"},
		"the last line gone":   {text[:strings.LastIndex(strings.TrimRight(text[:strings.Index(text, "\n#")], "\n"), "\n")], "missing at the end"},
		"another server above": {strings.Replace(text, "trust.example.com", "trust.example.net", 1), `"server"`},
		"another number above": {strings.Replace(text, "2 of 5", "3 of 5", 1), `"share"`},
		"nothing":              {"", "no numbered lines"},
		"prose":                {"Dear friend,", "no numbered line"},
		"a damaged QR code":    {qrPrefix + "ABC", "cut short"},
		"endless":              {strings.Repeat("x", maxText+1), "far longer"},
	} {
		if s, err := ParseShare(c.typed); !errors.Is(err, ErrMistyped) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v, %v; want %q", name, s, err, c.says)
		}
	}
}

func TestLineChecksFindSlips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.StringMatching(`[0-9A-HJKMNP-TV-Z]{32}`).Draw(t, "line")
		n := rapid.IntRange(1, maxLines).Draw(t, "n")
		want := check(n, line)
		at := rapid.IntRange(0, 30).Draw(t, "at")
		typed := []byte(line)
		if typed[at] != typed[at+1] && rapid.Bool().Draw(t, "exchange") {
			typed[at], typed[at+1] = typed[at+1], typed[at]
		} else {
			typed[at] = alphabet[(strings.IndexByte(alphabet, typed[at])+rapid.IntRange(1, 31).Draw(t, "by"))%32]
		}
		if check(n, string(typed)) == want {
			t.Fatalf("%s and %s have the same check", line, typed)
		}
		if check(n%maxLines+1, line) == want {
			t.Fatalf("line %d and the next have the same check", n)
		}
	})
}

func TestKit(t *testing.T) {
	shares := split(t, 2, 3)
	kit, err := NewKit(shares[1:])
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := kit.seal(&file, phrase, 10); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file.Bytes(), []byte("trust.example.com")) || !bytes.HasPrefix(file.Bytes(), []byte("-----BEGIN AGE ENCRYPTED FILE-----")) {
		t.Errorf("the kit is written openly:\n%s", file.String())
	}
	again, err := OpenKit(bytes.NewReader(file.Bytes()), phrase)
	if err != nil || *again != *kit {
		t.Fatal(again, err)
	}
	if _, err := OpenKit(bytes.NewReader(file.Bytes()), phrase+"!"); !errors.Is(err, ErrPhrase) {
		t.Errorf("with a wrong passphrase: %v", err)
	}
	if _, err := OpenKit(bytes.NewReader(file.Bytes()), ""); !errors.Is(err, ErrPhrase) {
		t.Errorf("with none: %v", err)
	}
	if err := kit.Seal(&bytes.Buffer{}, "short"); !errors.Is(err, ErrPhrase) {
		t.Errorf("with a short one: %v", err)
	}
	flipped := bytes.Clone(file.Bytes())
	flipped[len(flipped)-60] ^= 1
	for name, bad := range map[string][]byte{"rubbish": []byte("rubbish"), "nothing": nil, "cut": file.Bytes()[:file.Len()-80], "changed": flipped, "long": make([]byte, maxKit+1)} {
		if k, err := OpenKit(bytes.NewReader(bad), phrase); !errors.Is(err, ErrKit) {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
}

// The kit's code is the one that the authority would give, at the counter on the screen, or at one of the few to try.
func TestKitAnswersAsTheAuthority(t *testing.T) {
	kit := &Kit{master: master}
	id := device.ID{1, 2, 3}
	secret := unlock.DeriveSecret(master, id)
	for _, next := range []uint64{0, 1, 15, 16, 40, 63} {
		code, err := kit.Code(id, next, "۱۲۳۴ ۵۶۷۸")
		if err != nil {
			t.Fatal(err)
		}
		if spent, ok := unlock.Check(secret[:], next, unlock.Window, "12345678", code); !ok || spent != next {
			t.Errorf("counter %d: the device takes it at %d, %v", next, spent, ok)
		}
		opened := false
		for _, try := range Unknown() {
			code, err := kit.Code(id, try, "12345678")
			if err != nil {
				t.Fatal(err)
			}
			_, ok := unlock.Check(secret[:], next, unlock.Window, "12345678", code)
			opened = opened || ok
		}
		if !opened {
			t.Errorf("without its counter %d the device stays locked", next)
		}
	}
	if _, err := kit.Code(id, 0, "1234"); !errors.Is(err, unlock.ErrInput) {
		t.Error(err)
	}
}

// What ParseShare accepts, Text writes so that it is read the same, and what it refuses has a name.
func FuzzParseShare(f *testing.F) {
	shares := split(f, 2, 3)
	f.Add(shares[0].Text())
	f.Add(shares[1].QRText())
	f.Add(" 1  ABCD")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseShare(text)
		if err != nil {
			if FaultOf(err) == "" {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		if again, err := ParseShare(s.Text()); err != nil || *again != *s {
			t.Fatalf("%v, %v", again, err)
		}
	})
}
