package tuftest

import (
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Fault is one way in which metadata can be wrong although everything else fits: whoever made it held all the keys that
// signed it, and snapshot and timestamp describe it.
type Fault string

// The faults. Where it is not said otherwise they can be made in every role.
const (
	OneSignature Fault = "one-signature" // one signer less than the threshold
	SignerTwice  Fault = "signer-twice"  // one signer's signature stands there twice, under one key id, and nobody else's
	KeyTwice     Fault = "key-twice"     // one officer's key goes by two key ids, and signs by both. No Timestamp, no Snapshot
	ThresholdOne Fault = "threshold-one" // one officer is to be enough, and signs alone. No Timestamp, no Snapshot
	OnlineKey    Fault = "online-key"    // the server's key counts as an officer's. No Timestamp, no Snapshot
	Expired      Fault = "expired"       // its date has just passed
	Lower        Fault = "lower-version" // the version is one less than the one before, which must be at least 2. No Root
	Oversized    Fault = "oversized"     // spaces behind the end, up to one byte too many
	Usurped      Fault = "usurped"       // Root only: all officers are replaced, and only the new ones sign
	Disowned     Fault = "disowned"      // Root only: all officers are replaced, and only the old ones sign
	RootGap      Fault = "root-gap"      // Root only: a version is left out
)

// Faults lists every fault.
func Faults() []Fault {
	return []Fault{OneSignature, SignerTwice, KeyTwice, ThresholdOne, OnlineKey, Expired, Lower, Oversized, Usurped, Disowned, RootGap}
}

// Possible reports whether a fault can be made in a role.
func Possible(f Fault, role string) bool {
	switch f {
	case KeyTwice, ThresholdOne, OnlineKey:
		return role != tuf.Timestamp && role != tuf.Snapshot
	case Lower:
		return role != tuf.Root
	case Usurped, Disowned, RootGap:
		return role == tuf.Root
	}
	return true
}

// Break returns a copy with the next version of a role, in which this is wrong; what describes or delegates to it is signed
// anew. It panics when the fault is not Possible there.
func (r *Repository) Break(f Fault, role string) *Repository {
	if !Possible(f, role) {
		panic("tuftest: no " + string(f) + " in " + role)
	}
	c := r.Clone()
	c.edits, c.signers, c.padding = map[string][]func(map[string]any){}, map[string]func([]signer) []signer{}, map[string]int{}
	switch f {
	case OneSignature:
		c.signers[role] = func(all []signer) []signer { return all[:c.threshold(role)-1] }
	case SignerTwice:
		c.signers[role] = func(all []signer) []signer { return []signer{all[0], all[0]} }
	case KeyTwice:
		c.keyTwice(role)
	case ThresholdOne:
		c.grant(role, func(_, grant map[string]any) { grant["threshold"] = 1 })
		c.signers[role] = func(all []signer) []signer { return all[:1] }
	case OnlineKey:
		c.grant(role, func(keys, grant map[string]any) {
			keys[c.online.id] = clone(c.online.public)
			grant["keyids"] = append(grant["keyids"].([]string), c.online.id)
		})
	case Expired:
		c.Edit(role, func(signed map[string]any) { signed["expires"] = c.now.Add(-time.Second).UTC().Format(time.RFC3339) })
	case Lower:
		c.Edit(role, func(signed map[string]any) { signed["version"] = signed["version"].(uint64) - 2 })
	case Oversized:
		c.padding[role] = max(1, tuf.MaxMetadata+1-len(c.Clone().next(role)))
	case Usurped, Disowned:
		return c.replace(f)
	case RootGap:
		c.version[tuf.Root]++
	}
	c.rewrite(role)
	return c
}

// Edit changes what the next version of a role says before it is signed, whatever writes that version. That it still can be
// verified, and what is wrong in it, is the caller's affair.
func (r *Repository) Edit(role string, edit func(signed map[string]any)) {
	r.edits[role] = append(slices.Clone(r.edits[role]), edit)
}

func (r *Repository) threshold(role string) int {
	if role == tuf.Timestamp || role == tuf.Snapshot {
		return 1
	}
	return r.options.Threshold
}

// grant edits, in the metadata that say who may sign a role, the keys there and the role's key ids and threshold.
func (r *Repository) grant(role string, edit func(keys, grant map[string]any)) {
	if role == tuf.Root || role == tuf.Targets {
		r.Edit(tuf.Root, func(signed map[string]any) {
			edit(signed["keys"].(map[string]any), signed["roles"].(map[string]any)[role].(map[string]any))
		})
		return
	}
	r.Edit(tuf.Targets, func(signed map[string]any) {
		delegations := signed["delegations"].(map[string]any)
		for _, d := range delegations["roles"].([]any) {
			if d := d.(map[string]any); d["name"] == role {
				edit(delegations["keys"].(map[string]any), d)
			}
		}
	})
}

// keyTwice lets the first officer's key go by another id too, as if it were another officer's.
func (r *Repository) keyTwice(role string) {
	first := r.officers[0]
	other := clone(first.public)
	other["x-bailiwick-officer"] = "somebody else"
	const id = "another-id"
	r.grant(role, func(keys, grant map[string]any) {
		keys[id] = other
		grant["keyids"] = append(grant["keyids"].([]string), id)
	})
	r.signers[role] = func([]signer) []signer { return []signer{{first.id, first}, {id, first}} }
}

// replace writes the next root with officers that are all new, signed by the new or by the old only.
func (r *Repository) replace(f Fault) *Repository {
	before := r.change(r.now, Rotation{Add: len(r.officers), Remove: len(r.officers)})
	if f == Usurped {
		before = r.officers
	}
	r.writeRoot(before)
	r.write(tuf.Targets, tuf.Policy, tuf.Warrant, tuf.Snapshot, tuf.Timestamp)
	return r
}

// rewrite writes the next version of a role, of what has an edit, and of what describes them.
func (r *Repository) rewrite(role string) {
	if role == tuf.Root || r.edits[tuf.Root] != nil {
		r.writeRoot(r.officers)
	}
	for _, of := range []string{tuf.Targets, tuf.Policy, tuf.Warrant} {
		if role == of || r.edits[of] != nil {
			r.write(of)
		}
	}
	if role != tuf.Timestamp {
		r.write(tuf.Snapshot)
	}
	r.write(tuf.Timestamp)
}

// next returns a role's next metadata file.
func (r *Repository) next(role string) []byte {
	r.rewrite(role)
	if role == tuf.Root {
		return r.roots[len(r.roots)-1]
	}
	return r.signed[role]
}

// Mix returns a with the policy and warrant metadata of b.
func Mix(a, b tuf.Update) tuf.Update {
	a.Policy, a.Warrant = b.Policy, b.Warrant
	return a
}
