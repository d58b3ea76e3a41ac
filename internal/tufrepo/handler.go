package tufrepo

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

const (
	// forGood is for names that carry a version or a hash: they never mean other bytes.
	forGood = "public, max-age=31536000, immutable"
	// forNow is for timestamp.json, which says what is new.
	forNow = "public, max-age=60"
)

// Handler serves a repository to any TUF client, in the layout of consistent snapshots (TUF 6.2), by GET and HEAD:
//
//	/metadata/N.root.json                 every root
//	/metadata/timestamp.json              the latest
//	/metadata/N.{snapshot,targets,policy,warrant}.json   as the latest timestamp leads to them
//	/targets/DIR/SHA256.FILE              what policy and warrant list
//
// All else is 404, and so is everything while source returns no repository and no error. source and files are asked anew for each request and
// may be asked at the same time by several; files answers an error that wraps fs.ErrNotExist for a file that it lacks. Mount it with http.StripPrefix.
func Handler(source func(ctx context.Context) (*Repository, error), files func(ctx context.Context, path string, sha [32]byte) ([]byte, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this is read only: GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		found, err := find(req, source, files)
		if errors.Is(err, fs.ErrNotExist) {
			http.Error(w, "no such metadata or file: begin with metadata/timestamp.json", http.StatusNotFound)
			return
		} else if err != nil {
			http.Error(w, "the repository cannot be read just now: try again later", http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", found.kind)
		h.Set("Cache-Control", found.cache)
		h.Set("X-Content-Type-Options", "nosniff")
		sum := targetOf(found.data).SHA256
		h.Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(found.data))
	})
}

type served struct {
	data        []byte
	kind, cache string
}

func find(req *http.Request, source func(ctx context.Context) (*Repository, error), files func(ctx context.Context, path string, sha [32]byte) ([]byte, error)) (served, error) {
	r, err := source(req.Context())
	if err != nil {
		return served{}, err
	}
	if r == nil {
		return served{}, fs.ErrNotExist
	}
	if name, ok := strings.CutPrefix(req.URL.Path, "/metadata/"); ok {
		return r.metadata(name)
	}
	if name, ok := strings.CutPrefix(req.URL.Path, "/targets/"); ok {
		path, target, err := r.target(name)
		if err != nil {
			return served{}, err
		}
		data, err := files(req.Context(), path, target.SHA256)
		if err == nil && targetOf(data) != target {
			err = fmt.Errorf("tufrepo: %s is stored with other bytes than are listed", path)
		}
		return served{data, "application/octet-stream", forGood}, err
	}
	return served{}, fs.ErrNotExist
}

// metadata returns the metadata file of this name.
func (r *Repository) metadata(name string) (served, error) {
	if name == "timestamp.json" {
		return served{r.Timestamp, "application/json", forNow}, nil
	}
	number, role, _ := strings.Cut(name, ".")
	version, err := strconv.ParseUint(number, 10, 64)
	if err != nil || strconv.FormatUint(version, 10) != number {
		return served{}, fs.ErrNotExist
	}
	if role == "root.json" {
		if version < 1 || version > uint64(len(r.Roots)) {
			return served{}, fs.ErrNotExist
		}
		return served{r.Roots[version-1], "application/json", forGood}, nil
	}
	data, ok := map[string][]byte{"snapshot.json": r.Snapshot, "targets.json": r.Targets, "policy.json": r.Policy, "warrant.json": r.Warrant}[role]
	if !ok {
		return served{}, fs.ErrNotExist
	}
	if latest, err := versionOf(data); err != nil {
		return served{}, err
	} else if latest != version {
		return served{}, fs.ErrNotExist
	}
	return served{data, "application/json", forGood}, nil
}

// target returns the listed path behind a consistent name, DIR/SHA256.FILE.
func (r *Repository) target(name string) (path string, target Target, err error) {
	folder, file, _ := strings.Cut(name, "/")
	sum, file, _ := strings.Cut(file, ".")
	path = folder + "/" + file
	for _, role := range []string{tuf.Policy, tuf.Warrant} {
		if checkPath(role, path) != nil {
			continue
		}
		listed, err := r.Listed(role)
		if err != nil {
			return "", Target{}, err
		}
		if t, ok := listed[path]; ok && hex.EncodeToString(t.SHA256[:]) == sum {
			return path, t, nil
		}
	}
	return "", Target{}, fs.ErrNotExist
}
