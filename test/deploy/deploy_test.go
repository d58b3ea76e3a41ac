// Package deploy holds what is in the folder deploy to the program that it is for.
package deploy

import (
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const root = "../.."

// leftOut are metrics that the dashboard does not show, each with the reason.
var leftOut = map[string]string{}

// dashboard is as much of a Grafana dashboard as matters here.
type dashboard struct {
	Title  string
	UID    string
	Panels []struct {
		ID          int
		Type, Title string
		Description string
		GridPos     struct{ H, W, X, Y int }
		Targets     []struct{ Expr, RefID string }
	}
	Templating struct {
		List []struct {
			Name  string
			Query json.RawMessage
		}
	}
}

var metric = regexp.MustCompile(`\bbailiwick_[a-z_]+[a-z]`)

// family is the name of a metric without what a histogram's series add to it.
func family(name string) string {
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && strings.HasSuffix(base, "_seconds") {
			return base
		}
	}
	return name
}

// TestDashboard: every metric that the dashboard asks for is one that servers export, and every one that they export is shown or left out
// for a reason.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(root + "/deploy/grafana/bailiwick.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if d.Title == "" || d.UID == "" || len(d.Panels) < 12 {
		t.Fatalf("%q, %q, %d panels", d.Title, d.UID, len(d.Panels))
	}
	shown, ids := make(map[string]bool), make(map[int]bool)
	for _, p := range d.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q: id %d twice, or too wide", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Description == "" {
			t.Errorf("panel %q asks for nothing, or does not say what it shows", p.Title)
		}
		for _, q := range p.Targets {
			names := metric.FindAllString(q.Expr, -1)
			if len(names) == 0 || strings.Count(q.Expr, "(") != strings.Count(q.Expr, ")") || strings.Count(q.Expr, "{") != strings.Count(q.Expr, "}") {
				t.Errorf("panel %q asks %q", p.Title, q.Expr)
			}
			for _, name := range names {
				shown[family(name)] = true
			}
		}
	}
	exported := declared(t)
	for what, database := range map[string]string{"with SQLite": "", "with PostgreSQL": pgtest.Database(t)} {
		running := running(t, database)
		if len(running) < 8 {
			t.Errorf("a server %s exports only %v", what, running)
		}
		for name := range running {
			if !exported[name] {
				t.Errorf("a server %s exports %s, which is not found in the source: the pattern is wrong", what, name)
			}
		}
	}
	for name := range shown {
		if !exported[name] {
			t.Errorf("the dashboard asks for %s, which no server exports", name)
		}
	}
	for name := range exported {
		if !shown[name] && leftOut[name] == "" {
			t.Errorf("%s is exported: show it in deploy/grafana/bailiwick.json, or list it in leftOut with the reason", name)
		}
	}
	for name := range leftOut {
		if !exported[name] || shown[name] {
			t.Errorf("%s is left out, and it is shown or not exported", name)
		}
	}
}

// running is what a server exports after a few requests.
func running(t *testing.T, database string) map[string]bool {
	t.Helper()
	a, err := app.Open(t.Context(), app.Config{Dir: t.TempDir(), Database: database, BaseURL: "http://127.0.0.1:8470", PasswordCost: 4, ManualWork: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	ask := func(method, path, media, body string) string {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("Content-Type", media)
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		return w.Body.String()
	}
	ask(http.MethodPost, "/v1/check-in", "application/eat+cwt", "no token")
	ask(http.MethodPost, "/v1/login", "application/json", `{"name":"nobody","password":"wrong wrong wrong"}`)
	names := make(map[string]bool)
	for line := range strings.Lines(ask(http.MethodGet, "/metrics", "", "")) {
		if rest, ok := strings.CutPrefix(line, "# TYPE bailiwick_"); ok {
			name, _, _ := strings.Cut(rest, " ")
			names["bailiwick_"+name] = true
		}
	}
	return names
}

var (
	named  = regexp.MustCompile(`(?:Name:|NewDesc\() *"(bailiwick_[a-z_]+)"`)
	counts = regexp.MustCompile(`\b(?:one|many)\("([a-z_]+)"`)
	store  = regexp.MustCompile(`(?m)^\s*\{"([a-z_]+)", "[^"]+", (?:true|false), func\(s Stats\)`)
)

// declared is what the source exports: a metric with labels is not in the output of a server that has nothing to count yet.
func declared(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	err := filepath.WalkDir(root+"/internal", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "bailiwick_") {
			return err
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
		for _, m := range counts.FindAllStringSubmatch(string(text), -1) {
			names["bailiwick_"+m[1]] = true
		}
		for _, m := range store.FindAllStringSubmatch(string(text), -1) {
			names["bailiwick_store_"+m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 15 {
		t.Fatalf("only %v found in the source", slices.Sorted(maps.Keys(names)))
	}
	return names
}

// TestNoRegistryIsNamed: images go by names that everybody's own registry may resolve, and nothing needs a shell inside.
func TestNoRegistryIsNamed(t *testing.T) {
	host := regexp.MustCompile(`(?i)[a-z0-9-]+\.(?:io|com|dev|org|net)/`)
	for _, name := range []string{"Dockerfile", "compose.yaml"} {
		text, err := os.ReadFile(filepath.Join(root, "deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if (strings.Contains(line, "image:") || strings.HasPrefix(line, "FROM") || strings.HasPrefix(line, "ARG")) && host.MatchString(line) {
				t.Errorf("%s names a host: %s", name, line)
			}
		}
	}
}
