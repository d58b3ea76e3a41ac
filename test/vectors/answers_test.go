package vectors

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

type policyVector struct {
	Name   string  `json:"name"`
	Bytes  Hex     `json:"bytes"`
	Fault  string  `json:"fault,omitempty"`  // it cannot be read
	Reason string  `json:"reason,omitempty"` // a device refuses it, at its enrolment and later
	Policy *policy `json:"policy,omitempty"`
}

type policy struct {
	Hash        Hex     `json:"hash"`
	ID          string  `json:"id"`
	Effective   int64   `json:"effective"`
	Rules       []rule  `json:"rules,omitempty"`
	Observation [3]int  `json:"observation"` // days, window, percent
	NoticeDays  int     `json:"notice_days"`
	ShownDays   int     `json:"shown_days"`
	LockDays    int     `json:"lock_days"`
	AppliesFrom int     `json:"applies_from,omitempty"`
	Contact     contact `json:"contact"`
}

type rule struct {
	ID         string   `json:"id"`
	Codes      []string `json:"codes"`
	Name       string   `json:"name,omitempty"`
	LegalBasis string   `json:"legal_basis,omitempty"`
	Source     string   `json:"source,omitempty"`
	Since      int      `json:"since,omitempty"`
	Until      int      `json:"until,omitempty"`
	ReviewBy   int      `json:"review_by,omitempty"`
}

type contact struct {
	Name     string `json:"name,omitempty"`
	Phone    string `json:"phone,omitempty"`
	Email    string `json:"email,omitempty"`
	OwnerURL string `json:"owner_url,omitempty"`
}

func policyOf(p *protocol.Policy) *policy {
	out := &policy{
		Hash: p.Hash[:], ID: p.ID, Effective: unix(p.Effective), NoticeDays: p.NoticeDays, ShownDays: p.ShownDays, LockDays: p.LockDays,
		Observation: [3]int{p.Observation.Days, p.Observation.Window, int(p.Observation.Percent)}, AppliesFrom: int(p.AppliesFrom),
		Contact: contact{p.Contact.Name, p.Contact.Phone, p.Contact.Email, p.Contact.OwnerURL},
	}
	for _, r := range p.Rules {
		w := rule{ID: r.ID, Name: r.Name, LegalBasis: r.LegalBasis, Source: r.Source, Since: int(r.Since), Until: int(r.Until), ReviewBy: int(r.ReviewBy)}
		for _, c := range r.Codes {
			w.Codes = append(w.Codes, string(c))
		}
		out.Rules = append(out.Rules, w)
	}
	return out
}

func usualPolicy() protocol.Policy {
	since, review := territory.DayOf(moment.AddDate(-6, 0, 0)), territory.DayOf(moment.AddDate(5, 0, 0))
	return protocol.Policy{
		Hash: seed("policy"), ID: "terms", Effective: moment.AddDate(0, -2, 0),
		Rules: []protocol.Rule{
			{ID: "cuba", Codes: []territory.Code{"CU"}, Name: "Cuba", LegalBasis: "a law", Source: "https://law.example", Since: since, ReviewBy: review},
			{ID: "crimea", Codes: []territory.Code{"UA-43", "UA-40"}, Name: "Crimea", LegalBasis: "a law", Source: "https://law.example", Since: since, ReviewBy: review},
		},
		Observation: territory.Observation{Days: 3, Window: 10, Percent: 95},
		NoticeDays:  10, ShownDays: 3, LockDays: 365,
		Contact: protocol.Contact{Name: "Support", Phone: "+1 555 0100", Email: "help@maker.example", OwnerURL: "https://maker.example/owner"},
	}
}

func makePolicies(t *testing.T) (made []policyVector) {
	add := func(name, reason string, change func(p *protocol.Policy)) {
		p := usualPolicy()
		change(&p)
		made = append(made, policyVector{Name: name, Bytes: must(p.Marshal())(t), Reason: reason, Policy: policyOf(&p)})
	}
	add("a usual one", "", func(*protocol.Policy) {})
	add("without rules", "", func(p *protocol.Policy) { p.Rules, p.AppliesFrom = nil, 20_000 })
	add("at the Charter's floors", "", func(p *protocol.Policy) {
		p.NoticeDays, p.LockDays, p.Observation = 7, 730, territory.Observation{Days: 3, Window: 3, Percent: 50}
	})
	add("six days of notice", "policy-notice-too-short", func(p *protocol.Policy) { p.NoticeDays = 6 })
	add("shown on two days", "policy-too-few-shown", func(p *protocol.Policy) { p.ShownDays = 2 })
	add("two days observed", "policy-too-few-days", func(p *protocol.Policy) { p.Observation.Days = 2 })
	add("days of 49 percent", "policy-too-few-days", func(p *protocol.Policy) { p.Observation.Percent = 49 })
	add("a lock of 731 days", "policy-lock-too-long", func(p *protocol.Policy) { p.LockDays = 731 })
	add("nobody can be reached", "policy-incomplete", func(p *protocol.Policy) { p.Contact = protocol.Contact{Name: "Support"} })
	add("a rule without source", "policy-incomplete", func(p *protocol.Policy) { p.Rules[1].Source = "" })
	add("a rule that is never reviewed", "policy-incomplete", func(p *protocol.Policy) { p.Rules[0].ReviewBy = 0 })
	whole := made[0].Bytes
	double := usualPolicy()
	double.Rules[1].ID = "cubb"
	twice := replaced(t, must(double.Marshal())(t), []byte("cubb"), []byte("cuba"))
	return append(made,
		policyVector{Name: "truncated", Bytes: whole[:len(whole)-1], Fault: string(protocol.ErrMalformed)},
		policyVector{Name: "a rule twice", Bytes: twice, Fault: string(protocol.ErrInvalid)})
}

func TestPolicies(t *testing.T) {
	for _, v := range file(t, "policies.json", makePolicies(t)) {
		t.Run(v.Name, func(t *testing.T) {
			p, err := protocol.ParsePolicy(v.Bytes)
			if got := string(protocol.FaultOf(err)); got != v.Fault {
				t.Fatalf("fault %q (%v), want %q", got, err, v.Fault)
			}
			if err != nil {
				return
			}
			same(t, "policy", policyOf(p), v.Policy)
			if again := must(p.Marshal())(t); !bytes.Equal(again, v.Bytes) {
				t.Errorf("written again as %x", again)
			}
			if got := enrolWith(t, *p); got != v.Reason {
				t.Errorf("a device answers %q, want %q", got, v.Reason)
			}
		})
	}
}

type warrantVector struct {
	Name     string    `json:"name"`
	ID       string    `json:"id"`
	Case     string    `json:"case,omitempty"`
	Reason   string    `json:"reason"`
	IssuedAt int64     `json:"issued_at"`
	EndsAt   int64     `json:"ends_at"`
	Officers [2]string `json:"officers"`
	Cohort   cohort    `json:"cohort"`
	Bytes    Hex       `json:"bytes"`
	Hash     Hex       `json:"hash"`
}

func usualWarrant() protocol.Warrant {
	return protocol.Warrant{
		ID: "w-1", Case: "case-1", Reason: "Diverted consignment", IssuedAt: moment, EndsAt: moment.AddDate(0, 0, 40),
		Officers: [2]string{"ana", "ben"}, Cohort: protocol.Cohort{Root: seed("cohort"), Size: 3},
	}
}

func TestWarrants(t *testing.T) {
	var made []warrantVector
	add := func(name string, change func(w *protocol.Warrant)) {
		w := usualWarrant()
		change(&w)
		hash := must(w.Hash())(t)
		made = append(made, warrantVector{name, w.ID, w.Case, w.Reason, unix(w.IssuedAt), unix(w.EndsAt), w.Officers, cohortOf(w.Cohort), must(w.Marshal())(t), hash[:]})
	}
	add("a usual one", func(*protocol.Warrant) {})
	add("without a case", func(w *protocol.Warrant) { w.Case = "" })
	add("in Persian", func(w *protocol.Warrant) { w.Reason = "محموله منحرف شده" })
	add("for one device", func(w *protocol.Warrant) { w.Cohort.Size = 1 })
	add("for as many as there can be", func(w *protocol.Warrant) { w.Cohort.Size = protocol.MaxCohort })
	for _, v := range file(t, "warrants.json", made) {
		w := protocol.Warrant{
			ID: v.ID, Case: v.Case, Reason: v.Reason, IssuedAt: time.Unix(v.IssuedAt, 0), EndsAt: time.Unix(v.EndsAt, 0), Officers: v.Officers,
			Cohort: v.Cohort.read(),
		}
		if data := must(w.Marshal())(t); !bytes.Equal(data, v.Bytes) {
			t.Errorf("%s: %x", v.Name, data)
		}
		if hash := must(w.Hash())(t); !bytes.Equal(hash[:], v.Hash) {
			t.Errorf("%s: hash %x", v.Name, hash)
		}
	}
}

type answerVector struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"` // epoch, enrol, check-in
	Bytes Hex    `json:"bytes"`
	Fault string `json:"fault,omitempty"`

	Epoch       Hex             `json:"epoch,omitempty"`
	Time        int64           `json:"time,omitempty"`
	Device      Hex             `json:"device,omitempty"`
	Secret      Hex             `json:"unlock_secret,omitempty"`
	Trust       *trust          `json:"trust,omitempty"`
	Policy      *policy         `json:"policy,omitempty"`
	NextCheckIn int64           `json:"next_check_in,omitempty"` // seconds
	Sequence    uint64          `json:"sequence,omitempty"`
	IP          string          `json:"ip,omitempty"`
	Orders      []Hex           `json:"orders,omitempty"` // sealed
	Warrants    []warrantAnswer `json:"warrants,omitempty"`
	Unlocks     uint64          `json:"unlocks,omitempty"`
	Metadata    *signedFiles    `json:"metadata,omitempty"`
}

type warrantAnswer struct {
	ID     string `json:"id"`
	Hash   Hex    `json:"hash"`
	EndsAt int64  `json:"ends_at"`
	Member member `json:"member"`
}

func readAnswer(t *testing.T, kind string, data []byte) (v answerVector, err error) {
	v = answerVector{Kind: kind, Bytes: data}
	switch kind {
	case "epoch":
		a, err := protocol.ParseEpochAnswer(data)
		if err != nil {
			return v, err
		}
		v.Epoch, v.Time = a.Epoch, unix(a.Time)
	case "enrol":
		a, err := protocol.ParseEnrolAnswer(data)
		if err != nil {
			return v, err
		}
		to := trustOf(a.Trust)
		v.Metadata = updateOf(a.Metadata)
		v.Epoch, v.Time, v.Device, v.Secret, v.Trust, v.Policy = a.Epoch, unix(a.Time), a.Device[:], a.UnlockSecret[:], &to, policyOf(&a.Policy)
	case "check-in":
		a, err := protocol.ParseCheckInAnswer(data)
		if err != nil {
			return v, err
		}
		v.Epoch, v.Time, v.NextCheckIn, v.Sequence = a.Epoch, unix(a.Time), int64(a.NextCheckIn/time.Second), a.Sequence
		v.IP, v.Unlocks = string(a.IP), a.Unlocks
		for _, s := range a.Orders {
			v.Orders = append(v.Orders, must(s.Marshal())(t))
		}
		for _, h := range a.Warrants {
			hash := must(h.Warrant.Hash())(t)
			v.Warrants = append(v.Warrants, warrantAnswer{h.Warrant.ID, hash[:], unix(h.Warrant.EndsAt), memberOf(h.Member)})
		}
		if a.Metadata != nil {
			v.Metadata = updateOf(*a.Metadata)
		}
		if a.Policy != nil {
			v.Policy = policyOf(a.Policy)
		}
	default:
		t.Fatalf("no kind %q", kind)
	}
	return v, nil
}

func makeAnswers(t *testing.T) (made []answerVector) {
	add := func(name, kind string, data []byte, fault protocol.Fault) {
		v, err := readAnswer(t, kind, data)
		v.Name, v.Fault = name, string(protocol.FaultOf(err))
		if protocol.FaultOf(err) != fault || (err != nil) != (fault != "") {
			t.Fatalf("%s: %v, want %q", name, err, fault)
		}
		made = append(made, v)
	}
	p, epoch := usualPolicy(), []byte("epoch-01")
	l := newLedger(t, "ledger.example/vectors", "ledger")
	least := must(protocol.CheckInAnswer{Epoch: epoch, Time: moment, NextCheckIn: 24 * time.Hour, Sequence: 1}.Marshal())(t)
	salt := seed("salt/answer")
	n := noticeLeaf()
	n.Commitment = order.Commit(salt, deviceID("a"))
	data := must(n.Marshal())(t)
	officers := agenttest.NewOfficers("answers", moment.AddDate(0, -1, 0))
	held := usualWarrant()
	c, members, err := agenttest.Cohort("secret", "490154203237518", "356938035643809", "350000000000018")
	if err != nil {
		t.Fatal(err)
	}
	held.Cohort = c
	if err := errors.Join(officers.SignPolicy(p), officers.SignWarrant(held)); err != nil {
		t.Fatal(err)
	}
	signed := officers.Update(moment, moment)
	known := *signed
	known.Roots = nil
	full := must(protocol.CheckInAnswer{
		Epoch: epoch, Time: moment, NextCheckIn: 31 * 24 * time.Hour, Sequence: 1 << 40, IP: "CU", Unlocks: 2, Policy: &p,
		Orders:   []order.Sealed{{Leaf: data, Salt: salt, Proof: l.proof(l.append(data))}},
		Warrants: []protocol.Held{{Warrant: held, Member: members["490154203237518"]}}, Metadata: &known,
	}.Marshal())(t)
	enrol := must(protocol.EnrolAnswer{
		Device: deviceID("a"), UnlockSecret: seed("unlock secret"), Trust: protocol.Trust{Origin: l.origin, LogKey: l.key}, Policy: p, Epoch: epoch, Time: moment,
		Metadata: *signed,
	}.Marshal())(t)
	add("an epoch", "epoch", must(protocol.EpochAnswer{Epoch: epoch, Time: moment}.Marshal())(t), "")
	add("an enrolment", "enrol", enrol, "")
	add("the least check-in", "check-in", least, "")
	add("everything in a check-in", "check-in", full, "")
	add("metadata alone, with two roots", "check-in", must(protocol.CheckInAnswer{Epoch: epoch, Time: moment, NextCheckIn: 24 * time.Hour, Sequence: 1, Metadata: rotated(officers)}.Marshal())(t), "")
	add("truncated", "check-in", full[:len(full)-1], protocol.ErrMalformed)
	add("one byte more", "check-in", append(bytes.Clone(least), 0), protocol.ErrMalformed)
	add("a key that is unknown", "check-in", append([]byte{least[0] + 1}, append(bytes.Clone(least[1:]), 0x18, 0x63, 1)...), protocol.ErrMalformed)
	add("an integer written too long", "check-in", append(bytes.Clone(least[:len(least)-1]), 0x18, 1), protocol.ErrMalformed)
	add("sequence 0", "check-in", append(bytes.Clone(least[:len(least)-1]), 0), protocol.ErrInvalid)
	add("an epoch too short", "epoch", must(shortEpoch(moment))(t), protocol.ErrInvalid)
	return made
}

// rotated are metadata after the officers changed.
func rotated(o *agenttest.Officers) *tuf.Update {
	o.Repository.Rotate(moment, tuftest.Rotation{Add: 1, Remove: 1})
	return o.Update(moment, moment)
}

// shortEpoch writes an epoch answer with an epoch of seven bytes, which Marshal refuses to.
func shortEpoch(at time.Time) ([]byte, error) {
	data, err := protocol.EpochAnswer{Epoch: []byte("epoch-01"), Time: at}.Marshal()
	if err != nil {
		return nil, err
	}
	return append(append(bytes.Clone(data[:4]), 0x47), append([]byte("epoch-0"), data[13:]...)...), nil
}

func TestAnswers(t *testing.T) {
	for _, v := range file(t, "answers.json", makeAnswers(t)) {
		t.Run(v.Name, func(t *testing.T) {
			got, err := readAnswer(t, v.Kind, v.Bytes)
			if fault := string(protocol.FaultOf(err)); fault != v.Fault {
				t.Fatalf("fault %q (%v), want %q", fault, err, v.Fault)
			}
			got.Name, got.Fault = v.Name, v.Fault
			same(t, "answer", got, v)
		})
	}
}
