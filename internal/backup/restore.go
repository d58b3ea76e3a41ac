package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/bailiwick-dev/bailiwick/internal/durable"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
)

// copyFolder is where a folder that was put back keeps the ledger of the backup until it has caught up.
const copyFolder = "ledger-of-the-backup"

// Target is where to put a backup back.
type Target struct {
	File       string
	Dir        string         // must not be there, or be empty
	Identities []age.Identity // that open the backup, when it is encrypted
	Now        func() time.Time
	Progress   func(what string, bytes int64) // hears of each file that was read; may be nil
}

// Restore puts a backup back into a new folder, which appears whole or not at all, and verifies it: every sum, the records by SQLite's
// integrity check, the ledger entry by entry. The folder is marked; see [Admit] and [CatchUp].
func Restore(ctx context.Context, t Target) (_ *Manifest, err error) {
	dir, err := filepath.Abs(t.Dir)
	if err != nil {
		return nil, err
	}
	if err := empty(dir); err != nil {
		return nil, err
	}
	stage, err := os.MkdirTemp(filepath.Dir(dir), ".restoring-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }() // nothing is left of it when all went well
	f, err := os.Open(t.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in, err := opened(f, t.Identities)
	if err != nil {
		return nil, err
	}
	r := &restoring{Target: t, stage: stage, found: make(map[string]File)}
	if err := r.unpack(ctx, in); err != nil {
		return nil, err
	}
	if err := r.verify(ctx); err != nil {
		return nil, err
	}
	if err := r.settle(); err != nil {
		return nil, err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // an empty one
		return nil, err
	}
	if err := os.Rename(stage, dir); err != nil {
		return nil, err
	}
	return r.m, durable.SyncFolder(filepath.Dir(dir))
}

// empty fails when there is anything at dir that could be overwritten.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: a backup is put back into a new folder only", dir)
	}
	return nil
}

// opened is the archive inside a file, decrypted if need be.
func opened(f *os.File, identities []age.Identity) (io.Reader, error) {
	head := make([]byte, 16)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("%w: %s: %w", ErrBroken, f.Name(), err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(head[:n], []byte("age-encryption.")) {
		return f, nil
	}
	if len(identities) == 0 {
		return nil, fmt.Errorf("%s is encrypted: give the identity or the passphrase that opens it", f.Name())
	}
	in, err := age.Decrypt(f, identities...)
	if mismatch := new(age.NoIdentityMatchError); errors.As(err, &mismatch) {
		return nil, fmt.Errorf("%s was not encrypted for that identity or passphrase", f.Name())
	} else if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBroken, f.Name(), err)
	}
	return in, nil
}

// restoring is a restore under way.
type restoring struct {
	Target
	stage string
	found map[string]File
	m     *Manifest
}

// unpack writes the files of the archive below the stage, and keeps their sums.
func (r *restoring) unpack(ctx context.Context, in io.Reader) error {
	archive := tar.NewReader(in)
	header, err := archive.Next()
	if err != nil || header.Name != formatFile || header.Size != int64(len(formatName)+1) {
		return fmt.Errorf("%w: %s is none of this program's", ErrBroken, r.File)
	}
	if text, err := io.ReadAll(archive); err != nil || string(text) != formatName+"\n" {
		return fmt.Errorf("%w: it is not of the format %s; use the release that made it, or a newer one", ErrBroken, formatName)
	}
	for r.m == nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		header, err := archive.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: it is cut short: its manifest is missing", ErrBroken)
		} else if err != nil {
			return fmt.Errorf("%w: %w", ErrBroken, err)
		}
		most, ok := fileName(header.Name)
		_, twice := r.found[header.Name]
		if !ok || twice || header.Typeflag != tar.TypeReg || sparse(header) || header.Size > most || len(r.found) > maxFiles {
			return fmt.Errorf("%w: it holds %q, which has no place in it", ErrBroken, header.Name)
		}
		if header.Name == manifestFile {
			text, err := io.ReadAll(archive)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrBroken, err)
			}
			if r.m, err = parseManifest(text); err != nil {
				return err
			}
			break
		}
		if err := r.put(header, archive); err != nil {
			return err
		}
	}
	if _, err := archive.Next(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows its manifest", ErrBroken)
	}
	return nil
}

// sparse reports whether a header says more than a size: of a file with holes a few bytes make terabytes.
func sparse(h *tar.Header) bool {
	for record := range h.PAXRecords {
		if record != "size" { // of more than 8 GiB
			return true
		}
	}
	return false
}

// put writes one file where it belongs in the folder.
func (r *restoring) put(header *tar.Header, in io.Reader) error {
	path := filepath.Join(r.stage, filepath.FromSlash(r.place(header.Name)))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), in)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: it is cut short: %w", ErrBroken, err)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	r.found[header.Name] = File{Name: header.Name, Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))}
	if r.Progress != nil {
		r.Progress(header.Name, n)
	}
	return nil
}

// place is where a file of the archive stands in the folder.
func (r *restoring) place(name string) string {
	for prefix, folder := range map[string]string{secretPrefix: "", plainPrefix: "", publicPrefix: copyFolder + "/"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return folder + rest
		}
	}
	return sqlite.FileName // the only one that is left: recordsFile
}

// verify holds what was unpacked against the manifest, and the records and the ledger against themselves.
func (r *restoring) verify(ctx context.Context) error {
	if len(r.m.Files) != len(r.found) {
		return fmt.Errorf("%w: it holds %d files, and its manifest names %d", ErrBroken, len(r.found), len(r.m.Files))
	}
	for _, want := range r.m.Files {
		if got, there := r.found[want.Name]; !there {
			return fmt.Errorf("%w: %s is missing", ErrBroken, want.Name)
		} else if got != want {
			return fmt.Errorf("%w: %s is not what was written into it (SHA-256)", ErrBroken, want.Name)
		}
	}
	if _, there := r.found[recordsFile]; there != (r.m.Records == "file") {
		return fmt.Errorf("%w: its manifest says that the records are in a %s", ErrBroken, r.m.Records)
	} else if there {
		x, err := sqlite.Examine(ctx, filepath.Join(r.stage, sqlite.FileName), false)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBroken, err)
		}
		if len(x.Faults) > 0 {
			return fmt.Errorf("%w: its records are damaged, and were so when it was made: %s", ErrBroken, strings.Join(x.Faults, "; "))
		}
		if x.Schema > x.Known {
			return fmt.Errorf("%w: its records have schema %d, this program knows %d; use a newer release", ErrBroken, x.Schema, x.Known)
		}
	}
	if r.m.Ledger == nil {
		return nil
	}
	_, err := ledger.Contains(ctx, ledger.Copied(filepath.Join(r.stage, copyFolder)), r.m.Ledger.Key, [][]byte{[]byte(r.m.Ledger.Signed)})
	if err != nil {
		return fmt.Errorf("%w: its ledger: %w", ErrBroken, err)
	}
	return nil
}

// settle marks the folder, and makes it durable.
func (r *restoring) settle() error {
	m := &mark{RestoredAt: r.Now().UTC().Truncate(time.Second), TakenAt: r.m.TakenAt, Records: r.m.Records, Ledger: r.m.Ledger, Keys: r.m.Keys,
		CaughtUp: r.m.Ledger == nil}
	if r.m.Ledger != nil {
		if err := ledger.MarkBehind(filepath.Join(r.stage, ledgerFolder)); err != nil {
			return err
		}
	}
	if err := m.write(r.stage); err != nil {
		return err
	}
	return durable.SyncTree(r.stage)
}
