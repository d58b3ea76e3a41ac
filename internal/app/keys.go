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

	"github.com/bailiwick-dev/bailiwick/internal/durable"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
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

// onlineKey reads the key that signs which of what officers signed is the newest, or makes it. It can sign nothing else; but devices have
// to hear of another one from the officers, so it is kept with the backups.
func onlineKey(file, name string) (*tufrepo.Key, error) {
	key, err := tufrepo.ReadKey(file, nil)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = tufrepo.NewKey(tufrepo.Ed25519, name, rand.Reader); err != nil {
		return nil, err
	}
	text, err := key.MarshalPlain()
	if err != nil {
		return nil, err
	}
	return key, durable.WriteFile(file, text, 0o600)
}

func newSecret(file string) (key [32]byte, err error) {
	if _, err := rand.Read(key[:]); err != nil {
		return key, err
	}
	return key, durable.WriteFile(file, []byte(hex.EncodeToString(key[:])+"\n"), 0o600)
}
