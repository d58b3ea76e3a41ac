package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/transparency-dev/tessera/api/layout"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Bounds of what is read of a ledger that may be anybody's, in bytes.
const (
	maxTile   = layout.TileWidth * 32
	maxBundle = layout.EntryBundleWidth * (2 + order.MaxLeaf)
	maxKey    = 1 << 10
)

// Source reads the public files of a ledger (C2SP tlog-tiles). A file that is not there is fs.ErrNotExist. width is that of a
// partial tile or bundle; where it has given way to a fuller one, that is read.
type Source interface {
	ReadCheckpoint(ctx context.Context) ([]byte, error)
	ReadEntryBundle(ctx context.Context, index uint64, width uint8) ([]byte, error)
	ReadTile(ctx context.Context, level, index uint64, width uint8) ([]byte, error)
}

// PublicFiles is a Source that also offers the ledger's verifier key. Who takes the key from there trusts the ledger for it.
type PublicFiles interface {
	Source
	ReadKey(ctx context.Context) (string, error)
}

// Folder returns the files of the ledger in dir, as Open takes it. They may be read while another process writes.
func Folder(dir string) PublicFiles { return Copied(filepath.Join(dir, "log")) }

// Copied returns the files of a ledger that somebody copied into dir: dir/checkpoint, dir/tile and the rest.
func Copied(dir string) PublicFiles {
	return files(func(_ context.Context, path string, most int64) ([]byte, error) {
		f, err := os.Open(filepath.Join(dir, filepath.FromSlash(path)))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readBounded(path, f, most)
	})
}

// Remote returns the files of a ledger served at a base URL, such as https://trust.example.com/ledger/.
func Remote(base string) (PublicFiles, error) {
	root, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	client := &http.Client{Timeout: 30 * time.Second}
	return files(func(ctx context.Context, path string, most int64) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, root.JoinPath(path).String(), nil)
		if err != nil {
			return nil, err
		}
		answer, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		switch answer.StatusCode {
		case http.StatusOK:
			return readBounded(path, answer.Body, most)
		case http.StatusNotFound, http.StatusGone:
			return nil, fmt.Errorf("%s: %w", r.URL, fs.ErrNotExist)
		}
		return nil, fmt.Errorf("%s: the server answers %s", r.URL, answer.Status)
	}), nil
}

// Find returns the files of the ledger that people mean by a URL or a folder: a server's address or its ledger's, a
// server's data folder, its ledger's, or a copy of the public files.
func Find(place string) (PublicFiles, error) {
	if u, err := url.Parse(place); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		if strings.Trim(u.Path, "/") == "" {
			u = u.JoinPath("ledger/")
		}
		return Remote(u.String())
	}
	for _, below := range []string{"", "log", "ledger/log"} {
		dir := filepath.Join(place, filepath.FromSlash(below))
		if _, err := os.Stat(filepath.Join(dir, layout.CheckpointPath)); err == nil {
			return Copied(dir), nil
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			return nil, fmt.Errorf("ledger: %w", err)
		}
	}
	return nil, fmt.Errorf("ledger: %s has no checkpoint: give a server's address, its data folder, or a copy of its ledger's files", place)
}

func readBounded(path string, r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%w: %s has more than %d bytes", ErrCorrupted, path, most)
	}
	return data, err
}

// files reads a file by its path in tlog-tiles, of at most so many bytes.
type files func(ctx context.Context, path string, most int64) ([]byte, error)

func (f files) ReadCheckpoint(ctx context.Context) ([]byte, error) {
	return f(ctx, layout.CheckpointPath, proof.MaxText)
}

func (f files) ReadKey(ctx context.Context) (string, error) {
	text, err := f(ctx, publicKeyName, maxKey)
	return strings.TrimSpace(string(text)), err
}

func (f files) ReadEntryBundle(ctx context.Context, index uint64, width uint8) ([]byte, error) {
	return f.partialOrFull(ctx, width, maxBundle, func(width uint8) string { return layout.EntriesPath(index, width) })
}

func (f files) ReadTile(ctx context.Context, level, index uint64, width uint8) ([]byte, error) {
	return f.partialOrFull(ctx, width, maxTile, func(width uint8) string { return layout.TilePath(level, index, width) })
}

func (f files) partialOrFull(ctx context.Context, width uint8, most int64, path func(uint8) string) ([]byte, error) {
	data, err := f(ctx, path(width), most)
	if width > 0 && errors.Is(err, fs.ErrNotExist) {
		return f(ctx, path(0), most)
	}
	return data, err
}
