// Package docs checks that documents are true: paths and links in them exist, and commands and flags that they name are
// those of the binary.
package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

func documents(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(root + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root+"/docs", func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	if len(texts) < 8 {
		t.Fatalf("only %d documents found", len(texts))
	}
	return texts
}

var (
	link = regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)
	// A path of this repository in backticks begins with one of its folders.
	path = regexp.MustCompile("`((?:\\./)?(?:agent|cmd|device|docs|evidence|internal|ledger|order|policies|protocol|scripts|territory|test|testdata|unlock|\\.ci)(?:/[A-Za-z0-9._-]+)+)`")
	// A command stands at the beginning of a line of code, or alone in backticks.
	command = regexp.MustCompile("(?m)(?:^ {4,}|^\\$ |`)(?:go run \\./cmd/)?bailiwick((?: [a-z][a-z-]*)+)((?: [^`\\n]*)?)")
	flag    = regexp.MustCompile(`--[a-z][a-z-]*`)
)

func TestPathsExist(t *testing.T) {
	for name, text := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
		for _, m := range path.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s, which is not there", name, m[1])
			}
		}
	}
}

func TestCommandsExist(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "bailiwick")
	build := exec.Command("go", "build", "-o", binary, "./cmd/bailiwick")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	found := 0
	for name, text := range documents(t) {
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			words := strings.Fields(m[1])
			help, err := exec.Command(binary, append(words, "--help")...).CombinedOutput()
			// Trailing words may be arguments rather than subcommands, unless what is left wants a subcommand.
			for err != nil && len(words) > 1 {
				words = words[:len(words)-1]
				help, err = exec.Command(binary, append(words, "--help")...).CombinedOutput()
			}
			if err != nil || strings.Contains(string(help), "\nCommands:") {
				t.Errorf("%s names the command %q: %s", name, "bailiwick"+m[1], help)
				continue
			}
			found++
			for _, f := range flag.FindAllString(m[2], -1) {
				if !strings.Contains(string(help), f) {
					t.Errorf("%s gives %q the flag %s, which it does not have", name, "bailiwick "+strings.Join(words, " "), f)
				}
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d commands found in the documents: the pattern is wrong", found)
	}
}
