package tuf

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Listing is the files that an applied update lists. It does not change, and may be used from many goroutines.
type Listing struct {
	roles map[string]listed
}

// listed is what one role lists.
type listed struct {
	targets  map[string]target
	patterns []string // what the delegation allows
	prefixes []string // what this package allows
	expired  error    // ErrExpired, where the role had expired when the update was applied
}

// Verify checks that data are the bytes that officers signed for a path in a role, Policy or Warrant, whose metadata had
// not expired when the update was applied. The path must lie where both the delegation and this package let the role
// list files. It fails with ErrNotListed, ErrDiffers or ErrExpired.
func (l *Listing) Verify(role, path string, data []byte) error {
	r := l.roles[role]
	t, ok := r.targets[path]
	switch sum := sha256.Sum256(data); {
	case !ok || !r.allows(path):
		return fmt.Errorf("%w: %.80q in %q", ErrNotListed, path, role)
	case r.expired != nil:
		return r.expired
	case t.length != int64(len(data)):
		return fmt.Errorf("%w: %s has %d bytes, %d are listed", ErrDiffers, path, len(data), t.length)
	case !bytes.Equal(t.hash, sum[:]):
		return fmt.Errorf("%w: %s has SHA-256 %x, %x is listed", ErrDiffers, path, sum, t.hash)
	}
	return nil
}

func (r listed) allows(name string) bool {
	return slices.ContainsFunc(r.prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) &&
		slices.ContainsFunc(r.patterns, func(p string) bool {
			ok, err := path.Match(p, name)
			return ok && err == nil
		})
}
