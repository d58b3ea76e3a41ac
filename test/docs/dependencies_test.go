package docs

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
	Module                             *module
}

type module struct {
	Path, Version, Dir string
	Main               bool
}

func list(t *testing.T, args ...string) (all []pkg) {
	t.Helper()
	command := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,TestImports,XTestImports,Module"}, args...)...)
	command.Dir = root
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(out); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	return all
}

var (
	heading = regexp.MustCompile(`(?m)^## (.*)$`)
	line    = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (v[^ |]+) \\| (?:\\d{4}-\\d\\d-\\d\\d \\| )?([^|]+) \\| (.*) \\|$")
	goRun   = regexp.MustCompile(`go run (\S+)@(\S+)`)
)

// row is what the document says of a module.
type row struct{ version, licence string }

func section(t *testing.T, title string) map[string]row {
	t.Helper()
	text, err := os.ReadFile(root + "/docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "## "+title+"\n")
	if !found {
		t.Fatalf("docs/dependencies.md has no section %q", title)
	}
	if next := heading.FindStringIndex(rest); next != nil {
		rest = rest[:next[0]]
	}
	rows := map[string]row{}
	for _, m := range line.FindAllStringSubmatch(rest, -1) {
		if _, twice := rows[m[1]]; twice {
			t.Errorf("%s has two lines", m[1])
		}
		rows[m[1]] = row{m[2], m[3]}
		if len(m[4]) < 10 {
			t.Errorf("%s: %q does not say what for and why", m[1], m[4])
		}
	}
	return rows
}

func TestDependenciesAreTold(t *testing.T) {
	moduleOf := map[string]*module{}
	for _, p := range list(t, "-deps", "-test", "./...") {
		if p.Module != nil && !p.Module.Main {
			moduleOf[p.ImportPath] = p.Module
		}
	}
	shipped := map[string]bool{}
	for _, p := range list(t, "-deps", "./cmd/bailiwick") {
		shipped[p.ImportPath] = true
	}
	product, tests := map[string]*module{}, map[string]*module{}
	for _, p := range list(t, "./...") {
		into := tests
		if shipped[p.ImportPath] {
			into = product
		}
		collect(moduleOf, into, p.Imports)
		collect(moduleOf, tests, p.TestImports)
		collect(moduleOf, tests, p.XTestImports)
	}
	for path := range product {
		delete(tests, path)
	}
	compare(t, "In the binary", product)
	compare(t, "In tests and generators", tests)
}

func collect(moduleOf, into map[string]*module, imports []string) {
	for _, path := range imports {
		if m := moduleOf[path]; m != nil {
			into[m.Path] = m
		}
	}
}

func compare(t *testing.T, title string, used map[string]*module) {
	t.Helper()
	told := section(t, title)
	for path, m := range used {
		r, ok := told[path]
		if !ok {
			t.Errorf("%s %s is imported and has no line under %q", path, m.Version, title)
			continue
		}
		if r.version != m.Version {
			t.Errorf("%s is at %s, the document says %s", path, m.Version, r.version)
		}
		if kinds := strings.Join(licences(t, m), " and "); kinds != r.licence {
			t.Errorf("%s is under %s, the document says %s", path, kinds, r.licence)
		}
	}
	for path := range told {
		if used[path] == nil {
			t.Errorf("the line of %s under %q is stale", path, title)
		}
	}
}

func TestToolsAreTold(t *testing.T) {
	text, err := os.ReadFile(root + "/.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	told := section(t, "Run, never imported")
	run := goRun.FindAllStringSubmatch(string(text), -1)
	for _, m := range run {
		known := false
		for path, r := range told {
			known = known || strings.HasPrefix(m[1]+"/", path+"/") && r.version == m[2]
		}
		if !known {
			t.Errorf(".ci/run runs %s@%s, which has no line", m[1], m[2])
		}
	}
	if len(run) == 0 || len(run) != len(told) {
		t.Errorf("%d tools are run, %d are told", len(run), len(told))
	}
}

// Marks of licences: words that stand in the text of each, and in no other's.
var marks = []struct{ kind, words string }{
	{"Apache-2.0", "apache license version 2.0"},
	{"BSD-3-Clause", "redistribution and use in source and binary forms"},
	{"ISC", "permission to use, copy, modify, and/or distribute this software"},
	{"ISC", "permission to use, copy, modify, and distribute this software for any purpose with or without fee"}, // without the "or" of later texts
	{"MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"MPL-2.0", "mozilla public license version 2.0"},
	{"Unlicense", "this is free and unencumbered software released into the public domain"},
	{"public domain", "has been dedicated to the public domain"},
	// Not allowed in the binary: whoever links these owes others the whole source, or more.
	{"GPL", "gnu general public license version"},
	{"AGPL", "gnu affero general public license version"},
	{"LGPL", "gnu lesser general public license version"},
	{"SSPL", "server side public license"},
	{"BUSL", "business source license"},
}

var (
	licenceFile = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying`)
	blanks      = regexp.MustCompile(`[\s,]+`)
)

// licences are the kinds in a module's own licence files. What a module says of other code in its repository (a file of third
// parties, a logo) is not its own licence.
func licences(t *testing.T, m *module) (kinds []string) {
	t.Helper()
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		t.Fatalf("%s: %v", m.Path, err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".md"), ".txt")
		if !licenceFile.MatchString(name) || strings.Contains(name, "-") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, kindsOf(string(text))...)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

func kindsOf(text string) (kinds []string) {
	flat := strings.ToLower(blanks.ReplaceAllString(text, " "))
	for _, mark := range marks {
		if strings.Contains(flat, blanks.ReplaceAllString(mark.words, " ")) {
			kinds = append(kinds, mark.kind)
		}
	}
	if slices.Contains(kinds, "MPL-2.0") { // its text names the GNU licences as secondary ones
		return []string{"MPL-2.0"}
	}
	if i := slices.Index(kinds, "BSD-3-Clause"); i >= 0 && !strings.Contains(flat, "neither the name") {
		kinds[i] = "BSD-2-Clause"
	}
	return kinds
}

func TestWhatIsLinkedMayBeLinked(t *testing.T) {
	allowed := []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "Unlicense", "public domain"}
	seen := map[string]bool{}
	for _, p := range list(t, "-deps", "./cmd/bailiwick") {
		if p.Module == nil || p.Module.Main || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		kinds := licences(t, p.Module)
		if len(kinds) == 0 {
			t.Errorf("%s: no licence that is known here", p.Module.Path)
		}
		for _, kind := range kinds {
			if !slices.Contains(allowed, kind) {
				t.Errorf("%s is under %s, and is linked into the binary", p.Module.Path, kind)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d modules are linked: the list is wrong", len(seen))
	}
}

func TestLicencesAreToldApart(t *testing.T) {
	for text, want := range map[string]string{
		"GNU GENERAL PUBLIC LICENSE\n  Version 3, 29 June 2007":                         "GPL",
		"GNU AFFERO GENERAL PUBLIC LICENSE\n Version 3":                                 "AGPL",
		"Mozilla Public License, version 2.0 … GNU General Public License, Version 2.0": "MPL-2.0",
		"Redistribution and use in source\nand binary forms":                            "BSD-2-Clause",
		"All rights reserved.": "",
	} {
		if got := strings.Join(kindsOf(text), " and "); got != want {
			t.Errorf("%q is taken for %q, want %q", text, got, want)
		}
	}
}
