package tufrepo

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// watcher is a device that has followed the repository since some version.
type watcher struct {
	trusted *tuf.Trusted
	seen    tuf.Versions
}

// history is a repository that lives through a random sequence of changes, with its officers, and devices that follow it.
type history struct {
	pool       []*Key // people who are or may become officers
	servers    []*Key
	officers   []*Key
	online     *Key
	repository *Repository
	past       []*Repository
	contents   map[string][]byte // of all files that were ever listed
	open       *Proposal         // made at some time and not accepted yet
	openFrom   *Repository
	now        time.Time
	devices    []*watcher
	files      int
}

// keyPool is made once: making and parsing keys is not what is tested.
func keyPool(t testing.TB) (people, servers []*Key) {
	for i := range 6 {
		people = append(people, newTestKey(t, []Kind{Ed25519, ES256}[i%2], fmt.Sprintf("Officer %d", i)))
	}
	return people, []*Key{newTestKey(t, Ed25519, "server one"), newTestKey(t, ES256, "server two")}
}

// TestHistories lets officers found, propose, sign, publish, come and go in random sequences. After every step the repository must hold for
// go-tuf and for every device that follows it, from wherever, and whatever the rules refuse must be refused.
func TestHistories(t *testing.T) {
	people, servers := keyPool(t)
	rapid.Check(t, func(t *rapid.T) {
		h := &history{pool: people, servers: servers, online: servers[0], now: founded, contents: map[string][]byte{}}
		h.found(t)
		t.Repeat(map[string]func(*rapid.T){
			"":         h.holds,
			"policy":   func(t *rapid.T) { h.list(t, Policy) },
			"warrant":  func(t *rapid.T) { h.list(t, Warrant) },
			"officers": h.change,
			"later":    h.later,
			"refresh":  h.refresh,
			"keep":     h.keep,
			"publish":  h.publishKept,
			"device":   func(t *rapid.T) { h.device(t, true) },
			"rollback": h.rollback,
		})
	})
}

func (h *history) found(t *rapid.T) {
	h.officers = slices.Clone(h.pool[:rapid.IntRange(2, 4).Draw(t, "officers")])
	var public []PublicKey
	for _, k := range h.officers {
		public = append(public, k.Public())
	}
	threshold := rapid.IntRange(2, len(public)).Draw(t, "threshold")
	p, err := Found(FoundingTerms{public, threshold, h.online.Public(), h.now})
	if err != nil {
		t.Fatal(err)
	}
	h.accept(t, p, h.officers[:threshold])
	h.device(t, false)
}

// accept has just these sign, each but the last shown to be too few, and takes the outcome.
func (h *history) accept(t *rapid.T, p *Proposal, signers []*Key) {
	for _, k := range signers {
		if _, err := h.repository.Accept(p, h.online, h.now); !errors.Is(err, ErrSignatures) {
			t.Fatalf("before %s has signed: %v", k.Public().Name(), err)
		}
		h.sign(t, p, k)
	}
	next, err := h.repository.Accept(p, h.online, h.now)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Files() {
		h.contents[f.Path] = f.Data
	}
	h.past = append(h.past, h.repository)
	h.repository = next
}

func (h *history) sign(t *rapid.T, p *Proposal, k *Key) {
	if err := p.Sign(k); err != nil {
		t.Fatal(err)
	}
	if err := p.Sign(k); !errors.Is(err, ErrSigned) {
		t.Fatalf("%s signed twice: %v", k.Public().Name(), err)
	}
}

func (h *history) enough(t *rapid.T) []*Key {
	threshold, err := h.repository.Threshold(tuf.Root)
	if err != nil {
		t.Fatal(err)
	}
	return rapid.Permutation(h.officers).Draw(t, "signers")[:threshold]
}

func (h *history) propose(t *rapid.T, subject Subject) *Proposal {
	var add []File
	for range rapid.IntRange(0, 3).Draw(t, "files") {
		h.files++
		add = append(add, File{fmt.Sprintf("%s/%d.cbor", subject, h.files), fmt.Appendf(nil, "file %d", h.files)})
	}
	remains := rapid.IntRange(0, 3).Draw(t, "of four remain")
	keep := func(path string) bool { return len(path)%4 <= remains }
	make := h.repository.ProposePolicy
	if subject == Warrant {
		make = h.repository.ProposeWarrant
	}
	p, err := make(add, keep, h.now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (h *history) list(t *rapid.T, subject Subject) { h.accept(t, h.propose(t, subject), h.enough(t)) }

// change adds, removes, or does neither, and may change threshold and online key with it.
func (h *history) change(t *rapid.T) {
	before, c := slices.Clone(h.officers), Changes{Now: h.now}
	absent := slices.DeleteFunc(slices.Clone(h.pool), func(k *Key) bool { return slices.Contains(h.officers, k) })
	if len(absent) > 0 && rapid.Bool().Draw(t, "add") {
		c.Add = []PublicKey{absent[0].Public()}
		h.officers = append(slices.Clone(h.officers), absent[0])
	}
	if len(h.officers) > 2 && rapid.Bool().Draw(t, "remove") {
		c.Remove = []PublicKey{h.officers[0].Public()}
		h.officers = h.officers[1:]
	}
	if len(c.Remove) > 0 && slices.ContainsFunc(c.Add, c.Remove[0].Same) {
		c.Add, c.Remove = nil, nil // came and went
	}
	c.Threshold = rapid.IntRange(2, len(h.officers)).Draw(t, "threshold")
	was, err := h.repository.Threshold(tuf.Root)
	if err != nil {
		t.Fatal(err)
	}
	h.online = rapid.SampledFrom(h.servers).Draw(t, "online")
	c.Online = h.online.Public()
	p, err := h.repository.ProposeOfficers(c)
	if err != nil {
		t.Fatal(err)
	}
	signers := slices.Concat(before[:was], h.officers[:c.Threshold])
	for i, k := range signers {
		if !slices.Contains(signers[:i], k) {
			h.sign(t, p, k)
		}
	}
	h.accept(t, p, nil)
}

func (h *history) later(t *rapid.T) {
	h.now = h.now.Add(time.Duration(rapid.IntRange(1, 50).Draw(t, "days")) * day)
}

func (h *history) refresh(t *rapid.T) {
	next, changed := refreshed(t, h.repository, h.online, h.now)
	if changed {
		h.past = append(h.past, h.repository)
	}
	h.repository = next
}

// keep makes a proposal, has it signed, and publishes it at some later time, when it may be stale.
func (h *history) keep(t *rapid.T) {
	h.open, h.openFrom = h.propose(t, rapid.SampledFrom([]Subject{Policy, Warrant}).Draw(t, "subject")), h.repository
	for _, k := range h.enough(t) {
		h.sign(t, h.open, k)
	}
}

func (h *history) publishKept(t *rapid.T) {
	if h.open == nil {
		return
	}
	stale := !slices.EqualFunc(h.repository.Roots, h.openFrom.Roots, bytes.Equal) ||
		h.open.Subject() == Policy && !bytes.Equal(h.repository.Policy, h.openFrom.Policy) ||
		h.open.Subject() == Warrant && !bytes.Equal(h.repository.Warrant, h.openFrom.Warrant)
	end := h.open.Created().Add(lifetimes[string(h.open.Subject())])
	_, err := h.repository.Accept(h.open, h.online, h.now)
	switch {
	case stale && !errors.Is(err, ErrStale):
		t.Fatalf("a stale proposal: %v", err)
	case !stale && h.now.After(end) && !errors.Is(err, ErrExpired):
		t.Fatalf("a proposal that has expired: %v", err)
	case !stale && h.now.Before(end):
		h.accept(t, h.open, nil)
	}
	h.open = nil
}

// device begins to follow, from the first root or, when it may, from any.
func (h *history) device(t *rapid.T, any bool) {
	at := 0
	if any {
		at = rapid.IntRange(0, len(h.repository.Roots)-1).Draw(t, "root")
	}
	trusted, err := tuf.Open(h.repository.Roots[at])
	if err != nil {
		t.Fatal(err)
	}
	if len(h.devices) == 3 {
		h.devices = h.devices[1:]
	}
	h.devices = append(h.devices, &watcher{trusted: trusted, seen: trusted.Versions()})
}

// rollback shows an earlier repository to a device that knows a later one.
func (h *history) rollback(t *rapid.T) {
	earlier := rapid.SampledFrom(h.past).Draw(t, "earlier")
	if earlier == nil {
		return
	}
	for _, d := range h.devices {
		if d.seen.Timestamp == 0 {
			continue // has applied nothing yet
		}
		next, _, err := d.trusted.Apply(earlier.Update(d.seen.Root), h.now)
		if err == nil && next.Versions() != d.seen {
			t.Fatalf("went from %+v to %+v", d.seen, next.Versions())
		}
	}
}

// holds is checked after every step: the repository is sound for go-tuf and for all devices, once the server has refreshed.
func (h *history) holds(t *rapid.T) {
	r, _ := refreshed(t, h.repository, h.online, h.now)
	h.repository = r
	versions, err := r.Versions()
	if err != nil {
		t.Fatal(err)
	}
	ended := map[string]bool{}
	roles, err := r.Expiring(h.now, 0)
	for _, role := range roles {
		ended[role.Name] = true
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Verify(h.now); len(ended) == 0 && err != nil || len(ended) > 0 && !errors.Is(err, ErrExpired) {
		t.Fatalf("%v have ended: %v", roles, err)
	}
	for i, d := range h.devices {
		next, listing, err := d.trusted.Apply(r.Update(d.trusted.Versions().Root), h.now)
		if err != nil {
			t.Fatalf("device %d: %v", i, err)
		}
		d.trusted, d.seen = next, next.Versions()
		if d.seen != versions {
			t.Fatalf("device %d trusts %+v of %+v", i, d.seen, versions)
		}
		for _, role := range []string{tuf.Policy, tuf.Warrant} {
			h.verifies(t, listing, role, ended[role])
		}
	}
}

func (h *history) verifies(t *rapid.T, listing *tuf.Listing, role string, ended bool) {
	files, err := h.repository.Listed(role)
	if err != nil {
		t.Fatal(err)
	}
	for path := range files {
		err := listing.Verify(role, path, h.contents[path])
		if !ended && err != nil || ended && !errors.Is(err, tuf.ErrExpired) {
			t.Fatalf("%s, %s, ended %v: %v", role, path, ended, err)
		}
		if err := listing.Verify(role, path, append(bytes.Clone(h.contents[path]), 0)); err == nil {
			t.Fatalf("%s holds with other bytes", path)
		}
	}
}
