package authority_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

// noticedPhone is a phone with a notice on its screen.
func (r *rig) noticedPhone() *phone {
	r.Helper()
	p := r.newPhone(r.made("C-1", "trader", "ES")).enrol()
	p.live(6, havana)
	p.stage(cuba, order.Noticed, order.Noticed)
	return p
}

func TestOwnerNeedsBothIMEIAndReference(t *testing.T) {
	r := newRig(t)
	p, q := r.noticedPhone(), r.noticedPhone()
	reference := p.Screen().Reference
	for _, tc := range []struct {
		name, imei, reference string
		want                  *authority.Error
	}{
		{"another's reference", string(p.imei), q.Screen().Reference, authority.ErrNoMatch},
		{"another's IMEI", string(q.imei), reference, authority.ErrNoMatch},
		{"an IMEI of nobody", "490154203237518", reference, authority.ErrNoMatch},
		{"a reference of nobody", string(p.imei), "0000-0000", authority.ErrNoMatch},
		{"no IMEI", "123", reference, &authority.Error{Name: "imei-mistyped"}},
		{"no reference", string(p.imei), "?", &authority.Error{Name: "reference-mistyped"}},
	} {
		if v, err := r.OwnerLook(ctx, tc.imei, tc.reference); !errors.Is(err, tc.want) || v != nil {
			t.Errorf("%s: %+v, %v", tc.name, v, err)
		}
		if a, err := r.FileAppeal(ctx, tc.imei, tc.reference, "text", ""); !errors.Is(err, tc.want) || a != nil {
			t.Errorf("%s: an appeal: %+v, %v", tc.name, a, err)
		}
		if o, err := r.OwnerOrder(ctx, tc.imei, tc.reference); !errors.Is(err, tc.want) || o != nil {
			t.Errorf("%s: an order: %+v, %v", tc.name, o, err)
		}
	}
	typed := strings.ToLower(strings.ReplaceAll(reference, "-", " "))
	v, err := r.OwnerLook(ctx, " "+string(p.imei[:8])+"-"+string(p.imei[8:]), typed)
	must(t, err)
	if v.Stage != order.Noticed || v.RuleName != "Cuba" || v.LegalBasis == "" || v.Source == "" || v.Territory != "CU" || v.NeededDays != 5 ||
		v.ActivationDay == 0 || len(v.Days) == 0 || !v.CanAppeal || v.Contact.Name == "" || v.OrderID.IsZero() || v.LedgerIndex == nil {
		t.Fatalf("%+v", v)
	}
	sealed, err := r.OwnerOrder(ctx, string(p.imei), reference)
	must(t, err)
	if leaf, err := sealed.Open(p.id); err != nil || leaf.Kind != order.Notice || sealed.ID() != v.OrderID || len(sealed.Proof) == 0 {
		t.Errorf("the order's file: %+v, %v", leaf, err)
	}
	for _, e := range v.Events {
		if e.Actor != "rule" && e.Actor != "device" && e.Actor != "owner" && e.Actor != "officer" {
			t.Errorf("the owner reads the name %q", e.Actor)
		}
	}
}

// An appeal stops the clock; denied, the time that it took is added; a date once told never moves earlier.
func TestAppealStopsTheClock(t *testing.T) {
	r := newRig(t)
	p := r.noticedPhone()
	before := p.stage(cuba, order.Noticed, order.Noticed)
	a, err := r.FileAppeal(ctx, string(p.imei), before.Reference, "I live in Spain and travel.", "me@example.org")
	must(t, err)
	if _, err := r.FileAppeal(ctx, string(p.imei), before.Reference, "again", ""); !errors.Is(err, authority.ErrAppealOpen) {
		t.Fatalf("a second appeal: %v", err)
	}
	for range 12 { // past the deadline
		p.live(1, havana)
		must(t, r.Sweep(ctx))
		if w := r.openWave(); w != nil {
			t.Fatalf("a wave while the appeal is open: %+v", w)
		}
	}
	rows, err := r.Appeals(ctx, authority.AppealOpen, 10)
	must(t, err)
	if len(rows) != 1 || rows[0].IMEI != p.imei || rows[0].RuleName != "Cuba" || !rows[0].Overdue {
		t.Fatalf("%+v", rows)
	}
	must(t, r.AnswerAppeal(ctx, r.sam, a.ID, false, "The days name Havana, all of them."))
	if err := r.AnswerAppeal(ctx, r.ana, a.ID, true, "after all, granted"); !errors.Is(err, authority.ErrAppealAnswered) {
		t.Fatalf("answered twice: %v", err)
	}
	p.sync()
	after := p.stage(cuba, order.Noticed, order.Noticed)
	if moved := after.Deadline.Sub(before.Deadline); moved < 12*day || moved >= 13*day || after.Appealing {
		t.Fatalf("the deadline moved by %v", moved)
	}
	if s := p.Screen(); !s.Deadline.Equal(after.Deadline) {
		t.Fatalf("the screen says %v, the records %v", s.Deadline, after.Deadline)
	}
	v, err := r.OwnerLook(ctx, string(p.imei), before.Reference)
	must(t, err)
	if v.CanAppeal || len(v.Appeals) != 1 || v.Appeals[0].State != authority.AppealDenied || v.Appeals[0].Answer == "" || v.Appeals[0].AnsweredBy != "" {
		t.Fatalf("%+v", v)
	}
	if _, err := r.FileAppeal(ctx, string(p.imei), before.Reference, "and again", ""); authority.AsError(err).Name != "appeal-answered-already" {
		t.Fatalf("a new appeal at the same stage: %v", err)
	}
	for r.now().Before(after.Deadline) {
		p.live(1, havana)
	}
	if got := r.approve(); got.Locked != 1 {
		t.Fatalf("%+v", got)
	}
}

// C9: what a human lifted is not restricted again on the same ground, and the open appeal is closed with it.
func TestLiftByHumanIsFinal(t *testing.T) {
	r := newRig(t)
	p := r.noticedPhone()
	a, err := r.FileAppeal(ctx, string(p.imei), p.Screen().Reference, "please look", "")
	must(t, err)
	if err := r.LiftByHuman(ctx, r.sam, p.id, cuba, "support may not"); !errors.Is(err, authority.ErrForbidden) {
		t.Fatal(err)
	}
	must(t, r.LiftByHuman(ctx, r.ben, p.id, cuba, "the receipt shows it"))
	if err := r.LiftByHuman(ctx, r.ben, p.id, cuba, "the receipt shows it"); !errors.Is(err, authority.ErrNotActive) {
		t.Fatal(err)
	}
	p.live(20, havana)
	p.stage(cuba, order.Lifted, order.Lifted)
	d := p.detail()
	if len(d.Orders) != 2 || len(d.Appeals) != 1 || d.Appeals[0].ID != a.ID || d.Appeals[0].State != authority.AppealGranted {
		t.Fatalf("%d orders, appeals %+v", len(d.Orders), d.Appeals[0])
	}
}

func TestAppealsAndAnswersAtOnce(t *testing.T) {
	r := newRig(t)
	p := r.noticedPhone()
	reference := p.Screen().Reference
	var filed, answered atomic.Int32
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if _, err := r.FileAppeal(ctx, string(p.imei), reference, "please look", ""); err == nil {
				filed.Add(1)
			} else if !errors.Is(err, authority.ErrAppealOpen) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	a := p.detail().Appeals[0]
	for i := range 4 {
		wait.Go(func() {
			if err := r.AnswerAppeal(ctx, r.ana, a.ID, i%2 == 0, "looked at it"); err == nil {
				answered.Add(1)
			} else if !errors.Is(err, authority.ErrAppealAnswered) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if filed.Load() != 1 || answered.Load() != 1 {
		t.Fatalf("%d appeals, %d answers", filed.Load(), answered.Load())
	}
}

// A code opens the phone without a network; the records follow when it is back, and it stays open.
func TestUnlockCode(t *testing.T) {
	r := newRig(t)
	phones := r.due(1)
	p := phones[0]
	if _, err := r.UnlockCode(ctx, r.sam, p.id, "12345678", "the owner asked for it"); !errors.Is(err, authority.ErrNotActive) {
		t.Fatalf("a code before a lock: %v", err)
	}
	_, err := r.ApproveWave(ctx, r.ana, r.openWave().ID, authority.WaveApproval{})
	must(t, err)
	r.sequence()
	r.liveAll(4, phones)
	p.stage(cuba, order.Locked, order.Locked)
	challenge := p.Screen().Challenge
	for _, bad := range []string{"", "1234", "1234567x"} {
		if _, err := r.UnlockCode(ctx, r.sam, p.id, bad, "the owner asked for it"); !errors.Is(err, authority.ErrInvalid) {
			t.Errorf("challenge %q: %v", bad, err)
		}
	}
	if _, err := r.UnlockCode(ctx, r.sam, p.id, challenge, ""); !errors.Is(err, authority.ErrInvalid) {
		t.Errorf("without a justification: %v", err)
	}
	first, err := r.UnlockCode(ctx, r.sam, p.id, challenge, "the owner has an emergency")
	must(t, err)
	second, err := r.UnlockCode(ctx, r.sam, p.id, challenge, "the owner lost the first one")
	must(t, err)
	if first == second {
		t.Error("a code was given out twice")
	}
	if result, err := p.EnterCode(second); err != nil || !result.Unlocked {
		t.Fatalf("%+v, %v", result, err)
	}
	p.stage(cuba, order.Locked, order.Lifted)
	p.sync()
	if end := p.stage(cuba, order.Lifted, order.Lifted); end.Cause != order.ByCode {
		t.Fatalf("%+v", end)
	}
	p.live(20, havana)
	p.stage(cuba, order.Lifted, order.Lifted)
	if d := p.detail().Device; d.Unlocks != 2 {
		t.Errorf("%d codes spent", d.Unlocks)
	}
}

func TestTooManyUnlockCodes(t *testing.T) {
	r := newRig(t)
	phones := r.due(1)
	_, err := r.ApproveWave(ctx, r.ana, r.openWave().ID, authority.WaveApproval{})
	must(t, err)
	r.wait(time.Second)
	for range 15 {
		_, err := r.UnlockCode(ctx, r.sam, phones[0].id, "12345678", "the owner asked for it")
		must(t, err)
	}
	_, err = r.UnlockCode(ctx, r.sam, phones[0].id, "12345678", "the owner asked for it")
	if e := authority.AsError(err); e == nil || e.Kind != authority.RateLimited || e.Fix == "" {
		t.Fatal(err)
	}
}
