package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrLocked says that another process has the data folder open.
var ErrLocked = errors.New("the data folder is in use by another process")

// lockFolder takes the folder for this process. Closing the file gives it back; the file itself stays, because removing
// it could let two processes lock two files of the same name.
func lockFolder(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: cannot open the lock of the data folder: %w", err)
	}
	taken, err := lockFile(f)
	if err == nil && !taken {
		err = fmt.Errorf("sqlite: %w: %s is held by process %s; stop that one, or use another folder", ErrLocked, path, holder(f))
	}
	if err == nil {
		err = writeHolder(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func writeHolder(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("sqlite: cannot write the lock of the data folder: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("sqlite: cannot write the lock of the data folder: %w", err)
	}
	return nil
}

func holder(f *os.File) string {
	content, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if pid, bad := strconv.Atoi(strings.TrimSpace(string(content))); err == nil && bad == nil {
		return strconv.Itoa(pid)
	}
	return "unknown"
}
