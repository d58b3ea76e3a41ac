package interop

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestTUFJSIsPinned keeps one exact version, in package.json, lockfile, folder and docs/dependencies.md, and the lockfile free of where packages
// were fetched from: hashes say what they are.
func TestTUFJSIsPinned(t *testing.T) {
	read := func(path string, into any) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if into != nil {
			if err := json.Unmarshal(text, into); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
		return string(text)
	}
	var wanted struct{ Dependencies map[string]string }
	var locked struct {
		Packages map[string]struct{ Version, Resolved, Integrity string }
	}
	var installed struct{ Version string }
	read("tufjs/package.json", &wanted)
	read("tufjs/package-lock.json", &locked)
	read("tufjs/node_modules/tuf-js/package.json", &installed)
	version := wanted.Dependencies["tuf-js"]
	if len(wanted.Dependencies) != 1 || locked.Packages["node_modules/tuf-js"].Version != version || installed.Version != version {
		t.Errorf("package.json wants %v, the lockfile has %q, node_modules %q: run npm ci in test/interop/tufjs",
			wanted.Dependencies, locked.Packages["node_modules/tuf-js"].Version, installed.Version)
	}
	if !strings.Contains(read("../../docs/dependencies.md", nil), "tuf-js "+version+" (MIT)") {
		t.Errorf("docs/dependencies.md does not name tuf-js %s", version)
	}
	for name, p := range locked.Packages {
		if name != "" && (p.Resolved != "" || !strings.HasPrefix(p.Integrity, "sha512-")) {
			t.Errorf("%s is locked with an address, or without a hash: npm install with the .npmrc beside it", name)
		}
	}
}
