package drill

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// quill is a key that the attacker can sign metadata with, under any key id.
type quill struct {
	id     string
	signer ed25519.PrivateKey
	entry  map[string]any // as metadata list the key
}

// quillIn reads a key file that is not encrypted, as the server's online key is.
func quillIn(file string) (quill, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return quill{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return quill{}, fmt.Errorf("%s is no key file", file)
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return quill{}, err
	}
	key, ok := private.(ed25519.PrivateKey)
	if !ok {
		return quill{}, fmt.Errorf("%s is no Ed25519 key", file)
	}
	return newQuill(block.Headers["Name"], key)
}

// ownQuill is a key that the attacker made.
func ownQuill(name string) (quill, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return quill{}, err
	}
	return newQuill(name, key)
}

func newQuill(name string, key ed25519.PrivateKey) (quill, error) {
	public, err := tufrepo.NewPublicKey(name, key.Public())
	if err != nil {
		return quill{}, err
	}
	return quill{public.ID(), key, map[string]any{
		"keytype": "ed25519", "scheme": "ed25519", "x-bailiwick-officer": name,
		"keyval": map[string]any{"public": hex.EncodeToString(key.Public().(ed25519.PublicKey))},
	}}, nil
}

// named is the same key under another name, and so another key id.
func (q quill) named(name string) (quill, error) { return newQuill(name, q.signer) }

// paper is one metadata file in the attacker's hands: any member can be changed, and any key sign it.
type paper struct {
	Signatures []mark         `json:"signatures"`
	Signed     map[string]any `json:"signed"`
}

type mark struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"`
}

func readPaper(data []byte) (*paper, error) {
	var p paper
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return &p, d.Decode(&p)
}

func (p *paper) bytes() ([]byte, error) { return json.Marshal(p) }

// sign puts these keys' signatures in the place of those that are there.
func (p *paper) sign(keys ...quill) error {
	p.Signatures = []mark{}
	payload, err := cjson.EncodeCanonical(p.Signed)
	if err != nil {
		return err
	}
	for _, k := range keys {
		sig, err := k.signer.Sign(rand.Reader, payload, crypto.Hash(0))
		if err != nil {
			return err
		}
		p.Signatures = append(p.Signatures, mark{k.id, hex.EncodeToString(sig)})
	}
	return nil
}

func (p *paper) version() (int64, error) { return p.Signed["version"].(json.Number).Int64() }

// next makes it the next version, good for years.
func (p *paper) next() error {
	v, err := p.version()
	if err != nil {
		return err
	}
	p.Signed["version"] = json.Number(fmt.Sprint(v + 1))
	p.Signed["expires"] = "2031-01-01T00:00:00Z"
	return nil
}

// list adds a file to a listing.
func (p *paper) list(path string, data []byte) {
	sum := sha256.Sum256(data)
	targets := maps.Clone(p.Signed["targets"].(map[string]any))
	targets[path] = map[string]any{"length": len(data), "hashes": map[string]any{"sha256": hex.EncodeToString(sum[:])}}
	p.Signed["targets"] = targets
}

// papers are a repository's newest metadata, to be forged.
type papers struct {
	online                                        quill
	roots                                         []*paper
	targets, policy, warrant, snapshot, timestamp *paper
}

// papers reads the metadata that the server gives out now.
func (l *loot) papers() (*papers, error) {
	p := &papers{online: l.online}
	for _, root := range l.repository.Roots {
		read, err := readPaper(root)
		if err != nil {
			return nil, err
		}
		p.roots = append(p.roots, read)
	}
	for _, part := range []struct {
		to   **paper
		data []byte
	}{{&p.targets, l.repository.Targets}, {&p.policy, l.repository.Policy}, {&p.warrant, l.repository.Warrant},
		{&p.snapshot, l.repository.Snapshot}, {&p.timestamp, l.repository.Timestamp}} {
		var err error
		if *part.to, err = readPaper(part.data); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// update signs snapshot and timestamp anew over whatever the other papers are, with the stolen online key.
func (p *papers) update() (*tuf.Update, error) {
	u := &tuf.Update{}
	meta := map[string]any{}
	for _, part := range []struct {
		name string
		p    *paper
		to   *[]byte
	}{{"targets.json", p.targets, &u.Targets}, {"policy.json", p.policy, &u.Policy}, {"warrant.json", p.warrant, &u.Warrant}} {
		var err error
		if meta[part.name], *part.to, err = describe(part.p); err != nil {
			return nil, err
		}
	}
	p.snapshot.Signed["meta"] = meta
	if err := errors.Join(p.snapshot.next(), p.snapshot.sign(p.online)); err != nil {
		return nil, err
	}
	described, data, err := describe(p.snapshot)
	if err != nil {
		return nil, err
	}
	u.Snapshot = data
	p.timestamp.Signed["meta"] = map[string]any{"snapshot.json": described}
	if err := errors.Join(p.timestamp.next(), p.timestamp.sign(p.online)); err != nil {
		return nil, err
	}
	if u.Timestamp, err = p.timestamp.bytes(); err != nil {
		return nil, err
	}
	for _, root := range p.roots {
		data, err := root.bytes()
		if err != nil {
			return nil, err
		}
		u.Roots = append(u.Roots, data)
	}
	return u, nil
}

func describe(p *paper) (meta map[string]any, data []byte, err error) {
	if data, err = p.bytes(); err != nil {
		return nil, nil, err
	}
	sum := sha256.Sum256(data)
	return map[string]any{
		"version": p.Signed["version"], "length": len(data), "hashes": map[string]any{"sha256": hex.EncodeToString(sum[:])},
	}, data, nil
}

// usurp adds a root in which the attacker's keys are the officers', and signs everything with them; others sign the root as well.
func (p *papers) usurp(keys []quill, threshold int, others ...quill) error {
	last := p.roots[len(p.roots)-1]
	data, err := last.bytes()
	if err != nil {
		return err
	}
	root, err := readPaper(data)
	if err != nil {
		return err
	}
	ids, listed := []any{}, map[string]any{p.online.id: p.online.entry}
	for _, k := range keys {
		ids = append(ids, k.id)
		listed[k.id] = k.entry
	}
	root.Signed["keys"] = listed
	roles := root.Signed["roles"].(map[string]any)
	officers := map[string]any{"keyids": ids, "threshold": threshold}
	roles["root"], roles["targets"] = officers, officers
	if err := errors.Join(root.next(), root.sign(append(append([]quill{}, keys...), others...)...)); err != nil {
		return err
	}
	p.roots = append(p.roots, root)
	p.delegate(keys, threshold)
	return errors.Join(p.targets.next(), p.targets.sign(keys...), p.policy.next(), p.policy.sign(keys...), p.warrant.next(), p.warrant.sign(keys...))
}

// delegate has targets name these keys for policy and warrant.
func (p *papers) delegate(keys []quill, threshold int) {
	ids, listed := []any{}, map[string]any{}
	for _, k := range keys {
		ids = append(ids, k.id)
		entry := maps.Clone(k.entry)
		listed[k.id] = entry
	}
	delegations := p.targets.Signed["delegations"].(map[string]any)
	delegations["keys"] = listed
	for _, role := range delegations["roles"].([]any) {
		role.(map[string]any)["keyids"], role.(map[string]any)["threshold"] = ids, threshold
	}
}

// readRepository reads what officers signed from the store, newest last, and every version of what they signed before.
func (l *loot) readRepository(tx authority.Tx) error {
	l.versions = map[string][][]byte{}
	for _, role := range []string{tuf.Root, tuf.Targets, tuf.Policy, tuf.Warrant, tuf.Snapshot, tuf.Timestamp} {
		list, err := tx.MetadataOf(role)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("the store has no metadata of %s", role)
		}
		for _, m := range list {
			l.versions[role] = append(l.versions[role], m.Document)
		}
	}
	last := func(role string) []byte { return l.versions[role][len(l.versions[role])-1] }
	l.repository = &tufrepo.Repository{
		Roots: l.versions[tuf.Root], Targets: last(tuf.Targets), Policy: last(tuf.Policy), Warrant: last(tuf.Warrant),
		Snapshot: last(tuf.Snapshot), Timestamp: last(tuf.Timestamp),
	}
	for id := range l.cohorts {
		c, err := tx.Cohort(id)
		if err != nil {
			return err
		}
		if l.cohorts[id], err = c.Tree(); err != nil {
			return err
		}
	}
	return nil
}

// policyOf is the first listing of policies that lists a policy.
func (l *loot) policyOf(hash [32]byte) ([]byte, error) {
	for _, listing := range l.versions[tuf.Policy] {
		if strings.Contains(string(listing), tuf.PolicyPath(hash)) {
			return listing, nil
		}
	}
	return nil, fmt.Errorf("%w: no metadata list the policy", errScene)
}
