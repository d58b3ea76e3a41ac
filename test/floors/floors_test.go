// Package floors pins which packages may import which: a floor stands on those below it, never on those above.
package floors

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bailiwick-dev/bailiwick"

// floors names every package of the product, from the ground up. A package that is not here fails the test, so that
// nobody adds one without saying where it belongs. Entries that end in "/..." take their sub-packages along.
var floors = [][]string{
	{"device", "territory/...", "order/...", "evidence", "protocol", "ledger/proof", "unlock", "tuf/...", "internal/dcbor", "internal/sign1", "internal/corpus", "internal/npm", "internal/durable"},
	{"agent/..."},
	{"internal/policy", "policies", "internal/messages", "internal/restriction", "internal/custody", "internal/cohort", "internal/span", "internal/escrow"},
	{"internal/verifier", "internal/authority", "internal/ledger", "internal/witness", "internal/tufrepo", "internal/targets"},
	{"internal/store/...", "internal/jobs/...", "internal/ipterritory/...", "internal/backup", "internal/doctor", "internal/traces"},
	{"internal/admission", "internal/web/...", "internal/qr", "internal/httpapi", "internal/console", "internal/ownerpage", "internal/publicpage", "internal/escrowpage"},
	{"internal/sandbox", "internal/phone", "internal/phonepage", "internal/app", "internal/fleet/...", "internal/bench", "internal/simulate", "internal/scale", "internal/cli"},
	{"cmd/..."},
	{"test/..."},
}

// device side: packages that must build into firmware import nothing of the server.
var deviceSide = []string{"device", "territory", "order", "evidence", "protocol", "ledger/proof", "unlock", "tuf", "agent", "agent/client", "agent/lines", "agent/daemon", "agent/capi", "cmd/bailiwick-agent"}

// serverOnly begins the paths of what only the server links. go-tuf brings protobuf and a quarter more firmware.
var serverOnly = []string{"modernc.org/", "github.com/jackc/pgx", "github.com/riverqueue/", "github.com/transparency-dev/tessera", "github.com/theupdateframework/go-tuf", "google.golang.org/protobuf", module + "/tuf/tuftest"}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func TestFloors(t *testing.T) {
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		floor := floorOf(name)
		if floor < 0 {
			t.Errorf("%s stands on no floor: add it to this table where it belongs", name)
			continue
		}
		for _, imported := range p.Imports {
			rest, ours := strings.CutPrefix(imported, module+"/")
			if !ours {
				continue
			}
			if above := floorOf(rest); above > floor {
				t.Errorf("%s (floor %d) imports %s (floor %d)", name, floor, rest, above)
			}
		}
	}
}

func TestDeviceSideStandsAlone(t *testing.T) {
	for _, name := range deviceSide {
		for _, p := range list(t, "./"+name) {
			for _, dep := range p.Deps {
				rest, ours := strings.CutPrefix(dep, module+"/")
				if ours && strings.HasPrefix(rest, "internal/") && floorOf(rest) != 0 {
					t.Errorf("%s depends on %s: it could not be built into firmware", name, rest)
				}
				if slices.ContainsFunc(serverOnly, func(prefix string) bool { return strings.HasPrefix(dep, prefix) }) {
					t.Errorf("%s depends on %s, a part of the server", name, dep)
				}
			}
		}
	}
}

func floorOf(name string) int {
	return slices.IndexFunc(floors, func(packages []string) bool {
		return slices.ContainsFunc(packages, func(p string) bool {
			tree, wild := strings.CutSuffix(p, "/...")
			return name == tree || wild && strings.HasPrefix(name, tree+"/")
		})
	})
}

func list(t *testing.T, pattern string) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-tags=capi", "-json=ImportPath,Imports,Deps", pattern)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1") // agent/capi is looked at too; listing it compiles nothing
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list %s: %s", pattern, exit.Stderr)
		}
		t.Fatal(err)
	}
	var packages []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) == 0 {
		t.Fatalf("go list %s found no package", pattern)
	}
	return packages
}
