package cli

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// source is where public metadata and what they list are read: a server, or a folder with a copy of its /metadata and /targets.
// read returns an error that is fs.ErrNotExist for a file that is not there.
type source struct {
	name string
	read func(path string, most int64) ([]byte, error)
}

// maxRoots bounds how many roots are read: more changes of officers than this no repository has seen.
const maxRoots = 1024

// openSource takes an address or a folder.
func openSource(ctx context.Context, from string) (*source, error) {
	if !strings.Contains(from, "://") {
		info, err := os.Stat(from)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			return nil, usageError{fmt.Errorf("%s is neither the address of a server nor a folder with metadata/ and targets/", from)}
		}
		return &source{from, func(path string, most int64) ([]byte, error) {
			f, err := os.Open(filepath.Join(from, filepath.FromSlash(path)))
			if err != nil {
				return nil, err
			}
			defer f.Close()
			return readAtMost(f, path, most)
		}}, nil
	}
	server, err := serverAddress(from)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: time.Minute}
	return &source{server, func(path string, most int64) ([]byte, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/"+path, nil)
		if err != nil {
			return nil, err
		}
		response, err := client.Do(request)
		if err != nil {
			return nil, unreachable(ctx, request.URL, err)
		}
		defer response.Body.Close()
		switch {
		case response.StatusCode == http.StatusNotFound:
			return nil, fmt.Errorf("%s/%s: %w", server, path, fs.ErrNotExist)
		case response.StatusCode != http.StatusOK:
			text, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
			return nil, problemOf(response.StatusCode, text)
		}
		return readAtMost(response.Body, path, most)
	}}, nil
}

func readAtMost(r io.Reader, path string, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return data, err
}

// errNotFounded is a server without officers' signatures.
var errNotFounded = errors.New("no officers' signatures here yet: the repository is not founded")

func notFounded(from string) error {
	return fmt.Errorf("%w (%s)\n  Propose the first officers with: bailiwick officer root --officer A.pub --officer B.pub --threshold 2 --server %s -o founding.json", errNotFounded, from, from)
}

// repository reads all metadata and verifies them as of now, from the first root on. Metadata that have expired are an error that is
// tufrepo.ErrExpired, beside the repository.
func (s *source) repository(now time.Time) (*tufrepo.Repository, error) {
	var r tufrepo.Repository
	for n := 1; ; n++ {
		if n > maxRoots {
			return nil, fmt.Errorf("%s has more than %d roots", s.name, maxRoots)
		}
		root, err := s.read(fmt.Sprintf("metadata/%d.root.json", n), tuf.MaxMetadata)
		if errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return nil, err
		}
		r.Roots = append(r.Roots, root)
	}
	if len(r.Roots) == 0 {
		return nil, notFounded(s.name)
	}
	var err error
	if r.Timestamp, err = s.read("metadata/timestamp.json", tuf.MaxMetadata); err != nil {
		return nil, err
	}
	version, err := versionsIn(r.Timestamp)
	if err != nil {
		return nil, err
	}
	if r.Snapshot, err = s.numbered(version, tuf.Snapshot); err != nil {
		return nil, err
	}
	if version, err = versionsIn(r.Snapshot); err != nil {
		return nil, err
	}
	for role, into := range map[string]*[]byte{tuf.Targets: &r.Targets, tuf.Policy: &r.Policy, tuf.Warrant: &r.Warrant} {
		if *into, err = s.numbered(version, role); err != nil {
			return nil, err
		}
	}
	return &r, r.Verify(now)
}

func (s *source) numbered(version map[string]uint64, role string) ([]byte, error) {
	n := version[role+".json"]
	if n == 0 {
		return nil, fmt.Errorf("the metadata of %s name no %s", s.name, role)
	}
	return s.read(fmt.Sprintf("metadata/%d.%s.json", n, role), tuf.MaxMetadata)
}

// versionsIn reads which versions a snapshot or timestamp names. Nothing is believed: the whole is verified afterwards.
func versionsIn(data []byte) (map[string]uint64, error) {
	var d struct {
		Signed struct {
			Meta map[string]struct {
				Version uint64 `json:"version"`
			} `json:"meta"`
		} `json:"signed"`
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("these are no metadata: %w", err)
	}
	versions := map[string]uint64{}
	for name, m := range d.Signed.Meta {
		versions[name] = m.Version
	}
	return versions, nil
}

// target reads a listed file and holds it to its listing.
func (s *source) target(path string, t tufrepo.Target) ([]byte, error) {
	folder, file, _ := strings.Cut(path, "/")
	data, err := s.read(fmt.Sprintf("targets/%s/%x.%s", folder, t.SHA256, file), t.Length)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != t.Length || sha256.Sum256(data) != t.SHA256 {
		return nil, fmt.Errorf("%s: %s is not what the officers signed", s.name, path)
	}
	return data, nil
}

// onlineKeyOf asks a server for its own public key, which the first root names.
func onlineKeyOf(ctx context.Context, server string) (tufrepo.PublicKey, error) {
	s, err := openSource(ctx, server)
	if err != nil {
		return tufrepo.PublicKey{}, err
	}
	data, err := s.read("v1/metadata/online-key", 8<<10)
	if err != nil {
		return tufrepo.PublicKey{}, err
	}
	return tufrepo.ParsePublicKey(data)
}
