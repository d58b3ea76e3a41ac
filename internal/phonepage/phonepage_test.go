package phonepage

import (
	"archive/zip"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/internal/messages"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
)

// newPage makes the page of a phone that has never had a network.
func newPage(t *testing.T) (*phone.Phone, http.Handler) {
	t.Helper()
	factory, err := sandbox.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	imei := sandbox.IMEI("00900100", 1)
	chain, err := factory.Issue(imei, "VP1", key.Public())
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Date(2021, 9, 10, 12, 0, 0, 0, time.UTC) }
	p, err := phone.New(phone.Config{IMEI: imei, Serial: "VP1", Model: "Lantern P", Key: key, Chain: chain,
		Server: "http://127.0.0.1:1", Storage: agent.MemoryStorage(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	page, err := New(Config{Phone: p, Now: now, OwnerURL: "https://trust.example/owner"})
	if err != nil {
		t.Fatal(err)
	}
	return p, page.Handler()
}

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	return w
}

func post(t *testing.T, h http.Handler, path string, form url.Values) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusSeeOther {
		t.Fatalf("POST %s: %d %s", path, w.Code, w.Body)
	}
}

// screen returns the attributes of the phone's screen and the values of its exits.
func screen(t *testing.T, h http.Handler) (class, lang, dir string, exits map[string]bool) {
	t.Helper()
	doc, err := html.Parse(get(t, h, "/").Body)
	if err != nil {
		t.Fatal(err)
	}
	exits = map[string]bool{}
	inExits := false
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		attributes := map[string]string{}
		for _, a := range n.Attr {
			attributes[a.Key] = a.Val
		}
		if strings.HasPrefix(attributes["class"], "screen ") {
			class, lang, dir = attributes["class"], attributes["lang"], attributes["dir"]
		}
		before := inExits
		inExits = inExits || attributes["class"] == "exits"
		if inExits && n.Data == "button" {
			exits[attributes["value"]+attributes["formaction"]] = true
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
		inExits = before
	}
	walk(doc)
	return class, lang, dir, exits
}

// Every way out stands on every screen once the phone is in use, in every language (Charter C1, C2).
func TestEveryWayOutOnEveryScreen(t *testing.T) {
	_, h := newPage(t)
	if class, _, _, _ := screen(t, h); class != "screen setup" {
		t.Fatalf("a new phone shows %q", class)
	}
	post(t, h, "/phone/start", nil)
	for _, language := range messages.Languages() {
		post(t, h, "/phone/lang", url.Values{"lang": {language.Code}})
		for view := range views {
			post(t, h, "/phone/open", url.Values{"view": {view}})
			_, lang, dir, exits := screen(t, h)
			if lang != language.Code || dir != language.Dir {
				t.Errorf("%s, %q: lang=%q dir=%q", language.Code, view, lang, dir)
			}
			for _, exit := range []string{"emergency", "why", "contact", "appeal", "code", "network", "files", "language", "/phone/text"} {
				if !exits[exit] {
					t.Errorf("%s, %q: the way out %q is missing", language.Code, view, exit)
				}
			}
		}
	}
}

func TestFilesCanBeSaved(t *testing.T) {
	_, h := newPage(t)
	body := get(t, h, "/files.zip").Body.Bytes()
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) == 0 {
		t.Fatal("no files")
	}
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(f); err != nil || len(text) == 0 {
		t.Fatalf("%q %v", text, err)
	}
}

func TestTheWorldIsSetFromThePage(t *testing.T) {
	p, h := newPage(t)
	post(t, h, "/world/place", url.Values{"lat": {"35.7"}, "lon": {"51.4"}, "accuracy": {"20"}})
	post(t, h, "/world/radio", url.Values{"cell": {"432-11"}, "sim": {"214-07"}, "wifi": {"ir"}, "address": {"5.160.0.1"}, "online": {"1"}})
	post(t, h, "/world/clock", url.Values{"days": {"-3"}})
	w := p.World()
	if w.Fix == nil || w.Fix.Lat != 35.7 || w.Cell != "432-11" || w.SIM != "214-07" || w.WiFi != "IR" || !w.Online || w.Address.String() != "5.160.0.1" {
		t.Errorf("%+v", w)
	}
	if p.ClockOffset() != -72*time.Hour {
		t.Errorf("clock off by %v", p.ClockOffset())
	}
	if body := get(t, h, "/").Body.String(); !strings.Contains(body, `<span class="mono">IR</span>`) {
		t.Error("the page does not show the agent's assessment")
	}
}

func TestWhatCannotBeIsExplained(t *testing.T) {
	for path, form := range map[string]url.Values{
		"/world/place":    {"lat": {"91"}, "lon": {"0"}, "accuracy": {"1"}},
		"/world/radio":    {"cell": {"spanish"}},
		"/world/clock":    {"days": {"many"}},
		"/world/boot":     {"boot": {"molten"}},
		"/world/days":     {"days": {"1"}},
		"/phone/open":     {"view": {"backdoor"}},
		"/world/check-in": {},
	} {
		_, h := newPage(t)
		post(t, h, path, form)
		if body := get(t, h, "/").Body.String(); !strings.Contains(body, `class="result`) {
			t.Errorf("POST %s %v: nothing is explained", path, form)
		}
	}
}

func TestAnotherSitesPageCannotAct(t *testing.T) {
	_, h := newPage(t)
	r := httptest.NewRequest(http.MethodPost, "/phone/start", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("a cross-site POST was answered with %d", w.Code)
	}
}
