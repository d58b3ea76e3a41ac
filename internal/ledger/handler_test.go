package ledger_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/transparency-dev/tessera/client"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/order"
)

func get(t *testing.T, h http.Handler, method, path string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Result()
}

// Anyone can verify the ledger over HTTP with a client that is not ours.
func TestHandlerServesTheWholeLedger(t *testing.T) {
	inBoth(t, func(t *testing.T, p *place) {
		l := p.open(t)
		if _, err := l.AppendBatch(t.Context(), leaves(0, 600)); err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(l.Handler())
		defer server.Close()
		root, err := url.Parse(server.URL + "/")
		if err != nil {
			t.Fatal(err)
		}
		fetcher, err := client.NewHTTPFetcher(root, server.Client())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ledger.Verify(t.Context(), fetcher, l.LogKey(), nil); err != nil || got.Entries != 600 {
			t.Errorf("%+v, %v", got, err)
		}
		builder, err := client.NewProofBuilder(t.Context(), 600, fetcher.ReadTile)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := builder.InclusionProof(t.Context(), 17); err != nil {
			t.Errorf("tiles over HTTP: %v", err)
		}
	})
}

func TestHandlerIsNarrow(t *testing.T) {
	inBoth(t, func(t *testing.T, p *place) {
		dir, l := p.dir, p.open(t)
		if _, err := l.AppendBatch(t.Context(), leaves(0, 300)); err != nil {
			t.Fatal(err)
		}
		if p.url == "" {
			// A bundle that a killed process wrote and never integrated must not be given out, for it will be written anew.
			stray := filepath.Join(dir, "log", "tile", "entries", "001.p", "200")
			if err := os.WriteFile(stray, []byte("stray"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "log", ".state", "treeState")); err != nil {
				t.Fatal(err) // the row below would prove nothing
			}
		}
		h := l.Handler()
		for _, tc := range []struct {
			method, path string
			status       int
			cache        string
		}{
			{"GET", "/checkpoint", 200, "no-cache"},
			{"HEAD", "/checkpoint", 200, "no-cache"},
			{"GET", "/tile/0/000", 200, "public, max-age=31536000, immutable"},
			{"GET", "/tile/0/001.p/44", 200, "public, max-age=31536000, immutable"},
			{"GET", "/tile/1/000.p/1", 200, "public, max-age=31536000, immutable"},
			{"GET", "/tile/entries/000", 200, "public, max-age=31536000, immutable"},
			{"GET", "/tile/entries/001.p/44", 200, "public, max-age=31536000, immutable"},
			{"GET", "/tile/entries/001.p/200", 404, ""},
			{"GET", "/tile/entries/001.p/45", 404, ""},
			{"GET", "/tile/entries/001", 404, ""},
			{"GET", "/tile/1/000", 404, ""},
			{"GET", "/tile/0/x001/000", 404, ""},
			{"GET", "/tile/63/000", 404, ""},
			{"GET", "/tile/9/x999/x999/x999/x999/x999/x999/999.p/255", 404, ""},
			{"GET", "/tile/0/000.p/0", 404, ""},
			{"GET", "/tile/0/000.p/256", 404, ""},
			{"GET", "/.state/treeState", 404, ""},
			{"GET", "/tile/../.state/treeState", 404, ""},
			{"GET", "/../ledger.key", 404, ""},
			{"GET", "/", 404, ""},
			{"POST", "/checkpoint", 405, ""},
		} {
			resp := get(t, h, tc.method, tc.path)
			if resp.StatusCode != tc.status || resp.Header.Get("Cache-Control") != tc.cache {
				t.Errorf("%s %s: %d, %q", tc.method, tc.path, resp.StatusCode, resp.Header.Get("Cache-Control"))
			}
		}
	})
}

// A ledger whose disk takes no more refuses, keeps what it has, and goes on when there is room again. A folder that
// stands where the next tile is written stops every user, root too.
func TestDiskTakesNoMore(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if _, err := l.Append(t.Context(), leaf(0)); err != nil {
		t.Fatal(err)
	}
	obstacle := filepath.Join(dir, "log", "tile", "0", "000.p", "2")
	if err := os.MkdirAll(obstacle, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := l.Append(t.Context(), leaf(1))
	if err == nil || !strings.Contains(err.Error(), "is the disk full?") || errors.Is(err, ledger.ErrCorrupted) {
		t.Fatalf("an entry that could not be written: %v", err)
	}
	if size, err := l.Size(t.Context()); err != nil || size != 1 {
		t.Errorf("size %d, %v", size, err)
	}
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	if index, err := l.Append(t.Context(), leaf(1)); err != nil || index != 1 {
		t.Errorf("with room again: index %d, %v", index, err)
	}
	if got, err := ledger.Verify(t.Context(), ledger.Folder(dir), l.LogKey(), nil); err != nil || got.Entries != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}

// When leaves are sequenced and no checkpoint can be written, Append fails in time and nothing is acknowledged; once it
// can, Find tells that the leaf is there.
func TestSequencedButNotPublished(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	lock := filepath.Join(dir, "log", ".state", "publish.lock")
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(lock, 0o755); err != nil { // Tessera takes this lock before it publishes
		t.Fatal(err)
	}
	if _, err := l.Append(whenSequenced(t, l, 1), leaf(0)); !errors.Is(err, context.Canceled) {
		t.Fatalf("acknowledged without a checkpoint: %v", err)
	}
	if size, err := l.Size(t.Context()); err != nil || size != 0 {
		t.Errorf("size %d, %v", size, err)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if index, found, err := l.Find(t.Context(), order.LeafID(leaf(0))); err != nil || !found || index != 0 {
		t.Errorf("found %v at %d, %v", found, index, err)
	}
}
