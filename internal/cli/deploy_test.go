package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestDeployedCommandsAreTaken: what systemd and Compose start is a command that this program understands.
func TestDeployedCommandsAreTaken(t *testing.T) {
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`\$\{([A-Z_]+)(?::[-?]([^}]*))?\}`)
	take := func(what string, words []string) *serveCommand {
		t.Helper()
		for i := range words {
			words[i] = variable.ReplaceAllStringFunc(words[i], func(s string) string {
				m := variable.FindStringSubmatch(s)
				if m[1] == "BAILIWICK_BASE_URL" {
					return "https://trust.example.com"
				}
				return m[2]
			})
			words[i] = strings.ReplaceAll(words[i], "/etc/bailiwick/attestation-roots.pem", roots)
		}
		k := parser(t)
		if _, err := k.Parse(words); err != nil {
			t.Fatalf("%s: %q is refused: %v", what, words, err)
		}
		return &k.Model.Target.Addr().Interface().(*commands).Serve
	}

	unit, err := os.ReadFile("../../deploy/bailiwick.service")
	if err != nil {
		t.Fatal(err)
	}
	_, start, found := strings.Cut(strings.ReplaceAll(string(unit), "\\\n", " "), "\nExecStart=/usr/bin/bailiwick ")
	if !found {
		t.Fatal("the unit starts something else")
	}
	start, _, _ = strings.Cut(start, "\n")
	if c := take("the unit", strings.Fields(start)); c.Drain == 0 || c.BaseURL != "https://trust.example.com" || c.Sandbox {
		t.Errorf("the unit: %+v", c)
	}

	text, err := os.ReadFile("../../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Command     []string
			Healthcheck struct{ Test []string }
		}
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"server1", "server2", "server3"} {
		s := compose.Services[name]
		if c := take(name, s.Command); c.Keys != "/keys" || c.Drain == 0 || len(c.MetricsFrom) != 1 {
			t.Errorf("%s: %+v", name, c)
		}
		if len(s.Healthcheck.Test) < 3 || s.Healthcheck.Test[1] != "/usr/bin/bailiwick" {
			t.Fatalf("%s is looked at with %q", name, s.Healthcheck.Test)
		}
		take(name+"'s health check", s.Healthcheck.Test[2:])
	}

	image, err := os.ReadFile("../../deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	lists := regexp.MustCompile(`(?m)(?:^|\s)CMD \[(.*)\]$`).FindAllStringSubmatch(string(image), -1)
	if len(lists) != 2 {
		t.Fatalf("the image has %d commands", len(lists))
	}
	for _, m := range lists {
		words := strings.Split(strings.ReplaceAll(m[1], `"`, ""), ", ")
		if words[0] == "/usr/bin/bailiwick" {
			words = words[1:]
		}
		take("the image", words)
	}
}
