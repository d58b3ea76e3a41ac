package ledger_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// tlogTiles is an HTTP tile reader for golang.org/x/mod/sumdb/tlog, which knows nothing of ours or of Tessera. Its paths have the
// height in front, those of C2SP tlog-tiles do not.
type tlogTiles struct {
	t    *testing.T
	base string
}

func (tlogTiles) Height() int                         { return 8 }
func (tlogTiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}

func tilesPath(tile tlog.Tile) (string, error) {
	rest, found := strings.CutPrefix(tile.Path(), "tile/8/")
	if !found {
		return "", fmt.Errorf("a tile of another height: %s", tile.Path())
	}
	return "tile/" + rest, nil
}

func (r tlogTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var list [][]byte
	for _, tile := range tiles {
		path, err := tilesPath(tile)
		if err != nil {
			return nil, err
		}
		data := fetch(r.t, r.base+"/"+path)
		if len(data) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", path, len(data))
		}
		list = append(list, data)
	}
	return list, nil
}

func fetch(t *testing.T, url string) []byte {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, answer.Status, err)
	}
	return data
}

// The reader of the Go checksum database and the formats of transparency-dev read this ledger: the key, the checkpoint, every tile, an
// inclusion proof of any leaf, and a consistency proof between any two checkpoints that were published.
func TestAnIndependentReader(t *testing.T) {
	inBoth(t, func(t *testing.T, p *place) {
		l := p.open(t)
		server := httptest.NewServer(l.Handler())
		defer server.Close()
		verifier, err := note.NewVerifier(strings.TrimSpace(string(fetch(t, server.URL+"/key"))))
		if err != nil || verifier.Name() != origin {
			t.Fatal(verifier, err)
		}
		var before []tlog.Tree
		appended := 0
		for _, size := range []int{1, 2, 255, 256, 257, 700, 1024} {
			if _, err := l.AppendBatch(t.Context(), leaves(appended, size)); err != nil {
				t.Fatal(err)
			}
			appended = size
			c, _, _, err := log.ParseCheckpoint(fetch(t, server.URL+"/checkpoint"), origin, verifier)
			if err != nil || c.Size != uint64(size) {
				t.Fatalf("%+v, %v", c, err)
			}
			tree := tlog.Tree{N: int64(c.Size), Hash: tlog.Hash(c.Hash)}
			reader := tlog.TileHashReader(tree, tlogTiles{t, server.URL}) // checks each tile against the root
			if root, err := tlog.TreeHash(tree.N, reader); err != nil || root != tree.Hash {
				t.Fatalf("size %d: %v, %v", size, root, err)
			}
			for _, n := range []int64{0, tree.N / 3, tree.N - 1} {
				path, err := tlog.ProveRecord(tree.N, n, reader)
				if err != nil {
					t.Fatal(err)
				}
				if err := tlog.CheckRecord(path, tree.N, tree.Hash, n, tlog.RecordHash(entry(t, server.URL, n, tree.N))); err != nil {
					t.Errorf("entry %d of %d: %v", n, tree.N, err)
				}
			}
			for _, old := range before {
				path, err := tlog.ProveTree(tree.N, old.N, reader)
				if err != nil {
					t.Fatal(err)
				}
				if err := tlog.CheckTree(path, tree.N, tree.Hash, old.N, old.Hash); err != nil {
					t.Errorf("from %d to %d: %v", old.N, tree.N, err)
				}
			}
			before = append(before, tree)
		}
	})
}

// entry reads one entry from its bundle, by hand: a length in two bytes, and the entry.
func entry(t *testing.T, base string, n, size int64) []byte {
	t.Helper()
	tile := tlog.Tile{H: 8, L: -1, N: n / 256, W: int(min(size-n/256*256, 256))}
	path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
	data := bytes.NewBuffer(fetch(t, base+"/"+path))
	for i := n % 256; ; i-- {
		length := data.Next(2)
		leaf := data.Next(int(length[0])<<8 | int(length[1]))
		if i == 0 {
			return leaf
		}
	}
}
