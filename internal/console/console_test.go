package console_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/console"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/internal/web/preview/staged"
	"github.com/bailiwick-dev/bailiwick/internal/web/webtest"
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
	return openAt(t, officer, staged.Now)
}

func openAt(t *testing.T, officer string, now func() time.Time) *browser {
	t.Helper()
	s, err := staged.New()
	if err != nil {
		t.Fatal(err)
	}
	site := &web.Site{Now: now, Secret: [32]byte{9}}
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
		"/console/waves", "/console/waves/7", "/console/waves/6", "/console/cases", "/console/cases/case-0001", "/console/cases/case-0000",
		"/console/appeals", "/console/appeals?state=denied", "/console/appeals/6", "/console/policy", "/console/officers", "/console/password"}
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
			for _, path := range everyPage() {
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
	for _, path := range everyPage() {
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
	for _, path := range []string{"/console/proposals", "/console/policy/proposal", "/console/renewals"} {
		if w := b.post(path, url.Values{"role": {"policy"}, "source": {"eA=="}, "action": {"publish"}}); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := b.get("/console/cases/case-0001/warrants/warrant-0002/proposal"); w.Code != http.StatusForbidden {
		t.Error(w.Code)
	}
	if p := b.page("/console/officers"); len(p.Find("section", "aria-labelledby", "accounts")) != 0 || len(p.Find("section", "aria-labelledby", "signers")) != 1 {
		t.Error("support sees accounts, or not who signs")
	}
	b.calls()
	for _, path := range everyPage() {
		for _, form := range b.page(path).Find("form", "method", "post") {
			action := webtest.Attr(form, "action")
			if action != "/console/logout" && action != "/console/password" && !strings.HasSuffix(action, "/unlock-code") && action != "/console/devices/find" && !strings.HasPrefix(action, "/console/appeals/") {
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
