package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// directives are those that the unit may have, by section: a name that systemd does not know it leaves out with a warning, and with it the
// wall that it was for. Each is described in systemd.unit(5), systemd.exec(5), systemd.service(5) or systemd.resource-control(5) of version 252.
var directives = map[string][]string{
	"Unit": {"After", "Description", "Wants"},
	"Service": {"AmbientCapabilities", "CapabilityBoundingSet", "DevicePolicy", "EnvironmentFile", "ExecStart", "Group", "LimitNOFILE", "LockPersonality",
		"MemoryDenyWriteExecute", "NoNewPrivileges", "OOMPolicy", "PrivateDevices", "PrivateTmp", "PrivateUsers", "ProcSubset", "ProtectClock",
		"ProtectControlGroups", "ProtectHome", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc",
		"ProtectSystem", "RemoveIPC", "Restart", "RestartSec", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
		"StateDirectory", "StateDirectoryMode", "SystemCallArchitectures", "SystemCallErrorNumber", "SystemCallFilter", "TimeoutStopSec", "Type", "UMask", "User"},
	"Install": {"WantedBy"},
}

// TestUnit: systemd knows every directive of the unit, and where it is installed it finds nothing to say against it. What the unit starts is held
// to the program's own flags by internal/cli.
func TestUnit(t *testing.T) {
	text, err := os.ReadFile(root + "/deploy/bailiwick.service")
	if err != nil {
		t.Fatal(err)
	}
	section, values := "", make(map[string]string)
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || !slices.Contains(directives[section], name) {
			t.Errorf("[%s] %s: no such directive is known", section, line)
		}
		values[name] = value
	}
	stop, err := strconv.Atoi(values["TimeoutStopSec"])
	if _, drain, found := strings.Cut(values["ExecStart"], "--drain 5s"); err != nil || !found || stop < 5+10+10 {
		t.Errorf("it is killed %s s after it was told to stop, while it drains (%q), ends requests and publishes", values["TimeoutStopSec"], drain)
	}
	// The account is made by the other file, and owns the folder that the program is told.
	account, err := os.ReadFile(root + "/deploy/bailiwick.sysusers.conf")
	if err != nil {
		t.Fatal(err)
	}
	if want := "\nu " + values["User"] + " "; !strings.Contains(string(account), want) || values["Group"] != values["User"] ||
		!strings.Contains(values["ExecStart"], "--data /var/lib/"+values["StateDirectory"]+" ") {
		t.Errorf("the account %q is not the one of %s, or its folder another one", values["User"], account)
	}
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Logf("systemd-analyze is not here (%v): the unit was read, and not verified", err)
		return
	}
	verified(t, program, text)
}

// verified asks systemd, of which nothing has to run for that. Its program is not installed here, so that another one stands for it.
func verified(t *testing.T, program string, text []byte) {
	t.Helper()
	unit := filepath.Join(t.TempDir(), "bailiwick.service")
	if err := os.WriteFile(unit, bytes.ReplaceAll(text, []byte("/usr/bin/bailiwick"), []byte("/bin/true")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "verify", unit).CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// The bound is what docs/operations.md says, in tenths.
	if out, err := exec.Command(program, "security", "--offline=true", "--threshold=12", unit).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security finds it more exposed than 1.2 of 10: %v\n%s", err, out)
	}
}
