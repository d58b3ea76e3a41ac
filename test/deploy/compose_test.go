package deploy

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/bailiwick-dev/bailiwick/internal/cli"
)

// service is a service of a Compose file: every key that one has there, so that a mistyped one is found.
type service struct {
	Image           string
	Build           struct{ Context, Dockerfile string }
	Command         []string
	Environment     map[string]string
	Restart         string
	StopGracePeriod string   `yaml:"stop_grace_period"`
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	Healthcheck     struct {
		Test              []string
		Interval, Timeout string
		Retries           int
		StartPeriod       string `yaml:"start_period"`
	}
	Networks  []string
	Ports     []string
	Volumes   []string
	DependsOn map[string]struct{ Condition string } `yaml:"depends_on"`
}

type composition struct {
	Name     string
	Server   service `yaml:"x-server"`
	Services map[string]service
	Networks map[string]struct {
		IPAM struct{ Config []struct{ Subnet string } }
	}
	Volumes map[string]any
}

func composed(t *testing.T) (c composition, text []byte) {
	t.Helper()
	text, err := os.ReadFile(root + "/deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	strict := yaml.NewDecoder(bytes.NewReader(text))
	strict.KnownFields(true)
	if err := strict.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c, text
}

// TestCompose: the three servers differ in their own folder only; whom a service waits for has a health check; what is mounted, joined and built
// from is there.
func TestCompose(t *testing.T) {
	c, _ := composed(t)
	if want := []string{"database", "proxy", "server1", "server2", "server3"}; !slices.Equal(slices.Sorted(maps.Keys(c.Services)), want) {
		t.Fatalf("services %v", slices.Sorted(maps.Keys(c.Services)))
	}
	for name, s := range c.Services {
		for needed, how := range s.DependsOn {
			if len(c.Services[needed].Healthcheck.Test) == 0 || how.Condition != "service_healthy" {
				t.Errorf("%s waits for %s (%s), which has no health check", name, needed, how.Condition)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			file, own := strings.CutPrefix(from, "./")
			if _, declared := c.Volumes[from]; !declared && !own {
				t.Errorf("%s mounts %s, which is not declared", name, from)
			}
			if _, err := os.Stat(root + "/deploy/" + file); own && err != nil && file != "attestation-roots.pem" { // the operator's own
				t.Errorf("%s mounts %s: %v", name, from, err)
			}
		}
		for _, n := range s.Networks {
			if _, declared := c.Networks[n]; !declared {
				t.Errorf("%s joins %s, which is not declared", name, n)
			}
		}
		if !strings.HasPrefix(name, "server") {
			continue
		}
		if !slices.Contains(s.Volumes, "keys:/keys") || !slices.Contains(s.Volumes, "data"+name[len("server"):]+":/data") || s.Healthcheck.Test[0] != "CMD" {
			t.Errorf("%s does not share the keys, has another one's folder, or needs a shell to be looked at: %+v", name, s)
		}
		if grace, err := time.ParseDuration(s.StopGracePeriod); err != nil || grace < (5+10+10)*time.Second {
			t.Errorf("%s is killed after %s, while it drains, ends requests and publishes", name, s.StopGracePeriod)
		}
		if _, err := os.Stat(filepath.Join(root, "deploy", s.Build.Context, s.Build.Dockerfile)); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(c.Services["database"].Networks, c.Services["server1"].Networks) || !slices.Equal(c.Services["proxy"].Networks, c.Services["server1"].Networks) {
		t.Error("the services are not in one network")
	}
}

var (
	variable = regexp.MustCompile(`\$\{([A-Z_]+)(:[-?])?`)
	setting  = regexp.MustCompile(`(?m)^([A-Z_]+)=`)
	inCaddy  = regexp.MustCompile(`\{\$([A-Z_]+)`)
	address  = regexp.MustCompile(`\bserver\d:(\d+)\b`)
)

// TestNamesThatFilesShare: a variable, a port or a host that one file of the folder names is the one that the other means, and an environment name that
// a server is given is one that the program, or libpq, reads.
func TestNamesThatFilesShare(t *testing.T) {
	c, text := composed(t)
	read := func(name string) string {
		text, err := os.ReadFile(root + "/deploy/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	example, caddy, image, unit := read("example.env"), read("Caddyfile"), read("Dockerfile"), read("bailiwick.service")
	used := make(map[string]bool)
	for _, m := range variable.FindAllStringSubmatch(string(text), -1) {
		used[m[1]] = true
		if m[2] != ":-" && !strings.Contains(example, m[1]+"=") {
			t.Errorf("compose.yaml needs %s, which example.env does not have", m[1])
		}
	}
	for _, m := range setting.FindAllStringSubmatch(example, -1) {
		if !used[m[1]] {
			t.Errorf("example.env sets %s, which compose.yaml does not use", m[1])
		}
	}
	for _, m := range inCaddy.FindAllStringSubmatch(caddy, -1) {
		if _, given := c.Services["proxy"].Environment[m[1]]; !given {
			t.Errorf("the Caddyfile asks for %s, which the proxy is not given", m[1])
		}
	}
	var help bytes.Buffer
	if code := cli.Main(t.Context(), []string{"serve", "--help"}, cli.Environment{Stdin: strings.NewReader(""), Stdout: &help, Stderr: &help,
		Getenv: func(string) string { return "" }, Now: time.Now}); code != 0 {
		t.Fatal(code, help.String())
	}
	for name := range c.Services["server1"].Environment {
		if !strings.Contains(help.String(), "$"+name) && !strings.HasPrefix(name, "PG") {
			t.Errorf("a server is given %s, of which serve --help says nothing:\n%s", name, help.String())
		}
	}
	if !strings.Contains(help.String(), "$BAILIWICK_DATABASE") || !strings.Contains(unit, "BAILIWICK_DATABASE") {
		t.Error("the unit's comment or serve --help does not name BAILIWICK_DATABASE")
	}
	// One port: where servers listen, what the image exposes and asks, and where the proxy goes.
	_, port, _ := strings.Cut(c.Services["server1"].Command[slices.IndexFunc(c.Services["server1"].Command, func(w string) bool { return strings.HasPrefix(w, "--listen=") })], "=0.0.0.0:")
	hosts := address.FindAllStringSubmatch(caddy, -1)
	if len(hosts) != 3 {
		t.Errorf("the proxy goes to %d servers", len(hosts))
	}
	for _, h := range hosts {
		name, _, _ := strings.Cut(h[0], ":")
		if _, there := c.Services[name]; !there || h[1] != port {
			t.Errorf("the proxy goes to %s, and servers listen at %s", h[0], port)
		}
	}
	url := "http://127.0.0.1:" + port
	if asked := c.Services["server1"].Healthcheck.Test; asked[len(asked)-1] != url || !strings.Contains(image, "EXPOSE "+port) || !strings.Contains(image, `"`+url+`"`) {
		t.Errorf("health is asked of %s, servers listen at %s", asked[len(asked)-1], port)
	}
	if !strings.Contains(caddy, "health_uri /readyz") || !strings.Contains(caddy, "respond /metrics 404") {
		t.Error("the proxy does not ask whether servers are ready, or shows their metrics to everybody")
	}
}
