package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

var update = flag.Bool("update", false, "write testdata/openapi.json anew")

func requestFrom(remote, forwarded string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = remote
	r.Header["X-Forwarded-For"] = []string{forwarded}
	return r
}

var idPath = "/v1/devices/" + someID.String()

// calls is one good call of every operation, what the authority is told then, and something of the answer.
var calls = []struct {
	method, path, body string
	status             int
	told               []any
	says               string
}{
	{"POST", "/v1/login", `{"name":"kim","password":"x"}`, 200, []any{"kim", "x"}, `"token":"token-kim"`},
	{"POST", "/v1/logout", "", 204, []any{"kim"}, ""},
	{"POST", "/v1/password", `{"old":"a","new":"b"}`, 204, []any{"kim", "a", "b"}, ""},
	{"GET", "/v1/officers", "", 200, nil, `"role":"admin"`},
	{"POST", "/v1/officers", `{"name":"lee","role":"support"}`, 200, []any{"kim", "lee", "support"}, `"one_time_password":"one-time"`},
	{"GET", "/v1/overview", "", 200, nil, `"totals":{"locked":1}`},
	{"GET", "/v1/devices?territory=CU&stage=noticed&limit=5&after=" + someID.String(), "", 200, []any{noticedInCuba()}, `"market":"MX"`},
	{"POST", "/v1/devices/find", `{"imei":"490154203237518"}`, 200, []any{someID}, `"imei":"490154203237518"`},
	{"GET", idPath, "", 200, []any{someID}, `"verdict":"deny"`},
	{"POST", idPath + "/lift", `{"ground":"rule:cuba","reason":"A mistake."}`, 204, []any{"kim", someID, cuba, "A mistake."}, ""},
	{"POST", idPath + "/licences", `{"licence":"relief-2026","attached":true}`, 204, []any{"kim", someID, "relief-2026", true}, ""},
	{"POST", idPath + "/erase", `{"reason":"Asked for by letter."}`, 200, []any{"kim", someID, "Asked for by letter."}, `"records":12`},
	{"POST", idPath + "/unlock-code", `{"challenge":"12345678","justification":"In hospital."}`, 200, []any{"kim", someID, "12345678", "In hospital."}, `"code":"12345678"`},
	{"GET", "/v1/unlock-codes", "", 200, []any{"kim"}, `"outstanding":1`},
	{"GET", "/v1/waves", "", 200, []any{100}, `"size":2`},
	{"GET", "/v1/waves/1", "", 200, []any{int64(1)}, `"confirm":2`},
	{"POST", "/v1/waves/1/approve", `{"note":"n","confirm":2,"shown":3}`, 202, []any{"kim", int64(1), authority.WaveApproval{Note: "n", Confirm: 2, Shown: 3}}, `"locked":2,"skipped":{}`},
	{"POST", "/v1/waves/1/reject", `{"note":"n"}`, 204, []any{"kim", int64(1), "n"}, ""},
	{"GET", "/v1/cases?limit=7", "", 200, []any{7}, `"consignment":"c-1"`},
	{"POST", "/v1/cases", `{"title":"T","consignment":"c-1"}`, 200, []any{"kim", "T", "c-1"}, `"id":"case-0001"`},
	{"GET", "/v1/cases/case-0001", "", 200, []any{"case-0001"}, `"counted_at":"2026-09-01T12:00:00Z","by_job":true,"counting":{"id":5,"kind":"count"`},
	{"POST", "/v1/cases/case-0001/count", "", 202, []any{"kim", "case-0001"}, `"state":"running"`},
	{"POST", "/v1/cases/case-0001/warrants", `{"reason":"r","ends_at":"2026-09-01T12:00:00Z"}`, 200, []any{"kim", "case-0001", "r", now}, `"proposal":"e30="`},
	{"POST", "/v1/warrants/warrant-0001/proposal", "", 200, []any{"kim", "warrant-0001"}, `"proposal":"e30="`},
	{"POST", "/v1/warrants/warrant-0001/countersign", "", 200, []any{"kim", "warrant-0001"}, `"id":"warrant-0001"`},
	{"POST", "/v1/warrants/warrant-0002/countersign", "", 202, []any{"kim", "warrant-0002"}, `"devices":12,"signers":[],"notices":{"id":5,`},
	{"GET", "/v1/cases/case-0002", "", 200, []any{"case-0002"}, `"signers":[],"notices":{"id":5,"kind":"notices"`},
	{"POST", "/v1/cases/case-0001/conclude", `{"finding":"f"}`, 202, []any{"kim", "case-0001", "f"}, `"left_seconds":120`},
	{"POST", "/v1/policies/simulate", `{"name":"terms.yaml","source":"id: terms"}`, 202, []any{"kim", "terms.yaml", "id: terms"}, `"state":"running"`},
	{"POST", "/v1/imports", `{"name":"p.csv","sha256":"` + strings.Repeat("a", 64) + `","size":900}`, 202,
		[]any{"kim", authority.ImportFile{Name: "p.csv", SHA256: strings.Repeat("a", 64), Size: 900}}, `"place":{"offset":77,"line":2}`},
	{"POST", "/v1/imports/5/rows", `{"from":{"offset":1,"line":1},"to":{"offset":9,"line":3},"rejected":2,"lines":""}`, 200,
		[]any{"kim", int64(5), authority.ImportPlace{Offset: 1, Line: 1}, authority.ImportPlace{Offset: 9, Line: 3}, 0, 2}, `"kind":"import"`},
	{"GET", "/v1/jobs", "", 200, []any{100}, `"kind":"wave"`},
	{"GET", "/v1/jobs/5", "", 200, []any{int64(5)}, `"done":3,"total":9`},
	{"POST", "/v1/jobs/5/cancel", "", 200, []any{"kim", int64(5)}, `"name":"cancelled"`},
	{"POST", "/v1/jobs/5/cancel", "", 200, []any{"kim", int64(5)}, `"about":"terms.yaml"`},
	{"GET", "/v1/warrants/warrant-0001/stragglers?limit=7", "", 200, []any{"warrant-0001", device.ID{}, 7}, `"imei":"490154203237518"`},
	{"GET", "/v1/appeals?state=open", "", 200, []any{authority.AppealOpen, 100}, `"contact":"me@example.org"`},
	{"POST", "/v1/appeals/5/answer", `{"grant":true,"answer":"Yes."}`, 204, []any{"kim", int64(5), true, "Yes."}, ""},
	{"GET", "/v1/policy", "", 200, nil, `"source":"id: terms\n"`},
	{"GET", "/v1/policies", "", 200, []any{100}, `"name":"terms.yaml"`},
	{"POST", "/v1/policies", `{"name":"n","source":"s"}`, 200, []any{"kim", "n", "s"}, `"warnings":["line 3: overdue"]`},
	{"POST", "/v1/policies/proposals", `{"name":"n","source":"s"}`, 200, []any{"kim", "n", "s"}, `"proposal":"e30="`},
	{"POST", "/v1/proposals", `{"any":"bytes"}`, 200, []any{"kim", `{"any":"bytes"}`}, `"signers":["Ada","Bela"]`},
	{"POST", "/v1/proposals", `{"for":"a large cohort"}`, 202, []any{"kim", `{"for":"a large cohort"}`}, `"devices":12,"signers":[],"notices":{"id":5,`},
	{"GET", "/v1/officers/keys", "", 200, nil, `"role":"policy","version":3,"threshold":2`},
	{"GET", "/v1/metadata/online-key", "", 200, nil, "BAILIWICK PUBLIC KEY"},
	{"POST", "/v1/production", "a,b\nc,d\n", 200, []any{"kim", []authority.Production{{Model: "a,b\n"}, {Model: "c,d\n"}}}, `"records":2`},
	{"POST", "/v1/owner/look", `{"imei":"490154203237518","reference":"R-1"}`, 200, []any{"490154203237518", "R-1"}, `"can_appeal":true`},
	{"POST", "/v1/owner/appeal", `{"imei":"490154203237518","reference":"R-1","text":"t"}`, 200, []any{"490154203237518", "R-1", "t", ""}, `"state":"open"`},
}

func noticedInCuba() authority.DeviceQuery {
	stage := order.Noticed
	return authority.DeviceQuery{Territory: "CU", Stage: &stage, Limit: 5, After: someID}
}

// needsNobody are the paths that work without a login.
var needsNobody = regexp.MustCompile(`^/v1/(login|owner/.*|metadata/online-key)$`)

func typeOfBody(path string) string {
	if path == pathProduction {
		return "Content-Type: text/csv"
	}
	return isJSON
}

func TestEveryOperation(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range calls {
		s := serve(t, nil)
		headers := []string{asKim}
		if c.body != "" {
			headers = append(headers, typeOfBody(c.path))
		}
		w := s.ask(c.method, c.path, c.body, headers...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
			continue
		}
		if len(c.told) > 0 && !reflect.DeepEqual(s.fake.told, c.told) {
			t.Errorf("%s %s: the authority was told %v, want %v", c.method, c.path, s.fake.told, c.told)
		}
		if c.status == 204 && w.Body.Len() > 0 {
			t.Errorf("%s %s: a body with 204", c.method, c.path)
		}
		for _, header := range []string{"X-Request-Id", "X-Content-Type-Options", "Content-Security-Policy", "Cache-Control"} {
			if w.Header().Get(header) == "" {
				t.Errorf("%s %s: no %s", c.method, c.path, header)
			}
		}
		// The authority's refusal comes through on every operation.
		s.fake.err = authority.ErrWaveDecided
		wantProblem(t, s.ask(c.method, c.path, c.body, headers...), 409, "wave-decided")
		route := regexp.MustCompile(`route="?([^"\n]*?)"? status=409`).FindStringSubmatch(s.log.String())
		if route == nil {
			t.Fatalf("%s %s is not in the log: %s", c.method, c.path, s.log)
		}
		seen[route[1]] = true
	}
	for _, o := range operations(t) {
		if !seen[o] {
			t.Errorf("%s is in the description and in no test", o)
		}
	}
}

// operations lists "METHOD /path" of the description.
func operations(t *testing.T) []string {
	t.Helper()
	w := serve(t, nil).ask("GET", "/v1/openapi.json", "")
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	var all []string
	for path, methods := range document.Paths {
		for method := range methods {
			all = append(all, strings.ToUpper(method)+" "+path)
		}
	}
	return all
}

func TestOfficersOnly(t *testing.T) {
	for _, c := range calls {
		path, _, _ := strings.Cut(c.path, "?")
		if needsNobody.MatchString(path) {
			continue
		}
		s := serve(t, nil)
		for _, header := range []string{"X-Nothing: x", "Authorization: Bearer nobody", "Authorization: Basic kim", "Authorization: kim", "Authorization: Bearer"} {
			w := s.ask(c.method, c.path, c.body, typeOfBody(c.path), header)
			wantProblem(t, w, 401, "no-session")
			if w.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s: no WWW-Authenticate", c.path)
			}
		}
		w := s.ask(c.method, c.path, c.body, typeOfBody(c.path), "Authorization: Bearer new")
		if path == pathPassword || path == pathLogout {
			if w.Code != 204 {
				t.Errorf("%s with a one-time password: %d", path, w.Code)
			}
			continue
		}
		wantProblem(t, w, 403, "password-change-due")
		if s.fake.told != nil {
			t.Errorf("%s: the authority was asked", c.path)
		}
	}
}

func TestBadJSON(t *testing.T) {
	for _, tc := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		problem, at              string
	}{
		{"unknown field", "POST", "/v1/waves/1/reject", `{"note":"n","force":true}`, []string{isJSON}, 400, "invalid", "body.force"},
		{"another case of a field", "POST", "/v1/waves/1/reject", `{"Note":"n"}`, []string{isJSON}, 400, "invalid", "body"},
		{"missing field", "POST", "/v1/waves/1/reject", `{}`, []string{isJSON}, 400, "invalid", "body"},
		{"wrong type", "POST", "/v1/waves/1/reject", `{"note":5}`, []string{isJSON}, 400, "invalid", "body.note"},
		{"too long", "POST", "/v1/waves/1/reject", `{"note":"` + strings.Repeat("x", 501) + `"}`, []string{isJSON}, 400, "invalid", "body.note"},
		{"no body", "POST", "/v1/waves/1/reject", "", []string{isJSON}, 400, "invalid", ""},
		{"no JSON", "POST", "/v1/waves/1/reject", "note=n", []string{isJSON}, 400, "invalid", ""},
		{"two values", "POST", "/v1/waves/1/reject", `{"note":"n"}{"note":"m"}`, []string{isJSON}, 400, "invalid", ""},
		{"JSON in another encoding", "POST", "/v1/waves/1/reject", `{"note":"n"}`, []string{isJSON + "; charset=utf-16"}, 415, "media-type", ""},
		{"a form", "POST", "/v1/waves/1/reject", "note=n", []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "media-type", ""},
		{"no content type", "POST", "/v1/waves/1/reject", `{"note":"n"}`, nil, 415, "media-type", ""},
		{"too large", "POST", "/v1/waves/1/reject", `{"note":"` + strings.Repeat("x", 70<<10) + `"}`, []string{isJSON}, 413, "too-large", ""},
		{"unknown parameter", "GET", "/v1/waves?force=1", "", nil, 400, "invalid", "query.force"},
		{"limit of nothing", "GET", "/v1/waves?limit=0", "", nil, 400, "invalid", "query.limit"},
		{"limit too large", "GET", "/v1/devices?limit=1001", "", nil, 400, "invalid", "query.limit"},
		{"no number", "GET", "/v1/waves/first", "", nil, 400, "invalid", "path.id"},
		{"no id", "GET", "/v1/devices/" + strings.Repeat("z", 32), "", nil, 400, "invalid", ""},
		{"no territory", "GET", "/v1/devices?territory=Cuba", "", nil, 400, "invalid", ""},
		{"no stage", "GET", "/v1/devices?stage=open", "", nil, 400, "invalid", "query.stage"},
		{"no ground", "POST", idPath + "/lift", `{"ground":"cuba","reason":"r"}`, []string{isJSON}, 400, "invalid", ""},
		{"no time", "POST", "/v1/cases/case-0001/warrants", `{"reason":"r","ends_at":"tomorrow"}`, []string{isJSON}, 400, "invalid", "body.ends_at"},
		{"no role", "POST", "/v1/officers", `{"name":"lee","role":"king"}`, []string{isJSON}, 400, "invalid", "body.role"},
		{"wrong method", "PUT", "/v1/waves/1", "", nil, 405, "method-not-allowed", ""},
		{"CSV as JSON", "POST", "/v1/production", "a,b", []string{isJSON}, 415, "media-type", ""},
		{"faulty CSV", "POST", "/v1/production", "a b", []string{"Content-Type: text/csv; charset=utf-8"}, 400, "csv-faulty", ""},
		{"a proposal of 100 MB", "POST", "/v1/proposals", strings.Repeat("x", 100<<20), []string{isJSON}, 413, "proposal-oversized", ""},
		{"a proposal as a form", "POST", "/v1/proposals", "{}", []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "media-type", ""},
		{"CSV too large", "POST", "/v1/production", strings.Repeat("a,b\n", 500), []string{"Content-Type: text/csv"}, 413, "too-large", ""},
	} {
		s := serve(t, func(c *Config) { c.MaxImport = 1000 })
		w := s.ask(tc.method, tc.path, tc.body, append(tc.headers, asKim)...)
		if w.Code < 400 {
			t.Errorf("%s was accepted", tc.name)
			continue
		}
		p := wantProblem(t, w, tc.status, tc.problem)
		if s.fake.told != nil {
			t.Errorf("%s: the authority was asked", tc.name)
		}
		if tc.at != "" && (len(p.Errors) == 0 || p.Errors[0].At != tc.at) {
			t.Errorf("%s: errors %v, want one at %s", tc.name, p.Errors, tc.at)
		}
	}
}

func TestPolicyFaultsHavePlaces(t *testing.T) {
	s := serve(t, nil)
	faulty := *authority.ErrPolicyFaulty
	faulty.Err = policy.Problems{{File: "n", Line: 3, Column: 7, Message: "no such key", Hint: "did you mean notice?"}}
	s.fake.err = &faulty
	p := wantProblem(t, s.ask("POST", "/v1/policies", `{"name":"n","source":"s"}`, isJSON, asKim), 400, "policy-faulty")
	want := []Fault{{At: "n:3:7", Message: "no such key", Hint: "did you mean notice?"}}
	if !reflect.DeepEqual(p.Errors, want) {
		t.Errorf("errors %+v", p.Errors)
	}
}

func TestOwnersLearnNothingOfOthers(t *testing.T) {
	s := serve(t, nil)
	w := s.ask("POST", "/v1/owner/look", `{"imei":"490154203237518","reference":"R-1"}`, isJSON)
	a := s.ask("POST", "/v1/owner/appeal", `{"imei":"490154203237518","reference":"R-1","text":"t"}`, isJSON)
	for _, secret := range []string{someID.String(), "me@example.org", "490154203237518"} {
		if strings.Contains(w.Body.String()+a.Body.String(), secret) {
			t.Errorf("%s is shown", secret)
		}
	}
}

// TestDescription holds the description against the one in testdata; go test -update writes that anew.
func TestDescription(t *testing.T) {
	w := serve(t, nil).ask("GET", "/v1/openapi.json", "")
	if ct := w.Header().Get("Content-Type"); w.Code != 200 || ct != "application/openapi+json" {
		t.Fatalf("%d %s", w.Code, ct)
	}
	const golden = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(golden, append(w.Body.Bytes(), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(want)) != strings.TrimSpace(w.Body.String()) {
		t.Error("the description is another than testdata/openapi.json; look at the difference, then go test ./internal/httpapi -update")
	}
	if foreign := regexp.MustCompile(`https?://[^"]*`).FindString(w.Body.String()); foreign != "" {
		t.Errorf("it points to %s", foreign)
	}
	if !strings.Contains(w.Body.String(), `"openapi": "3.1.0"`) {
		t.Error("it is no OpenAPI 3.1")
	}
}

func TestOperational(t *testing.T) {
	sick := errors.New("disk full at /srv/data")
	var ready error
	s := serve(t, func(c *Config) { c.Ready = func(context.Context) error { return ready } })
	if w := s.ask("GET", "/healthz", ""); w.Code != 200 {
		t.Errorf("healthz: %d", w.Code)
	}
	if w := s.ask("GET", "/readyz", ""); w.Code != 200 || w.Body.String() != `{"ready":true,"advice":[]}`+"\n" {
		t.Errorf("readyz: %d %s", w.Code, w.Body)
	}
	ready = &Unready{Faults: []Fault{{At: "store", Message: "the disk is full"}}, Err: errors.New("no room on /srv")}
	if w := s.ask("GET", "/readyz", ""); w.Code != 503 || !strings.Contains(w.Body.String(), `"errors":[{"at":"store","message":"the disk is full"}]`) || strings.Contains(w.Body.String(), "/srv") {
		t.Errorf("readyz does not say why: %s", w.Body)
	}
	ready = sick
	if w := s.ask("GET", "/readyz", ""); strings.Contains(w.Body.String(), "/srv") {
		t.Errorf("readyz tells strangers: %s", w.Body)
	}
	wantProblem(t, s.ask("GET", "/readyz", ""), 503, "not-ready")
	wantProblem(t, s.ask("GET", "/metrics", ""), 403, "metrics-elsewhere")

	ask := func(headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr = "127.0.0.1:5"
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	for _, header := range []string{"X-Forwarded-For", "Forwarded"} { // a proxy on this machine that nobody named
		wantProblem(t, ask(header, "198.51.100.1"), 403, "metrics-elsewhere")
	}
	w := ask()
	if w.Code != 200 || !strings.Contains(w.Body.String(), `bailiwick_http_request_seconds_count{route="GET /readyz",status="503"} 3`) {
		t.Errorf("metrics: %d %s", w.Code, w.Body)
	}
}

func TestPanicIsAProblem(t *testing.T) {
	s := serve(t, nil)
	s.fake.panics = true
	for _, c := range [][]string{{"POST", protocol.PathCheckIn, "x", isToken}, {"GET", "/v1/waves", "", asKim}} {
		w := s.ask(c[0], c[1], c[2], c[3])
		wantProblem(t, w, 500, "internal")
		if strings.Contains(w.Body.String(), "purpose") {
			t.Error("the panic is shown")
		}
	}
	if !strings.Contains(s.log.String(), "on purpose") {
		t.Error("the panic is not logged")
	}
}

func TestLogKeepsSilent(t *testing.T) {
	s := serve(t, nil)
	s.ask("POST", "/v1/owner/look", `{"imei":"490154203237518","reference":"R-1"}`, isJSON)
	s.ask("POST", "/v1/devices/find", `{"imei":"490154203237518"}`, isJSON, asKim)
	s.ask("GET", idPath+"?x=490154203237518", "", asKim)
	s.ask("GET", "/v1/490154203237518", "")
	s.ask("490154203237518", "/v1/waves", "")
	if lines := strings.Count(s.log.String(), "msg=request"); lines != 5 {
		t.Errorf("%d lines for 5 requests", lines)
	}
	for _, secret := range []string{"490154203237518", "R-1", someID.String(), "203.0.113.7", "kim"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, s.log)
		}
	}
}

func TestPages(t *testing.T) {
	s := serve(t, func(c *Config) {
		c.Pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page ", ClientAddress(r.Context())) })
		c.GuessRate = Rate{0.001, 1}
	})
	for i, want := range []string{"page 203.0.113.7", "too-many-requests"} {
		if w := s.ask("POST", "/owner/", ""); !strings.Contains(w.Body.String(), want) {
			t.Errorf("form %d: %s", i, w.Body)
		}
	}
	if w := s.ask("GET", "/owner/", ""); w.Body.String() != "page 203.0.113.7" {
		t.Errorf("page: %s", w.Body)
	}
}

func TestServerIsBounded(t *testing.T) {
	s := NewServer(http.NotFoundHandler(), nil)
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 {
		t.Errorf("%+v", s)
	}
	for _, cfg := range []Config{{}, {Authority: new(fake)}, {Authority: new(fake), Production: readCSV, GuessRate: Rate{PerSecond: 1}}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("accepted: %+v", cfg)
		}
	}
}

// TestDevicesLinkToTheNextPage: where a list goes on, a link says so (RFC 8288), with the question; at the end there is none.
func TestDevicesLinkToTheNextPage(t *testing.T) {
	s := serve(t, nil)
	const path = "/v1/devices?model=Lantern+X&territory=CU&stage=noticed&consignment=c-1&limit=7"
	if w := s.ask("GET", path, "", asKim); w.Code != 200 || w.Header().Values("Link") != nil {
		t.Errorf("%d, at the end %q", w.Code, w.Header().Values("Link"))
	}
	s.fake.next = someID
	w := s.ask("GET", path, "", asKim)
	want := "</v1/devices?after=" + someID.String() + `&consignment=c-1&limit=7&model=Lantern+X&stage=noticed&territory=CU>; rel="next"`
	if w.Code != 200 || w.Header().Get("Link") != want {
		t.Errorf("%d, %q", w.Code, w.Header().Get("Link"))
	}
	next := strings.TrimPrefix(strings.Split(want, ">")[0], "<")
	stage := order.Noticed
	q := authority.DeviceQuery{Territory: "CU", Stage: &stage, Consignment: "c-1", Model: "Lantern X", After: someID, Limit: 7}
	if s.fake.told = nil; s.ask("GET", next, "", asKim).Code != 200 || !reflect.DeepEqual(s.fake.told, []any{q}) {
		t.Errorf("the link asks for %+v", s.fake.told)
	}
}
