package drill

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// Every drill, tried in every way: no phone is wrongly locked, and the document says of each what was found.
func TestAll(t *testing.T) {
	var ended []string
	results, err := Run(t.Context(), Drills(), func(r Result) { ended = append(ended, r.Drill) })
	if err != nil {
		t.Fatal(err)
	}
	if len(ended) != len(Drills()) || len(results) != len(Drills()) {
		t.Errorf("%d drills, %d told, %d results", len(Drills()), len(ended), len(results))
	}
	for i, r := range results {
		d := Drills()[i]
		if r.Drill != d.Name || r.WronglyLocked != 0 {
			t.Errorf("%s: wrongly locked %d: %q", r.Drill, r.WronglyLocked, r.Wrong)
		}
		for _, way := range d.Ways() {
			if !strings.Contains(r.Attack, way) {
				t.Errorf("%s does not say that it tried %q", r.Drill, way)
			}
		}
		if r.NoticedBy == "" || strings.Count(r.NoticedAfter, "; ")+1 != len(r.seen)+min(1, len(r.unseen)) {
			t.Errorf("%s: noticed by %q after %q", r.Drill, r.NoticedBy, r.NoticedAfter)
		}
	}
	t.Run("JSON", func(t *testing.T) { checkJSON(t, results) })
	t.Run("document", func(t *testing.T) { checkDocument(t, results) })
	t.Run("what is measured", func(t *testing.T) { checkFindings(t, results) })
}

// checkJSON holds the results to the form that others read.
func checkJSON(t *testing.T, results []Result) {
	data, err := json.Marshal(results)
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		var names []string
		for name := range row {
			names = append(names, name)
		}
		slices.Sort(names)
		if want := []string{"attack", "drill", "noticed_after", "noticed_by", "wrongly_locked"}; !slices.Equal(names, want) {
			t.Errorf("a result has %v, want %v", names, want)
		}
	}
}

// checkFindings holds what is told of some drills to what must have been found: a monitor that never ran would be silent.
func checkFindings(t *testing.T, results []Result) {
	for drill, want := range map[string][]string{
		"lock-traveller":          {"activated-elsewhere", "activation-mixed", "locks that no officer approved"},
		"lock-unlisted-territory": {"policy-unsigned", "metadata-unsigned", "territory-not-in-rule"},
		"one-officer-alone":       {"metadata-unsigned", "metadata-threshold"},
		"hide-order":              {"the witness", "proof-invalid", "ledger-shrank", "ledger monitor (ledger-stale)"},
		"hide-order-own-witness":  {"ledger-forked"},
		"two-ledgers":             {"the witness", "ledger monitor"},
		"two-ledgers-own-witness": {"ledger monitor (ledger-forked)", "an owner, by ledger explain --public (ledger-forked)"},
		"old-policy":              {"policy-stale", "a doubtful clock", "orders by a policy that another one has replaced"},
		"roll-back-policy":        {"metadata-rolled-back"},
		"hold-outside-cohort":     {"not-in-cohort"},
		"replay-lock":             {"ground-finally-lifted", "nobody: the very orders of before the lift"},
		"wipe":                    {"ledger monitor (order-invalid, order-malformed)", "leaf-malformed"},
	} {
		i := slices.IndexFunc(results, func(r Result) bool { return r.Drill == drill })
		for _, text := range want {
			if i < 0 || !strings.Contains(results[i].NoticedBy, text) {
				t.Errorf("%s: nobody noticed %q", drill, text)
			}
		}
	}
}

// checkDocument compares the table in docs/threat-model.md with the results.
func checkDocument(t *testing.T, results []Result) {
	data, err := os.ReadFile("../../../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	if err := WriteMarkdown(&want, results); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "<!-- drills -->\n")
	got, _, found := strings.Cut(rest, "<!-- end of drills -->")
	if !found {
		t.Fatal("docs/threat-model.md has no marks for the table of drills")
	}
	has := strings.Split(got, "\n")
	for _, line := range strings.Split(want.String(), "\n") {
		if !slices.Contains(has, line) {
			t.Errorf("docs/threat-model.md does not have\n%s", line)
		}
	}
	if got != want.String() && !t.Failed() {
		t.Error("docs/threat-model.md has a line too many in the table of drills; bailiwick drill all --markdown writes it")
	}
}

func TestFind(t *testing.T) {
	if d, err := Find("wipe"); err != nil || d.Name != "wipe" {
		t.Errorf("%q, %v", d.Name, err)
	}
	if _, err := Find("all"); err == nil || !strings.Contains(err.Error(), "hold-outside-cohort") {
		t.Errorf("%v", err)
	}
	seen := map[string]bool{}
	for _, d := range Drills() {
		if seen[d.Name] || d.About == "" || len(d.Ways()) == 0 {
			t.Errorf("the drill %q", d.Name)
		}
		seen[d.Name] = true
	}
}

// What the threat model says remains: a phone without the officers' root in its firmware believes whom it meets first.
func TestFirstContactWithoutARoot(t *testing.T) {
	scene, err := Stage(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	loot, err := plunder(t.Context(), scene.serverDir())
	if err != nil {
		t.Fatal(err)
	}
	a := attack{name: "first contact", run: firstContact(func(*stage) []byte { return nil })}
	o, err := a.perform(t.Context(), scene, loot)
	if err != nil || len(o.wrong) != 1 {
		t.Errorf("wrongly locked %q, %v: the threat model says one", o.wrong, err)
	}
}
