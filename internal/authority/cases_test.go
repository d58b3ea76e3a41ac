package authority_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const why = "Held while it is found out how this shipment left its market."

// warrant opens a case on a consignment and gets a countersigned warrant.
func (r *rig) warrant(consignment string, ends time.Duration) (*authority.Case, *authority.Warrant) {
	r.Helper()
	c, err := r.OpenCase(ctx, r.ana, "Phones of one shipment in Havana", consignment)
	must(r.T, err)
	w, _, err := r.DraftWarrant(ctx, r.ana, c.ID, why, r.now().Add(ends))
	must(r.T, err)
	w, err = r.CountersignWarrant(ctx, r.ben, w.ID)
	must(r.T, err)
	return c, w
}

// The story's case: a diverted shipment is held, found and released, with one phone off at the release and one that enrols late.
func TestCaseHoldRelease(t *testing.T) {
	r := newRig(t)
	var phones []*phone
	for range 3 {
		phones = append(phones, r.newPhone(r.made("C-7", "diverter", "ES")).enrol())
	}
	outsider := r.newPhone(r.made("C-8", "shop", "ES")).enrol()
	late := r.made("C-7", "diverter", "ES")
	for range 6 {
		for _, p := range append(phones, outsider) {
			must(t, p.Observe(madrid))
			p.checkIn()
		}
		r.wait(day)
	}
	c, w := r.warrant("C-7", 60*day)
	g := order.Ground{Kind: order.Warrant, ID: w.ID}
	if w.DevicesAtIssue != 3 || w.Hash == [32]byte{} || len(w.Document) == 0 {
		t.Fatalf("%+v", w)
	}
	for _, p := range phones {
		p.stage(g, order.Noticed, order.Observed)
	}
	r.sequence()
	for range 16 {
		for _, p := range append(phones, outsider) {
			must(t, p.Observe(madrid))
			must(t, p.Shown())
			p.checkIn()
		}
		r.wait(day)
	}
	third := r.newPhone(late).enrol()
	third.sync()
	if n := third.stage(g, order.Noticed, order.Noticed); n.Deadline.Sub(r.now()) < order.MinNotice {
		t.Fatalf("a late device has %v", n.Deadline.Sub(r.now()))
	}
	if result := r.approve(); result.Locked != 3 {
		t.Fatalf("%+v", result)
	}
	r.sequence()
	for range 4 {
		for _, p := range phones {
			p.checkIn()
			must(t, p.Shown())
		}
		r.wait(day)
	}
	for _, p := range phones {
		must(t, p.Tick())
		p.checkIn()
		if s := p.Screen(); s.Stage != order.Locked || s.WarrantReason != why || !s.EndsAt.Equal(w.EndsAt) {
			t.Fatalf("screen %+v", s.GroundView)
		}
	}
	outsider.stage(g, order.Observed, order.Observed)
	d, err := r.CaseDetail(ctx, c.ID)
	must(t, err)
	if d.Devices != 4 || d.Enrolled != 4 || d.Locked != 3 || d.Noticed != 1 || d.Market != "ES" || d.Diverted != 0 || len(d.Events) < 3 {
		t.Fatalf("%+v", d)
	}
	view, err := r.OwnerLook(ctx, string(phones[0].imei), phones[0].Screen().Reference)
	must(t, err)
	if view.WarrantReason != why || view.Stage != order.Locked || view.LedgerIndex == nil || view.RuleName != "" {
		t.Fatalf("owner %+v", view)
	}

	release, err := r.ConcludeCase(ctx, r.ben, c.ID, "The consignee has explained the route; the hold is no longer needed.")
	must(t, err)
	if release.Lifted != 4 || release.Stragglers != 4 {
		t.Fatalf("%+v", release)
	}
	r.sequence()
	for _, p := range append(phones[:2:2], third) { // the last one stays off
		p.checkIn()
		p.checkIn()
		if end := p.stage(g, order.Lifted, order.Lifted); end.Cause != order.ByCase {
			t.Fatalf("%+v", end)
		}
	}
	if d, err = r.CaseDetail(ctx, c.ID); err != nil || d.Stragglers != 1 || d.Lifted != 4 {
		t.Fatalf("%+v, %v", d, err)
	}
	r.wait(5 * day)
	must(t, phones[2].Tick())
	phones[2].stage(g, order.Lifted, order.Locked)
	phones[2].checkIn()
	phones[2].checkIn()
	phones[2].stage(g, order.Lifted, order.Lifted)
	if d, err = r.CaseDetail(ctx, c.ID); err != nil || d.Stragglers != 0 {
		t.Fatalf("%+v, %v", d, err)
	}
	// Over is over: nobody is held again by this case, and it is not concluded twice.
	for _, p := range phones {
		p.sync()
		p.stage(g, order.Lifted, order.Lifted)
	}
	if _, err := r.ConcludeCase(ctx, r.ana, c.ID, "a second finding of the case"); !errors.Is(err, authority.ErrCaseConcluded) {
		t.Fatal(err)
	}
	if _, _, err := r.DraftWarrant(ctx, r.ana, c.ID, why, r.now().Add(60*day)); !errors.Is(err, authority.ErrCaseConcluded) {
		t.Fatal(err)
	}
}

// C7: one officer alone cannot hold anybody, not even twice in a hurry.
func TestWarrantNeedsTwoOfficers(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-7", "diverter", "ES")).enrol()
	p.checkIn()
	c, err := r.OpenCase(ctx, r.ana, "Phones of one shipment", "C-7")
	must(t, err)
	w, _, err := r.DraftWarrant(ctx, r.ana, c.ID, why, r.now().Add(30*day))
	must(t, err)
	if _, err := r.CountersignWarrant(ctx, r.ana, w.ID); !errors.Is(err, authority.ErrSameOfficer) {
		t.Fatal(err)
	}
	if _, err := r.CountersignWarrant(ctx, r.sam, w.ID); !errors.Is(err, authority.ErrForbidden) {
		t.Fatal(err)
	}
	p.sync()
	if d := p.detail(); len(d.Restrictions) != 0 {
		t.Fatalf("a draft restricts: %+v", d.Restrictions)
	}
	var signed, done atomic.Int32
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			_, err := r.CountersignWarrant(ctx, r.ben, w.ID)
			switch {
			case err == nil:
				signed.Add(1)
			case errors.Is(err, authority.ErrWarrantDone):
				done.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if signed.Load() != 1 || done.Load() != 3 {
		t.Fatalf("countersigned %d times", signed.Load())
	}
	if o := p.detail().Orders; len(o) != 1 {
		t.Fatalf("%d notices", len(o))
	}
}

// C8: a warrant has an end within bounds, and the end comes by itself.
func TestWarrantEnds(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-7", "diverter", "ES")).enrol()
	p.checkIn()
	c, err := r.OpenCase(ctx, r.ana, "Phones of one shipment", "C-7")
	must(t, err)
	for _, ends := range []time.Duration{-day, day, 8 * day, 90*day + time.Second} {
		if _, _, err := r.DraftWarrant(ctx, r.ana, c.ID, why, r.now().Add(ends)); !errors.Is(err, authority.ErrInvalid) {
			t.Errorf("a hold of %v: %v", ends, err)
		}
	}
	_, w := r.warrant("C-7", 20*day)
	g := order.Ground{Kind: order.Warrant, ID: w.ID}
	p.sync()
	p.stage(g, order.Noticed, order.Noticed)
	r.wait(20 * day)
	must(t, p.Tick())
	p.stage(g, order.Noticed, order.Lifted)
	must(t, r.Sweep(ctx))
	if end := p.stage(g, order.Lifted, order.Lifted); end.Cause != order.ByEnd {
		t.Fatalf("%+v", end)
	}
	must(t, p.SetEpoch(r.Epoch(ctx).Epoch))
	p.sync()
	p.stage(g, order.Lifted, order.Lifted)
}

// A release that was cut short goes on at the next sweep.
func TestReleaseCutShort(t *testing.T) {
	var updates *countingStore
	r := newRig(t, func(c *authority.Config) {
		updates = &countingStore{Store: c.Store}
		c.Store = updates
	})
	p := r.newPhone(r.made("C-7", "diverter", "ES")).enrol()
	p.checkIn()
	c, w := r.warrant("C-7", 30*day)
	g := order.Ground{Kind: order.Warrant, ID: w.ID}
	p.stage(g, order.Noticed, order.Observed)
	updates.failAfter(1)
	if _, err := r.ConcludeCase(ctx, r.ana, c.ID, "nothing was found in the end"); err == nil {
		t.Fatal("the release was not cut short")
	}
	updates.failAfter(-1)
	p.stage(g, order.Noticed, order.Observed)
	r.open()
	must(t, r.Sweep(ctx))
	if end := p.stage(g, order.Lifted, order.Observed); end.Cause != order.ByCase {
		t.Fatalf("%+v", end)
	}
}

func TestCaseNeedsAConsignment(t *testing.T) {
	r := newRig(t)
	_, err := r.OpenCase(ctx, r.ana, "A shipment that nobody knows", "C-404")
	if e := authority.AsError(err); e.Kind != authority.Invalid || !strings.Contains(e.Detail, "C-404") {
		t.Fatal(err)
	}
	if _, err := r.CaseDetail(ctx, "case-9999"); !errors.Is(err, authority.ErrNotFound) {
		t.Fatal(err)
	}
	_, err = r.Stragglers(ctx, "warrant-9999", device.ID{}, 10)
	if !errors.Is(err, authority.ErrNotFound) || !strings.Contains(authority.AsError(err).Detail, `"warrant-9999"`) || authority.AsError(err).Fix == "" {
		t.Errorf("stragglers of an unknown warrant: %v", err)
	}
	if _, err := r.OpenCase(ctx, r.sam, "Support may not", "C-404"); !errors.Is(err, authority.ErrForbidden) {
		t.Fatal(err)
	}
}

func TestDiversionsByConsignee(t *testing.T) {
	r := newRig(t)
	for i, where := range []territory.Signals{madrid, havana, havana} {
		consignee := []string{"shop", "shop", "diverter"}[i]
		p := r.newPhone(r.made("C-7", consignee, "ES")).enrol()
		for range 6 {
			must(t, p.Observe(where))
			p.checkIn()
			r.wait(day)
		}
		r.wait(-6 * day)
	}
	c, err := r.OpenCase(ctx, r.ana, "Phones of one shipment", "C-7")
	must(t, err)
	d, err := r.CaseDetail(ctx, c.ID)
	must(t, err)
	list := d.Consignees
	want := []authority.Diversion{{Consignee: "diverter", Devices: 1, Activated: 1, Outside: 1}, {Consignee: "shop", Devices: 2, Activated: 2, Outside: 1}}
	if len(list) != 2 || list[0] != want[0] || list[1] != want[1] {
		t.Fatalf("%+v", list)
	}
}
