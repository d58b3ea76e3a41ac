package authority_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// shipment imports n records of a consignment, beside what is there, by three consignees in turn.
func (r *rig) shipment(consignment string, n int) {
	r.Helper()
	rows := make([]authority.Production, n)
	for i := range rows {
		body := fmt.Sprintf("36%012d", i)
		rows[i] = authority.Production{IMEI: device.IMEI(body + string(device.CheckDigit(body))), Serial: "S" + body, Model: "Lantern X", Market: "ES", Consignment: consignment,
			Consignee: []string{"north", "south", "west"}[i%3], ShippedOn: territory.DayOf(r.now()) - 30}
	}
	_, err := r.ImportProduction(ctx, r.ana, rows)
	must(r.T, err)
}

// A large consignment is counted by a job, which goes on where it was interrupted, and says what a count at once would say.
func TestLargeConsignmentsAreCountedByAJob(t *testing.T) {
	r := newRig(t)
	var phones []*phone
	for range 3 {
		p := r.newPhone(r.made("C-7", "diverter", "ES")).enrol()
		for range 6 {
			must(t, p.Observe(havana))
			p.checkIn()
			r.wait(day)
		}
		r.wait(-6 * day)
		phones = append(phones, p)
	}
	small, _ := r.warrant("C-7", 60*day)
	r.wait(6 * day)
	for _, p := range phones {
		p.checkIn()
	}
	at := r.now()
	want, err := r.CaseDetail(ctx, small.ID)
	must(t, err)
	if want.ByJob || want.Counting != nil || !want.CountedAt.Equal(at) || want.Devices != 3 || want.Diverted != 3 || want.Noticed != 3 {
		t.Fatalf("%+v", want)
	}

	const more = 2*authority.CountAtOnce + 500 // in three steps
	r.shipment("C-7", more)
	c, err := r.OpenCase(ctx, r.ana, "The whole of it", "C-7")
	must(t, err)
	d, err := r.CaseDetail(ctx, c.ID)
	must(t, err)
	if !d.ByJob || !d.CountedAt.IsZero() || d.Devices != 0 || d.Counting == nil || d.Counting.State != authority.JobWaiting || len(d.Events) != 1 {
		t.Fatalf("before it is counted: %+v", d)
	}
	again, err := r.BeginCount(ctx, r.ben, c.ID)
	must(t, err)
	if again.ID != d.Counting.ID {
		t.Errorf("job %d counts what %d counts", again.ID, d.Counting.ID)
	}
	first, err := r.StepJob(ctx, again.ID)
	must(t, err)
	if first.State != authority.JobRunning || first.Done != authority.CountAtOnce || first.Total != more+3 {
		t.Fatalf("after a step: %+v", first)
	}
	r.open() // as after kill -9
	if d, err = r.CaseDetail(ctx, c.ID); err != nil || d.Counting.Done != authority.CountAtOnce || !d.CountedAt.IsZero() {
		t.Fatalf("on the way: %+v, %v", d, err)
	}
	r.wait(day)
	done, err := r.FinishJob(ctx, again.ID)
	must(t, err)
	if done.State != authority.JobDone || done.Done != more+3 || done.Total != more+3 {
		t.Fatalf("in the end: %+v", done)
	}
	if d, err = r.CaseDetail(ctx, c.ID); err != nil || d.Counting != nil || !d.CountedAt.Equal(r.now()) {
		t.Fatalf("%+v, %v", d, err)
	}
	if d.Devices != more+3 || d.Enrolled != 3 || d.Observed != 3 || d.Noticed != 0 || d.Market != "ES" || d.Diverted != 3 ||
		!reflect.DeepEqual(d.Activations, []authority.Count{{Name: "CU", Count: 3}}) || len(d.Consignees) != 4 || d.Consignees[0].Consignee != "diverter" {
		t.Errorf("%+v", d)
	}

	// The first case has outgrown what is counted at once: it keeps quiet about numbers until somebody asks.
	if d, err = r.CaseDetail(ctx, small.ID); err != nil || !d.ByJob || !d.CountedAt.IsZero() || d.Counting != nil || len(d.Events) < 3 {
		t.Fatalf("%+v, %v", d, err)
	}
	if _, err := r.BeginCount(ctx, r.sam, small.ID); !errors.Is(err, authority.ErrForbidden) {
		t.Errorf("support has it counted: %v", err)
	}
	if _, err := r.BeginCount(ctx, r.ana, "case-9999"); !errors.Is(err, authority.ErrNotFound) {
		t.Errorf("a case that there is not: %v", err)
	}
	j, err := r.BeginCount(ctx, r.ana, small.ID)
	must(t, err)
	j, err = r.FinishJob(ctx, j.ID)
	must(t, err)
	var n authority.CohortCount
	must(t, json.Unmarshal(j.Result, &n))
	if n.Noticed != want.Noticed || n.Enrolled != want.Enrolled || n.Consignees["diverter"].Outside != want.Diverted || n.Observed != 0 {
		t.Errorf("%+v, and at once %+v", n, want)
	}
	_, err = r.ConcludeCase(ctx, r.ben, small.ID, "The consignee has explained the route.")
	must(t, err)
	j, err = r.BeginCount(ctx, r.ana, small.ID)
	must(t, err)
	if d, err = r.CaseDetail(ctx, small.ID); err != nil || d.Counting == nil || d.Counting.ID != j.ID || d.CountedAt.IsZero() || d.Noticed != 3 {
		t.Errorf("the last numbers stand while it is counted anew: %+v, %v", d, err)
	}
	_, err = r.FinishJob(ctx, j.ID)
	must(t, err)
	if d, err = r.CaseDetail(ctx, small.ID); err != nil || d.Noticed != 0 || d.Lifted != 3 || d.Stragglers != 3 {
		t.Errorf("concluded: %+v, %v", d, err)
	}
}

// A count that is called off leaves the last numbers; two that step it at once count nothing twice.
func TestACountIsCalledOffAndNotDoneTwice(t *testing.T) {
	r := newRig(t)
	r.shipment("C-7", authority.CountAtOnce+1)
	c, err := r.OpenCase(ctx, r.ana, "The whole of it", "C-7")
	must(t, err)
	d, err := r.CaseDetail(ctx, c.ID)
	must(t, err)
	if _, err = r.CancelJob(ctx, r.ana, d.Counting.ID); err != nil {
		t.Fatal(err)
	}
	if d, err = r.CaseDetail(ctx, c.ID); err != nil || d.Counting != nil || !d.CountedAt.IsZero() {
		t.Fatalf("%+v, %v", d, err)
	}
	j, err := r.BeginCount(ctx, r.ana, c.ID)
	must(t, err)
	failed := make(chan error, 2)
	for range 2 {
		go func() {
			for {
				j, err := r.StepJob(ctx, j.ID)
				if err != nil || j.State.Finished() {
					failed <- err
					return
				}
			}
		}()
	}
	must(t, errors.Join(<-failed, <-failed))
	if d, err = r.CaseDetail(ctx, c.ID); err != nil || d.Devices != authority.CountAtOnce+1 || d.Enrolled != 0 {
		t.Fatalf("%+v, %v", d, err)
	}
}

// Consignees beyond 1,000 are counted together, so that what a count keeps stays bounded.
func TestManyConsigneesAreCountedTogether(t *testing.T) {
	r := newRig(t)
	rows := make([]authority.Production, 1_100)
	for i := range rows {
		body := fmt.Sprintf("36%012d", i)
		rows[i] = authority.Production{IMEI: device.IMEI(body + string(device.CheckDigit(body))), Market: "ES", Consignment: "C-7", Consignee: fmt.Sprint("shop ", i)}
	}
	_, err := r.ImportProduction(ctx, r.ana, rows)
	must(t, err)
	c, err := r.OpenCase(ctx, r.ana, "Many shops", "C-7")
	must(t, err)
	d, err := r.CaseDetail(ctx, c.ID)
	must(t, err)
	if len(d.Consignees) != 1_001 || d.Consignees[0] != (authority.Diversion{Consignee: "others", Devices: 100}) || d.Devices != 1_100 {
		t.Errorf("%d consignees, the first %+v", len(d.Consignees), d.Consignees[0])
	}
}

// What happened to a case stays on its time line, however much else happens in the fleet.
func TestACasesTimeLineOutlastsABusyFleet(t *testing.T) {
	r := newRig(t)
	r.newPhone(r.made("C-7", "diverter", "ES")).enrol()
	c, w := r.warrant("C-7", 60*day)
	must(t, r.store.Update(ctx, func(tx authority.Tx) error {
		for range 1200 {
			if err := tx.AddEvent(authority.Event{At: r.now(), Kind: "import", Actor: "ana", Detail: "1 production records were imported."}); err != nil {
				return err
			}
		}
		return nil
	}))
	_, err := r.ConcludeCase(ctx, r.ben, c.ID, "The consignee has explained the route.")
	must(t, err)
	d, err := r.CaseDetail(ctx, c.ID)
	must(t, err)
	var kinds []string
	for _, e := range d.Events {
		kinds = append(kinds, e.Kind+" "+e.Ground.ID)
	}
	want := []string{"case ", "warrant " + w.ID, "warrant " + w.ID, "case "}
	if !reflect.DeepEqual(kinds, want) {
		t.Errorf("%q, want %q", kinds, want)
	}
}
