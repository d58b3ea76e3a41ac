package targets

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/cohort"
	"github.com/bailiwick-dev/bailiwick/internal/messages"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// rig is a founded repository and its officers.
type rig struct {
	t          *testing.T
	keys       []*tufrepo.Key
	online     *tufrepo.Key
	repository *tufrepo.Repository
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t}
	terms := tufrepo.FoundingTerms{Threshold: 2, Now: now}
	for _, name := range []string{"ada", "bela", "server"} {
		k, err := tufrepo.NewKey(tufrepo.Ed25519, name, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		r.keys = append(r.keys, k)
	}
	r.online, r.keys = r.keys[2], r.keys[:2]
	terms.Online = r.online.Public()
	for _, k := range r.keys {
		terms.Officers = append(terms.Officers, k.Public())
	}
	p, err := tufrepo.Found(terms)
	if err != nil {
		t.Fatal(err)
	}
	r.accept(p)
	return r
}

func (r *rig) accept(p *tufrepo.Proposal) {
	r.t.Helper()
	for _, k := range r.keys {
		if err := p.Sign(k); err != nil {
			r.t.Fatal(err)
		}
	}
	next, err := r.repository.Accept(p, r.online, now)
	if err != nil {
		r.t.Fatal(err)
	}
	r.repository = next
}

func (r *rig) parse(source string) *policy.Policy {
	r.t.Helper()
	p, err := policy.Parse("p.yaml", []byte(source))
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) files(p *policy.Policy) []tufrepo.File {
	r.t.Helper()
	files, err := OfPolicy(p)
	if err != nil {
		r.t.Fatal(err)
	}
	return files
}

func (r *rig) policyProposal(files []tufrepo.File) *tufrepo.Proposal {
	r.t.Helper()
	p, err := r.repository.ProposePolicy(files, func(string) bool { return true }, now)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// What a policy comes to is read back as that policy, and devices can read the extract at the path where they look for it.
func TestPolicyGoesRound(t *testing.T) {
	r := newRig(t)
	first, second := r.parse(string(policies.Terms202109)), r.parse(string(policies.Current))
	p := r.policyProposal(r.files(first))
	l, err := ReadPolicies(p)
	if err != nil {
		t.Fatal(err)
	}
	catalogues, err := messages.Files()
	if err != nil {
		t.Fatal(err)
	}
	if len(l.New) != 1 || l.New[0].Hash() != first.Hash() || len(l.Kept) != 0 || len(l.Foreign) != 0 || len(l.Changed) != 1+len(catalogues) { // and the borders
		t.Errorf("%+v", l)
	}
	for _, f := range p.Files() {
		if f.Path != tuf.PolicyPath(first.Hash()) {
			continue
		}
		extract, err := protocol.ParsePolicy(f.Data)
		if err != nil || extract.Hash != first.Hash() || extract.ID != first.ID || len(extract.Rules) != len(first.Territories()) || extract.NoticeDays != first.Notice.Days {
			t.Errorf("%+v, %v", extract, err)
		}
	}
	r.accept(p)
	p = r.policyProposal(r.files(second))
	if err := AttachPolicies(p, []*policy.Policy{first}); err != nil {
		t.Fatal(err)
	}
	if l, err = ReadPolicies(p); err != nil || len(l.New) != 1 || len(l.Kept) != 1 || l.Kept[0] != first.Hash() || len(l.Changed) != 0 {
		t.Fatalf("%+v, %v", l, err)
	}
	var blobs [][]byte
	for _, name := range p.Attachments() {
		data, _ := p.Attachment(name)
		blobs = append(blobs, data)
	}
	if old, ok := Find(first.Hash(), blobs); !ok || old.ID != first.ID {
		t.Error("the policy in force is not found beside the proposal")
	}
	if _, ok := Find(second.Hash(), blobs); ok {
		t.Error("a policy was found that nobody attached")
	}
	if got := InForce([]*policy.Policy{second, first}, now); got != second {
		t.Errorf("in force: %v", got)
	}
	if got := InForce([]*policy.Policy{second, first}, now.AddDate(-1, 0, 0)); got != first {
		t.Errorf("in force a year before: %v", got)
	}
	if got := InForce([]*policy.Policy{second}, now.AddDate(-10, 0, 0)); got != nil {
		t.Errorf("in force ten years before: %v", got)
	}
}

// Officers' tools compute again what they sign for: each way in which files do not belong together is refused.
func TestPoliciesThatDoNotBelongTogether(t *testing.T) {
	r := newRig(t)
	source := string(policies.Current)
	p := r.parse(source)
	other := r.parse(strings.Replace(source, "notice: {days: 14, shown_days: 5}", "notice: {days: 7, shown_days: 3}", 1))
	extract := tuf.PolicyPath(p.Hash())
	for name, change := range map[string]func([]tufrepo.File) []tufrepo.File{
		"the extract of another policy": func(files []tufrepo.File) []tufrepo.File {
			harsher, err := DevicePolicy(other).Marshal()
			if err != nil {
				t.Fatal(err)
			}
			return replace(files, extract, harsher)
		},
		"an extract that is none":       func(files []tufrepo.File) []tufrepo.File { return replace(files, extract, []byte{0xa0}) },
		"another policy under the hash": func(files []tufrepo.File) []tufrepo.File { return replace(files, PolicyFile(p.Hash()), other.Source()) },
		"no extract":                    func(files []tufrepo.File) []tufrepo.File { return without(files, extract) },
		"an extract alone":              func(files []tufrepo.File) []tufrepo.File { return without(files, PolicyFile(p.Hash())) },
		"something else among policies": func(files []tufrepo.File) []tufrepo.File {
			return append(files, tufrepo.File{Path: "policy/more.txt", Data: []byte("x")})
		},
		"an extract without a hash": func(files []tufrepo.File) []tufrepo.File {
			return append(files, tufrepo.File{Path: "policy/more.cbor", Data: []byte("x")})
		},
		"a policy file in capital letters": func(files []tufrepo.File) []tufrepo.File {
			return append(files, tufrepo.File{Path: "policy/" + strings.Repeat("A", 64) + ".yaml", Data: []byte("x")})
		},
	} {
		if _, err := ReadPolicies(r.policyProposal(change(r.files(p)))); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	failing := strings.Replace(source, "expect: {verdict: deny, rule: north-korea}", "expect: {verdict: permit, rule: north-korea}", 1)
	if _, err := ReadPolicies(r.policyProposal(r.files(r.parse(failing)))); err == nil || !strings.Contains(err.Error(), "own test") {
		t.Errorf("a policy whose test fails: %v", err)
	}
	l, err := ReadPolicies(r.policyProposal(replace(r.files(p), "borders/borders.bin", []byte("other borders"))))
	if err != nil || len(l.Foreign) != 1 || l.Foreign[0] != "borders/borders.bin" {
		t.Errorf("borders of somebody else: %+v, %v", l, err)
	}
}

func replace(files []tufrepo.File, path string, data []byte) []tufrepo.File {
	return append(without(files, path), tufrepo.File{Path: path, Data: data})
}

func without(files []tufrepo.File, path string) (rest []tufrepo.File) {
	for _, f := range files {
		if f.Path != path {
			rest = append(rest, f)
		}
	}
	return rest
}

func TestPolicyHash(t *testing.T) {
	hash := [32]byte{1, 0xab}
	if got, ok := PolicyHash(PolicyFile(hash)); !ok || got != hash {
		t.Errorf("%x, %v", got, ok)
	}
	if !IsPolicy(tuf.PolicyPath(hash)) || !IsPolicy(PolicyFile(hash)) || IsPolicy("borders/borders.bin") || IsPolicy("policy/x.yaml") {
		t.Error("IsPolicy")
	}
}

func imeis(t *testing.T) (list []device.IMEI) {
	t.Helper()
	for _, s := range []string{"352099001761481", "490154203237518", "356938035643809"} {
		imei, err := device.ParseIMEI(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, imei)
	}
	return list
}

// A warrant is for the devices of the list beside it, no others: the root is computed again.
func TestWarrant(t *testing.T) {
	r := newRig(t)
	whom, err := cohort.New([32]byte{7}, imeis(t))
	if err != nil {
		t.Fatal(err)
	}
	fewer, err := cohort.New([32]byte{7}, imeis(t)[:2])
	if err != nil {
		t.Fatal(err)
	}
	tree, err := whom.Tree()
	if err != nil {
		t.Fatal(err)
	}
	good := protocol.Warrant{ID: "warrant-0001", Case: "case-0001", Reason: "We are investigating this shipment.", IssuedAt: now, EndsAt: now.AddDate(0, 0, 60),
		Officers: [2]string{"ada", ""}, Cohort: tree.Summary()}
	document := func(change func(*protocol.Warrant)) []byte {
		w := good
		change(&w)
		data, err := w.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	same := func(*protocol.Warrant) {}
	long := func(w *protocol.Warrant) { w.EndsAt = now.Add(order.MaxHold + time.Hour) }
	path := tuf.WarrantPath(good.ID)
	for name, c := range map[string]struct {
		files []tufrepo.File
		list  []byte
		fails bool
	}{
		"good":                {[]tufrepo.File{{Path: path, Data: document(same)}}, whom.Marshal(), false},
		"fewer devices":       {[]tufrepo.File{{Path: path, Data: document(same)}}, fewer.Marshal(), true},
		"no list":             {[]tufrepo.File{{Path: path, Data: document(same)}}, nil, true},
		"a list that is none": {[]tufrepo.File{{Path: path, Data: document(same)}}, []byte("352099001761481\n"), true},
		"no warrant":          {[]tufrepo.File{{Path: path, Data: []byte("hold them")}}, whom.Marshal(), true},
		"another's name":      {[]tufrepo.File{{Path: tuf.WarrantPath("warrant-0002"), Data: document(same)}}, whom.Marshal(), true},
		"too long":            {[]tufrepo.File{{Path: path, Data: document(long)}}, whom.Marshal(), true},
		"two":                 {[]tufrepo.File{{Path: path, Data: document(same)}, {Path: tuf.WarrantPath("warrant-0002"), Data: document(func(w *protocol.Warrant) { w.ID = "warrant-0002" })}}, whom.Marshal(), true},
		"signatures alone":    {nil, nil, false},
	} {
		p, err := r.repository.ProposeWarrant(c.files, func(string) bool { return true }, now)
		if err != nil {
			t.Fatal(err)
		}
		if c.list != nil {
			if err := p.Attach(AttachedCohort, c.list); err != nil {
				t.Fatal(err)
			}
		}
		hold, err := ReadWarrant(p)
		if c.fails != errors.Is(err, ErrMismatch) || !c.fails && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "good" && (hold.Cohort == nil || len(hold.Models) != 3 || hold.Models[0] != (ModelCount{"35209900", 1}) || hold.Warrant.ID != good.ID) {
			t.Errorf("%+v", hold)
		}
	}
	if _, err := ReadWarrant(r.policyProposal(r.files(r.parse(string(policies.Current))))); err == nil {
		t.Error("a policy was read as a warrant")
	}
}
