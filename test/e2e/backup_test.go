package e2e

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/bailiwick-dev/bailiwick/agent/client"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/backup"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/order"
)

// TestRestoredServerGoesOnWithTheSameLedger: a backup is taken from a server at work, which goes on giving orders and then is lost. What is
// put back is not served before its ledger has all that the original published; then it goes on with the same tree, the phones go on with
// it, and what they were told meanwhile comes to rest.
func TestRestoredServerGoesOnWithTheSameLedger(t *testing.T) {
	t.Parallel()
	s := besiege(t)
	phones := s.found(15)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	process := s.spawn()
	original := s.dir
	working, stop := context.WithCancel(t.Context())
	defer func() { stop(); s.busy.Wait() }()
	for _, p := range phones {
		s.start(func() { s.live(working, p) })
	}
	s.start(func() { s.calendar(working) })
	s.start(func() { s.officer(working) })
	s.grows(original, 8)
	file := filepath.Join(t.TempDir(), "backup")
	m, err := backup.Take(t.Context(), backup.Source{Dir: original, File: file, Recipients: []age.Recipient{identity.Recipient()}, WithKeys: true, Program: "test", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s.grows(original, m.Ledger.Entries+10)
	s.follows(int(m.Ledger.Entries) + 1) // so that a phone was told what the backup does not know
	stop()
	s.busy.Wait()
	s.end(process)
	last, err := ledger.Folder(filepath.Join(original, "ledger")).ReadCheckpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	s.dir = filepath.Join(t.TempDir(), "restored")
	if _, err := backup.Restore(t.Context(), backup.Target{File: file, Dir: s.dir, Identities: []age.Identity{identity}, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Open(t.Context(), childConfig(s.dir, s.base, s.zero)); !errors.Is(err, backup.ErrNotReady) || !strings.Contains(err.Error(), "bailiwick restore --data") {
		t.Fatalf("a folder that is behind is served: %v", err)
	}
	for name, c := range map[string]struct {
		newest backup.Newest
		want   error
	}{
		"nothing":                       {backup.Newest{}, backup.ErrUnknown},
		"a newer checkpoint, no tiles":  {backup.Newest{Checkpoints: [][]byte{last}}, ledger.ErrShrank},
		"the files of the backup again": {backup.Newest{Place: filepath.Join(s.dir, "ledger-of-the-backup"), Checkpoints: [][]byte{last}}, ledger.ErrShrank},
	} {
		c.newest.Dir = s.dir
		if _, err := backup.CatchUp(t.Context(), c.newest); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	entries, err := backup.CatchUp(t.Context(), backup.Newest{Dir: s.dir, Place: filepath.Join(original, "ledger", "log"), Checkpoints: [][]byte{last}})
	if err != nil || entries <= m.Ledger.Entries {
		t.Fatalf("%d entries after %d: %v", entries, m.Ledger.Entries, err)
	}
	clock, err := os.ReadFile(filepath.Join(original, "sandbox", "clock-moved-on"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "sandbox", "clock-moved-on"), clock, 0o600); err != nil { // the real clock is not put back either
		t.Fatal(err)
	}
	s.servesOn(t, phones, last, entries)
}

// grows waits until the published ledger has so many entries.
func (s *siege) grows(dir string, least uint64) {
	s.t.Helper()
	key, err := readKey(filepath.Join(dir, "ledger", "ledger.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(2 * time.Minute); ; pause(s.t.Context(), 50*time.Millisecond) {
		v, err := ledger.Verify(s.t.Context(), ledger.Folder(filepath.Join(dir, "ledger")), key, nil)
		if err == nil && v.Entries >= least {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("the ledger has %d entries, not %d: %v", v.Entries, least, err)
		}
	}
}

// follows waits until phones report that they followed so many orders.
func (s *siege) follows(least int) {
	s.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; pause(s.t.Context(), 20*time.Millisecond) {
		s.mu.Lock()
		n := len(s.obeyed)
		s.mu.Unlock()
		if n >= least {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("phones followed %d orders, not %d", n, least)
		}
	}
}

// servesOn starts a server on what was put back and lets phones live on with it for some days.
func (s *siege) servesOn(t *testing.T, phones []*phone.Phone, last []byte, entries uint64) {
	t.Helper()
	a, err := app.Open(t.Context(), childConfig(s.dir, s.base, s.zero))
	if err != nil {
		t.Fatal(err)
	}
	handler := &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) { return direct(a, r) })}
	s.offset.Store(int64(a.Now().Sub(s.still())))
	for range 12 { // days, at the end of which everybody knows the same
		for range 2 {
			for _, p := range phones {
				if err := p.Use(); err != nil {
					t.Fatal(err)
				}
				if _, err := (&client.Client{Server: s.base, HTTP: handler}).CheckIn(t.Context(), p.Agent()); err != nil {
					t.Errorf("phone %s cannot go on: %v", p.Config().Serial, err)
				}
			}
			if err := errors.Join(a.Service.Sweep(t.Context()), ignore(a.Service.Sequence(t.Context()))); err != nil {
				t.Fatal(err)
			}
		}
		s.moveOn(t, a)
	}
	for _, p := range phones {
		s.agree(a, p)
		if p.Agent().Screen().ClockDoubt {
			t.Errorf("phone %s doubts its clock, and nobody lied about the date", p.Config().Serial)
		}
	}
	key := a.Ledger.LogKey()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := ledger.Contains(t.Context(), ledger.Folder(filepath.Join(s.dir, "ledger")), key, [][]byte{last})
	if err != nil || c.Entries <= entries {
		t.Errorf("%d entries after %d: %v", c.Entries, entries, err)
	}
	leaves, err := s.leaves()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[order.ID]bool)
	for _, leaf := range leaves {
		if id := order.LeafID(leaf); seen[id] {
			t.Errorf("order %v is in the ledger twice", id)
		} else {
			seen[id] = true
		}
	}
	for id := range s.obeyed {
		if !seen[id] {
			t.Errorf("a phone follows order %v, which is not in the ledger", id)
		}
	}
	for _, b := range s.broken {
		t.Error(b)
	}
}

// moveOn lets a day pass on a server in this process.
func (s *siege) moveOn(t *testing.T, a *app.App) {
	t.Helper()
	s.moves.Add(1)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+app.PathSandboxClock, strings.NewReader(`{"hours":24}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := direct(a, r)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer, err)
	}
	s.offset.Store(int64(a.Now().Sub(s.still())))
}
