package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// halves parts the processors that this process may use: for the server, and for the load.
func halves() (server, load []int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, nil, err
	}
	var all []int
	for i := range 8 * len(set) * 8 {
		if set.IsSet(i) {
			all = append(all, i)
		}
	}
	if len(all) < 2 {
		return nil, nil, leftOut("a server and a load need two processors")
	}
	return all[:len(all)/2], all[len(all)/2:], nil
}

func setOf(processors []int) *unix.CPUSet {
	var set unix.CPUSet
	for _, p := range processors {
		set.Set(p)
	}
	return &set
}

// within does work on these processors only: every thread of this process is moved there and back again.
func within(processors []int, work func() error) (err error) {
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := move(setOf(processors)); err != nil {
		return err
	}
	threads := runtime.GOMAXPROCS(len(processors))
	defer func() {
		runtime.GOMAXPROCS(threads)
		err = errors.Join(err, move(&before))
	}()
	return work()
}

// move puts every thread on a set of processors. Threads begin where the one is that makes them, so a second pass finds who was born meanwhile.
func move(set *unix.CPUSet) error {
	for range 2 {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, task := range tasks {
			id, err := strconv.Atoi(task.Name())
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(id, set); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("moving to other processors: %w", err)
			}
		}
	}
	return nil
}

// startOn starts a command on these processors: a child begins where the thread is that makes it.
func startOn(cmd *exec.Cmd, processors []int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, setOf(processors)); err != nil {
		return err
	}
	err := cmd.Start()
	return errors.Join(err, unix.SchedSetaffinity(0, &before))
}

// spent is what a process has used up.
type spent struct {
	cpu     time.Duration
	written int64
}

// ticks of /proc/PID/stat in a second (proc_pid_stat(5), sysconf(_SC_CLK_TCK)): 100 on every architecture that Go runs on.
const ticks = 100

func (c *child) spent() (s spent, err error) {
	dir := fmt.Sprintf("/proc/%d/", c.cmd.Process.Pid)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return s, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // behind the name, which may have spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return s, errors.New("/proc/PID/stat has too few fields")
	}
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return s, err
		}
		s.cpu += time.Duration(n) * time.Second / ticks
	}
	s.written, err = strconv.ParseInt(firstOf(dir+"io", "write_bytes", ""), 10, 64)
	return s, err
}

// cpuTime is the processor time that this process has used.
func cpuTime() (time.Duration, error) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

// resident is the memory that this process has in use, bytes.
func resident() int64 {
	kib, err := strconv.ParseInt(strings.TrimSuffix(firstOf("/proc/self/status", "VmRSS", ""), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}
