package interop

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// tufWorld is a repository on loopback, with a device that follows it and a tuf-js that does.
type tufWorld struct {
	officers           []*tufrepo.Key
	online             *tufrepo.Key
	repository         *tufrepo.Repository // what the officers have published
	mu                 sync.Mutex
	served             *tufrepo.Repository // what the server shows
	files              map[string][]byte
	url, folder        string
	trusted            *tuf.Trusted
	lastPath, lastText string
}

func newTUFWorld(t *testing.T) *tufWorld {
	t.Helper()
	w := &tufWorld{files: map[string][]byte{}, folder: t.TempDir()}
	for i, name := range []string{"Ada", "Béla \"the second\" <b@c>", "陳"} {
		w.officers = append(w.officers, tufKey(t, []tufrepo.Kind{tufrepo.Ed25519, tufrepo.ES256, tufrepo.Ed25519}[i], name))
	}
	w.online = tufKey(t, tufrepo.Ed25519, "server")
	var public []tufrepo.PublicKey
	for _, k := range w.officers {
		public = append(public, k.Public())
	}
	p, err := tufrepo.Found(tufrepo.FoundingTerms{Officers: public, Threshold: 2, Online: w.online.Public(), Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	w.accept(t, p, w.officers[0], w.officers[1])
	root := w.repository.Roots[0]
	if err := os.WriteFile(filepath.Join(w.folder, "root.json"), root, 0o600); err != nil {
		t.Fatal(err)
	}
	if w.trusted, err = tuf.Open(root); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(tufrepo.Handler(func(context.Context) (*tufrepo.Repository, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.served, nil
	}, func(_ context.Context, path string, _ [32]byte) ([]byte, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if data, ok := w.files[path]; ok {
			return data, nil
		}
		return nil, fs.ErrNotExist
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func tufKey(t *testing.T, kind tufrepo.Kind, name string) *tufrepo.Key {
	t.Helper()
	k, err := tufrepo.NewKey(kind, name, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (w *tufWorld) accept(t *testing.T, p *tufrepo.Proposal, signers ...*tufrepo.Key) {
	t.Helper()
	for _, k := range signers {
		if err := p.Sign(k); err != nil {
			t.Fatal(err)
		}
	}
	next, err := w.repository.Accept(p, w.online, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Files() {
		w.files[f.Path] = f.Data
	}
	w.repository = next
	w.serve(next)
}

func (w *tufWorld) serve(r *tufrepo.Repository) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.served = r
}

// policy publishes one, in place of all before.
func (w *tufWorld) policy(t *testing.T, text string, signers ...*tufrepo.Key) {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	w.lastPath, w.lastText = tuf.PolicyPath(sum), text
	p, err := w.repository.ProposePolicy([]tufrepo.File{{Path: w.lastPath, Data: []byte(text)}}, func(string) bool { return false }, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.accept(t, p, signers...)
}

// answer is what client.js prints.
type answer struct {
	OK                        bool
	Error                     string
	Root, Timestamp, Snapshot uint64
	Data                      []byte
}

// sync lets tuf-js follow what is served. What is missing on this machine fails the test.
func (w *tufWorld) sync(t *testing.T) (a answer) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("node is missing: run scripts/test, which installs it: %v", err)
	}
	if _, err := os.Stat("tufjs/node_modules/tuf-js/package.json"); err != nil {
		t.Fatalf("tuf-js is missing: run npm ci in test/interop/tufjs, as scripts/test does: %v", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, node, "tufjs/client.js", w.folder, w.url, w.lastPath)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &a); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return a
}

// apply lets our own verifier follow what is served, as a device does.
func (w *tufWorld) apply() error {
	next, listing, err := w.trusted.Apply(w.served.Update(w.trusted.Versions().Root), time.Now())
	if err != nil {
		return err
	}
	w.trusted = next
	return listing.Verify(tuf.Policy, w.lastPath, []byte(w.lastText))
}

func (w *tufWorld) bothFollow(t *testing.T) {
	t.Helper()
	versions, err := w.repository.Versions()
	if err != nil {
		t.Fatal(err)
	}
	a := w.sync(t)
	if !a.OK || string(a.Data) != w.lastText || a.Root != versions.Root || a.Timestamp != versions.Timestamp || a.Snapshot != versions.Snapshot {
		t.Fatalf("tuf-js: %+v, published is %+v", a, versions)
	}
	if err := w.apply(); err != nil || w.trusted.Versions() != versions {
		t.Fatalf("device: %v, %+v", err, w.trusted.Versions())
	}
}

func (w *tufWorld) bothRefuse(t *testing.T, why string, want tuf.Fault) {
	t.Helper()
	if a := w.sync(t); a.OK || !strings.Contains(a.Error, why) {
		t.Errorf("tuf-js: %+v, want a refusal that says %q", a, why)
	}
	if err := w.apply(); !errors.Is(err, want) {
		t.Errorf("device: %v, want %v", err, want)
	}
}

// TestTUFRepositoryWithAnotherClient has tuf-js and our device follow one repository: first contact, the next policy, other officers and
// another online key; and then a server that shows an old timestamp, a policy that one officer signed, and mixed files.
func TestTUFRepositoryWithAnotherClient(t *testing.T) {
	w := newTUFWorld(t)
	w.policy(t, "first", w.officers[0], w.officers[2])
	w.bothFollow(t)
	first := w.repository
	w.policy(t, "second", w.officers[1], w.officers[2])
	w.bothFollow(t)

	newcomer, server := tufKey(t, tufrepo.ES256, "Dora"), tufKey(t, tufrepo.ES256, "second server")
	p, err := w.repository.ProposeOfficers(tufrepo.Changes{Add: []tufrepo.PublicKey{newcomer.Public()}, Remove: []tufrepo.PublicKey{w.officers[0].Public()},
		Online: server.Public(), Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	formerOnline := w.online
	w.online = server
	w.accept(t, p, w.officers[1], w.officers[2])
	w.bothFollow(t)
	w.policy(t, "third", newcomer, w.officers[1])
	w.bothFollow(t)

	t.Run("old metadata under the old online key", func(t *testing.T) {
		mixed := *w.repository
		mixed.Timestamp, mixed.Snapshot = first.Timestamp, first.Snapshot
		w.serve(&mixed)
		w.bothRefuse(t, "timestamp was signed by 0/1 keys", tuf.ErrSignatures)
	})
	t.Run("a rolled back timestamp", func(t *testing.T) {
		before := *w.repository
		w.policy(t, "fourth", newcomer, w.officers[2])
		w.bothFollow(t)
		rolled := *w.repository
		rolled.Timestamp, rolled.Snapshot, rolled.Policy = before.Timestamp, before.Snapshot, before.Policy
		w.serve(&rolled)
		w.bothRefuse(t, "less than current version", tuf.ErrRolledBack)
	})
	t.Run("one signature", func(t *testing.T) {
		// The server's key is in the wrong hands, and one officer helps: everything is signed as it should be but the policy, by one.
		forged := *w.repository
		forged.Policy = relabel(t, forged.Policy, func(d *metadataFile) {
			d.Signed["version"] = number(t, d.Signed["version"]) + 1
			d.Signatures = nil
		}, newcomer)
		w.serve(resigned(t, &forged, server))
		w.bothRefuse(t, "policy was signed by 1/2 keys", tuf.ErrSignatures)
	})
	t.Run("one signature under two key ids", func(t *testing.T) {
		forged := *w.repository
		forged.Policy = relabel(t, forged.Policy, func(d *metadataFile) {
			d.Signed["version"] = number(t, d.Signed["version"]) + 1
			d.Signatures = nil
		}, newcomer)
		forged.Policy = relabel(t, forged.Policy, func(d *metadataFile) {
			d.Signatures = append(d.Signatures, metadataSignature{w.officers[1].Public().ID(), d.Signatures[0].Sig})
		})
		w.serve(resigned(t, resigned(t, &forged, server), server)) // newer than what tuf-js has kept of the case before
		w.bothRefuse(t, "policy was signed by 1/2 keys", tuf.ErrSignatures)
	})
	t.Run("the former online key", func(t *testing.T) {
		forged := *w.repository
		w.serve(resigned(t, &forged, formerOnline))
		w.bothRefuse(t, "timestamp was signed by 0/1 keys", tuf.ErrSignatures)
	})
	w.serve(w.repository)
	w.lastPath, w.lastText = tuf.PolicyPath(sha256.Sum256([]byte("fourth"))), "fourth"
	if err := w.apply(); err != nil {
		t.Errorf("the true repository, after all of that: %v", err)
	}
}

type metadataFile struct {
	Signatures []metadataSignature `json:"signatures"`
	Signed     map[string]any      `json:"signed"`
}

type metadataSignature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"`
}

// relabel changes a metadata file and has the keys sign it, with nothing of tufrepo's own care.
func relabel(t *testing.T, data []byte, change func(d *metadataFile), signers ...*tufrepo.Key) []byte {
	t.Helper()
	var d metadataFile
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	change(&d)
	payload, err := cjson.EncodeCanonical(d.Signed)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range signers {
		d.Signatures = append(d.Signatures, metadataSignature{k.Public().ID(), hex.EncodeToString(signRaw(t, k, payload))})
	}
	out, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// resigned is the repository with a next snapshot and timestamp over its parts, by this key.
func resigned(t *testing.T, r *tufrepo.Repository, online *tufrepo.Key) *tufrepo.Repository {
	t.Helper()
	next := *r
	describe := func(d *metadataFile, name string, data []byte) {
		var part metadataFile
		if err := json.Unmarshal(data, &part); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		d.Signed["meta"].(map[string]any)[name] = map[string]any{"version": part.Signed["version"], "length": len(data),
			"hashes": map[string]string{"sha256": hex.EncodeToString(sum[:])}}
	}
	bump := func(d *metadataFile) {
		d.Signed["version"] = number(t, d.Signed["version"]) + 1
		d.Signatures = nil
	}
	next.Snapshot = relabel(t, r.Snapshot, func(d *metadataFile) {
		bump(d)
		describe(d, "targets.json", r.Targets)
		describe(d, "policy.json", r.Policy)
		describe(d, "warrant.json", r.Warrant)
	}, online)
	next.Timestamp = relabel(t, r.Timestamp, func(d *metadataFile) {
		bump(d)
		describe(d, "snapshot.json", next.Snapshot)
	}, online)
	return &next
}

func number(t *testing.T, v any) int {
	t.Helper()
	f, ok := v.(float64)
	if !ok {
		t.Fatalf("%v is no number", v)
	}
	return int(f)
}

// signRaw signs with a key as it is in its file.
func signRaw(t *testing.T, k *tufrepo.Key, payload []byte) []byte {
	t.Helper()
	text, err := k.MarshalPlain()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	switch key := private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(key, payload)
	case *ecdsa.PrivateKey:
		digest := sha256.Sum256(payload)
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	t.Fatalf("%T", private)
	return nil
}
