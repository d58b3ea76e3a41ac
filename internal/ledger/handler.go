package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"strings"

	"github.com/transparency-dev/tessera/api/layout"
)

// tilePath is what C2SP tlog-tiles asks for, and nothing else: the folder also has state and temporary files.
var tilePath = regexp.MustCompile(`^tile/([0-9]|[1-5][0-9]|entries)/((?:x[0-9]{3}/){0,6}[0-9]{3}(?:\.p/[1-9][0-9]{0,2})?)$`)

// Handler serves the ledger to the public as C2SP tlog-tiles: GET and HEAD of /checkpoint, /tile/L/N and
// /tile/entries/N, partial ones too, and of /key, the verifier key to note. Strip any prefix before it. Checkpoints are always asked for anew; tiles and
// bundles never change and may be kept for ever, so only those that the published checkpoint covers are given out.
func (l *Ledger) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "The ledger is read with GET and HEAD.", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Access-Control-Allow-Origin", "*") // public, and meant to be checked from any page
		path := strings.TrimPrefix(r.URL.Path, "/")
		if path == layout.CheckpointPath {
			l.serveCheckpoint(w, r)
			return
		}
		if path == publicKeyName {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Cache-Control", "no-cache")
			_, _ = fmt.Fprintln(w, l.logKey) // the client went away: nobody to tell
			return
		}
		l.serveTile(w, r, path)
	})
}

func (l *Ledger) serveCheckpoint(w http.ResponseWriter, r *http.Request) {
	raw, err := l.Checkpoint(r.Context())
	if err != nil {
		http.Error(w, "The checkpoint cannot be read now; try again later.", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(raw) // the client went away: nobody to tell
}

func (l *Ledger) serveTile(w http.ResponseWriter, r *http.Request, path string) {
	match := tilePath.FindStringSubmatch(path)
	if match == nil {
		http.NotFound(w, r)
		return
	}
	c, err := l.newest(r.Context())
	if err != nil {
		http.Error(w, "The ledger cannot be read now; try again later.", http.StatusServiceUnavailable)
		return
	}
	asked, covered := covers(c.size, match[1], match[2])
	if !covered {
		http.NotFound(w, r)
		return
	}
	asked.path = path
	data, err := l.kept.file(r.Context(), asked)
	if errors.Is(err, fs.ErrNotExist) {
		http.NotFound(w, r)
		return
	} else if err != nil {
		http.Error(w, "The ledger cannot be read now; try again later.", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(data)
}

// covers reports whether a tree of size entries has the tile, as wide as the path says, and which it is.
func covers(size uint64, level, rest string) (r resource, covered bool) {
	r.entries = level == "entries"
	var err error
	if !r.entries {
		if r.level, err = layout.ParseTileLevel(level); err != nil {
			return r, false
		}
	}
	r.index, r.width, err = layout.ParseTileIndexPartial(rest)
	if err != nil || r.level > 7 || r.index >= 1<<55 { // 256^8 entries are more than there can be
		return r, false
	}
	nodes := size >> (layout.TileHeight * r.level) // full nodes at this level
	have := uint64(layout.TileWidth)
	if r.width > 0 {
		have = uint64(r.width)
	}
	return r, nodes >= r.index*layout.TileWidth+have
}
