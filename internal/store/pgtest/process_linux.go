package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// attributes make a process run as somebody else, and get a signal when the thread that started it ends.
func attributes(as *account, atEnd syscall.Signal) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: atEnd, Setpgid: true}
	if as != nil {
		a.Credential = &syscall.Credential{Uid: as.user, Gid: as.group}
	}
	return a
}

// childrenOf lists the processes whose parent a process is.
func childrenOf(parent int) (list []*os.Process) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		var state string
		var of int
		if _, err := fmt.Sscan(string(b[slices.Index(b, ')')+1:]), &state, &of); err != nil || of != parent {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if p, err := os.FindProcess(pid); err == nil {
			list = append(list, p)
		}
	}
	return list
}
