package tuf_test

import (
	"bytes"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

func marshal(tb testing.TB, t *tuf.Trusted) []byte {
	tb.Helper()
	data, err := t.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// What was written is read again, says the same, and goes on where it was.
func TestRecord(t *testing.T) {
	r := published(tuftest.Options{ECDSA: true})
	for name, trusted := range map[string]*tuf.Trusted{"begun": open(t, r.Root(1)), "updated": trusting(t, r)} {
		data := marshal(t, trusted)
		again, err := tuf.Parse(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(marshal(t, again), data) || again.Versions() != trusted.Versions() {
			t.Errorf("%s: read otherwise than written", name)
		}
		for _, role := range roles() {
			if !again.Expires(role).Equal(trusted.Expires(role)) {
				t.Errorf("%s: %s expires at %v, was %v", name, role, again.Expires(role), trusted.Expires(role))
			}
		}
		if _, _, err := again.Apply(r.Update(again.Versions().Root), date()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if tuf.FaultOf(applied(again, r.Break(tuftest.Usurped, tuf.Root).Update(1))) != tuf.ErrSignatures {
			t.Errorf("%s: another's officers are taken", name)
		}
		for cut := range data {
			if _, err := tuf.Parse(data[:cut]); tuf.FaultOf(err) == "" {
				t.Fatalf("%s: cut to %d bytes: %v", name, cut, err)
			}
		}
	}
	if tuf.FaultOf(applied(trusting(t, r), published(tuftest.Options{}).Update(1))) != tuf.ErrSignatures {
		t.Error("another repository is taken")
	}
}

func applied(t *tuf.Trusted, u tuf.Update) error {
	_, _, err := t.Apply(u, date())
	return err
}

func TestRecordRefused(t *testing.T) {
	r := published(tuftest.Options{})
	type record struct {
		Version  uint64   `cbor:"0,keyasint"`
		Root     []byte   `cbor:"1,keyasint"`
		Versions []uint64 `cbor:"2,keyasint,omitempty"`
		Expires  []int64  `cbor:"3,keyasint,omitempty"`
		Verified []byte   `cbor:"4,keyasint,omitempty"`
	}
	good := record{1, r.Root(2), []uint64{1, 2, 3, 4, 5}, []int64{1, 2, 3, 4, 5}, nil}
	for name, c := range map[string]struct {
		want   tuf.Fault
		change func(*record)
	}{
		"as it is":            {"", func(*record) {}},
		"only begun":          {"", func(r *record) { r.Versions, r.Expires = nil, nil }},
		"another version":     {tuf.ErrMalformed, func(r *record) { r.Version = 2 }},
		"no root":             {tuf.ErrMalformed, func(r *record) { r.Root = nil }},
		"half a root":         {tuf.ErrMalformed, func(r *record) { r.Root = r.Root[:99] }},
		"a root too large":    {tuf.ErrOversized, func(r *record) { r.Root = append(r.Root, bytes.Repeat([]byte(" "), tuf.MaxMetadata)...) }},
		"a role too few":      {tuf.ErrMalformed, func(r *record) { r.Versions = r.Versions[1:] }},
		"no dates":            {tuf.ErrMalformed, func(r *record) { r.Expires = nil }},
		"no versions":         {tuf.ErrMalformed, func(r *record) { r.Versions = nil }},
		"a version of none":   {tuf.ErrMalformed, func(r *record) { r.Versions[2] = 0 }},
		"a version too large": {tuf.ErrMalformed, func(r *record) { r.Versions[2] = 1 << 53 }},
		"with hashes":         {"", func(r *record) { r.Verified = make([]byte, 96) }},
		"a hash too few":      {tuf.ErrMalformed, func(r *record) { r.Verified = make([]byte, 64) }},
		"half a hash more":    {tuf.ErrMalformed, func(r *record) { r.Verified = make([]byte, 112) }},
		"hashes of nothing":   {tuf.ErrMalformed, func(r *record) { r.Versions, r.Expires, r.Verified = nil, nil, make([]byte, 96) }},
		"a date too late":     {tuf.ErrMalformed, func(r *record) { r.Expires[2] = 1 << 40 }},
		"a date too early":    {tuf.ErrMalformed, func(r *record) { r.Expires[2] = -1 << 40 }},
	} {
		changed := good
		changed.Versions, changed.Expires = append([]uint64(nil), good.Versions...), append([]int64(nil), good.Expires...)
		c.change(&changed)
		data, err := dcbor.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tuf.Parse(data); tuf.FaultOf(err) != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := tuf.Parse(make([]byte, 1<<20)); tuf.FaultOf(err) != tuf.ErrOversized {
		t.Errorf("a megabyte: %v", err)
	}
}
