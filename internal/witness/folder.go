package witness

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	cosignature "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

const (
	lockName = "witness.lock"
	keyName  = "witness.key"
)

// emptyRoot is the root of a ledger without entries (RFC 6962, section 2.1).
var emptyRoot = sha256.Sum256(nil)

// lockFolder takes the folder's lock, which the system frees when the process ends, however it ends.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w (%s)", ErrInUse, dir)
		}
		return nil, fmt.Errorf("witness: locking %s: %w", dir, err)
	}
	return f, nil
}

// loadKey reads the signing key. It makes one at the first start only: a witness that has cosigned and lost its key must
// not go on as if it were the same.
func (w *Witness) loadKey(name string) error {
	file := filepath.Join(w.dir, keyName)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if states, _ := filepath.Glob(filepath.Join(w.dir, "*.checkpoint")); len(states) > 0 {
			return fmt.Errorf("%w: %s is missing, but there is state: restore it from a backup, or begin anew in an empty folder", ErrKey, file)
		}
		if text, err = makeKey(w.dir, name); err != nil {
			return err
		}
	} else if err != nil {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%w: others may read %s; run chmod 600 on it", ErrKey, file)
	}
	if err := w.parseKey(text); err != nil {
		return fmt.Errorf("%w: %s: %w; restore it from a backup", ErrKey, file, err)
	}
	if name != "" && name != w.name {
		return fmt.Errorf("%w: this folder's witness is %q, not %q; a name is for life", ErrKey, w.name, name)
	}
	return nil
}

// parseKey reads the lines of a key file: the signer key as note.GenerateKey writes it, and the verifier key.
func (w *Witness) parseKey(text []byte) error {
	secret, vkey, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	fields := strings.SplitN(secret, "+", 5) // PRIVATE+KEY+name+hash+key
	if _, err := note.NewSigner(secret); err != nil || len(fields) != 5 {
		return errors.New("it does not hold a signing key")
	}
	raw, err := base64.StdEncoding.DecodeString(fields[4])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return errors.New("the signing key is no Ed25519 key")
	}
	w.secret, w.name = ed25519.NewKeyFromSeed(raw[1:]), fields[2]
	plain, err := note.NewEd25519VerifierKey(w.name, w.secret.Public().(ed25519.PublicKey))
	if err != nil {
		return err
	}
	if w.vkey, err = cosignature.VKeyToCosignatureV1(plain); err != nil {
		return err
	}
	if vkey != w.vkey {
		return errors.New("the verifier key is not that of the signing key")
	}
	hash, err := strconv.ParseUint(strings.SplitN(w.vkey, "+", 3)[1], 16, 32)
	w.hash = uint32(hash)
	return err
}

// makeKey writes a new key, the secret line and the public line, whole or not at all.
func makeKey(dir, name string) ([]byte, error) {
	if name == "" {
		return nil, fmt.Errorf("%w: a new witness needs a name", ErrKey)
	}
	secret, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, fmt.Errorf("%w: name %q: %w", ErrKey, name, err)
	}
	vkey, err := cosignature.VKeyToCosignatureV1(public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	text := []byte(secret + "\n" + vkey + "\n")
	return text, writeFile(filepath.Join(dir, keyName), text)
}

// writeFile replaces a file by one with this text, durably, whole or not at all.
func writeFile(file string, text []byte) error {
	f, err := os.OpenFile(file+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("witness: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("witness: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("witness: %w", err)
	}
	d, err := os.Open(filepath.Dir(file))
	if err != nil {
		return fmt.Errorf("witness: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

func stateFile(dir, origin string) string {
	id := sha256.Sum256([]byte(origin))
	return filepath.Join(dir, hex.EncodeToString(id[:])+".checkpoint")
}

// load reads what was cosigned last. A state that is there and cannot be read stops the witness: to forget is to sign forks.
func (l *witnessed) load() error {
	signed, err := os.ReadFile(l.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	c, err := l.verifier.Checkpoint(signed)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrState, l.file, err)
	}
	l.latest, l.signed = c, signed
	return nil
}

// save makes c the latest checkpoint. When the disk failed in the middle, either may be there after a restart, and both
// are true: memory stays behind, so the same step is asked for again.
func (l *witnessed) save(c proof.Checkpoint, signed []byte) error {
	if err := writeFile(l.file, signed); err != nil {
		return err
	}
	l.latest, l.signed = c, bytes.Clone(signed)
	return nil
}

// keepFork keeps the proof that a ledger signed two roots of one size: both checkpoints, once.
func (w *Witness) keepFork(l *witnessed, origin string, c proof.Checkpoint, signed []byte) {
	if l.signed == nil || c.Size != l.latest.Size || c.Root == l.latest.Root {
		return // a bad consistency proof may be anybody's, and proves nothing
	}
	file := strings.TrimSuffix(l.file, ".checkpoint") + ".fork"
	w.logger.Error("the ledger signed two roots of one size", "origin", origin, "size", c.Size, "kept", file)
	if _, err := os.Stat(file); err == nil {
		return
	}
	if err := writeFile(file, bytes.Join([][]byte{l.signed, signed}, []byte("\n"))); err != nil {
		w.logger.Error("the proof of the fork could not be kept", "error", err)
	}
}
