package unlock_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

var secret = bytes.Repeat([]byte{7}, 32)

func answer(t *testing.T, counter uint64, challenge string) string {
	t.Helper()
	code, err := unlock.Answer(secret, counter, challenge)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestCheckFindsTheCounter(t *testing.T) {
	const challenge = "20210910"
	for _, ahead := range []uint64{0, 1, unlock.Window - 1} {
		at, ok := unlock.Check(secret, 5, unlock.Window, challenge, answer(t, 5+ahead, challenge))
		if !ok || at != 5+ahead {
			t.Errorf("%d ahead: counter %d, %v", ahead, at, ok)
		}
	}
	for name, counter := range map[string]uint64{"spent": 4, "beyond the window": 5 + unlock.Window} {
		if at, ok := unlock.Check(secret, 5, 1000, challenge, answer(t, counter, challenge)); ok || at != 0 {
			t.Errorf("%s: counter %d accepted", name, at)
		}
	}
	if _, ok := unlock.Check(secret, 5, 1, challenge, answer(t, 6, challenge)); ok {
		t.Error("a window of one took the next counter")
	}
	code := answer(t, 5, challenge)
	if _, ok := unlock.Check(secret, 5, 16, "20210911", code); ok {
		t.Error("the answer to another challenge is accepted")
	}
	if _, ok := unlock.Check(bytes.Repeat([]byte{8}, 32), 5, 16, challenge, code); ok {
		t.Error("the answer for another device is accepted")
	}
	if _, ok := unlock.Check(secret, math.MaxUint64, 16, challenge, code); ok {
		t.Error("counters ran over")
	}
}

func TestNormalise(t *testing.T) {
	for _, in := range []string{
		"12345678", "1234 5678", "1234-5678", " 12 34 56 78 ", "۱۲۳۴۵۶۷۸", "١٢٣٤ ٥٦٧٨", "१२३४५६७८", "１２３４５６７８",
		"\u200f۱۲۳۴\u200e 5678", "1234–5678",
	} {
		if got, err := unlock.Normalise(in); err != nil || got != "12345678" {
			t.Errorf("%q is read as %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "1234567", "123456789", "1234567a", "+1234567", strings.Repeat(" ", 200), "1234 567O"} {
		if got, err := unlock.Normalise(in); !errors.Is(err, unlock.ErrInput) {
			t.Errorf("%q is read as %q, %v", in, got, err)
		}
	}
	if got := unlock.Group("12345678"); got != "1234 5678" {
		t.Errorf("grouped as %q", got)
	}
}

// A code typed in any script and grouping opens; a code with one other digit does not.
func TestAnyScriptOpensOneWrongDigitDoesNot(t *testing.T) {
	zeros := []rune{'0', '٠', '۰', '०', '๐', '０'}
	rapid.Check(t, func(t *rapid.T) {
		challenge := rapid.StringMatching(`[0-9]{8}`).Draw(t, "challenge")
		counter := rapid.Uint64Max(1<<40).Draw(t, "counter")
		code, err := unlock.Answer(secret, counter, challenge)
		if err != nil || len(code) != unlock.Digits {
			t.Fatalf("%q, %v", code, err)
		}
		zero := rapid.SampledFrom(zeros).Draw(t, "script")
		typed := []rune(code)
		for i := range typed {
			typed[i] += zero - '0'
		}
		if at, ok := unlock.Check(secret, counter, 1, challenge, unlock.Group(string(typed))); !ok || at != counter {
			t.Fatalf("%q refused", string(typed))
		}
		at := rapid.IntRange(0, 7).Draw(t, "at")
		wrong := []byte(code)
		wrong[at] = '0' + (wrong[at]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		if _, ok := unlock.Check(secret, counter, 1, challenge, string(wrong)); ok {
			t.Fatalf("%s opens as well as %s", wrong, code)
		}
	})
}

func TestAnswerRefuses(t *testing.T) {
	for _, challenge := range []string{"", "1234567", "1234 5678", "۱۲۳۴۵۶۷۸"} {
		if _, err := unlock.Answer(secret, 0, challenge); !errors.Is(err, unlock.ErrInput) {
			t.Errorf("challenge %q: %v", challenge, err)
		}
	}
	if _, err := unlock.Answer(secret[:15], 0, "12345678"); err == nil {
		t.Error("a short secret is accepted")
	}
}

func TestNewChallenge(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		c, err := unlock.NewChallenge(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unlock.Normalise(c); err != nil || got != c {
			t.Fatalf("challenge %q: %v", c, err)
		}
		seen[c] = true
	}
	if len(seen) < 95 {
		t.Errorf("%d different challenges of 100", len(seen))
	}
	// 0xffffffff is beyond the last whole multiple of 10^8: it is drawn again.
	c, err := unlock.NewChallenge(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 5}))
	if err != nil || c != "00000005" {
		t.Errorf("%q, %v", c, err)
	}
	if _, err := unlock.NewChallenge(bytes.NewReader(nil)); err == nil {
		t.Error("a challenge without randomness")
	}
}

func TestDeriveSecret(t *testing.T) {
	a := unlock.DeriveSecret([32]byte{1}, device.ID{1})
	if a == unlock.DeriveSecret([32]byte{1}, device.ID{2}) || a == unlock.DeriveSecret([32]byte{2}, device.ID{1}) {
		t.Error("two devices or two masters share a secret")
	}
	if a != unlock.DeriveSecret([32]byte{1}, device.ID{1}) || a == [32]byte{} {
		t.Error("a secret is not the same each time")
	}
}

func TestBackoff(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		-1: 0, 0: 0, 1: 5 * time.Second, 2: 10 * time.Second, 3: 20 * time.Second, 10: 2560 * time.Second,
		11: time.Hour, 12: time.Hour, math.MaxInt: time.Hour,
	} {
		if got := unlock.Backoff(failures); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
}
