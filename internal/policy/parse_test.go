package policy

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden listings in testdata/bad")

// Every file in testdata/bad is refused with exactly the problems in the listing beside it.
func TestBadFilesAreRefusedWithEveryProblem(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d bad files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := Parse(filepath.Base(file), src)
			var problems Problems
			if p != nil || !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("Parse = %v, %v; want Problems", p, err)
			}
			got, golden := problems.Error()+"\n", strings.TrimSuffix(file, ".yaml")+".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
		})
	}
}

// goodSource is a small policy that is right; tests change parts of it.
const goodSource = `format: bailiwick-policy/1
id: good
version: 1
title: A small policy
effective_from: 2026-01-01
applies_to: {activated_on_or_after: 2026-01-01}
observation: {days: 5, window: 21, percent: 95}
notice: {days: 14, shown_days: 5}
sunset: {days: 180}
contact: {name: Support, email: a@b.example, owner_page: "https://b.example/"}
markets:
- {codes: [ES, UA], status: official}
- {codes: [US], status: unsupported}
prohibited:
- {id: cuba, name: Cuba, codes: [CU], legal_basis: Law, source: Book, since: 2000-01-01, review_by: 2027-01-01}
- {id: crimea, name: Crimea, codes: [UA-43, UA-40], legal_basis: Law, source: Book, since: 2026-02-01, review_by: 2027-01-01}
- {id: sudan, name: Sudan, codes: [SD], legal_basis: Law, source: Book, since: 2000-01-01, until: 2026-03-01, review_by: 2026-06-01}
licences:
  general:
  - {id: gift, title: Gifts, goods: {models: [S], tac_prefixes: ["3538"]}, territories: [CU], valid_from: 2026-03-01, valid_until: 2026-06-30, source: Book}
  individual:
  - {id: aid, reference: R-1, title: Aid, devices: ["000102030405060708090a0b0c0d0e0f"], consignees: [AID], territories: [CU, UA-43], valid_from: 2026-01-01, valid_until: 2026-06-30, source: Book}
rules:
- {id: no-gift, within: [cuba], when: consignee == "STATE", effect: deny, reason: Not for the state}
- {id: press, when: consignee == "PRESS" || "press" in licences, effect: permit, reason: The press may}
- {id: look, when: 'consignee.size() > 20', effect: indeterminate, reason: A person looks}
tests:
- {name: plain, on: 2026-04-01, facts: {activation: CU, activated_on: 2026-03-01, attestation: genuine}, expect: {verdict: deny, rule: cuba}}
`

func parsed(t testing.TB, src string) *Policy {
	t.Helper()
	p, err := Parse("test.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func noon(date string) time.Time { return dayOf(date).Time().Add(12 * time.Hour) }

func TestParseKeepsTheExactBytes(t *testing.T) {
	src := []byte(goodSource)
	p := parsed(t, goodSource)
	hash := p.Hash()
	src[0] ^= 1
	p.Source()[0] ^= 1
	if got := string(p.Source()); got != goodSource || p.Hash() != hash {
		t.Error("the policy's source can be changed from outside")
	}
	again, err := Parse("other name", []byte(goodSource))
	if err != nil || again.Hash() != hash {
		t.Errorf("the same bytes have another hash, %v", err)
	}
	if other := parsed(t, goodSource+"# a comment\n"); other.Hash() == hash {
		t.Error("other bytes have the same hash")
	}
}

// bulk is what nobody writes who means a policy.
func bulk() map[string]string {
	return map[string]string{
		"too long":         goodSource + strings.Repeat("#", MaxSize),
		"too many values":  "id: [" + strings.Repeat("a,", 300_000) + "]",
		"deep by dashes":   strings.Repeat("- ", 5000) + "a",
		"deep by indent":   strings.Repeat(" ", 5000) + "a: 1",
		"a flood of lines": strings.Repeat("x: 1\n", 60_000),
	}
}

func TestParseRefusesBulk(t *testing.T) {
	for name, src := range bulk() {
		_, err := Parse("bulk.yaml", []byte(src))
		var problems Problems
		if !errors.As(err, &problems) || len(problems) > maxProblems+1 {
			t.Errorf("%s: %d problems, %.200v", name, len(problems), err)
		}
	}
}

func TestParseOfManyRules(t *testing.T) {
	// Forty have too many constants to try all together, and yet a rule that says in other words what another says is found.
	src := manyRules(40) + "- {id: last, when: '\"M7\" == model && market == \"US\" && consignee != \"A7\" && today >= date(\"2026-01-03\")', effect: permit, reason: R}\n"
	if _, err := Parse("many.yaml", []byte(src)); err == nil || !strings.Contains(err.Error(), "rule last is never reached: rule r7") {
		t.Errorf("got %v", err)
	}
}

func manyRules(n int) string {
	var b strings.Builder
	b.WriteString(goodSource[:strings.Index(goodSource, "rules:")] + "rules:\n")
	for i := range n {
		fmt.Fprintf(&b, "- {id: r%d, when: 'model == \"M%d\" && market in [\"ES\", \"UA\", \"US\"] && consignee != \"A%d\" && today > date(\"2026-01-02\")', effect: permit, reason: R}\n", i, i, i)
	}
	return b.String()
}

func TestAnAcceptedPolicyIsReadOnlyFromOutside(t *testing.T) {
	p := parsed(t, goodSource)
	p.Territories()[0].Codes[0] = "ES"
	p.Markets()[0].Codes[0] = "CU"
	p.DeviceExtract().Rules[0].Codes[0] = "ES"
	if p.Territories()[0].Codes[0] != "CU" || p.Markets()[0].Codes[0] != "ES" || p.DeviceExtract().Rules[0].Codes[0] != "CU" {
		t.Error("a caller changed the policy")
	}
}
