package evidence_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/veraison/go-cose"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

func sign(tb testing.TB, c evidence.Claims) evidence.Token {
	tb.Helper()
	token, err := evidence.Sign(&c, esKey(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// claimsMap returns the claims set of a token as a map to change.
func claimsMap(tb testing.TB, token evidence.Token) map[any]any {
	tb.Helper()
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(token); err != nil {
		tb.Fatal(err)
	}
	decoding, err := cbor.DecOptions{IntDec: cbor.IntDecConvertSignedOrFail}.DecMode()
	if err != nil {
		tb.Fatal(err)
	}
	claims := make(map[any]any)
	if err := decoding.Unmarshal(m.Payload, &claims); err != nil {
		tb.Fatal(err)
	}
	return claims
}

func encode(tb testing.TB, v any) []byte {
	tb.Helper()
	encoding, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		tb.Fatal(err)
	}
	data, err := encoding.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// signRaw signs any payload under any headers with the device's own key, as an attacker on the device could.
func signRaw(tb testing.TB, payload []byte, headers cose.Headers) evidence.Token {
	tb.Helper()
	signer, err := cose.NewSigner(cose.AlgorithmES256, esKey(tb))
	if err != nil {
		tb.Fatal(err)
	}
	if headers.Protected == nil {
		headers.Protected = cose.ProtectedHeader{cose.HeaderLabelAlgorithm: cose.AlgorithmES256}
	}
	token, err := cose.Sign1(rand.Reader, signer, headers, payload, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func parseAndVerify(token evidence.Token, key crypto.PublicKey) (*evidence.Claims, error) {
	u, err := evidence.Parse(token)
	if err != nil {
		return nil, err
	}
	return u.Verify(key)
}

func TestTruncatedExtendedOversized(t *testing.T) {
	token := sign(t, usualClaims())
	for n := range token {
		if _, err := evidence.Parse(token[:n]); !errors.Is(err, evidence.ErrMalformed) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
	if _, err := evidence.Parse(append(bytes.Clone(token), 0)); !errors.Is(err, evidence.ErrMalformed) {
		t.Errorf("a byte behind the end: %v", err)
	}
	if _, err := evidence.Parse(make(evidence.Token, evidence.MaxToken+1)); !errors.Is(err, evidence.ErrOversized) {
		t.Errorf("oversized: %v", err)
	}
}

// Whichever bit of a token is changed, no claims come out of it.
func TestEveryBitIsSigned(t *testing.T) {
	token := sign(t, usualClaims())
	for at := range token {
		for bit := range 8 {
			changed := bytes.Clone(token)
			changed[at] ^= 1 << bit
			if c, err := parseAndVerify(changed, esKey(t).Public()); err == nil {
				t.Fatalf("byte %d, bit %d: accepted with %+v", at, bit, c)
			}
		}
	}
}

func TestWrongKeyResignedReplaced(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	token := sign(t, usualClaims())
	c := usualClaims()
	resigned, err := evidence.Sign(&c, other)
	if err != nil {
		t.Fatal(err)
	}
	c.Sequence++
	spliced := sign(t, c)
	copy(spliced[len(spliced)-64:], token[len(token)-64:])
	for name, tc := range map[string]struct {
		token evidence.Token
		key   crypto.PublicKey
		want  error
	}{
		"wrong key":                  {token, other.Public(), evidence.ErrSignature},
		"key of the other kind":      {token, edKey(t).Public(), evidence.ErrSignature},
		"key on another curve":       {token, p384.Public(), evidence.ErrAlgorithm},
		"no key":                     {token, nil, evidence.ErrAlgorithm},
		"short Ed25519 key":          {token, ed25519.PublicKey{1}, evidence.ErrAlgorithm},
		"signed again by another":    {resigned, esKey(t).Public(), evidence.ErrSignature},
		"signature of another token": {spliced, esKey(t).Public(), evidence.ErrSignature},
	} {
		if _, err := parseAndVerify(tc.token, tc.key); !errors.Is(err, tc.want) || evidence.FaultOf(err) != tc.want {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	if _, err := evidence.Sign(&c, p384); !errors.Is(err, evidence.ErrAlgorithm) {
		t.Errorf("signing on another curve: %v", err)
	}
}

// An ES256 signature (r, s) has a twin (r, n-s) that anyone can make. The claims are the same, so it does no harm as
// long as nobody takes the token's bytes for its identity.
func TestTheOtherSignatureSaysTheSame(t *testing.T) {
	token := sign(t, usualClaims())
	twin := bytes.Clone(token)
	s := twin[len(twin)-32:]
	new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(s)).FillBytes(s)
	want, err := parseAndVerify(token, esKey(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseAndVerify(twin, esKey(t).Public())
	if err != nil || bytes.Equal(token, twin) {
		t.Fatalf("%v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHeaders(t *testing.T) {
	payload := encode(t, claimsMap(t, sign(t, usualClaims())))
	protect := func(more map[any]any) cose.Headers {
		h := cose.ProtectedHeader{cose.HeaderLabelAlgorithm: cose.AlgorithmES256}
		for k, v := range more {
			h[k] = v
		}
		return cose.Headers{Protected: h}
	}
	for name, tc := range map[string]struct {
		headers cose.Headers
		want    error
	}{
		"plain":                  {cose.Headers{}, nil},
		"unknown, not critical":  {protect(map[any]any{int64(-70000): "x", "y": int64(1)}), nil},
		"alg critical":           {protect(map[any]any{int64(2): []any{int64(1)}}), nil},
		"unknown, critical":      {protect(map[any]any{int64(2): []any{int64(-70000)}, int64(-70000): "x"}), evidence.ErrCritical},
		"text label, critical":   {protect(map[any]any{int64(2): []any{"y"}, "y": int64(1)}), evidence.ErrCritical},
		"x5chain critical":       {protect(map[any]any{int64(2): []any{int64(33)}, int64(33): []byte{1}}), evidence.ErrCritical},
		"unprotected parameters": {cose.Headers{Unprotected: cose.UnprotectedHeader{int64(4): []byte("kid")}}, evidence.ErrMalformed},
	} {
		_, err := parseAndVerify(signRaw(t, payload, tc.headers), esKey(t).Public())
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

// Envelopes that go-cose would not write, by hand; their signatures do not matter, for they are refused before.
func TestEnvelopes(t *testing.T) {
	payload := encode(t, claimsMap(t, sign(t, usualClaims())))
	envelope := func(start, protected, unprotected string) evidence.Token {
		token := unhex(t, start+protected+unprotected)
		token = append(token, encode(t, payload)...)
		return append(token, encode(t, make([]byte, 64))...)
	}
	for name, tc := range map[string]struct {
		token evidence.Token
		want  error
	}{
		"as it should be":        {envelope("d284", "43a10126", "a0"), nil},
		"tag 61 outside":         {envelope("d83dd284", "43a10126", "a0"), evidence.ErrMalformed},
		"no tag":                 {envelope("84", "43a10126", "a0"), evidence.ErrMalformed},
		"tag 98":                 {envelope("d86284", "43a10126", "a0"), evidence.ErrMalformed},
		"five parts":             {append(envelope("d285", "43a10126", "a0"), 0), evidence.ErrMalformed},
		"indefinite array":       {append(envelope("d29f", "43a10126", "a0"), 0xff), evidence.ErrMalformed},
		"ES384":                  {envelope("d284", "44a1013822", "a0"), evidence.ErrAlgorithm},
		"ESP256 (-9)":            {envelope("d284", "43a10128", "a0"), evidence.ErrAlgorithm},
		"PS256":                  {envelope("d284", "44a1013824", "a0"), evidence.ErrAlgorithm},
		"HMAC":                   {envelope("d284", "43a10105", "a0"), evidence.ErrAlgorithm},
		"alg as text":            {envelope("d284", "48a101654553323536", "a0"), evidence.ErrAlgorithm},
		"no alg":                 {envelope("d284", "41a0", "a0"), evidence.ErrAlgorithm},
		"no header":              {envelope("d284", "40", "a0"), evidence.ErrMalformed},
		"alg not protected":      {envelope("d284", "41a0", "a10126"), evidence.ErrMalformed},
		"header is no map":       {envelope("d284", "4101", "a0"), evidence.ErrMalformed},
		"header is no bytes":     {envelope("d284", "a10126", "a0"), evidence.ErrMalformed},
		"duplicate label":        {envelope("d284", "45a201260126", "a0"), evidence.ErrMalformed},
		"labels out of order":    {envelope("d284", "46a2044101 0126", "a0"), evidence.ErrMalformed},
		"indefinite header":      {envelope("d284", "45bf0126ff"+"", "a0"), evidence.ErrMalformed},
		"empty crit":             {envelope("d284", "45a201260280", "a0"), evidence.ErrMalformed},
		"crit without its label": {envelope("d284", "47a2012602811821", "a0"), evidence.ErrCritical},
		"crit is no array":       {envelope("d284", "45a201260201", "a0"), evidence.ErrMalformed},
	} {
		if _, err := evidence.Parse(tc.token); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	short := envelope("d284", "43a10126", "a0")
	short = append(short[:len(short)-66], encode(t, make([]byte, 63))...)
	if _, err := evidence.Parse(short); !errors.Is(err, evidence.ErrMalformed) {
		t.Errorf("a signature of 63 bytes: %v", err)
	}
	detached := append(unhex(t, "d28443a10126a0f6"), encode(t, make([]byte, 64))...)
	if _, err := evidence.Parse(detached); !errors.Is(err, evidence.ErrMalformed) {
		t.Errorf("detached payload: %v", err)
	}
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	data, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// Claims sets that are encoded in another way than the one.
func TestEncodings(t *testing.T) {
	good := encode(t, claimsMap(t, sign(t, usualClaims())))
	if _, err := parseAndVerify(signRaw(t, good, cose.Headers{}), esKey(t).Public()); err != nil {
		t.Fatal(err)
	}
	iat := good[:1+1+5] // map head, key 6, 1a and four bytes
	rest := good[len(iat):]
	for name, payload := range map[string][]byte{
		"indefinite map":        append(append([]byte{0xbf}, good[1:]...), 0xff),
		"duplicate key":         append(append([]byte{good[0] + 1}, iat[1:]...), append(bytes.Clone(iat[1:]), rest...)...),
		"keys out of order":     append([]byte{good[0]}, append(bytes.Clone(rest), iat[1:]...)...),
		"time in eight bytes":   append(append([]byte{good[0], 0x06, 0x1b, 0, 0, 0, 0}, iat[3:]...), rest...),
		"key in two bytes":      append(append([]byte{good[0], 0x18}, iat[1:]...), rest...),
		"time as a float":       append([]byte{good[0], 0x06, 0xfa, 0x4f, 0, 0, 0}, rest...),
		"time as null":          append([]byte{good[0], 0x06, 0xf6}, rest...),
		"time with a tag":       append(append([]byte{good[0], 0x06, 0xc1}, iat[2:]...), rest...),
		"an array, not a map":   {0x80},
		"empty":                 {},
		"nested beyond measure": bytes.Repeat([]byte{0x81}, 1000),
		"promises too much":     {0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if _, err := evidence.Parse(signRaw(t, payload, cose.Headers{})); !errors.Is(err, evidence.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Claims that are missing, unknown, empty or of another type. The keys are those of docs/protocol.md.
func TestClaimsSets(t *testing.T) {
	const absent = "absent"
	for name, tc := range map[string]struct {
		label any
		value any
		want  error
	}{
		"location":                   {int64(264), map[int]float64{1: 44.95, 2: 34.1}, evidence.ErrLocation},
		"location, empty":            {int64(264), map[int]any{}, evidence.ErrLocation},
		"another profile":            {int64(265), "urn:uuid:00000000-0000-0000-0000-000000000000", evidence.ErrProfile},
		"profile as bytes":           {int64(265), []byte{1}, evidence.ErrProfile},
		"no profile":                 {int64(265), absent, evidence.ErrProfile},
		"unknown private claim":      {int64(-65546), int64(1), evidence.ErrClaim},
		"registered claim, not ours": {int64(1), "issuer", evidence.ErrClaim},
		"text claim":                 {"latitude", int64(44), evidence.ErrClaim},
		"no iat":                     {int64(6), absent, evidence.ErrMalformed},
		"no nonce":                   {int64(10), absent, evidence.ErrMalformed},
		"no ueid":                    {int64(256), absent, evidence.ErrMalformed},
		"no swname":                  {int64(270), absent, evidence.ErrMalformed},
		"no swversion":               {int64(271), absent, evidence.ErrMalformed},
		"no sequence":                {int64(-65537), absent, evidence.ErrMalformed},
		"no boot state":              {int64(-65538), absent, evidence.ErrMalformed},
		"no policy hash":             {int64(-65539), absent, evidence.ErrMalformed},
		"nonce as text":              {int64(10), "epoch-2021-09-10", evidence.ErrMalformed},
		"nonce as array":             {int64(10), []any{[]byte("epoch-20"), []byte("21-09-10")}, evidence.ErrMalformed},
		"nonce too short":            {int64(10), []byte("1234567"), evidence.ErrInvalid},
		"nonce too long":             {int64(10), make([]byte, 65), evidence.ErrInvalid},
		"ueid of another type":       {int64(256), append([]byte{2}, make([]byte, 16)...), evidence.ErrMalformed},
		"ueid too long":              {int64(256), append([]byte{1}, make([]byte, 32)...), evidence.ErrMalformed},
		"ueid of zeros":              {int64(256), append([]byte{1}, make([]byte, 16)...), evidence.ErrInvalid},
		"oemboot false":              {int64(262), false, evidence.ErrMalformed},
		"oemboot absent":             {int64(262), absent, evidence.ErrInvalid},
		"dbgstat while verified":     {int64(263), uint64(0), evidence.ErrInvalid},
		"dbgstat disabled":           {int64(263), uint64(1), evidence.ErrMalformed},
		"another swname":             {int64(270), "other", evidence.ErrMalformed},
		"swversion with scheme":      {int64(271), []any{"1", int64(1)}, evidence.ErrMalformed},
		"sequence zero":              {int64(-65537), uint64(0), evidence.ErrInvalid},
		"sequence negative":          {int64(-65537), int64(-1), evidence.ErrMalformed},
		"boot state 4":               {int64(-65538), uint64(4), evidence.ErrInvalid},
		"boot state 256":             {int64(-65538), uint64(256), evidence.ErrMalformed},
		"short policy hash":          {int64(-65539), make([]byte, 31), evidence.ErrMalformed},
		"policy hash as an array":    {int64(-65539), make([]int, 32), evidence.ErrMalformed},
		"no days, said":              {int64(-65540), []any{}, evidence.ErrMalformed},
		"91 days":                    {int64(-65540), make([]any, 91), evidence.ErrMalformed}, // of nulls
		"day with a place":           {int64(-65540), []any{[]any{1, "CU", 90, 1, 0, 44}}, evidence.ErrMalformed},
		"day without a kind":         {int64(-65540), []any{[]any{1, "CU", 90, 1}}, evidence.ErrMalformed},
		"activation null":            {int64(-65541), nil, evidence.ErrMalformed},
		"ground without a stage":     {int64(-65542), []any{map[int]any{1: 1, 2: "cuba"}}, evidence.ErrMalformed},
		"ground with a tenth key":    {int64(-65542), []any{map[int]any{1: 1, 2: "cuba", 3: 1, 10: 1}}, evidence.ErrMalformed},
		"ground with a zero":         {int64(-65542), []any{map[int]any{1: 1, 2: "cuba", 3: 1, 6: 0}}, evidence.ErrMalformed},
		"refusal with a short id":    {int64(-65543), []any{[]any{make([]byte, 31), "late"}}, evidence.ErrMalformed},
		"clock doubt false":          {int64(-65544), false, evidence.ErrMalformed},
		"metadata of version zero":   {int64(-65545), []any{0, 0}, evidence.ErrMalformed},
		"metadata of one version":    {int64(-65545), []any{1}, evidence.ErrMalformed},
		"metadata of three versions": {int64(-65545), []any{1, 1, 1}, evidence.ErrMalformed},
		"metadata with a text":       {int64(-65545), []any{1, "1"}, evidence.ErrMalformed},
		"metadata without timestamp": {int64(-65545), []any{1, 0}, evidence.ErrInvalid},
	} {
		claims := claimsMap(t, sign(t, usualClaims()))
		if tc.value == absent {
			delete(claims, tc.label)
		} else {
			claims[tc.label] = tc.value
		}
		if _, err := evidence.Parse(signRaw(t, encode(t, claims), cose.Headers{})); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func TestTooMuchOfAList(t *testing.T) {
	days := make([]any, evidence.MaxDays+1)
	for i := range days {
		days[i] = []any{i, "CU", 90, 1, 0}
	}
	claims := claimsMap(t, sign(t, usualClaims()))
	claims[int64(-65540)] = days
	if _, err := evidence.Parse(signRaw(t, encode(t, claims), cose.Headers{})); !errors.Is(err, evidence.ErrInvalid) {
		t.Errorf("%d days: %v", len(days), err)
	}
}

// Sign refuses what Parse would.
func TestSignRefuses(t *testing.T) {
	signals := territory.Kinds(0).With(territory.GNSS)
	lifted := evidence.GroundState{Ground: order.Ground{Kind: order.Rule, ID: "cuba"}, Stage: order.Lifted, Cause: order.ByHuman}
	for name, change := range map[string]func(*evidence.Claims){
		"no device":            func(c *evidence.Claims) { c.Device = device.ID{} },
		"sequence zero":        func(c *evidence.Claims) { c.Sequence = 0 },
		"no epoch":             func(c *evidence.Claims) { c.Epoch = nil },
		"half a second":        func(c *evidence.Claims) { c.IssuedAt = c.IssuedAt.Add(time.Second / 2) },
		"timestamp, no root":   func(c *evidence.Claims) { c.Metadata.Root = 0 },
		"root, no timestamp":   func(c *evidence.Claims) { c.Metadata.Timestamp = 0 },
		"year 10000":           func(c *evidence.Claims) { c.IssuedAt = time.Unix(253402300800, 0) },
		"boot state 4":         func(c *evidence.Claims) { c.Boot = 4 },
		"version with a tab":   func(c *evidence.Claims) { c.Software = "1\t2" },
		"version of 65":        func(c *evidence.Claims) { c.Software = string(make([]byte, 65)) },
		"version not UTF-8":    func(c *evidence.Claims) { c.Software = "\xff" },
		"days out of order":    func(c *evidence.Claims) { c.Days[0].Day, c.Days[1].Day = c.Days[1].Day, c.Days[0].Day },
		"a day twice":          func(c *evidence.Claims) { c.Days[0].Day = c.Days[1].Day },
		"a day before 1970":    func(c *evidence.Claims) { c.Days[0].Day = -1 },
		"territory in lower":   func(c *evidence.Claims) { c.Days[0].Territory = "cu" },
		"100 per cent":         func(c *evidence.Claims) { c.Days[0].Percent = 100 },
		"unknown kind":         func(c *evidence.Claims) { c.Days[0].Agree = signals | 1<<7 },
		"activation nowhere":   func(c *evidence.Claims) { c.Activation.Territory = "" },
		"activation before":    func(c *evidence.Claims) { c.Activation.Day = -1 },
		"ground of no kind":    func(c *evidence.Claims) { c.Grounds[0].Ground.Kind = 0 },
		"ground with capitals": func(c *evidence.Claims) { c.Grounds[0].Ground.ID = "Cuba" },
		"stage 4":              func(c *evidence.Claims) { c.Grounds[0].Stage = 4 },
		"lifted without cause": func(c *evidence.Claims) { c.Grounds[0].Stage = order.Lifted },
		"noticed with a cause": func(c *evidence.Claims) { c.Grounds[0].Cause = order.ByRule },
		"ground twice":         func(c *evidence.Claims) { c.Grounds = append(c.Grounds, lifted) },
		"deadline before 1970": func(c *evidence.Claims) { c.Grounds[0].Deadline = time.Unix(-1, 0) },
		"reason with a space":  func(c *evidence.Claims) { c.Refusals = []evidence.Refusal{{Reason: "too late"}} },
		"reason of 41": func(c *evidence.Claims) {
			c.Refusals = []evidence.Refusal{{Reason: string(bytes.Repeat([]byte{'a'}, 41))}}
		},
		"no reason":         func(c *evidence.Claims) { c.Refusals = make([]evidence.Refusal, 1) },
		"17 grounds":        func(c *evidence.Claims) { c.Grounds = make([]evidence.GroundState, 17) },
		"first seen before": func(c *evidence.Claims) { c.Grounds[0].FirstSeen = -1 },
	} {
		c := usualClaims()
		change(&c)
		if _, err := evidence.Sign(&c, esKey(t)); !errors.Is(err, evidence.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
