package witness_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/transparency-dev/formats/log"
	cosignature "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/bailiwick-dev/bailiwick/internal/witness"
)

const origin = "ledger.bailiwick.example/test"

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// seeded makes the same keys in every run.
type seeded byte

func (s seeded) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s)
	}
	return len(p), nil
}

func newLog(t testing.TB, name string, seed byte) (note.Signer, string) {
	t.Helper()
	secret, public, err := note.GenerateKey(seeded(seed), name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return s, public
}

// tree is a ledger in memory, by x/mod/sumdb/tlog.
type tree struct{ hashes []tlog.Hash }

func (tr *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = tr.hashes[x]
	}
	return out, nil
}

// newTree has leaves of a branch: trees of different branches have forked at entry fork.
func newTree(t testing.TB, size, fork int, branch string) *tree {
	t.Helper()
	tr := new(tree)
	for n := range size {
		leaf := fmt.Appendf(nil, "leaf %d", n)
		if n >= fork {
			leaf = append(leaf, branch...)
		}
		hashes, err := tlog.StoredHashes(int64(n), leaf, tr)
		if err != nil {
			t.Fatal(err)
		}
		tr.hashes = append(tr.hashes, hashes...)
	}
	return tr
}

func (tr *tree) checkpoint(t testing.TB, size int64, signers ...note.Signer) []byte {
	t.Helper()
	root := tlog.Hash(sha256.Sum256(nil))
	if size > 0 {
		var err error
		if root, err = tlog.TreeHash(size, tr); err != nil {
			t.Fatal(err)
		}
	}
	text := log.Checkpoint{Origin: origin, Size: uint64(size), Hash: root[:]}.Marshal()
	signed, err := note.Sign(&note.Note{Text: string(text)}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func (tr *tree) body(t testing.TB, old, size int64, signers ...note.Signer) string {
	t.Helper()
	text := fmt.Sprintf("old %d\n", old)
	if old > 0 && old < size {
		path, err := tlog.ProveTree(size, old, tr)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range path {
			text += base64.StdEncoding.EncodeToString(h[:]) + "\n"
		}
	}
	return text + "\n" + string(tr.checkpoint(t, size, signers...))
}

func open(t testing.TB, dir string, keys ...string) *witness.Witness {
	t.Helper()
	w, err := witness.Open(witness.Config{Dir: dir, Name: "witness.example/w1", Logs: keys, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func post(t testing.TB, w *witness.Witness, body string) (int, string, string) {
	t.Helper()
	r := httptest.NewRecorder()
	w.Handler().ServeHTTP(r, httptest.NewRequest(http.MethodPost, "/add-checkpoint", strings.NewReader(body)))
	return r.Code, r.Body.String(), r.Header().Get("Content-Type")
}

// cosigned checks an answer with the cosignature verifier of another implementation.
func cosigned(t testing.TB, w *witness.Witness, checkpoint []byte, line string) {
	t.Helper()
	v, err := cosignature.NewVerifierForCosignatureV1(w.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(append(bytes.Clone(checkpoint), line...), note.VerifierList(v))
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if at, err := cosignature.CoSigV1Timestamp(n.Sigs[0]); err != nil || !at.Equal(now) {
		t.Errorf("the cosignature is of %v, %v", at, err)
	}
}

func TestWitnessFollowsALedger(t *testing.T) {
	s, key := newLog(t, origin, 1)
	w := open(t, t.TempDir(), key)
	tr := newTree(t, 300, 300, "")
	for _, step := range []struct{ old, size int64 }{{0, 0}, {0, 0}, {0, 1}, {1, 1}, {1, 2}, {2, 7}, {7, 7}, {7, 256}, {256, 300}} {
		status, line, _ := post(t, w, tr.body(t, step.old, step.size, s))
		if status != http.StatusOK {
			t.Fatalf("%v: %d %s", step, status, line)
		}
		cosigned(t, w, tr.checkpoint(t, step.size, s), line)
	}
}

// Every status of C2SP tlog-witness, at a witness that has cosigned a ledger of five.
func TestStatuses(t *testing.T) {
	s, key := newLog(t, origin, 1)
	other, _ := newLog(t, origin, 2)
	stranger, _ := newLog(t, "ledger.example/else", 3)
	tr, forked := newTree(t, 20, 20, ""), newTree(t, 20, 3, "fork")
	good := tr.body(t, 5, 9, s)
	lines := strings.Split(good, "\n")
	long := "old 5\n" + strings.Repeat(base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n", 64) + "\n" + string(tr.checkpoint(t, 9, s))
	swapped := append([]string{}, lines...)
	swapped[1], swapped[2] = swapped[2], swapped[1]
	for name, tc := range map[string]struct {
		body   string
		status int
		size   string
	}{
		"grows":                     {good, 200, ""},
		"the same again":            {tr.body(t, 5, 5, s), 200, ""},
		"with a stranger's line":    {tr.body(t, 5, 9, s, stranger), 200, ""},
		"unknown origin":            {strings.ReplaceAll(good, origin, "ledger.example/else"), 404, ""},
		"unknown key":               {tr.body(t, 5, 9, other), 403, ""},
		"no signature":              {good[:strings.Index(good, "\u2014")], 403, ""},
		"changed root":              {strings.Replace(good, "\n9\n", "\n10\n", 1), 403, ""},
		"shrinks, honestly":         {tr.body(t, 5, 4, s), 400, ""},
		"shrinks, from what it was": {tr.body(t, 3, 4, s), 409, "5\n"},
		"from nothing":              {tr.body(t, 0, 9, s), 409, "5\n"},
		"from what it may be":       {tr.body(t, 6, 9, s), 409, "5\n"},
		"forks at the same size":    {forked.body(t, 5, 5, s), 409, ""},
		"forks and grows":           {forked.body(t, 5, 9, s), 422, ""},
		"no proof":                  {"old 5\n\n" + string(tr.checkpoint(t, 9, s)), 422, ""},
		"reordered proof":           {strings.Join(swapped, "\n"), 422, ""},
		"truncated proof":           {strings.Replace(good, lines[1]+"\n", "", 1), 422, ""},
		"duplicated proof line":     {strings.Replace(good, lines[1]+"\n", lines[1]+"\n"+lines[1]+"\n", 1), 422, ""},
		"proof of what needs none":  {strings.Replace(tr.body(t, 5, 5, s), "old 5\n", "old 5\n"+lines[1]+"\n", 1), 422, ""},
		"64 hashes":                 {long, 400, ""},
		"nothing":                   {"", 400, ""},
		"no empty line":             {"old 5\n", 400, ""},
		"old with a zero":           {strings.Replace(good, "old 5", "old 05", 1), 400, ""},
		"old negative":              {strings.Replace(good, "old 5", "old -5", 1), 400, ""},
		"old with a plus":           {strings.Replace(good, "old 5", "old +5", 1), 400, ""},
		"old too large":             {strings.Replace(good, "old 5", "old 18446744073709551616", 1), 400, ""},
		"a short hash":              {strings.Replace(good, lines[1], "AAAA", 1), 400, ""},
		"no base64":                 {strings.Replace(good, lines[1], "!"+lines[1][1:], 1), 400, ""},
		"line ends of others":       {strings.ReplaceAll(good, "\n", "\r\n"), 400, ""},
		"huge":                      {good + strings.Repeat("x", 33<<10), 413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := open(t, dir, key)
			if status, text, _ := post(t, w, tr.body(t, 0, 5, s)); status != 200 {
				t.Fatal(status, text)
			}
			status, text, kind := post(t, w, tc.body)
			if status != tc.status || tc.size != "" && (text != tc.size || kind != "text/x.tlog.size") {
				t.Errorf("%d %q as %s; want %d %q", status, text, kind, tc.status, tc.size)
			}
			if status != 200 && strings.Contains(text, "\u2014") {
				t.Errorf("a refusal has a cosignature: %q", text)
			}
			forks, _ := filepath.Glob(filepath.Join(dir, "*.fork"))
			if kept := len(forks) == 1; kept != (name == "forks at the same size") {
				t.Errorf("a fork was kept: %v", kept)
			}
			// Whatever was refused changed nothing.
			if status != 200 {
				if status, text, _ := post(t, w, good); status != 200 {
					t.Errorf("after it: %d %s", status, text)
				}
			}
		})
	}
}

func TestEmptyLedgerHasOneRoot(t *testing.T) {
	s, key := newLog(t, origin, 1)
	w := open(t, t.TempDir(), key)
	text := log.Checkpoint{Origin: origin, Size: 0, Hash: make([]byte, 32)}.Marshal()
	signed, err := note.Sign(&note.Note{Text: string(text)}, s)
	if err != nil {
		t.Fatal(err)
	}
	if status, answer, _ := post(t, w, "old 0\n\n"+string(signed)); status != 422 {
		t.Errorf("%d %s", status, answer)
	}
}

// What was cosigned is remembered by the next process, and by the one after a torn write.
func TestStateSurvives(t *testing.T) {
	s, key := newLog(t, origin, 1)
	dir := t.TempDir()
	tr, forked := newTree(t, 20, 20, ""), newTree(t, 20, 3, "fork")
	w := open(t, dir, key)
	vkey := w.VerifierKey()
	if status, _, _ := post(t, w, tr.body(t, 0, 8, s)); status != 200 {
		t.Fatal(status)
	}
	if _, err := witness.Open(witness.Config{Dir: dir, Logs: []string{key}}); !errors.Is(err, witness.ErrInUse) {
		t.Errorf("two processes: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := post(t, w, tr.body(t, 8, 9, s)); status != 503 {
		t.Errorf("a closed witness answers %d", status)
	}
	states, _ := filepath.Glob(filepath.Join(dir, "*.checkpoint"))
	if err := os.WriteFile(states[0]+".new", []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	w = open(t, dir, key)
	if w.VerifierKey() != vkey {
		t.Error("the key changed")
	}
	if status, text, _ := post(t, w, forked.body(t, 0, 8, s)); status != 409 || text != "8\n" {
		t.Errorf("%d %s", status, text)
	}
	if status, _, _ := post(t, w, forked.body(t, 8, 9, s)); status != 422 {
		t.Error("a fork is cosigned after a restart")
	}
	if status, _, _ := post(t, w, tr.body(t, 8, 9, s)); status != 200 {
		t.Error("the ledger is refused after a restart")
	}
}

func TestOpenRefuses(t *testing.T) {
	_, key := newLog(t, origin, 1)
	s, _ := newLog(t, origin, 1)
	good := func() witness.Config {
		return witness.Config{Dir: t.TempDir(), Name: "witness.example/w1", Logs: []string{key}}
	}
	used := func(change func(dir string)) witness.Config {
		cfg := good()
		w := open(t, cfg.Dir, key)
		if status, _, _ := post(t, w, newTree(t, 3, 3, "").body(t, 0, 3, s)); status != 200 {
			t.Fatal(status)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		change(cfg.Dir)
		return cfg
	}
	state := func(dir string) string {
		states, _ := filepath.Glob(filepath.Join(dir, "*.checkpoint"))
		return states[0]
	}
	write := func(file, text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		cfg  witness.Config
		want error
	}{
		"no ledger":      {witness.Config{Dir: t.TempDir(), Name: "w"}, witness.ErrLogs},
		"no key":         {witness.Config{Dir: t.TempDir(), Name: "w", Logs: []string{"ledger"}}, witness.ErrLogs},
		"twice":          {witness.Config{Dir: t.TempDir(), Name: "w", Logs: []string{key, key}}, witness.ErrLogs},
		"no name":        {witness.Config{Dir: t.TempDir(), Logs: []string{key}}, witness.ErrKey},
		"a bad name":     {witness.Config{Dir: t.TempDir(), Name: "a b", Logs: []string{key}}, witness.ErrKey},
		"another name":   {func() witness.Config { c := used(func(string) {}); c.Name = "another"; return c }(), witness.ErrKey},
		"torn state":     {used(func(dir string) { write(state(dir), "torn") }), witness.ErrState},
		"lost key":       {used(func(dir string) { _ = os.Remove(filepath.Join(dir, "witness.key")) }), witness.ErrKey},
		"torn key":       {used(func(dir string) { write(filepath.Join(dir, "witness.key"), "PRIVATE+KEY") }), witness.ErrKey},
		"a readable key": {used(func(dir string) { _ = os.Chmod(filepath.Join(dir, "witness.key"), 0o644) }), witness.ErrKey},
	} {
		if w, err := witness.Open(tc.cfg); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				_ = w.Close()
			}
		}
	}
}

// A witness whose disk is full cosigns nothing.
func TestNoCosignatureWithoutState(t *testing.T) {
	s, key := newLog(t, origin, 1)
	dir := t.TempDir()
	w := open(t, dir, key)
	tr := newTree(t, 5, 5, "")
	sum := sha256.Sum256([]byte(origin))
	blocked := filepath.Join(dir, fmt.Sprintf("%x.checkpoint.new", sum))
	if err := os.Mkdir(blocked, 0o700); err != nil { // nothing can be written under that name
		t.Fatal(err)
	}
	if status, text, _ := post(t, w, tr.body(t, 0, 5, s)); status != 500 || strings.Contains(text, "\u2014") {
		t.Errorf("%d %s", status, text)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	if status, text, _ := post(t, w, tr.body(t, 0, 5, s)); status != 200 {
		t.Errorf("%d %s", status, text)
	}
}

// Of many branches of one ledger, submitted at once, one is cosigned.
func TestRacingForks(t *testing.T) {
	s, key := newLog(t, origin, 1)
	w := open(t, t.TempDir(), key)
	server := httptest.NewServer(w.Handler())
	defer server.Close()
	var mu sync.Mutex
	roots := map[string]bool{}
	var wait sync.WaitGroup
	for branch := range 16 {
		body := newTree(t, 9, 0, fmt.Sprint(branch)).body(t, 0, 9, s)
		wait.Go(func() {
			answer, err := http.Post(server.URL+"/add-checkpoint", "text/plain", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			_, _ = io.Copy(io.Discard, answer.Body)
			if answer.StatusCode == 200 {
				mu.Lock()
				roots[body] = true
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if len(roots) != 1 {
		t.Errorf("%d branches were cosigned", len(roots))
	}
}

func TestKeyIsShown(t *testing.T) {
	_, key := newLog(t, origin, 1)
	w := open(t, t.TempDir(), key)
	r := httptest.NewRecorder()
	w.Handler().ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/", nil))
	if r.Body.String() != w.VerifierKey()+"\n" {
		t.Errorf("%q", r.Body.String())
	}
}

// No submission gets a cosignature of anything but what the ledger signed and what continues the state.
func FuzzAddCheckpoint(f *testing.F) {
	s, key := newLog(f, origin, 1)
	tr := newTree(f, 9, 9, "")
	for _, body := range []string{tr.body(f, 0, 5, s), tr.body(f, 5, 9, s), "old 0\n\n", "", tr.body(f, 5, 5, s)} {
		f.Add(body)
	}
	known := map[string]bool{}
	for size := range int64(10) {
		known[strings.SplitN(string(tr.checkpoint(f, size, s)), "\n\n", 2)[0]] = true
	}
	w := open(f, f.TempDir(), key)
	f.Fuzz(func(t *testing.T, body string) {
		status, answer, _ := post(t, w, body)
		if status != 200 {
			return
		}
		_, checkpoint, _ := strings.Cut(body, "\n\n")
		if text, _, _ := strings.Cut(checkpoint, "\n\n"); !known[text] {
			t.Fatalf("cosigned %q: %q", text, answer)
		}
	})
}
