package agent

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// marshalState returns the plain record, as a platform without a key stores it.
func marshalState(s *state) ([]byte, error) {
	body, err := marshalBody(s)
	if err != nil {
		return nil, err
	}
	return checkedSize(seal(plainRecord, nil, 0, body))
}

// parseState reads what marshalState wrote and nothing else: it fails with ErrDamaged, or when the record is of another version.
func parseState(record []byte) (*state, error) {
	body, _, err := unseal(record, nil)
	if err != nil {
		return nil, err
	}
	return parseBody(body)
}

// someOfficers are metadata that a device trusts.
func someOfficers() *tuf.Trusted {
	r := tuftest.New(tuftest.Options{Seed: "state", Now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)})
	trusted, err := tuf.Open(r.Root(1))
	if err == nil {
		trusted, _, err = trusted.Apply(r.Update(1), time.Date(2026, 3, 3, 9, 0, 0, 0, time.UTC))
	}
	if err != nil {
		panic(err)
	}
	return trusted
}

// fullState is a state in which every field says something.
func fullState() *state {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	c := clock{
		Begun: true, Elapsed: 5 * day, Gap: time.Hour, Longest: 6 * day, Wall: at.Unix(), Uptime: time.Minute, Boot: "b",
		Server: at.Unix() - 60, ServerAt: 4 * day, Contacted: true, Base: at.Unix() - 432000, Doubt: true,
		Owed: -7, Excused: time.Hour, Booted: true, ProofDue: 13 * time.Hour,
	}
	since := instant{day, 2 * day}
	return &state{
		Clock: c, Device: device.ID{1}, Secret: [32]byte{2},
		Trust: protocol.Trust{Origin: "o", LogKey: "k", Witnesses: []string{"w"}, Quorum: 1},
		Policy: protocol.Policy{
			Hash: [32]byte{3}, ID: "p", Effective: at, NoticeDays: 7, ShownDays: 3, LockDays: 30, AppliesFrom: 3,
			Observation: territory.Observation{Days: 3, Window: 5, Percent: 95},
			Rules:       []protocol.Rule{{ID: "r", Codes: []territory.Code{"CU"}, Name: "n", LegalBasis: "l", Source: "s", Since: 1, Until: 9, ReviewBy: 8}},
			Contact:     protocol.Contact{Name: "n", Phone: "1", Email: "e", OwnerURL: "u"},
		},
		PolicyBefore: [32]byte{4}, Officers: someOfficers(), Signed: true, SignedUntil: at.Add(day), SignedOwn: 9 * day, Epoch: []byte("12345678"), Sequence: 9, Acked: 8, DueOn: day, IP: "DE", IPOn: time.Hour,
		Days: []dayEntry{
			{territory.DayRecord{Day: 1, Territory: "CU", Percent: 99, Agree: 1, Against: 2}, 3}, {territory.DayRecord{Day: 2}, 4},
		},
		DayMark: dayMark{-1, 2}, Current: 2, Earlier: &territory.DayRecord{Day: 1, Territory: "UA-43", Percent: 60, Agree: 1},
		Activation: &territory.Activation{Territory: "CU", Day: 5, Mixed: true},
		Restrictions: []restriction{
			{
				Ground: order.Ground{Kind: order.Rule, ID: "r"}, Stage: order.Noticed, Order: order.ID{5}, Territory: "CU",
				Rule: ruleText{"n", "l", "s"}, FirstSeen: 7, ReceivedAt: at, ReceivedOn: since, Deadline: at.Add(day), ShownDays: 2,
				Shown: dayMark{3, 4}, Pending: &pendingLock{order.ID{6}, 7, at.Add(day), at.Add(2 * day)},
				VoidTime: at.Add(-day), VoidIndex: 1 << 63, ChangedOn: day, Remembered: []order.ID{{5}, {6}},
			},
			{
				Ground: order.Ground{Kind: order.Warrant, ID: "w"}, Stage: order.Locked, Order: order.ID{8}, Deadline: at,
				Warrant: &protocol.Warrant{ID: "w", Case: "c", Reason: "r", IssuedAt: at, EndsAt: at.Add(day), Officers: [2]string{"a", "b"}, Cohort: protocol.Cohort{Root: [32]byte{7}, Size: 3}},
				EndsAt:  at.Add(day), HeldOn: since, HeldSpan: time.Hour,
			},
			{Ground: order.Ground{Kind: order.Rule, ID: "x"}, Stage: order.Lifted, Cause: order.ByCode, Final: true},
		},
		Tombstones: []tombstone{{1}, {2}}, VoidUnknown: at, Restored: true, Unsure: true,
		Committed: []committed{{[16]byte{1}, [16]byte{2}}, {[16]byte{3}, [16]byte{4}}},
		Refusals:  []refusalEntry{{evidence.Refusal{Order: order.ID{9}, Reason: string(NoNotice)}, 5}},
		Unlock:    unlockState{Challenge: "12345678", Counter: 3, Failures: 2, FailedOn: day},
	}
}

// Every field survives, and none was forgotten by this test: a field that is zero in fullState fails it.
func TestStateSurvivesTheRecord(t *testing.T) {
	s := fullState()
	noZero(t, reflect.ValueOf(*s), "state")
	record, err := marshalState(s)
	if err != nil {
		t.Fatal(err)
	}
	back, err := parseState(record)
	if err != nil {
		t.Fatal(err)
	}
	s.Officers, back.Officers = nil, nil // their bytes are compared below; what they hold is for package tuf to say
	if !reflect.DeepEqual(s, back) {
		t.Fatalf("\n%+v\n%+v", s, back)
	}
	if back, err = parseState(record); err != nil {
		t.Fatal(err)
	}
	again, err := marshalState(back)
	if err != nil || !bytes.Equal(again, record) {
		t.Fatalf("the record changed; %v", err)
	}
}

// noZero looks that each field is set somewhere; in a slice, by some element.
func noZero(t *testing.T, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			break
		}
		for i := range v.NumField() {
			noZero(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
		return
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Struct {
			break
		}
		merged := reflect.New(v.Type().Elem()).Elem()
		for i := range v.Len() {
			for f := range merged.NumField() {
				if x := v.Index(i).Field(f); merged.Field(f).IsZero() && merged.Field(f).CanSet() {
					merged.Field(f).Set(x)
				}
			}
		}
		noZero(t, merged, path+"[]")
		return
	}
	if v.IsZero() {
		t.Errorf("%s is zero in fullState", path)
	}
}

func TestStateClonesShareNothing(t *testing.T) {
	s := fullState()
	want, err := marshalState(s)
	if err != nil {
		t.Fatal(err)
	}
	c := s.clone()
	c.Restrictions[0].lift(order.ByHuman, order.ID{1}, c.Clock)
	c.Restrictions[0].remember(order.ID{77})
	c.Restrictions[0].forget(order.ID{5})
	c.Days[0].Percent = 1
	c.Tombstones[0] = tombstone{9}
	c.Refusals[0].Reason = ""
	c.refuse(order.ID{3}, NoNotice)
	c.acknowledge(9)
	c.moveDays(4)
	if got, err := marshalState(s); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("changing a clone changed the original: %v", err)
	}
}

func sealRecord(version byte, body []byte) []byte {
	record := append([]byte{version}, body...)
	sum := sha256.Sum256(record)
	return append(record, sum[:]...)
}

func TestParseStateRefuses(t *testing.T) {
	record, err := marshalState(fullState())
	if err != nil {
		t.Fatal(err)
	}
	body := record[1 : len(record)-sha256.Size]
	if _, err := parseState(sealRecord(3, body)); err == nil || !strings.Contains(err.Error(), "version 3") {
		t.Errorf("a later version: %v", err)
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "no body": sealRecord(1, nil), "more behind": sealRecord(1, append(bytes.Clone(body), 0)),
		"huge": make([]byte, maxState+1), "no map": sealRecord(1, []byte{0x80}),
	} {
		if _, err := parseState(bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	unapplied := openedOnly(t)
	for name, change := range map[string]func(w *wireState){
		"a device of another length": func(w *wireState) { w.Device = w.Device[1:] },
		"a zero device":              func(w *wireState) { w.Device = make([]byte, 16) },
		"half an enrolment":          func(w *wireState) { w.Secret = nil },
		"no policy":                  func(w *wireState) { w.Policy = []byte{0xa0} },
		"time that runs backwards":   func(w *wireState) { w.Clock.Elapsed = -1 },
		"time without end":           func(w *wireState) { w.Clock.Longest = 1 << 62 },
		"a gap before the contact":   func(w *wireState) { w.Clock.Gap = int64(3 * day) },
		"days out of order":          func(w *wireState) { w.Days[1].Day = 1 },
		"a lock without end":         func(w *wireState) { w.Grounds[1].EndsAt = 0 },
		"a stage beyond the last":    func(w *wireState) { w.Grounds[0].Stage = 4 },
		"a cause without a lift":     func(w *wireState) { w.Grounds[0].Cause = 1 },
		"final, and in force":        func(w *wireState) { w.Grounds[0].Final = true },
		"a ground twice":             func(w *wireState) { w.Grounds[2].ID = "r" },
		"a pending lock when locked": func(w *wireState) { w.Grounds[1].Pending = w.Grounds[0].Pending },
		"officers of no form":        func(w *wireState) { w.Officers = w.Officers[1:] },
		"officers never applied":     func(w *wireState) { w.Officers = unapplied },
		"signed by nobody":           func(w *wireState) { w.Officers = nil },
		"a cohort of none":           func(w *wireState) { w.Grounds[1].Cohort.Size = 0 },
		"a cohort too large":         func(w *wireState) { w.Grounds[1].Cohort.Size = protocol.MaxCohort + 1 },
		"a root of another length":   func(w *wireState) { w.Grounds[1].Cohort.Root = make([]byte, 31) },
		"a cohort without a warrant": func(w *wireState) { w.Grounds[1].Warrant = nil },
		"officers without enrolment": func(w *wireState) { w.Device, w.Secret, w.Policy, w.Trust = nil, nil, nil, nil },
		"three officers":             func(w *wireState) { w.Grounds[1].Warrant.Officers = []string{"a", "b", "c"} },
		"a short tombstone":          func(w *wireState) { w.Tombstones[0] = w.Tombstones[0][1:] },
		"acknowledged unsent":        func(w *wireState) { w.Acked = w.Sequence + 1 },
		"a territory of no form":     func(w *wireState) { w.Activation.Territory = "nowhere" },
		"seventeen grounds":          func(w *wireState) { w.Grounds = append(w.Grounds, make([]wireRestriction, 14)...) },
	} {
		w, err := stateToWire(fullState())
		if err != nil {
			t.Fatal(err)
		}
		change(w)
		if _, err := stateFromWire(w); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// openedOnly is the record of metadata of which no update was ever applied.
func openedOnly(t *testing.T) []byte {
	t.Helper()
	trusted, err := tuf.Open(tuftest.New(tuftest.Options{Seed: "state"}).Root(1))
	if err != nil {
		t.Fatal(err)
	}
	data, err := trusted.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// FuzzState reads arbitrary bodies under a right checksum: what is read is written again to the same bytes.
func FuzzState(f *testing.F) {
	for _, s := range []*state{{}, fullState(), crowdedForFuzz()} {
		record, err := marshalState(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(record[1 : len(record)-sha256.Size])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		record := sealRecord(stateVersion, body)
		s, err := parseState(record)
		if err != nil {
			return
		}
		again, err := marshalState(s)
		if err != nil || !bytes.Equal(again, record) {
			t.Fatalf("%x became %x: %v", record, again, err)
		}
		// Whatever was read can be worked with.
		c := s.clone()
		c.Clock.read(reading{1 << 40, 1 << 50, "z"})
		c.Clock.contact(time.Unix(1<<41, 0))
		c.expire()
		c.activate(evidence.BootVerified)
		c.observe(territory.Assessment{})
		c.screen()
		if _, err := marshalState(c); err != nil {
			t.Fatal(err)
		}
	})
}

func crowdedForFuzz() *state {
	s := crowded()
	s.Policy = protocol.Policy{}
	return s
}

// Reasons lists exactly the constants of refusal.go, and each is a well-formed reason.
func TestReasonsListsEveryConstant(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "refusal.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var declared []Reason
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if spec.Comment.Text() == "" {
			t.Errorf("%s says nothing of itself", spec.Names[0])
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil || len(text) == 0 || len(text) > 40 || strings.Trim(text, "abcdefghijklmnopqrstuvwxyz-") != "" {
			t.Errorf("%s is no reason: %q", spec.Names[0], text)
		}
		declared = append(declared, Reason(text))
		return true
	})
	if len(declared) < 30 || !reflect.DeepEqual(declared, Reasons()) {
		t.Fatalf("declared %v\nlisted %v", declared, Reasons())
	}
}
