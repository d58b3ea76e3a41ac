package deploy

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

// leftOut are metrics that the dashboard does not show, each with the reason.
var leftOut = map[string]string{}

// dashboard is as much of a Grafana dashboard as matters here.
type dashboard struct {
	Title  string
	UID    string
	Panels []panel
}

type panel struct {
	ID          int
	Type, Title string
	Description string
	GridPos     struct{ H, W, X, Y int }
	Targets     []target
	FieldConfig struct {
		Defaults  struct{ Unit string }
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
}

type target struct{ Expr, RefID, LegendFormat string }

// unit is that of a target: of the panel, or the one for what its legend says.
func (p *panel) unit(q target) string {
	for _, o := range p.FieldConfig.Overrides {
		if o.Matcher.ID != "byRegexp" || !regexp.MustCompile(strings.Trim(o.Matcher.Options, "/")).MatchString(q.LegendFormat) {
			continue
		}
		for _, property := range o.Properties {
			if text, ok := property.Value.(string); ok && property.ID == "unit" {
				return text
			}
		}
	}
	return p.FieldConfig.Defaults.Unit
}

var (
	selector  = regexp.MustCompile(`\b(bailiwick_[a-z_]+)\{([^}]*)\}(\[[^\]]+\])?`)
	anyMetric = regexp.MustCompile(`\bbailiwick_[a-z_]+`)
	matcher   = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`)
	grouping  = regexp.MustCompile(`\bby \(([a-z_, ]+)\)`)
	ranged    = regexp.MustCompile(`\b(?:rate|increase)\(bailiwick_[a-z_]+\{[^}]*\}\[`)
	legend    = regexp.MustCompile(`\{\{([a-z_]+)\}\}`)
	described = regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
)

// family is the name of a metric without what a histogram's series add to it.
func family(name string) string {
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && strings.HasSuffix(base, "_seconds") {
			return base
		}
	}
	return name
}

// TestDashboard: every metric that the dashboard asks for is one that servers export, with the labels that it asks for, in a unit that is the
// metric's; and every one that they export is shown, or left out for a reason.
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
	exported := exports(t, "")
	maps.Copy(exported, exports(t, pgtest.Database(t)))
	if len(exported) < 25 {
		t.Fatalf("servers export only %v", slices.Sorted(maps.Keys(exported)))
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
			p.check(t, q, exported, shown)
		}
	}
	for name := range exported {
		if !shown[name] && leftOut[name] == "" {
			t.Errorf("%s is exported: show it in deploy/grafana/bailiwick.json, or list it in leftOut with the reason", name)
		}
	}
	for name := range leftOut {
		if _, known := exported[name]; !known || shown[name] {
			t.Errorf("%s is left out, and it is shown or not exported", name)
		}
	}
}

// check holds one question of a panel against what servers export.
func (p *panel) check(t *testing.T, q target, exported map[string][]string, shown map[string]bool) {
	t.Helper()
	fault := func(format string, args ...any) {
		t.Helper()
		t.Errorf("panel %q asks %s: "+format, append([]any{p.Title, q.Expr}, args...)...)
	}
	if strings.Count(q.Expr, "(") != strings.Count(q.Expr, ")") || strings.Count(q.Expr, "{") != strings.Count(q.Expr, "}") {
		fault("brackets are missing")
	}
	questions := selector.FindAllStringSubmatch(q.Expr, -1)
	if len(questions) == 0 || len(questions) != len(anyMetric.FindAllString(q.Expr, -1)) {
		fault("there is a metric without labels, so of whatever job it is")
	}
	labels := []string{"job", "instance"} // which Prometheus gives to each
	for _, m := range questions {
		name, counts := family(m[1]), strings.HasSuffix(m[1], "_total") || family(m[1]) != m[1]
		own, known := exported[name]
		if !known {
			fault("no server exports %s", name)
		}
		shown[name] = true
		labels = append(labels, own...)
		if strings.HasSuffix(m[1], "_bucket") {
			labels = append(labels, "le")
		}
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, l[1]) {
				fault("%s has no label %s", name, l[1])
			}
		}
		if !strings.Contains(m[2], `job=~"$job"`) || !strings.Contains(m[2], `instance=~"$instance"`) {
			fault("it does not keep to the servers that were chosen")
		}
		if counts != (m[3] != "") {
			fault("%s grows for ever, and is asked for as it stands; or it does not, and is asked for its rate", m[1])
		}
	}
	if counts := len(ranged.FindAllString(q.Expr, -1)); counts != strings.Count(q.Expr, "[") {
		fault("a range is taken neither of a rate nor of an increase")
	}
	var by []string
	for _, m := range grouping.FindAllStringSubmatch(q.Expr, -1) {
		for _, l := range strings.Split(m[1], ",") {
			by = append(by, strings.TrimSpace(l))
			if !slices.Contains(labels, strings.TrimSpace(l)) {
				fault("there is no label %s", l)
			}
		}
	}
	for _, m := range legend.FindAllStringSubmatch(q.LegendFormat, -1) {
		if !slices.Contains(by, m[1]) {
			fault("the legend says %s, which the answer does not have", m[1])
		}
	}
	if unit, want := p.unit(q), unitsOf(q.Expr); !slices.Contains(want, unit) {
		fault("its unit is %q, not one of %q", unit, want)
	}
}

// unitsOf are the units of Grafana that fit what is asked.
func unitsOf(expr string) []string {
	name := anyMetric.FindString(expr)
	switch {
	case strings.HasSuffix(name, "_bucket"), strings.HasSuffix(name, "_seconds"):
		return []string{"s"}
	case strings.HasSuffix(name, "_bytes"):
		return []string{"bytes"}
	case strings.Contains(expr, "rate("):
		return []string{"reqps", "ops"}
	}
	return []string{"short"}
}

// exports is what a server exports, with the labels of each: what it has registered, and not what it has counted so far.
func exports(t *testing.T, database string) map[string][]string {
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
	list := make(chan *prometheus.Desc)
	go func() {
		a.Registry.Describe(list)
		close(list)
	}()
	names := make(map[string][]string)
	for d := range list {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("a metric describes itself as %s", d)
		}
		if strings.HasPrefix(m[1], "bailiwick_") {
			names[m[1]] = strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' })
		}
	}
	served(t, a, names)
	return names
}

// served holds what a server says at /metrics after a few requests against what it has registered.
func served(t *testing.T, a *app.App, registered map[string][]string) {
	t.Helper()
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
	n := 0
	for line := range strings.Lines(ask(http.MethodGet, "/metrics", "", "")) {
		if rest, ok := strings.CutPrefix(line, "# TYPE bailiwick_"); ok {
			name, _, _ := strings.Cut(rest, " ")
			n++
			if _, known := registered["bailiwick_"+name]; !known {
				t.Errorf("/metrics has bailiwick_%s, which is not registered", name)
			}
		}
	}
	if n < 8 {
		t.Errorf("/metrics has %d metrics", n)
	}
}
