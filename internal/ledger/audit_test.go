package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

// counted is a Source that counts the bundles that are read.
type counted struct {
	ledger.Source
	bundles int
}

func (c *counted) ReadEntryBundle(ctx context.Context, index uint64, width uint8) ([]byte, error) {
	c.bundles++
	return c.Source.ReadEntryBundle(ctx, index, width)
}

func auditorOf(t *testing.T, source ledger.Source, key string, seen *ledger.Seen) *ledger.Auditor {
	t.Helper()
	v, err := proof.New(origin, key, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ledger.NewAuditor(source, v, seen, time.Now)
}

// Each audit reads what is new, and one that begins with what another has seen finds it at the beginning.
func TestAuditorGoesOn(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	source := &counted{Source: ledger.Folder(dir)}
	a := auditorOf(t, source, l.LogKey(), nil)
	visited := uint64(0)
	visit := func(index uint64, _ []byte) error {
		if index != visited {
			return fmt.Errorf("entry %d after %d", index, visited)
		}
		visited++
		return nil
	}
	had := 0
	for _, size := range []int{0, 0, 1, 255, 256, 256, 300, 1000, 65600} {
		if _, err := l.AppendBatch(t.Context(), leaves(had, size)); err != nil {
			t.Fatal(err)
		}
		source.bundles = 0
		got, err := a.Audit(t.Context(), visit)
		if err != nil || got.Size != uint64(size) || got.Read != uint64(size-had) || visited != uint64(size) {
			t.Fatalf("%d: %+v, %v; visited %d", size, got, err, visited)
		}
		if most := (size-had)/256 + 2; size == had && source.bundles > 0 || source.bundles > most {
			t.Errorf("%d bundles for %d entries", source.bundles, size-had)
		}
		had = size
	}
	seen := a.Seen()
	if _, err := l.AppendBatch(t.Context(), leaves(had, had+10)); err != nil {
		t.Fatal(err)
	}
	if got, err := auditorOf(t, ledger.Folder(dir), l.LogKey(), seen).Audit(t.Context(), nil); err != nil || got.Size != uint64(had+10) {
		t.Errorf("%+v, %v", got, err)
	}
	seen.Root[0] ^= 1
	if _, err := auditorOf(t, ledger.Folder(dir), l.LogKey(), seen).Audit(t.Context(), nil); !errors.Is(err, ledger.ErrForked) {
		t.Errorf("another past: %v", err)
	}
}

// A monitor that runs on finds a ledger that was replaced under the same key, whether it is larger or smaller by then, and every file
// that goes missing or changes.
func TestAuditorFindsReplacement(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	key := newKey(t, one)
	copyFolder(t, one, two)
	l := open(t, one)
	if _, err := l.AppendBatch(t.Context(), leaves(0, 300)); err != nil {
		t.Fatal(err)
	}
	a := auditorOf(t, ledger.Folder(one), key, nil)
	if _, err := a.Audit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	other := open(t, two)
	for _, step := range []struct {
		to   int
		want error
	}{{100, ledger.ErrShrank}, {300, ledger.ErrForked}, {400, ledger.ErrForked}} {
		size, err := other.Size(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.AppendBatch(t.Context(), leaves(10000+int(size), 10000+step.to)); err != nil {
			t.Fatal(err)
		}
		replaced := auditorOf(t, ledger.Folder(two), key, a.Seen())
		for range 2 { // and again: a failure is not forgotten
			if _, err := replaced.Audit(t.Context(), nil); !errors.Is(err, step.want) {
				t.Errorf("replaced by %d entries: %v", step.to, err)
			}
		}
	}
	for _, name := range []string{"tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"} {
		file := filepath.Join(one, "log", filepath.FromSlash(name))
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for what, change := range map[string]func() error{
			"gone": func() error { return os.Remove(file) },
			"changed": func() error {
				return os.WriteFile(file, append([]byte{before[0], before[1], before[2] ^ 1}, before[3:]...), 0o600)
			},
			"short": func() error { return os.WriteFile(file, before[:len(before)-1], 0o600) },
			"huge":  func() error { return os.WriteFile(file, make([]byte, 1<<20), 0o600) },
		} {
			if err := change(); err != nil {
				t.Fatal(err)
			}
			if _, err := auditorOf(t, ledger.Folder(one), key, nil).Audit(t.Context(), nil); !errors.Is(err, ledger.ErrCorrupted) {
				t.Errorf("%s is %s: %v", name, what, err)
			}
			if err := os.WriteFile(file, before, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := a.Audit(t.Context(), nil); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// A server that sends without end, or breaks off, is told from a broken ledger.
func TestRemoteIsBounded(t *testing.T) {
	key := newKey(t, t.TempDir())
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		fault  string
	}{
		"endless": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, neverEnds{}) }, "ledger-corrupted"},
		"missing": {http.NotFound, "ledger-corrupted"},
		"failing": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) }, ""},
	} {
		server := httptest.NewServer(tc.answer)
		source, err := ledger.Remote(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, err = auditorOf(t, source, key, nil).Audit(t.Context(), nil)
		if err == nil || ledger.FaultOf(err) != tc.fault {
			t.Errorf("%s: %q, %v", name, ledger.FaultOf(err), err)
		}
		server.Close()
	}
}

func TestFindPlaces(t *testing.T) {
	dir := t.TempDir()
	l := open(t, filepath.Join(dir, "ledger"))
	server := httptest.NewServer(http.StripPrefix("/ledger", l.Handler()))
	defer server.Close()
	for _, place := range []string{dir, filepath.Join(dir, "ledger"), filepath.Join(dir, "ledger", "log"), server.URL, server.URL + "/", server.URL + "/ledger", server.URL + "/ledger/"} {
		source, err := ledger.Find(place)
		if err != nil {
			t.Errorf("%s: %v", place, err)
			continue
		}
		if key, err := source.ReadKey(t.Context()); err != nil || key != l.LogKey() {
			t.Errorf("%s: %q, %v", place, key, err)
		}
	}
	for _, place := range []string{t.TempDir(), filepath.Join(dir, "nothing"), ""} {
		if _, err := ledger.Find(place); err == nil {
			t.Errorf("%q has a ledger", place)
		}
	}
}
