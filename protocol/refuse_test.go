package protocol_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// message is one kind of message, to try the same mistakes on all of them.
type message struct {
	name  string
	data  []byte
	parse func([]byte) error
	most  int
}

func messages(tb testing.TB) []message {
	tb.Helper()
	must := func(data []byte, err error) []byte {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return data
	}
	return []message{
		{"EpochAnswer", must(protocol.EpochAnswer{Epoch: []byte("12345678"), Time: now}.Marshal()), func(b []byte) error {
			_, err := protocol.ParseEpochAnswer(b)
			return err
		}, protocol.MaxEpochAnswer},
		{"EnrolAnswer", must(enrolAnswer().Marshal()), func(b []byte) error {
			_, err := protocol.ParseEnrolAnswer(b)
			return err
		}, protocol.MaxAnswer},
		{"CheckInAnswer", must(checkInAnswer().Marshal()), func(b []byte) error {
			_, err := protocol.ParseCheckInAnswer(b)
			return err
		}, protocol.MaxAnswer},
		{"Policy", must(policy().Marshal()), func(b []byte) error {
			_, err := protocol.ParsePolicy(b)
			return err
		}, protocol.MaxPolicy},
	}
}

func TestMalformedMessages(t *testing.T) {
	for _, m := range messages(t) {
		if err := m.parse(m.data); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		for n := range m.data {
			if err := m.parse(m.data[:n]); !errors.Is(err, protocol.ErrMalformed) {
				t.Fatalf("%s, the first %d bytes: %v", m.name, n, err)
			}
		}
		for name, bad := range map[string][]byte{
			"a byte behind the end": append(bytes.Clone(m.data), 0),
			"indefinite map":        append(append([]byte{0xbf}, m.data[1:]...), 0xff),
			"an unknown key":        append(append([]byte{m.data[0] + 1}, m.data[1:]...), 0x18, 99, 0),
			"a duplicate key":       append([]byte{m.data[0] + 1, m.data[1], 0}, m.data[1:]...),
			"an array":              {0x80},
			"null":                  {0xf6},
		} {
			if err := m.parse(bad); !errors.Is(err, protocol.ErrMalformed) || protocol.FaultOf(err) != protocol.ErrMalformed {
				t.Errorf("%s, %s: %v", m.name, name, err)
			}
		}
		if err := m.parse(make([]byte, m.most+1)); !errors.Is(err, protocol.ErrOversized) {
			t.Errorf("%s, oversized: %v", m.name, err)
		}
		if m.name == "Policy" {
			continue // it travels inside the others
		}
		later := bytes.Clone(m.data)
		later[2] = 2 // the version stands first: map head, key 0, value
		if err := m.parse(later); !errors.Is(err, protocol.ErrInvalid) {
			t.Errorf("%s, version 2: %v", m.name, err)
		}
	}
}

func TestAnswersThatContradictThemselves(t *testing.T) {
	for name, change := range map[string]func(*protocol.CheckInAnswer){
		"no epoch":              func(a *protocol.CheckInAnswer) { a.Epoch = nil },
		"epoch of 65":           func(a *protocol.CheckInAnswer) { a.Epoch = make([]byte, 65) },
		"no time":               func(a *protocol.CheckInAnswer) { a.Time = time.Time{} },
		"year 10000":            func(a *protocol.CheckInAnswer) { a.Time = time.Unix(253402300800, 0) },
		"never again":           func(a *protocol.CheckInAnswer) { a.NextCheckIn = 32 * 24 * time.Hour },
		"at once":               func(a *protocol.CheckInAnswer) { a.NextCheckIn = 0 },
		"in the past":           func(a *protocol.CheckInAnswer) { a.NextCheckIn = -time.Hour },
		"in half a second":      func(a *protocol.CheckInAnswer) { a.NextCheckIn = 1500 * time.Millisecond },
		"no sequence":           func(a *protocol.CheckInAnswer) { a.Sequence = 0 },
		"address nowhere":       func(a *protocol.CheckInAnswer) { a.IP = "cuba" },
		"17 orders":             func(a *protocol.CheckInAnswer) { a.Orders = make([]order.Sealed, 17) },
		"17 warrants":           func(a *protocol.CheckInAnswer) { a.Warrants = make([]protocol.Held, 17) },
		"order without a leaf":  func(a *protocol.CheckInAnswer) { a.Orders[0].Leaf = nil },
		"order without proof":   func(a *protocol.CheckInAnswer) { a.Orders[0].Proof = nil },
		"warrant without id":    func(a *protocol.CheckInAnswer) { a.Warrants[0].Warrant.ID = "" },
		"warrant with a space":  func(a *protocol.CheckInAnswer) { a.Warrants[0].Warrant.ID = "a b" },
		"warrant, no reason":    func(a *protocol.CheckInAnswer) { a.Warrants[0].Warrant.Reason = "" },
		"warrant, long reason":  func(a *protocol.CheckInAnswer) { a.Warrants[0].Warrant.Reason = strings.Repeat("é", 501) },
		"warrant, line break":   func(a *protocol.CheckInAnswer) { a.Warrants[0].Warrant.Reason = "a\nb" },
		"warrant without issue": func(a *protocol.CheckInAnswer) { a.Warrants[0].Warrant.IssuedAt = time.Time{} },
		"warrant without end":   func(a *protocol.CheckInAnswer) { a.Warrants[0].Warrant.EndsAt = time.Time{} },
		"warrant, half second":  func(a *protocol.CheckInAnswer) { a.Warrants[0].Warrant.EndsAt = now.Add(time.Second / 2) },
		"warrant for nobody":    func(a *protocol.CheckInAnswer) { a.Warrants[0].Warrant.Cohort.Size = 0 },
		"warrant for too many":  func(a *protocol.CheckInAnswer) { a.Warrants[0].Warrant.Cohort.Size = protocol.MaxCohort + 1 },
		"path too long":         func(a *protocol.CheckInAnswer) { a.Warrants[0].Member.Path = make([][32]byte, 41) },
		"place out of range":    func(a *protocol.CheckInAnswer) { a.Warrants[0].Member.Index = 3 },
		"policy without id":     func(a *protocol.CheckInAnswer) { a.Policy.ID = "" },
		"no timestamp":          func(a *protocol.CheckInAnswer) { a.Metadata.Timestamp = nil },
		"no snapshot":           func(a *protocol.CheckInAnswer) { a.Metadata.Snapshot = nil },
		"no targets":            func(a *protocol.CheckInAnswer) { a.Metadata.Targets = nil },
		"no policy role":        func(a *protocol.CheckInAnswer) { a.Metadata.Policy = nil },
		"no warrant role":       func(a *protocol.CheckInAnswer) { a.Metadata.Warrant = nil },
		"an empty root":         func(a *protocol.CheckInAnswer) { a.Metadata.Roots = make([][]byte, 1) },
	} {
		a := checkInAnswer()
		change(&a)
		if _, err := a.Marshal(); !errors.Is(err, protocol.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*protocol.EnrolAnswer){
		"no device":              func(a *protocol.EnrolAnswer) { a.Device = device.ID{} },
		"no origin":              func(a *protocol.EnrolAnswer) { a.Trust.Origin = "" },
		"origin with line break": func(a *protocol.EnrolAnswer) { a.Trust.Origin = "a\nb" },
		"no key":                 func(a *protocol.EnrolAnswer) { a.Trust.LogKey = "" },
		"quorum without":         func(a *protocol.EnrolAnswer) { a.Trust.Quorum = 2 },
		"negative quorum":        func(a *protocol.EnrolAnswer) { a.Trust.Quorum = -1 },
		"empty witness":          func(a *protocol.EnrolAnswer) { a.Trust.Witnesses[0] = "" },
		"33 witnesses":           func(a *protocol.EnrolAnswer) { a.Trust.Witnesses = make([]string, 33) },
		"no epoch":               func(a *protocol.EnrolAnswer) { a.Epoch = nil },
		"no metadata":            func(a *protocol.EnrolAnswer) { a.Metadata = tuf.Update{} },
		"no root":                func(a *protocol.EnrolAnswer) { a.Metadata.Roots = nil },
		"no targets":             func(a *protocol.EnrolAnswer) { a.Metadata.Targets = nil },
	} {
		a := enrolAnswer()
		change(&a)
		if _, err := a.Marshal(); !errors.Is(err, protocol.ErrInvalid) {
			t.Errorf("enrolment, %s: %v", name, err)
		}
	}
	for name, a := range map[string]protocol.EpochAnswer{"no epoch": {Time: now}, "no time": {Epoch: []byte("12345678")}} {
		if _, err := a.Marshal(); !errors.Is(err, protocol.ErrInvalid) {
			t.Errorf("epoch, %s: %v", name, err)
		}
	}
}

func TestPoliciesThatContradictThemselves(t *testing.T) {
	for name, change := range map[string]func(*protocol.Policy){
		"no id":                  func(p *protocol.Policy) { p.ID = "" },
		"no effective date":      func(p *protocol.Policy) { p.Effective = time.Time{} },
		"half a second":          func(p *protocol.Policy) { p.Effective = p.Effective.Add(time.Second / 2) },
		"negative observation":   func(p *protocol.Policy) { p.Observation.Days = -1 },
		"window of 70000":        func(p *protocol.Policy) { p.Observation.Window = 70000 },
		"101 per cent":           func(p *protocol.Policy) { p.Observation.Percent = 101 },
		"negative notice":        func(p *protocol.Policy) { p.NoticeDays = -1 },
		"lock of eleven years":   func(p *protocol.Policy) { p.LockDays = 4000 },
		"shown on 70000 days":    func(p *protocol.Policy) { p.ShownDays = 70000 },
		"applies before 1970":    func(p *protocol.Policy) { p.AppliesFrom = -1 },
		"257 rules":              func(p *protocol.Policy) { p.Rules = make([]protocol.Rule, 257) },
		"rule twice":             func(p *protocol.Policy) { p.Rules[1].ID = p.Rules[0].ID },
		"rule in capitals":       func(p *protocol.Policy) { p.Rules[0].ID = "Cuba" },
		"rule for nowhere":       func(p *protocol.Policy) { p.Rules[0].Codes = nil },
		"rule for no code":       func(p *protocol.Policy) { p.Rules[0].Codes = []territory.Code{"cuba"} },
		"rule for too many":      func(p *protocol.Policy) { p.Rules[0].Codes = make([]territory.Code, 301) },
		"rule since before":      func(p *protocol.Policy) { p.Rules[0].Since = -1 },
		"rule, name too long":    func(p *protocol.Policy) { p.Rules[0].Name = strings.Repeat("a", 201) },
		"rule, broken text":      func(p *protocol.Policy) { p.Rules[0].LegalBasis = "\xff" },
		"contact, name too long": func(p *protocol.Policy) { p.Contact.Name = strings.Repeat("a", 201) },
	} {
		p := policy()
		change(&p)
		if _, err := p.Marshal(); !errors.Is(err, protocol.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The largest answer that keeps every bound of its parts is within MaxAnswer or is refused; it never goes out.
func TestLargestAnswers(t *testing.T) {
	a := checkInAnswer()
	a.Orders = nil
	for range protocol.MaxOrders {
		a.Orders = append(a.Orders, order.Sealed{Leaf: make([]byte, order.MaxLeaf), Proof: make([]byte, order.MaxProof)})
	}
	data, err := a.Marshal()
	if err != nil {
		t.Fatalf("%d full orders: %v", protocol.MaxOrders, err)
	}
	if _, err := protocol.ParseCheckInAnswer(data); err != nil {
		t.Errorf("%d bytes: %v", len(data), err)
	}
	file := make([]byte, tuf.MaxMetadata)
	a.Metadata = &tuf.Update{Timestamp: file, Snapshot: file, Targets: file, Policy: file, Warrant: file}
	if data, err = a.Marshal(); err != nil {
		t.Fatalf("with the largest metadata: %v", err)
	}
	if _, err := protocol.ParseCheckInAnswer(data); err != nil {
		t.Errorf("%d bytes: %v", len(data), err)
	}
	p := policy()
	p.Rules = nil
	for i := range protocol.MaxRules {
		p.Rules = append(p.Rules, protocol.Rule{
			ID: fmt.Sprintf("rule-%d", i), Codes: []territory.Code{"CU"}, LegalBasis: strings.Repeat("a", 2000), Source: strings.Repeat("b", 1000),
		})
	}
	a.Policy = &p
	if _, err := a.Marshal(); !errors.Is(err, protocol.ErrOversized) {
		t.Errorf("beyond the bound: %v", err)
	}
}

func TestWarrantHash(t *testing.T) {
	w := warrant()
	first, err := w.Hash()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(w *protocol.Warrant){
		"an officer":      func(w *protocol.Warrant) { w.Officers[1] = "another" },
		"the cohort":      func(w *protocol.Warrant) { w.Cohort.Root[31]++ },
		"the cohort size": func(w *protocol.Warrant) { w.Cohort.Size++ },
	} {
		w := warrant()
		change(&w)
		second, err := w.Hash()
		if err != nil || first == second {
			t.Errorf("%s is not in the hash: %v", name, err)
		}
	}
	if _, err := (protocol.Warrant{}).Hash(); !errors.Is(err, protocol.ErrInvalid) {
		t.Errorf("an empty warrant has a hash: %v", err)
	}
}

func enrolToken(tb testing.TB) []byte {
	tb.Helper()
	key, e := esKey(tb), enrolment()
	token, err := protocol.SignEnrolment(&e, [][]byte{certificate(tb, key)}, key)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func TestBadEnrolments(t *testing.T) {
	key := esKey(t)
	der := certificate(t, key)
	signer, err := cose.NewSigner(cose.AlgorithmES256, key)
	if err != nil {
		t.Fatal(err)
	}
	good := map[int]any{0: "bailiwick/enrolment/1", 1: []byte("epoch-2021-09-10"), 2: "490154203237518"}
	signed := func(payload map[int]any, header cose.ProtectedHeader) []byte {
		encoding, err := cbor.CoreDetEncOptions().EncMode()
		if err != nil {
			t.Fatal(err)
		}
		data, err := encoding.Marshal(payload)
		if err != nil {
			t.Fatal(err)
		}
		header[cose.HeaderLabelAlgorithm] = cose.AlgorithmES256
		token, err := cose.Sign1(rand.Reader, signer, cose.Headers{Protected: header}, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	chain := func(v any) cose.ProtectedHeader { return cose.ProtectedHeader{int64(33): v} }
	with := func(key int, value any) map[int]any {
		m := make(map[int]any)
		for k, v := range good {
			m[k] = v
		}
		if m[key] = value; value == nil {
			delete(m, key)
		}
		return m
	}
	for name, tc := range map[string]struct {
		token []byte
		want  error
	}{
		"as it should be":     {signed(good, chain(der)), nil},
		"two certificates":    {signed(good, chain([]any{der, der})), nil},
		"chain is critical":   {signed(good, cose.ProtectedHeader{int64(33): der, int64(2): []any{int64(33)}}), nil},
		"unknown is critical": {signed(good, cose.ProtectedHeader{int64(33): der, int64(34): der, int64(2): []any{int64(34)}}), protocol.ErrCritical},
		"no chain":            {signed(good, cose.ProtectedHeader{}), protocol.ErrChain},
		"one in an array":     {signed(good, chain([]any{der})), protocol.ErrMalformed},
		"chain is text":       {signed(good, chain("certificate")), protocol.ErrMalformed},
		"chain of text":       {signed(good, chain([]any{"a", "b"})), protocol.ErrMalformed},
		"empty certificate":   {signed(good, chain([]byte{})), protocol.ErrChain},
		"nine certificates":   {signed(good, chain([]any{der, der, der, der, der, der, der, der, der})), protocol.ErrChain},
		"another type":        {signed(with(0, "bailiwick/enrolment/2"), chain(der)), protocol.ErrInvalid},
		"no type":             {signed(with(0, nil), chain(der)), protocol.ErrMalformed},
		"no epoch":            {signed(with(1, nil), chain(der)), protocol.ErrMalformed},
		"short epoch":         {signed(with(1, []byte("1234567")), chain(der)), protocol.ErrInvalid},
		"wrong check digit":   {signed(with(2, "490154203237517"), chain(der)), protocol.ErrInvalid},
		"IMEI with dashes":    {signed(with(2, "49-015420-323751-8"), chain(der)), protocol.ErrInvalid},
		"IMEI as a number":    {signed(with(2, 490154203237518), chain(der)), protocol.ErrMalformed},
		"long serial":         {signed(with(3, strings.Repeat("a", 65)), chain(der)), protocol.ErrInvalid},
		"empty serial, said":  {signed(with(3, ""), chain(der)), protocol.ErrMalformed},
		"a place":             {signed(with(6, 44.95), chain(der)), protocol.ErrMalformed},
		"oversized":           {make([]byte, protocol.MaxEnrolment+1), protocol.ErrOversized},
		"truncated":           {enrolToken(t)[:100], protocol.ErrMalformed},
		"empty":               {nil, protocol.ErrMalformed},
	} {
		u, err := protocol.ParseEnrolment(tc.token)
		if err == nil {
			_, err = u.Verify(&key.PublicKey)
		}
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	u, err := protocol.ParseEnrolment(enrolToken(t))
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Verify(&other.PublicKey); !errors.Is(err, protocol.ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if _, err := u.Verify("key"); !errors.Is(err, protocol.ErrAlgorithm) {
		t.Errorf("no key: %v", err)
	}
}

func TestSignEnrolmentRefuses(t *testing.T) {
	key, e := esKey(t), enrolment()
	der := certificate(t, key)
	if _, err := protocol.SignEnrolment(&e, nil, key); !errors.Is(err, protocol.ErrChain) {
		t.Errorf("no chain: %v", err)
	}
	if _, err := protocol.SignEnrolment(&e, [][]byte{make([]byte, protocol.MaxEnrolment)}, key); !errors.Is(err, protocol.ErrOversized) {
		t.Errorf("large chain: %v", err)
	}
	e.IMEI = "1"
	if _, err := protocol.SignEnrolment(&e, [][]byte{der}, key); !errors.Is(err, protocol.ErrInvalid) {
		t.Errorf("no IMEI: %v", err)
	}
}

// What a device signs for one purpose never passes for the other.
func TestTokensAreNotMixedUp(t *testing.T) {
	if _, err := evidence.Parse(enrolToken(t)); err == nil {
		t.Error("an enrolment passes for evidence")
	}
	key := esKey(t)
	token, err := evidence.Sign(&evidence.Claims{
		Device: device.ID{1}, Sequence: 1, Epoch: []byte("12345678"), IssuedAt: now,
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := protocol.ParseEnrolment(token); err == nil {
		t.Error("evidence passes for an enrolment")
	}
}
