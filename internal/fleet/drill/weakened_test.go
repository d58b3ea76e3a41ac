package drill

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// weakVariable says in the environment of a test's child which check its agents leave out.
const weakVariable = "BAILIWICK_DRILL_WEAKNESS"

// weakness is an agent from which a check was taken out, where one alone is not enough because others stand behind it, all of them.
type weakness struct {
	name  string
	edits []edit
	found []string // the drills that must find it
}

// edit changes a function of a package: the text old, which is there once, becomes new; without old, new stands first in the body. In new,
// WEAK is true when the weakness is asked for.
type edit struct{ pkg, function, old, new string }

var weaknesses = []weakness{
	{"its own activation", []edit{{"agent", "facts.activated", "", `if WEAK { return "" };`}},
		[]string{"lock-traveller", "hide-order-own-witness", "two-ledgers-own-witness"}},
	{"the signatures on policies", []edit{{"agent", "policySigned", "", `if WEAK { return "" };`}}, []string{"lock-unlisted-territory"}},
	{"the rule's territories", []edit{
		{"agent", "facts.supports", "!slices.Contains(rule.Codes, code):", "!WEAK && !slices.Contains(rule.Codes, code):"},
		{"agent", "facts.activated", "!code.Covers(a.Territory):", "!WEAK && !code.Covers(a.Territory):"},
	}, []string{"lock-unlisted-territory", "lock-traveller"}},
	{"the second signature", []edit{{"tuf", "signers.verify", "len(signed) == s.threshold", "len(signed) == s.threshold || WEAK"}}, []string{"one-officer-alone"}},
	{"the days of notice that officers signed", []edit{{"agent", "restriction.due", "f.policy.NoticeDays", "map[bool]int{false: f.policy.NoticeDays, true: 0}[WEAK]"}},
		[]string{"back-date-notice", "lie-about-date"}},
	{"the length of the notice", []edit{
		{"agent", "facts.tooShort", "", `if WEAK { return false };`},
		{"agent", "restriction.due", "own < promised,", "!WEAK && own < promised,"},
	}, []string{"back-date-notice"}},
	{"the date once told, and its own time", []edit{
		{"agent", "restriction.noticeAgain", "o.leaf.Deadline.Before(r.Deadline)", "!WEAK && o.leaf.Deadline.Before(r.Deadline)"},
		{"agent", "restriction.lock", "o.leaf.Deadline.Before(r.Deadline)", "!WEAK && o.leaf.Deadline.Before(r.Deadline)"},
		{"agent", "restriction.due", "own < promised,", "!WEAK && own < promised,"},
	}, []string{"back-date-notice"}},
	{"the account of servers' lies, and its own time", []edit{
		{"agent", "clock.owe", "", `if WEAK { return };`},
		{"agent", "restriction.due", "own < r.Deadline.Sub(r.ReceivedAt)-clockSlack", "!WEAK && own < r.Deadline.Sub(r.ReceivedAt)-clockSlack"},
		{"agent", "restriction.due", "own < promised,", "!WEAK && own < promised,"},
	}, []string{"lie-about-date"}},
	{"the account of servers' lies, and its own calendar", []edit{
		{"agent", "clock.owe", "", `if WEAK { return };`},
		{"agent", "clock.latest", "own.After(likely)", "!WEAK && own.After(likely)"},
	}, []string{"prolong-hold", "old-policy"}},
	{"its own calendar", []edit{{"agent", "clock.latest", "own.After(likely)", "!WEAK && own.After(likely)"}}, []string{"old-policy"}},
	{"what a lift leaves behind", []edit{{"agent", "restriction.past", "", `if WEAK && r.Stage == order.Lifted { return "" };`}}, []string{"replay-lock"}},
	{"the proof", []edit{{"agent", "Agent.open", "err != nil {\n\t\treturn opened{}, ProofInvalid", "err != nil && !WEAK {\n\t\treturn opened{}, ProofInvalid"}},
		[]string{"hide-order"}},
	{"the quorum of witnesses", []edit{{"ledger/proof", "Verifier.Checkpoint", "len(witnesses) < v.quorum", "!WEAK && len(witnesses) < v.quorum"}},
		[]string{"hide-order", "two-ledgers"}},
	{"the review of rules", []edit{{"agent", "facts.supports", "today > rule.ReviewBy", "!WEAK && today > rule.ReviewBy"}}, []string{"old-policy"}},
	{"the versions of metadata and policies", []edit{
		{"tuf", "workflow.accept", "d.version < least", "!WEAK && d.version < least"},
		{"agent", "checkPolicy", "present != nil && p.Effective", "!WEAK && present != nil && p.Effective"},
	}, []string{"roll-back-policy"}},
	{"the signatures on warrants", []edit{{"agent", "warrantSigned", "", `if WEAK { return "" };`}}, []string{"hold-without-warrant", "reuse-warrant-id"}},
	{"the cohort", []edit{{"agent", "brought.warrantFor", "held.Member.Verify(w.Cohort, b.imei) != nil", "!WEAK && held.Member.Verify(w.Cohort, b.imei) != nil"}},
		[]string{"hold-outside-cohort"}},
	{"the end of a hold", []edit{{"agent", "restriction.over", "", `if WEAK { return false };`}}, []string{"prolong-hold"}},
	{"the ways out", []edit{{"agent", "state.screen", "Exits(),", "Exits()[:map[bool]int{false: 9, true: 3}[WEAK]],"}}, []string{"wipe"}},
}

// A drill that cannot fail proves nothing: real agents from which one check was taken out, built from the source with that change, must be
// found by the drill that is about it.
func TestDrillsFindWeakAgents(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	o := overlay{t: t, root: root, dir: dir, sources: map[string]string{}}
	drills := map[string]bool{}
	for i, w := range weaknesses {
		for _, e := range w.edits {
			o.apply(fmt.Sprint(i), w.name, e)
		}
		for _, name := range w.found {
			drills[name] = true
		}
	}
	for _, d := range Drills() {
		if !drills[d.Name] {
			t.Errorf("no weakness is planted for the drill %s", d.Name)
		}
	}
	inner, err := os.ReadFile("testdata/weak_inner_test.go.txt")
	if err != nil {
		t.Fatal(err)
	}
	o.sources[filepath.Join(root, "internal/fleet/drill/weak_inner_test.go")] = string(inner)
	child := filepath.Join(dir, "weak.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", o.write(), "-o", child, ".")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the weak agents: %v\n%s", err, text)
	}
	run := exec.CommandContext(t.Context(), child, "-test.run", "^TestWeakAgents$", "-test.v")
	text, err := run.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "--- PASS: TestWeakAgents") {
		t.Fatalf("%v\n%s", err, text)
	}
}

// overlay is the source with changes, for go build.
type overlay struct {
	t         *testing.T
	root, dir string
	sources   map[string]string // by absolute path
}

// apply makes one edit.
func (o *overlay) apply(id, name string, e edit) {
	o.t.Helper()
	file, from, to := o.find(e)
	text := o.sources[file]
	body := text[from:to]
	changed := strings.ReplaceAll(e.new, "WEAK", fmt.Sprintf("weak(%q)", name))
	if e.old == "" {
		body = body[:1] + changed + body[1:]
	} else {
		if n := strings.Count(body, e.old); n != 1 {
			o.t.Fatalf("%s of package %s has %q %d times, not once: the weakness %q has to follow the source", e.function, e.pkg, e.old, n, name)
		}
		body = strings.Replace(body, e.old, changed, 1)
	}
	o.sources[file] = text[:from] + body + text[to:]
	switchFile := filepath.Join(o.root, e.pkg, "weak_overlay.go")
	o.sources[switchFile] = fmt.Sprintf("package %s\n\nimport \"os\"\n\nfunc weak(name string) bool { return os.Getenv(%q) == name }\n", filepath.Base(e.pkg), weakVariable)
}

// find returns the file with a function, and where its body is.
func (o *overlay) find(e edit) (file string, from, to int) {
	o.t.Helper()
	files, err := filepath.Glob(filepath.Join(o.root, e.pkg, "*.go"))
	if err != nil {
		o.t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		if _, read := o.sources[file]; !read {
			data, err := os.ReadFile(file)
			if err != nil {
				o.t.Fatal(err)
			}
			o.sources[file] = string(data)
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, o.sources[file], 0)
		if err != nil {
			o.t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && nameOf(f) == e.function {
				return file, set.Position(f.Body.Lbrace).Offset, set.Position(f.Body.Rbrace).Offset
			}
		}
	}
	o.t.Fatalf("package %s has no %s: the weaknesses have to follow the source", e.pkg, e.function)
	return "", 0, 0
}

// nameOf is a function's name, with its receiver's type in front.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	return receiver.(*ast.Ident).Name + "." + f.Name.Name
}

// write puts the sources into files and returns the file that go build reads.
func (o *overlay) write() string {
	o.t.Helper()
	replace := map[string]string{}
	for path, text := range o.sources {
		file := filepath.Join(o.dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			o.t.Fatal(err)
		}
		replace[path] = file
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		o.t.Fatal(err)
	}
	file := filepath.Join(o.dir, "overlay.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		o.t.Fatal(err)
	}
	return file
}
