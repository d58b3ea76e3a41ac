package authority_test

import (
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

// lockOnItsWay is a phone whose lock was approved and does not hold yet. With fetched, the phone has the order.
func (r *rig) lockOnItsWay(fetched bool) *phone {
	r.Helper()
	p := r.due(1)[0]
	_, err := r.ApproveWave(ctx, r.ana, r.openWave().ID, authority.WaveApproval{})
	must(r.T, err)
	r.sequence()
	if fetched {
		p.checkIn()
	}
	p.stage(cuba, order.Locked, order.Noticed)
	return p
}

// appealIt files the owner's appeal.
func (p *phone) appealIt() *authority.Appeal {
	p.Helper()
	a, err := p.FileAppeal(ctx, string(p.imei), order.Reference(p.id, cuba), "I bought it in Madrid.", "")
	must(p.T, err)
	return a
}

// away spends days without a network; the owner looks at the screen.
func (p *phone) away(days int) {
	p.Helper()
	for range days {
		must(p.T, p.Observe(havana))
		must(p.T, p.Shown())
		p.wait(day)
		must(p.T, p.Tick())
	}
}

// locksAgain lives on until another officer's approval locks the phone, and returns the restriction.
func (p *phone) locksAgain(deadline time.Time) *authority.Restriction {
	p.Helper()
	for p.now().Before(deadline) {
		p.stage(cuba, order.Noticed, order.Noticed)
		must(p.T, p.Sweep(ctx))
		if w := p.openWave(); w != nil && w.Size > 0 {
			p.Fatalf("a lock was proposed on %v, before %v", p.now(), deadline)
		}
		p.live(1, havana)
	}
	if got := p.approve(); got.Locked != 1 {
		p.Fatalf("%+v", got)
	}
	p.sequence()
	p.live(3, havana)
	p.checkIn()
	return p.stage(cuba, order.Locked, order.Locked)
}

// An appeal takes back a lock that does not hold yet, whether or not the phone has the order already.
func TestAppealTakesBackALockThatDoesNotHoldYet(t *testing.T) {
	for name, fetched := range map[string]bool{"the order has not left": false, "the phone waits for its time": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := r.lockOnItsWay(fetched)
			before := p.stage(cuba, order.Locked, order.Noticed)
			a := p.appealIt()
			r.sequence()
			if answer, outcome := p.checkIn(); len(answer.Orders) != 1 || len(outcome.Applied) != 1 {
				t.Fatalf("%d orders, %+v", len(answer.Orders), outcome)
			}
			back := p.stage(cuba, order.Noticed, order.Noticed)
			if !back.Appealing || back.Deadline.Before(a.DueAt) || !back.Deadline.After(before.EffectAt) || back.Wave != 0 || !back.EffectAt.IsZero() {
				t.Fatalf("%+v", back)
			}
			if s := p.Screen(); !s.Deadline.Equal(back.Deadline) {
				t.Fatalf("the screen says %v, the records %v", s.Deadline, back.Deadline)
			}
			p.live(12, havana) // the answer is late, and the date has passed
			must(t, r.Sweep(ctx))
			if r.openWave() != nil || p.stage(cuba, order.Noticed, order.Noticed).AppliedNote != "" {
				t.Fatal("a lock was proposed while the appeal was open, or the lock that gave way counts as a refusal")
			}
			must(t, r.AnswerAppeal(ctx, r.ben, a.ID, false, "nothing speaks for it"))
			p.sync()
			after := p.stage(cuba, order.Noticed, order.Noticed)
			if left := after.Deadline.Sub(r.now()); left < 2*day || left > 3*day {
				t.Fatalf("%v from the answer to the date", left)
			}
			if _, err := r.FileAppeal(ctx, string(p.imei), before.Reference, "again", ""); authority.AsError(err).Name != "appeal-answered-already" {
				t.Fatalf("again: %v", err)
			}
			p.locksAgain(after.Deadline)
			p.appealIt() // against a lock that holds: the second and last one
			p.stage(cuba, order.Locked, order.Locked)
		})
	}
}

// Each stage has its appeal, and a lock is put off once: nobody puts it off without end.
func TestALockIsPutOffOnce(t *testing.T) {
	r := newRig(t)
	p := r.noticedPhone()
	denied := func() {
		t.Helper()
		must(t, r.AnswerAppeal(ctx, r.ben, p.appealIt().ID, false, "nothing speaks for it"))
		p.sync()
		v, err := r.OwnerLook(ctx, string(p.imei), order.Reference(p.id, cuba))
		must(t, err)
		if _, err := r.FileAppeal(ctx, string(p.imei), v.Reference, "again", ""); authority.AsError(err).Name != "appeal-answered-already" || v.CanAppeal {
			t.Fatalf("may appeal: %v, %v", v.CanAppeal, err)
		}
	}
	approved := func() {
		t.Helper()
		p.live(20, havana)
		must(t, r.Sweep(ctx))
		_, err := r.ApproveWave(ctx, r.ana, r.openWave().ID, authority.WaveApproval{})
		must(t, err)
		r.sequence()
		p.checkIn()
		p.stage(cuba, order.Locked, order.Noticed)
	}
	denied() // the notice
	approved()
	denied() // the lock on its way
	p.stage(cuba, order.Noticed, order.Noticed)
	approved()
	if _, err := r.FileAppeal(ctx, string(p.imei), order.Reference(p.id, cuba), "again", ""); authority.AsError(err).Name != "appeal-answered-already" {
		t.Fatalf("a second lock on its way: %v", err)
	}
	p.live(3, havana)
	p.checkIn()
	p.stage(cuba, order.Locked, order.Locked)
	denied() // the lock that holds
	p.stage(cuba, order.Locked, order.Locked)
}

func TestTakenBackLockGranted(t *testing.T) {
	r := newRig(t)
	p := r.lockOnItsWay(true)
	a := p.appealIt()
	must(t, r.AnswerAppeal(ctx, r.ben, a.ID, true, "the receipt shows it"))
	r.sequence()
	p.sync()
	if end := p.stage(cuba, order.Lifted, order.Lifted); end.Cause != order.ByHuman {
		t.Fatalf("%+v", end)
	}
	p.live(30, havana)
	p.stage(cuba, order.Lifted, order.Lifted)
}

// The phone is out of reach when its lock is taken back, and locks at its time. At its next contact it opens, the notice begins anew
// with all of its days, and the appeal is still open.
func TestPhoneOutOfReachOpensAtItsNextContact(t *testing.T) {
	for name, grant := range map[string]bool{"granted": true, "denied": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := r.lockOnItsWay(true)
			a := p.appealIt()
			told := p.stage(cuba, order.Noticed, order.Noticed).Deadline
			r.sequence()
			p.away(3)
			p.stage(cuba, order.Noticed, order.Locked)
			if _, err := r.UnlockCode(ctx, r.sam, p.id, p.Screen().Challenge, "the owner has an emergency"); err != nil {
				t.Fatalf("no code for a phone that locked out of reach: %v", err)
			}
			p.sync()
			again := p.stage(cuba, order.Noticed, order.Noticed)
			if !again.Appealing || again.Round != 2 || again.Deadline.Before(told) || again.Deadline.Sub(r.now()) < 13*day || again.ShownDays != 0 {
				t.Fatalf("%+v", again)
			}
			must(t, p.Shown())
			p.sync()
			if now := p.stage(cuba, order.Noticed, order.Noticed); now.Round != 2 || now.Applied != order.Noticed || now.ShownDays != 1 || now.AppliedNote != "" {
				t.Fatalf("%+v", now)
			}
			if rows := p.detail().Appeals; len(rows) != 1 || rows[0].State != authority.AppealOpen || !rows[0].StoppedLock {
				t.Fatalf("%+v", rows[0])
			}
			for _, o := range p.detail().Orders {
				if o.State != authority.OrderFollowed {
					t.Errorf("%v is %v", o.Kind, o.State)
				}
			}
			must(t, r.AnswerAppeal(ctx, r.ben, a.ID, grant, "the receipt was looked at"))
			p.sync()
			if grant {
				if end := p.stage(cuba, order.Lifted, order.Lifted); end.Cause != order.ByHuman {
					t.Fatalf("%+v", end)
				}
				p.live(30, havana)
				p.stage(cuba, order.Lifted, order.Lifted)
				return
			}
			p.locksAgain(p.stage(cuba, order.Noticed, order.Noticed).Deadline)
		})
	}
}

// The phone stays away until the appeal is answered, too.
func TestPhoneOutOfReachUntilTheAnswer(t *testing.T) {
	for name, grant := range map[string]bool{"granted": true, "denied": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := r.lockOnItsWay(true)
			a := p.appealIt()
			r.sequence()
			p.away(5)
			must(t, r.AnswerAppeal(ctx, r.ben, a.ID, grant, "the receipt was looked at"))
			r.sequence()
			p.stage(cuba, map[bool]order.Stage{true: order.Lifted, false: order.Noticed}[grant], order.Locked)
			p.sync()
			if grant {
				p.stage(cuba, order.Lifted, order.Lifted)
				return
			}
			p.locksAgain(p.stage(cuba, order.Noticed, order.Noticed).Deadline)
		})
	}
}

// A hold that was taken back and took effect out of reach is lifted as well; where its warrant leaves no time for a new notice, the
// appeal has got what it asked for.
func TestTakenBackHold(t *testing.T) {
	for name, tc := range map[string]struct {
		ends time.Duration
		want order.Stage
	}{"time for a new notice": {80 * day, order.Noticed}, "none left": {25 * day, order.Lifted}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := r.newPhone(r.made("C-9", "trader", "ES")).enrol()
			p.live(2, madrid)
			_, w := r.warrant("C-9", tc.ends)
			g := order.Ground{Kind: order.Warrant, ID: w.ID}
			r.sequence()
			p.live(12, madrid)
			must(t, r.Sweep(ctx))
			_, err := r.ApproveWave(ctx, r.ana, r.openWave().ID, authority.WaveApproval{})
			must(t, err)
			r.sequence()
			p.checkIn()
			_, err = r.FileAppeal(ctx, string(p.imei), p.Screen().Reference, "I bought it in a shop.", "")
			must(t, err)
			r.sequence()
			p.away(3)
			p.stage(g, order.Noticed, order.Locked)
			p.sync()
			p.stage(g, tc.want, tc.want)
			want := map[order.Stage]authority.AppealState{order.Noticed: authority.AppealOpen, order.Lifted: authority.AppealGranted}[tc.want]
			if got := p.detail().Appeals[0].State; got != want {
				t.Fatalf("the appeal is %v", got)
			}
		})
	}
}

// An appeal that arrives when the lock holds by its date, and before the device has the order, keeps it from leaving: also one that
// was sent once in an answer that got lost.
func TestAppealStaysALockThatHasNotLeft(t *testing.T) {
	for name, lost := range map[string]bool{"never sent": false, "sent, and the answer lost": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := r.lockOnItsWay(false)
			if lost {
				if answer, err := r.CheckIn(ctx, p.token(), home); err != nil || len(answer.Orders) != 1 {
					t.Fatalf("%+v, %v", answer, err)
				}
			}
			r.wait(3 * day)
			a := p.appealIt()
			if answer, _ := p.checkIn(); len(answer.Orders) != 0 {
				t.Fatalf("%d orders under an open appeal", len(answer.Orders))
			}
			p.stage(cuba, order.Locked, order.Noticed)
			must(t, r.AnswerAppeal(ctx, r.ben, a.ID, false, "nothing speaks for it"))
			if answer, _ := p.checkIn(); len(answer.Orders) != 1 {
				t.Fatalf("%d orders after the answer", len(answer.Orders))
			}
		})
	}
}

// C9: a lift that its device has not fetched yet is not replaced by the notice of a new round.
func TestALiftIsNotLostToANewNotice(t *testing.T) {
	r := newRig(t)
	p := r.lockOnItsWay(true)
	p.live(3, havana)
	p.checkIn()
	p.stage(cuba, order.Locked, order.Locked)
	model := func(name string) {
		_, err := r.ImportProduction(ctx, r.ana, []authority.Production{{IMEI: p.imei, Model: name, Market: "ES"}})
		must(t, err)
		p.checkIn()
	}
	model("Lantern S") // covered by the general licence: lifted, and the order waits for the ledger
	p.stage(cuba, order.Lifted, order.Locked)
	model("Lantern X") // it was a mistake in the records: a new notice
	p.stage(cuba, order.Noticed, order.Locked)
	p.sync()
	p.checkIn()
	p.stage(cuba, order.Noticed, order.Noticed)
}
