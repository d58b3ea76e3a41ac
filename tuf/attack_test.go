package tuf_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// attack is an update for a device that trusts the latest of published, and why it is refused.
type attack struct {
	name   string
	want   tuf.Fault
	update tuf.Update
	now    time.Time
}

// wants is what each fault of tuftest is refused for; Expired in policy and warrant is none of Apply's affair.
func wants(f tuftest.Fault) tuf.Fault {
	return map[tuftest.Fault]tuf.Fault{
		tuftest.OneSignature: tuf.ErrSignatures, tuftest.SignerTwice: tuf.ErrMalformed, tuftest.KeyTwice: tuf.ErrSignatures,
		tuftest.ThresholdOne: tuf.ErrThreshold, tuftest.OnlineKey: tuf.ErrThreshold, tuftest.Expired: tuf.ErrExpired,
		tuftest.Lower: tuf.ErrRolledBack, tuftest.Oversized: tuf.ErrOversized, tuftest.Usurped: tuf.ErrSignatures,
		tuftest.Disowned: tuf.ErrSignatures, tuftest.RootGap: tuf.ErrRootGap,
	}[f]
}

func roles() []string {
	return []string{tuf.Root, tuf.Timestamp, tuf.Snapshot, tuf.Targets, tuf.Policy, tuf.Warrant}
}

func attacks(tb testing.TB) (all []attack) {
	r := published(tuftest.Options{})
	for _, f := range tuftest.Faults() {
		for _, role := range roles() {
			if tuftest.Possible(f, role) && !(f == tuftest.Expired && (role == tuf.Policy || role == tuf.Warrant)) {
				all = append(all, attack{string(f) + " in " + role, wants(f), r.Break(f, role).Update(2), date()})
			}
		}
	}
	all = append(all, onlineAttacks(r)...)
	all = append(all, formAttacks(r)...)
	return all
}

// onlineAttacks are what the holder of the server's key can try with officers' metadata as they are.
func onlineAttacks(r *tuftest.Repository) []attack {
	newer := r.Clone()
	newer.Drop(tuf.Warrant, warrantPath())
	newer.Publish(date())
	fresh, older := newer.Update(2), r.Update(2)
	stranger := published(tuftest.Options{Seed: "somebody else's"}).Update(1)
	with := func(u tuf.Update, change func(*tuf.Update)) tuf.Update { change(&u); return u }
	return []attack{
		{"frozen: the timestamp has expired, and nothing newer comes", tuf.ErrExpired, older, date().Add(7 * day)},
		{"frozen for years: root has expired", tuf.ErrExpired, older, date().Add(6 * 365 * day)},
		{"an old policy with a new snapshot", tuf.ErrMixed, tuftest.Mix(fresh, older), date()},
		{"a new policy with an old snapshot", tuf.ErrMixed, tuftest.Mix(older, fresh), date()},
		{"an old snapshot with a new timestamp", tuf.ErrMixed, with(fresh, func(u *tuf.Update) { u.Snapshot = older.Snapshot }), date()},
		{"policy and warrant swapped", tuf.ErrMixed, with(older, func(u *tuf.Update) { u.Policy, u.Warrant = u.Warrant, u.Policy }), date()},
		{"another repository's policy and warrant", tuf.ErrMixed, tuftest.Mix(older, stranger), date()},
		{"another repository's timestamp and snapshot", tuf.ErrSignatures,
			with(older, func(u *tuf.Update) { u.Timestamp, u.Snapshot = stranger.Timestamp, stranger.Snapshot }), date()},
		{"another repository's everything", tuf.ErrSignatures, with(stranger, func(u *tuf.Update) { u.Roots = nil }), date()},
		{"another repository's root", tuf.ErrSignatures, with(older, func(u *tuf.Update) {
			c := published(tuftest.Options{Seed: "somebody else's"})
			c.Rotate(date(), tuftest.Rotation{})
			u.Roots = c.Update(2).Roots
		}), date()},
		{"a snapshot that does not name the warrants", tuf.ErrMixed, edited(r, tuf.Snapshot, func(signed map[string]any) {
			delete(signed["meta"].(map[string]any), "warrant.json")
		}), date()},
		{"a snapshot that names another version", tuf.ErrMixed, edited(r, tuf.Snapshot, func(signed map[string]any) {
			signed["meta"].(map[string]any)["policy.json"] = map[string]any{"version": 7}
		}), date()},
		{"a timestamp that names another version", tuf.ErrMixed, edited(r, tuf.Timestamp, func(signed map[string]any) {
			signed["meta"].(map[string]any)["snapshot.json"] = map[string]any{"version": 77}
		}), date()},
		{"a timestamp that gives another length", tuf.ErrMixed, edited(r, tuf.Timestamp, func(signed map[string]any) {
			signed["meta"].(map[string]any)["snapshot.json"].(map[string]any)["length"] = 77
		}), date()},
		{"a timestamp that names no snapshot", tuf.ErrMixed, edited(r, tuf.Timestamp, func(signed map[string]any) { signed["meta"] = map[string]any{} }), date()},
	}
}

// edited is the next update of r in which a role says something else, well signed.
func edited(r *tuftest.Repository, role string, edit func(map[string]any)) tuf.Update {
	c := r.Clone()
	c.Edit(role, edit)
	switch role {
	case tuf.Root, tuf.Targets:
		c.Rotate(date(), tuftest.Rotation{})
	default:
		c.Publish(date())
	}
	return c.Update(2)
}

// formAttacks are metadata that no reader should take, whoever signed them.
func formAttacks(r *tuftest.Repository) (all []attack) {
	timestamp := func(name string, change func([]byte) []byte) {
		u := r.Update(2)
		u.Timestamp = change(u.Timestamp)
		all = append(all, attack{name, tuf.ErrMalformed, u, date()})
	}
	replace := func(old, by string) func([]byte) []byte {
		return func(data []byte) []byte {
			if !bytes.Contains(data, []byte(old)) {
				panic("nothing to replace: " + old)
			}
			return bytes.Replace(data, []byte(old), []byte(by), 1)
		}
	}
	timestamp("a name twice", replace(`{"signatures"`, `{"signed":{},"signatures"`))
	timestamp("a name twice, once escaped", replace(`"_type":"timestamp"`, `"_type":"timestamp","_typ\u0065":"timestamp"`))
	timestamp("a name twice but for its case", replace(`{"signatures"`, `{"Signed":{},"signatures"`))
	timestamp("bytes behind the end", func(data []byte) []byte { return append(slices.Clone(data), '0') })
	timestamp("cut off", func(data []byte) []byte { return data[:len(data)-1] })
	timestamp("missing", func([]byte) []byte { return nil })
	timestamp("not UTF-8", replace(`"1.0.31"`, "\"1.0.31\xff\""))
	timestamp("half a surrogate pair", replace(`"1.0.31"`, `"1.0.31\ud800"`))
	timestamp("a number with a fraction", replace(`"spec_version"`, `"x":1.0,"spec_version"`))
	timestamp("a number too large", replace(`"spec_version"`, `"x":9007199254740992,"spec_version"`))
	timestamp("null", replace(`"spec_version"`, `"x":null,"spec_version"`))
	timestamp("nested too deep", replace(`"spec_version"`, `"x":`+strings.Repeat("[", 99)+strings.Repeat("]", 99)+`,"spec_version"`))
	timestamp("another kind", replace(`"_type":"timestamp"`, `"_type":"snapshot"`))
	timestamp("another specification", replace(`"1.0.31"`, `"2.0.0"`))
	timestamp("a date in local time", replace(`Z"`, `+01:00"`))
	timestamp("a signature in capitals", func(data []byte) []byte { return bytes.Replace(data, []byte(`"sig":"`), []byte(`"sig":"AA`), 1) })
	keys := func(signed map[string]any) {
		for i := range 40 {
			signed["keys"].(map[string]any)[fmt.Sprint(i)] = map[string]any{
				"keytype": "ed25519", "scheme": "ed25519", "keyval": map[string]any{"public": fmt.Sprintf("%064x", i)}}
		}
	}
	policy := func(edit func(map[string]any)) tuf.Update { return edited(r, tuf.Policy, edit) }
	delegation := func(edit func(map[string]any)) tuf.Update {
		return edited(r, tuf.Targets, func(signed map[string]any) {
			edit(signed["delegations"].(map[string]any)["roles"].([]any)[0].(map[string]any))
		})
	}
	huge := r.Update(2)
	huge.Policy = bytes.Repeat([]byte("["), 100_000_000)
	return append(all,
		attack{"100 MB", tuf.ErrOversized, huge, date()},
		attack{"too many roots", tuf.ErrOversized, many(r), date()},
		attack{"too many keys", tuf.ErrMalformed, edited(r, tuf.Root, keys), date()},
		attack{"no consistent snapshots", tuf.ErrMalformed, edited(r, tuf.Root, func(s map[string]any) { s["consistent_snapshot"] = false }), date()},
		attack{"no role targets", tuf.ErrMalformed, edited(r, tuf.Root, func(s map[string]any) { delete(s["roles"].(map[string]any), tuf.Targets) }), date()},
		attack{"a policy that delegates", tuf.ErrMalformed, policy(func(s map[string]any) { s["delegations"] = map[string]any{"keys": map[string]any{}, "roles": []any{}} }), date()},
		attack{"too many targets", tuf.ErrMalformed, policy(func(s map[string]any) {
			for i := range 600 {
				s["targets"].(map[string]any)[fmt.Sprint(i)] = map[string]any{}
			}
		}), date()},
		attack{"a target without a hash", tuf.ErrMalformed, policy(func(s map[string]any) {
			s["targets"].(map[string]any)[policyPath()] = map[string]any{"length": 3, "hashes": map[string]any{}}
		}), date()},
		attack{"no delegation to policy", tuf.ErrMalformed, delegation(func(d map[string]any) { d["name"] = "policies" }), date()},
		attack{"two delegations to warrant", tuf.ErrMalformed, delegation(func(d map[string]any) { d["name"] = tuf.Warrant }), date()},
		attack{"a delegation that does not end the search", tuf.ErrMalformed, delegation(func(d map[string]any) { d["terminating"] = false }), date()},
		attack{"a delegation by hash prefixes", tuf.ErrMalformed, delegation(func(d map[string]any) { d["path_hash_prefixes"] = []string{"00"} }), date()},
		attack{"a pattern that is none", tuf.ErrMalformed, delegation(func(d map[string]any) { d["paths"] = []string{"policy/["} }), date()},
		attack{"a delegation to nobody", tuf.ErrSignatures, delegation(func(d map[string]any) { d["keyids"] = []string{} }), date()},
	)
}

func many(r *tuftest.Repository) tuf.Update {
	u := r.Update(2)
	for range tuf.MaxRoots + 1 {
		u.Roots = append(u.Roots, r.Root(1))
	}
	return u
}

func TestAttacks(t *testing.T) {
	trusted := trusting(t, published(tuftest.Options{}))
	before := trusted.Versions()
	seen := map[string]bool{}
	for _, a := range attacks(t) {
		if seen[a.name] {
			t.Errorf("%s is there twice", a.name)
		}
		seen[a.name] = true
		next, listing, err := trusted.Apply(a.update, a.now)
		if tuf.FaultOf(err) != a.want || a.want == "" || next != nil || listing != nil {
			t.Errorf("%s: %v, want %q", a.name, err, a.want)
		}
		if trusted.Versions() != before {
			t.Fatalf("%s changed what is trusted", a.name)
		}
	}
}

// What is too large costs nothing: it is refused before any of it is read.
func TestOversizedIsNotRead(t *testing.T) {
	r := published(tuftest.Options{})
	trusted := trusting(t, r)
	huge := bytes.Repeat([]byte("["), 100_000_000)
	for _, role := range roles() {
		u := r.Update(1)
		*part(&u, role) = huge
		if allocations := testing.AllocsPerRun(1, func() {
			if _, _, err := trusted.Apply(u, date()); !errors.Is(err, tuf.ErrOversized) {
				t.Errorf("%s: %v", role, err)
			}
		}); allocations > 30 {
			t.Errorf("%s of 100 MB takes %v allocations to refuse", role, allocations)
		}
	}
	for name, read := range map[string]func([]byte) (*tuf.Trusted, error){"Open": tuf.Open, "Parse": tuf.Parse} {
		if allocations := testing.AllocsPerRun(1, func() {
			if _, err := read(huge); !errors.Is(err, tuf.ErrOversized) {
				t.Errorf("%s: %v", name, err)
			}
		}); allocations > 30 {
			t.Errorf("%s of 100 MB takes %v allocations to refuse", name, allocations)
		}
	}
}

// Every fault of Apply is in the table, so that none is a name for nothing.
func TestEveryFaultIsAttacked(t *testing.T) {
	seen := map[tuf.Fault]bool{tuf.ErrNotListed: true, tuf.ErrDiffers: true} // Listing.Verify's
	for _, a := range attacks(t) {
		seen[a.want] = true
	}
	for _, f := range tuf.Faults() {
		if !seen[f] {
			t.Errorf("no attack is refused as %s", f)
		}
		if f.Error() == "" || tuf.FaultOf(fmt.Errorf("because: %w", f)) != f {
			t.Errorf("%q is not found again", f)
		}
	}
	if len(tuf.Faults()) != len(seen) || tuf.FaultOf(errors.New("other")) != "" {
		t.Errorf("%d faults are listed, %d are attacked", len(tuf.Faults()), len(seen))
	}
}

func TestOpenRefuses(t *testing.T) {
	r := published(tuftest.Options{})
	broken := func(f tuftest.Fault) []byte {
		roots := r.Break(f, tuf.Root).Update(2).Roots
		return roots[len(roots)-1]
	}
	for name, c := range map[string]struct {
		root []byte
		want tuf.Fault
	}{
		"nothing":           {nil, tuf.ErrMalformed},
		"a timestamp":       {r.Update(0).Timestamp, tuf.ErrMalformed},
		"one signature":     {broken(tuftest.OneSignature), tuf.ErrSignatures},
		"one key twice":     {broken(tuftest.KeyTwice), tuf.ErrSignatures},
		"signed by the old": {broken(tuftest.Disowned), tuf.ErrSignatures},
		"threshold of one":  {broken(tuftest.ThresholdOne), tuf.ErrThreshold},
		"the server's key":  {broken(tuftest.OnlineKey), tuf.ErrThreshold},
		"too large":         {broken(tuftest.Oversized), tuf.ErrOversized},
	} {
		if _, err := tuf.Open(c.root); tuf.FaultOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	// Whether it has expired is a question of the time, which Open does not know; and new officers may begin a chain.
	for _, f := range []tuftest.Fault{tuftest.Expired, tuftest.Usurped} {
		if _, err := tuf.Open(broken(f)); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}
