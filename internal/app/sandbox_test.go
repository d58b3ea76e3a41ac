package app_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/app"
)

// opened is a server in a folder of its own.
func opened(t *testing.T, change func(*app.Config)) *app.App {
	t.Helper()
	cfg := app.Config{Dir: t.TempDir(), BaseURL: "http://trust.example:8470", PasswordCost: 4, ManualWork: true, Unlimited: true}
	change(&cfg)
	a, err := app.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// What a page of another site can have a browser send to a sandbox on this machine is refused, and moves nothing.
func TestOtherSitesPagesDoNotReachASandbox(t *testing.T) {
	a := opened(t, func(c *app.Config) { c.Sandbox = true })
	ask := func(method, host string, headers ...string) int {
		r := httptest.NewRequest(method, app.PathSandboxClock, strings.NewReader(`{"hours":1}`))
		r.Host = host
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		return w.Code
	}
	const json = "application/json"
	for _, host := range []string{"127.0.0.1:8470", "[::1]:8470", "localhost:8470", "phone.localhost", "trust.example:8470", "TRUST.example."} {
		if got := ask(http.MethodPost, host, "Content-Type", json); got != http.StatusOK {
			t.Errorf("a command, to %s: %d", host, got)
		}
	}
	before := a.Now()
	for name, tc := range map[string]struct {
		host    string
		headers []string
		want    int
	}{
		"a form":                  {"127.0.0.1:8470", []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType},
		"no content type":         {"127.0.0.1:8470", nil, http.StatusUnsupportedMediaType},
		"a script, by its site":   {"127.0.0.1:8470", []string{"Content-Type", json, "Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"a script, by its origin": {"127.0.0.1:8470", []string{"Content-Type", json, "Origin", "https://elsewhere.example"}, http.StatusForbidden},
		"a sandboxed frame":       {"127.0.0.1:8470", []string{"Content-Type", json, "Origin", "null"}, http.StatusForbidden},
		"a name that was pointed here": {"elsewhere.example:8470",
			[]string{"Content-Type", json, "Origin", "http://elsewhere.example:8470", "Sec-Fetch-Site", "same-origin"}, http.StatusForbidden},
		"a name that looks alike": {"trust.example.elsewhere.example", []string{"Content-Type", json}, http.StatusForbidden},
		"no name":                 {"", []string{"Content-Type", json}, http.StatusForbidden},
	} {
		if got := ask(http.MethodPost, tc.host, tc.headers...); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
	if moved := a.Now().Sub(before); moved.Hours() >= 1 {
		t.Errorf("the clock was moved on by %v", moved)
	}
	if got := ask(http.MethodGet, "elsewhere.example"); got != http.StatusForbidden {
		t.Errorf("the clock, read under a name that was pointed here: %d", got)
	}
}

func TestAServerThatIsNoSandboxHasNoSandbox(t *testing.T) {
	a := opened(t, func(*app.Config) {})
	for _, path := range []string{app.PathSandboxClock, app.PathSandboxPhones} {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"hours":1}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
