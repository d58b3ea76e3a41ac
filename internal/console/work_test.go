package console_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web/preview/staged"
	"github.com/bailiwick-dev/bailiwick/internal/web/webtest"
	"github.com/bailiwick-dev/bailiwick/policies"
)

func TestWave(t *testing.T) {
	b := open(t, "nora")
	b.staged.Confirm = 63
	p := b.page("/console/waves/7")
	for _, want := range []string{"63 locks", "2.6 %", "median of the last ten waves", "Type the number of locks: 63", "rule iran 38", "3 of 63", "where it may not be provided since"} {
		if !strings.Contains(p.Text(), want) {
			t.Errorf("the wave does not say %q", want)
		}
	}
	for _, wrong := range []string{"", "62", "all of them"} {
		if p := b.then(b.post("/console/waves/7/approve", url.Values{"confirm": {wrong}})); len(p.Find("div", "class", "note bad")) < 2 {
			t.Errorf("%q: nobody was told", wrong)
		}
	}
	b.calls()
	p = b.then(b.post("/console/waves/7/approve", url.Values{"confirm": {" 63 "}, "note": {"looked at all"}}))
	if !strings.Contains(p.Text(), "61 locks ordered. Left alone when looked at again: 2 appealed.") {
		t.Error(p.Text())
	}
	if p := b.page("/console/waves/7"); strings.Contains(p.Text(), "61 locks ordered") {
		t.Error("said twice")
	}
	b.then(b.post("/console/waves/7/reject", url.Values{"note": {"odd"}}))
	b.calls("ApproveWave 7 nora", "RejectWave 7 nora: odd")
	if p := b.page("/console/waves/6"); len(p.Find("form", "action", "/console/waves/6/approve")) != 0 || !strings.Contains(p.Text(), "Approved by nora") {
		t.Error("a decided wave can be decided again")
	}
	if p := b.page("/console/waves/6"); !strings.Contains(p.Text(), "Counted in what is left of it: 63 locks of 149.") {
		t.Error(p.Text())
	}
	if p := b.page("/console/waves/5"); !strings.Contains(p.Text(), "let go when it was rejected") || strings.Contains(p.Text(), "sample of") || strings.Contains(p.Text(), "Nothing stands out") {
		t.Error(p.Text())
	}
	if p := b.page("/console/waves/4"); !strings.Contains(p.Text(), "without a policy in force, by warrants alone") {
		t.Error(p.Text())
	}
	if p := b.page("/console/waves"); strings.Contains(p.Text(), "0000000000") || !strings.Contains(p.Text(), "– by warrants alone") {
		t.Error(p.Text())
	}
	for _, path := range []string{"/console/waves/99", "/console/waves/x", "/console/waves/-1"} {
		if w := b.get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestDevice(t *testing.T) {
	b := open(t, "nora")
	path := "/console/devices/" + staged.ID(1).String()
	p := b.page(path)
	for _, want := range []string{"Lark 5", string(staged.IMEI(1)), "United Arab Emirates", "Denied", "by rule iran", "activated-in-prohibited-territory", staged.Reference(1), "no lock before",
		"ends by itself", "entry 303", "Iran: ", "39 days", "Enrolled with a genuine key"} {
		if !strings.Contains(p.Text(), want) {
			t.Errorf("the device's page does not say %q", want)
		}
	}
	steps := p.Find("ol", "class", "steps")
	if len(steps) != 1 || !strings.Contains(webtest.Text(steps[0]), "Lifted not reached") {
		t.Error("the stages are not told")
	}
	p = b.then(b.post(path+"/lift", url.Values{"ground": {"rule:iran"}, "reason": {"a receipt"}}))
	if !strings.Contains(p.Text(), "The restriction is lifted") {
		t.Error(p.Text())
	}
	code := b.then(b.post(path+"/unlock-code", url.Values{"challenge": {"12345678"}, "justification": {"no network"}}))
	if n := len(code.Find("output", "class", "secret")); n != 1 {
		t.Error("no code")
	}
	if again := b.page(path); len(again.Find("output", "class", "secret")) != 0 {
		t.Error("the code was shown twice")
	}
	for _, c := range []struct{ licence, action, want string }{
		{" relief-2026 ", "attach", "The licence relief-2026 is attached."}, {"relief-2026", "detach", "The licence relief-2026 is taken away."}, {"", "attach", "The licence is empty."},
	} {
		if p := b.then(b.post(path+"/licences", url.Values{"licence": {c.licence}, "action": {c.action}})); !strings.Contains(p.Text(), c.want) {
			t.Errorf("%q: %s", c.want, p.Text())
		}
	}
	b.calls("LiftByHuman "+staged.ID(1).String()+" iran nora", "UnlockCode "+staged.ID(1).String()+" nora",
		"AttachLicence "+staged.ID(1).String()+" relief-2026 true nora", "AttachLicence "+staged.ID(1).String()+" relief-2026 false nora")
	for _, ground := range []string{"", "rule:", "warrant:", "policy:iran", "iran"} {
		if w := b.post(path+"/lift", url.Values{"ground": {ground}, "reason": {"x"}}); w.Code != http.StatusBadRequest {
			t.Errorf("%q: %d", ground, w.Code)
		}
	}
	for _, bad := range []string{"/console/devices/xyz", "/console/devices/00000000000000000000000000000000"} {
		if w := b.get(bad); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
	// A traveller is observed, permitted, and there is nothing to lift.
	if p := b.page("/console/devices/" + staged.ID(0).String()); !strings.Contains(p.Text(), "Permitted") || len(p.Find("h2", "id", "lift")) != 0 {
		t.Error(p.Text())
	}
}

func TestDevicesAreFound(t *testing.T) {
	b := open(t, "li")
	if p := b.page("/console/devices?territory=UA-43"); len(p.Find("tbody")) != 1 || !strings.Contains(p.Text(), string(staged.IMEI(3))) || strings.Contains(p.Text(), string(staged.IMEI(1))) {
		t.Error(p.Text())
	}
	if p := b.page("/console/devices?stage=lifted"); !strings.Contains(p.Text(), string(staged.IMEI(4))) || strings.Contains(p.Text(), string(staged.IMEI(1))) {
		t.Error(p.Text())
	}
	if w := b.post("/console/devices/find", url.Values{"imei": {string(staged.IMEI(2)) + " "}}); w.Header().Get("Location") != "/console/devices/"+staged.ID(2).String() {
		t.Error(w.Code, w.Header())
	}
	for imei, want := range map[string]string{"490154203237518": "No device with this IMEI is enrolled.", "12": "An IMEI has 15 digits."} {
		w := b.post("/console/devices/find", url.Values{"imei": {imei}})
		if strings.Contains(w.Header().Get("Location"), imei) {
			t.Error("an IMEI in a URL")
		}
		if p := b.then(w); !strings.Contains(p.Text(), want) {
			t.Error(p.Text())
		}
	}
	for _, bad := range []string{"?territory=Crimea", "?stage=broken", "?after=zz"} {
		if w := b.get("/console/devices" + bad); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
}

func TestCase(t *testing.T) {
	b := open(t, "nora")
	p := b.page("/console/cases/case-0001")
	for _, want := range []string{"240", "7 have not reported it", "Iran 131 outside", "United Arab Emirates 37 market", "It counts once two officers have signed it", "Signed by nora, samir"} {
		if !strings.Contains(p.Text(), want) {
			t.Errorf("the case does not say %q", want)
		}
	}
	if p := b.then(b.post("/console/cases/case-0001/countersign", url.Values{"warrant": {"warrant-0002"}})); !strings.Contains(p.Text(), "cannot countersign it") {
		t.Error("the officer who drafted it was not told")
	}
	b.then(b.post("/console/cases/case-0001/warrant", url.Values{"reason": {"resold"}, "ends": {"2021-12-01"}}))
	if p := b.then(b.post("/console/cases/case-0001/warrant", url.Values{"reason": {"resold"}, "ends": {"soon"}})); !strings.Contains(p.Text(), "not a date") {
		t.Error(p.Text())
	}
	if p := b.then(b.post("/console/cases/case-0001/conclude", url.Values{"finding": {"sold on"}})); !strings.Contains(p.Text(), "96 holds lifted. 7 devices have still to report it.") {
		t.Error(p.Text())
	}
	if w := b.post("/console/cases", url.Values{"title": {"x"}, "consignment": {"SHP-1"}}); w.Header().Get("Location") != "/console/cases/case-0002" {
		t.Error(w.Header())
	}
	b.calls("DraftWarrant case-0001 nora until 2021-12-01", "ConcludeCase case-0001 nora", "OpenCase nora SHP-1")

	second := open(t, "samir")
	if p := second.page("/console/cases/case-0001"); len(p.Find("form", "action", "/console/cases/case-0001/countersign")) != 0 {
		t.Error("a server that holds no officer's key offers to sign")
	}
	second.staged.SignsHere = true
	if p := second.page("/console/cases/case-0001"); len(p.Find("form", "action", "/console/cases/case-0001/countersign")) != 1 {
		t.Error("the second officer cannot countersign")
	}
	if p := second.then(second.post("/console/cases/case-0001/countersign", url.Values{"warrant": {"warrant-0002"}})); !strings.Contains(p.Text(), "The warrant is in force: 203 phones are told of it.") {
		t.Error(p.Text())
	}
	second.calls("BeginHold warrant-0002 samir")
	if p := second.page("/console/cases/case-0000"); len(p.Find("form", "action", "/console/cases/case-0000/conclude")) != 0 {
		t.Error("a concluded case can be concluded again")
	}
}

func TestAppeal(t *testing.T) {
	b := open(t, "li")
	if p := b.page("/console/appeals/6"); !strings.Contains(p.Text(), "I bought this phone in a shop") || !strings.Contains(p.Text(), "24 hours") {
		t.Error(p.Text())
	}
	b.then(b.post("/console/appeals/6", url.Values{"decision": {"grant"}, "answer": {"You are right."}}))
	b.then(b.post("/console/appeals/6", url.Values{"decision": {"deny"}, "answer": {"We are sorry."}}))
	if p := b.then(b.post("/console/appeals/6", url.Values{"answer": {"?"}})); !strings.Contains(p.Text(), "Choose one.") {
		t.Error(p.Text())
	}
	b.calls("AnswerAppeal 6 true li", "AnswerAppeal 6 false li")
	if w := b.get("/console/appeals/777"); w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
}

func (b *browser) upload(name string, source []byte) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.uploadTo("/console/policy/check", name, source, nil)
}

func (b *browser) uploadTo(path, name string, source []byte, fields map[string]string) *httptest.ResponseRecorder {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for field, value := range fields {
		if err := form.WriteField(field, value); err != nil {
			b.t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		b.t.Fatal(err)
	}
	part.Write(source)
	form.Close()
	r := httptest.NewRequest("POST", path, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return b.send(r)
}

// What is published is byte for byte what was uploaded, line ends included: its hash is in every order.
func TestPolicyIsCheckedThenPublished(t *testing.T) {
	b := open(t, "nora")
	source := bytes.ReplaceAll(policies.Current, []byte("\n"), []byte("\r\n"))
	w := b.upload("next.yaml", source)
	p, err := webtest.Parse(w.Body.String())
	if err != nil || w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	if len(p.Problems()) > 0 || !strings.Contains(p.Text(), "inline tests pass") {
		t.Error(p.Problems(), p.Text())
	}
	b.calls()
	hidden := p.Find("input", "name", "source")
	if len(hidden) != 2 { // to be simulated, and to be proposed
		t.Fatal("nothing to publish")
	}
	sent, err := base64.StdEncoding.DecodeString(webtest.Attr(hidden[0], "value"))
	if err != nil || !bytes.Equal(sent, source) {
		t.Fatal("the bytes changed")
	}
	if len(p.Find("form", "action", "/console/policy/publish")) != 0 || !strings.Contains(p.Text(), "Phones activated in Sudan (SD) are no longer restricted by a rule") {
		t.Error("a server that holds no officer's key offers to sign, or does not say what changes")
	}
	done := b.then(b.post("/console/policy/publish", url.Values{"name": {"next.yaml"}, "source": {webtest.Attr(hidden[0], "value")}}))
	if !strings.Contains(done.Text(), "in force from 1 Nov 2026, 00:00 UTC") || len(b.staged.Calls) != 1 {
		t.Error(done.Text(), b.staged.Calls)
	}
}

func TestFaultyPolicyIsExplained(t *testing.T) {
	b := open(t, "nora")
	w := b.upload("bad<b>.yaml", []byte("format: bailiwick-policy/1\nid: x\nnonsense: true\n"))
	p, err := webtest.Parse(w.Body.String())
	if err != nil || w.Code != http.StatusUnprocessableEntity || len(p.Problems()) > 0 {
		t.Fatal(w.Code, err, p.Problems())
	}
	if !strings.Contains(p.Text(), "3:1") || len(p.Find("input", "name", "source")) != 0 {
		t.Error(p.Text())
	}
	for _, source := range []string{"", "\x00\xff", strings.Repeat("a: [", 1000)} {
		if w := b.upload("x.yaml", []byte(source)); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%.10q: %d", source, w.Code)
		}
	}
	if w := b.upload("huge.yaml", make([]byte, 3<<20)); w.Code != http.StatusRequestEntityTooLarge {
		t.Error(w.Code)
	}
	if p := b.then(b.post("/console/policy/check", nil)); !strings.Contains(p.Text(), "No file was chosen.") {
		t.Error(p.Text())
	}
	b.calls()
}

func TestOfficers(t *testing.T) {
	b := open(t, "admin")
	p := b.then(b.post("/console/officers", url.Values{"name": {"amal"}, "role": {"officer"}}))
	if !strings.Contains(p.Text(), "marmot-violin-cedar-41") || len(p.Problems()) > 0 {
		t.Error(p.Text(), p.Problems())
	}
	if p := b.page("/console/officers"); strings.Contains(p.Text(), "marmot") {
		t.Error("the one-time password was shown twice")
	}
	if p := b.then(b.post("/console/officers", url.Values{"name": {"nora"}, "role": {"officer"}})); !strings.Contains(p.Text(), "There is an officer of this name.") {
		t.Error(p.Text())
	}
	b.then(b.post("/console/officers/li/disable", nil))
	b.calls("AddOfficer amal officer", "DisableOfficer li")
	if p := open(t, "nora").page("/console/officers"); len(p.Find("form", "action", "/console/officers")) != 0 {
		t.Error("an officer may add accounts")
	}
}

func TestFaultsHaveAPage(t *testing.T) {
	b := open(t, "nora")
	if w := b.get("/console/nowhere"); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "There is nothing here") {
		t.Error(w.Code)
	}
	for fail, want := range map[error]int{authority.ErrStoreUnavailable: 503, fmt.Errorf("secret path /srv"): 500} {
		b.staged.Fail = fail
		w := b.get("/console/")
		p, err := webtest.Parse(w.Body.String())
		if err != nil || w.Code != want || len(p.Problems()) > 0 || strings.Contains(p.Text(), "/srv") {
			t.Errorf("%v: %d %v", fail, w.Code, p.Problems())
		}
	}
}

func TestNoPolicyInForce(t *testing.T) {
	b := open(t, "nora")
	b.staged.Policy = nil
	if p := b.page("/console/policy"); !strings.Contains(p.Text(), "No policy is in force.") || len(p.Problems()) > 0 {
		t.Error(p.Text(), p.Problems())
	}
}

func TestMapAndTableSayTheSame(t *testing.T) {
	p := open(t, "li").page("/console/")
	for _, link := range p.Find("a", "class", "area locked") {
		name, _, _ := strings.Cut(webtest.Attr(link, "aria-label"), ":")
		if href := webtest.Attr(link, "href"); len(p.Find("a", "href", href)) < 3 { // area, circle, row
			t.Errorf("%s (%s) is not in the table", name, href)
		}
	}
	if n := len(p.Find("a", "class", "area locked")); n != 3 {
		t.Errorf("%d territories with locks on the map", n)
	}
}

func TestWaitingLiftIsShownAsACode(t *testing.T) {
	b := open(t, "nora")
	if codes := b.page("/console/devices/"+staged.ID(4).String()).Find("svg", "class", "qr"); len(codes) != 1 {
		t.Errorf("%d codes on the page of a lifted device", len(codes))
	}
	if codes := b.page("/console/devices/"+staged.ID(3).String()).Find("svg", "class", "qr"); len(codes) != 0 {
		t.Error("a locked device has the code of a lift")
	}
}
