package deploy

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// stage is a part of a Dockerfile from one FROM to the next.
type stage struct {
	name         string
	copies, runs [][]string // words, flags left out
	lines        []string   // all instructions, each on one line
}

var fromBuild = regexp.MustCompile(`^COPY --from=(\w+)\b`)

// stagesOf reads a Dockerfile.
func stagesOf(t *testing.T) (list []*stage, arguments map[string]string) {
	t.Helper()
	text, err := os.ReadFile(root + "/deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	arguments = make(map[string]string)
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case words[0] == "ARG":
			name, value, _ := strings.Cut(words[1], "=")
			arguments[name] = value
			continue
		case words[0] == "FROM":
			list = append(list, &stage{})
			if len(words) == 4 {
				list[len(list)-1].name = words[3]
			}
		}
		s := list[len(list)-1]
		s.lines = append(s.lines, line)
		plain := slices.DeleteFunc(slices.Clone(words[1:]), func(w string) bool { return strings.HasPrefix(w, "--") })
		switch words[0] {
		case "COPY":
			s.copies = append(s.copies, plain)
		case "RUN":
			s.runs = append(s.runs, words[1:])
		}
	}
	if len(list) != 2 || list[0].name != "build" {
		t.Fatalf("the image has %d stages, the first is %q", len(list), list[0].name)
	}
	return list, arguments
}

// ignored reports whether .dockerignore keeps a file out of what the image is built from. Its patterns here are names and `**/name`.
func ignored(patterns []string, name string) bool {
	for _, p := range patterns {
		if base, anywhere := strings.CutPrefix(p, "**/"); anywhere {
			if slices.Contains(strings.Split(name, "/"), base) {
				return true
			}
		} else if name == p || strings.HasPrefix(name, p+"/") {
			return true
		}
	}
	return false
}

// trimmed copies what the image is built from: the source without what .dockerignore names.
func trimmed(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(root + "/.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	patterns := strings.Fields(string(text))
	if slices.ContainsFunc(patterns, func(p string) bool { return strings.ContainsAny(strings.TrimPrefix(p, "**/"), "*?!") }) {
		t.Fatalf("this test does not read these patterns: %q", patterns)
	}
	to := t.TempDir()
	list, err := exec.Command("git", "-C", root, "ls-files").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(list)) {
		if ignored(patterns, name) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err == nil {
			err = os.MkdirAll(filepath.Join(to, path.Dir(name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestImage does what the Dockerfile does, as far as that goes without a container engine: what it copies is in what it is built from, its
// command builds the program there, and what the image takes from the build is what the build made or its base has.
func TestImage(t *testing.T) {
	stages, arguments := stagesOf(t)
	source := trimmed(t)
	for _, c := range stages[0].copies {
		for _, name := range c[:len(c)-1] {
			if _, err := fs.Stat(os.DirFS(source), path.Clean(name)); err != nil {
				t.Errorf("COPY %s: %v", name, err)
			}
		}
	}
	if module, err := os.ReadFile(source + "/go.mod"); err != nil || !strings.HasPrefix(arguments["GO"], "golang:"+goVersion(string(module))+"-") {
		t.Errorf("the image is built with %s: %v", arguments["GO"], err)
	}
	out := t.TempDir()
	made := map[string]bool{"/etc/ssl/certs/ca-certificates.crt": true} // of the base
	built := false
	for _, run := range stages[0].runs {
		for _, command := range strings.Split(strings.Join(run, " "), "&&") {
			words := strings.Fields(command)
			for _, w := range words {
				if strings.HasPrefix(w, "/out/") {
					made[w] = true
				}
			}
			if !slices.Contains(words, "build") {
				continue
			}
			build(t, source, out, command)
			built = true
		}
	}
	program := filepath.Join(out, "bailiwick")
	if text, err := exec.Command(program, "version").CombinedOutput(); err != nil || !built || !strings.HasPrefix(string(text), "bailiwick ") {
		t.Errorf("the program that was built: %v, %s", err, text)
	}
	if static, err := exec.Command("go", "version", "-m", program).Output(); err != nil || !strings.Contains(string(static), "CGO_ENABLED=0") {
		t.Errorf("an image without a C library cannot run it: %v, %s", err, static)
	}
	for _, line := range stages[1].lines {
		words := strings.Fields(line)
		if words[0] != "COPY" {
			continue
		}
		if m := fromBuild.FindStringSubmatch(line); m == nil || m[1] != "build" {
			t.Errorf("%s: the image takes it from elsewhere", line)
		}
	}
	for _, c := range stages[1].copies {
		if len(c) != 2 || !made[c[0]] {
			t.Errorf("COPY %q: the build does not make it", c)
		}
	}
	last := strings.Join(stages[1].lines, "\n")
	for _, want := range []string{"USER 65532:65532", `ENTRYPOINT ["/usr/bin/bailiwick"]`, "/out/bailiwick /usr/bin/bailiwick", "STOPSIGNAL SIGTERM"} {
		if !strings.Contains(last, want) {
			t.Errorf("the image lacks %s", want)
		}
	}
}

// build runs the build command of the image as it is written, but for the folder that it writes to.
func build(t *testing.T, source, out, command string) {
	t.Helper()
	c := exec.Command("sh", "-c", strings.ReplaceAll(command, "/out/", out+"/"))
	c.Dir = source
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, text)
	}
}

// goVersion is the release of Go that a module asks for, without its last number.
func goVersion(module string) string {
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(module)
	if m == nil {
		return "?"
	}
	return m[1]
}
