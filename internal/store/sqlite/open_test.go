package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// holdFolder makes the test binary a process that holds a data folder until it is killed.
const holdFolder = "BAILIWICK_TEST_HOLD_FOLDER"

// readOnlyFolder makes the test binary a process that opens a folder, and says what came of it.
const readOnlyFolder = "BAILIWICK_TEST_READ_ONLY"

func sayOpened(dir string) {
	db, err := Open(context.Background(), dir, Options{})
	if err == nil {
		err = db.Close()
	}
	fmt.Println("open", err)
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdFolder); dir != "" {
		_, err := Open(context.Background(), dir, Options{})
		fmt.Println("open", err)
		select {}
	}
	if dir := os.Getenv(readOnlyFolder); dir != "" {
		sayOpened(dir)
		return
	}
	os.Exit(m.Run())
}

func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), holdFolder+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "open <nil>\n" {
		t.Fatalf("the first process says %q", line)
	}
	_, err = Open(t.Context(), dir, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint("process ", child.Process.Pid, ";")) {
		t.Errorf("the second process gets %v", err)
	}
	if err := child.Process.Kill(); err != nil { // SIGKILL: it cannot tidy up
		t.Fatal(err)
	}
	_ = child.Wait()
	db, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatalf("the lock was left behind: %v", err)
	}
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("twice in one process: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "what? 100%", "data folder") // names that would mean something in a URI
	for i := range 3 {
		db, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(t.Context(), func(tx authority.Tx) error {
			n, err := tx.NextNumber("case")
			if err == nil && n != int64(i+1) {
				t.Errorf("number %d the %d. time", n, i+1)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
		if err := db.Update(t.Context(), func(authority.Tx) error { return nil }); !errors.Is(err, ErrClosed) {
			t.Errorf("update after close: %v", err)
		}
		if err := db.View(t.Context(), func(authority.Tx) error { return nil }); !errors.Is(err, ErrClosed) {
			t.Errorf("view after close: %v", err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("records are %v, %v", info.Mode(), err)
	}
}

func TestOtherFilesAreRefused(t *testing.T) {
	for name, tc := range map[string]struct{ sql, says string }{
		"newer schema":      {fmt.Sprint("PRAGMA application_id = ", applicationID, "; CREATE TABLE x (y); PRAGMA user_version = 99"), "newer release"},
		"another program's": {"CREATE TABLE x (y)", "another program"},
	} {
		dir := t.TempDir()
		other, err := sql.Open("sqlite", filepath.Join(dir, FileName))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Exec(tc.sql); err != nil {
			t.Fatal(err)
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 { // and again: the lock was given back
			if _, err := Open(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{}); err == nil {
		t.Error("a text file was taken for records")
	}
	if _, err := Open(t.Context(), filepath.Join(dir, FileName), Options{}); err == nil {
		t.Error("a file was taken for a folder")
	}
}
