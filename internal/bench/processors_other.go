//go:build !linux

package bench

import (
	"os/exec"
	"runtime"
	"time"
)

func halves() (server, load []int, err error) {
	return nil, nil, leftOut("a process can be kept to some processors on Linux only")
}

func within(_ []int, work func() error) error { return work() }

func startOn(cmd *exec.Cmd, _ []int) error { return cmd.Start() }

type spent struct {
	cpu     time.Duration
	written int64
}

func (c *child) spent() (spent, error) {
	return spent{}, leftOut("what a process uses is read on Linux only")
}

func cpuTime() (time.Duration, error) { return 0, leftOut("what a process uses is read on Linux only") }

// resident is the memory that this process has from the system, bytes.
func resident() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys - m.HeapReleased)
}
