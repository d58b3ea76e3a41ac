package escrowpage_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/escrow"
	"github.com/bailiwick-dev/bailiwick/internal/escrowpage"
	"github.com/bailiwick-dev/bailiwick/internal/messages"
	"github.com/bailiwick-dev/bailiwick/internal/web/webtest"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

var (
	master = [32]byte{7}
	id     = device.ID{1, 2, 3, 0xff}
	made   = time.Date(2021, 9, 10, 0, 0, 0, 0, time.UTC)
)

func page(t *testing.T) http.Handler {
	t.Helper()
	h, err := escrowpage.New(escrow.KitOf(master, "trust.example.com", made), func() time.Time { return made })
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ask(t *testing.T, h http.Handler, lang string, form url.Values) (*httptest.ResponseRecorder, *webtest.Page) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8480/?lang="+lang, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	p, err := webtest.Parse(w.Body.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range p.Problems() {
		t.Error(lang, problem)
	}
	return w, p
}

func persian(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r - '0' + '۰'
		}
		return r
	}, s)
}

// The page is sound in every language, takes the digits of any script, and its code is the one that the device takes.
func TestCodeInEveryLanguage(t *testing.T) {
	h := page(t)
	secret := unlock.DeriveSecret(master, id)
	for _, l := range messages.Languages() {
		w, p := ask(t, h, l.Code, url.Values{"number": {persian(id.Number())}, "challenge": {persian("1234 5678")}, "counter": {persian("3")}})
		code := p.Find("output", "class", "secret")
		if w.Code != http.StatusOK || len(code) != 1 || webtest.Attr(p.Find("html")[0], "dir") != l.Dir {
			t.Fatalf("%s: %d", l.Code, w.Code)
		}
		if spent, ok := unlock.Check(secret[:], 3, unlock.Window, "12345678", webtest.Text(code[0])); !ok || spent != 3 {
			t.Errorf("%s: the device does not take %q", l.Code, webtest.Text(code[0]))
		}
		if text := p.Text(); strings.Contains(text, "escrow.") || strings.Contains(text, "<no value>") {
			t.Errorf("%s: a message is missing: %s", l.Code, text)
		}
	}
}

func TestWithoutACountThereAreSeveral(t *testing.T) {
	_, p := ask(t, page(t), "en", url.Values{"number": {id.Number()}, "challenge": {"12345678"}})
	if others := p.Find("ol", "class", "codes"); len(others) != 1 || len(strings.Fields(webtest.Text(others[0]))) < escrow.MaxTries-1 {
		t.Errorf("%s", p.Text())
	}
}

func TestWhatIsMistypedIsNamed(t *testing.T) {
	h := page(t)
	number := strings.Fields(id.Number())
	number[2] = "000001"
	for name, c := range map[string]struct {
		form  url.Values
		field string
		says  string
	}{
		"group":     {url.Values{"number": {strings.Join(number, " ")}, "challenge": {"12345678"}}, "number", "Group 3"},
		"short":     {url.Values{"number": {"12"}, "challenge": {"12345678"}}, "number", "48 digits"},
		"challenge": {url.Values{"number": {id.Number()}, "challenge": {"1234"}}, "challenge", "eight digits"},
		"count":     {url.Values{"number": {id.Number()}, "challenge": {"12345678"}, "counter": {"many"}}, "counter", "whole number"},
		"nothing":   {url.Values{}, "number", "48 digits"},
		"hostile":   {url.Values{"number": {`"><script>`}, "challenge": {`<img src=x>`}}, "number", "48 digits"},
	} {
		w, p := ask(t, h, "en", c.form)
		field := p.Find("", "id", c.field)
		if w.Code != http.StatusBadRequest || !strings.Contains(p.Text(), c.says) || len(p.Find("output")) != 0 || len(p.Find("script")) != 1 {
			t.Errorf("%s: %d %s", name, w.Code, p.Text())
		}
		if len(field) == 1 && webtest.Attr(field[0], "aria-invalid") != "true" {
			t.Errorf("%s: the field is not marked", name)
		}
	}
	if w, _ := ask(t, h, "en", url.Values{"number": {strings.Repeat("1", 20_000)}}); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of 20 kB: %d", w.Code)
	}
}

// Neither another site's form nor a name that was made to point here reaches the page.
func TestOnlyThisMachine(t *testing.T) {
	h := page(t)
	for host, want := range map[string]int{"127.0.0.1:8480": 200, "localhost:8480": 200, "[::1]:8480": 200, "evil.example:8480": 403, "192.0.2.1": 403, "": 403} {
		r := httptest.NewRequest(http.MethodGet, "http://placeholder/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("host %q: %d, want %d", host, w.Code, want)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("another site's form: %d", w.Code)
	}
}
