package web

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func testSite(t *testing.T, now func() time.Time) *Site {
	t.Helper()
	s := &Site{Now: now, Secret: [32]byte{7}}
	if err := s.Complete(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSiteSaysWhatIsMissing(t *testing.T) {
	if err := (&Site{Secret: [32]byte{1}}).Complete(); err == nil || !strings.Contains(err.Error(), "Now") {
		t.Error(err)
	}
	if err := (&Site{Now: time.Now}).Complete(); err == nil || !strings.Contains(err.Error(), "Secret") {
		t.Error(err)
	}
}

func TestWorldHasEveryTerritoryThatPoliciesName(t *testing.T) {
	w := world()
	for _, c := range []territory.Code{"CU", "IR", "SY", "KP", "SD", "UA", "UA-43", "UA-40", "US", "SG", "MT"} {
		if w.byCode[c] == nil {
			t.Errorf("%s is not on the map", c)
		}
	}
	for c, s := range w.byCode {
		if c != "XK" && !c.Valid() { // Kosovo has no ISO code, and is drawn
			t.Errorf("%s is no territory", c)
		}
		if s.x < 0 || s.x > w.width || s.y < 0 || s.y > w.height {
			t.Errorf("%s lies outside of the map", c)
		}
	}
	if s := w.find("UA-63"); s == nil || s.code != "UA" {
		t.Error("an oblast without a shape is drawn with its country")
	}
	missing := 0
	for _, c := range territory.Countries() {
		if w.byCode[c] == nil {
			missing++
		}
	}
	if missing > 15 {
		t.Errorf("%d countries are not on the map", missing)
	}
	// Crimea lies on Ukraine's coast: south of its middle, and is not all of it.
	crimea, ukraine := w.byCode["UA-43"], w.byCode["UA"]
	if crimea.y <= ukraine.y || crimea.area*4 > ukraine.area {
		t.Errorf("Crimea %+v, Ukraine %d %d %d", crimea.area, ukraine.x, ukraine.y, ukraine.area)
	}
}

func TestReadWorldRefusesNonsense(t *testing.T) {
	for _, text := range []string{"", "view 1\n", "view 10 10\nCU\t1 2\t3\n", "view 10 10\nCU\tx 2\t3\tm0 0\n"} {
		if _, err := readWorld(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// The six territories of the story, and a crowd around them.
func storySpots() []Spot {
	var list []Spot
	for i, c := range []territory.Code{"IR", "CU", "SY", "SD", "KP", "UA-43", "UA-40", "AE", "IQ", "TR", "JO", "LB", "IL", "KW", "QA", "BH"} {
		list = append(list, Spot{Code: c, Class: "noticed", Count: 3 + i*911, Title: string(c), Href: "/x?t=" + string(c)})
	}
	return list
}

func TestCirclesKeepClearOfEachOther(t *testing.T) {
	labels := world().place(storySpots())
	if len(labels) != 16 {
		t.Fatal(len(labels))
	}
	for i, a := range labels {
		if a.x-a.r < 0 || a.y-a.r < 0 || a.x+a.r > world().width || a.y+a.r > world().height {
			t.Errorf("%s stands outside of the map", a.spot.Code)
		}
		for _, b := range labels[:i] {
			if gap := math.Hypot(float64(a.x-b.x), float64(a.y-b.y)) - float64(a.r+b.r); gap < -8 {
				t.Errorf("%s and %s overlap by %.0f", a.spot.Code, b.spot.Code, -gap)
			}
		}
	}
}

func TestWorldMapIsWellFormedAndEscaped(t *testing.T) {
	hostile := `"><script>alert(1)</script>`
	drawing := string(WorldMap(hostile, append(storySpots(), Spot{Code: "FR", Class: hostile, Count: 2, Title: hostile, Href: hostile},
		Spot{Code: "DE", Class: "observed", Title: hostile}, Spot{Code: "", Count: 5, Title: "nowhere"})))
	if strings.Contains(drawing, "<script") || strings.Contains(drawing, "nowhere") {
		t.Error("not escaped, or drawn without a place")
	}
	wellFormed(t, drawing)
	wellFormed(t, string(world().land()))
	if !strings.Contains(drawing, "world.svg") {
		t.Error("the land is not drawn")
	}
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestScale(t *testing.T) {
	for _, tc := range []struct {
		n, most int
		want    string
	}{{0, 100, "scale-1"}, {1, 1, "scale-1"}, {1, 1000, "scale-1"}, {50, 1000, "scale-3"}, {1000, 1000, "scale-4"}} {
		if got := Scale(tc.n, tc.most); got != tc.want {
			t.Errorf("Scale(%d, %d) = %s, want %s", tc.n, tc.most, got, tc.want)
		}
	}
	for n, want := range map[int]string{1: "1", 999: "999", 1000: "1k", 1234: "1.2k", 34567: "35k", 5_000_000: "5M"} {
		if got := compactNumber(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestBarsAndDaysAreEscapedAndWellFormed(t *testing.T) {
	wellFormed(t, string(Bars([]Bar{{Name: "<b>", Value: 3, Class: `"x`, Note: "<i>"}, {Name: "none", Value: 0}})))
	wellFormed(t, string(DayChart(20000, []DaySeries{{Name: "<b>", Class: `"`, Counts: []int{1, 0, 5}}})))
	if DayChart(20000, nil) != "" {
		t.Error("a chart of nothing")
	}
}

func TestDays(t *testing.T) {
	today := territory.DayOf(noon)
	records := []territory.DayRecord{
		{Day: today - 9, Territory: "ES", Percent: 99}, {Day: today - 8, Territory: "ES", Percent: 98},
		{Day: today - 7}, {Day: today - 6, Territory: "CU", Percent: 97}, {Day: today - 2, Territory: "CU", Percent: 96}, {Day: today - 1, Territory: "CU", Percent: 96},
	}
	strip := Days(records, today, EnglishDays)
	wellFormed(t, string(strip.Drawing))
	if n := strings.Count(string(strip.Drawing), "<rect"); n != 90 {
		t.Errorf("%d squares", n)
	}
	// A gap parts two runs: nobody knows where the device was between them.
	want := []string{"ES 2 place-1", " 1 undecided", "CU 1 place-0", "CU 2 place-0"}
	for i, r := range strip.Runs {
		if got := fmt.Sprintf("%s %d %s", r.Territory, r.Days, r.Place); i >= len(want) || got != want[i] {
			t.Errorf("run %d: %s", i, got)
		}
	}
	if len(strip.Runs) != len(want) {
		t.Errorf("%d runs", len(strip.Runs))
	}
}

func TestSealed(t *testing.T) {
	now := noon
	site := testSite(t, func() time.Time { return now })
	seal := &Sealed{Site: site, Name: "a", Path: "/x", Life: time.Minute}
	w := httptest.NewRecorder()
	if !seal.Set(w, httptest.NewRequest("GET", "/", nil), "a secret of the owner") {
		t.Fatal("not set")
	}
	cookie := w.Result().Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/x" || cookie.Secure || strings.Contains(cookie.Value, "secret") {
		t.Errorf("%+v", cookie)
	}
	open := func(s *Sealed, c *http.Cookie) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(c)
		var v string
		if !s.Get(r, &v) {
			return "no"
		}
		return v
	}
	if got := open(seal, cookie); got != "a secret of the owner" {
		t.Error(got)
	}
	other := &Sealed{Site: site, Name: "b", Path: "/x", Life: time.Minute}
	if got := open(other, &http.Cookie{Name: "b", Value: cookie.Value}); got != "no" {
		t.Error("another cookie's seal was opened")
	}
	for i := range len(cookie.Value) {
		changed := []byte(cookie.Value)
		if changed[i] = 'A'; cookie.Value[i] == 'A' {
			changed[i] = 'B'
		}
		if i == len(changed)-1 {
			break // the last digit of base64 may carry bits that mean nothing
		}
		if got := open(seal, &http.Cookie{Name: "a", Value: string(changed)}); got != "no" {
			t.Fatalf("digit %d changed, and it opened", i)
		}
	}
	now = now.Add(time.Minute)
	if got := open(seal, cookie); got != "no" {
		t.Error("opened after its end")
	}
	if seal.Set(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), strings.Repeat("x", 5000)) {
		t.Error("a cookie that browsers would drop was set")
	}
}

func FuzzSealed(f *testing.F) {
	site := &Site{Now: func() time.Time { return noon }, Secret: [32]byte{7}}
	seal := &Sealed{Site: site, Name: "a", Life: time.Minute}
	w := httptest.NewRecorder()
	seal.Set(w, httptest.NewRequest("GET", "/", nil), "x")
	genuine := w.Result().Cookies()[0].Value
	f.Add(genuine)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "a", Value: value})
		var v string
		if seal.Get(r, &v) && v != "x" {
			t.Fatalf("%q opened to %q", value, v)
		}
	})
}

func TestCookiesAreSecureOverTLS(t *testing.T) {
	site := testSite(t, func() time.Time { return noon })
	site.Secure = true
	w := httptest.NewRecorder()
	Flashes(site, "/").Set(w, httptest.NewRequest("GET", "/", nil), Flash{})
	if !w.Result().Cookies()[0].Secure {
		t.Error("not secure")
	}
}

func TestLimiter(t *testing.T) {
	now := noon
	l := NewLimiter(func() time.Time { return now }, 6*time.Second, 3)
	for i := range 5 {
		if got, want := l.Allow("a"), i < 3; got != want {
			t.Errorf("try %d: %v", i, got)
		}
	}
	if !l.Allow("b") {
		t.Error("one reader's tries count against another")
	}
	now = now.Add(6 * time.Second)
	if !l.Allow("a") || l.Allow("a") {
		t.Error("one try per interval comes back")
	}
	for i := range limiterKeys * 2 {
		l.Allow(strconv.Itoa(i))
	}
	if l.keys.Len() > limiterKeys {
		t.Error("it remembers without bound")
	}
}

func TestAddressKey(t *testing.T) {
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:1")
	if AddressKey(a) != AddressKey(b) || AddressKey(netip.MustParseAddr("10.0.0.1")) == AddressKey(netip.MustParseAddr("10.0.0.2")) {
		t.Error("an IPv6 customer is a /64, an IPv4 one an address")
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "[::ffff:10.1.2.3]:999"
	if got := connectionAddress(r).String(); got != "10.1.2.3" {
		t.Error(got)
	}
}

func TestAssets(t *testing.T) {
	get := func(path string) *http.Response {
		w := httptest.NewRecorder()
		Assets().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Result()
	}
	for name, kind := range map[string]string{"style.css": "text/css", "htmx.min.js": "text/javascript", "icon.svg": "image/svg+xml", "world.svg": "image/svg+xml"} {
		r := get(AssetPath(name))
		if r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), kind) || !strings.Contains(r.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", name, r.StatusCode, r.Header)
		}
	}
	if r := get("/assets/style.css"); r.Header.Get("Cache-Control") != "no-cache" {
		t.Error("a path without a version must not be kept")
	}
	for _, path := range []string{"/assets/", "/assets/world.txt", "/assets/../web.go", "/assets/none"} {
		if r := get(path); r.StatusCode != 404 {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

// A stylesheet that names physical sides would not mirror itself for right-to-left readers.
func TestStyleIsLogicalAndLocal(t *testing.T) {
	css, err := assetFiles.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	physical := regexp.MustCompile(`(margin|padding|border)-(left|right)|text-align: *(left|right)|float:|[ ;{](left|right): `)
	if found := physical.FindAllString(string(css), -1); found != nil {
		t.Errorf("physical sides: %q", found)
	}
	if strings.Contains(string(css), "url(") || strings.Contains(string(css), "@import") {
		t.Error("the stylesheet fetches something")
	}
	used := regexp.MustCompile(`var\((--[a-z0-9-]+)`)
	for _, m := range used.FindAllStringSubmatch(string(css), -1) {
		if strings.Count(string(css), m[1]+":") == 0 {
			t.Errorf("%s is used and never set", m[1])
		}
	}
}

// Text has a contrast of at least 4.5 to what it stands on, in both schemes (WCAG 2.2, 1.4.3).
func TestContrast(t *testing.T) {
	css, err := assetFiles.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(css), "@media (prefers-color-scheme: dark)", 2)
	for name, block := range map[string]string{"light": parts[0], "dark": parts[1][:strings.Index(parts[1], "*, *::before")]} {
		colour := make(map[string]string)
		for _, m := range regexp.MustCompile(`--([a-z0-9-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(block, -1) {
			colour[m[1]] = m[2]
		}
		for _, pair := range [][2]string{{"ink", "ground"}, {"ink", "surface"}, {"ink-soft", "ground"}, {"ink-soft", "surface"}, {"ink-soft", "sunken"}, {"link", "surface"}, {"link", "ground"},
			{"accent-ink", "accent"}, {"observed", "observed-soft"}, {"noticed", "noticed-soft"}, {"locked", "locked-soft"}, {"lifted", "lifted-soft"},
			{"ink", "noticed-soft"}, {"ink", "locked-soft"}, {"ink-soft", "noticed-soft"}, {"ink-soft", "locked-soft"}, {"ink-soft", "lifted-soft"}, {"surface", "locked"}, {"ink", "accent-soft"}} {
			if ratio := contrast(t, colour[pair[0]], colour[pair[1]]); ratio < 4.5 {
				t.Errorf("%s: %s on %s has a contrast of %.2f", name, pair[0], pair[1], ratio)
			}
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(colour, "#"), 16, 32)
	if err != nil {
		t.Fatalf("%q is no colour", colour)
	}
	channel := func(v uint64) float64 {
		c := float64(v&255) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(n>>16) + 0.7152*channel(n>>8) + 0.0722*channel(n)
}

func TestFaultOfEveryKind(t *testing.T) {
	for kind := authority.Internal; kind <= authority.Unavailable; kind++ {
		f := FaultOf(&authority.Error{Kind: kind, Name: "x", Detail: "no such thing", Fix: "look again", Err: errors.New("password=hunter2")})
		if f.Status < 400 || f.Title == "" || f.Detail != "No such thing." || f.Fix != "Look again." || strings.Contains(fmt.Sprint(f), "hunter2") {
			t.Errorf("%s: %+v", kind, f)
		}
	}
	if f := FaultOf(errors.New("disk on fire at /var/lib")); f.Status != 500 || strings.Contains(fmt.Sprint(f), "/var/lib") {
		t.Errorf("%+v", f)
	}
	if f := FaultOf(&http.MaxBytesError{Limit: 3}); f.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("%+v", f)
	}
	if f := FaultOf(fmt.Errorf("store: %w", context.DeadlineExceeded)); f.Status != 500 {
		t.Errorf("%+v", f)
	}
}

func TestProtect(t *testing.T) {
	reached := 0
	h := Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(FaultOf(err).Status)
			return
		}
		reached++
	}), 10)
	send := func(method, site, body string) *http.Response {
		r := httptest.NewRequest(method, "http://bailiwick.example/x", strings.NewReader(body))
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	if r := send("POST", "cross-site", "a"); r.StatusCode != http.StatusForbidden || reached != 0 {
		t.Error("a form of another site got through")
	}
	if r := send("POST", "same-origin", "a"); r.StatusCode != 200 || reached != 1 {
		t.Error("a form of our own did not get through")
	}
	if r := send("POST", "same-origin", "more than ten bytes"); r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Error(r.StatusCode)
	}
	r := send("GET", "cross-site", "")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "form-action 'self'"} {
		if !strings.Contains(r.Header.Get("Content-Security-Policy"), want) {
			t.Errorf("policy lacks %s", want)
		}
	}
	if strings.Contains(r.Header.Get("Content-Security-Policy"), "unsafe") || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", r.Header)
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		Number(1234567): "1,234,567", Number(-1000): "-1,000", Number(12): "12", Count(1, "day", "days"): "1 day", Count(2000, "day", "days"): "2,000 days",
		Left(noon, noon.Add(49*time.Hour)): "2 days", Left(noon, noon.Add(-3*time.Hour)): "overdue by 3 hours", Left(noon, noon.Add(time.Second)): "less than a minute",
		Ago(noon, time.Time{}): "never", Ago(noon, noon): "just now", Ago(noon, noon.Add(-5*time.Minute)): "5 minutes ago",
		Sentence("it is late"): "It is late.", Sentence(""): "", Sentence("run `x`"): "Run `x`", Sentence("été"): "Été.",
		Date(time.Time{}): "", DateTime(noon): "22 Nov 2026, 12:00 UTC", Place(""): "not established", Place("CU"): "Cuba",
		StageName(order.Lifted): "Lifted", StageName(99): "unknown", GroundText(order.Ground{Kind: order.Rule, ID: "iran"}): "rule iran",
		GroundText(order.Ground{Kind: order.Warrant, ID: "warrant-0001"}): "warrant-0001",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestCite(t *testing.T) {
	for source, want := range map[string]string{
		"60 FR 24757; https://a.example/x-1.htm":  `60 FR 24757; <a href="https://a.example/x-1.htm" rel="noreferrer">https://a.example/x-1.htm</a>`,
		"https://a.example/?a=1&b=2. (https://b)": `<a href="https://a.example/?a=1&amp;b=2" rel="noreferrer">https://a.example/?a=1&amp;b=2</a>. (<a href="https://b" rel="noreferrer">https://b</a>)`,
		`http://a.example javascript:x <b>`:       `http://a.example javascript:x &lt;b&gt;`,
		`https://a"onclick=x>`:                    `<a href="https://a" rel="noreferrer">https://a</a>&#34;onclick=x&gt;`,
		"":                                        "",
	} {
		if got := string(cite(source)); got != want {
			t.Errorf("%q: %s", source, got)
		}
	}
}
