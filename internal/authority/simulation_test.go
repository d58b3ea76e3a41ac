package authority_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
)

func (r *rig) simulate(source []byte) (result authority.Simulation) {
	r.Helper()
	j, err := r.Simulate(ctx, r.ana, "terms.yaml", source)
	must(r.T, err)
	j, err = r.FinishJob(ctx, j.ID)
	must(r.T, err)
	must(r.T, j.Err())
	must(r.T, json.Unmarshal(j.Result, &result))
	return result
}

func TestSimulationSetsThePolicyInForceBeside(t *testing.T) {
	r := newRig(t)
	phones := r.due(4)
	must(t, r.LiftByHuman(ctx, r.ana, phones[0].id, cuba, "checked by hand"))
	fresh := r.newPhone(r.made("C-1", "trader", "ES")).enrol() // not activated yet

	_, inForce, err := r.PolicyInForce(ctx)
	must(t, err)
	same := r.simulate(inForce.Source)
	waits := authority.Outcome{Devices: 5, Denied: 4, Unclear: 1, Locked: 3}
	if same.Total.Before != waits || same.Total.After != waits || len(same.Samples) != 0 || same.Against == "" {
		t.Errorf("the policy in force: %+v", same)
	}
	// Another rule for the same place: what rested on the old one is lifted, and the new one begins with a notice. It does not bind a
	// decision that a human took on the old one's ground.
	renamed := r.simulate(regexp.MustCompile(`\bcuba([\n,}\]])`).ReplaceAll(policies.Terms202109, []byte("caribbean$1")))
	if renamed.Total.Before != waits || renamed.Total.After != (authority.Outcome{Devices: 5, Denied: 4, Unclear: 1, Noticed: 4, Lifted: 3}) {
		t.Errorf("another rule: %+v", renamed.Total)
	}
	if in := renamed.ByTerritory["CU"]; in == nil || in.After.Devices != 4 || renamed.ByTerritory[""].After.Devices != 1 {
		t.Errorf("%+v", renamed.ByTerritory)
	}
	if len(renamed.Samples) == 0 {
		t.Error("no samples")
	}
	for _, p := range phones[1:] {
		p.stage(cuba, order.Noticed, order.Noticed) // nothing has changed
	}
	if fresh.id.IsZero() {
		t.Error("no fifth device")
	}
}

func TestJobsAreCalledOff(t *testing.T) {
	r := newRig(t)
	j, err := r.Simulate(ctx, r.ana, "terms.yaml", policies.Terms202109)
	must(t, err)
	if _, err := r.CancelJob(ctx, r.sam, j.ID); !errors.Is(err, authority.ErrForbidden) {
		t.Errorf("by support: %v", err)
	}
	if j, err = r.StepJob(ctx, j.ID); err != nil || j.State != authority.JobRunning || j.Done == 0 || j.Done >= j.Total {
		t.Fatalf("%+v, %v", j, err)
	}
	if j, err = r.CancelJob(ctx, r.ben, j.ID); err != nil || j.State != authority.JobCancelled || j.Err() == nil {
		t.Fatalf("%+v, %v", j, err)
	}
	step := j.Step
	if j, err = r.StepJob(ctx, j.ID); err != nil || j.Step != step {
		t.Errorf("a job that was called off went on: %+v, %v", j, err)
	}
	if _, err := r.CancelJob(ctx, r.ben, j.ID); !errors.Is(err, authority.ErrChanged) {
		t.Errorf("twice: %v", err)
	}
	c, err := r.OpenCase(ctx, r.ana, "A case", r.consignment())
	must(t, err)
	release, err := r.BeginConclusion(ctx, r.ana, c.ID, "nothing was found in the end")
	must(t, err)
	if _, err := r.CancelJob(ctx, r.ben, release.ID); !errors.Is(err, authority.ErrForbidden) {
		t.Errorf("a release: %v", err)
	}
	must(t, r.Sweep(ctx)) // goes on with jobs where Run does not
	if release, err = r.Job(ctx, release.ID); err != nil || release.State != authority.JobDone {
		t.Errorf("%+v, %v", release, err)
	}
}

// consignment is one with a production record.
func (r *rig) consignment() string {
	r.made("C-9", "trader", "ES")
	return "C-9"
}
