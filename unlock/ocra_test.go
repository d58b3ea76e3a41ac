package unlock_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/unlock"
)

type vector struct {
	Suite, Question, KeyHex, PINHashHex, Expected string

	Counter  uint64
	UnixTime int64
}

func (v vector) check(t *testing.T) {
	t.Helper()
	suite, err := unlock.ParseOCRA(v.Suite)
	if err != nil {
		t.Fatal(err)
	}
	key, err := hex.DecodeString(v.KeyHex)
	if err != nil {
		t.Fatal(err)
	}
	pin, err := hex.DecodeString(v.PINHashHex)
	if err != nil {
		t.Fatal(err)
	}
	in := unlock.Input{Counter: v.Counter, Question: v.Question, PINHash: pin}
	if v.UnixTime != 0 {
		in.Time = time.Unix(v.UnixTime, 0)
	}
	if got, err := suite.Response(key, in); err != nil || got != v.Expected {
		t.Errorf("%s, question %s, counter %d: %s, %v; want %s", v.Suite, v.Question, v.Counter, got, err, v.Expected)
	}
}

const (
	key20 = "3132333435363738393031323334353637383930"
	key32 = key20 + "313233343536373839303132"
	key64 = key20 + key20 + key20 + "31323334"
	pin   = "7110eda4d09e062aa5e4a390b0a572ac0d2c0220"
)

// A value of RFC 6287, appendix C, for each kind of input.
func TestVectorsOfTheRFC(t *testing.T) {
	for _, v := range []vector{
		{Suite: "OCRA-1:HOTP-SHA1-6:QN08", KeyHex: key20, Question: "00000000", Expected: "237653"},
		{Suite: "OCRA-1:HOTP-SHA1-6:QN08", KeyHex: key20, Question: "11111111", Expected: "243178"},
		{Suite: "OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1", KeyHex: key32, Question: "12345678", PINHashHex: pin, Expected: "65347737"},
		{Suite: "OCRA-1:HOTP-SHA256-8:QN08-PSHA1", KeyHex: key32, Question: "00000000", PINHashHex: pin, Expected: "83238735"},
		{Suite: "OCRA-1:HOTP-SHA512-8:C-QN08", KeyHex: key64, Question: "00000000", Expected: "07016083"},
		{Suite: "OCRA-1:HOTP-SHA512-8:QN08-T1M", KeyHex: key64, Question: "00000000", UnixTime: 1206446760, Expected: "95209754"},
		{Suite: "OCRA-1:HOTP-SHA256-8:QA08", KeyHex: key32, Question: "CLI22220SRV11110", Expected: "28247970"},
		{Suite: "OCRA-1:HOTP-SHA512-8:QA10-T1M", KeyHex: key64, Question: "SIG1000000", UnixTime: 1206446760, Expected: "77537423"},
	} {
		v.check(t)
	}
}

// All the vectors, where the independent fixtures are at hand. A folder without them is a fault, not a reason to skip.
func TestAllVectorsOfTheRFC(t *testing.T) {
	folder := filepath.Join("..", "..", "shared", "fixtures")
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		t.Logf("no %s: only the vectors of TestVectorsOfTheRFC were checked", folder)
		return
	}
	data, err := os.ReadFile(filepath.Join(folder, "ocra", "rfc6287-ocra.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) != 70 {
		t.Fatalf("%d vectors, want the 70 of appendix C", len(file.Vectors))
	}
	for _, v := range file.Vectors {
		v.check(t)
	}
}

func TestSuitesAndInputsRefused(t *testing.T) {
	for _, name := range []string{
		"", "OCRA-1", "OCRA-2:HOTP-SHA256-8:C-QN08", "OCRA-1:HOTP-SHA256-8", "OCRA-1:HOTP-MD5-8:QN08", "OCRA-1:TOTP-SHA1-6:QN08",
		"OCRA-1:HOTP-SHA256-3:QN08", "OCRA-1:HOTP-SHA256-11:QN08", "OCRA-1:HOTP-SHA256-8:C", "OCRA-1:HOTP-SHA256-8:QX08",
		"OCRA-1:HOTP-SHA256-8:QN03", "OCRA-1:HOTP-SHA256-8:QN65", "OCRA-1:HOTP-SHA256-8:QN08-PMD5", "OCRA-1:HOTP-SHA256-8:QN08-S64",
		"OCRA-1:HOTP-SHA256-8:QN08-T0M", "OCRA-1:HOTP-SHA256-8:QN08-T60S", "OCRA-1:HOTP-SHA256-8:QN08-T1D",
		"OCRA-1:HOTP-SHA256-8:QN08-T1M-PSHA1", "OCRA-1:HOTP-SHA256-8:QN08-PSHA1-PSHA1", "OCRA-1:HOTP-SHA256-8:QN08-T",
		"OCRA-1:HOTP-SHA256-8:QN08-", "OCRA-1:HOTP-SHA256-8:" + strings.Repeat("Q", 80),
	} {
		if _, err := unlock.ParseOCRA(name); !errors.Is(err, unlock.ErrSuite) {
			t.Errorf("suite %q: %v", name, err)
		}
	}
	suite, err := unlock.ParseOCRA("OCRA-1:HOTP-SHA256-8:QH08-S064")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := suite.Response([]byte("key"), unlock.Input{Question: "abcde", Session: make([]byte, 64)}); err != nil {
		t.Error(err)
	}
	for name, in := range map[string]unlock.Input{
		"counter": {Question: "ab", Counter: 1}, "time": {Question: "ab", Time: time.Unix(1, 0)}, "PIN": {Question: "ab", PINHash: []byte{1}},
		"session": {Question: "ab", Session: make([]byte, 65)}, "empty": {}, "long": {Question: strings.Repeat("a", 17)}, "not hex": {Question: "xy"},
	} {
		if _, err := suite.Response([]byte("key"), in); !errors.Is(err, unlock.ErrSuite) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseOCRA(f *testing.F) {
	f.Add(unlock.Suite, "12345678")
	f.Add("OCRA-1:HOTP-SHA512-0:C-QA64-PSHA512-S512-T48H", "abc")
	f.Fuzz(func(t *testing.T, name, question string) {
		suite, err := unlock.ParseOCRA(name)
		if err != nil {
			return
		}
		_, _ = suite.Response([]byte("key"), unlock.Input{Question: question})
	})
}
