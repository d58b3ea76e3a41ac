package ownerpage_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/messages"
	"github.com/bailiwick-dev/bailiwick/internal/ownerpage"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/internal/web/preview/staged"
	"github.com/bailiwick-dev/bailiwick/internal/web/webtest"
	"github.com/bailiwick-dev/bailiwick/order"
)

var _ ownerpage.Service = (*authority.Service)(nil)

// owner is somebody with a phone in hand and a browser.
type owner struct {
	t       *testing.T
	handler http.Handler
	staged  *staged.Authority
	cookies map[string]string
	accept  string
	clock   time.Time
}

func visit(t *testing.T) *owner {
	t.Helper()
	s, err := staged.New()
	if err != nil {
		t.Fatal(err)
	}
	o := &owner{t: t, staged: s, cookies: make(map[string]string), clock: staged.Today}
	site := &web.Site{Now: func() time.Time { return o.clock }, Secret: [32]byte{9}}
	if err := site.Complete(); err != nil {
		t.Fatal(err)
	}
	if o.handler, err = ownerpage.New(ownerpage.Config{Site: site, Service: s}); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *owner) send(r *http.Request) *httptest.ResponseRecorder {
	o.t.Helper()
	r.Header.Set("Accept-Language", o.accept)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for name, value := range o.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/owner" {
			o.t.Errorf("cookie %+v", c)
		}
		if c.MaxAge < 0 {
			delete(o.cookies, c.Name)
		} else {
			o.cookies[c.Name] = c.Value
		}
	}
	for _, secret := range []string{string(staged.IMEI(1)), string(staged.IMEI(2))} {
		if strings.Contains(w.Header().Get("Location"), secret) {
			o.t.Error("an IMEI in a URL")
		}
	}
	return w
}

func (o *owner) get(path string) *httptest.ResponseRecorder {
	o.t.Helper()
	return o.send(httptest.NewRequest("GET", path, nil))
}

func (o *owner) post(path string, form url.Values) *httptest.ResponseRecorder {
	o.t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return o.send(r)
}

func (o *owner) parse(w *httptest.ResponseRecorder) *webtest.Page {
	o.t.Helper()
	p, err := webtest.Parse(w.Body.String())
	if err != nil {
		o.t.Fatal(err)
	}
	for _, problem := range p.Problems() {
		o.t.Error(problem)
	}
	return p
}

// look enters what the i-th phone shows, and returns the page that follows.
func (o *owner) look(i int, lang string) *webtest.Page {
	o.t.Helper()
	w := o.post("/owner?lang="+lang, url.Values{"imei": {string(staged.IMEI(i))}, "reference": {staged.Reference(i)}})
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/owner/phone?lang="+lang {
		o.t.Fatalf("%d %v", w.Code, w.Header())
	}
	w = o.get(w.Header().Get("Location"))
	if w.Code != http.StatusOK {
		o.t.Fatal(w.Code, w.Body)
	}
	return o.parse(w)
}

func TestEveryLanguageAndStageIsSound(t *testing.T) {
	for _, l := range messages.Languages() {
		for _, phone := range []int{1, 2, 3, 4, 6, 8} {
			o := visit(t)
			p := o.look(phone, l.Code)
			root := p.Find("html")[0]
			if webtest.Attr(root, "lang") != l.Code || webtest.Attr(root, "dir") != l.Dir {
				t.Errorf("%s: lang and dir", l.Code)
			}
			if text := p.Text(); strings.Contains(text, "owner.") && !strings.Contains(text, "https://owner.") || strings.Contains(text, "{{") || strings.Contains(text, "<no value>") {
				t.Errorf("%s: a message is missing", l.Code)
			}
			if len(p.Find("a", "aria-current", "true")) != 1 {
				t.Errorf("%s: the language switch does not show it", l.Code)
			}
		}
		o := visit(t)
		if w := o.get("/owner?lang=" + l.Code); w.Code != 200 || w.Header().Get("Content-Language") != l.Code {
			t.Errorf("%s: %d", l.Code, w.Code)
		} else {
			o.parse(w)
		}
	}
}

// Only who has opened the phone's page gets the order, as a file that holds it as it is.
func TestOrderIsSaved(t *testing.T) {
	o := visit(t)
	if w := o.get("/owner/order"); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/owner?") {
		t.Errorf("to a stranger: %d %v", w.Code, w.Header())
	}
	if p := o.look(2, "en"); len(p.Find("a", "href", "/owner/order")) != 1 {
		t.Error("the page does not offer the order")
	}
	w := o.get("/owner/order")
	sealed, err := order.ParseSealed(w.Body.Bytes())
	if err != nil || w.Code != http.StatusOK || string(sealed.Leaf) != "a leaf" || !strings.Contains(w.Header().Get("Content-Disposition"), "order.bin") {
		t.Errorf("%d %v %+v %v", w.Code, w.Header(), sealed, err)
	}
}

// A lift that the phone has not reported is shown as a QR code, which holds the order; nothing else is.
func TestWaitingLiftIsShownAsACode(t *testing.T) {
	p := visit(t).look(4, "fa")
	codes := p.Find("svg", "class", "qr")
	if len(codes) != 1 || webtest.Attr(codes[0], "aria-label") != messages.For("fa").T("owner.lift.alt") || !strings.Contains(p.Text(), messages.For("fa").T("owner.lift.title")) {
		t.Errorf("%d codes on the page of a lifted phone", len(codes))
	}
	for _, phone := range []int{1, 2, 6} {
		if len(visit(t).look(phone, "en").Find("svg", "class", "qr")) != 0 {
			t.Errorf("phone %d, which is not lifted, has a code", phone)
		}
	}
}

func TestNoticedTellsAll(t *testing.T) {
	text := visit(t).look(2, "en").Text()
	for _, want := range []string{"A notice was given", "23 October 2021", "9 days left", "first put to use in Iran", "Executive Order 12959", "The phone has shown the notice on 3 days. It must be at least 5",
		"No locations are stored", "27 days recorded", "Example Phones Support", "Save your files", "Ask your retailer", "Never pay anyone", "What is wrong?", "Entry in the ledger", "106", "Travel does not count"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	fa := visit(t).look(2, "fa").Text()
	for _, want := range []string{"۱ آبان ۱۴۰۰ (۲۳ اکتبر ۲۰۲۱)", "۹ روز", "ایران", "۱۰۶"} {
		if !strings.Contains(fa, want) {
			t.Errorf("the Persian page does not say %q", want)
		}
	}
}

func TestStages(t *testing.T) {
	for phone, want := range map[int]string{1: "The phone is locked", 4: "A person looked into it", 6: "You have appealed: it will not be locked"} {
		if text := visit(t).look(phone, "en").Text(); !strings.Contains(text, want) {
			t.Errorf("phone %d does not say %q: %s", phone, want, text)
		}
	}
	o := visit(t)
	o.clock = staged.Today.AddDate(0, 0, -30) // ordered, and not yet in effect
	if text := o.look(1, "en").Text(); !strings.Contains(text, "A lock is coming") || !strings.Contains(text, "you can still appeal") {
		t.Error(text)
	}
}

// One answer for a wrong IMEI, a wrong reference and one that cannot be read: nobody learns which phones are known.
func TestWrongIsOneError(t *testing.T) {
	var bodies []string
	for _, tc := range [][2]string{{string(staged.IMEI(1)), "BW-0000-0000"}, {"490154203237518", staged.Reference(1)}, {"not an IMEI", "x"}, {string(staged.IMEI(0)), "BW-0000-0000"}} {
		w := visit(t).post("/owner?lang=en", url.Values{"imei": {tc[0]}, "reference": {tc[1]}})
		if w.Code != http.StatusNotFound || len(w.Result().Cookies()) > 0 {
			t.Errorf("%v: %d", tc, w.Code)
		}
		bodies = append(bodies, strings.NewReplacer(tc[0], "I", tc[1], "R").Replace(w.Body.String()))
	}
	for _, b := range bodies[1:] {
		if len(b)-len(bodies[0]) > 20 || len(bodies[0])-len(b) > 20 || !strings.Contains(b, "do not fit together") {
			t.Error("the answers differ")
		}
	}
}

func TestDigitsOfAnyScript(t *testing.T) {
	persian := strings.Map(func(r rune) rune { return r - '0' + '۰' }, string(staged.IMEI(2)))
	if w := visit(t).post("/owner?lang=fa", url.Values{"imei": {persian}, "reference": {" " + staged.Reference(2) + " "}}); w.Code != http.StatusSeeOther {
		t.Error(w.Code)
	}
}

func TestLanguageOfTheBrowser(t *testing.T) {
	o := visit(t)
	o.accept = "fa-IR,fa;q=0.9,en;q=0.4"
	w := o.get("/owner")
	if w.Header().Get("Content-Language") != "fa" || !strings.Contains(w.Header().Get("Vary"), "Accept-Language") {
		t.Error(w.Header())
	}
	if w := o.get("/owner?lang=es"); w.Header().Get("Content-Language") != "es" {
		t.Error("the link's language wins")
	}
}

func TestAppeal(t *testing.T) {
	o := visit(t)
	o.look(2, "en")
	w := o.post("/owner/appeal?lang=en", url.Values{"text": {"I bought it\r\nin a shop."}, "contact": {"me@mail.example"}})
	if w.Code != http.StatusSeeOther {
		t.Fatal(w.Code, w.Body)
	}
	p := o.parse(o.get(w.Header().Get("Location")))
	if !strings.Contains(p.Text(), "Your appeal has arrived. A person will answer it by 21 October 2021.") {
		t.Error(p.Text())
	}
	if len(o.staged.Calls) != 1 || o.staged.Calls[0] != "FileAppeal "+string(staged.IMEI(2))+": I bought it\nin a shop." {
		t.Errorf("%q", o.staged.Calls)
	}
	if strings.Contains(o.parse(o.get("/owner/phone?lang=en")).Text(), "has arrived") {
		t.Error("said twice")
	}
}

// Whoever stops a lock that is on its way reads what the phone needs to hear of it.
func TestAppealAgainstALockOnItsWay(t *testing.T) {
	o := visit(t)
	o.staged.StopsLock = true
	o.look(1, "en")
	w := o.post("/owner/appeal?lang=en", url.Values{"text": {"I bought it in a shop."}})
	if text := o.parse(o.get(w.Header().Get("Location"))).Text(); !strings.Contains(text, "The lock that was ordered is taken back. Connect the phone to a network soon") {
		t.Error(text)
	}
}

func TestAppealThatCannotBe(t *testing.T) {
	o := visit(t)
	o.look(2, "en")
	long := strings.Repeat("word ", 401)
	for _, form := range []url.Values{{"text": {" "}}, {"text": {long}}, {"text": {"x"}, "contact": {strings.Repeat("c", 201)}}} {
		w := o.post("/owner/appeal?lang=en", form)
		p := o.parse(w)
		if w.Code != http.StatusBadRequest || !strings.Contains(p.Text(), "at most 2,000 characters") {
			t.Errorf("%d", w.Code)
		}
		// What was written is not lost.
		if areas := p.Find("textarea"); len(areas) != 1 || webtest.Text(areas[0]) != strings.Join(strings.Fields(form.Get("text")), " ") {
			t.Error("the text has to be typed again")
		}
	}
	open := visit(t)
	open.look(6, "en") // has an open appeal
	if w := open.post("/owner/appeal?lang=en", url.Values{"text": {"again"}}); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "not possible at the moment") {
		t.Error(w.Code)
	}
	if len(o.staged.Calls)+len(open.staged.Calls) != 0 {
		t.Error("an appeal was filed")
	}
	if w := visit(t).post("/owner/appeal?lang=en", url.Values{"text": {"x"}}); w.Code != http.StatusForbidden {
		t.Error("an appeal without a phone", w.Code)
	}
	if w := open.post("/owner/appeal?lang=en", url.Values{"text": {strings.Repeat("x", 100_000)}}); w.Code != http.StatusRequestEntityTooLarge {
		t.Error(w.Code)
	}
}

func TestThePageCloses(t *testing.T) {
	o := visit(t)
	o.look(2, "en")
	for name, value := range o.cookies {
		if strings.Contains(value, string(staged.IMEI(2))) {
			t.Errorf("cookie %s can be read", name)
		}
	}
	o.clock = o.clock.Add(31 * time.Minute)
	if w := o.get("/owner/phone?lang=en"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/owner?lang=en" {
		t.Error("open after half an hour", w.Code)
	}
	o = visit(t)
	o.look(2, "en")
	if w := o.post("/owner/close?lang=fa", nil); w.Header().Get("Location") != "/owner?lang=fa" || len(o.cookies) != 0 {
		t.Error("not closed")
	}
}

func TestLooksAreLimited(t *testing.T) {
	o := visit(t)
	limited := 0
	for range 15 {
		w := o.post("/owner?lang=en", url.Values{"imei": {"490154203237518"}, "reference": {"x"}})
		if w.Code == http.StatusTooManyRequests {
			limited++
			o.parse(w)
		}
	}
	if limited != 5 {
		t.Errorf("%d of 15 were refused", limited)
	}
	o.clock = o.clock.Add(time.Minute)
	if w := o.post("/owner?lang=en", url.Values{"imei": {"490154203237518"}, "reference": {"x"}}); w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
}

func TestHostileTextsStayTexts(t *testing.T) {
	for _, phone := range []int{1, 2, 6} {
		o := visit(t)
		o.staged.Hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)> javascript:alert(3)`
		p := o.look(phone, "ar")
		if len(p.Find("script")) != 1 || len(p.Find("img")) != 0 {
			t.Error("a text became an element")
		}
	}
	w := visit(t).get("/owner?lang=%22%3E%3Cscript%3E&reference=%22%3E%3Cscript%3E")
	if strings.Contains(w.Body.String(), "><script>") {
		t.Error("the link's text became an element")
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	o := visit(t)
	o.look(2, "en")
	r := httptest.NewRequest("POST", "/owner/appeal", strings.NewReader("text=x"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	for name, value := range o.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || len(o.staged.Calls) != 0 {
		t.Error(w.Code, o.staged.Calls)
	}
}

func TestTroubleIsToldInTheOwnersLanguage(t *testing.T) {
	o := visit(t)
	o.staged.Fail = authority.ErrStoreUnavailable
	w := o.post("/owner?lang=es", url.Values{"imei": {string(staged.IMEI(1))}, "reference": {staged.Reference(1)}})
	if p := o.parse(w); w.Code != http.StatusServiceUnavailable || !strings.Contains(p.Text(), "no podemos responder") {
		t.Error(w.Code, p.Text())
	}
	if w := o.get("/owner/nowhere?lang=es"); w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
}
