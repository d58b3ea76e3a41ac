package console_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/web/preview/staged"
	"github.com/bailiwick-dev/bailiwick/internal/web/webtest"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// signed is a proposal that the console gave out, signed by staged officers.
func (b *browser) signed(proposal []byte, officers ...string) []byte {
	b.t.Helper()
	data, err := b.staged.Signing.Sign(proposal, officers...)
	if err != nil {
		b.t.Fatal(err)
	}
	return data
}

func (b *browser) look(data []byte) *webtest.Page {
	b.t.Helper()
	w := b.uploadTo("/console/proposals", "proposal.json", data, map[string]string{"action": "look", "back": "/console/policy"})
	p, err := webtest.Parse(w.Body.String())
	if err != nil || w.Code != http.StatusOK || len(p.Problems()) > 0 {
		b.t.Fatal(w.Code, err, p.Problems())
	}
	return p
}

// A policy goes out as a file, is signed elsewhere, looked at, and comes in force with two signatures, not with one.
func TestPolicyProposal(t *testing.T) {
	b := open(t, "nora")
	w := b.post("/console/policy/proposal", url.Values{"name": {"next.yaml"}, "source": {base64.StdEncoding.EncodeToString(policies.Current)}})
	if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Content-Disposition"), "policy-proposal.json") {
		t.Fatal(w.Code, w.Header())
	}
	one := b.signed(w.Body.Bytes(), "li")
	p := b.look(one)
	for _, want := range []string{"Signatures are missing", "policy version 3 li 2 nora, samir", "harsher", "Phones activated in Sudan (SD) are no longer restricted", "computed again from the policy file"} {
		if !strings.Contains(p.Text(), want) {
			t.Errorf("the proposal's page does not say %q: %s", want, p.Text())
		}
	}
	publish := map[string]string{"action": "publish", "back": "/console/policy"}
	if p := b.then(b.uploadTo("/console/proposals", "proposal.json", one, publish)); !strings.Contains(p.Text(), "Two officers have to sign this") {
		t.Error(p.Text())
	}
	two := b.signed(one, "samir")
	if p := b.look(two); !strings.Contains(p.Text(), "Enough officers have signed") {
		t.Error(p.Text())
	}
	if p := b.then(b.uploadTo("/console/proposals", "proposal.json", two, publish)); !strings.Contains(p.Text(), "Published. It is in force from") || !strings.Contains(p.Text(), "Signed by nora and samir.") {
		t.Error(p.Text())
	}
	b.calls("ProposePolicy next.yaml nora", "Publish policy nora")
}

func TestWarrantProposal(t *testing.T) {
	b := open(t, "nora")
	w := b.get("/console/cases/case-0001/warrants/warrant-0002/proposal")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatal(w.Code, w.Header())
	}
	p := b.look(b.signed(w.Body.Bytes(), "nora", "samir"))
	for _, want := range []string{"two more weeks to produce its papers", "warrant-0002 in case-0001", "Devices 3", string(staged.IMEI(1))[:8] + " 3"} {
		if !strings.Contains(p.Text(), want) {
			t.Errorf("the proposal's page does not say %q: %s", want, p.Text())
		}
	}
	done := b.uploadTo("/console/proposals", "w.json", b.signed(w.Body.Bytes(), "nora", "samir"), map[string]string{"action": "publish"})
	if p := b.then(done); !strings.Contains(p.Text(), "The warrant is in force: 0 phones are told of it. Signed by nora and samir.") {
		t.Error(p.Text())
	}
	if w := b.get("/console/cases/case-0001/warrants/warrant-0009/proposal"); w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
}

// What was tampered with, or is none, is refused with words, and leads back to where it was chosen.
func TestUnsoundProposals(t *testing.T) {
	b := open(t, "nora")
	w := b.get("/console/cases/case-0001/warrants/warrant-0002/proposal")
	for name, data := range map[string][]byte{
		"tampered": []byte(strings.Replace(w.Body.String(), `"subject": "warrant"`, `"subject": "policy"`, 1)),
		"cut":      w.Body.Bytes()[:w.Body.Len()/2], "none": []byte("{}"), "empty": nil, "binary": {0, 1, 2},
	} {
		answer := b.uploadTo("/console/proposals", "x.json", data, map[string]string{"action": "look", "back": "/console/cases/case-0001"})
		if answer.Header().Get("Location") != "/console/cases/case-0001" {
			t.Errorf("%s leads to %q", name, answer.Header().Get("Location"))
			continue
		}
		if p := b.then(answer); len(p.Find("div", "class", "note bad")) == 0 {
			t.Errorf("%s: nobody was told", name)
		}
	}
	if answer := b.uploadTo("/console/proposals", "x.json", nil, map[string]string{"back": "https://elsewhere.example/"}); answer.Header().Get("Location") != "/console/" {
		t.Error(answer.Header())
	}
	if w := b.uploadTo("/console/policy/check", "x.yaml", make([]byte, 3<<20), nil); w.Code != http.StatusRequestEntityTooLarge {
		t.Error("only proposals may be large", w.Code)
	}
}

func TestWhoSigns(t *testing.T) {
	b := open(t, "nora")
	p := b.page("/console/officers")
	for _, k := range b.staged.Signing.Keys {
		if !strings.Contains(p.Text(), k.Public().Name()) || !strings.Contains(p.Text(), k.Public().Grouped()) {
			t.Errorf("%s is not shown with a key id", k.Public().Name())
		}
	}
	if !strings.Contains(p.Text(), "2 of these 3 must sign") || strings.Contains(p.Text(), "have it renewed") {
		t.Error(p.Text())
	}
	w := b.post("/console/renewals", url.Values{"role": {"policy"}})
	if look := b.look(w.Body.Bytes()); !strings.Contains(look.Text(), "No policy is new: signatures are renewed.") {
		t.Error(look.Text())
	}
	if w := b.post("/console/renewals", url.Values{"role": {"root"}}); w.Code != http.StatusForbidden {
		t.Error("an officer who is no admin has the root renewed", w.Code)
	}
	admin := open(t, "admin")
	w = admin.post("/console/renewals", url.Values{"role": {"root"}})
	if look := admin.look(w.Body.Bytes()); !strings.Contains(look.Text(), "A change of officers") || !strings.Contains(look.Text(), "by the officers until now") {
		t.Error(look.Text())
	}
	if p := admin.then(admin.post("/console/renewals", url.Values{"role": {"snapshot"}})); !strings.Contains(p.Text(), "There is no such role.") {
		t.Error(p.Text())
	}
}

// TestSignaturesEnd: before they end officers are warned, and told when they have.
func TestSignaturesEnd(t *testing.T) {
	policyEnds := time.Date(2021, 8, 31, 9, 0, 0, 0, time.UTC).Add(400 * 24 * time.Hour)
	for at, want := range map[time.Time]string{policyEnds.Add(-20 * 24 * time.Hour): "20 days: have it renewed", policyEnds: "has ended: nothing can be escalated"} {
		b := openAt(t, "nora", func() time.Time { return at })
		if p := b.page("/console/officers"); !strings.Contains(p.Text(), want) {
			t.Errorf("at %s: %s", at, p.Text())
		}
	}
}

// A server whose officers have not founded anything says so wherever something would be put in force, and offers nothing that cannot be.
func TestUnfounded(t *testing.T) {
	for _, officer := range []string{"nora", "admin", "li"} {
		b := open(t, officer)
		b.staged.Unfounded = true
		for _, path := range []string{"/console/", "/console/policy", "/console/officers", "/console/cases/case-0001"} {
			p := b.page(path)
			if !strings.Contains(p.Text(), "Nobody has said yet whose signatures count.") || len(p.Problems()) > 0 {
				t.Errorf("%s as %s: %v", path, officer, p.Problems())
			}
		}
		if p := b.page("/console/cases/case-0001"); len(p.Find("form", "action", "/console/cases/case-0001/warrant")) != 0 {
			t.Error("a warrant can be drafted")
		}
		p := b.page("/console/officers")
		for _, want := range []string{"bailiwick officer key", "bailiwick officer root", "bailiwick officer sign", "bailiwick officer publish", b.staged.Signing.Online.Public().Grouped()} {
			if !strings.Contains(p.Text(), want) {
				t.Errorf("the page does not say %q", want)
			}
		}
	}
}
