package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/policies"
)

const diffBase = `format: bailiwick-policy/1
id: terms
version: 4
title: Terms
effective_from: 2026-01-01
applies_to: {activated_on_or_after: 2026-01-01}
observation: {days: 5, window: 21, percent: 95}
notice: {days: 14, shown_days: 5}
sunset: {days: 180}
contact: {name: Support, phone: "+00 1", email: a@phones.example, owner_page: "https://o.example/"}
markets:
  - {codes: [UA, ES], status: official}
prohibited:
  - {id: crimea, name: Crimea, codes: [UA-43, UA-40], legal_basis: A law., source: A source, since: 2014-12-19, review_by: 2027-03-01}
  - {id: cuba, name: Cuba, codes: [CU], legal_basis: A law., source: A source, since: 1962-02-07, review_by: 2027-03-01}
licences:
  general:
    - {id: gifts, title: Gifts, goods: {models: [S, M], categories: [consumer]}, territories: [CU], valid_from: 2020-01-01, valid_until: 2027-01-01, source: A rule}
  individual:
    - {id: aid, reference: L-1, title: Aid, consignees: [AID], territories: [UA-43], valid_from: 2020-01-01, source: A rule}
rules:
  - {id: resellers, within: [cuba], when: consignee.startsWith("R-"), effect: deny, reason: No gifts.}
  - {id: press, when: consignee == "PRESS", effect: indeterminate, reason: Look first.}
tests:
  - {name: cuba is denied, on: 2026-06-01, facts: {activation: CU, activated_on: 2026-02-01, attestation: genuine}, expect: {verdict: deny}}
`

// TestDiffNamesEachChange changes one thing at a time: exactly the expected changes are found, with what they do to owners.
func TestDiffNamesEachChange(t *testing.T) {
	type want struct {
		kind      ChangeKind
		part, id  string
		effect    Effect
		says      string // in the text
		meaningOf string // in the meaning; "-" for none
	}
	for name, c := range map[string]struct {
		replace []string // pairs
		want    []want
	}{
		"layout and comments": {[]string{"  - {codes: [UA, ES], status: official}", "  # two\n  - codes: [ES, UA]\n    status: official"}, nil},
		"a territory more": {[]string{"codes: [CU]", "codes: [CU, IR]"}, []want{
			{Added, PartTerritory, "IR", EffectHarsher, "Iran (IR) becomes prohibited by rule cuba.", "can be restricted"},
			{Changed, PartRule, "cuba", EffectHarsher, "Rule cuba, territories: IR more.", "-"}}},
		"a territory fewer": {[]string{"[UA-43, UA-40]", "[UA-43]"}, []want{
			{Dropped, PartTerritory, "UA-40", EffectMilder, "no longer prohibited", "are lifted"},
			{Changed, PartRule, "crimea", EffectMilder, "UA-40 fewer", "-"}}},
		"the whole country": {[]string{"codes: [UA-43, UA-40]", "codes: [UA]", "[UA, ES]", "[ES]"}, []want{
			{Added, PartTerritory, "UA", EffectHarsher, "Ukraine (UA) becomes prohibited", "can be restricted"},
			{Changed, PartRule, "crimea", EffectHarsher, "UA more, UA-40, UA-43 fewer", "-"},
			{Changed, PartMarket, "official", EffectNone, "UA fewer", "-"}}},
		"another rule for the same place": {[]string{"- {id: crimea, name: Crimea, codes: [UA-43, UA-40]", "- {id: peninsula, name: Crimea, codes: [UA-43, UA-40]"}, []want{
			{Changed, PartTerritory, "UA-40", EffectDepends, "by rule peninsula; it was by rule crimea", "a new notice"},
			{Changed, PartTerritory, "UA-43", EffectDepends, "by rule peninsula; it was by rule crimea", "a new notice"},
			{Added, PartRule, "peninsula", EffectDepends, "New rule peninsula", "-"},
			{Dropped, PartRule, "crimea", EffectDepends, "is dropped", "-"}}},
		"an entry gets an end": {[]string{"since: 1962-02-07, ", "since: 1962-02-07, until: 2026-09-01, "}, []want{
			{Changed, PartTerritory, "CU", EffectMilder, "by rule cuba until 2026-09-01; it was by rule cuba.", "a shorter time"},
			{Changed, PartRule, "cuba", EffectMilder, "end: 2026-09-01 instead of none", "ends: 2026-09-01"}}},
		"since earlier, reviewed": {[]string{"since: 2014-12-19, review_by: 2027-03-01", "since: 2014-01-01, review_by: 2028-03-01"}, []want{
			{Changed, PartRule, "crimea", EffectHarsher, "since: 2014-01-01 instead of 2014-12-19", "from 2014-01-01 on"},
			{Changed, PartRule, "crimea", EffectHarsher, "to be reviewed by: 2028-03-01", "supports restrictions until 2028-03-01"}}},
		"another source": {[]string{"legal_basis: A law., source: A source, since: 1962", "legal_basis: A law., source: Another, since: 1962"}, []want{
			{Changed, PartRule, "cuba", EffectNone, `source: "Another" instead of "A source"`, "-"}}},
		"shorter notice": {[]string{"notice: {days: 14, shown_days: 5}", "notice: {days: 7, shown_days: 3}"}, []want{
			{Changed, PartNotice, "", EffectHarsher, "7 days instead of 14", "Notices get shorter"},
			{Changed, PartNotice, "", EffectHarsher, "3 days instead of 5", "on 3 days instead of 5"}}},
		"longer notice, shorter lock": {[]string{"days: 14", "days: 30", "sunset: {days: 180}", "sunset: {days: 90}"}, []want{
			{Changed, PartNotice, "", EffectMilder, "30 days", "Notices get longer"},
			{Changed, PartLock, "", EffectMilder, "90 days instead of 180", "last 90 days at most"}}},
		"observed less": {[]string{"{days: 5, window: 21, percent: 95}", "{days: 3, window: 30, percent: 90}"}, []want{
			{Changed, PartReach, "", EffectHarsher, "3 days", "3 days that agree"},
			{Changed, PartReach, "", EffectHarsher, "30 days", "over 30 days"},
			{Changed, PartReach, "", EffectHarsher, "90 percent", "90 %"}}},
		"reach": {[]string{"activated_on_or_after: 2026-01-01", "activated_on_or_after: 2025-06-01"}, []want{
			{Changed, PartReach, "", EffectHarsher, "2025-06-01 instead of 2026-01-01", "from 2025-06-01 on can"}}},
		"effective earlier": {[]string{"effective_from: 2026-01-01", "effective_from: 2025-12-01"}, []want{
			{Changed, PartReach, "", EffectDepends, "takes effect on 2025-12-01", "policy-rolled-back"}}},
		"a licence for fewer": {[]string{"models: [S, M]", "models: [S]", "valid_until: 2027-01-01", "valid_until: 2026-12-01"}, []want{
			{Changed, PartLicence, "gifts", EffectHarsher, "models: M fewer", "fewer than before"},
			{Changed, PartLicence, "gifts", EffectHarsher, "last day: 2026-12-01", "last day 2026-12-01"}}},
		"a licence for any model, without an end": {[]string{"models: [S, M], ", "", ", valid_until: 2027-01-01", ""}, []want{
			{Changed, PartLicence, "gifts", EffectMilder, "models: M, S fewer", "more than before"},
			{Changed, PartLicence, "gifts", EffectMilder, "last day: none", "last day none"}}},
		"a consignee more": {[]string{"[AID]", "[AID, CROSS]"}, []want{{Changed, PartLicence, "aid", EffectMilder, "CROSS more", "more than before"}}},
		"no licence": {[]string{"  individual:\n    - {id: aid, reference: L-1, title: Aid, consignees: [AID], territories: [UA-43], valid_from: 2020-01-01, source: A rule}\n", ""}, []want{
			{Dropped, PartLicence, "aid", EffectHarsher, "individual licence aid", "no longer permitted by it: Aid."}}},
		"a rule says otherwise": {[]string{"effect: indeterminate", "effect: permit"}, []want{
			{Changed, PartException, "press", EffectMilder, "permit instead of indeterminate", "permit instead"}}},
		"other cases": {[]string{`startsWith("R-")`, `startsWith("R")`}, []want{
			{Changed, PartException, "resellers", EffectDepends, `consignee.startsWith("R")`, "other cases"}}},
		"no custom rule": {[]string{"  - {id: resellers, within: [cuba], when: consignee.startsWith(\"R-\"), effect: deny, reason: No gifts.}\n", ""}, []want{
			{Dropped, PartException, "resellers", EffectMilder, "it said deny when", "any more"}}},
		"order of rules": {[]string{"  - {id: resellers, within: [cuba], when: consignee.startsWith(\"R-\"), effect: deny, reason: No gifts.}\n", "",
			"reason: Look first.}\n", "reason: Look first.}\n  - {id: resellers, within: [cuba], when: consignee.startsWith(\"R-\"), effect: deny, reason: No gifts.}\n"}, []want{
			{Changed, PartException, "", EffectDepends, "press, resellers; it was resellers, press", "order is another"}}},
		"contact": {[]string{`phone: "+00 1", email: a@phones.example`, `email: b@phones.example`}, []want{
			{Dropped, PartContact, "", EffectHarsher, "Telephone: none any more", "one way less"},
			{Changed, PartContact, "", EffectNone, `"b@phones.example" instead of`, "-"}}},
		"version and title": {[]string{"version: 4", "version: 5", "title: Terms", "title: New terms"}, []want{
			{Changed, PartDocument, "", EffectNone, `"5" instead of "4"`, "-"}, {Changed, PartDocument, "", EffectNone, `"New terms"`, "-"}}},
		"tests": {[]string{"name: cuba is denied", "name: cuba"}, []want{
			{Dropped, PartTests, "", EffectNone, `"cuba is denied" is gone`, "-"}, {Added, PartTests, "", EffectNone, `New test "cuba"`, "-"}}},
	} {
		t.Run(name, func(t *testing.T) {
			source := diffBase
			for i := 0; i < len(c.replace); i += 2 {
				if !strings.Contains(source, c.replace[i]) {
					t.Fatalf("no %q to replace", c.replace[i])
				}
				source = strings.Replace(source, c.replace[i], c.replace[i+1], 1)
			}
			changes := Diff(parsed(t, diffBase), parsed(t, source))
			if name != "version and title" { // every file here keeps its version, which is told each time
				changes = slices.DeleteFunc(changes, func(c Change) bool { return c.Field == "version" })
			}
			if len(changes) != len(c.want) {
				t.Fatalf("%d changes, want %d: %+v", len(changes), len(c.want), changes)
			}
			for i, want := range c.want {
				got := changes[i]
				if got.Kind != want.kind || got.Part != want.part || got.ID != want.id || got.Effect != want.effect || !strings.Contains(got.Text, want.says) {
					t.Errorf("change %d is %+v, want %+v", i, got, want)
				}
				if want.meaningOf == "-" != (got.Meaning == "") || want.meaningOf != "-" && !strings.Contains(got.Meaning, want.meaningOf) {
					t.Errorf("change %d means %q, want %q", i, got.Meaning, want.meaningOf)
				}
			}
		})
	}
}

func TestDiffOfAPolicyWithItselfIsEmpty(t *testing.T) {
	p := parsed(t, diffBase)
	changes := Diff(p, p)
	if len(changes) != 0 || changes.Harsher() || len(changes.ForOwners()) != 0 {
		t.Errorf("%+v", changes)
	}
	if text, err := json.Marshal(changes); err != nil || string(text) != "[]" {
		t.Errorf("%s, %v", text, err)
	}
}

// TestDiffSaysThatAVersionIsNotRaised: two files with one version cannot be told apart by it.
func TestDiffSaysThatAVersionIsNotRaised(t *testing.T) {
	changes := Diff(parsed(t, diffBase), parsed(t, strings.Replace(diffBase, "title: Terms", "title: Others", 1)))
	if len(changes) != 2 || changes[0].Field != "version" || !strings.Contains(changes[0].Text, "not raised") {
		t.Errorf("%+v", changes)
	}
}

// TestDiffOfTheFirstPolicy: without one before it every territory and rule is new.
func TestDiffOfTheFirstPolicy(t *testing.T) {
	changes := Diff(nil, parsed(t, diffBase))
	count := map[string]int{}
	for _, c := range changes {
		if c.Kind == Dropped {
			t.Errorf("dropped: %+v", c)
		}
		count[c.Part]++
	}
	if count[PartNotice] != 1 || count[PartLock] != 1 || count[PartReach] != 3 || count[PartContact] != 1 {
		t.Errorf("the terms are not told: %v", count)
	}
	if count[PartTerritory] != 3 || count[PartRule] != 2 || count[PartLicence] != 2 || count[PartException] != 2 || !changes.Harsher() {
		t.Errorf("%v: %+v", count, changes)
	}
}

// TestDiffOfTheSamples is the story's: five years later Sudan has left the list, others are eased, and notices are as long.
func TestDiffOfTheSamples(t *testing.T) {
	changes := Diff(parsed(t, string(policies.Terms202109)), parsed(t, string(policies.Current)))
	owners := strings.Join(changes.ForOwners(), "\n")
	for _, want := range []string{"Phones activated in Sudan (SD) are no longer restricted", "Phones activated from 2026-11-01 on can be restricted, instead of from 2021-06-01 on.",
		"What the licence iran-personal-communications covers is permitted", "What the licence aid-syria covered is no longer permitted by it"} {
		if !strings.Contains(owners, want) {
			t.Errorf("owners are not told %q:\n%s", want, owners)
		}
	}
	if strings.Contains(owners, "rule sudan supports") {
		t.Errorf("a rule that has ended is said to support something:\n%s", owners)
	}
}

// TestDiffKeepsATerminalQuiet: what a condition holds is shown, and obeyed by no terminal.
func TestDiffKeepsATerminalQuiet(t *testing.T) {
	hostile := strings.Replace(diffBase, `when: consignee == "PRESS"`, "when: \"consignee == '\\e[2J\\u202e'\"", 1)
	for _, c := range Diff(parsed(t, diffBase), parsed(t, hostile)) {
		for _, text := range []string{c.Text, c.Meaning, c.Old, c.New} {
			if strings.ContainsFunc(text, func(r rune) bool { return r == 0x1b || r == 0x202e }) {
				t.Errorf("%q", text)
			}
		}
	}
}

// FuzzDiff: whatever two policies parse, their difference can be told, both ways, and a policy does not differ from itself.
func FuzzDiff(f *testing.F) {
	f.Add([]byte(diffBase), []byte(goodSource))
	f.Add(policies.Terms202109, policies.Current)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		old, err := Parse("a", a)
		if err != nil {
			return
		}
		replacement, err := Parse("b", b)
		if err != nil {
			return
		}
		for _, pair := range [][2]*Policy{{old, replacement}, {replacement, old}, {nil, old}} {
			for _, c := range Diff(pair[0], pair[1]) {
				if c.Text == "" || c.Effect > EffectDepends {
					t.Errorf("%+v", c)
				}
			}
		}
		if changes := Diff(old, old); len(changes) != 0 {
			t.Errorf("differs from itself: %+v", changes)
		}
	})
}
