package authority_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
)

// enrolledShipment is a shipment whose devices are all enrolled, past the protocol.
func (r *rig) enrolledShipment(consignment string, n int) {
	r.Helper()
	r.shipment(consignment, n)
	must(r.T, r.store.Update(authority.WithManyWrites(ctx), func(tx authority.Tx) error {
		for i := range n {
			body := fmt.Sprintf("36%012d", i)
			err := tx.InsertDevice(&authority.Device{ID: shippedID(i), IMEI: device.IMEI(body + string(device.CheckDigit(body))), Serial: "S" + body, Model: "Lantern X",
				Key: make([]byte, 91), Attestation: policy.Genuine, KeyCeiling: policy.Genuine, EnrolledAt: r.now(), LastSeen: r.now()})
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

func shippedID(n int) device.ID {
	return device.ID{0x10, byte(n >> 16), byte(n >> 8), byte(n), 1}
}

// begunHold drafts a warrant and puts it in force, as the interface does.
func (r *rig) begunHold(consignment string) (*authority.Case, *authority.Published) {
	r.Helper()
	c, err := r.OpenCase(ctx, r.ana, "Phones of one shipment in Havana", consignment)
	must(r.T, err)
	w, _, err := r.DraftWarrant(ctx, r.ana, c.ID, why, r.now().Add(60*day))
	must(r.T, err)
	out, err := r.BeginHold(ctx, r.ben, w.ID)
	must(r.T, err)
	return c, out
}

func (r *rig) activeOn(w *authority.Warrant) (n int) {
	r.Helper()
	must(r.T, r.store.View(ctx, func(tx authority.Tx) (err error) {
		n, err = tx.CountActiveOn(order.Ground{Kind: order.Warrant, ID: w.ID})
		return err
	}))
	return n
}

func noticedBy(t *testing.T, j *authority.Job) (n authority.Noticed) {
	t.Helper()
	must(t, json.Unmarshal(j.Result, &n))
	return n
}

const many = authority.NoticeAtOnce + 400

// A warrant for many is in force when its officer has the answer, and nobody is noticed yet: a job does that page by page, after a restart, too. A phone that
// checks in before its turn has its notice there, and one only; one that may not be told now gets its notice when its record clears up.
func TestAWarrantForManyIsNoticedByAJob(t *testing.T) {
	r := newRig(t)
	r.enrolledShipment("C-7", many)
	early, later := r.newPhone(r.made("C-7", "diverter", "ES")).enrol(), r.made("C-7", "diverter", "ES")
	must(t, early.Observe(madrid))
	early.checkIn()
	must(t, r.store.Update(ctx, func(tx authority.Tx) error {
		d, err := tx.Device(shippedID(many - 1)) // the last one, whose clock is in doubt (Charter C10)
		if err != nil {
			return err
		}
		d.ClockDoubt = true
		return tx.PutDevice(d)
	}))
	c, out := r.begunHold("C-7")
	w, j := out.Warrant, out.Notices
	if j == nil || j.Kind != authority.NoticeJob || j.Subject != w.ID || j.By != "ben" || j.State != authority.JobWaiting || j.Total != many+2 {
		t.Fatalf("%+v", j)
	}
	d, err := r.CaseDetail(ctx, c.ID)
	must(t, err)
	if n := r.activeOn(w); n != 0 || d.Case.State != authority.CaseHolding || d.Notices[w.ID] == nil || d.Notices[w.ID].ID != j.ID {
		t.Fatalf("%d noticed in the request; %+v", n, d)
	}
	must(t, early.Observe(madrid))
	early.checkIn()
	early.stage(order.Ground{Kind: order.Warrant, ID: w.ID}, order.Noticed, order.Observed)

	first, err := r.StepJob(ctx, j.ID)
	must(t, err)
	if first.State != authority.JobRunning || first.Done != 1000 || noticedBy(t, first).Before != 1 || r.activeOn(w) == 0 {
		t.Fatalf("after a step: %+v", first)
	}
	r.open() // as after kill -9
	done, err := r.FinishJob(ctx, j.ID)
	must(t, err)
	n := noticedBy(t, done)
	if done.State != authority.JobDone || done.Done != many+2 || n != (authority.Noticed{Enrolled: many + 1, Noticed: many - 1, Before: 1, Left: 1}) || r.activeOn(w) != many {
		t.Errorf("%+v: %+v, %d active", done, n, r.activeOn(w))
	}
	if again, err := r.StepJob(ctx, j.ID); err != nil || again.Step != done.Step || r.activeOn(w) != many {
		t.Errorf("a step after the end: %+v, %v", again, err)
	}
	if sequenced := r.sequence(); sequenced != many {
		t.Errorf("%d orders in the ledger", sequenced)
	}
	r.newPhone(later).enrol().checkIn() // the one that was never switched on
	if got := r.activeOn(w); got != many+1 {
		t.Errorf("%d are noticed after a phone was switched on", got)
	}
	if d, err = r.CaseDetail(ctx, c.ID); err != nil || len(d.Notices) != 0 || d.Warrants[0].DevicesAtIssue != many+1 {
		t.Errorf("%+v, %v", d.Warrants[0], err)
	}
}

// Whoever concludes a case stops the notices of its warrants, in the same transaction, and says so; what was given is lifted, and nothing is given after it.
func TestAConclusionStopsNotices(t *testing.T) {
	r := newRig(t)
	r.enrolledShipment("C-7", many)
	c, out := r.begunHold("C-7")
	id := out.Notices.ID
	_, err := r.StepJob(ctx, id)
	must(t, err)
	if _, err := r.CancelJob(ctx, r.ana, id); !errors.Is(err, authority.ErrForbidden) || !strings.Contains(authority.AsError(err).Fix, "conclude its case") {
		t.Errorf("called off by an officer: %v", err)
	}
	release, err := r.BeginConclusion(ctx, r.ana, c.ID, "The consignee has explained the route.")
	must(t, err)
	j, err := r.StepJob(ctx, id)
	must(t, err)
	if e := authority.AsError(j.Err()); j.State != authority.JobCancelled || !errors.Is(e, authority.ErrCaseConcluded) || !strings.Contains(e.Detail, "ana concluded "+c.ID) || j.Step != 2 || j.FinishedAt.IsZero() {
		t.Errorf("%+v: %v", j, j.Err())
	}
	done, err := r.FinishJob(ctx, release.ID)
	must(t, err)
	if d, err := r.CaseDetail(ctx, c.ID); err != nil || done.Done != 1000 || r.activeOn(out.Warrant) != 0 || d.Notices[out.Warrant.ID] == nil || d.Warrants[0].DevicesAtIssue != 1000 {
		t.Errorf("%+v, %+v, %v", done, d, err)
	}
}

// A warrant that ends while its notices are given, since no server ran, gives no more of them; its job says why.
func TestNoticesStopWhenTheirWarrantEnds(t *testing.T) {
	r := newRig(t)
	r.enrolledShipment("C-7", many)
	_, out := r.begunHold("C-7")
	first, err := r.StepJob(ctx, out.Notices.ID)
	must(t, err)
	r.wait(61 * day)
	j, err := r.FinishJob(ctx, out.Notices.ID)
	must(t, err)
	if e := authority.AsError(j.Err()); j.State != authority.JobCancelled || !errors.Is(e, authority.ErrNoNotices) || !strings.Contains(e.Detail, "has ended") || j.Done != first.Done {
		t.Errorf("%+v: %v", j, j.Err())
	}
	if n := r.activeOn(out.Warrant); n != 1000 { // a sweep lifts these
		t.Errorf("%d noticed", n)
	}
}

// A hold that could not begin before its warrant's end is told to nobody, by a job as by a check-in.
func TestNoticesNeedTimeBeforeTheEnd(t *testing.T) {
	r := newRig(t)
	r.enrolledShipment("C-7", many)
	_, out := r.begunHold("C-7")
	r.wait(58 * day)
	j, err := r.FinishJob(ctx, out.Notices.ID)
	must(t, err)
	if n := noticedBy(t, j); j.State != authority.JobDone || n != (authority.Noticed{Enrolled: many, Left: many}) || r.activeOn(out.Warrant) != 0 {
		t.Errorf("%+v: %+v", j, n)
	}
}

// What officers publish while notices are given does not stop them: each page goes by the rules of its moment.
func TestNoticesGoOnWhileOthersPublish(t *testing.T) {
	r := newRig(t)
	r.enrolledShipment("C-7", many)
	r.newPhone(r.made("C-8", "shop", "ES")).enrol().checkIn()
	_, out := r.begunHold("C-7")
	_, err := r.StepJob(ctx, out.Notices.ID)
	must(t, err)
	other, small := r.begunHold("C-8")
	if small.Notices != nil || r.activeOn(small.Warrant) != 1 {
		t.Errorf("%+v", small)
	}
	_, err = r.ConcludeCase(ctx, r.ana, other.ID, "The consignee has explained the route.")
	must(t, err)
	j, err := r.FinishJob(ctx, out.Notices.ID)
	must(t, err)
	if n := noticedBy(t, j); j.State != authority.JobDone || n.Noticed != many || r.activeOn(out.Warrant) != many {
		t.Errorf("%+v: %+v", j, n)
	}
}

// A small warrant is counted and noticed when its officer has the answer, and needs no job.
func TestASmallWarrantIsNoticedAtOnce(t *testing.T) {
	r := newRig(t)
	const few = 2_300 // of several pages
	r.enrolledShipment("C-7", few)
	r.made("C-7", "diverter", "ES") // never switched on
	c, out := r.begunHold("C-7")
	if out.Notices != nil || out.Warrant.DevicesAtIssue != few || r.activeOn(out.Warrant) != few {
		t.Errorf("%+v, %d noticed", out, r.activeOn(out.Warrant))
	}
	jobs, err := r.Jobs(ctx, 10)
	must(t, err)
	d, err := r.CaseDetail(ctx, c.ID)
	must(t, err)
	if len(jobs) != 0 || d.Noticed != few || len(d.Notices) != 0 || d.Warrants[0].DevicesAtIssue != few {
		t.Errorf("%+v, %+v", jobs, d)
	}
	if n := r.sequence(); n != few {
		t.Errorf("%d orders in the ledger", n)
	}
}

// cutStore refuses, while it is cut, the job of notices.
type cutStore struct {
	authority.Store
	cut bool
}

type cutTx struct {
	authority.Tx
	store *cutStore
}

var errCut = errors.New("the connection was lost")

func (t cutTx) InsertJob(j *authority.Job) (int64, error) {
	if t.store.cut && j.Kind == authority.NoticeJob {
		return 0, errCut
	}
	return t.Tx.InsertJob(j)
}

func (s *cutStore) Update(ctx context.Context, fn func(authority.Tx) error) error {
	return s.Store.Update(ctx, func(tx authority.Tx) error { return fn(cutTx{tx, s}) })
}

// A warrant and the job of its notices are published together or not at all: no crash leaves a warrant for many in force whose notices nobody gives.
func TestAWarrantForManyAndItsJobAreOneTransaction(t *testing.T) {
	r := newRig(t)
	r.enrolledShipment("C-7", many)
	store := &cutStore{Store: r.config.Store, cut: true}
	r.config.Store = store
	r.open()
	c, err := r.OpenCase(ctx, r.ana, "Phones of one shipment in Havana", "C-7")
	must(t, err)
	w, _, err := r.DraftWarrant(ctx, r.ana, c.ID, why, r.now().Add(60*day))
	must(t, err)
	if _, err := r.BeginHold(ctx, r.ben, w.ID); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	d, err := r.CaseDetail(ctx, c.ID)
	must(t, err)
	if d.Case.State != authority.CaseOpen || d.Warrants[0].CountersignBy != "" || len(d.Notices) != 0 {
		t.Errorf("%+v, %+v", d.Case, d.Warrants[0])
	}
	store.cut = false
	w, err = r.CountersignWarrant(ctx, r.ben, w.ID) // returns when all is done
	must(t, err)
	if w.DevicesAtIssue != many || r.activeOn(w) != many {
		t.Errorf("%+v, %d noticed", w, r.activeOn(w))
	}
}
