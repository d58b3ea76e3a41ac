package backup

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/bailiwick-dev/bailiwick/internal/durable"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

const (
	ledgerFolder = "ledger"
	ledgerKey    = "ledger/ledger.key"
	// elsewhere is the mark of a data folder whose records are in PostgreSQL.
	elsewhere    = "records-in-database"
	sandboxClock = "sandbox/clock-moved-on"
)

// Source is what to copy, and how.
type Source struct {
	Dir        string          // data folder
	Keys       string          // folder of the keys, where servers share them; keys in Dir when empty
	File       string          // to be written; must not be there
	Recipients []age.Recipient // who can read the backup; everybody who has the file when there are none
	WithKeys   bool            // the keys, too: only with recipients
	Program    string          // version of this program
	Now        func() time.Time
	Progress   func(what string, bytes int64) // hears of each file that was added; may be nil
}

// ErrKeysInClear refuses to write keys into a file that anybody can read who has it.
var ErrKeysInClear = errors.New("keys leave this machine only encrypted: name a recipient or a passphrase")

// Take writes a backup of a data folder, whose server may run, and returns its manifest. The file, mode 0600, appears whole or not at all.
func Take(ctx context.Context, s Source) (_ *Manifest, err error) {
	if s.WithKeys && len(s.Recipients) == 0 {
		return nil, ErrKeysInClear
	}
	if _, err := os.Lstat(s.File); err == nil {
		return nil, fmt.Errorf("%s is there already: name another file", s.File)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, markName)); err == nil {
		return nil, fmt.Errorf("%s was put back from a backup and has not been started since: nothing in it is newer", s.Dir)
	}
	// Exclusively: the folder may be one in which others can put a link, and another backup may be under way.
	f, err := os.OpenFile(s.File+".part", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s.part is there already: another backup is being written, or one was killed; then remove it", s.File)
	} else if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	var out io.Writer = f
	var sealed io.WriteCloser
	if len(s.Recipients) > 0 {
		if sealed, err = age.Encrypt(f, s.Recipients...); err != nil {
			return nil, err
		}
		out = sealed
	}
	t := &taking{Source: s, tar: tar.NewWriter(out)}
	if err := t.all(ctx); err != nil {
		return nil, err
	}
	if sealed != nil {
		if err := sealed.Close(); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := appear(f.Name(), s.File); err != nil {
		return nil, err
	}
	return &t.m, durable.SyncFolder(filepath.Dir(s.File))
}

// appear gives a file its name, unless another one has come to have it.
func appear(part, file string) error {
	switch err := os.Link(part, file); {
	case err == nil:
		return os.Remove(part)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s is there: it came while the backup was made, and stays as it is; name another file", file)
	}
	return os.Rename(part, file) // a file system without links
}

// taking is a backup under way.
type taking struct {
	Source
	tar *tar.Writer
	m   Manifest
}

func (t *taking) all(ctx context.Context) error {
	t.m = Manifest{Format: formatName, Program: t.Program, TakenAt: t.Now().UTC().Truncate(time.Second), Records: "file", Keys: []File{}, Files: []File{}, Inside: t.WithKeys}
	if err := t.write(formatFile, strings.NewReader(formatName+"\n"), int64(len(formatName)+1), nil); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{t.records, t.ledger, t.plain, t.keys} { // records before the ledger: see the package comment
		if err := step(ctx); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(t.m, "", " ")
	if err != nil {
		return err
	}
	if err := t.write(manifestFile, bytes.NewReader(text), int64(len(text)), nil); err != nil {
		return err
	}
	return t.tar.Close()
}

// records copies the records at one instant, by way of a file beside the backup.
func (t *taking) records(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(t.Dir, elsewhere)); err == nil {
		t.m.Records = "database"
		return nil
	}
	if _, err := os.Stat(filepath.Join(t.Dir, sqlite.FileName)); err != nil {
		return fmt.Errorf("%s is no data folder of a server: %w", t.Dir, err)
	}
	copied := t.File + ".records"
	if err := os.Remove(copied); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a backup that was cut short
		return err
	}
	defer os.Remove(copied)
	if err := sqlite.Snapshot(ctx, t.Dir, copied); err != nil {
		return err
	}
	f, err := os.Open(copied)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return t.write(recordsFile, f, info.Size(), &t.m.Files)
}

// ledger copies the public files for the newest checkpoint, and the verifier key.
func (t *taking) ledger(ctx context.Context) error {
	if t.m.Records == "database" {
		return nil // the ledger is there, too; what lies in the folder may be from before it was moved
	}
	source := ledger.Folder(filepath.Join(t.Dir, ledgerFolder))
	signed, err := source.ReadCheckpoint(ctx)
	if err != nil {
		return fmt.Errorf("the ledger has no checkpoint: %w", err)
	}
	key, err := source.ReadKey(ctx)
	if err != nil {
		return fmt.Errorf("the ledger's verifier key: %w", err)
	}
	origin, _, _ := strings.Cut(key, "+")
	verifier, err := proof.New(origin, key, nil, 0)
	if err != nil {
		return err
	}
	c, err := verifier.Checkpoint(signed)
	if err != nil {
		return fmt.Errorf("the ledger's checkpoint does not hold, see bailiwick ledger verify: %w", err)
	}
	put := func(path string, data []byte) error {
		return t.write(publicPrefix+path, bytes.NewReader(data), int64(len(data)), &t.m.Files)
	}
	if err := errors.Join(put(checkpoint, signed), put("key", []byte(key+"\n"))); err != nil {
		return err
	}
	if err := ledger.CopyPublic(ctx, source, c.Size, put); err != nil {
		return err
	}
	t.m.Ledger = &Ledger{Origin: origin, Key: key, Entries: c.Size, Signed: string(signed)}
	return nil
}

// plain copies what else there is.
func (t *taking) plain(context.Context) error {
	for _, name := range plainFiles {
		text, err := os.ReadFile(filepath.Join(t.Dir, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		if err := t.write(plainPrefix+name, bytes.NewReader(text), int64(len(text)), &t.m.Files); err != nil {
			return err
		}
	}
	return nil
}

// keys notes the sums of all keys, and copies them when that was asked for.
func (t *taking) keys(context.Context) error {
	found, err := keysIn(t.Dir, t.Keys)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		text, err := os.ReadFile(found[name])
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		t.m.Keys = append(t.m.Keys, File{Name: name, Bytes: int64(len(text)), SHA256: hex.EncodeToString(sum[:])})
		if !t.WithKeys {
			continue
		}
		if err := t.write(secretPrefix+name, bytes.NewReader(text), int64(len(text)), &t.m.Files); err != nil {
			return err
		}
	}
	return nil
}

// keysIn lists the files that hold secrets: where each is, by its name in a data folder. shared is where the keys are, if not in dir.
func keysIn(dir, shared string) (map[string]string, error) {
	found := make(map[string]string)
	for folder, at := range map[string]string{"keys": cmp.Or(shared, filepath.Join(dir, "keys")), ledgerFolder: filepath.Join(dir, ledgerFolder),
		"sandbox": filepath.Join(dir, "sandbox"), "sandbox/officers": filepath.Join(dir, "sandbox", "officers")} {
		entries, err := os.ReadDir(at)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			name := folder + "/" + e.Name()
			switch {
			case !e.Type().IsRegular() || !keyName.MatchString(name) || strings.HasSuffix(name, ".new"):
			case name == sandboxClock || folder == ledgerFolder && name != ledgerKey:
			default:
				found[name] = filepath.Join(at, e.Name())
			}
		}
	}
	return found, nil
}

// write adds a file, and notes it in list with its sum.
func (t *taking) write(name string, r io.Reader, size int64, list *[]File) error {
	if most, ok := fileName(name); name != formatFile && (!ok || size > most) {
		return fmt.Errorf("%s has %d bytes, and a backup with it could not be put back (%d at most): take it out of the data folder", name, size, most)
	}
	header := &tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: t.m.TakenAt, Format: tar.FormatPAX}
	if err := t.tar.WriteHeader(header); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(t.tar, sum), io.LimitReader(r, size)); err != nil {
		return err
	}
	if list != nil {
		*list = append(*list, File{Name: name, Bytes: size, SHA256: hex.EncodeToString(sum.Sum(nil))})
	}
	if t.Progress != nil {
		t.Progress(name, size)
	}
	return nil
}
