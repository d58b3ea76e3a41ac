package authority_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// Devices refuse to go back to an earlier policy. A policy that is put between two others must not take effect after the one that
// follows it: devices would refuse that one, and every order that rests on it.
func TestPolicyBetweenTwoOthers(t *testing.T) {
	r := newRig(t)
	admin := &authority.Officer{Name: "root", Role: authority.RoleAdmin}
	publish := func(name, effective string, in time.Duration) error {
		source := bytes.Replace(policies.Terms202109, []byte("effective_from: 2021-09-01"), []byte("effective_from: "+effective), 1)
		source, _, _ = bytes.Cut(source, []byte("\ntests:")) // they are of 2021-09-01
		_, _, err := r.PublishPolicy(ctx, admin, name, source, r.now().Add(in))
		return err
	}
	must(t, publish("winter.yaml", "2021-12-01", 90*day))
	if err := publish("between.yaml", "2021-12-02", 30*day); !errors.Is(err, authority.ErrPolicyFaulty) {
		t.Errorf("it takes effect after the one that follows it: %v", err)
	}
	must(t, publish("fine.yaml", "2021-11-30", 30*day))
	if err := publish("late.yaml", "2021-11-29", 60*day); !errors.Is(err, authority.ErrPolicyFaulty) {
		t.Errorf("it takes effect before the one that it replaces: %v", err)
	}
}
