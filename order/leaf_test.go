package order_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

var (
	issued  = time.Date(2021, 9, 10, 8, 30, 0, 0, time.UTC)
	thisID  = device.ID{0x4b, 0x1d, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	salt    = sha256.Sum256([]byte("salt"))
	cuba    = order.Ground{Kind: order.Rule, ID: "cuba"}
	hold    = order.Ground{Kind: order.Warrant, ID: "7"}
	day     = 24 * time.Hour
	policy  = sha256.Sum256([]byte("policy"))
	warrant = sha256.Sum256([]byte("warrant"))
)

func notice() order.Leaf {
	return order.Leaf{
		Kind: order.Notice, Ground: cuba, Territory: "CU", Authority: policy,
		IssuedAt: issued, Deadline: issued.Add(14 * day), Commitment: order.Commit(salt, thisID),
	}
}

func lock() order.Leaf {
	l := notice()
	l.Kind, l.IssuedAt = order.Lock, issued.Add(10*day)
	l.EffectAt, l.EndsAt = l.Deadline.Add(2*time.Hour), l.Deadline.Add(365*day)
	return l
}

func holdLock() order.Leaf {
	l := lock()
	l.Ground, l.Territory, l.Authority = hold, territory.Unknown, warrant
	return l
}

func lift() order.Leaf {
	l := notice()
	l.Kind, l.Deadline, l.Cause = order.Lift, time.Time{}, order.ByHuman
	return l
}

func marshal(tb testing.TB, l order.Leaf) []byte {
	tb.Helper()
	data, err := l.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestLeafRoundTrip(t *testing.T) {
	for name, l := range map[string]order.Leaf{"notice": notice(), "lock": lock(), "hold": holdLock(), "lift": lift()} {
		data := marshal(t, l)
		got, err := order.ParseLeaf(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(l, got); diff != "" {
			t.Errorf("%s: what was written is not what was read:\n%s", name, diff)
		}
		if want := order.ID(tlog.RecordHash(data)); order.LeafID(data) != want {
			t.Errorf("%s: the id is not the ledger's leaf hash", name)
		}
		t.Logf("%s: %d bytes", name, len(data))
	}
}

// Any leaf that validates is written, fits its bound, and is read back as it was.
func TestLeafRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLeaf(t)
		data, err := l.Marshal()
		if err != nil {
			t.Fatalf("%+v: %v", l, err)
		}
		got, err := order.ParseLeaf(data)
		if err != nil || got != l {
			t.Fatalf("wrote %+v\nread  %+v, %v", l, got, err)
		}
	})
}

func drawLeaf(t *rapid.T) order.Leaf {
	seconds := rapid.Int64Range(1, 4_000_000_000)
	at := func(name string) time.Time { return time.Unix(seconds.Draw(t, name), 0).UTC() }
	after := func(from time.Time, name string) time.Time {
		return from.Add(time.Duration(rapid.Int64Range(1, 100_000_000).Draw(t, name)) * time.Second)
	}
	l := order.Leaf{
		Kind:     order.Kind(rapid.IntRange(1, 3).Draw(t, "kind")),
		Ground:   order.Ground{Kind: order.Warrant, ID: rapid.StringMatching(`[a-z0-9._-]{1,64}`).Draw(t, "ground")},
		IssuedAt: at("issued"),
	}
	copy(l.Authority[:], rapid.SliceOfN(rapid.ByteRange(1, 255), 32, 32).Draw(t, "authority"))
	copy(l.Commitment[:], rapid.SliceOfN(rapid.ByteRange(1, 255), 32, 32).Draw(t, "commitment"))
	if rapid.Bool().Draw(t, "rule") {
		l.Ground.Kind = order.Rule
		l.Territory = territory.Code(rapid.StringMatching(`[A-Z]{2}(-[A-Z0-9]{1,3})?`).Draw(t, "territory"))
	}
	switch l.Kind {
	case order.Notice:
		l.Deadline = after(l.IssuedAt, "deadline")
	case order.Lock:
		l.Deadline = at("deadline")
		l.EffectAt = after(l.Deadline, "effect")
		l.EndsAt = after(l.EffectAt, "ends")
	case order.Lift:
		l.Cause = order.Cause(rapid.IntRange(1, 5).Draw(t, "cause"))
	}
	return l
}

func TestLeavesThatContradictThemselves(t *testing.T) {
	for name, tc := range map[string]struct {
		leaf   order.Leaf
		change func(*order.Leaf)
	}{
		"no kind":                     {notice(), func(l *order.Leaf) { l.Kind = 0 }},
		"kind 4":                      {notice(), func(l *order.Leaf) { l.Kind = 4 }},
		"no ground kind":              {notice(), func(l *order.Leaf) { l.Ground.Kind = 0 }},
		"ground kind 3":               {notice(), func(l *order.Leaf) { l.Ground.Kind = 3 }},
		"no ground id":                {notice(), func(l *order.Leaf) { l.Ground.ID = "" }},
		"ground id of 65":             {notice(), func(l *order.Leaf) { l.Ground.ID = strings.Repeat("a", 65) }},
		"ground id in capitals":       {notice(), func(l *order.Leaf) { l.Ground.ID = "Cuba" }},
		"ground id with a space":      {notice(), func(l *order.Leaf) { l.Ground.ID = "cu ba" }},
		"ground id with a colon":      {notice(), func(l *order.Leaf) { l.Ground.ID = "rule:cuba" }},
		"ground id in Cyrillic":       {notice(), func(l *order.Leaf) { l.Ground.ID = "сuba" }},
		"rule without territory":      {notice(), func(l *order.Leaf) { l.Territory = "" }},
		"territory in lower case":     {notice(), func(l *order.Leaf) { l.Territory = "cu" }},
		"territory of three":          {notice(), func(l *order.Leaf) { l.Territory = "CUB" }},
		"subdivision of four":         {notice(), func(l *order.Leaf) { l.Territory = "UA-4300" }},
		"empty subdivision":           {notice(), func(l *order.Leaf) { l.Territory = "UA-" }},
		"warrant with territory":      {holdLock(), func(l *order.Leaf) { l.Territory = "CU" }},
		"no authority":                {notice(), func(l *order.Leaf) { l.Authority = [32]byte{} }},
		"no commitment":               {notice(), func(l *order.Leaf) { l.Commitment = [32]byte{} }},
		"never issued":                {notice(), func(l *order.Leaf) { l.IssuedAt = time.Time{} }},
		"issued in 1969":              {lift(), func(l *order.Leaf) { l.IssuedAt = time.Unix(-1, 0) }},
		"issued in 1970, at zero":     {lift(), func(l *order.Leaf) { l.IssuedAt = time.Unix(0, 0) }},
		"issued in 10000":             {lift(), func(l *order.Leaf) { l.IssuedAt = time.Unix(253402300800, 0) }},
		"half a second":               {notice(), func(l *order.Leaf) { l.Deadline = l.Deadline.Add(time.Second / 2) }},
		"notice without deadline":     {notice(), func(l *order.Leaf) { l.Deadline = time.Time{} }},
		"deadline at issue":           {notice(), func(l *order.Leaf) { l.Deadline = l.IssuedAt }},
		"notice with effect":          {notice(), func(l *order.Leaf) { l.EffectAt = l.Deadline }},
		"notice with end":             {notice(), func(l *order.Leaf) { l.EndsAt = l.Deadline }},
		"notice with cause":           {notice(), func(l *order.Leaf) { l.Cause = order.ByRule }},
		"lock without deadline":       {lock(), func(l *order.Leaf) { l.Deadline = time.Time{} }},
		"lock without effect":         {lock(), func(l *order.Leaf) { l.EffectAt = time.Time{} }},
		"lock without end":            {lock(), func(l *order.Leaf) { l.EndsAt = time.Time{} }},
		"lock before its deadline":    {lock(), func(l *order.Leaf) { l.EffectAt = l.Deadline.Add(-time.Second) }},
		"lock that ends as it begins": {lock(), func(l *order.Leaf) { l.EndsAt = l.EffectAt }},
		"lock with cause":             {lock(), func(l *order.Leaf) { l.Cause = order.ByRule }},
		"lift without cause":          {lift(), func(l *order.Leaf) { l.Cause = 0 }},
		"lift with cause 6":           {lift(), func(l *order.Leaf) { l.Cause = 6 }},
		"lift with deadline":          {lift(), func(l *order.Leaf) { l.Deadline = l.IssuedAt }},
		"lift with effect":            {lift(), func(l *order.Leaf) { l.EffectAt = l.IssuedAt }},
		"lift with end":               {lift(), func(l *order.Leaf) { l.EndsAt = l.IssuedAt }},
	} {
		l := tc.leaf
		tc.change(&l)
		if _, err := l.Marshal(); !errors.Is(err, order.ErrInvalid) || order.FaultOf(err) != order.ErrInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The leaf as a map, to encode it in ways that Marshal does not.
func leafMap(tb testing.TB, l order.Leaf) map[int]any {
	tb.Helper()
	m := make(map[int]any)
	if err := cbor.Unmarshal(marshal(tb, l), &m); err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestLeavesThatCannotBeRead(t *testing.T) {
	encoding, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		key   int
		value any // nil: leave the key out
		want  order.Fault
	}{
		"version 2":             {0, 2, order.ErrVersion},
		"no version":            {0, nil, order.ErrMalformed},
		"unknown key":           {12, 1, order.ErrMalformed},
		"kind 256":              {1, 256, order.ErrMalformed},
		"negative kind":         {1, -1, order.ErrMalformed},
		"kind as text":          {1, "lock", order.ErrMalformed},
		"no authority":          {5, nil, order.ErrMalformed},
		"authority of 31 bytes": {5, make([]byte, 31), order.ErrMalformed},
		"authority of 33 bytes": {5, make([]byte, 33), order.ErrMalformed},
		"authority as array":    {5, make([]int, 32), order.ErrMalformed},
		"commitment of none":    {11, []byte{}, order.ErrMalformed},
		"time as float":         {6, 1.6e9, order.ErrMalformed},
		"negative time":         {6, -5, order.ErrMalformed},
		"time in 10000":         {7, 253402300800, order.ErrMalformed},
		"no time, said":         {8, 0, order.ErrMalformed},
		"no territory, said":    {4, "", order.ErrMalformed},
		"null":                  {10, cbor.RawMessage{0xf6}, order.ErrMalformed},
		"ground not allowed":    {3, "CUBA", order.ErrInvalid},
	} {
		m := leafMap(t, notice())
		if m[tc.key] = tc.value; tc.value == nil {
			delete(m, tc.key)
		}
		data, err := encoding.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := order.ParseLeaf(data); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	data := marshal(t, notice())
	for n := range data {
		if _, err := order.ParseLeaf(data[:n]); !errors.Is(err, order.ErrMalformed) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	for name, data := range map[string][]byte{
		"a byte behind the end": append(bytes.Clone(data), 0),
		"oversized":             append(bytes.Clone(data), make([]byte, order.MaxLeaf)...),
		"indefinite map":        append(append([]byte{0xbf}, data[1:]...), 0xff),
		"version twice":         append([]byte{data[0] + 1, 0, 1}, data[1:]...),
	} {
		if _, err := order.ParseLeaf(data); !errors.Is(err, order.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSealed(t *testing.T) {
	s := order.Sealed{Leaf: marshal(t, lock()), Salt: salt, Proof: []byte("c2sp.org/tlog-proof@v1\n")}
	if got, err := s.Open(thisID); err != nil || got != lock() {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := s.Open(device.ID{1}); !errors.Is(err, order.ErrCommitment) {
		t.Errorf("another device opens it: %v", err)
	}
	other := s
	other.Salt[0] ^= 1
	if _, err := other.Open(thisID); !errors.Is(err, order.ErrCommitment) {
		t.Errorf("another salt opens it: %v", err)
	}
	if _, err := (order.Sealed{}).Open(thisID); !errors.Is(err, order.ErrMalformed) {
		t.Errorf("nothing opens: %v", err)
	}
	if s.ID() != order.LeafID(s.Leaf) {
		t.Error("an order has two names")
	}
	data, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := order.ParseSealed(data)
	if diff := cmp.Diff(s, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for name, bad := range map[string][]byte{
		"truncated": data[:len(data)-1], "extended": append(bytes.Clone(data), 0), "oversized": make([]byte, order.MaxSealed+1),
		"two parts": {0x82, 0x41, 1, 0x41, 2}, "empty parts": {0x83, 0x40, 0x40, 0x40}, "indefinite": append(append([]byte{0x9f}, data[1:]...), 0xff),
	} {
		if _, err := order.ParseSealed(bad); !errors.Is(err, order.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, bad := range map[string]order.Sealed{
		"no leaf": {Proof: s.Proof}, "no proof": {Leaf: s.Leaf}, "long leaf": {Leaf: make([]byte, order.MaxLeaf+1), Proof: s.Proof},
		"long proof": {Leaf: s.Leaf, Proof: make([]byte, order.MaxProof+1)},
	} {
		if _, err := bad.Marshal(); !errors.Is(err, order.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The commitment is what docs/protocol.md says: a change would make every ledger unreadable to its devices.
func TestCommitment(t *testing.T) {
	want := sha256.Sum256([]byte("bailiwick/order/commitment/1\x00" + string(salt[:]) + string(thisID[:])))
	if got := order.Commit(salt, thisID); got != want {
		t.Errorf("%x, want %x", got, want)
	}
}
