package record

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/territory"
)

func drawTime(t *rapid.T, what string) time.Time {
	if rapid.Bool().Draw(t, "no "+what) {
		return time.Time{}
	}
	return time.UnixMicro(rapid.Int64Range(-62_135_596_799_999_999, 253_402_300_799_999_999).Draw(t, what)).UTC()
}

func keyOf(t testing.TB, public any) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func someKeys(t testing.TB) [][]byte {
	keys := [][]byte{nil, {1}, bytes.Repeat([]byte{7}, 300)}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, keyOf(t, &k.PublicKey))
	}
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return append(keys, keyOf(t, public), slices.Clip(keyOf(t, public))[:43])
}

func drawDevice(t *rapid.T, keys [][]byte) (*authority.Device, Numbers) {
	number := rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64())
	d := &authority.Device{
		Serial: rapid.SampledFrom([]string{"", "R58M123ABCD", "n° 7"}).Draw(t, "serial"), Key: slices.Clone(rapid.SampledFrom(keys).Draw(t, "key")),
		Attestation: policy.Attestation(rapid.IntRange(0, 3).Draw(t, "attestation")), KeyCeiling: policy.Attestation(rapid.IntRange(0, 3).Draw(t, "ceiling")),
		Boot: evidence.Boot(rapid.IntRange(0, 3).Draw(t, "boot")), Software: rapid.SampledFrom([]string{"", "1.0.0"}).Draw(t, "software"),
		Sequence: number.Draw(t, "sequence"), Unlocks: number.Draw(t, "unlocks"), ClockDoubt: rapid.Bool().Draw(t, "doubt"),
		EnrolledAt: drawTime(t, "enrolled"), LastSeen: drawTime(t, "seen"), DecidedAt: drawTime(t, "decided"),
	}
	codes := rapid.SampledFrom([]territory.Code{"", "CU", "UA-43"})
	day := rapid.Int32Range(-100_000, 100_000).Draw(t, "first day")
	for range rapid.IntRange(0, evidence.MaxDays).Draw(t, "days") {
		d.Days = append(d.Days, territory.DayRecord{Day: territory.Day(day), Territory: codes.Draw(t, "territory"), Percent: 97, Agree: 3})
		day += rapid.SampledFrom([]int32{1, 1, 1, 2, 40}).Draw(t, "step")
	}
	if rapid.Bool().Draw(t, "activated") {
		d.Activation = &territory.Activation{Territory: codes.Draw(t, "activation"), Mixed: rapid.Bool().Draw(t, "mixed"),
			Day: territory.Day(rapid.Int32().Draw(t, "activation day"))}
	}
	return d, Numbers{number.Draw(t, "model"), number.Draw(t, "finding")}
}

func TestRecordsComeBack(t *testing.T) {
	keys := someKeys(t)
	var reused authority.Device
	rapid.Check(t, func(t *rapid.T) {
		d, n := drawDevice(t, keys)
		for _, write := range []func([]byte, *authority.Device, Numbers) ([]byte, error){Append, AppendSmall} {
			b, err := write(nil, d, n)
			if err != nil {
				t.Fatal(err)
			}
			for _, back := range []*authority.Device{{}, &reused, &reused} {
				numbers, err := Unpack(b, back)
				if err != nil || numbers != n {
					t.Fatalf("%x: %v, %v", b, numbers, err)
				}
				if differ := cmp.Diff(d, back, cmpopts.EquateEmpty()); differ != "" {
					t.Fatal(differ)
				}
			}
		}
	})
}

func TestSmallKeys(t *testing.T) {
	key := someKeys(t)[3]
	long, err1 := Pack(&authority.Device{Key: key}, Numbers{})
	small, err2 := AppendSmall(nil, &authority.Device{Key: key}, Numbers{})
	if err1 != nil || err2 != nil || len(long)-len(small) != 31 {
		t.Errorf("%d and %d bytes, %v, %v", len(long), len(small), err1, err2)
	}
	off := bytes.Clone(key)
	off[90] ^= 2 // a point that is not on the curve
	b, err := AppendSmall(nil, &authority.Device{Key: off}, Numbers{})
	var d authority.Device
	if _, e := Unpack(b, &d); err != nil || e != nil || !bytes.Equal(d.Key, off) {
		t.Errorf("%x: %v, %v", d.Key, err, e)
	}
	for i := byte(0); ; i++ { // half of all numbers are on no point
		small[len(small)-1] ^= i
		if _, err := Unpack(small, &d); errors.Is(err, ErrRecord) {
			break
		}
		if i == 100 {
			t.Fatal("any number is on a point")
		}
	}
}

func TestWhatCannotBeKept(t *testing.T) {
	for name, d := range map[string]*authority.Device{
		"appraisal": {Attestation: 4}, "ceiling": {KeyCeiling: 4}, "boot": {Boot: 4}, "serial": {Serial: strings.Repeat("x", MaxText+1)},
		"software": {Software: strings.Repeat("x", MaxText+1)}, "key": {Key: make([]byte, MaxKey+1)}, "time": {LastSeen: time.Unix(math.MaxInt64/2, 0)},
		"activation": {Activation: &territory.Activation{Territory: "cuba"}}, "days": {Days: []territory.DayRecord{{Day: 2}, {Day: 1}}},
		"nearly no time": {EnrolledAt: time.Time{}.Add(1)},
	} {
		if b, err := Append([]byte("before"), d, Numbers{}); err == nil || string(b) != "before" {
			t.Errorf("%s: %q %v", name, b, err)
		}
	}
}

// plain is a record that the following break in one place each.
func plain() []byte {
	return []byte{1, 0x15, 0x28, 5, 1, 2, 4, 8, 2, 'C', 'U', 1, 'S', 1, '1', 1, 9}
}

func TestRecordsHaveOneEncoding(t *testing.T) {
	var d authority.Device
	if n, err := Unpack(plain(), &d); err != nil || n != (Numbers{1, 2}) || d.Activation.Territory != "CU" || d.Key[0] != 9 {
		t.Fatalf("%+v %v %v", d, n, err)
	}
	p256 := append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 91}, someKeys(t)[3]...)
	for name, b := range map[string][]byte{
		"nothing":                        {},
		"another version":                append([]byte{2}, plain()[1:]...),
		"cut off":                        plain()[:14],
		"a key cut off":                  plain()[:16],
		"a long number":                  {1, 0, 0, 0x80, 0, 0, 0, 0, 0, 0},
		"a number of 65 bits":            {1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0},
		"no unlocks, counted":            {1, 0, 0x40, 0, 0, 0, 0, 0, 0, 0},
		"mixed, yet not activated":       {1, 0x80, 0, 0, 0, 0, 0, 0, 0},
		"here, yet not activated":        {1, 0, 0x80, 0, 0, 0, 0, 0, 0},
		"activated here, spelled out":    {1, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0},
		"activated in lower case":        {1, 0, 0x20, 0, 0, 0, 0, 2, 'c', 'u', 0, 0, 0},
		"activated beyond the last day":  {1, 0, 0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x1f, 2, 'C', 'U', 0, 0, 0},
		"enrolled at the zero time":      append(append([]byte{1, 0, 4, 0, 0, 0}, zeroTime()...), 0, 0, 0),
		"a key that is there twice over": p256,
		"a kind of key that is none":     {1, 0, 3, 0, 0, 0, 0, 0, 0},
		"a short P-256 key":              append([]byte{1, 0, 1, 0, 0, 0, 0, 0}, make([]byte, 63)...),
		"days with bytes left over":      append(plain(), 1),
		"days in the longer encoding":    append(plain(), 1, 0x20, 2, 0, 9, 0x80, 8, 0x80, 9, 0x80, 8, 0x80, 9, 0x80, 8, 0x80, 9, 0x80, 8),
	} {
		if n, err := Unpack(b, &d); err == nil {
			t.Errorf("%s: read as %+v %v", name, d, n)
		}
	}
}

func zeroTime() []byte { return appendMoment(nil, time.Time{}, epoch) }

func FuzzRecord(f *testing.F) {
	f.Add(plain())
	keys := someKeys(f)
	for i, key := range keys {
		d := &authority.Device{Key: key, Serial: "S", EnrolledAt: time.UnixMicro(1_790_000_000_000_000), Unlocks: uint64(i), Days: []territory.DayRecord{{Day: 20_700, Territory: "CU"}}}
		d.LastSeen, d.DecidedAt = d.EnrolledAt.Add(time.Hour), d.EnrolledAt.Add(time.Minute)
		d.Activation = &territory.Activation{Territory: "CU", Day: 20_705}
		b, err := Pack(d, Numbers{3, 300})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		if b, err = AppendSmall(nil, d, Numbers{3, 300}); err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d authority.Device
		n, err := Unpack(b, &d)
		if err != nil {
			return
		}
		write := Append
		if b[2]&kindOfKey == p256Small {
			write = AppendSmall
		}
		back, err := write(nil, &d, n)
		if err != nil || !bytes.Equal(back, b) {
			t.Fatalf("%x was read as %+v and written as %x (%v)", b, d, back, err)
		}
	})
}

func TestFindings(t *testing.T) {
	zero := Finding{}
	full := Finding{policy.Deny, "cuba", []policy.Reason{{Code: policy.ActivatedInProhibited, Text: "Activated in “Cuba”."}, {}}, [32]byte{5}, []string{"relief-2026", ""}}
	if !zero.IsZero() || full.IsZero() {
		t.Error("zero")
	}
	for _, f := range []Finding{zero, full} {
		b, err := f.Pack()
		if err != nil {
			t.Fatal(err)
		}
		back, err := UnpackFinding(b)
		if err != nil || cmp.Diff(f, back, cmpopts.EquateEmpty()) != "" {
			t.Errorf("%+v %v", back, err)
		}
		var d authority.Device
		f.Put(&d)
		again := FindingOf(&d)
		if b2, err := again.Pack(); err != nil || !bytes.Equal(b, b2) {
			t.Errorf("%x %x %v", b, b2, err)
		}
	}
	for name, f := range map[string]Finding{
		"verdict": {Verdict: 3}, "reasons": {Reasons: make([]policy.Reason, MaxReasons+1)}, "licences": {Licences: make([]string, MaxLicences+1)},
		"size": {Rule: strings.Repeat("x", MaxSize)},
	} {
		if _, err := f.Pack(); err == nil {
			t.Errorf("%s: was written", name)
		}
	}
}

func FuzzFinding(f *testing.F) {
	for _, finding := range []Finding{{}, {policy.Deny, "cuba", []policy.Reason{{Code: policy.ActivatedInProhibited, Text: "Text."}}, [32]byte{5}, []string{"a"}}} {
		b, err := finding.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		finding, err := UnpackFinding(b)
		if err != nil {
			return
		}
		if back, err := finding.Pack(); err != nil || !bytes.Equal(back, b) {
			t.Fatalf("%x was read as %+v and written as %x (%v)", b, finding, back, err)
		}
	})
}

func TestNumbersHaveTheOrderOfIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := device.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "a")), device.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "b"))
		back, err := ID(Number(a), Rest(a))
		if err != nil || back != a {
			t.Fatalf("%v comes back as %v, %v", a, back, err)
		}
		if order := bytes.Compare(a[:8], b[:8]); order < 0 != (Number(a) < Number(b)) {
			t.Fatalf("%v and %v have numbers %d and %d", a, b, Number(a), Number(b))
		}
	})
	if _, err := ID(1, make([]byte, 7)); err == nil {
		t.Error("a rest of 7 bytes")
	}
}

func TestIMEINumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringMatching(`[0-9]{14}`).Draw(t, "body")
		imei := device.IMEI(body + string(device.CheckDigit(body)))
		n, err := IMEINumber(imei)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := IMEI(n); err != nil || back != imei {
			t.Fatalf("%s comes back as %s, %v", imei, back, err)
		}
	})
	for _, bad := range []device.IMEI{"", "49015420323751", "490154203237517", "49015420323751x", "4901542032x7518"} {
		if n, err := IMEINumber(bad); err == nil {
			t.Errorf("%q has number %d", bad, n)
		}
	}
	for _, bad := range []int64{-1, 100_000_000_000_000} {
		if imei, err := IMEI(bad); err == nil {
			t.Errorf("%d is %s", bad, imei)
		}
	}
}
