package authority_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// effective is the sample policy from another day on.
func effective(day string) []byte {
	source := bytes.Replace(policies.Terms202109, []byte("effective_from: 2021-09-01"), []byte("effective_from: "+day), 1)
	source, _, _ = bytes.Cut(source, []byte("\ntests:")) // they are of 2021-09-01
	return source
}

// A policy is in force from its publication, or from its own date when that is later: nobody says another one.
func TestWhenAPolicyComesIntoForce(t *testing.T) {
	r := newRig(t)
	publish := func(name, day string) (*authority.PolicyDocument, error) {
		d, _, err := r.PublishPolicy(ctx, r.ana, name, effective(day))
		return d, err
	}
	inForce := func() string {
		_, d, err := r.PolicyInForce(ctx)
		must(t, err)
		return d.Name
	}
	winter, err := publish("winter.yaml", "2021-12-01")
	must(t, err)
	if want := time.Date(2021, 12, 1, 0, 0, 0, 0, time.UTC); !winter.ActivateAt.Equal(want) || inForce() != "terms-2021-09.yaml" {
		t.Fatalf("in force from %v; now %s", winter.ActivateAt, inForce())
	}
	// Devices refuse to go back to an earlier policy.
	if _, err := publish("late.yaml", "2021-08-31"); !errors.Is(err, authority.ErrPolicyFaulty) {
		t.Errorf("it takes effect before the one that it replaces: %v", err)
	}
	if _, err := publish("winter.yaml", "2021-12-01"); !errors.Is(err, authority.ErrPolicyPublished) {
		t.Errorf("published twice: %v", err)
	}
	between, err := publish("between.yaml", "2021-09-08")
	must(t, err)
	if !between.ActivateAt.Equal(r.now()) || inForce() != "between.yaml" {
		t.Fatalf("in force from %v; now %s", between.ActivateAt, inForce())
	}
	r.wait(90 * day)
	if inForce() != "winter.yaml" {
		t.Fatalf("in force is %s", inForce())
	}
	history, err := r.PolicyHistory(ctx, 10)
	must(t, err)
	if len(history) != 3 || !history[0].InForce || history[1].InForce || len(history[0].Document.Signers) != 2 || history[0].Effective.Month() != 12 {
		t.Errorf("%+v", history)
	}
}
