package app_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/policies"
)

func get(a *app.App, path string) (int, string) {
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// A server whose officers have not met is ready for evidence, says what to do, and serves no metadata; its first policy waits for them.
func TestAServerWithoutOfficersSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	a := opened(t, func(c *app.Config) {
		c.Dir, c.Policy = dir, app.Document{Name: "terms.yaml", Source: policies.Terms202109}
	})
	if code, text := get(a, "/readyz"); code != http.StatusOK || !strings.HasPrefix(text, `{"ready":true,`) || !strings.Contains(text, "bailiwick officer key") {
		t.Errorf("/readyz: %d %q", code, text)
	}
	for _, path := range []string{"/metadata/1.root.json", "/metadata/timestamp.json"} {
		if code, _ := get(a, path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
	if list, err := a.Service.Policies(t.Context(), 10); err != nil || len(list) != 0 {
		t.Errorf("%d policies, %v", len(list), err)
	}
	code, text := get(a, "/v1/metadata/online-key")
	online, err := tufrepo.ParsePublicKey([]byte(text))
	if code != http.StatusOK || err != nil {
		t.Fatal(code, text, err)
	}
	kept, err := tufrepo.ReadKey(filepath.Join(dir, "keys", "online.key"), nil)
	if err != nil || !kept.Public().Same(online) {
		t.Errorf("%v; another key is in the folder", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "sandbox")); !os.IsNotExist(err) {
		t.Errorf("a server that is no sandbox has officers' keys: %v", err)
	}
}

// A sandbox has three officers of its own, who found everything at its first start and are the same at the next; whatever they
// sign is served to anybody.
func TestASandboxHasOfficersOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	start := func() *app.App {
		a, err := app.Open(t.Context(), app.Config{Dir: dir, BaseURL: "http://trust.example:8470", PasswordCost: 4, ManualWork: true, Unlimited: true,
			Sandbox: true, Policy: app.Document{Name: "terms.yaml", Source: policies.Terms202109}})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := start()
	_, root := get(a, "/metadata/1.root.json")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = start()
	defer a.Close()
	if _, again := get(a, "/metadata/1.root.json"); again != root || !strings.Contains(root, "Sandbox officer 3") {
		t.Errorf("the second start has another root: %s", again)
	}
	if code, text := get(a, "/readyz"); code != http.StatusOK || !strings.HasPrefix(text, `{"ready":true,`) || strings.Contains(text, "bailiwick officer") || !strings.Contains(text, "should have been reviewed") {
		t.Errorf("/readyz: %d %q", code, text)
	}
	code, text := get(a, "/metadata/2.policy.json")
	var listing struct {
		Signed struct {
			Targets map[string]struct {
				Hashes map[string]string `json:"hashes"`
			} `json:"targets"`
		} `json:"signed"`
	}
	if err := json.Unmarshal([]byte(text), &listing); code != http.StatusOK || err != nil {
		t.Fatal(code, err)
	}
	if len(listing.Signed.Targets) < 10 { // a policy in two forms, borders, and catalogues in seven languages
		t.Errorf("%d files are listed", len(listing.Signed.Targets))
	}
	for path, target := range listing.Signed.Targets {
		folder, name, _ := strings.Cut(path, "/")
		code, text := get(a, "/targets/"+folder+"/"+target.Hashes["sha256"]+"."+name)
		if code != http.StatusOK || len(text) == 0 {
			t.Errorf("%s: %d", path, code)
		}
		if strings.HasSuffix(path, ".yaml") && text != string(policies.Terms202109) {
			t.Errorf("%s is another policy", path)
		}
	}
	for _, file := range []string{"officer-1.key", "officer-2.key", "officer-3.key"} {
		if info, err := os.Stat(filepath.Join(dir, "sandbox", "officers", file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", file, err)
		}
	}
}
