package tufrepo

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// document is a metadata file. Its one encoding is compact JSON with sorted members and signatures sorted by key id.
// (Canonical JSON itself, which is what signatures are over, is no JSON: it has raw line ends in strings.)
type document struct {
	Signatures []signature     `json:"signatures"`
	Signed     json.RawMessage `json:"signed"`
}

type signature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"` // lower-case hex
}

// encode is the one encoding of a part of metadata: go-tuf's types write their members through maps, so sorted.
func encode(v any) ([]byte, error) { return json.Marshal(v) }

func newDocument(signed any) (document, error) {
	data, err := encode(signed)
	if err != nil {
		return document{}, fmt.Errorf("tufrepo: encoding metadata: %w", err)
	}
	d := document{Signatures: []signature{}, Signed: data}
	if len(data) > tuf.MaxMetadata-signatureRoom {
		return d, fmt.Errorf("%w: metadata of %d bytes, of which signatures leave %d: drop files that are no longer needed",
			ErrTooLarge, len(data), tuf.MaxMetadata-signatureRoom)
	}
	return d, nil
}

func readDocument(data []byte) (document, error) {
	var d document
	if len(data) > tuf.MaxMetadata {
		return d, fmt.Errorf("%w: metadata of %d bytes; devices take %d", ErrTooLarge, len(data), tuf.MaxMetadata)
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return d, fmt.Errorf("no metadata: %w", err)
	}
	again, err := d.bytes()
	if err != nil {
		return d, err
	}
	if !bytes.Equal(again, data) {
		return d, fmt.Errorf("metadata that is not in its one encoding")
	}
	return d, nil
}

func (d document) bytes() ([]byte, error) {
	if d.Signatures == nil {
		d.Signatures = []signature{}
	}
	slices.SortFunc(d.Signatures, func(a, b signature) int { return cmp.Compare(a.KeyID, b.KeyID) })
	return encode(d)
}

// payload is what is signed: the canonical form (OLPC canonical JSON, as TUF 4.2 has it).
func (d document) payload() ([]byte, error) { return cjson.EncodeCanonical(d.Signed) }

// signWith adds the key's signature under this id.
func (d document) signWith(k *Key, id string) (document, error) {
	payload, err := d.payload()
	if err != nil {
		return d, fmt.Errorf("tufrepo: %w", err)
	}
	sig, err := k.sign(payload)
	if err != nil {
		return d, fmt.Errorf("tufrepo: signing: %w", err)
	}
	d.Signatures = append(slices.Clone(d.Signatures), signature{id, hex.EncodeToString(sig)})
	slices.SortFunc(d.Signatures, func(a, b signature) int { return cmp.Compare(a.KeyID, b.KeyID) })
	return d, nil
}

// signedBy returns those of the keys whose signatures are on the document, once each, and refuses signatures that do not hold.
// Keys that are not among them are none of its concern.
func (d document) signedBy(keys []PublicKey) ([]PublicKey, error) {
	payload, err := d.payload()
	if err != nil {
		return nil, err
	}
	var found []PublicKey
	for i, s := range d.Signatures {
		if i > 0 && d.Signatures[i-1].KeyID == s.KeyID {
			return nil, fmt.Errorf("two signatures under one key id %.16s", s.KeyID)
		}
		at := slices.IndexFunc(keys, func(k PublicKey) bool { return k.ID() == s.KeyID })
		if at < 0 {
			continue
		}
		sig, err := hex.DecodeString(s.Sig)
		if err != nil || hex.EncodeToString(sig) != s.Sig || !keys[at].verify(payload, sig) {
			return nil, fmt.Errorf("a signature of %s that does not hold", keys[at].name)
		}
		if !slices.ContainsFunc(found, keys[at].Same) {
			found = append(found, keys[at])
		}
	}
	return found, nil
}

func targetOf(data []byte) Target { return Target{int64(len(data)), sha256.Sum256(data)} }

// The readers below take a document's signed part only as the builders in roles.go write it: what is read is built again, and
// must give the same bytes. So there is no unknown member, no second spelling, and nothing that another reader could see otherwise.

func readHead(version int64, expires time.Time) (head, error) {
	if version < 1 || version > maxVersion {
		return head{}, fmt.Errorf("version %d", version)
	}
	return head{uint64(version), expires.UTC().Truncate(time.Second)}, nil
}

func rebuilt(d document, signed any, role string) error {
	again, err := encode(signed)
	if err != nil {
		return fmt.Errorf("%s: %w", role, err)
	}
	if !bytes.Equal(again, d.Signed) {
		return fmt.Errorf("%s is not written as Bailiwick writes it", role)
	}
	return nil
}

type rootDocument struct {
	document
	head
	signers
}

func readRoot(data []byte) (rootDocument, error) {
	var r rootDocument
	var err error
	if r.document, err = readDocument(data); err != nil {
		return r, err
	}
	var signed metadata.RootType
	if err := json.Unmarshal(r.Signed, &signed); err != nil {
		return r, fmt.Errorf("root: %w", err)
	}
	if r.head, err = readHead(signed.Version, signed.Expires); err != nil {
		return r, fmt.Errorf("root: %w", err)
	}
	keys, err := keysOf(signed.Keys)
	if err != nil {
		return r, fmt.Errorf("root: %w", err)
	}
	role, online := signed.Roles[metadata.ROOT], signed.Roles[metadata.TIMESTAMP]
	if role == nil || online == nil || len(online.KeyIDs) != 1 {
		return r, fmt.Errorf("root lacks a role, or has not one online key")
	}
	officers, err := choose(keys, role.KeyIDs)
	if err != nil {
		return r, fmt.Errorf("root: %w", err)
	}
	if r.signers, err = newSigners(officers, role.Threshold, keys[online.KeyIDs[0]]); err != nil {
		return r, err
	}
	return r, rebuilt(r.document, r.rootSigned(r.signers), tuf.Root)
}

func keysOf(in map[string]*metadata.Key) (map[string]PublicKey, error) {
	keys := make(map[string]PublicKey, len(in))
	for id, k := range in {
		p, err := publicOf(k)
		if err != nil {
			return nil, err
		}
		keys[id] = p
	}
	return keys, nil
}

func choose(keys map[string]PublicKey, ids []string) ([]PublicKey, error) {
	var out []PublicKey
	for _, id := range ids {
		k, ok := keys[id]
		if !ok {
			return nil, fmt.Errorf("no key has the id %.16s", id)
		}
		out = append(out, k)
	}
	return out, nil
}

type targetsDocument struct {
	document
	head
}

// readTargets reads top-level targets, which must delegate to just these signers.
func readTargets(data []byte, s signers) (targetsDocument, error) {
	var r targetsDocument
	signed, d, h, err := readTargetsType(data, tuf.Targets)
	if err != nil {
		return r, err
	}
	r = targetsDocument{d, h}
	_ = signed
	return r, rebuilt(d, h.targetsSigned(s), tuf.Targets)
}

type listingDocument struct {
	document
	head
	files map[string]Target
}

func readListing(data []byte, role string) (listingDocument, error) {
	signed, d, h, err := readTargetsType(data, role)
	if err != nil {
		return listingDocument{}, err
	}
	l := listingDocument{d, h, make(map[string]Target, len(signed.Targets))}
	for path, f := range signed.Targets {
		if err := checkPath(role, path); err != nil {
			return l, err
		}
		if f == nil || len(f.Hashes["sha256"]) != sha256.Size || f.Length < 0 {
			return l, fmt.Errorf("%s: %s has no SHA-256 or no length", role, path)
		}
		l.files[path] = Target{f.Length, [32]byte(f.Hashes["sha256"])}
	}
	return l, rebuilt(d, h.listingSigned(l.files), role)
}

func readTargetsType(data []byte, role string) (signed metadata.TargetsType, d document, h head, err error) {
	if d, err = readDocument(data); err != nil {
		return signed, d, h, fmt.Errorf("%s: %w", role, err)
	}
	if err := unmarshalTargets(d.Signed, &signed); err != nil {
		return signed, d, h, fmt.Errorf("%s: %w", role, err)
	}
	if h, err = readHead(signed.Version, signed.Expires); err != nil {
		return signed, d, h, fmt.Errorf("%s: %w", role, err)
	}
	return signed, d, h, nil
}

// unmarshalTargets keeps go-tuf's decoder from a null among the targets, which it does not survive.
func unmarshalTargets(data []byte, signed *metadata.TargetsType) error {
	var shape struct {
		Targets map[string]*struct{} `json:"targets"`
	}
	if err := json.Unmarshal(data, &shape); err != nil {
		return err
	}
	for path, target := range shape.Targets {
		if target == nil {
			return fmt.Errorf("%q is null", path)
		}
	}
	return json.Unmarshal(data, signed)
}
