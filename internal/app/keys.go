package app

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// secret reads a 32-byte key from a file in the data folder, or makes one: hexadecimal, readable by its owner alone.
func secret(dir, name string) (key [32]byte, err error) {
	file := filepath.Join(dir, name)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return newSecret(file)
	} else if err != nil {
		return key, err
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != len(key) {
		return key, fmt.Errorf("%s does not hold 64 hexadecimal digits: restore it from your backup; it cannot be made again", file)
	}
	return [32]byte(raw), nil
}

func newSecret(file string) (key [32]byte, err error) {
	if _, err := rand.Read(key[:]); err != nil {
		return key, err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return key, err
	}
	_, err = fmt.Fprintln(f, hex.EncodeToString(key[:]))
	return key, errors.Join(err, f.Sync(), f.Close(), syncFolder(filepath.Dir(file)))
}

// syncFolder makes a new file's name durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
