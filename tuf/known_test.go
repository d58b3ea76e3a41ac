package tuf_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// knowing is a record that trusts a root and remembers these parts of an update as verified.
func knowing(tb testing.TB, root []byte, u tuf.Update) *tuf.Trusted {
	tb.Helper()
	var sums []byte
	for _, data := range [][]byte{u.Targets, u.Policy, u.Warrant} {
		sum := sha256.Sum256(data)
		sums = append(sums, sum[:]...)
	}
	data, err := dcbor.Marshal(struct {
		Version  uint64   `cbor:"0,keyasint"`
		Root     []byte   `cbor:"1,keyasint"`
		Versions []uint64 `cbor:"2,keyasint"`
		Expires  []int64  `cbor:"3,keyasint"`
		Verified []byte   `cbor:"4,keyasint"`
	}{1, root, []uint64{1, 1, 1, 1, 1}, []int64{1, 1, 1, 1, 1}, sums})
	if err != nil {
		tb.Fatal(err)
	}
	trusted, err := tuf.Parse(data)
	if err != nil {
		tb.Fatal(err)
	}
	return trusted
}

// Only what is remembered to the byte, with all above it, is not verified again. What lacks a signature shows which it was.
func TestVerifiedOnce(t *testing.T) {
	r := published(tuftest.Options{})
	for _, role := range []string{tuf.Targets, tuf.Policy, tuf.Warrant} {
		broken := r.Break(tuftest.OneSignature, role)
		u := broken.Update(2)
		if err := applied(knowing(t, r.Root(2), u), u); err != nil {
			t.Errorf("%s as it is remembered: %v", role, err)
		}
		if tuf.FaultOf(applied(trusting(t, r), u)) != tuf.ErrSignatures {
			t.Errorf("%s of one signer is taken by who trusted another", role)
		}
		known := u
		*part(&known, role) = append([]byte(" "), *part(&u, role)...)
		if tuf.FaultOf(applied(knowing(t, r.Root(2), known), u)) != tuf.ErrSignatures {
			t.Errorf("%s with another byte is not verified", role)
		}
		if tuf.FaultOf(applied(knowing(t, r.Root(1), u), broken.Update(1))) != tuf.ErrSignatures {
			t.Errorf("%s is not verified under another root", role)
		}
		known = u
		known.Targets = append([]byte(" "), u.Targets...)
		if tuf.FaultOf(applied(knowing(t, r.Root(2), known), u)) != tuf.ErrSignatures {
			t.Errorf("%s is not verified under other targets", role)
		}
	}
}

// Everything but the signatures is checked of remembered bytes too.
func TestRememberedIsChecked(t *testing.T) {
	r := published(tuftest.Options{})
	for name, c := range map[string]struct {
		fault tuftest.Fault
		want  tuf.Fault
	}{
		"a date that has come": {tuftest.Expired, tuf.ErrExpired},
		"a threshold of one":   {tuftest.ThresholdOne, tuf.ErrThreshold},
		"the server's own key": {tuftest.OnlineKey, tuf.ErrThreshold},
		"too many bytes":       {tuftest.Oversized, tuf.ErrOversized},
	} {
		role := tuf.Policy
		if c.fault == tuftest.Expired {
			role = tuf.Targets
		}
		u := r.Break(c.fault, role).Update(2)
		if got := tuf.FaultOf(applied(knowing(t, r.Root(2), u), u)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	trusted, honest := trusting(t, r), r.Update(2)
	mixed := r.Clone()
	mixed.Publish(date())
	u := mixed.Update(2)
	u.Policy = honest.Policy // known, and not what this snapshot names
	if got := tuf.FaultOf(applied(trusted, u)); got != tuf.ErrMixed {
		t.Errorf("a known policy under another snapshot: %q", got)
	}
	next, _, err := trusted.Apply(mixed.Update(2), date())
	if err != nil {
		t.Fatal(err)
	}
	if got := tuf.FaultOf(applied(next, old(next.Versions(), r))); got != tuf.ErrRolledBack {
		t.Errorf("what was known once, and is older: %q", got)
	}
}

// New targets let others sign, and the policy's bytes stay: those who signed it may no longer.
func TestOtherDelegations(t *testing.T) {
	r := published(tuftest.Options{})
	trusted, before := trusting(t, r), r.Update(2)
	changed := r.Clone()
	changed.Edit(tuf.Targets, func(signed map[string]any) {
		delegations := signed["delegations"].(map[string]any)
		keys, ids := delegations["keys"].(map[string]any), []string{"cafe", "beef"}
		for _, id := range ids {
			keys[id] = map[string]any{"keytype": "ed25519", "scheme": "ed25519", "keyval": map[string]any{"public": strings.Repeat(id, 16)}}
		}
		for _, d := range delegations["roles"].([]any) {
			d.(map[string]any)["keyids"] = ids
		}
	})
	changed.Resign(date(), tuf.Targets)
	u := changed.Update(2)
	if string(u.Policy) != string(before.Policy) || string(u.Targets) == string(before.Targets) {
		t.Fatal("not the case that was meant")
	}
	if got := tuf.FaultOf(applied(trusted, u)); got != tuf.ErrSignatures {
		t.Errorf("a policy of those who may not sign it any more: %q", got)
	}
}

// A record from before there were hashes is read, verifies once more, and then remembers.
func TestRecordWithoutHashes(t *testing.T) {
	r := published(tuftest.Options{})
	whole := marshal(t, trusting(t, r))
	var fields map[uint64]any
	if err := dcbor.Unmarshal(whole, &fields); err != nil {
		t.Fatal(err)
	}
	delete(fields, 4)
	data, err := dcbor.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	before, err := tuf.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if string(marshal(t, before)) != string(data) {
		t.Error("an old record is written otherwise than it was read")
	}
	if tuf.FaultOf(applied(before, r.Break(tuftest.OneSignature, tuf.Policy).Update(2))) != tuf.ErrSignatures {
		t.Error("a policy of one signer is taken")
	}
	next, _, err := before.Apply(r.Update(2), date())
	if err != nil || string(marshal(t, next)) != string(whole) {
		t.Errorf("after an update the record is another than it would have been: %v", err)
	}
}
