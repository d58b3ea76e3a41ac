// Package targets says which files of the officers' repository (The Update Framework: targets) a policy and a warrant come to, and
// reads them back out of a proposal. Server and officers' commands share it, so that what an officer computes again on a machine
// of their own is what the server made, byte for byte.
//
//	policy/<SHA-256 of the file>.yaml   the policy file, as it was written
//	policy/<same>.cbor                  protocol.Policy.Marshal() of its extract: what devices verify
//	borders/borders.bin                 the borders that agents decide by
//	messages/FAMILY.LANG.json           what owners read
//	warrant/<id>.cbor                   protocol.Warrant.Marshal()
//
// Devices have borders and messages in their firmware; they are listed so that anybody can see which ones belong to a policy.
package targets

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/messages"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// ErrMismatch is a file that does not follow from the one that it should follow from.
var ErrMismatch = errors.New("targets: the files do not belong together")

// AttachedName is under what name a policy's proposal carries the name of the file, for people.
const AttachedName = "name"

// PolicyFile is the path of a policy file.
func PolicyFile(hash [32]byte) string { return "policy/" + hex.EncodeToString(hash[:]) + ".yaml" }

// PolicyHash reads the hash out of a path that PolicyFile wrote.
func PolicyHash(path string) (hash [32]byte, ok bool) {
	name, ok := strings.CutPrefix(path, "policy/")
	if !ok {
		return hash, false
	}
	if name, ok = strings.CutSuffix(name, ".yaml"); !ok || len(name) != 64 {
		return hash, false
	}
	n, err := hex.Decode(hash[:], []byte(name))
	return hash, err == nil && n == len(hash) && name == hex.EncodeToString(hash[:])
}

// DevicePolicy is the extract of p that devices read.
func DevicePolicy(p *policy.Policy) protocol.Policy {
	x := p.DeviceExtract()
	d := protocol.Policy{
		Hash: x.Hash, ID: x.ID, Effective: x.Effective.Time(), Observation: x.Observation, NoticeDays: x.Notice.Days,
		ShownDays: x.Notice.ShownDays, LockDays: x.LockDays, AppliesFrom: x.AppliesFrom,
		Contact: protocol.Contact{Name: x.Contact.Name, Phone: x.Contact.Phone, Email: x.Contact.Email, OwnerURL: x.Contact.OwnerURL},
	}
	for _, r := range x.Rules {
		d.Rules = append(d.Rules, protocol.Rule{ID: r.ID, Codes: r.Codes, Name: r.Name, LegalBasis: r.LegalBasis, Source: r.Source,
			Since: r.Since, Until: r.Until, ReviewBy: r.ReviewBy})
	}
	return d
}

// OfPolicy returns every file that p comes to, borders and messages included, by path. It fails when devices could not read it.
func OfPolicy(p *policy.Policy) ([]tufrepo.File, error) {
	extract, err := DevicePolicy(p).Marshal()
	if err != nil {
		return nil, fmt.Errorf("devices could not read the policy: %w", err)
	}
	files := []tufrepo.File{
		{Path: PolicyFile(p.Hash()), Data: p.Source()},
		{Path: tuf.PolicyPath(p.Hash()), Data: extract},
	}
	beside, err := Beside()
	if err != nil {
		return nil, err
	}
	files = append(files, beside...)
	slices.SortFunc(files, func(a, b tufrepo.File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// Listing is what a policy proposal lists, taken apart.
type Listing struct {
	New     []*policy.Policy // carried by the proposal, read and checked: one, or none when signatures are renewed
	Kept    [][32]byte       // hashes of policies that stay listed
	Dropped [][32]byte       // hashes of policies that were listed and no longer are
	Changed []string         // borders and messages that are listed otherwise than before, or no longer
	Foreign []string         // borders and messages that differ from those embedded in this program
}

// ReadPolicies takes a policy proposal apart and computes again what follows from its policy files: each must be readable, carry its hash in
// its name, pass its own tests, and come to the extract beside it, byte for byte. It fails with ErrMismatch, tufrepo.ErrProposal or
// policy.Problems.
func ReadPolicies(p *tufrepo.Proposal) (*Listing, error) {
	before, after, err := p.Listed()
	if err != nil {
		return nil, err
	}
	carried := map[string][]byte{}
	for _, f := range p.Files() {
		carried[f.Path] = f.Data
	}
	l := &Listing{}
	if err := l.compareOthers(before, after); err != nil {
		return nil, err
	}
	for path := range after {
		if hash, ok := PolicyHash(path); ok {
			if err := l.readPolicy(hash, before, after, carried); err != nil {
				return nil, err
			}
		}
	}
	for path := range before {
		if _, listed := after[path]; listed {
			continue
		}
		if hash, ok := PolicyHash(path); ok {
			l.Dropped = append(l.Dropped, hash)
		} else if !strings.HasPrefix(path, "policy/") {
			l.Changed = append(l.Changed, path)
		}
	}
	slices.Sort(l.Changed)
	if len(l.New) > 1 { // who signs is shown one difference, and must not sign for what is not in it
		return nil, fmt.Errorf("%w: the proposal brings %d policies; it brings one", ErrMismatch, len(l.New))
	}
	return l, nil
}

// compareOthers looks at what is listed beside policy files: their extracts, borders and messages, and nothing else.
func (l *Listing) compareOthers(before, after map[string]tufrepo.Target) error {
	embedded, err := others()
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(after)) {
		if _, ok := PolicyHash(path); ok {
			continue
		}
		if name, ok := strings.CutSuffix(path, ".cbor"); ok && strings.HasPrefix(path, "policy/") {
			if _, ok := after[name+".yaml"]; !ok {
				return fmt.Errorf("%w: %s is listed without its policy file", ErrMismatch, path)
			}
			continue
		}
		if strings.HasPrefix(path, "policy/") {
			return fmt.Errorf("%w: %s is neither a policy file nor its extract", ErrMismatch, path)
		}
		if before[path] != after[path] {
			l.Changed = append(l.Changed, path)
		}
		if data, known := embedded[path]; !known || sha256.Sum256(data) != after[path].SHA256 {
			l.Foreign = append(l.Foreign, path)
		}
	}
	return nil
}

func (l *Listing) readPolicy(hash [32]byte, before, after map[string]tufrepo.Target, carried map[string][]byte) error {
	path, extract := PolicyFile(hash), tuf.PolicyPath(hash)
	if after[path].SHA256 != hash {
		return fmt.Errorf("%w: %s is listed with another hash than its name says", ErrMismatch, path)
	}
	if _, ok := after[extract]; !ok {
		return fmt.Errorf("%w: %s is listed without the extract that devices read", ErrMismatch, path)
	}
	if before[path] == after[path] {
		if before[extract] != after[extract] {
			return fmt.Errorf("%w: the extract of %s changed, and the policy did not", ErrMismatch, path)
		}
		l.Kept = append(l.Kept, hash)
		return nil
	}
	p, err := policy.Parse(path, carried[path])
	if err != nil {
		return err
	}
	for _, t := range p.Check(p.EffectiveFrom).Tests {
		if !t.Passed {
			return fmt.Errorf("%w: the policy's own test %q fails: %s", ErrMismatch, t.Name, strings.Join(t.Failures, "; "))
		}
	}
	again, err := DevicePolicy(p).Marshal()
	if err != nil {
		return fmt.Errorf("devices could not read the policy: %w", err)
	}
	if !bytes.Equal(again, carried[extract]) {
		return fmt.Errorf("%w: the extract that devices would read is not what the policy file says", ErrMismatch)
	}
	l.New = append(l.New, p)
	return nil
}

// Find returns the listed policy with this hash from wherever somebody has it: any of the blobs with that SHA-256. Nothing is believed of them
// but what the hash, which officers signed, vouches for.
func Find(hash [32]byte, blobs [][]byte) (*policy.Policy, bool) {
	for _, data := range blobs {
		if sha256.Sum256(data) == hash {
			p, err := policy.Parse(PolicyFile(hash), data)
			return p, err == nil
		}
	}
	return nil, false
}

// Order says which of two policies follows the other: positive when a takes effect later than b, or on the same day with a higher version.
func Order(a, b *policy.Policy) int {
	return cmp.Or(a.EffectiveFrom.Compare(b.EffectiveFrom), cmp.Compare(a.Version, b.Version))
}

// InForce returns which of several policies devices follow at a time: the one that took effect last, nil when none has. Between two of one day
// the higher version counts.
func InForce(policies []*policy.Policy, now time.Time) *policy.Policy {
	var best *policy.Policy
	for _, p := range policies {
		if p.EffectiveFrom.After(now) {
			continue
		}
		if best == nil || Order(p, best) > 0 {
			best = p
		}
	}
	return best
}

// Beside returns what every policy proposal lists beside policies: borders and messages as this program embeds them.
func Beside() (files []tufrepo.File, err error) {
	embedded, err := others()
	for path, data := range embedded {
		files = append(files, tufrepo.File{Path: path, Data: data})
	}
	return files, err
}

// AttachPolicies puts policies that are listed already beside a proposal, so that officers can compare without a network. What is attached nobody
// signs: [Find] holds it to the hash that officers signed before.
func AttachPolicies(p *tufrepo.Proposal, listed []*policy.Policy) error {
	for _, old := range listed {
		hash := old.Hash()
		if err := p.Attach(fmt.Sprintf("policy-%x", hash[:8]), old.Source()); err != nil {
			return err
		}
	}
	return nil
}

// Follows returns which of several policies another one would follow: the last in Order that is before it. It is nil when none is.
func Follows(policies []*policy.Policy, next *policy.Policy) *policy.Policy {
	var best *policy.Policy
	for _, p := range policies {
		if Order(p, next) < 0 && (best == nil || Order(p, best) > 0) {
			best = p
		}
	}
	return best
}

// others returns borders and messages as this program embeds them.
func others() (map[string][]byte, error) {
	catalogues, err := messages.Files()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"borders/borders.bin": territory.File()}
	for name, data := range catalogues {
		files["messages/"+name] = data
	}
	return files, nil
}

// IsPolicy reports whether a path is that of a policy file or of its extract.
func IsPolicy(path string) bool {
	if name, extract := strings.CutSuffix(path, ".cbor"); extract {
		path = name + ".yaml"
	}
	_, ok := PolicyHash(path)
	return ok
}
