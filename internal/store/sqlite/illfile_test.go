//go:build unix

package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// TestLockedByAnotherProgram: somebody with a database browser holds the file. Updates are refused with the cause while it lasts, views go
// on, nothing acknowledged is lost, and the store goes on by itself.
func TestLockedByAnotherProgram(t *testing.T) {
	db := opened(t, Options{})
	for i := range 5 {
		if err := db.Update(t.Context(), event(i, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Update(t.Context(), func(tx authority.Tx) error { return setPages(tx, "PRAGMA busy_timeout = 50") }); err != nil { // not five seconds
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", "file:"+db.path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	held, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := held.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), event(7, 100))
	if !errors.Is(err, authority.ErrStoreUnavailable) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("while it is locked: %v", err)
	}
	if n := events(t, db); n != 5 {
		t.Errorf("%d events are seen while it is locked", n)
	}
	if _, err := held.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), event(8, 100)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if n := events(t, db); n != 6 {
		t.Errorf("%d events in the end", n)
	}
}

// TestDamagedPages: pages were overwritten while the store was closed. What needs them is refused with a cause that says it, Examine names
// the damage, and what is on other pages can still be read.
func TestDamagedPages(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if err := db.Update(t.Context(), func(tx authority.Tx) error {
			return tx.AddEvent(authority.Event{Kind: "k", Detail: strings.Repeat("x", 3000)})
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Update(t.Context(), func(tx authority.Tx) error { _, err := tx.NextNumber("kept"); return err }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for at := 0; at+4096 <= len(file); at += 4096 { // leaves of the table of events, and nothing else, are full of their text
		if file[at] == 0x0d && bytes.Count(file[at:at+4096], []byte("x")) > 2500 {
			copy(file[at:at+100], bytes.Repeat([]byte{0xff}, 100))
			damaged++
		}
	}
	if damaged < 50 {
		t.Fatalf("only %d pages to damage", damaged)
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if x, err := Examine(t.Context(), path, true); err == nil && len(x.Faults) == 0 {
		t.Error("the damage is not found")
	}
	if db, err = Open(t.Context(), dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(t.Context(), func(tx authority.Tx) error { _, err := tx.RecentEvents(1000); return err })
	if !errors.Is(err, authority.ErrStoreUnavailable) || !strings.Contains(err.Error(), "malformed") {
		t.Errorf("reading damaged pages: %v", err)
	}
	var n int64
	err = db.Update(t.Context(), func(tx authority.Tx) (err error) { n, err = tx.NextNumber("kept"); return err })
	if err != nil || n != 2 {
		t.Errorf("what is on other pages: %d, %v", n, err)
	}
}

// TestReadOnlyFile: a file that the server's account may not write is refused at the start, in words that say so, and stays as it is.
func TestReadOnlyFile(t *testing.T) {
	parent, err := os.MkdirTemp("/tmp", "bailiwick-ro-") // that another account can reach, too
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	dir := filepath.Join(parent, "data")
	db, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(t.Context(), event(1, 10)), db.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), readOnlyFolder+"="+dir)
	if os.Getuid() == 0 { // whom no mode keeps from writing
		const nobody = 65534
		for _, p := range []string{parent, dir, path, filepath.Join(dir, "lock")} {
			if err := os.Chown(p, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		program := filepath.Join(parent, "program") // the test binary lies where nobody else can reach it
		text, err := os.ReadFile(os.Args[0])
		if err == nil {
			err = os.WriteFile(program, text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		child.Path, child.Dir = program, parent
		child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	said, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if text := string(said); !strings.Contains(text, "cannot open the records") || !strings.Contains(text, "permission denied") {
		t.Errorf("it says %q", text)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the file changed (%v)", err)
	}
}
