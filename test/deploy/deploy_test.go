// Package deploy holds what is in the folder deploy to the program that it is for.
package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const root = "../.."

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
