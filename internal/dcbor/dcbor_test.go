package dcbor_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/bailiwick-dev/bailiwick/internal/corpus"
	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
)

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	data, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestCheck(t *testing.T) {
	for name, s := range map[string]string{
		"integers": "850017181818ff1bffffffffffffffff", "negative": "8320390100" + "3bffffffffffffffff", "strings": "8240626869",
		"map": "a4000101022003613104", "booleans": "82f4f5", "empty": "a0", "eight deep": "818181818181818100",
	} {
		if err := dcbor.Check(unhex(t, s)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, s := range map[string]string{
		"nothing": "", "two items": "0000", "cut head": "18", "cut string": "4201", "cut array": "8201", "cut map": "a101",
		"one byte too many": "1817", "two bytes too many": "1900ff", "four too many": "1a0000ffff", "eight too many": "1b00000000ffffffff",
		"long length": "580100", "indefinite bytes": "5f4100ff", "indefinite text": "7f6161ff", "indefinite array": "9f00ff",
		"indefinite map": "bf0000ff", "break": "ff", "reserved": "1c", "tag": "c100", "half": "f90000", "single": "fa00000000",
		"double": "fb0000000000000000", "null": "f6", "undefined": "f7", "simple": "e0", "simple byte": "f820", "false in two": "f814",
		"not UTF-8": "61ff", "duplicate key": "a200000000", "keys out of order": "a201000000", "length first": "a2613100" + "1818" + "00",
		"bytes as key": "a14000", "array as key": "a18000", "boolean as key": "a1f500", "nine deep": "81818181818181818100",
		"huge array": "9bffffffffffffffff", "huge map": "bbffffffffffffffff", "huge bytes": "5bffffffffffffffff",
	} {
		if err := dcbor.Check(unhex(t, s)); !errors.Is(err, dcbor.ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type sample struct {
	N    uint64   `cbor:"1,keyasint"`
	B    []byte   `cbor:"2,keyasint,omitempty"`
	S    string   `cbor:"3,keyasint,omitempty"`
	L    []uint64 `cbor:"-1,keyasint,omitempty"`
	Flag bool     `cbor:"-2,keyasint,omitempty"`
}

func TestUnmarshalIsExact(t *testing.T) {
	var got sample
	if err := dcbor.Unmarshal(unhex(t, "a50105024107036161208101"+"21f5"), &got); err != nil {
		t.Fatal(err)
	}
	if got.N != 5 || got.B[0] != 7 || got.S != "a" || got.L[0] != 1 || !got.Flag {
		t.Errorf("%+v", got)
	}
	for name, s := range map[string]string{
		"an array for bytes": "a2010502810" + "7", "an unknown key": "a2010504" + "00", "an empty string": "a201050360",
		"empty bytes": "a201050240", "an empty list": "a201052080", "false": "a2010521f4", "text for bytes": "a20105026161",
		"bytes for text": "a201050341" + "61", "a missing key": "a0", "negative": "a10120",
	} {
		var v sample
		if err := dcbor.Unmarshal(unhex(t, s), &v); !errors.Is(err, dcbor.ErrEncoding) {
			t.Errorf("%s: %v, %+v", name, err, v)
		}
	}
}

func TestReader(t *testing.T) {
	data := unhex(t, "8905"+"390100"+"4201ff"+"62c3bc"+"f5"+"a10102"+"8100"+"f4"+"3bffffffffffffffff")
	if err := dcbor.Check(data); err != nil {
		t.Fatal(err)
	}
	r := dcbor.NewReader(data)
	if n := r.Array(9); n != 9 {
		t.Fatalf("array of %d", n)
	}
	if r.Uint(5) != 5 || r.Int() != -257 || !bytes.Equal(r.Bytes(2), []byte{1, 255}) || string(r.Text(2)) != "ü" || !r.Bool() {
		t.Error("scalars are read wrongly")
	}
	if r.Map(1) != 1 || r.Int() != 1 || r.Uint(2) != 2 || !bytes.Equal(r.Skip(), []byte{0x81, 0}) || r.Bool() || r.Err() != nil {
		t.Errorf("containers are read wrongly: %v", r.Err())
	}
	if r.Int(); r.Err() == nil {
		t.Error("an integer beyond int64 is accepted")
	}
	for name, read := range map[string]func(*dcbor.Reader){
		"integer too large": func(r *dcbor.Reader) { r.Array(9); r.Uint(4) },
		"array too long":    func(r *dcbor.Reader) { r.Array(8) },
		"map for an array":  func(r *dcbor.Reader) { r.Map(9) },
		"left over":         func(r *dcbor.Reader) { r.Array(9); r.Skip(); r.End() },
		"string too long":   func(r *dcbor.Reader) { r.Array(9); r.Skip(); r.Skip(); r.Bytes(1) },
		"short for fixed":   func(r *dcbor.Reader) { r.Array(9); r.Skip(); r.Skip(); r.Fixed(make([]byte, 3)) },
		"text for bytes":    func(r *dcbor.Reader) { r.Array(9); r.Skip(); r.Skip(); r.Text(9) },
		"past the end":      func(r *dcbor.Reader) { r.Skip(); r.Skip() },
		"no boolean":        func(r *dcbor.Reader) { r.Bool() },
		"rejected":          func(r *dcbor.Reader) { r.Reject("because") },
	} {
		r := dcbor.NewReader(data)
		if read(&r); !errors.Is(r.Err(), dcbor.ErrEncoding) {
			t.Errorf("%s: %v", name, r.Err())
		}
		first := r.Err()
		if r.Uint(math.MaxUint64) != 0 || r.Skip() != nil || r.Err() != first {
			t.Errorf("%s: the reader went on", name)
		}
	}
}

func TestPeek(t *testing.T) {
	got := dcbor.Peek(unhex(t, "a3190108fb4046800000000000"+"01f6"+"616100"))
	if len(got) != 2 || len(got[264]) != 9 {
		t.Errorf("%v", got)
	}
	for _, s := range []string{"", "00", "80", "a1", "ff"} {
		if got := dcbor.Peek(unhex(t, s)); len(got) != 0 {
			t.Errorf("%s: %v", s, got)
		}
	}
}

// Check is written by hand; another library is its judge. What Check accepts decodes there, and encodes again, by
// that library's core deterministic rules, to the same bytes. What it refuses and that library encodes to the same
// bytes lies outside the subset, and is refused for that.
func FuzzCheck(f *testing.F) {
	decoding, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden}.DecMode()
	if err != nil {
		f.Fatal(err)
	}
	encoding, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checked := dcbor.Check(data)
		if checked == nil {
			r := dcbor.NewReader(data)
			if r.Skip(); r.Err() != nil {
				t.Fatalf("Check accepts what Skip does not: %v", r.Err())
			}
		}
		var v any
		if err := decoding.Unmarshal(data, &v); err != nil {
			if checked == nil {
				t.Fatalf("accepted, but: %v", err)
			}
			return
		}
		again, err := encoding.Marshal(v)
		if checked == nil && (err != nil || !bytes.Equal(again, data)) {
			t.Fatalf("accepted %x, which encodes to %x, %v", data, again, err)
		}
	})
}

func TestSeeds(t *testing.T) {
	corpus.CheckNames(t, "FuzzCheck")
	if err := dcbor.Check(corpus.Read(t, "FuzzCheck", "accepted")); err != nil {
		t.Error(err)
	}
	if err := dcbor.Check(corpus.Read(t, "FuzzCheck", "refused")); err == nil {
		t.Error("accepted")
	}
}

// What is appended is what Marshal writes.
func TestAppend(t *testing.T) {
	type two struct {
		_ struct{} `cbor:",toarray"`
		A string
		B []byte
	}
	for _, n := range []uint64{0, 1, 23, 24, 255, 256, 65535, 65536, 1<<32 - 1, 1 << 32, 1<<64 - 1} {
		want, err := dcbor.Marshal(n)
		if got := dcbor.AppendUint([]byte{9}, n); err != nil || !bytes.Equal(got[1:], want) || got[0] != 9 {
			t.Errorf("%d: %x, want %x, %v", n, got, want, err)
		}
	}
	for _, n := range []int{0, 1, 23, 24, 255, 256, 70000} {
		s := strings.Repeat("x", n)
		want, err := dcbor.Marshal(two{A: s, B: []byte(s)})
		if got := dcbor.AppendBytes(dcbor.AppendText(dcbor.AppendArray(nil, 2), s), []byte(s)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("strings of %d are written otherwise, %v", n, err)
		}
	}
	want, err := dcbor.Marshal(struct {
		A uint64 `cbor:"1,keyasint"`
		B uint64 `cbor:"2,keyasint"`
	}{7, 8})
	if got := dcbor.AppendUint(dcbor.AppendUint(dcbor.AppendUint(dcbor.AppendUint(dcbor.AppendMap(nil, 2), 1), 7), 2), 8); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, want %x, %v", got, want, err)
	}
}
