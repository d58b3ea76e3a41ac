package tuf_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// A device that was away follows every root since, one by one, however many officers changed.
func TestLongChain(t *testing.T) {
	r := published(tuftest.Options{})
	trusted := trusting(t, r)
	for range 10 {
		r.Rotate(date(), tuftest.Rotation{Add: 1, Remove: 1})
	}
	next, _, err := trusted.Apply(r.Update(2), date())
	if err != nil || next.Versions().Root != 12 {
		t.Fatalf("%+v, %v", next, err)
	}
	// None of those who signed the first root is an officer any more, and no root between may be left out.
	for left := range 9 {
		u := r.Update(2)
		u.Roots = append(u.Roots[:left:left], u.Roots[left+1:]...)
		if _, _, err := trusted.Apply(u, date()); !errors.Is(err, tuf.ErrRootGap) {
			t.Errorf("without root %d: %v", left+3, err)
		}
	}
	u := r.Update(2)
	u.Roots[3], u.Roots[4] = u.Roots[4], u.Roots[3]
	if _, _, err := trusted.Apply(u, date()); !errors.Is(err, tuf.ErrRootGap) {
		t.Errorf("roots out of order: %v", err)
	}
}

// An intermediate root may have expired; the last may not.
func TestExpiredRootOnTheWay(t *testing.T) {
	r := published(tuftest.Options{}).Break(tuftest.Expired, tuf.Root)
	trusted := open(t, r.Root(2))
	if _, _, err := trusted.Apply(r.Update(2), date()); !errors.Is(err, tuf.ErrExpired) {
		t.Errorf("the last root has expired: %v", err)
	}
	r.Rotate(date(), tuftest.Rotation{})
	if _, _, err := trusted.Apply(r.Update(2), date()); err != nil {
		t.Errorf("a root on the way has expired: %v", err)
	}
}

// An officer who left signs nothing any more, although two of three would be enough.
func TestOfficerWhoLeft(t *testing.T) {
	r := published(tuftest.Options{})
	trusted := trusting(t, r)
	before := r.Update(2)
	r.Rotate(date(), tuftest.Rotation{Add: 3, Remove: 3}) // one of four stays
	next, _, err := trusted.Apply(r.Update(2), date())
	if err != nil {
		t.Fatal(err)
	}
	u := r.Update(3)
	u.Targets = before.Targets
	if _, _, err := next.Apply(u, date()); err == nil {
		t.Error("targets of those who left are taken")
	}
	// The server's key describes the old targets anew; the signatures are too few for the new root.
	old := r.Clone()
	old.Edit(tuf.Snapshot, func(signed map[string]any) {
		meta := signed["meta"].(map[string]any)
		meta["targets.json"] = map[string]any{"version": 2}
	})
	old.Refresh(date())
	u = old.Update(3)
	u.Targets = before.Targets
	if _, _, err := next.Apply(u, date()); !errors.Is(err, tuf.ErrSignatures) {
		t.Errorf("targets of those who left, described anew: %v", err)
	}
}

// Whoever stole the server's key can count versions up to where the server never comes. A root with a new key ends that
// (TUF 5.3.11); one that keeps the key does not.
func TestFastForwardRecovery(t *testing.T) {
	honest := published(tuftest.Options{})
	stolen := honest.Clone()
	for _, role := range []string{tuf.Snapshot, tuf.Timestamp} {
		stolen.Edit(role, func(signed map[string]any) { signed["version"] = uint64(1<<53 - 1) })
	}
	stolen.Refresh(date())
	forwarded, _, err := trusting(t, honest).Apply(stolen.Update(2), date())
	if err != nil || forwarded.Versions().Timestamp != 1<<53-1 {
		t.Fatalf("%+v, %v", forwarded, err)
	}
	same := honest.Clone()
	same.Rotate(date(), tuftest.Rotation{Add: 1})
	if _, _, err := forwarded.Apply(same.Update(2), date()); !errors.Is(err, tuf.ErrRolledBack) {
		t.Errorf("a new root with the stolen key: %v", err)
	}
	// A second key beside the first is a change too.
	more := honest.Clone()
	more.Edit(tuf.Root, func(signed map[string]any) {
		signed["keys"].(map[string]any)["second"] = map[string]any{
			"keytype": "ed25519", "scheme": "ed25519", "keyval": map[string]any{"public": strings.Repeat("ab", 32)},
		}
		timestamp := signed["roles"].(map[string]any)[tuf.Timestamp].(map[string]any)
		timestamp["keyids"] = append(timestamp["keyids"].([]string), "second")
	})
	more.Rotate(date(), tuftest.Rotation{})
	if _, _, err := forwarded.Apply(more.Update(2), date()); err != nil {
		t.Errorf("a new root with a second key: %v", err)
	}
	honest.Rotate(date(), tuftest.Rotation{Online: true})
	honest.Rotate(date(), tuftest.Rotation{Add: 1}) // and it need not be the last root that does it
	recovered, _, err := forwarded.Apply(honest.Update(2), date())
	if err != nil || recovered.Versions() != honest.Versions() {
		t.Fatalf("with a new key: %v", err)
	}
	if _, _, err := recovered.Apply(stolen.Update(2), date()); !errors.Is(err, tuf.ErrSignatures) {
		t.Errorf("the stolen key afterwards: %v", err)
	}
	// What officers signed does not begin anew with it: their versions went nowhere.
	if _, _, err := recovered.Apply(old(recovered.Versions(), honest.Break(tuftest.Lower, tuf.Policy)), date()); !errors.Is(err, tuf.ErrRolledBack) {
		t.Errorf("an older policy after a new key: %v", err)
	}
}
