package agent_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

// charter checks one line of the Charter over random histories.
func charter(t *testing.T, referee func(h *history, after agent.Screen)) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) { run(t, referee) })
}

// inForce calls f for each ground that is noticed or locked, with its view before.
func inForce(h *history, after agent.Screen, f func(before, after agent.GroundView)) {
	for _, g := range after.Grounds {
		if g.Stage != order.Noticed && g.Stage != order.Locked {
			continue
		}
		i := slices.IndexFunc(h.before.Grounds, func(b agent.GroundView) bool { return b.Ground == g.Ground })
		before := agent.GroundView{Ground: g.Ground}
		if i >= 0 {
			before = h.before.Grounds[i]
		}
		f(before, g)
	}
}

// locking calls f for each ground that was not locked before and is now.
func locking(h *history, after agent.Screen, f func(before, after agent.GroundView)) {
	inForce(h, after, func(b, g agent.GroundView) {
		if g.Stage == order.Locked && b.Stage != order.Locked {
			f(b, g)
		}
	})
}

// C1: the way out stays open, in every stage.
func TestCharterC1(t *testing.T) {
	t.Parallel()
	charter(t, func(h *history, after agent.Screen) {
		want := []agent.Exit{
			agent.EmergencyCall, agent.Why, agent.ContactPeople, agent.Appeal, agent.UnlockCode, agent.NetworkSettings,
			agent.Language, agent.Accessibility, agent.SaveFiles,
		}
		for _, exit := range want {
			if !slices.Contains(after.WayOut, exit) {
				h.Fatalf("%v without %v", after.Stage, exit)
			}
		}
		if _, err := unlock.Normalise(after.Challenge); err != nil || after.Contact == (protocol.Contact{}) {
			h.Fatalf("%v: challenge %q, contact %v", after.Stage, after.Challenge, after.Contact)
		}
		inForce(h, after, func(_, g agent.GroundView) {
			if g.Reference == "" || g.Deadline.IsZero() || g.RuleName == "" && g.WarrantReason == "" {
				h.Fatalf("a restriction without its reason: %+v", g)
			}
		})
	})
}

// C2: nothing is wiped. There is no order that could: of all the bytes that a genuine ledger may hold, only notices,
// locks and lifts have an effect, and none of them reaches farther than the screen.
func TestCharterC2(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := enrolledRig(t, 31, cuba)
		leaf, salt, err := r.ledger.Commit(r.notice(ruleCuba), r.phone.ID())
		must(t, err)
		kind := bytes.Index(leaf, []byte{0x01, byte(order.Notice)}) // key 1 of the leaf
		leaf[kind+1] = byte(rapid.IntRange(int(order.Lift)+1, 23).Draw(t, "kind"))
		proof, err := r.ledger.Append(leaf)
		must(t, err)
		s := order.Sealed{Leaf: leaf, Salt: salt, Proof: proof}
		r.refused(r.checkIn(s), s, agent.LeafMalformed)
		r.stage(order.Observed)
	})
	charter(t, func(h *history, after agent.Screen) {
		if !slices.Contains(after.WayOut, agent.SaveFiles) {
			h.Fatalf("%v: files cannot be saved", after.Stage)
		}
		if after.Stage == order.Locked && after.EndsAt.IsZero() {
			h.Fatalf("data withheld for ever")
		}
	})
}

// C3: no lock before a notice was shown on enough distinct days and its deadline passed; a date once told never moves earlier.
func TestCharterC3(t *testing.T) {
	t.Parallel()
	charter(t, func(h *history, after agent.Screen) {
		inForce(h, after, func(b, g agent.GroundView) {
			if b.Stage == order.Noticed && g.Deadline.Before(b.Deadline) {
				h.Fatalf("%v: the deadline moved from %v to %v", g.Ground, b.Deadline, g.Deadline)
			}
		})
		locking(h, after, func(b, g agent.GroundView) {
			c, now := h.course(g.Ground), h.phone.True
			switch {
			case c.noticedAt.IsZero():
				h.Fatalf("%v locked without a notice", g.Ground)
			case now.Sub(c.noticedAt) < order.MinNotice:
				h.Fatalf("%v locked %v after its notice", g.Ground, now.Sub(c.noticedAt))
			case g.ShownDays < order.MinShownDays || c.lastShown.Sub(c.firstShown) < day:
				h.Fatalf("%v locked; shown on %d days, from %v to %v", g.Ground, g.ShownDays, c.firstShown, c.lastShown)
			}
			if h.lying {
				if len(c.shown) < order.MinShownDays || now.Sub(c.noticedAt) < c.told-12*time.Hour {
					h.Fatalf("%v locked by a lie about the time: %v after a notice of %v, shown on %d days", g.Ground, now.Sub(c.noticedAt), c.told, len(c.shown))
				}
				return
			}
			if now.Before(g.Deadline) || now.Before(c.effect) || len(c.shown) < 2 {
				h.Fatalf("%v locked at %v, deadline %v, effect %v, shown on %d days", g.Ground, now, g.Deadline, c.effect, len(c.shown))
			}
		})
	})
}

// C4: a policy lock needs the device's own record that it was activated in that territory, made from its own signals.
func TestCharterC4(t *testing.T) {
	t.Parallel()
	places := map[territory.Code]*territory.Fix{"CU": cuba, "UA-43": crimea, "DE": berlin}
	charter(t, func(h *history, after agent.Screen) {
		if a := after.Activation; a != nil {
			least := order.MinObservationDays // two where the owner plays with the clock: midnight falls at another time
			if !h.lying {
				least = 2
			}
			if days := len(h.places[places[a.Territory]]); days < least {
				h.Fatalf("activated in %v, and was there on %d days", a.Territory, days)
			}
		}
		inForce(h, after, func(_, g agent.GroundView) {
			if a := after.Activation; g.Ground.Kind == order.Rule && (a == nil || a.Mixed || !g.Territory.Covers(a.Territory)) {
				h.Fatalf("%v is %v with activation %v", g.Ground, g.Stage, a)
			}
		})
	})
}

// C5: a device activated where it may be is never restricted by a territory rule, wherever it goes.
func TestCharterC5(t *testing.T) {
	t.Parallel()
	charter(t, func(h *history, after agent.Screen) {
		if was, is := h.before.Activation, after.Activation; was != nil && (is == nil || *was != *is) {
			h.Fatalf("the activation changed from %v to %v", was, is)
		}
		inForce(h, after, func(_, g agent.GroundView) {
			if g.Ground.Kind == order.Rule && after.Activation.Territory == "DE" {
				h.Fatalf("activated in DE, and %v is %v", g.Ground, g.Stage)
			}
		})
	})
	t.Run("weeks of travel", func(t *testing.T) {
		r := enrolledRig(t, 32, berlin)
		for range 30 {
			r.live(cuba)
			n := r.notice(ruleCuba)
			sn, sl := r.seal(n), r.seal(r.lock(n))
			if out := r.checkIn(sn, sl); len(out.Applied) != 0 {
				t.Fatal("a traveller was restricted")
			}
		}
	})
}

// C6: no order counts without proof that it is in the public ledger. (The histories forge, and look that nothing happens.)
func TestCharterC6(t *testing.T) {
	t.Parallel()
	charter(t, func(h *history, after agent.Screen) {
		inForce(h, after, func(_, g agent.GroundView) {
			if h.course(g.Ground).noticedAt.IsZero() {
				h.Fatalf("%v is %v, and nothing about it is in the ledger", g.Ground, g.Stage)
			}
		})
	})
}

// C7: no device is noticed or locked by what lacks the signatures of two different officers, or is not for it.
func TestCharterC7(t *testing.T) {
	t.Parallel()
	charter(t, func(h *history, after agent.Screen) { inForce(h, after, h.lacksOfficers) })
}

// Each way of lacking a second signature, tried to the end: a policy and a warrant, their notices, and a lock when they are over.
func TestCharterC7EverySignatureThatLacks(t *testing.T) {
	t.Parallel()
	for _, role := range []string{tuf.Policy, tuf.Warrant, tuf.Targets, tuf.Root} {
		for _, fault := range append(unsigned(), tuftest.Usurped, tuftest.Disowned) {
			if !tuftest.Possible(fault, role) {
				continue
			}
			t.Run(string(fault)+" in "+role, func(t *testing.T) {
				r := enrolledRig(t, 33, berlin)
				p, w := forged(), r.warrant("w1")
				own := r.officers.Repository.Clone()
				data, err := p.Marshal()
				must(t, err)
				own.Add(tuf.Policy, tuf.PolicyPath(p.Hash), data)
				data, err = w.Marshal()
				must(t, err)
				own.Add(tuf.Warrant, tuf.WarrantPath(w.ID), data)
				if role == tuf.Root || role == tuf.Targets { // what is below has all signatures, of whoever they are
					own.Publish(r.phone.True)
				}
				u := own.Break(fault, role).Update(0)
				rule := r.notice(ruleGermany)
				rule.Territory, rule.Authority = "DE", p.Hash
				notice, lock := r.hold(w)
				for range 13 {
					ans := r.answer(r.claims().Sequence, r.seal(rule), r.seal(r.lock(rule)), r.seal(notice), r.seal(lock))
					ans.Policy, ans.Warrants, ans.Metadata = &p, r.held(w), &u
					if out := r.accept(ans); len(out.Applied) != 0 {
						t.Fatalf("applied %+v", out)
					}
					r.live(berlin)
					r.stage(order.Observed)
				}
				if grounds := r.agent.Screen().Grounds; len(grounds) != 0 {
					t.Fatalf("%+v", grounds)
				}
			})
		}
	}
	t.Run("two signatures", func(t *testing.T) { // or else all of this proves nothing
		r := enrolledRig(t, 33, berlin)
		p := forged()
		rule := r.notice(ruleGermany)
		rule.Territory, rule.Authority = "DE", p.Hash
		sn, sl := r.seal(rule), r.seal(r.lock(rule))
		ans := r.answer(r.claims().Sequence, sn, sl)
		ans.Policy = &p
		r.applied(r.accept(ans), sn, sl)
		for range 12 {
			r.live(berlin)
		}
		r.stage(order.Locked)
	})
}

// C8: every lock ends, and the device ends it by itself.
func TestCharterC8(t *testing.T) {
	t.Parallel()
	charter(t, func(h *history, after agent.Screen) {
		inForce(h, after, func(_, g agent.GroundView) {
			if g.Stage != order.Locked {
				return
			}
			c := h.course(g.Ground)
			switch {
			case g.EndsAt.IsZero():
				h.Fatalf("%v is locked without end", g.Ground)
			case h.on-c.lockedAt > order.MaxLock,
				g.Ground.Kind == order.Warrant && h.on-c.lockedAt > order.MaxHold,
				h.on-c.lockedAt > g.EndsAt.Sub(g.Deadline):
				h.Fatalf("%v is locked for %v of its own time; it was told %v", g.Ground, h.on-c.lockedAt, g.EndsAt.Sub(g.Deadline))
			case h.told && !h.lying && !h.phone.True.Before(g.EndsAt):
				h.Fatalf("%v is locked at %v, after its end %v", g.Ground, h.phone.True, g.EndsAt)
			}
		})
	})
}

// A lock ends at its end in every weather: offline, with the clock set back or forward, at 1970, after a year in a drawer.
func TestCharterC8WithAnyClock(t *testing.T) {
	for name, play := range map[string]func(r *rig, left time.Duration){
		"switched on":               func(r *rig, left time.Duration) { r.phone.Wait(left) },
		"clock set back":            func(r *rig, left time.Duration) { r.phone.Offset = -20 * 365 * day; r.phone.Wait(left) },
		"clock set back, a boot":    func(r *rig, left time.Duration) { r.phone.Offset = -20 * 365 * day; r.phone.Off(0); r.phone.Wait(left) },
		"1970 at each boot":         func(r *rig, left time.Duration) { r.phone.SetWall(time.Unix(0, 0)); r.phone.Off(0); r.phone.Wait(left) },
		"in a drawer until its end": func(r *rig, left time.Duration) { r.phone.Off(left) },
		"in a drawer for a year":    func(r *rig, left time.Duration) { r.phone.Off(left + 365*day) },
		"off and on":                func(r *rig, left time.Duration) { r.phone.Off(left / 2); r.phone.Wait(left - left/2) },
		"in a drawer with a dead clock, then a network": func(r *rig, left time.Duration) {
			r.phone.SetWall(time.Unix(0, 0))
			r.phone.Off(left)
			r.phone.SetWall(time.Unix(60, 0))
			r.open()
			r.stage(order.Locked)
			r.checkIn()
		},
		"a server that stops the clock": func(r *rig, left time.Duration) { r.lie = -left; r.phone.Wait(left); r.checkIn() },
	} {
		t.Run(name, func(t *testing.T) {
			r, lock := lockedRig(t, 34)
			r.phone.Wait(time.Hour)
			must(t, r.agent.Tick())
			play(r, lock.EndsAt.Sub(r.phone.True))
			r.open()
			r.stage(order.Lifted)
			must(t, r.agent.Tick())
			r.lie = 0
			n := r.seal(r.lock(r.notice(ruleCuba)))
			want := agent.NoNotice
			if !r.serverTime().After(lock.EndsAt) {
				want = agent.OlderThanLift
			}
			r.refused(r.checkIn(n), n, want)
			r.stage(order.Lifted)
		})
	}
}

// A wall clock that is wrong by a constant changes nothing at all.
func TestStoryWithAWrongClock(t *testing.T) {
	for _, offset := range []time.Duration{-56 * 365 * day, -day, 13 * time.Hour, 30 * 365 * day} {
		r := newRig(t, 39)
		r.phone.Offset = offset
		must(t, r.agent.Observe(territory.Signals{GNSS: cuba})) // before the enrolment, under a wrong date
		r.enrol()
		if days := r.agent.Screen().Days; len(days) != 1 || days[0].Day != territory.DayOf(r.phone.True) {
			t.Fatalf("days %v", days)
		}
		for range 3 {
			r.live(cuba)
		}
		n := r.notice(ruleCuba)
		l := r.lock(n)
		sn, sl := r.seal(n), r.seal(l)
		r.applied(r.checkIn(sn, sl), sn, sl)
		for r.phone.True.Before(l.EffectAt) {
			r.stage(order.Noticed)
			r.live(cuba)
		}
		r.stage(order.Locked)
		for l.EndsAt.Sub(r.phone.True) > day {
			r.live(cuba)
			r.phone.Off(time.Hour)
			r.open()
			r.stage(order.Locked)
		}
		r.phone.Wait(day)
		r.stage(order.Lifted)
	}
}

// Setting the clock forward while the device is on does not end a lock.
func TestLockOutlivesAClockSetForward(t *testing.T) {
	r, _ := lockedRig(t, 35)
	r.phone.Offset = 10 * 365 * day
	must(t, r.agent.Tick())
	r.stage(order.Locked)
	r.phone.Off(time.Minute)
	r.open()
	r.stage(order.Locked)
}

// C9: a genuine lift is always accepted (the histories look at each), and what a human lifted is not locked again.
func TestCharterC9(t *testing.T) {
	t.Parallel()
	charter(t, func(h *history, after agent.Screen) {
		inForce(h, after, func(_, g agent.GroundView) {
			if h.course(g.Ground).finally {
				h.Fatalf("%v was lifted for good and is %v", g.Ground, g.Stage)
			}
		})
	})
}

// A lift that arrives before its notice and lock, on a ground that the device never heard of, in doubt, on a custom system.
func TestCharterC9BeforeItsLock(t *testing.T) {
	r := enrolledRig(t, 36, cuba)
	n := r.notice(ruleCuba)
	sn, sl := r.seal(n), r.seal(r.lock(n))
	r.phone.Wait(time.Minute)
	lift := r.seal(r.lift(ruleCuba, order.ByRule))
	r.phone.SetWall(time.Unix(0, 0))
	r.phone.Off(time.Hour)
	r.phone.Boot = evidence.BootUnlocked
	r.open()
	r.applied(r.checkIn(lift), lift)
	r.phone.Boot = evidence.BootVerified
	r.checkIn()
	r.stage(order.Lifted)
	r.refused(r.checkIn(sn), sn, agent.OlderThanLift)
	r.refused(r.checkIn(sl), sl, agent.OlderThanLift)
}

// C10: conflicting or weak signals, unknown boot state, a doubtful clock, a stale policy, a missing record: no escalation.
func TestCharterC10(t *testing.T) {
	t.Parallel()
	charter(t, func(h *history, after agent.Screen) {
		inForce(h, after, func(b, g agent.GroundView) {
			risen := g.Stage == order.Locked && b.Stage != order.Locked || g.Stage == order.Noticed && b.Stage != order.Noticed && b.Stage != order.Locked
			if risen && (after.ClockDoubt || h.phone.Boot != evidence.BootVerified) {
				h.Fatalf("%v became %v with doubt %v, boot state %v", g.Ground, g.Stage, after.ClockDoubt, h.phone.Boot)
			}
		})
	})
	t.Run("days that contradict each other", func(t *testing.T) {
		r := newRig(t, 37)
		r.enrol()
		for range 10 {
			must(t, r.agent.Observe(territory.Signals{GNSS: berlin}))
			r.live(cuba)
		}
		if a := r.agent.Screen().Activation; a != nil {
			t.Fatalf("activated %+v", a)
		}
	})
}

// C11: coordinates never leave the device, and are not even kept: no type has a field for them, and no byte of record or
// token holds them.
func TestCharterC11(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		evidence.Claims{}, protocol.Enrolment{}, protocol.CheckInAnswer{}, protocol.EnrolAnswer{}, order.Leaf{}, agent.Screen{},
	} {
		noFloats(t, reflect.TypeOf(v), map[reflect.Type]bool{})
	}
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t, 38)
		r.enrol()
		fix := &territory.Fix{
			Lat: rapid.Float64Range(-89, 89).Draw(t, "lat"), Lon: rapid.Float64Range(-179, 179).Draw(t, "lon"), AccuracyM: 12.3456789,
		}
		must(t, r.agent.Observe(territory.Signals{GNSS: fix}))
		token, err := r.agent.Evidence()
		must(t, err)
		for _, v := range []float64{fix.Lat, fix.Lon, fix.AccuracyM} {
			if v == math.Trunc(v) {
				continue
			}
			bits := binary.BigEndian.AppendUint64(nil, math.Float64bits(v))
			if bytes.Contains(token, bits) || bytes.Contains(r.phone.Flash.Record(), bits) {
				t.Fatalf("%v was kept or sent", v)
			}
		}
	})
}

func noFloats(t *testing.T, typ reflect.Type, seen map[reflect.Type]bool) {
	if seen[typ] || typ.PkgPath() == "time" {
		return
	}
	seen[typ] = true
	switch typ.Kind() {
	case reflect.Float32, reflect.Float64:
		t.Errorf("a type that is kept or sent holds a %v", typ)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		noFloats(t, typ.Elem(), seen)
	case reflect.Struct:
		for i := range typ.NumField() {
			noFloats(t, typ.Field(i).Type, seen)
		}
	}
}
