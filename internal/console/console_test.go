package console_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/console"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/internal/web/preview/staged"
	"github.com/bailiwick-dev/bailiwick/internal/web/webtest"
	"github.com/bailiwick-dev/bailiwick/policies"
)

var _ console.Service = (*authority.Service)(nil)

// browser is an officer at the console. It keeps cookies and follows no redirect by itself.
type browser struct {
	t       *testing.T
	handler http.Handler
	staged  *staged.Authority
	cookies map[string]string
}

func open(t *testing.T, officer string) *browser {
	t.Helper()
	s, err := staged.New()
	if err != nil {
		t.Fatal(err)
	}
	site := &web.Site{Now: staged.Now, Secret: [32]byte{9}}
	if err := site.Complete(); err != nil {
		t.Fatal(err)
	}
	h, err := console.New(console.Config{Site: site, Service: s})
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t, h, s, make(map[string]string)}
	if officer != "" {
		b.cookies["bailiwick-session"] = "token-" + officer
	}
	return b
}

func (b *browser) send(r *http.Request) *httptest.ResponseRecorder {
	b.t.Helper()
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return w
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.send(httptest.NewRequest("GET", path, nil))
}

func (b *browser) post(path string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(r)
}

func (b *browser) page(path string) *webtest.Page {
	b.t.Helper()
	w := b.get(path)
	p, err := webtest.Parse(w.Body.String())
	if err != nil || w.Code != http.StatusOK {
		b.t.Fatalf("%s: %d %v", path, w.Code, err)
	}
	return p
}

// then follows the redirect that a form was answered with, and returns the page it leads to.
func (b *browser) then(w *httptest.ResponseRecorder) *webtest.Page {
	b.t.Helper()
	if w.Code != http.StatusSeeOther {
		b.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return b.page(w.Header().Get("Location"))
}

func (b *browser) calls(want ...string) {
	b.t.Helper()
	if !slices.Equal(b.staged.Calls, want) {
		b.t.Errorf("asked for %q, want %q", b.staged.Calls, want)
	}
}

func everyPage() []string {
	list := []string{"/console/", "/console/?stage=noticed", "/console/?stage=nonsense", "/console/devices", "/console/devices?stage=locked&territory=IR",
		"/console/devices?imei=1", "/console/waves", "/console/waves/7", "/console/waves/6", "/console/cases", "/console/cases/case-0001", "/console/cases/case-0000",
		"/console/appeals", "/console/appeals?state=denied", "/console/appeals/6", "/console/policy", "/console/password"}
	for i := range 10 {
		list = append(list, "/console/devices/"+staged.ID(i).String())
	}
	return list
}

// Every page, for every role, with ordinary and with hostile texts, has nothing that a screen reader or the policy
// against foreign content would stumble over, and lets no text become an element.
func TestEveryPageIsSound(t *testing.T) {
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>' javascript:alert(3) </textarea>`
	for _, officer := range []string{"admin", "nora", "samir", "li"} {
		for _, text := range []string{"", hostile} {
			b := open(t, officer)
			b.staged.Hostile, b.staged.Confirm = text, 63
			paths := everyPage()
			if officer == "admin" {
				paths = append(paths, "/console/officers")
			}
			for _, path := range paths {
				p := b.page(path)
				for _, problem := range p.Problems() {
					t.Errorf("%s as %s: %s", path, officer, problem)
				}
				if n := len(p.Find("script")); n != 1 {
					t.Errorf("%s: %d scripts", path, n)
				}
				if len(p.Find("img")) > 0 {
					t.Errorf("%s: a text became an element", path)
				}
				if strings.Contains(p.Text(), "%!") || strings.Contains(p.Text(), "<no value>") {
					t.Errorf("%s: a value is missing", path)
				}
			}
		}
	}
}

func TestPagesWithoutASession(t *testing.T) {
	b := open(t, "")
	for _, path := range append(everyPage(), "/console/officers") {
		if w := b.get(path); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/console/login") {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Location"))
		}
	}
	if w := b.post("/console/waves/7/approve", nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/console/login" {
		t.Error(w.Code, w.Header())
	}
	b.cookies["bailiwick-session"] = "token-nobody"
	if w := b.get("/console/"); w.Code != http.StatusSeeOther {
		t.Error("a made-up session was let in")
	}
	part := httptest.NewRequest("GET", "/console/", nil)
	part.Header.Set("HX-Request", "true")
	if w := b.send(part); w.Code != http.StatusUnauthorized || w.Header().Get("HX-Redirect") != "/console/login" || w.Body.Len() > 0 {
		t.Error("a part of a page would become the login form")
	}
	b.calls()
	if p := b.page("/console/login"); len(p.Problems()) > 0 {
		t.Error(p.Problems())
	}
}

func TestLogin(t *testing.T) {
	b := open(t, "")
	wrong := b.post("/console/login", url.Values{"name": {"nora"}, "password": {"guess"}})
	if wrong.Code != http.StatusUnauthorized || b.cookies["bailiwick-session"] != "" || strings.Contains(wrong.Body.String(), "guess") {
		t.Errorf("%d %s", wrong.Code, wrong.Body)
	}
	unknown := b.post("/console/login", url.Values{"name": {"nobody"}, "password": {"guess"}})
	if strings.ReplaceAll(unknown.Body.String(), "nobody", "nora") != wrong.Body.String() {
		t.Error("the page tells which names exist")
	}
	right := b.post("/console/login", url.Values{"name": {"nora"}, "password": {staged.Password}, "next": {"/console/waves/7"}})
	if right.Code != http.StatusSeeOther || right.Header().Get("Location") != "/console/waves/7" {
		t.Fatal(right.Code, right.Header())
	}
	c := right.Result().Cookies()[0]
	if c.Name != "bailiwick-session" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/console" {
		t.Errorf("%+v", c)
	}
	if p := b.page("/console/"); !strings.Contains(p.Text(), "nora") {
		t.Error("not logged in")
	}
	if p := b.then(b.post("/console/logout", nil)); !strings.Contains(p.Text(), "logged out") || b.cookies["bailiwick-session"] != "" {
		t.Error("not logged out")
	}
	b.calls("Logout token-nora")
}

func TestLoginIsLimited(t *testing.T) {
	b := open(t, "")
	for i := range 12 {
		w := b.post("/console/login", url.Values{"name": {fmt.Sprint("name", i)}, "password": {"guess"}})
		if limited := w.Code == http.StatusTooManyRequests; limited != (i >= 10) {
			t.Errorf("try %d: %d", i, w.Code)
		}
	}
}

func TestNextStaysOnTheConsole(t *testing.T) {
	for next, want := range map[string]string{
		"":                                 "/console/",
		"/console/cases?x=1":               "/console/cases?x=1",
		"https://elsewhere.example/":       "/console/",
		"//elsewhere.example/console/":     "/console/",
		`/\elsewhere.example/console/`:     "/console/",
		"/owner":                           "/console/",
		"javascript:alert(1)":              "/console/",
		"/console/\r\nSet-Cookie: a=b":     "/console/",
		"http:/console/":                   "/console/",
		"/console/../owner":                "/console/",
		"/console//elsewhere.example":      "/console/",
		"/console/@elsewhere.example/%2f/": "/console/",
	} {
		b := open(t, "")
		w := b.post("/console/login", url.Values{"name": {"nora"}, "password": {staged.Password}, "next": {next}})
		if got := w.Header().Get("Location"); got != want {
			t.Errorf("next %q leads to %q, want %q", next, got, want)
		}
	}
}

func TestOneTimePasswordHasToBeChangedFirst(t *testing.T) {
	b := open(t, "newcomer")
	for _, path := range everyPage() {
		if w := b.get(path); path != "/console/password" && w.Header().Get("Location") != "/console/password" {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	p := b.page("/console/password")
	if len(p.Find("nav")) != 0 || !strings.Contains(p.Text(), "one-time password") || len(p.Problems()) > 0 {
		t.Error(p.Text(), p.Problems())
	}
	for _, tc := range []struct{ old, new, again, want string }{
		{staged.Password, "tiny", "tiny", "10 to 128"},
		{staged.Password, "something better", "something else", "differ"},
		{"wrong", "something better", "something better", "present password is wrong"},
	} {
		w := b.post("/console/password", url.Values{"old": {tc.old}, "new": {tc.new}, "again": {tc.again}})
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), tc.want) || strings.Contains(w.Body.String(), tc.new) {
			t.Errorf("%+v: %d", tc, w.Code)
		}
	}
	b.calls()
	if w := b.post("/console/password", url.Values{"old": {staged.Password}, "new": {"something better"}, "again": {"something better"}}); w.Code != http.StatusSeeOther {
		t.Error(w.Code)
	}
	b.calls("ChangePassword newcomer")
}

// Support may look, answer appeals and give codes, and nothing else, whatever it sends.
func TestSupportMayNotDecide(t *testing.T) {
	b := open(t, "li")
	device := "/console/devices/" + staged.ID(1).String()
	for _, path := range []string{"/console/waves/7/approve", "/console/waves/7/reject", "/console/cases", "/console/cases/case-0001/warrant",
		"/console/cases/case-0001/countersign", "/console/cases/case-0001/conclude", "/console/policy/check", "/console/policy/publish",
		"/console/officers", "/console/officers/nora/disable", device + "/lift"} {
		w := b.post(path, url.Values{"note": {"x"}, "title": {"x"}, "consignment": {"x"}, "reason": {"x"}, "ends": {"2021-11-01"}, "warrant": {"w"}, "finding": {"x"},
			"name": {"x"}, "role": {"admin"}, "ground": {"rule:iran"}})
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := b.get("/console/officers"); w.Code != http.StatusForbidden {
		t.Error(w.Code)
	}
	b.calls()
	for _, path := range everyPage() {
		for _, form := range b.page(path).Find("form", "method", "post") {
			action := webtest.Attr(form, "action")
			if action != "/console/logout" && action != "/console/password" && !strings.HasSuffix(action, "/unlock-code") && !strings.HasPrefix(action, "/console/appeals/") {
				t.Errorf("%s offers %s to support", path, action)
			}
		}
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	b := open(t, "nora")
	for _, header := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://elsewhere.example"}} {
		r := httptest.NewRequest("POST", "/console/waves/7/approve", strings.NewReader("note=x"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for k, v := range header {
			r.Header.Set(k, v)
		}
		if w := b.send(r); w.Code != http.StatusForbidden {
			t.Errorf("%v: %d", header, w.Code)
		}
	}
	b.calls()
}

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
	b.calls("LiftByHuman "+staged.ID(1).String()+" iran nora", "UnlockCode "+staged.ID(1).String()+" nora")
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
	if w := b.get("/console/devices?imei=" + string(staged.IMEI(2))); w.Header().Get("Location") != "/console/devices/"+staged.ID(2).String() {
		t.Error(w.Code, w.Header())
	}
	if p := b.page("/console/devices?imei=490154203237518"); !strings.Contains(p.Text(), "No device with this IMEI is enrolled.") {
		t.Error(p.Text())
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
	for _, want := range []string{"240", "7 have not reported it", "Iran 131 outside", "United Arab Emirates 37 market", "You drafted it. Another officer has to countersign."} {
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
	if p := second.page("/console/cases/case-0001"); len(p.Find("form", "action", "/console/cases/case-0001/countersign")) != 1 {
		t.Error("the second officer cannot countersign")
	}
	second.then(second.post("/console/cases/case-0001/countersign", url.Values{"warrant": {"warrant-0002"}}))
	second.calls("CountersignWarrant warrant-0002 samir")
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
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		b.t.Fatal(err)
	}
	part.Write(source)
	form.Close()
	r := httptest.NewRequest("POST", "/console/policy/check", &body)
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
	if len(hidden) != 1 {
		t.Fatal("nothing to publish")
	}
	sent, err := base64.StdEncoding.DecodeString(webtest.Attr(hidden[0], "value"))
	if err != nil || !bytes.Equal(sent, source) {
		t.Fatal("the bytes changed")
	}
	done := b.then(b.post("/console/policy/publish", url.Values{"name": {"next.yaml"}, "source": {webtest.Attr(hidden[0], "value")}, "activate": {"2021-10-20T06:00"}}))
	if !strings.Contains(done.Text(), "in force from 20 Oct 2021, 06:00 UTC") || len(b.staged.Calls) != 1 {
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
	if w := open(t, "nora").get("/console/officers"); w.Code != http.StatusForbidden {
		t.Error(w.Code)
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
