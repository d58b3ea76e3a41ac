// Package tuftest writes TUF repositories for the tests of packages that take officers' metadata: officers with keys of
// their own, a server's key, policies and warrants, rotations of the root, and metadata that are wrong in one named way.
//
//	repository := tuftest.New(tuftest.Options{Seed: "mine", Now: now})
//	repository.Add(tuf.Policy, tuf.PolicyPath(hash), extract)
//	repository.Publish(now)
//	trusted, err := tuf.Open(repository.Root(1))
//	next, listing, err := trusted.Apply(repository.Update(1), now)
//
// Everything is a function of the options and of what was done since, signatures too. A Repository is not for use from
// several goroutines. It is no tool for officers: its keys are derived from a word.
package tuftest

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Options say what a repository begins with.
type Options struct {
	Seed      string    // repositories of different seeds have no key in common
	Now       time.Time // of the founding
	Officers  int       // how many; 0 means 3
	Threshold int       // how many of them must sign; 0 means 2
	ECDSA     bool      // every second officer, from the first, and the server have ECDSA keys; the others have Ed25519
}

const day = 24 * time.Hour

// term is for how long a role's metadata are signed.
func term(role string) time.Duration {
	return map[string]time.Duration{
		tuf.Root: 5 * 365 * day, tuf.Targets: 5 * 365 * day, tuf.Policy: 400 * day, tuf.Warrant: 100 * day, tuf.Snapshot: 30 * day, tuf.Timestamp: 7 * day,
	}[role]
}

// Repository is a repository with all that is needed to write its next versions.
type Repository struct {
	options  Options
	made     int // keys so far
	officers []*key
	online   *key
	now      time.Time
	version  map[string]uint64
	files    map[string]map[string][]byte // by role and path
	roots    [][]byte
	signed   map[string][]byte                  // the latest metadata files of the other roles
	edits    map[string][]func(map[string]any)  // what Break does to a role before it is signed
	signers  map[string]func([]signer) []signer // what Break does to a role's signers
	padding  map[string]int                     // what Break adds to a file
}

// New founds a repository: root 1, targets 1, and policy 1 and warrant 1 that list nothing.
func New(o Options) *Repository {
	if o.Officers == 0 {
		o.Officers = 3
	}
	if o.Threshold == 0 {
		o.Threshold = 2
	}
	r := &Repository{
		options: o, now: o.Now, version: map[string]uint64{},
		files: map[string]map[string][]byte{tuf.Policy: {}, tuf.Warrant: {}}, signed: map[string][]byte{},
		edits: map[string][]func(map[string]any){},
	}
	for range o.Officers {
		r.officers = append(r.officers, r.newKey(""))
	}
	r.online = r.newKey("server")
	r.writeRoot(r.officers)
	r.write(tuf.Targets, tuf.Policy, tuf.Warrant, tuf.Snapshot, tuf.Timestamp)
	return r
}

// Clone returns a copy that goes its own way.
func (r *Repository) Clone() *Repository {
	c := *r
	c.officers, c.roots = slices.Clone(r.officers), slices.Clone(r.roots)
	c.version, c.signed, c.edits = maps.Clone(r.version), maps.Clone(r.signed), maps.Clone(r.edits)
	c.files = map[string]map[string][]byte{}
	for role, files := range r.files {
		c.files[role] = maps.Clone(files)
	}
	return &c
}

// Add lists a file in a role, tuf.Policy or tuf.Warrant, from the next Publish on.
func (r *Repository) Add(role, path string, data []byte) { r.files[role][path] = slices.Clone(data) }

// Drop takes a file from a role, from the next Publish on.
func (r *Repository) Drop(role, path string) { delete(r.files[role], path) }

// Publish signs the next version of policy, warrant, snapshot and timestamp.
func (r *Repository) Publish(now time.Time) {
	r.now = now
	r.write(tuf.Policy, tuf.Warrant, tuf.Snapshot, tuf.Timestamp)
}

// Refresh signs the next version of snapshot and timestamp, as the server does alone.
func (r *Repository) Refresh(now time.Time) {
	r.now = now
	r.write(tuf.Snapshot, tuf.Timestamp)
}

// Resign signs the next version of one role and of what describes it, with everything else as it was.
func (r *Repository) Resign(now time.Time, role string) {
	r.now = now
	r.rewrite(role)
}

// Rotation says what the next root changes.
type Rotation struct {
	Add       int  // how many new officers
	Remove    int  // how many of the present ones go, the longest serving first
	Online    bool // the server gets a new key
	Threshold int  // 0: as before
}

// Rotate writes the next root, signed by those who were officers and those who are, and signs everything anew.
func (r *Repository) Rotate(now time.Time, c Rotation) {
	before := r.change(now, c)
	r.writeRoot(union(before, r.officers))
	r.write(tuf.Targets, tuf.Policy, tuf.Warrant, tuf.Snapshot, tuf.Timestamp)
}

// change makes a rotation's changes and returns who were officers before it.
func (r *Repository) change(now time.Time, c Rotation) (before []*key) {
	r.now, before = now, r.officers
	r.officers = slices.Clone(r.officers[c.Remove:])
	for range c.Add {
		r.officers = append(r.officers, r.newKey(""))
	}
	if c.Online {
		r.online = r.newKey("server")
	}
	if c.Threshold != 0 {
		r.options.Threshold = c.Threshold
	}
	return before
}

func union(a, b []*key) []*key {
	all := slices.Clone(a)
	for _, k := range b {
		if !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	return all
}

// Root returns the root of a version, from 1 to the latest.
func (r *Repository) Root(version uint64) []byte { return r.roots[version-1] }

// Update returns what a device needs that trusts the root of this version; 0 stands for none.
func (r *Repository) Update(trusted uint64) tuf.Update {
	return tuf.Update{
		Roots: slices.Clone(r.roots[trusted:]), Timestamp: r.signed[tuf.Timestamp], Snapshot: r.signed[tuf.Snapshot],
		Targets: r.signed[tuf.Targets], Policy: r.signed[tuf.Policy], Warrant: r.signed[tuf.Warrant],
	}
}

// Versions returns the latest versions.
func (r *Repository) Versions() tuf.Versions {
	return tuf.Versions{
		Root: r.version[tuf.Root], Timestamp: r.version[tuf.Timestamp], Snapshot: r.version[tuf.Snapshot],
		Targets: r.version[tuf.Targets], Policy: r.version[tuf.Policy], Warrant: r.version[tuf.Warrant],
	}
}

// newKey makes the next key; a name is given to officers in their sequence.
func (r *Repository) newKey(name string) *key {
	r.made++
	if name == "" {
		name = "officer " + strconv.Itoa(r.made)
	}
	seed := sha256.Sum256([]byte(r.options.Seed + "\x00" + strconv.Itoa(r.made)))
	return makeKey(seed, name, r.options.ECDSA && (name == "server" || r.made%2 == 1))
}

func hash(data []byte) map[string]any {
	sum := sha256.Sum256(data)
	return map[string]any{"sha256": hex.EncodeToString(sum[:])}
}
