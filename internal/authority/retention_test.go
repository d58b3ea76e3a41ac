package authority_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

func TestRetentionForgetsWhatIsOld(t *testing.T) {
	r := newRig(t, func(c *authority.Config) {
		c.Retention = authority.Retention{Days: 90, Records: 300 * day, Contacts: 90 * day, Jobs: 30 * day}
	})
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	p.live(6, havana)
	must(t, r.LiftByHuman(ctx, r.ana, p.id, cuba, "checked by hand"))
	p.live(2, havana)
	last := func() (j *authority.Job, f authority.Forgotten) {
		t.Helper()
		must(t, r.Sweep(ctx))
		must(t, r.Sweep(ctx)) // goes on with what the first has begun
		jobs, err := r.Jobs(ctx, 10)
		must(t, err)
		for _, j := range jobs {
			if j.Kind == authority.RetentionJob {
				must(t, json.Unmarshal(j.Result, &f))
				return j, f
			}
		}
		t.Fatal("no retention")
		return nil, f
	}
	j, f := last()
	if j.State != authority.JobDone || f != (authority.Forgotten{}) {
		t.Fatalf("%+v %+v", j, f)
	}
	if again, _ := last(); again.ID != j.ID {
		t.Error("twice a day")
	}
	r.open() // a server that starts has devices to serve that could not come before
	r.wait(2*day - time.Hour)
	r.open()
	if again, _ := last(); again.ID != j.ID {
		t.Error("at the start of a server")
	}
	r.wait(3 * time.Hour)
	if again, _ := last(); again.ID == j.ID {
		t.Error("nothing was forgotten for two days")
	}
	r.wait(100 * day)
	if _, f = last(); f.Devices != 1 || f.Events != 0 || f.Jobs != 2 {
		t.Errorf("after 100 days: %+v", f)
	}
	d, err := r.DeviceDetail(ctx, p.id)
	must(t, err)
	if len(d.Device.Days) != 0 || d.Device.Activation == nil {
		t.Errorf("%+v", d.Device)
	}
	r.wait(300 * day)
	if _, f = last(); f.Orders == 0 || f.Events == 0 {
		t.Errorf("after 400 days: %+v", f)
	}
	if d, err = r.DeviceDetail(ctx, p.id); err != nil || len(d.Events) != 0 || len(d.Restrictions) != 1 || d.Restrictions[0].Cause != order.ByHuman {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestErasure(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	p.live(6, havana)
	p.stage(cuba, order.Noticed, order.Noticed)
	held := func(why string) {
		t.Helper()
		if _, err := r.EraseDevice(ctx, r.ana, p.id, "asked for by letter"); !errors.Is(err, authority.ErrErasureHeld) {
			t.Fatalf("%s: %v", why, err)
		}
	}
	held("noticed")
	must(t, r.LiftByHuman(ctx, r.ana, p.id, cuba, "checked by hand"))
	held("the lift has not arrived")
	p.live(2, havana)
	if _, err := r.EraseDevice(ctx, r.sam, p.id, "asked for by letter"); !errors.Is(err, authority.ErrForbidden) {
		t.Errorf("by support: %v", err)
	}
	n, err := r.EraseDevice(ctx, r.ana, p.id, "asked for by letter")
	must(t, err)
	if n == 0 {
		t.Error("nothing was erased")
	}
	d, err := r.DeviceDetail(ctx, p.id)
	must(t, err)
	if len(d.Device.Days) != 0 || d.Device.Activation != nil || !d.Device.LastSeen.IsZero() || len(d.Events) != 1 || d.Events[0].Kind != "erased" || len(d.Orders) != 0 {
		t.Errorf("%+v", d)
	}
	// Its owner uses it on: it checks in as before, and what a person lifted stays lifted.
	p.live(12, havana)
	if d, err = r.DeviceDetail(ctx, p.id); err != nil || len(d.Device.Days) == 0 {
		t.Errorf("%+v, %v", d, err)
	}
	p.stage(cuba, order.Lifted, order.Lifted)
}

// However many other jobs come and go meanwhile, the daily one is not begun again the same day.
func TestRetentionBehindManyJobs(t *testing.T) {
	r := newRig(t, func(c *authority.Config) { c.Retention = authority.Retention{Jobs: 30 * day} })
	retentions := func() (n int) {
		t.Helper()
		must(t, r.Sweep(ctx))
		must(t, r.Sweep(ctx)) // goes on with what the first has begun
		list, err := r.Jobs(ctx, 1000)
		must(t, err)
		for _, j := range list {
			if j.Kind == authority.RetentionJob {
				n++
			}
		}
		return n
	}
	r.wait(2 * day)
	if n := retentions(); n != 1 {
		t.Fatalf("%d retentions", n)
	}
	for range 120 {
		must(t, r.store.Update(ctx, func(tx authority.Tx) (err error) {
			over := &authority.Job{Kind: authority.SimulationJob, By: "ana", CreatedAt: r.now(), UpdatedAt: r.now()}
			if over.ID, err = tx.InsertJob(over); err != nil {
				return err
			}
			over.State, over.FinishedAt = authority.JobCancelled, r.now()
			return tx.AdvanceIfAt(over, 0)
		}))
	}
	r.wait(2 * time.Hour)
	if n := retentions(); n != 1 {
		t.Errorf("it was begun %d times within hours", n)
	}
}
