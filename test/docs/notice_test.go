package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	embed  = regexp.MustCompile(`(?m)^//go:embed (.+)$`)
	ending = regexp.MustCompile(`\.(bin|csv|txt|tsv|tab|js|json|pb|gz|yaml|svg|png|woff2?)$`)
)

// embedded are the data files that packages linked into the binary carry, by their path in the repository.
func embedded(t *testing.T) (files []string) {
	t.Helper()
	for _, p := range list(t, "-deps", "./cmd/bailiwick") {
		if p.Module == nil || !p.Module.Main {
			continue
		}
		dir := filepath.Join(root, strings.TrimPrefix(p.ImportPath, p.Module.Path))
		sources, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, source := range sources {
			text, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range embed.FindAllStringSubmatch(string(text), -1) {
				for _, pattern := range strings.Fields(m[1]) {
					found, err := filepath.Glob(filepath.Join(dir, pattern))
					if err != nil || len(found) == 0 {
						t.Errorf("%s embeds %s, which is not there (%v)", source, pattern, err)
					}
					for _, file := range found {
						path, err := filepath.Rel(root, file)
						if err != nil {
							t.Fatal(err)
						}
						files = append(files, filepath.ToSlash(path))
					}
				}
			}
		}
	}
	return files
}

func TestNoticeNamesWhatIsEmbedded(t *testing.T) {
	text, err := os.ReadFile(root + "/NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	patterns := regexp.MustCompile(`[A-Za-z0-9_.*/-]+\.[a-z*]+`).FindAllString(string(text), -1)
	named := func(file string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, err := filepath.Match(pattern, file)
			return err == nil && ok
		})
	}
	data := 0
	for _, file := range embedded(t) {
		if !ending.MatchString(file) {
			continue
		}
		data++
		if !named(file) {
			t.Errorf("%s is embedded, and NOTICE does not name it", file)
		}
	}
	if data < 10 {
		t.Errorf("only %d embedded data files: the list is wrong", data)
	}
	// What it names in the repository is there.
	for _, pattern := range patterns {
		top, _, inside := strings.Cut(pattern, "/")
		if info, err := os.Stat(filepath.Join(root, top)); !inside || top == "" || err != nil || !info.IsDir() {
			continue
		}
		if found, err := filepath.Glob(filepath.Join(root, pattern)); err != nil || len(found) == 0 {
			t.Errorf("NOTICE names %s, which is not there", pattern)
		}
	}
}

// Each part of NOTICE has the particulars: the versions and licences that the whole repeats are theirs.
func TestNoticeAgreesWithItsParts(t *testing.T) {
	whole, err := os.ReadFile(root + "/NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	// In the parts, names stand in backticks with the version after them.
	sourced := regexp.MustCompile("`([@a-z][^` ]+)` (v?\\d+(?:\\.\\d+)+[^ ,;|]*)")
	parts := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && path != root {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasPrefix(d.Name(), "NOTICE") || filepath.Dir(path) == filepath.Clean(root) {
			return nil
		}
		parts++
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if !strings.Contains(string(whole), filepath.ToSlash(name)) {
			t.Errorf("NOTICE does not name its part %s", name)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		// Tools that draw and are not shipped need no place in the whole.
		body, _, _ := strings.Cut(string(text), "\nTools ")
		for _, m := range sourced.FindAllStringSubmatch(body, -1) {
			if !strings.Contains(string(whole), m[1]+" "+m[2]) {
				t.Errorf("%s says %s %s, NOTICE does not", name, m[1], m[2])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if parts < 4 {
		t.Errorf("only %d parts of NOTICE found", parts)
	}
}
