package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const agentPackage = "github.com/bailiwick-dev/bailiwick/cmd/bailiwick-agent"

// agentMB builds the agent as firmware has it and weighs it.
func agentMB(ctx context.Context, s *session) (Row, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return Row{}, leftOut("it is built from source, and there is no go command")
	}
	list := exec.CommandContext(ctx, tool, "list", "-f", "{{.Dir}}", agentPackage)
	list.Dir = s.Source
	if _, err := list.Output(); err != nil {
		return Row{}, leftOut("it is built from source: run this within the source tree")
	}
	dir, remove, err := s.scratch("agent")
	if err != nil {
		return Row{}, err
	}
	defer remove()
	s.Progress.Stage("building the agent", 0)
	out := filepath.Join(dir, "bailiwick-agent")
	build := exec.CommandContext(ctx, tool, "build", "-trimpath", "-ldflags=-s -w", "-o", out, agentPackage)
	build.Dir = s.Source
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return Row{}, fmt.Errorf("building the agent: %w\n%s", err, strings.TrimSpace(string(text)))
	}
	info, err := os.Stat(out)
	if err != nil {
		return Row{}, err
	}
	return Row{Value: float64(info.Size()) / (1 << 20), Bound: 12, Note: "bailiwick-agent for linux/amd64, stripped, without compression"}, nil
}
