package authority_test

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

// approve sweeps and approves the open wave.
func (r *rig) approve() *authority.WaveResult {
	r.Helper()
	must(r.T, r.Sweep(ctx))
	o, err := r.Overview(ctx)
	must(r.T, err)
	if o.OpenWave == nil {
		r.Fatal("no wave is open")
	}
	d, err := r.WaveDetail(ctx, o.OpenWave.ID)
	must(r.T, err)
	result, err := r.ApproveWave(ctx, r.ana, o.OpenWave.ID, authority.WaveApproval{Note: "looked at", Confirm: d.Confirm})
	must(r.T, err)
	return result
}

// A phone made for Spain is activated in Havana: notice, lock after an officer's approval, appeal, lift for good.
func TestStoryNoticeWaveLockAppealLift(t *testing.T) {
	r := newRig(t)
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	p.live(6, havana)
	notice := p.stage(cuba, order.Noticed, order.Noticed)
	if notice.Deadline.Before(notice.NoticedAt.Add(14 * day)) {
		t.Fatalf("deadline %v, noticed %v", notice.Deadline, notice.NoticedAt)
	}
	must(t, r.Sweep(ctx))
	if o, err := r.Overview(ctx); err != nil || o.OpenWave != nil {
		t.Fatalf("a wave before the deadline: %+v, %v", o.OpenWave, err)
	}
	for r.now().Before(notice.Deadline) {
		p.live(1, havana)
	}
	if got := r.approve(); got.Locked != 1 || len(got.Skipped) != 0 {
		t.Fatalf("wave %+v", got)
	}
	r.sequence()
	p.live(3, havana)
	p.checkIn()
	lock := p.stage(cuba, order.Locked, order.Locked)
	if lock.EffectAt.Before(notice.Deadline) || lock.EndsAt.Sub(lock.EffectAt) != 180*day || lock.Applied != order.Locked {
		t.Fatalf("lock %+v", lock)
	}
	screen := p.Screen()
	a, err := r.FileAppeal(ctx, string(p.imei), screen.Reference, "I bought it in Madrid.", "owner@example.org")
	must(t, err)
	must(t, r.AnswerAppeal(ctx, r.ben, a.ID, true, "The bill of sale was accepted."))
	r.sequence()
	p.checkIn()
	p.checkIn()
	if end := p.stage(cuba, order.Lifted, order.Lifted); end.Cause != order.ByHuman || end.Applied != order.Lifted {
		t.Fatalf("lifted %+v", end)
	}
	p.live(20, havana)
	p.stage(cuba, order.Lifted, order.Lifted)
	report, err := r.PublicReport(ctx)
	must(t, err)
	if report.ByKind[order.Notice] != 1 || report.ByKind[order.Lock] != 1 || report.ByKind[order.Lift] != 1 || report.Size != 3 {
		t.Fatalf("report %+v", report)
	}
}
