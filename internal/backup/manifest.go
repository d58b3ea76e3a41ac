package backup

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The format's name, which is also the content of the first file, and the names of files inside.
const (
	formatName   = "bailiwick-backup/1"
	formatFile   = "bailiwick-backup"
	manifestFile = "manifest.json"
	recordsFile  = "records/authority.db"
	checkpoint   = "checkpoint"
	publicPrefix = "ledger/"
	secretPrefix = "secret/"
	plainPrefix  = "folder/"
)

// plainFiles are the other files of a data folder that belong in a backup.
var plainFiles = []string{elsewhere, sandboxClock}

// ErrBroken says that a file is no backup, is cut short, or was changed.
var ErrBroken = errors.New("the backup cannot be used")

// Manifest says what a backup holds.
type Manifest struct {
	Format  string    `json:"format"`
	Program string    `json:"program"`
	TakenAt time.Time `json:"taken_at"`
	// Records is "file" when the records are inside, "database" when they are in PostgreSQL, which has a backup of its own.
	Records string  `json:"records"`
	Ledger  *Ledger `json:"ledger,omitempty"` // nil when the ledger is in the database, too
	Files   []File  `json:"files"`
	Keys    []File  `json:"keys"`      // of the data folder, whether inside or not
	Inside  bool    `json:"with_keys"` // the keys are inside
}

// Ledger is the checkpoint up to which a backup has the ledger.
type Ledger struct {
	Origin  string `json:"origin"`
	Key     string `json:"key"`
	Entries uint64 `json:"entries"`
	Signed  string `json:"signed"` // the checkpoint, a signed note
}

// File is one file, by its name in the backup (keys: in the data folder).
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// Bounds of what is read of a backup that may be anybody's.
const (
	maxManifest = 256 << 20 // one line of 150 bytes for each 256 orders
	maxSmall    = 1 << 20   // bytes of any file but the records
	maxFiles    = 1 << 22
)

// What files a backup may hold: nothing leaves the folder, nothing is hidden.
var (
	publicName = regexp.MustCompile(`^ledger/(checkpoint|key|tile/[0-9a-z]+(/x[0-9]{3}){0,6}/[0-9]{3}(\.p/[1-9][0-9]{0,2})?)$`)
	keyName    = regexp.MustCompile(`^(keys|sandbox|sandbox/officers|ledger)/[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

// fileName reports whether a file may stand in a backup, and how large it may be.
func fileName(name string) (most int64, ok bool) {
	switch {
	case name == recordsFile:
		return 1 << 50, true
	case name == manifestFile:
		return maxManifest, true
	case publicName.MatchString(name):
		return maxSmall, true
	}
	if rest, ok := strings.CutPrefix(name, secretPrefix); ok && keyName.MatchString(rest) {
		return maxSmall, true
	}
	rest, ok := strings.CutPrefix(name, plainPrefix)
	return maxSmall, ok && slices.Contains(plainFiles, rest)
}

// parseManifest reads a manifest strictly.
func parseManifest(text []byte) (*Manifest, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	m := new(Manifest)
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("%w: its manifest cannot be read: %w", ErrBroken, err)
	}
	if d.More() || m.Format != formatName || m.Records != "file" && m.Records != "database" || m.TakenAt.IsZero() || len(m.Files) > maxFiles {
		return nil, fmt.Errorf("%w: its manifest is not of the format %s", ErrBroken, formatName)
	}
	for _, list := range [][]File{m.Files, m.Keys} {
		seen := make(map[string]bool)
		for _, f := range list {
			sum, err := hex.DecodeString(f.SHA256)
			if err != nil || len(sum) != 32 || f.Bytes < 0 || seen[f.Name] {
				return nil, fmt.Errorf("%w: its manifest names %q wrongly", ErrBroken, f.Name)
			}
			seen[f.Name] = true
		}
	}
	for _, f := range m.Files {
		if _, ok := fileName(f.Name); !ok || f.Name == manifestFile {
			return nil, fmt.Errorf("%w: its manifest names %q", ErrBroken, f.Name)
		}
	}
	for _, f := range m.Keys {
		if !keyName.MatchString(f.Name) {
			return nil, fmt.Errorf("%w: its manifest names the key %q", ErrBroken, f.Name)
		}
	}
	if m.Ledger != nil && (m.Ledger.Key == "" || m.Ledger.Signed == "") {
		return nil, fmt.Errorf("%w: its manifest names no checkpoint", ErrBroken)
	}
	return m, nil
}
