package tuftest

import (
	"bytes"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
)

// writeRoot writes the next root, signed by these.
func (r *Repository) writeRoot(by []*key) {
	keys := map[string]any{}
	r.list(keys, r.officers...)
	r.list(keys, r.online)
	officers := func() any { return map[string]any{"keyids": ids(r.officers), "threshold": r.options.Threshold} }
	online := func() any { return map[string]any{"keyids": []string{r.online.id}, "threshold": 1} }
	data := r.file(tuf.Root, tuf.Root, by, map[string]any{
		"consistent_snapshot": true, "keys": keys,
		"roles": map[string]any{tuf.Root: officers(), tuf.Targets: officers(), tuf.Snapshot: online(), tuf.Timestamp: online()},
	})
	r.roots = append(r.roots, data)
}

// write writes the next version of each of these roles.
func (r *Repository) write(roles ...string) {
	for _, role := range roles {
		switch role {
		case tuf.Targets:
			r.signed[role] = r.file(role, role, r.officers, map[string]any{"targets": map[string]any{}, "delegations": r.delegations()})
		case tuf.Policy, tuf.Warrant:
			r.signed[role] = r.file(role, tuf.Targets, r.officers, map[string]any{"targets": r.targets(role)})
		case tuf.Snapshot:
			meta := map[string]any{}
			for _, of := range []string{tuf.Targets, tuf.Policy, tuf.Warrant} {
				meta[of+".json"] = r.meta(of)
			}
			r.signed[role] = r.file(role, role, []*key{r.online}, map[string]any{"meta": meta})
		case tuf.Timestamp:
			r.signed[role] = r.file(role, role, []*key{r.online}, map[string]any{"meta": map[string]any{tuf.Snapshot + ".json": r.meta(tuf.Snapshot)}})
		}
	}
}

// file signs the next version of a role's metadata, as Break would have it.
func (r *Repository) file(role, kind string, by []*key, signed map[string]any) []byte {
	r.version[role]++
	signed["_type"], signed["spec_version"], signed["version"] = kind, "1.0.31", r.version[role]
	signed["expires"] = r.now.Add(term(role)).UTC().Format(time.RFC3339)
	for _, edit := range r.edits[role] {
		edit(signed)
	}
	delete(r.edits, role)
	if v, ok := signed["version"].(uint64); ok {
		r.version[role] = v
	}
	var signers []signer
	for _, k := range by {
		signers = append(signers, signer{k.id, k})
	}
	if change := r.signers[role]; change != nil {
		signers = change(signers)
	}
	return append(file(signed, signers), bytes.Repeat([]byte(" "), r.padding[role])...)
}

func (r *Repository) meta(role string) map[string]any {
	data := r.signed[role]
	return map[string]any{"version": r.version[role], "length": len(data), "hashes": hash(data)}
}

func (r *Repository) targets(role string) map[string]any {
	all := map[string]any{}
	for path, data := range r.files[role] {
		all[path] = map[string]any{"length": len(data), "hashes": hash(data)}
	}
	return all
}

func (r *Repository) delegations() map[string]any {
	keys := map[string]any{}
	r.list(keys, r.officers...)
	to := func(role string, paths ...string) map[string]any {
		return map[string]any{"name": role, "keyids": ids(r.officers), "threshold": r.options.Threshold, "terminating": true, "paths": paths}
	}
	return map[string]any{"keys": keys, "roles": []any{to(tuf.Policy, "policy/*", "borders/*", "messages/*"), to(tuf.Warrant, "warrant/*")}}
}

func (r *Repository) list(keys map[string]any, more ...*key) {
	for _, k := range more {
		keys[k.id] = clone(k.public)
	}
}

func ids(keys []*key) []string {
	var all []string
	for _, k := range keys {
		all = append(all, k.id)
	}
	return all
}

// clone copies a key, so that an edit of one version is none of the next.
func clone(m map[string]any) map[string]any {
	c := map[string]any{}
	for k, v := range m {
		if below, ok := v.(map[string]any); ok {
			v = clone(below)
		}
		c[k] = v
	}
	return c
}
