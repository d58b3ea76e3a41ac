package firmware

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// largest is what the agent may take of a device's storage, stripped.
const largest = 12 << 20

// The daemon builds for phones without cgo, and stays small.
func TestDaemonBuilds(t *testing.T) {
	for _, target := range []string{"linux/amd64", "linux/arm64", "android/arm64"} {
		t.Run(target, func(t *testing.T) {
			binary := filepath.Join(t.TempDir(), "bailiwick-agent")
			system, machine, _ := strings.Cut(target, "/")
			build(t, []string{"CGO_ENABLED=0", "GOOS=" + system, "GOARCH=" + machine},
				"go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./cmd/bailiwick-agent")
			info, err := os.Stat(binary)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d bytes", info.Size())
			if info.Size() > largest {
				t.Errorf("it has %d bytes; at most %d are allowed", info.Size(), largest)
			}
		})
	}
}

// The product stays free of cgo: everything builds without, and nothing in it needs a C compiler.
func TestEverythingBuildsWithoutCgo(t *testing.T) {
	build(t, []string{"CGO_ENABLED=0"}, "go", "build", "./...")
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", "{{if .CgoFiles}}{{.ImportPath}}{{end}}", "./...")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.Output(); err != nil || strings.TrimSpace(string(out)) != "" {
		t.Errorf("these need cgo: %s %v", out, err)
	}
}

// binary builds the daemon for this machine.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bailiwick-agent")
	build(t, []string{"CGO_ENABLED=0"}, "go", "build", "-o", path, "./cmd/bailiwick-agent")
	return path
}

// The program as a service runs it: checked, started, asked over its socket, stopped by a signal, started again.
func TestProgram(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Fatal("the daemon needs Linux; run the tests there")
	}
	w := newWorld(t)
	program, config := binary(t), w.files(t.TempDir())
	run := func(in string, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Stdin = strings.NewReader(in)
		out, err := cmd.Output()
		return string(out), err
	}
	if out, err := run("", "--config", config, "--check"); err != nil || !strings.Contains(out, "can be used") {
		t.Fatalf("--check: %s %v", out, err)
	}
	out, err := run(tehran+"\nnonsense\nscreen\n", "--config", config, "--once")
	if err != nil || !strings.Contains(out, `{"ok":true}`) || !strings.Contains(out, `"error":"not understood`) || strings.Contains(out, "35.69") {
		t.Fatalf("--once: %s %v", out, err)
	}
	if _, err := w.app.Service.FindDevice(t.Context(), string(w.imei)); err != nil {
		t.Errorf("it did not enrol: %v", err)
	}
	for range 2 {
		daemon := exec.CommandContext(t.Context(), program, "--config", config)
		_, err := daemon.StdinPipe() // stays open, as a terminal's does, until Wait closes it
		w.must(err)
		w.must(daemon.Start())
		var answer string
		for range 1500 { // half a minute at least
			if answer, err = run("", "--config", config, "--ask", "check-in"); err == nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil || !strings.Contains(answer, `"next_check_in"`) {
			t.Fatalf("--ask: %s %v", answer, err)
		}
		w.must(daemon.Process.Signal(syscall.SIGTERM))
		if err := daemon.Wait(); err != nil {
			t.Fatalf("stopped by a signal it ended with %v", err)
		}
	}
	if out, err := run("", "--help"); err != nil || !strings.Contains(out, "Examples:") {
		t.Errorf("--help: %s %v", out, err)
	}
	for _, wrong := range [][]string{{}, {"--nonsense"}, {"screen"}, {"--config"}} {
		if _, err := run("", wrong...); err == nil || err.(*exec.ExitError).ExitCode() != 2 {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	if _, err := run("", "--config", "/nowhere"); err == nil || err.(*exec.ExitError).ExitCode() != 1 {
		t.Errorf("no configuration: %v", err)
	}
}

// What --help shows as an example of a configuration is one, once the remarks are taken out.
func TestHelpShowsAConfiguration(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), binary(t), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(out), "\n  {\n")
	text, _, found := strings.Cut(text, "\n  }\n")
	if !found {
		t.Fatal("no configuration in --help")
	}
	var kept []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if at := strings.Index(line, ",  "); at >= 0 {
			line = line[:at+1]
		} else if at := strings.Index(strings.TrimSpace(line), "  "); at >= 0 {
			line = strings.TrimSpace(line)[:at]
		} else if at := strings.Index(line, ", 32 to 64"); at >= 0 {
			line = line[:at+1]
		}
		kept = append(kept, line)
	}
	checkConfig(t, "{"+strings.Join(kept, "\n")+"}")
}
