package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/backup"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/internal/witness"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// healthy is a data folder as a server leaves it, with some entries in its ledger.
func healthy(t *testing.T) (dir, logKey string) { return healthyWith(t, 300) }

// healthyWith is healthy with so many entries.
func healthyWith(t *testing.T, n int) (dir, logKey string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	for _, name := range []string{"unlock-master.key", "epoch.key", "online.key"} {
		path := filepath.Join(dir, "keys", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), filepath.Join(dir, "ledger"), ledger.Options{Origin: "doctor.example/ledger"})
	if err != nil {
		t.Fatal(err)
	}
	var leaves [][]byte
	for i := range n {
		leaves = append(leaves, fmt.Appendf(nil, "leaf %d", i))
	}
	if _, err := l.AppendBatch(t.Context(), leaves); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Close(), l.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
	return dir, l.LogKey()
}

// of returns the finding of a check.
func of(list []Finding, check string) Finding {
	for _, f := range list {
		if f.Check == check {
			return f
		}
	}
	return Finding{Check: check, Verdict: "none"}
}

// wants says of one check what it must come to, and that every fault says what to do.
func wants(t *testing.T, what string, list []Finding, check string, verdict Verdict, says string) {
	t.Helper()
	f := of(list, check)
	if f.Verdict != verdict || !strings.Contains(f.Detail, says) {
		t.Errorf("%s: %+v, want %s and %q", what, f, verdict, says)
	}
	if (verdict == Fault || verdict == Warning) && f.Fix == "" {
		t.Errorf("%s: it does not say what to do: %+v", what, f)
	}
}

// TestFolder harms a healthy folder in one way at a time: the check that is for it finds it, and no other one does.
func TestFolder(t *testing.T) {
	edit := func(name string, change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, filepath.FromSlash(name))
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, change(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for what, c := range map[string]struct {
		harm    func(*testing.T, string)
		check   string
		verdict Verdict
		says    string
	}{
		"nothing":               {func(*testing.T, string) {}, "records.integrity", OK, "whole"},
		"others may look in":    {func(t *testing.T, dir string) { chmod(t, dir, 0o755) }, "folder.permissions", Warning, "0755"},
		"others may read a key": {func(t *testing.T, dir string) { chmod(t, filepath.Join(dir, "keys/online.key"), 0o644) }, "folder.keys", Fault, "keys/online.key"},
		"a key is gone": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "keys/unlock-master.key")); err != nil {
				t.Fatal(err)
			}
		}, "folder.keys", Fault, "keys/unlock-master.key"},
		"a page is damaged":       {edit(sqlite.FileName, damagedPages), "records.integrity", Fault, ""},
		"records are no database": {edit(sqlite.FileName, func(b []byte) []byte { return []byte(strings.Repeat("x", len(b))) }), "records.integrity", Fault, "cannot be"},
		"a leaf is changed":       {edit("ledger/log/tile/entries/001.p/44", flip), "ledger.entries", Fault, ""},
		"a tile is changed":       {edit("ledger/log/tile/0/000", flip), "ledger.entries", Fault, ""},
		"the checkpoint is changed": {edit("ledger/log/checkpoint", func(b []byte) []byte {
			return []byte(strings.Replace(string(b), "\n300\n", "\n301\n", 1))
		}), "ledger", Fault, "does not hold"},
		"it was put back": {func(t *testing.T, dir string) {
			if err := ledger.MarkBehind(filepath.Join(dir, "ledger")); err != nil {
				t.Fatal(err)
			}
		}, "folder.restored", Fault, backup.ErrNotReady.Error()},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir, _ := healthy(t)
			c.harm(t, dir)
			list := Examine(t.Context(), Patient{Dir: dir, Now: time.Now, Whole: true})
			wants(t, what, list, c.check, c.verdict, c.says)
			if c.verdict == OK && Worst(list) != OK {
				t.Errorf("a healthy folder: %+v", list)
			}
			for _, f := range list {
				if f.Check != c.check && f.Verdict != OK {
					t.Errorf("something else is found: %+v", f)
				}
			}
		})
	}
	wants(t, "no folder", Examine(t.Context(), Patient{Dir: filepath.Join(t.TempDir(), "none"), Now: time.Now}), "folder", Fault, "no data folder")
}

// TestRestoredFolder looks at folders that were put back, before and after their ledger has caught up, and before a server was started on them.
func TestRestoredFolder(t *testing.T) {
	for _, c := range []struct {
		entries int
		waits   string // what is said of the ledger before it has caught up
		ready   string // and after
	}{{0, "size 0", "nothing is wrong"}, {300, "size 300", ""}} {
		original, _ := healthyWith(t, c.entries)
		file, dir := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
		if _, err := backup.Take(t.Context(), backup.Source{Dir: original, File: file, Program: "test", Now: time.Now}); err != nil {
			t.Fatal(err)
		}
		if _, err := backup.Restore(t.Context(), backup.Target{File: file, Dir: dir, Now: time.Now}); err != nil {
			t.Fatal(err)
		}
		putKeys(t, original, dir)
		list := Examine(t.Context(), Patient{Dir: dir, Now: time.Now})
		wants(t, "put back", list, "folder.restored", Fault, backup.ErrNotReady.Error())
		wants(t, "put back", list, "ledger", OK, c.waits)
		if _, err := backup.CatchUp(t.Context(), backup.Newest{Dir: dir, Place: original}); err != nil {
			t.Fatal(err)
		}
		list = Examine(t.Context(), Patient{Dir: dir, Now: time.Now})
		if Worst(list) != OK {
			t.Errorf("%d entries: something is wrong with a folder that may be started: %+v", c.entries, list)
		}
		if c.ready != "" {
			wants(t, "caught up", list, "ledger", OK, c.ready)
		}
		if err := os.Remove(filepath.Join(dir, "restored.json")); err != nil { // as a start does
			t.Fatal(err)
		}
		if c.entries == 0 {
			wants(t, "started", Examine(t.Context(), Patient{Dir: dir, Now: time.Now}), "ledger", Fault, "no checkpoint")
		}
	}
}

// putKeys copies a folder's keys, as an operator puts them back.
func putKeys(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"keys/unlock-master.key", "keys/epoch.key", "keys/online.key", "ledger/ledger.key"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		path := filepath.Join(to, name)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// damagedPages overwrites the middle of every page but the first, which says what kind of file it is.
func damagedPages(file []byte) []byte {
	const page = 4096
	for at := page; at+page <= len(file); at += page {
		copy(file[at:at+64], strings.Repeat("\xff", 64))
	}
	return file
}

// TestBesideAServer: a folder that a server has open and writes to is looked at, and the server goes on.
func TestBesideAServer(t *testing.T) {
	dir, _ := healthy(t)
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), filepath.Join(dir, "ledger"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if list := Examine(t.Context(), Patient{Dir: dir, Now: time.Now}); Worst(list) != OK {
		t.Errorf("%+v", list)
	}
	if _, err := l.Append(t.Context(), []byte("one more")); err != nil {
		t.Error(err)
	}
	if err := errors.Join(db.Close(), l.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
}

// TestServer plays a server that says different things of itself.
func TestServer(t *testing.T) {
	dir, _ := healthy(t)
	l, err := ledger.Open(t.Context(), filepath.Join(dir, "ledger"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for what, c := range map[string]struct {
		ready, metrics string
		status         int
		late           time.Duration
		check          string
		verdict        Verdict
		says           string
	}{
		"well": {`{"ready":true,"advice":[]}`, "bailiwick_store_updates_total 7\n", 200, 0, "server.store", OK, "7 updates"},
		"not ready": {`{"type":"urn:bailiwick:problem:not-ready","detail":"the server cannot serve now","errors":[{"at":"store","message":"the disk is full"}]}`, "", 503, 0,
			"server.ready", Fault, "the disk is full"},
		"advice":          {`{"ready":true,"advice":["No policy is in force."]}`, "", 200, 0, "server.advice", Warning, "No policy"},
		"its clock":       {`{"ready":true,"advice":[]}`, "", 200, time.Hour, "server.clock", Fault, "apart"},
		"another program": {`<html>`, "", 200, 0, "server.ready", Fault, "no JSON"},
		"signatures end": {`{"ready":true,"advice":[]}`, `bailiwick_officers_signatures_expire_seconds{role="policy"} 86400` + "\n", 200, 0,
			"officers.signatures", Warning, "role policy end in 1 days"},
		"signatures ended": {`{"ready":true,"advice":[]}`, `bailiwick_officers_signatures_expire_seconds{role="policy"} -5` + "\n", 200, 0,
			"officers.signatures", Fault, "have ended"},
		"failed commits": {`{"ready":true,"advice":[]}`, "bailiwick_store_commits_failed_total 3\n", 200, 0, "server.store", Warning, "3 commits failed"},
	} {
		t.Run(what, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(-c.late).UTC().Format(http.TimeFormat))
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.ready)
			})
			mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, c.metrics) })
			mux.Handle("/ledger/", http.StripPrefix("/ledger", l.Handler()))
			server := httptest.NewServer(mux)
			defer server.Close()
			list := Examine(t.Context(), Patient{Server: server.URL, Now: time.Now})
			wants(t, what, list, c.check, c.verdict, c.says)
			wants(t, what, list, "server.ledger", OK, "signed tree")
		})
	}
	wants(t, "nobody", Examine(t.Context(), Patient{Server: "http://127.0.0.1:1", Now: time.Now}), "server", Fault, "http://127.0.0.1:1 does not answer: nothing listens there")
	wants(t, "no address", Examine(t.Context(), Patient{Server: "ftp://x", Now: time.Now}), "server", Fault, "no address")
}

// TestWitness: one that has cosigned more than there is means that entries were lost.
func TestWitness(t *testing.T) {
	dir, key := healthy(t)
	w, err := witness.Open(witness.Config{Dir: t.TempDir(), Name: "witness.example/w", Logs: []string{key}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	p := Patient{Dir: dir, Now: time.Now, Witnesses: []ledger.Witness{{URL: server.URL, Key: w.VerifierKey()}}}
	wants(t, "at first", Examine(t.Context(), p), "witness", OK, "answers")
	old, err := os.ReadFile(filepath.Join(dir, "ledger/log/checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), filepath.Join(dir, "ledger"), ledger.Options{Witnesses: p.Witnesses})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Append(t.Context(), []byte("one more"))
	if err := errors.Join(err, l.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
	wants(t, "the same", Examine(t.Context(), p), "witness", OK, "knows 301 entries")
	if err := os.WriteFile(filepath.Join(dir, "ledger/log/checkpoint"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, "an old copy", Examine(t.Context(), p), "witness", Fault, "has cosigned 301 entries, and this ledger has 300")
	p.Witnesses[0].URL = "http://127.0.0.1:1"
	wants(t, "one that is away", Examine(t.Context(), p), "witness", Warning, "does not answer")
}

// TestDatabase looks at a real PostgreSQL, which is set in different ways.
func TestDatabase(t *testing.T) {
	c, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	url := c.Database(t)
	look := func() []Finding { return Examine(t.Context(), Patient{Database: url, Now: time.Now}) }
	wants(t, "an empty one", look(), "database.records", Warning, "no records")
	db, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	list := look()
	wants(t, "a server on it", list, "database.connections", OK, "and 1 run")
	wants(t, "a server on it", list, "database.clock", OK, "agrees")
	if Worst(list) != OK {
		t.Errorf("%+v", list)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct{ setting, check, says string }{
		{"fsync = off", "database.durability", "fsync is off"},
		{"default_transaction_read_only = on", "database.primary", "read_only is on"},
	} {
		set(t, c, s.setting)
		wants(t, s.setting, look(), s.check, Fault, s.says)
		set(t, c, "")
	}
	set(t, c, "max_connections = 12")
	wants(t, "few connections", look(), "database.connections", Warning, "of 9 are used")
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	wants(t, "gone", look(), "database", Fault, "cannot connect")
}

// set restarts a cluster with one setting more than it was made with, or none.
func set(t *testing.T, c *pgtest.Cluster, setting string) {
	t.Helper()
	err := os.WriteFile(filepath.Join(c.Dir(), "data", "postgresql.auto.conf"), []byte(setting+"\n"), 0o644)
	if err := errors.Join(err, c.Kill(), c.Restart()); err != nil {
		t.Fatal(err)
	}
}
