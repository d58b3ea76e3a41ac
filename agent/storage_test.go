package agent_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/bailiwick-dev/bailiwick/agent"
)

func TestStorages(t *testing.T) {
	for name, s := range map[string]agent.Storage{
		"file": agent.FileStorage(filepath.Join(t.TempDir(), "new")), "memory": agent.MemoryStorage(),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Load(); !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("load of nothing: %v", err)
			}
			for _, want := range [][]byte{{1}, bytes.Repeat([]byte{2}, 10000), {3, 3}, {}} {
				must(t, s.Save(want))
				got, err := s.Load()
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
			}
		})
	}
}

// Whatever one byte of the newest file is lost or changed, the one before it is read; with both gone it says so.
func TestFileStorageTornFile(t *testing.T) {
	dir := t.TempDir()
	s := agent.FileStorage(dir)
	must(t, s.Save([]byte("older")))
	must(t, s.Save([]byte("newer")))
	newest := filepath.Join(dir, "agent.a") // the second generation
	whole, err := os.ReadFile(newest)
	must(t, err)
	for i := range whole {
		for _, torn := range [][]byte{whole[:i], append(append(bytes.Clone(whole[:i]), whole[i]^1), whole[i+1:]...)} {
			must(t, os.WriteFile(newest, torn, 0o600))
			got, err := s.Load()
			if err != nil || string(got) != "older" {
				t.Fatalf("byte %d: %q, %v", i, got, err)
			}
		}
	}
	must(t, s.Save([]byte("mended")))
	if got, err := s.Load(); err != nil || string(got) != "mended" {
		t.Fatalf("%q, %v", got, err)
	}
	for _, name := range []string{"agent.a", "agent.b"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("rubbish"), 0o600))
	}
	if _, err := s.Load(); !errors.Is(err, agent.ErrDamaged) {
		t.Fatalf("both torn: %v", err)
	}
	must(t, s.Save([]byte("again")))
	if got, err := s.Load(); err != nil || string(got) != "again" {
		t.Fatalf("%q, %v", got, err)
	}
}

// A crash while the temporary file is written leaves it behind; the next save takes it over.
func TestFileStorageLeftOverTemporaryFile(t *testing.T) {
	dir := t.TempDir()
	s := agent.FileStorage(dir)
	must(t, s.Save([]byte("one")))
	must(t, os.WriteFile(filepath.Join(dir, "agent.a.new"), bytes.Repeat([]byte{9}, 500), 0o600))
	if got, err := s.Load(); err != nil || string(got) != "one" {
		t.Fatalf("%q, %v", got, err)
	}
	must(t, s.Save([]byte("two")))
	if got, err := s.Load(); err != nil || string(got) != "two" {
		t.Fatalf("%q, %v", got, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
}

func TestFileStorageSaysWhyItCannotSave(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if err := agent.FileStorage(filepath.Join(file, "dir")).Save([]byte{1}); err == nil {
		t.Fatal("saved under a file")
	}
	if err := agent.FileStorage(t.TempDir()).Save(make([]byte, 1<<20)); err == nil {
		t.Fatal("saved a record far beyond the bound")
	}
}

// Where no new file can be made, as on a full disk, the record is written into the room that it has.
func TestFileStorageWithoutRoomForAnotherFile(t *testing.T) {
	dir := t.TempDir()
	storage := agent.FileStorage(dir)
	for _, record := range []string{"first", "second, which is longer"} {
		if err := storage.Save([]byte(record)); err != nil {
			t.Fatal(err)
		}
	}
	// A folder that is not empty stands where the temporary file would.
	for _, name := range []string{"agent.a.new", "agent.b.new"} {
		if err := os.MkdirAll(filepath.Join(dir, name, "full"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, record := range []string{"third, which is the longest of all of them", "4th", "5th"} {
		if err := storage.Save([]byte(record)); err != nil {
			t.Fatalf("%s: %v", record, err)
		}
		if got, err := agent.FileStorage(dir).Load(); err != nil || string(got) != record {
			t.Fatalf("loaded %q, %v; want %q", got, err, record)
		}
	}
}
