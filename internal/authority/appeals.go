package authority

import (
	"context"
	"errors"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// hearing is the least time between a denied appeal and its deadline, so that the owner reads the answer first.
const hearing = 48 * time.Hour

// FileAppeal takes an owner's objection. While it is open the clock of that restriction stands still, and no lock is ordered; one
// that was ordered and does not hold yet is taken back. One appeal may be filed while a notice runs, one against a lock on its way,
// and one while it holds.
func (s *Service) FileAppeal(ctx context.Context, imei, reference, text, contact string) (*Appeal, error) {
	text, err := line("appeal", text, 1, 2000)
	if err != nil {
		return nil, err
	}
	if contact, err = line("contact", contact, 0, 200); err != nil {
		return nil, err
	}
	owner, err := readOwner(imei, reference)
	if err != nil {
		return nil, err
	}
	now := s.now()
	book, err := s.book(ctx, now)
	if err != nil {
		return nil, err
	}
	var a *Appeal
	err = s.turn(ctx, now, book, func(t *turn) error {
		d, r, err := owner.find(t.tx)
		if err != nil {
			return err
		}
		appeals, err := t.tx.AppealsOf(d.ID)
		if err != nil {
			return err
		}
		if err := mayAppeal(r, appeals, now); err != nil {
			return err
		}
		a = &Appeal{Device: d.ID, Ground: r.Ground, Text: text, Contact: contact, OpenedAt: now, DueAt: now.Add(s.cfg.AppealWithin), State: AppealOpen,
			StoppedLock: notInEffect(r, now)}
		if a.ID, err = t.tx.InsertAppeal(a); errors.Is(err, ErrConflict) {
			return ErrAppealOpen.because(err)
		} else if err != nil {
			return err
		}
		t.count = append(t.count, s.counters.appeals.WithLabelValues("open").Inc)
		if a.StoppedLock {
			return t.takeLockBack(book, a, r)
		}
		if err := t.withdraw(r); err != nil {
			return err
		}
		if err := t.tx.SetAppealing(d.ID, r.Ground, true); err != nil {
			return err
		}
		return t.note(d.ID, "appealed", r.Ground, "owner", "An appeal was filed; it is answered by %s, and no lock is ordered before.", clock(a.DueAt))
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// notInEffect reports whether a lock was ordered that does not hold yet, as far as the authority can know.
func notInEffect(r *Restriction, now time.Time) bool {
	return r.Stage == order.Locked && r.Applied != order.Locked && r.EffectAt.After(now)
}

// takeLockBack stops a lock that does not hold yet: the device gets a notice with a later date, to which its pending lock gives way.
// A device that cannot hear of it in time locks all the same, and is lifted at its next contact, see visit.undoLock.
func (t *turn) takeLockBack(b *book, a *Appeal, r *Restriction) error {
	_, l, err := t.again(b, r)
	if err != nil {
		return err
	}
	rest := l.restingAs(r)
	deadline := restriction.NoonAfter(rest.place, later(a.DueAt, r.EffectAt).Add(hearing))
	if err := t.tx.WithdrawLockIfNotInEffect(r.Device, r.Ground, t.now, deadline); err != nil {
		return err
	}
	if err := t.tellDeadline(r.Device, rest, deadline); err != nil {
		return err
	}
	return t.note(r.Device, "appealed", r.Ground, "owner", "An appeal was filed; it is answered by %s. The lock that was ordered for %s is "+
		"taken back: no lock before %s. A device that is not in a network until then may lock, and opens at its next contact.",
		clock(a.DueAt), clock(r.EffectAt), clock(deadline))
}

// restingAs returns what a further notice on a restriction rests on: the policy in force, or else what it rested on before.
func (l *look) restingAs(r *Restriction) basis {
	b := l.basis
	b.ground, b.territory, b.actor = r.Ground, r.Territory, "rule"
	if b.authority == [32]byte{} {
		b.authority = r.Authority
	}
	return b
}

// mayAppeal says why an appeal cannot be filed now, or nil.
func mayAppeal(r *Restriction, appeals []*Appeal, now time.Time) error {
	if !r.Active() {
		return ErrNotActive
	}
	coming := notInEffect(r, now)
	since := r.NoticedAt
	if r.Stage == order.Locked && !coming {
		since = r.LockedAt
	}
	for _, a := range appeals {
		switch {
		case a.Ground != r.Ground:
		case a.State == AppealOpen:
			return ErrAppealOpen
		case a.State == AppealDenied && !a.OpenedAt.Before(since) && (!coming || a.StoppedLock): // once a round, a lock is put off
			return &Error{Kind: Conflict, Name: "appeal-answered-already", Detail: "an appeal at this stage was answered already",
				Fix: "read the answer; another one may be filed while a lock holds, and support may lift what it denies"}
		}
	}
	return nil
}

// Appeals lists appeals with what is needed to answer them, soonest due first. An empty state lists all; limit is 1 to 1,000.
func (s *Service) Appeals(ctx context.Context, state AppealState, limit int) (list []AppealRow, err error) {
	now := s.now()
	book, err := s.book(ctx, now)
	if err != nil {
		return nil, err
	}
	err = s.view(ctx, func(tx Tx) error {
		appeals, err := tx.Appeals(state, bounded(limit))
		if err != nil {
			return err
		}
		t := &turn{s: s, tx: tx, now: now}
		list, err = t.appealRows(book, appeals)
		return err
	})
	return list, err
}

func (t *turn) appealRows(b *book, appeals []*Appeal) (list []AppealRow, err error) {
	for _, a := range appeals {
		d, err := t.tx.Device(a.Device)
		if err != nil {
			return nil, err
		}
		r, err := t.tx.Restriction(a.Device, a.Ground)
		if err != nil {
			return nil, err
		}
		l, err := t.look(b, d, r)
		if err != nil {
			return nil, err
		}
		row := AppealRow{Appeal: a, IMEI: d.IMEI, Model: d.Model, Territory: r.Territory, Stage: r.Stage,
			RuleName: ruleName(b.edition, a.Ground), Overdue: a.State == AppealOpen && t.now.After(a.DueAt)}
		if a.Ground.Kind == order.Warrant {
			row.RuleName = l.reason
		}
		row.Decision = t.s.decide(b.edition, d, t.now)
		list = append(list, row)
	}
	return list, nil
}

// AnswerAppeal answers an appeal. Granted, the restriction is lifted for good; denied, its clock runs on, with the time that the
// appeal took added to the deadline.
func (s *Service) AnswerAppeal(ctx context.Context, actor *Officer, id int64, grant bool, answer string) error {
	if err := allow(actor, MayAnswerAppeals); err != nil {
		return err
	}
	answer, err := line("answer", answer, 5, 2000)
	if err != nil {
		return err
	}
	now := s.now()
	book, err := s.book(ctx, now)
	if err != nil {
		return err
	}
	return s.turn(ctx, now, book, func(t *turn) error {
		a, err := t.tx.Appeal(id)
		if err != nil {
			return err
		}
		state := AppealDenied
		if grant {
			state = AppealGranted
		}
		if err := t.tx.AnswerIfOpen(id, state, actor.Name, now, answer); errors.Is(err, ErrConflict) {
			return ErrAppealAnswered.because(err)
		} else if err != nil {
			return err
		}
		t.count = append(t.count, s.counters.appeals.WithLabelValues(string(state)).Inc)
		if err := t.note(a.Device, "answered", a.Ground, actor.Name, "The appeal was %s: %s", state, answer); err != nil {
			return err
		}
		r, l, err := t.again(book, &Restriction{Device: a.Device, Ground: a.Ground})
		if err != nil {
			return err
		}
		switch {
		case !r.Active():
			return nil
		case grant:
			return t.lift(r, l.basis.authority, order.ByHuman, actor.Name, "An appeal was granted.")
		}
		return t.resume(a, r, l)
	})
}

// resume lets the clock run again after a denied appeal.
func (t *turn) resume(a *Appeal, r *Restriction, l *look) error {
	if err := t.tx.SetAppealing(r.Device, r.Ground, false); err != nil {
		return err
	}
	if r.Stage != order.Noticed {
		return nil
	}
	rest := l.restingAs(r)
	took := t.now.Sub(a.OpenedAt)
	if a.StoppedLock {
		took = 0 // its date was moved behind the appeal when the lock was taken back
	}
	deadline := restriction.NoonAfter(rest.place, later(r.Deadline.Add(took), t.now.Add(hearing)))
	if !deadline.After(r.Deadline) {
		return nil
	}
	return t.postpone(r.Device, rest, deadline, "The time that the appeal took was added")
}

// LiftByHuman ends a restriction for good, whatever its stage (Charter C9).
func (s *Service) LiftByHuman(ctx context.Context, actor *Officer, id device.ID, g order.Ground, reason string) error {
	if err := allow(actor, MayLift); err != nil {
		return err
	}
	reason, err := line("reason", reason, 5, 500)
	if err != nil {
		return err
	}
	if err := g.Validate(); err != nil {
		return ErrInvalid.saying("no such ground")
	}
	now := s.now()
	book, err := s.book(ctx, now)
	if err != nil {
		return err
	}
	return s.turn(ctx, now, book, func(t *turn) error {
		r, l, err := t.again(book, &Restriction{Device: id, Ground: g})
		if err != nil {
			return err
		}
		if !r.Active() {
			return ErrNotActive
		}
		return t.lift(r, l.basis.authority, order.ByHuman, actor.Name, reason)
	})
}
