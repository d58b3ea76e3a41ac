package tufrepo

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

var founded = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// newTestKey makes a key that depends on its name and kind alone.
func newTestKey(t testing.TB, kind Kind, name string) *Key {
	t.Helper()
	k, err := NewKey(kind, name, rand.NewChaCha8(sha256.Sum256([]byte(name))))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// world is three officers, the server's key, and a repository that they founded.
type world struct {
	ada, bela, chen, online *Key
	repository              *Repository
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{ada: newTestKey(t, Ed25519, "Ada"), bela: newTestKey(t, ES256, "Béla"), chen: newTestKey(t, Ed25519, "Chen"),
		online: newTestKey(t, Ed25519, "server")}
	w.repository = accept(t, nil, found(t, w), w.online, founded, w.ada, w.bela)
	return w
}

func found(t testing.TB, w *world) *Proposal {
	t.Helper()
	p, err := Found(FoundingTerms{Officers: []PublicKey{w.ada.Public(), w.bela.Public(), w.chen.Public()}, Threshold: 2,
		Online: w.online.Public(), Now: founded})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// accept has the keys sign, each on a copy that went through a file, and accepts.
func accept(t testing.TB, r *Repository, p *Proposal, online *Key, now time.Time, signers ...*Key) *Repository {
	t.Helper()
	next, err := r.Accept(signed(t, p, signers...), online, now)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func signed(t testing.TB, p *Proposal, signers ...*Key) *Proposal {
	t.Helper()
	for _, k := range signers {
		p = carried(t, p)
		if err := p.Sign(k); err != nil {
			t.Fatalf("%s: %v", k.Public().Name(), err)
		}
	}
	return carried(t, p)
}

// carried is the proposal after it went from one machine to another.
func carried(t testing.TB, p *Proposal) *Proposal {
	t.Helper()
	data, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseProposal(data)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func policyFile(n int) File {
	data := fmt.Appendf(nil, "policy %d", n)
	return File{fmt.Sprintf("policy/%x.cbor", sha256.Sum256(data)), data}
}

// refreshed has the server sign what is due, and reports whether anything was. What it signed has to hold for go-tuf, to be read as it
// says itself, and not to be due again.
func refreshed(t interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}, r *Repository, online *Key, now time.Time) (*Repository, bool) {
	t.Helper()
	v, err := r.Sound()
	if err != nil {
		t.Fatal(err)
	}
	next, err := v.Refresh(online, now)
	if err != nil {
		t.Fatal(err)
	}
	if changed := next != v; !changed && v.Due(now) || next.Due(now) || next.Repository() == r && changed {
		t.Fatalf("signed %v, due before %v, after %v", changed, v.Due(now), next.Due(now))
	}
	if again, err := next.Refresh(online, now); again != next || err != nil {
		t.Fatalf("refreshed twice at one time: %v", err)
	}
	if next == v {
		return r, false
	}
	// A device tells by itself that a policy or a warrant has ended, and goes on with the other.
	if err := next.Repository().verify(now, []string{tuf.Policy, tuf.Warrant}); err != nil {
		t.Fatalf("what the server signed does not hold: %v", err)
	}
	read, err := next.Repository().Sound()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(read.Content(), next.Content()); diff != "" {
		t.Fatalf("it says what it does not hold (-read +said):\n%s", diff)
	}
	return next.Repository(), true
}

// sound is a repository that holds, apart from dates.
func sound(t testing.TB, r *Repository) *Verified {
	t.Helper()
	v, err := r.Sound()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func all(string) bool { return true }

func TestThreeOfficers(t *testing.T) {
	w := newWorld(t)
	if err := w.repository.Verify(founded); err != nil {
		t.Fatal(err)
	}
	p, err := w.repository.ProposePolicy([]File{policyFile(1)}, all, founded)
	if err != nil {
		t.Fatal(err)
	}
	next := accept(t, w.repository, p, w.online, founded.Add(time.Hour), w.chen, w.bela)
	listed, err := next.Listed("policy")
	if err != nil || len(listed) != 1 {
		t.Fatalf("%v, %v", listed, err)
	}
	if err := next.Verify(founded.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	v, err := next.Versions()
	if err != nil || v.Policy != 2 || v.Snapshot != 2 || v.Timestamp != 2 || v.Warrant != 1 || v.Root != 1 {
		t.Fatalf("%+v, %v", v, err)
	}
}
