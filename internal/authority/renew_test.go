package authority_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// C10: when the officers' signatures on policies end, nothing is escalated, and nothing that is there is lifted for it; renewed, it goes
// on. A sandbox renews by itself, so the server here holds no officer's key.
func TestExpiredSignaturesEscalateNothing(t *testing.T) {
	r := newRig(t)
	ada := r.officers
	r.config.Signer = nil
	r.open()
	r.wait(370 * day)
	source := bytes.ReplaceAll(effective("2022-09-10"), []byte("review_by: 2022-03-01"), []byte("review_by: 2031-03-01"))
	proposal, _, err := r.ProposePolicy(ctx, r.ana, "reviewed.yaml", source)
	must(t, err)
	published := r.now()
	_, err = r.Publish(ctx, r.ana, sandboxSigns(t, ada, proposal))
	must(t, err)
	must(t, r.Sweep(ctx))
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	r.wait(380 * day)
	must(t, p.SetEpoch(r.Epoch(ctx).Epoch))
	must(t, r.Sweep(ctx))
	o, err := r.Overview(ctx)
	must(t, err)
	if !o.Founded || len(o.SignaturesEnd) == 0 {
		t.Fatalf("nobody is told that signatures end: %+v", o.SignaturesEnd)
	}
	left := gauge(t, r, tuf.Policy)
	if want := published.Add(400 * day).Sub(r.now()).Seconds(); left != want {
		t.Errorf("the gauge says %v, want %v", left, want)
	}
	r.wait(21 * day)
	must(t, p.SetEpoch(r.Epoch(ctx).Epoch))
	p.live(8, havana)
	must(t, r.Sweep(ctx))
	if d := p.detail(); len(d.Orders) != 0 || d.Decision.Verdict != policy.Deny {
		t.Fatalf("an order on signatures that have ended: %+v, %v", d.Orders, d.Decision)
	}
	renewal, _, err := r.ProposePolicy(ctx, r.ana, "reviewed.yaml", source)
	must(t, err)
	out, err := r.Publish(ctx, r.ana, sandboxSigns(t, ada, renewal))
	must(t, err)
	if out.Policy != nil || out.Versions.Policy != 4 {
		t.Fatalf("%+v", out)
	}
	p.live(2, havana)
	p.stage(cuba, order.Noticed, order.Noticed)
}

// The first sign of an end is half a minute's work for a sandbox: its officers sign by themselves.
func TestASandboxRenewsItsSignatures(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	for range 30 {
		r.wait(30 * day)
		must(t, r.Sweep(ctx))
	}
	k, err := r.SigningKeys(ctx)
	must(t, err)
	if len(k.Ending) != 0 || k.Versions.Policy < 4 || k.Versions.Warrant < 5 || !k.SignsHere || len(k.Officers) != 3 {
		t.Fatalf("%+v", k)
	}
	must(t, p.SetEpoch(r.Epoch(ctx).Epoch))
	answer, _ := p.checkIn()
	if answer.Metadata != nil || answer.Policy != nil {
		t.Error("a plain check-in carries metadata")
	}
}

func sandboxSigns(t *testing.T, officers authority.Signer, proposal []byte) []byte {
	t.Helper()
	p, err := tufrepo.ParseProposal(proposal)
	must(t, err)
	must(t, officers.Sign(p))
	data, err := p.Marshal()
	must(t, err)
	return data
}

// A cohort of a hundred thousand is frozen, proved and kept at a few bytes each.
func TestALargeCohort(t *testing.T) {
	const many = 100_000
	r := newRig(t)
	last := r.made("C-9", "trader", "ES")
	rows := make([]authority.Production, many)
	for i := range rows {
		body := fmt.Sprintf("86%012d", i)
		rows[i] = authority.Production{IMEI: device.IMEI(body + string(device.CheckDigit(body))), Model: "Lantern X", Market: "ES", Consignment: "C-9"}
	}
	_, err := r.ImportProduction(ctx, r.ana, rows)
	must(t, err)
	p := r.newPhone(last).enrol()
	_, w := r.warrant("C-9", 60*day)
	r.open() // from the store alone
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	must(t, r.Sweep(ctx))
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := float64(after.HeapAlloc-before.HeapAlloc) / many; after.HeapAlloc > before.HeapAlloc && each > 100 {
		t.Errorf("%.0f bytes a device", each)
	}
	p.sync()
	p.stage(order.Ground{Kind: order.Warrant, ID: w.ID}, order.Noticed, order.Noticed)
}

// gauge reads how many seconds the signatures in a role have left.
func gauge(t *testing.T, r *rig, role string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() == "bailiwick_officers_signatures_expire_seconds" {
			for _, m := range f.GetMetric() {
				if m.GetLabel()[0].GetValue() == role {
					return m.GetGauge().GetValue()
				}
			}
		}
	}
	t.Fatal("no gauge")
	return 0
}

// Metadata travel when a device needs them to follow something, and not otherwise.
func TestWhenMetadataTravel(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-7", "diverter", "ES")).enrol()
	carries := func(when string, want bool) {
		t.Helper()
		if answer, _ := p.checkIn(); (answer.Metadata != nil) != want {
			t.Errorf("%s: metadata %v", when, answer.Metadata != nil)
		}
	}
	carries("nothing is new", false)
	_, _, err := r.PublishPolicy(ctx, r.ana, "newer.yaml", append([]byte("# newer\n"), policies.Terms202109...))
	must(t, err)
	carries("another policy", true)
	carries("which it has now", false)
	p.live(8, havana) // a notice by rule
	p.stage(cuba, order.Noticed, order.Noticed)
	carries("it follows the notice", false)
	_, w := r.warrant("C-7", 60*day)
	p.checkIn()
	r.sequence()
	before := p.Screen()
	answer, _ := p.checkIn()
	if answer.Metadata == nil || len(answer.Warrants) != 1 || answer.Warrants[0].Warrant.ID != w.ID || len(before.Grounds) != 1 {
		t.Errorf("the notice of a warrant came with %d warrants, metadata %v", len(answer.Warrants), answer.Metadata != nil)
	}
	if err := answer.Warrants[0].Member.Verify(answer.Warrants[0].Warrant.Cohort, p.imei); err != nil {
		t.Error(err)
	}
	carries("it follows that one, too", false)
	must(t, r.LiftByHuman(ctx, r.ana, p.id, cuba, "checked by hand"))
	r.sequence()
	carries("a lift needs none", false)
}

// The list of warrants stands for longer than any hold that it brings: each warrant is signed with a list that is new then.
func TestAListOfWarrantsOutlivesItsHolds(t *testing.T) {
	r := newRig(t)
	first, late := r.newPhone(r.made("C-7", "diverter", "ES")).enrol(), r.newPhone(r.made("C-7", "diverter", "ES"))
	first.live(2, madrid)
	r.wait(80 * day) // since everything was founded
	must(t, first.SetEpoch(r.Epoch(ctx).Epoch))
	_, w := r.warrant("C-7", 85*day)
	g := order.Ground{Kind: order.Warrant, ID: w.ID}
	k, err := r.SigningKeys(ctx)
	must(t, err)
	if k.Expires[tuf.Warrant].Before(w.EndsAt) {
		t.Fatalf("the list ends on %v, before the warrant on %v", k.Expires[tuf.Warrant], w.EndsAt)
	}
	r.sequence()
	first.checkIn()
	first.stage(g, order.Noticed, order.Noticed)
	r.wait(60 * day)
	late.enrol().sync()
	late.stage(g, order.Noticed, order.Noticed)
}

// A publication is one transaction: when it is cut short, neither metadata nor policy are there, and the same proposal can be handed in again.
func TestAPublicationIsWholeOrNotAtAll(t *testing.T) {
	var updates *countingStore
	r := newRig(t, func(c *authority.Config) {
		updates = &countingStore{Store: c.Store}
		c.Store = updates
	})
	proposal, _, err := r.ProposePolicy(ctx, r.ana, "newer.yaml", append([]byte("# newer\n"), policies.Terms202109...))
	must(t, err)
	signed := sandboxSigns(t, r.officers, proposal)
	before, err := r.Repository(ctx)
	must(t, err)
	updates.failAfter(0)
	if _, err := r.Publish(ctx, r.ana, signed); err == nil {
		t.Fatal("the publication was not cut short")
	}
	updates.failAfter(-1)
	r.open()
	after, err := r.Repository(ctx)
	must(t, err)
	history, err := r.PolicyHistory(ctx, 10)
	must(t, err)
	if !bytes.Equal(before.Policy, after.Policy) || !bytes.Equal(before.Timestamp, after.Timestamp) || len(history) != 1 {
		t.Fatalf("half of it is there: %d policies", len(history))
	}
	out, err := r.Publish(ctx, r.ana, signed)
	must(t, err)
	if out.Policy == nil || out.Policy.Name != "newer.yaml" {
		t.Errorf("%+v", out)
	}
}

// Two servers on one store: what one publishes counts on the other, which refuses what was proposed before it.
func TestTwoServersPublish(t *testing.T) {
	r := newRig(t)
	config := r.config
	config.Registry = nil
	other, err := authority.New(config)
	must(t, err)
	if _, _, err := other.PolicyInForce(ctx); err != nil { // it has looked
		t.Fatal(err)
	}
	proposal, _, err := other.ProposePolicy(ctx, r.ana, "old.yaml", append([]byte("# old\n"), policies.Terms202109...))
	must(t, err)
	_, _, err = r.PublishPolicy(ctx, r.ana, "08.yaml", effective("2021-09-08"))
	must(t, err)
	if _, err := other.Publish(ctx, r.ben, sandboxSigns(t, r.officers, proposal)); !errors.Is(err, authority.ErrStale) {
		t.Fatal(err)
	}
	if _, _, err := other.PublishPolicy(ctx, r.ben, "07.yaml", effective("2021-09-07")); !errors.Is(err, authority.ErrPolicyFaulty) {
		t.Fatalf("the other server went backwards: %v", err)
	}
	_, _, err = other.PublishPolicy(ctx, r.ben, "09.yaml", effective("2021-09-09"))
	must(t, err)
	must(t, r.Sweep(ctx))
	if _, d, err := r.PolicyInForce(ctx); err != nil || d.Name != "09.yaml" {
		t.Errorf("%+v, %v", d, err)
	}
}

// No lock, either: a notice whose date comes after the end of the signatures stays a notice until officers have renewed them.
func TestExpiredSignaturesLockNobody(t *testing.T) {
	r := newRig(t)
	ada := r.officers
	r.config.Signer = nil
	r.open()
	r.wait(370 * day)
	source := bytes.ReplaceAll(effective("2022-09-10"), []byte("review_by: 2022-03-01"), []byte("review_by: 2031-03-01"))
	publish := func() {
		proposal, _, err := r.ProposePolicy(ctx, r.ana, "reviewed.yaml", source)
		must(t, err)
		_, err = r.Publish(ctx, r.ana, sandboxSigns(t, ada, proposal))
		must(t, err)
	}
	publish()
	must(t, r.Sweep(ctx))
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	r.wait(383 * day)
	must(t, p.SetEpoch(r.Epoch(ctx).Epoch))
	p.live(26, havana)
	must(t, r.Sweep(ctx))
	noticed := p.stage(cuba, order.Noticed, order.Noticed)
	if w := r.openWave(); w != nil || !noticed.Deadline.Before(r.now()) || noticed.ShownDays < 5 {
		t.Fatalf("wave %+v for %+v", w, noticed)
	}
	publish()
	p.live(1, havana)
	must(t, r.Sweep(ctx))
	if w := r.openWave(); w == nil || w.Size != 1 {
		t.Fatalf("renewed, and nothing goes on: %+v", w)
	}
	if result := r.approve(); result.Locked != 1 {
		t.Fatalf("%+v", result)
	}
	p.live(4, havana)
	p.stage(cuba, order.Locked, order.Locked)
}
