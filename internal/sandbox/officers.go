package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
)

// Officers are three officers whose keys the sandbox holds, so that policies and warrants can be tried out on one machine. Their
// signatures verify like any others and bind nobody: who holds the server holds them, and Charter C7 needs people. A server with
// real phones must not have them.
type Officers struct{ keys []*tufrepo.Key }

// names of the officers: nobody takes them for people.
var names = [...]string{"Sandbox officer 1", "Sandbox officer 2", "Sandbox officer 3"}

// OpenOfficers reads the officers' keys in dir, or makes them there; the files are readable by their owner alone.
func OpenOfficers(dir string) (*Officers, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	o := &Officers{}
	for i, name := range names {
		file := filepath.Join(dir, fmt.Sprintf("officer-%d.key", i+1))
		key, err := tufrepo.ReadKey(file, nil)
		if errors.Is(err, fs.ErrNotExist) {
			key, err = newKey(name, file)
		}
		if err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
		o.keys = append(o.keys, key)
	}
	return o, nil
}

func newKey(name, file string) (*tufrepo.Key, error) {
	key, err := tufrepo.NewKey(tufrepo.Ed25519, name, rand.Reader)
	if err != nil {
		return nil, err
	}
	data, err := key.MarshalPlain()
	if err != nil {
		return nil, err
	}
	part := file + ".new" // a kill in between leaves no half key under the name
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := tufrepo.WriteKey(part, data); err != nil {
		return nil, err
	}
	return key, os.Rename(part, file)
}

// Officers returns the public keys of all three.
func (o *Officers) Officers() []tufrepo.PublicKey {
	keys := make([]tufrepo.PublicKey, len(o.keys))
	for i, k := range o.keys {
		keys[i] = k.Public()
	}
	return keys
}

// Sign signs as two different officers: the first two, and for a warrant the last two.
func (o *Officers) Sign(p *tufrepo.Proposal) error {
	two := o.keys[:2]
	if p.Subject() == tufrepo.Warrant {
		two = o.keys[1:]
	}
	for _, k := range two {
		if err := p.Sign(k); err != nil {
			return err
		}
	}
	return nil
}
