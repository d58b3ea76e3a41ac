package tufrepo

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

func TestRepositoryAnswers(t *testing.T) {
	w := newWorld(t)
	r := w.repository
	officers, err := r.Officers()
	if err != nil || names(officers) != "Ada, Béla, Chen" {
		t.Errorf("%v, %v", officers, err)
	}
	if online, err := r.Online(); err != nil || online != w.online.Public() {
		t.Errorf("%v, %v", online, err)
	}
	for role, want := range map[string]int{tuf.Root: 2, tuf.Targets: 2, tuf.Policy: 2, tuf.Warrant: 2, tuf.Snapshot: 1, tuf.Timestamp: 1} {
		if n, err := r.Threshold(role); err != nil || n != want {
			t.Errorf("threshold of %s: %d, %v", role, n, err)
		}
		if at, err := r.Expires(role); err != nil || !at.Equal(founded.Add(lifetimes[role])) {
			t.Errorf("%s expires %v, %v", role, at, err)
		}
	}
	_, err1 := r.Threshold("mirrors")
	_, err2 := r.Expires("mirrors")
	_, err3 := r.Listed(tuf.Targets)
	_, err4 := (*Repository)(nil).Versions()
	_, err5 := (&Repository{Roots: r.Roots}).Officers()
	for i, err := range []error{err1, err2, err3, err4, err5} {
		if !errors.Is(err, ErrRepository) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if err := (*Repository)(nil).Verify(founded); !errors.Is(err, ErrRepository) || !strings.Contains(err.Error(), "not founded") {
		t.Errorf("no repository: %v", err)
	}
}

// TestUpdate takes more rotations than a device follows in one update: it catches up in two.
func TestUpdate(t *testing.T) {
	w := newWorld(t)
	r := w.repository
	for range tuf.MaxRoots + 8 {
		r = accept(t, r, must(r.ProposeOfficers(Changes{Now: founded})), w.online, founded, w.ada, w.chen)
	}
	last := uint64(len(r.Roots))
	for trusted, want := range map[uint64][2]uint64{
		0:                          {last - tuf.MaxRoots + 1, last},
		1:                          {2, 1 + tuf.MaxRoots},
		20:                         {21, last},
		last - 1:                   {last, last},
		last:                       {1, 0}, // none
		last + 1:                   {1, 0},
		18_446_744_073_709_551_615: {1, 0},
	} {
		u := r.Update(trusted)
		if n := want[1] + 1 - want[0]; uint64(len(u.Roots)) != n {
			t.Errorf("trusting %d: %d roots, want %d", trusted, len(u.Roots), n)
		} else if n > 0 && (string(u.Roots[0]) != string(r.Roots[want[0]-1]) || string(u.Roots[n-1]) != string(r.Roots[want[1]-1])) {
			t.Errorf("trusting %d: other roots than %v", trusted, want)
		}
	}
	device, err := tuf.Open(r.Roots[0])
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if device, _, err = device.Apply(r.Update(device.Versions().Root), founded); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := r.Versions(); err != nil || device.Versions() != v {
		t.Errorf("%+v, %v", device.Versions(), err)
	}
}

// TestVerifyFindsDamage turns one byte in each file, and puts files of two times together.
func TestVerifyFindsDamage(t *testing.T) {
	w := newWorld(t)
	r := accept(t, w.repository, officersProposal(t, w, Changes{}), w.online, founded, w.ada, w.bela)
	for name, change := range map[string]func(r *Repository){
		"root 1":            func(r *Repository) { r.Roots[0] = turned(r.Roots[0]) },
		"root 2":            func(r *Repository) { r.Roots[1] = turned(r.Roots[1]) },
		"targets":           func(r *Repository) { r.Targets = turned(r.Targets) },
		"policy":            func(r *Repository) { r.Policy = turned(r.Policy) },
		"warrant":           func(r *Repository) { r.Warrant = turned(r.Warrant) },
		"snapshot":          func(r *Repository) { r.Snapshot = turned(r.Snapshot) },
		"timestamp":         func(r *Repository) { r.Timestamp = turned(r.Timestamp) },
		"a root left out":   func(r *Repository) { r.Roots = r.Roots[1:] },
		"a root twice":      func(r *Repository) { r.Roots = append(r.Roots, r.Roots[1]) },
		"an old policy":     func(r *Repository) { r.Policy = w.repository.Policy },
		"an old snapshot":   func(r *Repository) { r.Snapshot = w.repository.Snapshot },
		"policy as warrant": func(r *Repository) { r.Warrant = r.Policy },
		"no policy":         func(r *Repository) { r.Policy = nil },
		"a null target": func(r *Repository) {
			r.Policy = []byte(strings.Replace(string(r.Policy), `"targets":{}`, `"targets":{"policy/x":null}`, 1))
		},
		"a null key": func(r *Repository) {
			r.Roots[1] = []byte(strings.Replace(string(r.Roots[1]), `"keys":{`, `"keys":{"0":null,`, 1))
		},
		"a null role": func(r *Repository) {
			r.Roots[1] = []byte(strings.Replace(string(r.Roots[1]), `"roles":{`, `"roles":{"extra":null,`, 1))
		},
	} {
		damaged := *r
		damaged.Roots = slices.Clone(r.Roots)
		change(&damaged)
		if err := damaged.Verify(founded); !errors.Is(err, ErrRepository) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// turned has another first digit in its first signature.
func turned(data []byte) []byte {
	at := strings.Index(string(data), `"sig":"`) + len(`"sig":"`)
	data = slices.Clone(data)
	if data[at+2] == '1' {
		data[at+2] = '2'
	} else {
		data[at+2] = '1'
	}
	return data
}

func TestWhoMaySign(t *testing.T) {
	w := newWorld(t)
	dora := newTestKey(t, ES256, "Dora")
	p := policyProposal(t, w)
	before := marshalled(t, p)
	if err := p.Sign(dora); !errors.Is(err, ErrNotEntitled) || !strings.Contains(err.Error(), "Ada, Béla, Chen") {
		t.Errorf("a stranger: %v", err)
	}
	if err := p.Sign(w.online); !errors.Is(err, ErrNotEntitled) {
		t.Errorf("the server: %v", err)
	}
	if string(marshalled(t, p)) != string(before) {
		t.Error("who may not sign changed the proposal")
	}
	if err := p.Sign(&Key{mustPublic(t, "Ada, at home", w.ada), w.ada.signer}); err != nil {
		t.Errorf("Ada's key in a file with another name: %v", err)
	}
	if err := p.Sign(w.ada); !errors.Is(err, ErrSigned) {
		t.Errorf("Ada twice: %v", err)
	}

	p = officersProposal(t, w, Changes{Remove: []PublicKey{w.ada.Public()}, Add: []PublicKey{dora.Public()}})
	for _, k := range []*Key{w.ada, dora} {
		if err := p.Sign(k); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range p.Status().Parts {
		want := "Dora" // who leaves signs the root alone, and there for those before
		if names(part.Signed) != want || part.Complete() {
			t.Errorf("%s is signed by %s", part.Role, names(part.Signed))
		}
		if (part.Role == tuf.Root) != (part.Before != nil) || part.Before != nil && (names(part.Before.Signed) != "Ada" || names(part.Before.Open) != "Béla, Chen") {
			t.Errorf("%s, before: %+v", part.Role, part.Before)
		}
	}
	if _, err := w.repository.Accept(p, w.online, founded); !errors.Is(err, ErrSignatures) ||
		!strings.Contains(err.Error(), "root has 1 of 2 signatures (Béla, Chen may still sign); root, of the officers until now, has 1 of 2 signatures") {
		t.Errorf("%v", err)
	}
	if err := p.Sign(w.bela); err != nil {
		t.Fatal(err)
	}
	r := accept(t, w.repository, p, w.online, founded)
	next := must(r.ProposePolicy(nil, all, founded))
	if err := next.Sign(w.ada); !errors.Is(err, ErrNotEntitled) {
		t.Errorf("a former officer: %v", err)
	}

	// Béla's key gets another name: one key under two ids, which is one signer.
	renamed := mustPublic(t, "Béla II", w.bela)
	p = must(r.ProposeOfficers(Changes{Remove: []PublicKey{renamed}, Add: []PublicKey{renamed}, Now: founded}))
	if err := p.Sign(w.bela); err != nil {
		t.Fatal(err)
	}
	if root := p.Status().Parts[0]; names(root.Signed) != "Béla II" || names(root.Before.Signed) != "Béla" || root.Complete() {
		t.Errorf("%+v", root)
	}
	r = accept(t, r, p, w.online, founded, dora)
	if officers, err := r.Officers(); err != nil || names(officers) != "Béla II, Chen, Dora" {
		t.Errorf("%v, %v", officers, err)
	}
	if err := r.Verify(founded); err != nil {
		t.Error(err)
	}
}

func TestRefresh(t *testing.T) {
	w := newWorld(t)
	r := w.repository
	for _, c := range []struct {
		day                 int
		timestamp, snapshot uint64
	}{{0, 1, 1}, {3, 1, 1}, {4, 2, 1}, {7, 2, 1}, {8, 3, 1}, {15, 4, 1}, {16, 5, 2}, {17, 5, 2}, {90, 6, 3}} {
		r, _ = refreshed(t, r, w.online, founded.Add(time.Duration(c.day)*day))
		v, err := r.Versions()
		if err != nil || v.Timestamp != c.timestamp || v.Snapshot != c.snapshot {
			t.Errorf("day %d: %+v, %v", c.day, v, err)
		}
	}
}

// TestTakenOver has new officers sign a root that those before have not: a repository or a proposal that leads on from it does not hold.
func TestTakenOver(t *testing.T) {
	w := newWorld(t)
	eve, mallory := newTestKey(t, Ed25519, "Eve"), newTestKey(t, Ed25519, "Mallory")
	s, err := newSigners([]PublicKey{eve.Public(), mallory.Public()}, 2, w.online.Public())
	if err != nil {
		t.Fatal(err)
	}
	p := officersProposal(t, w, Changes{})
	forge(t, p, 0, headAt(tuf.Root, 2, founded).rootSigned(s), eve, mallory)
	forge(t, p, 1, headAt(tuf.Targets, 2, founded).targetsSigned(s), eve, mallory)
	for i := range 2 {
		p.parts[i+2].Signatures = nil
		forge(t, p, i+2, headAt(p.parts[i+2].role, 2, founded).listingSigned(nil), eve, mallory)
	}
	if _, err := w.repository.Accept(p, w.online, founded); !errors.Is(err, ErrSignatures) {
		t.Errorf("taken over: %v", err)
	}
	r, _, _, err := w.repository.with(p)
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := makeSnapshot(r, 2, w.online, founded)
	if err != nil {
		t.Fatal(err)
	}
	r.Snapshot = stolen
	if r.Timestamp, err = makeTimestamp(r, 2, w.online, founded); err != nil {
		t.Fatal(err)
	}
	if err := r.Verify(founded); !errors.Is(err, ErrRepository) {
		t.Errorf("verified: %v", err)
	}
	if _, err := r.ProposePolicy(nil, all, founded); !errors.Is(err, ErrProposal) || !strings.Contains(err.Error(), "by the officers of root 1") {
		t.Errorf("proposed: %v", err)
	}
}

func TestOneKeyIsOneSigner(t *testing.T) {
	w := newWorld(t)
	again := mustPublic(t, "Ada again", w.ada)
	d, err := newDocument(map[string]int{"version": 1})
	for _, id := range []string{w.ada.Public().ID(), again.ID()} {
		if err == nil {
			d, err = d.signWith(w.ada, id)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if found, err := d.signedBy([]PublicKey{w.ada.Public(), again}); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
}
