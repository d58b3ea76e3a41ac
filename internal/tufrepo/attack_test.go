package tufrepo

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// forge replaces a part by one that says this, with true signatures of these keys.
func forge(t *testing.T, p *Proposal, i int, said any, keys ...*Key) {
	t.Helper()
	d, err := newDocument(said)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if d, err = d.signWith(k, k.Public().ID()); err != nil {
			t.Fatal(err)
		}
	}
	p.parts[i].document = d
}

func policyProposal(t *testing.T, w *world) *Proposal {
	t.Helper()
	p, err := w.repository.ProposePolicy([]File{policyFile(1), policyFile(2)}, all, founded)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func officersProposal(t *testing.T, w *world, c Changes) *Proposal {
	t.Helper()
	c.Now = founded
	p, err := w.repository.ProposeOfficers(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func listingOf(files ...File) map[string]Target {
	listed := map[string]Target{}
	for _, f := range files {
		listed[f.Path] = targetOf(f.Data)
	}
	return listed
}

// TestAttacks has somebody change a proposal on its way, or officers sign what they must not. Each is refused with its fault.
func TestAttacks(t *testing.T) {
	w := newWorld(t)
	other := newWorld(t)
	other.repository = accept(t, nil, found(t, other), other.online, founded, other.ada, other.chen)
	stranger := newTestKey(t, Ed25519, "Stranger")
	both := []*Key{w.ada, w.bela}
	soon := func(role string, version uint64) head { return headAt(role, version, founded) }

	policy := func(change func(p *Proposal)) func() *Proposal {
		return func() *Proposal {
			p := signed(t, policyProposal(t, w), both...)
			change(p)
			return p
		}
	}
	officers := func(c Changes, change func(p *Proposal), signers ...*Key) func() *Proposal {
		return func() *Proposal {
			p := signed(t, officersProposal(t, w, c), signers...)
			change(p)
			return p
		}
	}
	nothing := func(*Proposal) {}
	for _, c := range []struct {
		name string
		make func() *Proposal
		want error
	}{
		{"nobody signed", func() *Proposal { return policyProposal(t, w) }, ErrSignatures},
		{"one signed", func() *Proposal { return signed(t, policyProposal(t, w), w.chen) }, ErrSignatures},
		{"one signature twice", policy(func(p *Proposal) { p.parts[0].Signatures[1] = p.parts[0].Signatures[0] }), ErrProposal},
		{"one officer's signature under the id of another", policy(func(p *Proposal) { p.parts[0].Signatures[1].Sig = p.parts[0].Signatures[0].Sig }), ErrProposal},
		{"a signature with a bit turned", policy(func(p *Proposal) {
			p.parts[0].Signatures[0].Sig = "00" + p.parts[0].Signatures[0].Sig[2:]
		}), ErrProposal},
		{"a signature in capitals", policy(func(p *Proposal) { p.parts[0].Signatures[0].Sig = strings.ToUpper(p.parts[0].Signatures[0].Sig) }), ErrProposal},
		{"a stranger signs along", policy(func(p *Proposal) {
			p.parts[0].document, _ = p.parts[0].signWith(stranger, stranger.Public().ID())
		}), ErrProposal},
		{"the server signs along", policy(func(p *Proposal) {
			p.parts[0].document, _ = p.parts[0].signWith(w.online, w.online.Public().ID())
		}), ErrProposal},
		{"a file with other bytes", policy(func(p *Proposal) { p.files[0].Data = []byte("policy 9") }), ErrProposal},
		{"a file left out", policy(func(p *Proposal) { p.files = p.files[1:] }), ErrProposal},
		{"a file that is not listed", policy(func(p *Proposal) { p.files = append(p.files, policyFile(3)) }), ErrProposal},
		{"a file twice", policy(func(p *Proposal) { p.files = append(p.files, p.files[1]) }), ErrProposal},
		{"the present version again", policy(func(p *Proposal) {
			forge(t, p, 0, soon(tuf.Policy, 1).listingSigned(listingOf(p.files...)), both...)
		}), ErrProposal},
		{"a version left out", policy(func(p *Proposal) {
			forge(t, p, 0, soon(tuf.Policy, 3).listingSigned(listingOf(p.files...)), both...)
		}), ErrProposal},
		{"a longer life", policy(func(p *Proposal) {
			h := soon(tuf.Policy, 2)
			h.expires = h.expires.Add(day)
			forge(t, p, 0, h.listingSigned(listingOf(p.files...)), both...)
		}), ErrProposal},
		{"a path of another role", policy(func(p *Proposal) {
			p.files = []File{{"warrant/w-1.cbor", []byte("w")}}
			forge(t, p, 0, soon(tuf.Policy, 2).listingSigned(listingOf(p.files...)), both...)
		}), ErrProposal},
		{"a path that climbs", policy(func(p *Proposal) {
			p.files = []File{{"policy/../warrant/w-1.cbor", []byte("w")}}
			forge(t, p, 0, soon(tuf.Policy, 2).listingSigned(listingOf(p.files...)), both...)
		}), ErrProposal},
		{"a delegation in a delegated role", policy(func(p *Proposal) {
			l := soon(tuf.Policy, 2).listingSigned(listingOf(p.files...))
			l.Delegations = soon(tuf.Policy, 2).targetsSigned(signers{both2(w), 2, w.online.Public()}).Delegations
			forge(t, p, 0, l, both...)
		}), ErrProposal},
		{"a member that nobody knows", policy(func(p *Proposal) {
			l := soon(tuf.Policy, 2).listingSigned(listingOf(p.files...))
			l.UnrecognizedFields = map[string]any{"note": "in force at once"}
			forge(t, p, 0, l, both...)
		}), ErrProposal},
		{"another date of making", policy(func(p *Proposal) { p.created = p.created.Add(time.Hour) }), ErrProposal},
		{"another subject", policy(func(p *Proposal) { p.subject = Warrant }), ErrProposal},
		{"no subject", policy(func(p *Proposal) { p.subject = "" }), ErrProposal},
		{"a part too many", policy(func(p *Proposal) { p.parts = append(p.parts, p.parts[0]) }), ErrProposal},
		{"no part", policy(func(p *Proposal) { p.parts = nil }), ErrProposal},
		{"a base without its last root", officers(Changes{}, func(p *Proposal) { p.base.Roots = nil }, both...), ErrProposal},
		{"a base whose root is signed by one", policy(func(p *Proposal) { p.base.Roots = [][]byte{stripped(t, p.base.Roots[0])} }), ErrProposal},
		{"a base whose targets are signed by one", policy(func(p *Proposal) { p.base.Targets = stripped(t, p.base.Targets) }), ErrProposal},
		{"a base whose policy is signed by one", policy(func(p *Proposal) { p.base.Policy = stripped(t, p.base.Policy) }), ErrProposal},
		{"a base that is oversized", policy(func(p *Proposal) { p.base.Policy = bytes.Repeat([]byte(" "), tuf.MaxMetadata+1) }), ErrProposal},
		{"a base with a role that stays as it is", policy(func(p *Proposal) { p.base.Warrant = w.repository.Warrant }), ErrProposal},
		{"for another repository", func() *Proposal { return signed(t, policyProposal(t, other), other.ada, other.chen) }, ErrStale},
		{"a founding of what is founded", func() *Proposal { return signed(t, found(t, w), both...) }, ErrStale},
		{"from a day that has not come", func() *Proposal {
			p, err := w.repository.ProposePolicy(nil, all, founded.Add(26*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			return signed(t, p, both...)
		}, ErrProposal},
		{"signed long ago", func() *Proposal {
			p, err := w.repository.ProposePolicy(nil, all, founded.Add(-400*day))
			if err != nil {
				t.Fatal(err)
			}
			return signed(t, p, both...)
		}, ErrExpired},
		{"a new officer without those of now", officers(Changes{Add: []PublicKey{stranger.Public()}}, nothing, stranger, w.ada), ErrSignatures},
		{"a removed officer instead of one who stays", officers(Changes{Remove: []PublicKey{w.ada.Public()}}, nothing, w.ada, w.bela), ErrSignatures},
		{"a threshold of one", officers(Changes{}, func(p *Proposal) {
			forge(t, p, 0, soon(tuf.Root, 2).rootSigned(signers{both2(w), 1, w.online.Public()}), both...)
		}, both...), ErrProposal},
		{"the server among the officers", officers(Changes{}, func(p *Proposal) {
			forge(t, p, 0, soon(tuf.Root, 2).rootSigned(signers{append(both2(w), w.online.Public()), 2, w.online.Public()}), both...)
		}, both...), ErrProposal},
		{"targets that delegate to others than root", officers(Changes{}, func(p *Proposal) {
			forge(t, p, 1, soon(tuf.Targets, 2).targetsSigned(signers{both2(w), 2, w.online.Public()}), both...)
		}, both...), ErrProposal},
		{"a change of officers that lists a file", officers(Changes{}, func(p *Proposal) {
			p.files = []File{policyFile(1)}
			forge(t, p, 2, soon(tuf.Policy, 2).listingSigned(listingOf(p.files...)), both...)
		}, both...), ErrProposal},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.make()
			next, err := w.repository.Accept(p, w.online, founded.Add(time.Minute))
			if !errors.Is(err, c.want) || next != nil {
				t.Fatalf("a repository: %v, %v; want %v", next != nil, err, c.want)
			}
			if c.want == ErrProposal && !p.Created().After(founded.Add(ahead)) {
				if err := p.Sign(w.chen); !errors.Is(err, ErrProposal) {
					t.Errorf("it could be signed: %v", err)
				}
			}
		})
	}
}

func both2(w *world) []PublicKey {
	s, _ := newSigners([]PublicKey{w.ada.Public(), w.bela.Public()}, 2, w.online.Public())
	return s.officers
}

// stripped is metadata with their first signature alone.
func stripped(t *testing.T, data []byte) []byte {
	t.Helper()
	d, err := readDocument(data)
	if err != nil {
		t.Fatal(err)
	}
	d.Signatures = d.Signatures[:1]
	if data, err = d.bytes(); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAcceptLeavesItsArgumentsAlone(t *testing.T) {
	w := newWorld(t)
	p := signed(t, officersProposal(t, w, Changes{Threshold: 3}), w.ada, w.bela, w.chen)
	before, text := snapshotOf(t, w.repository), marshalled(t, p)
	accept(t, w.repository, p, w.online, founded)
	if diff := cmp.Diff(before, snapshotOf(t, w.repository)); diff != "" || !bytes.Equal(text, marshalled(t, p)) {
		t.Fatalf("accepting changed the repository or the proposal:\n%s", diff)
	}
}

func snapshotOf(t *testing.T, r *Repository) string {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func marshalled(t testing.TB, p *Proposal) []byte {
	t.Helper()
	data, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWrongOnlineKey(t *testing.T) {
	w := newWorld(t)
	p := signed(t, policyProposal(t, w), w.ada, w.bela)
	for _, k := range []*Key{nil, w.ada} {
		if _, err := w.repository.Accept(p, k, founded); !errors.Is(err, ErrOnlineKey) {
			t.Errorf("accepted with %v: %v", k, err)
		}
		if next, err := sound(t, w.repository).Refresh(k, founded.Add(6*day)); next != nil || !errors.Is(err, ErrOnlineKey) {
			t.Errorf("refreshed with %v: %v", k, err)
		}
	}
	// A key whose halves do not belong together signs nothing that leaves.
	if next, err := sound(t, w.repository).Refresh(&Key{w.online.Public(), w.ada.signer}, founded.Add(6*day)); next != nil || !errors.Is(err, ErrOnlineKey) {
		t.Errorf("signed with another's private key: %v", err)
	}
	// The key counts, not what its file calls it.
	renamed := &Key{mustPublic(t, "renamed", w.online), w.online.signer}
	if next, err := w.repository.Accept(p, renamed, founded); err != nil || next.Verify(founded) != nil {
		t.Errorf("a key file with another name: %v", err)
	}
}

func mustPublic(t *testing.T, name string, k *Key) PublicKey {
	t.Helper()
	p, err := NewPublicKey(name, k.signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStale(t *testing.T) {
	w := newWorld(t)
	kept := signed(t, policyProposal(t, w), w.ada, w.bela)
	warrant, err := w.repository.ProposeWarrant([]File{{"warrant/w-1.cbor", []byte("w")}}, all, founded)
	if err != nil {
		t.Fatal(err)
	}
	next := accept(t, w.repository, warrant, w.online, founded, w.bela, w.chen)
	if _, err := next.Accept(kept, w.online, founded); err != nil {
		t.Errorf("a warrant makes a policy's proposal stale: %v", err)
	}
	p := policyProposal(t, w)
	p.files = slices.Clone(p.files)
	after := accept(t, next, p, w.online, founded, w.bela, w.chen)
	if _, err := after.Accept(kept, w.online, founded); !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), "policy is at version 2, the proposal leads on from 1") {
		t.Errorf("another policy came first: %v", err)
	}
	if _, err := (*Repository)(nil).Accept(kept, w.online, founded); !errors.Is(err, ErrStale) {
		t.Errorf("no repository: %v", err)
	}
}

// TestEnded has one role after the other end: what has ended stops itself, not what stands beside it.
func TestEnded(t *testing.T) {
	w := newWorld(t)
	now := founded.Add(201 * day) // the warrant role has ended
	r, changed := refreshed(t, w.repository, w.online, now)
	if !changed {
		t.Fatal("nothing was signed anew")
	}
	if err := r.Verify(now); !errors.Is(err, ErrExpired) || !strings.Contains(err.Error(), "warrant") {
		t.Errorf("verified: %v", err)
	}
	p, err := r.ProposePolicy(nil, all, now)
	if err != nil {
		t.Fatal(err)
	}
	r = accept(t, r, p, w.online, now, w.ada, w.bela)
	if p, err = r.ProposeWarrant(nil, all, now); err != nil {
		t.Fatal(err)
	}
	r = accept(t, r, p, w.online, now, w.ada, w.bela)
	if err := r.Verify(now); err != nil {
		t.Errorf("after new signatures: %v", err)
	}
	now = founded.Add(5 * 365 * day) // root and targets have ended, at this very instant
	if next, err := sound(t, r).Refresh(w.online, now); next != nil || !errors.Is(err, ErrExpired) {
		t.Errorf("refreshed without a root: %v", err)
	}
	if p, err = r.ProposeOfficers(Changes{Now: now}); err != nil {
		t.Fatal(err)
	}
	r = accept(t, r, p, w.online, now, w.ada, w.bela)
	if err := r.Verify(now); err != nil {
		t.Errorf("renewed: %v", err)
	}
	ending, err := r.Expiring(now, 250*day)
	if err != nil || len(ending) != 1 || ending[0].Name != tuf.Warrant || ending[0].Version != 3 {
		t.Errorf("%v, %v", ending, err)
	}
}
