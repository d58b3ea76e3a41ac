package tuf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// judge is go-tuf's verdict on an update, for a client that trusts a root and has the timestamp and snapshot of before.
func judge(root []byte, before, u tuf.Update, now time.Time) (*trustedmetadata.TrustedMetadata, error) {
	judge, err := trustedmetadata.New(root)
	if err != nil {
		return nil, err
	}
	judge.RefTime = now
	for _, data := range u.Roots {
		if versionOf(data) <= judge.Root.Signed.Version {
			continue
		}
		if _, err := judge.UpdateRoot(data); err != nil {
			return nil, err
		}
	}
	// What was there before serves against rollback only, so that its own faults (expired, keys changed since) are none. Of two
	// timestamps of one version go-tuf keeps the first, which is no verdict on the second.
	if before.Timestamp != nil && versionOf(before.Timestamp) != versionOf(u.Timestamp) {
		_, _ = judge.UpdateTimestamp(before.Timestamp)
	}
	if _, err := judge.UpdateTimestamp(u.Timestamp); err != nil {
		return nil, err
	}
	if before.Snapshot != nil {
		_, _ = judge.UpdateSnapshot(before.Snapshot, true)
	}
	if _, err := judge.UpdateSnapshot(u.Snapshot, false); err != nil {
		return nil, err
	}
	_, err = judge.UpdateTargets(u.Targets)
	return judge, err
}

func versionOf(data []byte) int64 {
	var m struct{ Signed struct{ Version int64 } }
	if json.Unmarshal(data, &m) != nil {
		return -1
	}
	return m.Signed.Version
}

// delegated is go-tuf's verdict on the files of a role, whose expiry this package leaves to Listing.Verify.
func delegated(judge *trustedmetadata.TrustedMetadata, u tuf.Update) error {
	for role, data := range map[string][]byte{tuf.Policy: u.Policy, tuf.Warrant: u.Warrant} {
		var expired *metadata.ErrExpiredMetadata
		if _, err := judge.UpdateDelegatedTargets(data, role, tuf.Targets); err != nil && !errors.As(err, &expired) {
			return fmt.Errorf("%s: %w", role, err)
		}
	}
	return nil
}

func judgeRoot(root []byte) (*trustedmetadata.TrustedMetadata, error) {
	return trustedmetadata.New(root)
}

// life is a device's: a repository, what the device trusts of it, and what go-tuf needs to know of that.
type life struct {
	repository *tuftest.Repository
	trusted    *tuf.Trusted
	before     tuf.Update
	now        time.Time
}

// step changes the repository as officers and server do.
func (l *life) step(t *rapid.T) {
	l.now = l.now.Add(time.Duration(rapid.IntRange(0, 6*24).Draw(t, "hours")) * time.Hour)
	switch rapid.IntRange(0, 4).Draw(t, "step") {
	case 0:
		l.repository.Refresh(l.now)
	case 1:
		l.repository.Add(tuf.Policy, tuf.PolicyPath([32]byte{rapid.Byte().Draw(t, "policy")}), extract())
		l.repository.Publish(l.now)
	case 2:
		l.repository.Add(tuf.Warrant, tuf.WarrantPath(rapid.StringMatching(`[a-z0-9]{1,9}`).Draw(t, "warrant")), extract())
		l.repository.Publish(l.now)
	case 3:
		l.repository.Drop(tuf.Policy, tuf.PolicyPath([32]byte{rapid.Byte().Draw(t, "dropped")}))
		l.repository.Publish(l.now)
	case 4:
		c := tuftest.Rotation{Add: rapid.IntRange(1, 2).Draw(t, "add"), Online: rapid.Bool().Draw(t, "online")}
		c.Remove = rapid.IntRange(0, 1).Draw(t, "remove")
		l.repository.Rotate(l.now, c)
	}
}

// apply has both look at an update. What the device accepts go-tuf accepts.
func (l *life) apply(t *rapid.T, u tuf.Update, now time.Time) error {
	next, _, err := l.trusted.Apply(u, now)
	if err != nil {
		if tuf.FaultOf(err) == "" {
			t.Fatalf("an error without a name: %v", err)
		}
		return err
	}
	j, err := judge(l.repository.Root(l.trusted.Versions().Root), l.before, u, now)
	if err == nil {
		err = delegated(j, u)
	}
	if err != nil {
		t.Fatalf("accepted, but go-tuf says: %v", err)
	}
	if got := next.Versions(); int64(got.Root) != j.Root.Signed.Version || int64(got.Snapshot) != j.Snapshot.Signed.Version {
		t.Fatalf("versions %+v, go-tuf has root %d and snapshot %d", got, j.Root.Signed.Version, j.Snapshot.Signed.Version)
	}
	l.trusted, l.before = next, u
	return nil
}

// damage is an update that is wrong in some way, or only written differently.
func (l *life) damage(t *rapid.T) (tuf.Update, time.Time) {
	u, root := l.repository.Update(0), l.trusted.Versions().Root
	now := l.now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 0, -400, 6, 7, 8, 50, 150, 500, 2000}).Draw(t, "days")) * day)
	role := rapid.SampledFrom(roles()).Draw(t, "role")
	switch rapid.IntRange(0, 4).Draw(t, "damage") {
	case 0:
		f := rapid.SampledFrom(tuftest.Faults()).Draw(t, "fault")
		if tuftest.Possible(f, role) && (f != tuftest.Lower || versionOf(*part(&u, role)) > 1) {
			return l.repository.Break(f, role).Update(root), now
		}
	case 1:
		p := part(&u, role)
		*p = spoil(t, *p)
	case 2: // signed by whom it must be, but strange
		c := l.repository.Clone()
		o := rapid.SampledFrom(oddities()).Draw(t, "oddity")
		c.Edit(o.role, o.edit)
		if written(func() { c.Rotate(l.now, tuftest.Rotation{Add: 1}) }) {
			return c.Update(root), now
		}
	case 3:
		if before := l.before; before.Timestamp != nil && role != tuf.Root {
			*part(&u, role) = *part(&before, role)
		}
	case 4:
		other := tuftest.New(tuftest.Options{Seed: "another", Now: l.now}).Update(0)
		*part(&u, role) = *part(&other, role)
	}
	return u, now
}

func part(u *tuf.Update, role string) *[]byte {
	switch role {
	case tuf.Root:
		return &u.Roots[len(u.Roots)-1]
	case tuf.Timestamp:
		return &u.Timestamp
	case tuf.Snapshot:
		return &u.Snapshot
	case tuf.Targets:
		return &u.Targets
	case tuf.Policy:
		return &u.Policy
	}
	return &u.Warrant
}

// spoil changes bytes after they were signed.
func spoil(t *rapid.T, data []byte) []byte {
	at := rapid.IntRange(0, len(data)-1).Draw(t, "at")
	switch rapid.IntRange(0, 4).Draw(t, "spoil") {
	case 0:
		return data[:at]
	case 1:
		return append(bytes.Clone(data[:at]), data[at+1:]...)
	case 2:
		changed := bytes.Clone(data)
		changed[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		return changed
	case 3: // the same value, written otherwise
		return bytes.ReplaceAll(data, []byte(","), []byte(rapid.SampledFrom([]string{" ,", ",\n", ",,"}).Draw(t, "comma")))
	}
	return bytes.Replace(data, []byte(`"`), []byte(rapid.SampledFrom([]string{`"S`, `"\u0073`, `"signed":{},"`}).Draw(t, "name")), 1)
}

// oddity is a strange thing to sign in one role.
type oddity struct {
	name, role string
	edit       func(signed map[string]any)
}

func (o oddity) String() string { return o.name + " in " + o.role }

// each edits every object below v, v among them.
func each(v any, edit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		for _, below := range v {
			each(below, edit)
		}
		edit(v)
	case []any:
		for _, below := range v {
			each(below, edit)
		}
	}
}

// oddities are what readers are known to differ on: values, members of another case or kind, absent ones, dates.
func oddities() (all []oddity) {
	add := func(role, name string, edit func(map[string]any)) { all = append(all, oddity{name, role, edit}) }
	below := func(role, name, beside string, edit func(map[string]any)) {
		add(role, name, func(signed map[string]any) {
			each(signed, func(m map[string]any) {
				if _, there := m[beside]; there {
					edit(m)
				}
			})
		})
	}
	values := []any{0, 1, -1, nil, "", "x", []any{}, []any{"policy/*"}, map[string]any{}, map[string]any{"sha256": "00"}, true, false}
	members := map[string][]string{
		tuf.Root:      {"consistent_snapshot", "threshold", "keyids", "keytype", "scheme", "public", "keyval", "keys", "roles"},
		tuf.Targets:   {"paths", "terminating", "threshold", "name", "roles", "delegations", "targets"},
		tuf.Policy:    {"length", "hashes", "sha256", "targets"},
		tuf.Snapshot:  {"length", "hashes", "sha256", "version", "meta"},
		tuf.Timestamp: {"length", "hashes", "version", "expires", "spec_version", "_type"},
	}
	for role, names := range members {
		for _, name := range names {
			for _, value := range values {
				below(role, fmt.Sprintf("%s %#v", name, value), name, func(m map[string]any) { m[name] = value })
			}
			below(role, "capital "+name, name, func(m map[string]any) { m[strings.ToUpper(name)] = m[name] })
			below(role, "only capital "+name, name, func(m map[string]any) { m[strings.ToUpper(name)] = m[name]; delete(m, name) })
			below(role, "no "+name, name, func(m map[string]any) { delete(m, name) })
		}
	}
	for beside, names := range map[string][]string{"terminating": {"path_hash_prefixes"}, "roles": {"succinct_roles", "Succinct_roles"}} {
		for _, name := range names {
			for _, value := range values {
				below(tuf.Targets, fmt.Sprintf("added %s %#v", name, value), beside, func(m map[string]any) { m[name] = value })
			}
		}
	}
	for _, value := range append(values, int64(1<<53), int64(-1<<53), int64(1<<53-1), json.Number("-0"), json.Number("1.0"), json.Number("1e3"),
		"\x7f\u2028<&>\\\"", "é", "\ufffd", []any{1, "2", []any{false}}, map[string]any{"Version": 2, "version": 1}) {
		for _, role := range roles() {
			add(role, fmt.Sprintf("unknown %#v", value), func(signed map[string]any) { signed["x-unknown"] = value })
		}
		below(tuf.Policy, fmt.Sprintf("custom %#v", value), "length", func(m map[string]any) { m["custom"] = value })
		below(tuf.Root, fmt.Sprintf("key's %#v", value), "keytype", func(m map[string]any) { m["x-unknown"] = value })
	}
	for _, expires := range []string{
		"2030-01-01T00:00:00+00:00", "2030-01-01T00:00:00.5Z", "2030-01-01", "2030-01-01T24:00:00Z", "2030-02-30T00:00:00Z", "9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "2030-1-1T00:00:00Z",
	} {
		add(tuf.Policy, "until "+expires, func(signed map[string]any) { signed["expires"] = expires })
	}
	return all
}

// Random repositories with random histories and damage: this package accepts nothing that go-tuf does not, and everything
// that was only published.
func TestAgainstGoTUF(t *testing.T) {
	var accepted, refused int
	rapid.Check(t, func(t *rapid.T) {
		l := begin(t)
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			l.step(t)
			if rapid.Bool().Draw(t, "online") {
				if err := l.apply(t, l.repository.Update(l.trusted.Versions().Root), l.now); err != nil {
					t.Fatalf("refused, but nothing is wrong: %v", err)
				}
			}
			u, now := l.damage(t)
			c := *l
			if err := c.apply(t, u, now); err != nil {
				refused++
			} else {
				accepted++
			}
		}
	})
	if accepted == 0 || refused == 0 {
		t.Errorf("%d of the damaged were accepted and %d refused: nothing was compared", accepted, refused)
	}
	t.Logf("%d of the damaged were still good, %d were refused", accepted, refused)
}

func begin(t *rapid.T) *life {
	r := tuftest.New(tuftest.Options{
		Seed: "lives", Now: date(), Officers: rapid.IntRange(2, 4).Draw(t, "officers"), ECDSA: rapid.Bool().Draw(t, "ecdsa"),
	})
	trusted, err := tuf.Open(r.Root(1))
	if err != nil {
		t.Fatal(err)
	}
	return &life{repository: r, trusted: trusted, now: date()}
}

// Each oddity in each role, one by one.
func TestOdditiesAgainstGoTUF(t *testing.T) {
	r := published(tuftest.Options{})
	first := open(t, r.Root(1))
	var accepted, refused int
	for _, o := range oddities() {
		c := r.Clone()
		c.Edit(o.role, o.edit)
		if !written(func() { c.Rotate(date(), tuftest.Rotation{}) }) {
			continue
		}
		u := c.Update(1)
		if _, _, err := first.Apply(u, date()); err != nil {
			refused++
			continue
		}
		accepted++
		j, err := judge(r.Root(1), tuf.Update{}, u, date())
		if err == nil {
			err = delegated(j, u)
		}
		if err != nil {
			t.Errorf("%s: accepted, but go-tuf says: %v", o, err)
		}
	}
	if accepted < 100 || refused < 100 {
		t.Errorf("%d accepted, %d refused: the oddities are none", accepted, refused)
	}
	t.Logf("%d oddities accepted, %d refused", accepted, refused)
}

// written reports whether the canonical form of an oddity could be written at all.
func written(write func()) (ok bool) {
	defer func() { ok = recover() == nil }()
	write()
	return
}
