package policy

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/google/go-cmp/cmp"
)

func warnings(r Report) []string {
	list := []string{}
	for _, w := range r.Warnings {
		list = append(list, w.Code)
	}
	return list
}

func TestCheckTellsWhatFailed(t *testing.T) {
	src := strings.Replace(goodSource, "expect: {verdict: deny, rule: cuba}", "expect: {verdict: permit, rule: crimea, licence: gift, custom: press, reason: licence-general}", 1)
	r := parsed(t, src).Check(noon("2026-04-01"))
	if r.OK() || r.Failed != 1 {
		t.Fatalf("a failing test passed: %+v", r)
	}
	want := []string{`verdict is "deny", want "permit"`, `rule is "cuba", want "crimea"`, `custom is "", want "press"`, `licence is "", want "gift"`,
		`reason is "activated-in-prohibited-territory", want "licence-general"`}
	if diff := cmp.Diff(want, r.Tests[0].Failures); diff != "" {
		t.Error(diff)
	}
	text := r.String()
	for _, part := range []string{"test.yaml:28: FAIL plain", "0 of 1 tests passed", "activated-in-prohibited-territory: "} {
		if !strings.Contains(text, part) {
			t.Errorf("the report does not say %q:\n%s", part, text)
		}
	}
}

func TestCheckWarns(t *testing.T) {
	p := parsed(t, goodSource)
	gaps := []string{"untested-territory", "untested-territory", "untested-licence", "untested-licence", "untested-rule", "untested-rule", "untested-rule"}
	for _, tc := range []struct {
		on   string
		want []string
	}{
		{"2025-12-31", []string{"not-in-force", "untested-territory", "untested-territory", "untested-licence", "untested-licence", "untested-rule", "untested-rule", "untested-rule"}},
		{"2026-02-15", gaps},
		{"2026-04-01", append([]string{"untested-territory", "left-list"}, gaps[1:]...)},
		{"2026-07-01", []string{"untested-territory", "left-list", "untested-territory", "licence-expired", "untested-licence", "licence-expired", "untested-licence",
			"untested-rule", "untested-rule", "untested-rule"}},
		{"2026-12-15", []string{"review-due", "review-due", "untested-territory", "left-list", "untested-territory", "licence-expired", "untested-licence",
			"licence-expired", "untested-licence", "untested-rule", "untested-rule", "untested-rule"}},
		{"2027-01-02", []string{"review-overdue", "review-overdue", "untested-territory", "left-list", "untested-territory", "licence-expired", "untested-licence",
			"licence-expired", "untested-licence", "untested-rule", "untested-rule", "untested-rule"}},
	} {
		r := p.Check(noon(tc.on))
		if diff := cmp.Diff(tc.want, warnings(r)); diff != "" {
			t.Errorf("on %s (-want +got):\n%s", tc.on, diff)
		}
		for _, w := range r.Warnings {
			if w.Line < 1 || w.Message == "" {
				t.Errorf("a warning without a place or a message: %+v", w)
			}
		}
	}
	without := parsed(t, goodSource[:strings.Index(goodSource, "tests:")])
	if got := warnings(without.Check(noon("2026-02-15"))); !cmp.Equal(got, []string{"no-tests"}) {
		t.Errorf("without tests: %v", got)
	}
}

func TestReportAsJSON(t *testing.T) {
	b, err := json.Marshal(parsed(t, goodSource).Check(noon("2026-04-01")))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"id":"good"`, `"failed":0`, `"on":"2026-04-01"`, `"verdict":"deny"`, `"code":"left-list"`} {
		if !strings.Contains(string(b), part) {
			t.Errorf("no %s in %s", part, b)
		}
	}
}

func TestDeviceExtract(t *testing.T) {
	p := parsed(t, strings.Replace(goodSource, "since: 2000-01-01, review_by", "since: 1962-02-07, review_by", 1))
	x := p.DeviceExtract()
	if x.Hash != p.Hash() || x.ID != "good" || x.Effective != dayOf("2026-01-01") || x.Observation != p.Observation ||
		x.Notice != p.Notice || x.LockDays != 180 || x.AppliesFrom != dayOf("2026-01-01") || x.Contact != p.Contact || len(x.Rules) != 3 {
		t.Errorf("got %+v", x)
	}
	if cuba := x.Rules[0]; cuba.ID != "cuba" || cuba.Since != 0 || cuba.Until != 0 || cuba.ReviewBy != dayOf("2027-01-01") || cuba.LegalBasis != "Law" {
		t.Errorf("got %+v", cuba)
	}
	if sudan := x.Rules[2]; sudan.Until != dayOf("2026-03-01") || sudan.Since != dayOf("2000-01-01") {
		t.Errorf("got %+v", sudan)
	}
}

func TestStatus(t *testing.T) {
	p := parsed(t, goodSource)
	for _, tc := range []struct {
		code   territory.Code
		on     string
		status MarketStatus
		rule   string
	}{
		{"ES", "2026-04-01", MarketOfficial, ""},
		{"UA-65", "2026-04-01", MarketOfficial, ""},
		{"UA-43", "2026-04-01", MarketProhibited, "crimea"},
		{"UA-43", "2026-01-31", MarketOfficial, ""},
		{"US", "2026-04-01", MarketUnsupported, ""},
		{"FR", "2026-04-01", MarketUnsupported, ""},
		{"SD", "2026-02-28", MarketProhibited, "sudan"},
		{"SD", "2026-03-01", MarketUnsupported, ""},
		{"CU-03", "2026-04-01", MarketProhibited, "cuba"},
		{"", "2026-04-01", MarketUnsupported, ""},
	} {
		if status, rule := p.Status(tc.code, noon(tc.on)); status != tc.status || rule != tc.rule {
			t.Errorf("%s on %s: %s %q, want %s %q", tc.code, tc.on, status, rule, tc.status, tc.rule)
		}
	}
	for status, want := range map[MarketStatus]string{MarketOfficial: "official", MarketUnsupported: "unsupported", MarketProhibited: "prohibited", 9: "invalid"} {
		if status.String() != want {
			t.Errorf("%d is %q", status, status)
		}
	}
}

func TestAttestationAsText(t *testing.T) {
	for _, a := range []Attestation{AttestationUnknown, Genuine, Custom, Unlocked} {
		text, err := a.MarshalText()
		var back Attestation
		if err != nil || back.UnmarshalText(text) != nil || back != a {
			t.Errorf("%s came back as %s", a, back)
		}
	}
	var a Attestation
	if err := a.UnmarshalText([]byte("genuin")); err == nil || a != AttestationUnknown {
		t.Errorf("read as %s", a)
	}
	if s := Attestation(200).String(); s != "unknown" {
		t.Errorf("an attestation that does not exist is %q", s)
	}
}

// A policy is shared by every check-in at once; run with -race.
func TestDecideConcurrently(t *testing.T) {
	p := parsed(t, goodSource)
	f := genuineIn("CU", "2026-04-01")
	f.Consignee = "some very long consignee" // through CEL
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				if d := p.Decide(f, noon("2026-04-10")); d.Custom != "look" {
					t.Errorf("got %+v", d)
				}
				p.DeviceExtract()
				p.Check(noon("2026-04-10"))
			}
		})
	}
	wg.Wait()
}
