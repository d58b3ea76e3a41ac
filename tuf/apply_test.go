package tuf_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

const day = 24 * time.Hour

func date() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// extract is what the policy of the tests looks like to its repository; its meaning is none of this package's.
func extract() []byte { return []byte("a policy's extract for devices") }

func policyPath() string { return tuf.PolicyPath([32]byte{1, 2, 3}) }

func warrantPath() string { return tuf.WarrantPath("w-1") }

// published is a repository with a policy and a warrant, in which every role has had several versions.
func published(o tuftest.Options) *tuftest.Repository {
	if o.Now = date(); o.Seed == "" {
		o.Seed = "tests"
	}
	r := tuftest.New(o)
	r.Add(tuf.Policy, policyPath(), extract())
	r.Add(tuf.Warrant, warrantPath(), []byte("a warrant"))
	r.Publish(date())
	r.Rotate(date(), tuftest.Rotation{Add: 1})
	r.Publish(date())
	return r
}

func open(tb testing.TB, root []byte) *tuf.Trusted {
	tb.Helper()
	t, err := tuf.Open(root)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// trusting returns what a device trusts that applied the repository's latest update.
func trusting(tb testing.TB, r *tuftest.Repository) *tuf.Trusted {
	tb.Helper()
	next, _, err := open(tb, r.Root(1)).Apply(r.Update(1), date())
	if err != nil {
		tb.Fatal(err)
	}
	return next
}

func TestApply(t *testing.T) {
	for name, o := range map[string]tuftest.Options{"Ed25519": {}, "ECDSA too": {ECDSA: true}, "three of five": {Officers: 5, Threshold: 3}} {
		r := published(o)
		first := open(t, r.Root(1))
		if got := first.Versions(); got != (tuf.Versions{Root: 1}) || !first.Expires(tuf.Policy).IsZero() {
			t.Errorf("%s: begins with %+v", name, got)
		}
		for _, known := range []uint64{0, 1} { // the whole chain may be in an update
			next, listing, err := first.Apply(r.Update(known), date())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := next.Versions(); got != r.Versions() || got.Root != 2 || got.Policy != 4 {
				t.Errorf("%s: versions %+v, want %+v", name, got, r.Versions())
			}
			if first.Versions() != (tuf.Versions{Root: 1}) {
				t.Errorf("%s: Apply changed what it was called on", name)
			}
			if err := listing.Verify(tuf.Policy, policyPath(), extract()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := listing.Verify(tuf.Warrant, warrantPath(), []byte("a warrant")); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			again, _, err := next.Apply(r.Update(2), date().Add(6*day))
			if err != nil || again.Versions() != next.Versions() {
				t.Errorf("%s: the same once more: %v", name, err)
			}
		}
	}
}

func TestExpires(t *testing.T) {
	r := published(tuftest.Options{})
	trusted := trusting(t, r)
	for role, want := range map[string]time.Duration{
		tuf.Root: 1825 * day, tuf.Targets: 1825 * day, tuf.Policy: 400 * day, tuf.Warrant: 100 * day, tuf.Snapshot: 30 * day, tuf.Timestamp: 7 * day,
	} {
		if got := trusted.Expires(role); !got.Equal(date().Add(want)) {
			t.Errorf("%s expires at %v", role, got)
		}
	}
	// What stands above a role bounds it.
	for _, above := range []string{tuf.Root, tuf.Targets} {
		soon := date().Add(50 * day)
		c := r.Clone()
		c.Edit(above, func(signed map[string]any) { signed["expires"] = soon.Format(time.RFC3339) })
		c.Rotate(date(), tuftest.Rotation{})
		bounded := trusting(t, c)
		if got := bounded.Expires(tuf.Policy); !got.Equal(soon) {
			t.Errorf("policy expires at %v, %s at %v", got, above, soon)
		}
		if got := bounded.Expires(tuf.Warrant); !got.Equal(soon) {
			t.Errorf("warrant expires at %v, %s at %v", got, above, soon)
		}
	}
	if !trusted.Expires("borders").IsZero() {
		t.Error("a role that there is not has a date")
	}
}

// An expired policy stops neither the warrants nor the next policy; an expired role's files do not count.
func TestExpiredDelegation(t *testing.T) {
	r := published(tuftest.Options{})
	for role, other := range map[string]string{tuf.Policy: tuf.Warrant, tuf.Warrant: tuf.Policy} {
		path := map[string]string{tuf.Policy: policyPath(), tuf.Warrant: warrantPath()}
		data := map[string][]byte{tuf.Policy: extract(), tuf.Warrant: []byte("a warrant")}
		broken := r.Break(tuftest.Expired, role)
		next, listing, err := trusting(t, r).Apply(broken.Update(2), date())
		if err != nil {
			t.Fatal(err)
		}
		if err := listing.Verify(role, path[role], data[role]); !errors.Is(err, tuf.ErrExpired) {
			t.Errorf("%s: %v", role, err)
		}
		if err := listing.Verify(other, path[other], data[other]); err != nil {
			t.Errorf("%s: %v", other, err)
		}
		if next.Versions() != broken.Versions() || !next.Expires(role).Before(date()) {
			t.Errorf("%s: %+v until %v", role, next.Versions(), next.Expires(role))
		}
		// Its version counts: the one before it does not come back.
		if _, _, err := next.Apply(old(next.Versions(), r), date()); !errors.Is(err, tuf.ErrRolledBack) {
			t.Errorf("%s before the expired one: %v", role, err)
		}
	}
}

// old lets the online key describe the officers' metadata that r has, in a version after now's.
func old(now tuf.Versions, r *tuftest.Repository) tuf.Update {
	c := r.Clone()
	for c.Versions().Timestamp <= now.Timestamp {
		c.Refresh(date())
	}
	return c.Update(2)
}

func TestVerify(t *testing.T) {
	r := published(tuftest.Options{})
	const capital, stray, deep = "messages/pt-BR.json", "targets/x.cbor", "policy/deep/x.cbor"
	for _, path := range []string{capital, stray, deep, "warrant/x.cbor"} {
		r.Add(tuf.Policy, path, extract())
	}
	r.Publish(date())
	_, listing, err := trusting(t, r).Apply(r.Update(2), date())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, role, path string
		data             []byte
		want             tuf.Fault
	}{
		{"as listed", tuf.Policy, policyPath(), extract(), ""},
		{"a catalogue", tuf.Policy, capital, extract(), ""},
		{"one byte changed", tuf.Policy, policyPath(), bytes.ToUpper(extract()), tuf.ErrDiffers},
		{"one byte less", tuf.Policy, policyPath(), extract()[1:], tuf.ErrDiffers},
		{"one byte more", tuf.Policy, policyPath(), append(extract(), 0), tuf.ErrDiffers},
		{"nothing", tuf.Policy, policyPath(), nil, tuf.ErrDiffers},
		{"another path", tuf.Policy, tuf.PolicyPath([32]byte{9}), extract(), tuf.ErrNotListed},
		{"in the other role", tuf.Warrant, policyPath(), extract(), tuf.ErrNotListed},
		{"a warrant among the policies", tuf.Policy, "warrant/x.cbor", extract(), tuf.ErrNotListed},
		{"outside all prefixes", tuf.Policy, stray, extract(), tuf.ErrNotListed},
		{"where the delegation's pattern does not reach", tuf.Policy, deep, extract(), tuf.ErrNotListed},
		{"targets lists nothing", tuf.Targets, policyPath(), extract(), tuf.ErrNotListed},
		{"no role", "", policyPath(), extract(), tuf.ErrNotListed},
	} {
		if err := listing.Verify(c.role, c.path, c.data); tuf.FaultOf(err) != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// The prefixes hold although officers delegate more.
func TestDelegationOfEverything(t *testing.T) {
	r := published(tuftest.Options{})
	r.Edit(tuf.Targets, func(signed map[string]any) {
		for _, d := range signed["delegations"].(map[string]any)["roles"].([]any) {
			d.(map[string]any)["paths"] = []string{"*", "*/*"}
		}
	})
	r.Add(tuf.Warrant, policyPath(), extract())
	r.Rotate(date(), tuftest.Rotation{})
	_, listing, err := trusting(t, r).Apply(r.Update(1), date())
	if err != nil {
		t.Fatal(err)
	}
	if err := listing.Verify(tuf.Warrant, policyPath(), extract()); !errors.Is(err, tuf.ErrNotListed) {
		t.Errorf("a warrant that is a policy: %v", err)
	}
	if err := listing.Verify(tuf.Policy, policyPath(), extract()); err != nil {
		t.Error(err)
	}
}
