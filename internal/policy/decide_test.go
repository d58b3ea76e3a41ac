package policy

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/territory"
	"pgregory.net/rapid"
)

// genuineIn returns facts of a device about which nothing is in doubt.
func genuineIn(c territory.Code, activated string) Facts {
	return Facts{Activation: c, ActivatedOn: dayOf(activated), Attestation: Genuine}
}

func TestDecide(t *testing.T) {
	p := parsed(t, goodSource)
	aidDevice := device.ID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	with := func(f Facts, change func(*Facts)) Facts { change(&f); return f }
	cuba, crimea := genuineIn("CU", "2026-04-01"), genuineIn("UA-43", "2026-04-01")
	for _, tc := range []struct {
		name    string
		facts   Facts
		on      string
		verdict Verdict
		rule    string
		licence string
		custom  string
		reasons string
	}{
		{"denied", cuba, "2026-04-10", Deny, "cuba", "", "", "activated-in-prohibited-territory"},
		{"subdivision of a prohibited country", genuineIn("CU-03", "2026-04-01"), "2026-04-10", Deny, "cuba", "", "", "activated-in-prohibited-territory"},
		{"prohibited part of an official market", crimea, "2026-04-10", Deny, "crimea", "", "", "activated-in-prohibited-territory"},
		{"the rest of that market", genuineIn("UA-65", "2026-04-01"), "2026-04-10", Permit, "", "", "", "official-market"},
		{"official", genuineIn("ES", "2026-04-01"), "2026-04-10", Permit, "", "", "", "official-market"},
		{"unsupported", genuineIn("US", "2026-04-01"), "2026-04-10", Permit, "", "", "", "unsupported-market"},
		{"unlisted", genuineIn("FR", "2026-04-01"), "2026-04-10", Permit, "", "", "", "territory-not-listed"},
		{"present in Cuba only", with(genuineIn("ES", "2026-04-01"), func(f *Facts) { f.Present = "CU" }), "2026-04-10", Permit, "", "", "", "official-market"},
		{"not established", Facts{Attestation: Genuine}, "2026-04-10", Indeterminate, "", "", "", "activation-not-established"},
		{"mixed", with(cuba, func(f *Facts) { f.ActivationMixed = true }), "2026-04-10", Indeterminate, "", "", "", "activation-mixed"},
		{"before applies_to", genuineIn("CU", "2025-12-31"), "2026-04-10", Permit, "cuba", "", "", "activated-before-policy"},
		{"on the first day of applies_to", genuineIn("CU", "2026-01-01"), "2026-04-10", Deny, "cuba", "", "", "activated-in-prohibited-territory"},
		{"before since", genuineIn("UA-40", "2026-01-31"), "2026-04-10", Permit, "crimea", "", "", "activated-before-rule"},
		{"on since", genuineIn("UA-40", "2026-02-01"), "2026-04-10", Deny, "crimea", "", "", "activated-in-prohibited-territory"},
		{"since is still to come", genuineIn("UA-40", "2026-01-10"), "2026-01-20", Permit, "crimea", "", "", "territory-not-yet-listed"},
		{"last day on the list", genuineIn("SD", "2026-02-01"), "2026-02-28", Deny, "sudan", "", "", "activated-in-prohibited-territory"},
		{"left the list", genuineIn("SD", "2026-02-01"), "2026-03-01", Permit, "sudan", "", "", "territory-left-list"},
		{"on review_by", cuba, "2027-01-01", Deny, "cuba", "", "", "activated-in-prohibited-territory"},
		{"after review_by", cuba, "2027-01-02", Indeterminate, "cuba", "", "", "policy-review-overdue"},
		{"before effective_from", genuineIn("CU", "2026-01-01"), "2025-12-31", Indeterminate, "cuba", "", "", "clock-doubtful policy-not-in-force"},
		{"custom system", with(cuba, func(f *Facts) { f.Attestation = Custom }), "2026-04-10", Indeterminate, "cuba", "", "", "attestation-not-genuine"},
		{"unlocked", with(cuba, func(f *Facts) { f.Attestation = Unlocked }), "2026-04-10", Indeterminate, "cuba", "", "", "attestation-not-genuine"},
		{"unknown attestation and no record", with(cuba, func(f *Facts) { f.Attestation, f.RecordMissing = AttestationUnknown, true }), "2026-04-10",
			Indeterminate, "cuba", "", "", "attestation-unknown record-missing"},
		{"an attestation that does not exist", with(cuba, func(f *Facts) { f.Attestation = 9 }), "2026-04-10", Indeterminate, "cuba", "", "", "attestation-unknown"},
		{"doubtful clock", with(cuba, func(f *Facts) { f.ClockDoubtful = true }), "2026-04-10", Indeterminate, "cuba", "", "", "clock-doubtful"},
		{"activated tomorrow", genuineIn("CU", "2026-04-11"), "2026-04-10", Indeterminate, "cuba", "", "", "clock-doubtful"},
		{"doubt outside the list changes nothing", with(genuineIn("ES", "2026-04-01"), func(f *Facts) { f.RecordMissing = true }), "2026-04-10", Permit, "", "", "", "official-market"},
		{"general licence", with(cuba, func(f *Facts) { f.Model, f.TAC = "S", "35384110" }), "2026-04-10", Permit, "cuba", "gift", "", "licence-general"},
		{"one condition of the goods only", with(cuba, func(f *Facts) { f.Model, f.TAC = "S", "86000000" }), "2026-04-10", Deny, "cuba", "", "", "activated-in-prohibited-territory"},
		{"general licence in another territory", with(crimea, func(f *Facts) { f.Model, f.TAC = "S", "35384110" }), "2026-04-10", Deny, "crimea", "", "", "activated-in-prohibited-territory"},
		{"licence ended after the activation", with(cuba, func(f *Facts) { f.Model, f.TAC = "S", "35384110" }), "2026-12-01", Permit, "cuba", "gift", "", "licence-general"},
		{"on the last day of the licence", with(genuineIn("CU", "2026-06-30"), func(f *Facts) { f.Model, f.TAC = "S", "35384110" }), "2026-12-01", Permit, "cuba", "gift", "", "licence-general"},
		{"licence given after the activation", with(genuineIn("CU", "2026-02-01"), func(f *Facts) { f.Model, f.TAC = "S", "35384110" }), "2026-04-10", Permit, "cuba", "gift", "", "licence-general"},
		{"licence still to come", with(genuineIn("CU", "2026-02-01"), func(f *Facts) { f.Model, f.TAC = "S", "35384110" }), "2026-02-28",
			Deny, "cuba", "", "", "activated-in-prohibited-territory licence-not-valid"},
		{"individual licence ended before the activation", with(genuineIn("UA-43", "2026-07-01"), func(f *Facts) { f.Consignee = "AID" }), "2026-12-01",
			Deny, "crimea", "", "", "activated-in-prohibited-territory licence-not-valid"},
		{"licence ended before the activation", with(genuineIn("CU", "2026-07-01"), func(f *Facts) { f.Model, f.TAC = "S", "35384110" }), "2026-12-01",
			Deny, "cuba", "", "", "activated-in-prohibited-territory licence-not-valid"},
		{"individual licence by device", with(crimea, func(f *Facts) { f.Device = aidDevice }), "2026-04-10", Permit, "crimea", "aid", "", "licence-individual"},
		{"individual licence by consignee", with(crimea, func(f *Facts) { f.Consignee = "AID" }), "2026-04-10", Permit, "crimea", "aid", "", "licence-individual"},
		{"individual licence by record", with(crimea, func(f *Facts) { f.Licences = []string{"aid"} }), "2026-04-10", Permit, "crimea", "aid", "", "licence-individual"},
		{"not in the other half of the entry", with(genuineIn("UA-40", "2026-04-01"), func(f *Facts) { f.Consignee = "AID" }), "2026-04-10", Deny, "crimea", "", "", "activated-in-prohibited-territory"},
		{"a licence nobody listed", with(crimea, func(f *Facts) { f.Licences = []string{"other"} }), "2026-04-10", Indeterminate, "crimea", "", "", "licence-unknown"},
		{"a rule takes the general licence away", with(cuba, func(f *Facts) { f.Model, f.TAC, f.Consignee = "S", "35384110", "STATE" }), "2026-04-10",
			Deny, "cuba", "", "no-gift", "activated-in-prohibited-territory rule-denies"},
		{"but not an individual one", with(cuba, func(f *Facts) { f.Device, f.Consignee = aidDevice, "STATE" }), "2026-04-10", Permit, "cuba", "aid", "", "licence-individual"},
		{"nor does it deny elsewhere", with(genuineIn("ES", "2026-04-01"), func(f *Facts) { f.Consignee = "STATE" }), "2026-04-10", Permit, "", "", "", "official-market"},
		{"nor in another entry", with(crimea, func(f *Facts) { f.Consignee, f.Attestation = "STATE", Custom }), "2026-04-10", Indeterminate, "crimea", "", "", "attestation-not-genuine"},
		{"nor against doubt", with(cuba, func(f *Facts) { f.Consignee, f.RecordMissing = "STATE", true }), "2026-04-10", Indeterminate, "cuba", "", "", "record-missing"},
		{"a rule permits", with(cuba, func(f *Facts) { f.Consignee = "PRESS" }), "2026-04-10", Permit, "cuba", "", "press", "rule-permits"},
		{"a rule in CEL makes a person look", with(cuba, func(f *Facts) { f.Consignee = strings.Repeat("x", 21) }), "2026-04-10", Indeterminate, "cuba", "", "look", "rule-indeterminate"},
		{"also outside the list", with(genuineIn("ES", "2026-04-01"), func(f *Facts) { f.Consignee = strings.Repeat("x", 21) }), "2026-04-10", Indeterminate, "", "", "look", "rule-indeterminate"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := p.Decide(tc.facts, noon(tc.on))
			var codes []string
			for _, r := range d.Reasons {
				codes = append(codes, string(r.Code))
				if !strings.HasSuffix(r.Text, ".") {
					t.Errorf("reason %q is no sentence", r.Text)
				}
			}
			if d.Verdict != tc.verdict || d.Rule != tc.rule || d.Licence != tc.licence || d.Custom != tc.custom || strings.Join(codes, " ") != tc.reasons {
				t.Errorf("got %s rule=%q licence=%q custom=%q %v", d.Verdict, d.Rule, d.Licence, d.Custom, codes)
			}
			if d.PolicyHash != p.Hash() || d.Territory != tc.facts.Activation {
				t.Error("the decision does not say by which policy, or about which territory")
			}
		})
	}
}

// A rule that fails at evaluation asks for a person, and never denies or permits.
func TestARuleThatFailsIsIndeterminate(t *testing.T) {
	src := strings.Replace(goodSource, `'consignee.size() > 20'`, `'[1, 2][consignee.size()] == 2'`, 1)
	p := parsed(t, src)
	f := genuineIn("CU", "2026-04-01")
	f.Consignee = "long name"
	d := p.Decide(f, noon("2026-04-10"))
	if d.Verdict != Indeterminate || d.Custom != "look" || d.Reasons[0].Code != RuleFailed {
		t.Errorf("got %+v", d)
	}
}

func TestZeroValuesFavourTheOwner(t *testing.T) {
	var d Decision
	if d.Verdict != Indeterminate || (Facts{}).Attestation != AttestationUnknown {
		t.Error("a zero value would restrict somebody")
	}
	if v := parsed(t, goodSource).Decide(Facts{}, time.Time{}).Verdict; v != Indeterminate {
		t.Errorf("nothing known gives %s", v)
	}
}

// drawFacts begins with facts that goodSource denies, and changes up to most of them.
func drawFacts(t *rapid.T, most int) Facts {
	f := genuineIn("CU", "2026-04-01")
	pick := func(values ...string) string { return rapid.SampledFrom(values).Draw(t, "value") }
	code := func() territory.Code {
		return territory.Code(pick("", "ES", "UA", "UA-43", "UA-40", "UA-65", "CU", "CU-03", "SD", "US", "FR"))
	}
	changes := []func(){
		func() { f.Activation = code() },
		func() { f.Market = code() },
		func() { f.Present = code() },
		func() {
			f.ActivatedOn = dayOf("2025-12-20") + territory.Day(rapid.IntRange(0, 500).Draw(t, "activated_on"))
		},
		func() { f.ActivationMixed = true },
		func() {
			f.Attestation = rapid.SampledFrom([]Attestation{Custom, Unlocked, AttestationUnknown}).Draw(t, "attestation")
		},
		func() { f.RecordMissing = true },
		func() { f.ClockDoubtful = true },
		func() { f.Model, f.TAC = "S", "35384110" },
		func() { f.Model = pick("P", "S", "") },
		func() { f.TAC = pick("35384110", "86000000") },
		func() { f.Category = pick("consumer", "other") },
		func() { f.Consignee = pick("AID", "STATE", "PRESS", "some very long consignee") },
		func() {
			f.Licences = rapid.SliceOfN(rapid.SampledFrom([]string{"aid", "gift", "press", "other"}), 1, 2).Draw(t, "licences")
		},
	}
	for range rapid.IntRange(0, most).Draw(t, "changes") {
		changes[rapid.IntRange(0, len(changes)-1).Draw(t, "change")]()
	}
	return f
}

// Charter C4, C5, C10: whoever is denied was activated in a territory on the list, without any doubt, and would be denied
// wherever the device is now.
func TestDenyNeedsActivationAndNoDoubt(t *testing.T) {
	p := parsed(t, goodSource)
	denied := 0
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t, 3)
		now := (f.ActivatedOn + territory.Day(rapid.IntRange(-1, 60).Draw(t, "later"))).Time()
		d := p.Decide(f, now)
		if len(d.Reasons) == 0 {
			t.Fatal("a decision without a reason")
		}
		elsewhere := f
		elsewhere.Present = "CU"
		if e := p.Decide(elsewhere, now); e.Verdict != d.Verdict || e.Rule != d.Rule {
			t.Fatalf("the present place changed %s to %s", d.Verdict, e.Verdict)
		}
		if d.Verdict != Deny {
			return
		}
		denied++
		today := territory.DayOf(now)
		status, rule := p.Status(f.Activation, now)
		switch {
		case status != MarketProhibited || rule != d.Rule:
			t.Fatalf("denied in %s, which is %s by %q", f.Activation, status, rule)
		case f.ActivationMixed, f.Attestation != Genuine, f.RecordMissing, f.ClockDoubtful, f.ActivatedOn > today:
			t.Fatal("denied in doubt")
		case f.ActivatedOn < p.AppliesTo.ActivatedOnOrAfter, today < territory.DayOf(p.EffectiveFrom):
			t.Fatal("denied out of the policy's reach")
		}
		for _, g := range p.Territories() {
			if g.Rule == d.Rule && (today > territory.DayOf(g.ReviewBy) || f.ActivatedOn < territory.DayOf(g.Since)) {
				t.Fatal("denied by a stale entry, or before it")
			}
		}
	})
	if denied == 0 {
		t.Error("no drawn case was denied: the property said nothing")
	}
}

// Doubt never makes a verdict harsher.
func TestAddingDoubtNeverDenies(t *testing.T) {
	p := parsed(t, goodSource)
	rapid.Check(t, func(t *rapid.T) {
		f, now := drawFacts(t, 3), noon("2026-05-01")
		before := p.Decide(f, now).Verdict
		switch rapid.IntRange(0, 3).Draw(t, "doubt") {
		case 0:
			f.RecordMissing = true
		case 1:
			f.ClockDoubtful = true
		case 2:
			f.ActivationMixed = true
		case 3:
			f.Attestation = AttestationUnknown
		}
		if after := p.Decide(f, now).Verdict; after == Deny {
			t.Fatalf("doubt made %s into deny", before)
		}
	})
}

func TestDecisionAsJSON(t *testing.T) {
	d := parsed(t, goodSource).Decide(genuineIn("CU", "2026-04-01"), noon("2026-04-10"))
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Verdict    Verdict
		Rule       string
		Reasons    []Reason
		PolicyHash string `json:"policy_hash"`
	}
	if err := json.Unmarshal(b, &back); err != nil || back.Verdict != Deny || back.Rule != "cuba" || len(back.PolicyHash) != 64 || len(back.Reasons) != 1 {
		t.Errorf("%s: %+v, %v", b, back, err)
	}
	for _, word := range []string{"denied", "", "DENY"} {
		if err := back.Verdict.UnmarshalText([]byte(word)); err == nil {
			t.Errorf("%q was read as a verdict", word)
		}
	}
}
