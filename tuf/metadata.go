package tuf

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
)

// Bounds of what metadata list.
const (
	maxListed      = 512 // targets in one role, and roles in a snapshot
	maxDelegations = 16
	maxPatterns    = 32
	maxPath        = 255 // characters of a path or pattern
	layout         = "2006-01-02T15:04:05Z"
)

// document is a metadata file whose form was checked, and nothing else.
type document struct {
	role       string
	version    uint64
	expires    time.Time
	signed     value
	signatures map[string][]byte // by key id
}

// readDocument reads the envelope of TUF metadata (section 4.2.1 of the specification) and what all of them have in common.
// names are the members of "signed" that mean something to the caller.
func readDocument(role, kind string, data []byte, names ...string) (document, *fields, error) {
	d := document{role: role}
	if err := size(role, data); err != nil {
		return d, nil, err
	}
	v, err := parseJSON(data)
	if err != nil {
		return d, nil, fmt.Errorf("%s: %w", role, err)
	}
	envelope := open(v, role, "signed", "signatures")
	d.signed = envelope.need("signed", kindObject)
	d.signatures = readSignatures(envelope)
	if envelope.err != nil {
		return d, nil, envelope.err
	}
	f := open(d.signed, role, append(names, "_type", "spec_version", "version", "expires")...)
	if got := f.text("_type"); got != kind {
		f.reject("_type is %q, must be %q", got, kind)
	}
	if spec := f.text("spec_version"); !strings.HasPrefix(spec, "1.") {
		f.reject("spec_version is %q; only 1 is known", spec)
	}
	d.version = uint64(f.count("version", 1, maxInteger))
	expires := f.text("expires")
	if d.expires, err = time.Parse(layout, expires); err != nil || d.expires.Format(layout) != expires {
		f.reject("expires is %q, must be like 2031-01-31T00:00:00Z", expires)
	}
	return d, f, f.err
}

func readSignatures(f *fields) map[string][]byte {
	signatures := make(map[string][]byte)
	for _, item := range f.list("signatures", maxSignatures) {
		s := open(item, f.of+"'s signature", "keyid", "sig")
		id, text := s.text("keyid"), s.need("sig", kindString)
		raw, ok := unhex(text.text)
		if _, twice := signatures[id]; twice || s.err != nil || !ok || len(text.raw) != len(text.text)+2 || len(raw) > maxSignature || len(id) > maxKeyID {
			f.reject("a signature is not lower-case hex, too long, or the second of its key id")
			return nil
		}
		signatures[id] = raw
	}
	return signatures
}

// verify checks that enough of the signers signed d. A key counts once, under however many ids it goes.
func (s signers) verify(d document, by string) error {
	message, err := cjson.EncodeCanonical(json.RawMessage(d.signed.raw))
	if err != nil {
		return malformed("%s has no canonical form: %v", d.role, err)
	}
	signed := make(map[string]bool)
	for id, k := range s.keys {
		if signature := d.signatures[id]; len(signature) > 0 && !signed[k.public] && k.verify(message, signature) {
			if signed[k.public] = true; len(signed) == s.threshold {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: %s %d has %d good signatures of the %d that %s demands", ErrSignatures, d.role, d.version, len(signed), s.threshold, by)
}

// root is the metadata of the role root.
type root struct {
	document
	raw   []byte
	roles map[string]signers
}

func readRoot(data []byte, floor int) (*root, error) {
	d, f, err := readRootDocument(data)
	if err != nil {
		return nil, err
	}
	return newRoot(d, f, data, floor)
}

func readRootDocument(data []byte) (document, *fields, error) {
	return readDocument(Root, Root, data, "keys", "roles", "consistent_snapshot")
}

func newRoot(d document, f *fields, data []byte, floor int) (*root, error) {
	r := &root{document: d, raw: bytes.Clone(data), roles: make(map[string]signers)}
	if !f.need("consistent_snapshot", kindBool).flag {
		f.reject("consistent_snapshot is not true")
	}
	keys := readKeys(f)
	roles := open(f.need("roles", kindObject), Root, Root, Targets, Snapshot, Timestamp)
	for _, name := range []string{Root, Targets, Snapshot, Timestamp} {
		role := open(roles.need(name, kindObject), "root's "+name, "keyids", "threshold")
		r.roles[name] = readSigners(role, keys)
		if err := cmp.Or(f.err, roles.err, role.err); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{Root, Targets} {
		if err := r.floor(name, r.roles[name], floor); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// settle forgets what was only needed to verify r, which a device then keeps.
func (r *root) settle() *root {
	r.signed, r.signatures = value{}, nil
	return r
}

// floor checks that a role of the officers' cannot do with fewer of them.
func (r *root) floor(name string, s signers, floor int) error {
	if s.threshold < floor {
		return fmt.Errorf("%w: %s asks for %d signers, must be at least %d", ErrThreshold, name, s.threshold, floor)
	}
	for _, online := range []string{Snapshot, Timestamp} {
		for _, k := range r.roles[online].keys {
			if s.has(k.public) {
				return fmt.Errorf("%w: the key of %s, which the server holds, counts as an officer's for %s", ErrThreshold, online, name)
			}
		}
	}
	return nil
}

// meta is what a snapshot or a timestamp says of a metadata file.
type meta struct {
	version uint64
	length  int64  // 0 where it does not say
	hash    []byte // SHA-256; nil where it does not say
}

// described is the metadata of the roles snapshot and timestamp.
type described struct {
	document
	meta map[string]meta // by role
}

func readDescribed(role string, data []byte) (*described, error) {
	d, f, err := readDocument(role, role, data, "meta")
	if err != nil {
		return nil, err
	}
	all := &described{d, make(map[string]meta)}
	for _, m := range f.table("meta", maxListed) {
		one := open(m.value, role+"'s "+m.name, "version", "length", "hashes")
		var e meta
		e.version = uint64(one.count("version", 1, maxInteger))
		if one.find("length").kind != 0 {
			e.length = one.count("length", 1, maxInteger)
		}
		if one.find("hashes").kind != 0 {
			e.hash = readHash(one)
		}
		if one.err != nil {
			return nil, one.err
		}
		if name, ok := strings.CutSuffix(m.name, ".json"); ok {
			all.meta[name] = e
		}
	}
	return all, f.err
}

// readHash reads "hashes", which is one SHA-256 here.
func readHash(f *fields) []byte {
	members := f.table("hashes", 1)
	if len(members) != 1 {
		f.reject("hashes is not one SHA-256")
		return nil
	}
	v := members[0].value
	raw, ok := unhex(v.text)
	if members[0].name != "sha256" || v.kind != kindString || !ok || len(raw) != 32 || len(v.raw) != 66 {
		f.reject("hashes is not one SHA-256 in lower-case hex")
		return nil
	}
	return raw
}

// target is what a role says of a file.
type target struct {
	length int64
	hash   []byte
}

// delegation is who may sign a role that targets delegates to, and for which paths.
type delegation struct {
	signers
	patterns []string
}

// targets is the metadata of the role targets or of one that it delegates to.
type targets struct {
	document
	targets     map[string]target
	delegations map[string]delegation
}

func readTargets(role string, data []byte) (*targets, error) {
	d, f, err := readDocument(role, Targets, data, "targets", "delegations")
	if err != nil {
		return nil, err
	}
	t := &targets{document: d, targets: make(map[string]target)}
	for _, m := range f.table("targets", maxListed) {
		one := open(m.value, role+"'s target", "length", "hashes", "custom")
		t.targets[m.name] = target{one.count("length", 0, maxInteger), readHash(one)}
		if len(m.name) > maxPath {
			one.reject("a path of %d characters, at most %d", len(m.name), maxPath)
		}
		if one.err != nil {
			return nil, one.err
		}
	}
	switch v := f.find("delegations"); {
	case f.err != nil || v.kind == 0:
		return t, f.err
	case role != Targets:
		return nil, malformed("%s delegates; only targets may", role)
	default:
		t.delegations, err = readDelegations(v)
		return t, err
	}
}

func readDelegations(v value) (map[string]delegation, error) {
	f := open(v, "delegations", "keys", "roles", "succinct_roles")
	if f.find("succinct_roles").kind != 0 {
		f.reject("succinct_roles have no meaning here")
	}
	keys := readKeys(f)
	all := make(map[string]delegation)
	for _, item := range f.list("roles", maxDelegations) {
		one := open(item, "delegation", "name", "keyids", "threshold", "terminating", "paths", "path_hash_prefixes")
		name := one.text("name")
		if _, twice := all[name]; twice {
			one.reject("a second one to %q", name)
		}
		if !one.need("terminating", kindBool).flag {
			one.reject("the one to %q does not end the search", name)
		}
		if one.find("path_hash_prefixes").kind != 0 {
			one.reject("path_hash_prefixes have no meaning here")
		}
		all[name] = delegation{readSigners(one, keys), readPatterns(one)}
		if one.err != nil {
			return nil, one.err
		}
	}
	return all, f.err
}

func readPatterns(f *fields) (patterns []string) {
	for _, item := range f.list("paths", maxPatterns) {
		if _, err := path.Match(item.text, ""); err != nil || item.kind != kindString || len(item.text) > maxPath {
			f.reject("paths has %.40q, which is no pattern", item.text)
			return nil
		}
		patterns = append(patterns, item.text)
	}
	return patterns
}
