package ledger

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/note"

	"github.com/bailiwick-dev/bailiwick/internal/durable"
)

const (
	lockName = "ledger.lock"
	keyName  = "ledger.key"

	publicKeyName = "key" // below log/, and of the URL
)

// lockFolder takes the folder's lock, which the system frees when the process ends, however it ends.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	held, err := lockHeld(f)
	if held {
		err = fmt.Errorf("%w (%s)", ErrInUse, dir)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// lockHeld takes the lock, or reports that another process has it.
func lockHeld(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	} else if err != nil {
		return false, fmt.Errorf("ledger: locking %s: %w", f.Name(), err)
	}
	return false, nil
}

// loadKey returns the signer and its verifier key. It makes a key at the first start only: a ledger that has a
// checkpoint and no key has lost it, and a new one would cut its history in two.
func loadKey(dir, root, origin string) (note.Signer, string, error) {
	path := filepath.Join(dir, keyName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(root, layout.CheckpointPath)); err == nil {
			return nil, "", fmt.Errorf("%w: %s is missing, but the ledger has a checkpoint; restore the key from a backup", ErrKey, path)
		}
		if text, err = makeKey(dir, origin); err != nil {
			return nil, "", err
		}
	} else if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrKey, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		return nil, "", fmt.Errorf("%w: others may read %s; run chmod 600 on it", ErrKey, path)
	}
	secret, public, found := strings.Cut(strings.TrimSpace(string(text)), "\n")
	signer, err := note.NewSigner(secret)
	if err != nil || !found {
		return nil, "", fmt.Errorf("%w: %s does not hold a signing key and its verifier key; restore it from a backup", ErrKey, path)
	}
	if origin != "" && signer.Name() != origin {
		return nil, "", fmt.Errorf("%w: %q, not %q", ErrOrigin, signer.Name(), origin)
	}
	return signer, public, nil
}

// makeKey writes a new key, the secret line and the public line, whole or not at all.
func makeKey(dir, origin string) ([]byte, error) {
	if origin == "" {
		return nil, fmt.Errorf("%w: a new ledger needs an origin", ErrOrigin)
	}
	secret, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, fmt.Errorf("%w: origin %q: %w", ErrOrigin, origin, err)
	}
	text := []byte(secret + "\n" + public + "\n")
	if err := durable.WriteFile(filepath.Join(dir, keyName), text, 0o600); err != nil {
		return nil, fmt.Errorf("ledger: writing the key: %w", err)
	}
	return text, nil
}

// writePublicKey puts the verifier key beside the tiles, so that a copy of the public files carries it. Whoever takes it
// from there trusts the copy: it is for noting at first, and for comparing.
func writePublicKey(root, logKey string) error {
	if err := os.MkdirAll(root, 0o750); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	file := filepath.Join(root, publicKeyName)
	text := []byte(logKey + "\n")
	if there, err := os.ReadFile(file); err == nil && bytes.Equal(there, text) {
		return nil
	}
	if err := os.WriteFile(file+".new", text, 0o644); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// PublicKey reads the verifier key of the ledger in dir, whoever has it open.
func PublicKey(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "log", publicKeyName))
	if err != nil {
		return "", fmt.Errorf("ledger: no ledger that was ever opened: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if _, err := note.NewVerifier(key); err != nil {
		return "", fmt.Errorf("%w: %s does not hold a verifier key: %w", ErrKey, filepath.Join(dir, "log", publicKeyName), err)
	}
	return key, nil
}
