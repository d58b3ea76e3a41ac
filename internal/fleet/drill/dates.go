package drill

import (
	"errors"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// home is the rule and the code by which the signed policy reaches a phone's activation.
func home(p phone.Place) (id string, code territory.Code) {
	switch p.Code {
	case "IR":
		return "iran", "IR"
	case "CU":
		return "cuba", "CU"
	case "SD":
		return "sudan", "SD"
	}
	panic("no rule for " + p.Name) // the scene's places are constants
}

// due is the threat that the signed policy gives for a phone: only its dates can be wrong.
func (v *victim) due(age int) (threat, error) {
	p, err := v.stage.signed(age)
	id, code := home(v.at(takeover))
	return byRule(p, id, code), err
}

// each does the same with every phone.
func (st *stage) each(do func(*victim) error) error {
	for _, v := range st.phones {
		if err := do(v); err != nil {
			return err
		}
	}
	return nil
}

// activated lets the phones that are new establish where they were activated.
func (st *stage) activated() error { return st.live(5) }

var backDate = Drill{
	Name: "back-date-notice", About: "lock sooner than the notice allows, by its own dates",
	attacks: []attack{
		{name: "a notice that says it was issued twenty days ago, with its date tomorrow, and the lock with it", phones: []string{tehranNew, havanaNew}, run: func(st *stage) error {
			if err := st.activated(); err != nil {
				return err
			}
			err := st.each(func(v *victim) error { return v.dated(-20*day, day) })
			if err != nil {
				return err
			}
			return st.live(12)
		}},
		{name: "the same with its date eight days ahead", phones: []string{tehranNew, havanaNew}, run: func(st *stage) error {
			if err := st.activated(); err != nil {
				return err
			}
			err := st.each(func(v *victim) error { return v.dated(-20*day, 8*day) })
			if err != nil {
				return err
			}
			return st.live(usual)
		}},
		{name: "a lock without a notice, with dates as if there had been one", phones: []string{tehranNew, havanaNew}, run: func(st *stage) error {
			if err := st.activated(); err != nil {
				return err
			}
			err := st.each(func(v *victim) error {
				t, err := v.due(0)
				if err != nil {
					return err
				}
				at := st.told()
				return v.send(t.lock(at, at.Add(-time.Hour), at.Add(lockDays*day)))
			})
			if err != nil {
				return err
			}
			return st.live(12)
		}},
		{name: "a date told before the takeover moved earlier, by a second notice and by the lock", phones: []string{tehranNotice}, run: func(st *stage) error {
			err := st.each(func(v *victim) error { return v.dated(0, 2*day) })
			if err != nil {
				return err
			}
			return st.live(12)
		}},
		{name: "notice and lock for phones that lie in a drawer, so that nobody sees the notice", phones: []string{tehranNew, tehranNotice}, run: func(st *stage) error {
			if err := st.activated(); err != nil {
				return err
			}
			err := st.each(func(v *victim) error {
				v.unseen = true
				return v.dated(0, 14*day)
			})
			if err != nil {
				return err
			}
			return st.live(usual + 10)
		}},
	},
}

// dated sends a notice issued and due so long from now, and the lock at that date.
func (v *victim) dated(issued, due time.Duration) error {
	t, err := v.due(0)
	if err != nil {
		return err
	}
	at := v.stage.told()
	n := t.notice(at.Add(issued), 0)
	n.Deadline = at.Add(due)
	if err := v.send(n); err != nil {
		return err
	}
	return v.send(t.lock(at, n.Deadline, n.Deadline.Add(lockDays*day)))
}

var lieAboutDate = Drill{
	Name: "lie-about-date", About: "lock sooner or for longer by telling phones a wrong date",
	attacks: []attack{
		{name: "a date ten days ahead told at two contacts, then a notice that keeps to it, and from then on the true date", dates: true, phones: []string{tehranNew, havanaNew}, run: func(st *stage) error {
			if err := st.activated(); err != nil {
				return err
			}
			return st.lying(10*day, 2, 20)
		}},
		{name: "the same in steps of eleven hours, a minute apart", dates: true, phones: []string{tehranNew, havanaNew}, run: func(st *stage) error {
			if err := st.activated(); err != nil {
				return err
			}
			if err := st.drag(11*time.Hour, 22); err != nil {
				return err
			}
			return st.lying(st.lie, 1, 20)
		}},
		{name: "a date ten days ahead told at the first contacts after a reboot, then a notice that keeps to it", dates: true, phones: []string{tehranNew, havanaNew}, run: func(st *stage) error {
			if err := st.activated(); err != nil {
				return err
			}
			for _, v := range st.phones {
				v.phone.Restart()
			}
			return st.lying(10*day, 2, 20)
		}},
		{name: "a notice on the true date, and then a date twenty days ahead", dates: true, phones: []string{tehranNew, tehranNotice}, run: func(st *stage) error {
			if err := st.activated(); err != nil {
				return err
			}
			if err := st.each(func(v *victim) error { return v.dated(0, 14*day) }); err != nil {
				return err
			}
			if err := st.live(1); err != nil {
				return err
			}
			st.lie = 20 * day
			if err := st.contact(3); err != nil {
				return err
			}
			return st.live(20)
		}},
		{name: "dates of 1970 and of 2159, in turn", dates: true, phones: []string{traveller, tehranNotice, tehranNew}, run: func(st *stage) error {
			for i := range 4 {
				st.lie = time.Unix(day.Milliseconds()/1000+int64(i%2)*5_900_000_000, 0).Sub(st.clock.Now())
				if err := st.each(func(v *victim) error {
					p, err := st.signed(0)
					if err != nil {
						return err
					}
					return v.menace(byRule(p, "iran", "IR"), 14, lockDays*day)
				}); err != nil {
					return err
				}
				if err := st.contact(2); err != nil {
					return err
				}
				for _, v := range st.phones {
					v.orders = nil
				}
			}
			st.lie = 0
			return st.live(10)
		}},
		{name: "a locked phone whose clock is set back day by day, so that its lock does not end", dates: true, phones: []string{havanaLocked}, run: func(st *stage) error {
			for range lockDays + 10 {
				if err := st.live(1); err != nil {
					return err
				}
				if err := st.drag(-11*time.Hour, 2); err != nil {
					return err
				}
			}
			return nil
		}},
	},
}

// lying tells a wrong date at some contacts, gives notice by it with the policy's fourteen days and the lock, and keeps to it.
func (st *stage) lying(lie time.Duration, contacts, days int) error {
	st.strike()
	st.lie = lie
	if err := st.contact(contacts); err != nil {
		return err
	}
	told := st.told()
	for _, v := range st.phones {
		t, err := v.due(0)
		if err != nil {
			return err
		}
		n := t.notice(st.told().Add(-lie), 0) // fourteen days from the true date: eight or less by the phone's
		n.Deadline = told.Add(8 * day)
		n.IssuedAt = n.Deadline.Add(-14 * day)
		if err := v.send(n); err != nil {
			return err
		}
		if err := v.send(t.lock(told, n.Deadline, n.Deadline.Add(lockDays*day))); err != nil {
			return err
		}
	}
	return st.live(days)
}

// drag moves the date told in steps that two honest clocks could differ by.
func (st *stage) drag(by time.Duration, times int) error {
	st.strike()
	for range times {
		st.lie += by
		if err := st.contact(1); err != nil {
			return err
		}
	}
	return nil
}

var prolongHold = Drill{
	Name: "prolong-hold", About: "hold phones beyond the end of the signed warrant",
	attacks: []attack{
		{name: "another lock of the same hold that ends later, and one without the warrant's end", phones: []string{held}, run: func(st *stage) error {
			w, err := st.warrant(st.scene.first)
			if err != nil {
				return err
			}
			t := threat{ground: st.scene.first, authority: w.Hash}
			for _, v := range st.phones {
				if err := v.show(st.scene.first); err != nil {
					return err
				}
				at := st.told()
				if err := v.send(t.lock(at, at.Add(time.Hour), st.scene.ends.Add(40*day))); err != nil {
					return err
				}
				if err := v.send(t.lock(at, at.Add(time.Hour), at.Add(80*day))); err != nil {
					return err
				}
			}
			return st.live(40)
		}},
		{name: "after its end, notice and lock by the same warrant anew", phones: []string{held, heldOffline}, run: func(st *stage) error {
			if err := st.live(int(st.scene.ends.Sub(st.began)/day) + 2); err != nil {
				return err
			}
			return st.holdAgain(20)
		}},
		{name: "the date set back in steps of eleven hours while a phone is held", phones: []string{held}, run: func(st *stage) error {
			for range 60 {
				if err := st.live(1); err != nil {
					return err
				}
				if err := st.drag(-11*time.Hour, 2); err != nil {
					return err
				}
			}
			return nil
		}},
		{name: "after its end, the date set back in steps of eleven hours to before it, then notice and lock for a phone that had not heard of it", phones: []string{heldOffline}, run: func(st *stage) error {
			if err := st.afterEnd(); err != nil {
				return err
			}
			if err := st.drag(-11*time.Hour, 80); err != nil {
				return err
			}
			return st.holdAgain(20)
		}},
		{name: "the same in one step, told at three contacts", phones: []string{heldOffline}, run: func(st *stage) error {
			if err := st.afterEnd(); err != nil {
				return err
			}
			st.lie = -36 * day
			if err := st.contact(3); err != nil {
				return err
			}
			return st.holdAgain(20)
		}},
	},
}

// afterEnd lets the warrant end, and phones that were offline come back.
func (st *stage) afterEnd() error {
	if err := st.live(int(st.scene.ends.Sub(st.began)/day) + 2); err != nil {
		return err
	}
	for _, v := range st.phones {
		v.back = true
	}
	return st.live(2)
}

// holdAgain gives notice and locks by the genuine warrant, until the warrant's end by its own date.
func (st *stage) holdAgain(days int) error {
	w, err := st.warrant(st.scene.first)
	if err != nil {
		return err
	}
	for _, v := range st.phones {
		if err := v.show(st.scene.first); err != nil {
			return err
		}
		t := threat{ground: st.scene.first, authority: w.Hash}
		n := t.notice(st.told(), 8)
		if err := v.send(n); err != nil {
			return err
		}
		if !n.Deadline.Before(st.scene.ends) {
			continue // such a lock is no order at all
		}
		if err := v.send(t.lock(st.told(), n.Deadline, st.scene.ends)); err != nil {
			return err
		}
	}
	return st.live(days)
}

var oldPolicy = Drill{
	Name: "old-policy", About: "keep phones on a policy that officers have replaced, and lock them by it",
	attacks: []attack{
		{name: "the new policy kept from a phone that has not heard of it, and orders by the old one while the signatures on it stand", allows: khartoumOld, phones: []string{khartoumOld}, run: func(st *stage) error {
			return st.oldRules(usual + 5)
		}},
		{name: "the new policy kept from a phone that has not heard of it, until the old one's review is overdue, and then orders by the old one", phones: []string{khartoumOld}, run: func(st *stage) error {
			overdue, err := st.review()
			if err != nil {
				return err
			}
			if err := st.live(int(overdue.Sub(st.clock.Now())/day) + 2); err != nil {
				return err
			}
			return st.oldRules(usual + 5)
		}},
		{name: "the same, with the date set back at each contact so that the review is never overdue", phones: []string{khartoumOld}, run: func(st *stage) error {
			overdue, err := st.review()
			if err != nil {
				return err
			}
			for st.clock.Now().Before(overdue.Add(2 * day)) {
				if err := st.live(1); err != nil {
					return err
				}
				if err := st.drag(-11*time.Hour, 2); err != nil {
					return err
				}
			}
			return st.oldRules(usual + 5)
		}},
		{name: "the same with a phone that is off at night, so that the date may be set back by the time that it was off", phones: []string{khartoumOld}, run: func(st *stage) error {
			overdue, err := st.review()
			if err != nil {
				return err
			}
			st.strike()
			st.phone(khartoumOld).nights = true
			for st.clock.Now().Before(overdue.Add(2 * day)) {
				if st.clock.Now().Hour() == 23 {
					st.lie -= 6 * time.Hour
				}
				if err := errors.Join(st.everyone(false), st.pass(st.clock.Now().Add(step))); err != nil {
					return err
				}
			}
			return st.oldRules(usual + 5)
		}},
	},
}

// oldRules shows the old policy to every phone and gives orders by it.
func (st *stage) oldRules(days int) error {
	for _, v := range st.phones {
		p, err := st.signed(1)
		if err != nil {
			return err
		}
		v.policy = &p
		t, err := v.due(1)
		if err != nil {
			return err
		}
		if err := v.menace(t, 14, lockDays*day); err != nil {
			return err
		}
	}
	return st.live(days)
}

// review is when the old policy's rule for Sudan ought to have been reviewed.
func (st *stage) review() (time.Time, error) {
	p, err := st.signed(1)
	if err != nil {
		return time.Time{}, err
	}
	for _, r := range p.Rules {
		if r.ID == "sudan" {
			return r.ReviewBy.Time().Add(day), nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: the old policy does not name Sudan", errScene)
}
