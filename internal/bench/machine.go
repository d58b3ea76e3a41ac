package bench

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// machine says what a run was made on: processor, cores, memory, kernel, and the file system of the scratch folder.
func machine(dir string) string {
	parts := []string{fmt.Sprintf("%d × %s", runtime.NumCPU(), firstOf("/proc/cpuinfo", "model name", runtime.GOARCH))}
	if kib, err := strconv.ParseFloat(strings.TrimSuffix(firstOf("/proc/meminfo", "MemTotal", ""), " kB"), 64); err == nil {
		parts = append(parts, fmt.Sprintf("%.0f GiB", kib/(1<<20)))
	}
	system := runtime.GOOS
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		version, _, _ := strings.Cut(strings.TrimSpace(string(release)), "-")
		system += " " + version
	}
	parts = append(parts, system)
	if fs := fileSystem(dir); fs != "" {
		parts = append(parts, fs)
	}
	return strings.Join(parts, ", ")
}

// firstOf is the value of a field in a file of lines "field : value".
func firstOf(file, field, otherwise string) string {
	f, err := os.Open(file)
	if err != nil {
		return otherwise
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == field {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return otherwise
}

// fileSystem is the kind of the file system that holds dir: the mount with the longest path above it.
func fileSystem(dir string) (kind string) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return ""
	}
	defer f.Close()
	longest := -1
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 {
			continue
		}
		at := fields[1]
		if len(at) > longest && (at == "/" || dir == at || strings.HasPrefix(dir, at+"/")) {
			longest, kind = len(at), fields[2]
		}
	}
	return kind
}
