package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

func stored(t *testing.T, s authority.Store, n int, g order.Ground) *restriction.Restriction {
	t.Helper()
	return got(t, s, func(tx authority.Tx) (*restriction.Restriction, error) { return tx.Restriction(deviceID(n), g) })
}

var restrictionTests = map[string]func(*testing.T, authority.Store){
	"notice": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		missing(t, s, func(tx authority.Tx) (*restriction.Restriction, error) { return tx.Restriction(deviceID(1), cuba) })
		noticed(t, s, 1, cuba)
		same(t, "stored", stored(t, s, 1, cuba), notice(1, cuba))
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.NoticeIfFree(notice(1, cuba)) })
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.NoticeIfFree(notice(2, cuba)) })
		noticed(t, s, 1, warrant) // grounds are independent
		does(t, s, lock(1, cuba))
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.NoticeIfFree(notice(1, cuba)) })
	},

	"notice of less than seven days": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		r := notice(1, cuba)
		r.Deadline = r.NoticedAt.Add(order.MinNotice - time.Microsecond)
		refuses(t, s, nil, func(tx authority.Tx) error { return tx.NoticeIfFree(r) })
		r.Deadline = r.NoticedAt.Add(order.MinNotice)
		does(t, s, func(tx authority.Tx) error { return tx.NoticeIfFree(r) })
	},

	"new round": func(t *testing.T, s authority.Store) {
		for n, cause := range []order.Cause{order.ByRule, order.ByHuman, order.ByCase, order.ByEnd, order.ByCode} {
			d := newDevice(n + 1)
			does(t, s, func(tx authority.Tx) error { return tx.InsertDevice(d) })
			does(t, s, func(tx authority.Tx) error { return tx.NoticeIfFree(notice(n+1, cuba)) })
			does(t, s, lock(n+1, cuba))
			does(t, s, func(tx authority.Tx) error {
				return tx.ReportApplied(d.ID, cuba, order.Locked, 4, start.Add(11*day), "n")
			})
			does(t, s, lift(n+1, cuba, cause))
			again := notice(n+1, cuba)
			again.NoticedAt, again.Deadline, again.Authority, again.Reference = start.Add(30*day), start.Add(40*day), hash(2), "R-again"
			if cause.Final() {
				refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.NoticeIfFree(again) })
				continue
			}
			does(t, s, func(tx authority.Tx) error { return tx.NoticeIfFree(again) })
			again.Round = 2
			same(t, "second round", stored(t, s, n+1, cuba), again)
		}
	},

	"extend": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		noticed(t, s, 1, cuba)
		extend := func(n int, by time.Duration) txFunc {
			return func(tx authority.Tx) error { return tx.ExtendIfNoticed(deviceID(n), cuba, start.Add(10*day+by)) }
		}
		does(t, s, extend(1, day))
		same(t, "deadline", stored(t, s, 1, cuba).Deadline, start.Add(11*day))
		does(t, s, extend(1, day))
		refuses(t, s, authority.ErrConflict, extend(1, day-time.Microsecond))
		refuses(t, s, authority.ErrAbsent, extend(2, day))
		refuses(t, s, authority.ErrConflict, lock(1, cuba)) // takes effect before the new deadline
		does(t, s, func(tx authority.Tx) error {
			return tx.LockIfNoticed(deviceID(1), cuba, start, start.Add(11*day), start.Add(12*day))
		})
		refuses(t, s, authority.ErrConflict, extend(1, 2*day))
		does(t, s, lift(1, cuba, order.ByRule))
		refuses(t, s, authority.ErrConflict, extend(1, 2*day))
	},

	"lock": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		noticed(t, s, 1, cuba)
		refuses(t, s, authority.ErrAbsent, lock(2, cuba))
		refuses(t, s, authority.ErrAbsent, lock(1, crimea))
		effect := start.Add(10 * day)
		locks := func(effect, ends time.Time) txFunc {
			return func(tx authority.Tx) error {
				return tx.LockIfNoticed(deviceID(1), cuba, start.Add(9*day), effect, ends)
			}
		}
		refuses(t, s, authority.ErrConflict, locks(effect.Add(-time.Microsecond), effect.Add(day)))
		refuses(t, s, nil, locks(effect, effect))
		refuses(t, s, nil, locks(effect, time.Time{}))
		refuses(t, s, nil, locks(effect, effect.Add(order.MaxLock+time.Microsecond)))
		does(t, s, locks(effect, effect.Add(order.MaxLock)))
		want := notice(1, cuba)
		want.Stage, want.LockedAt, want.EffectAt, want.EndsAt = order.Locked, start.Add(9*day), effect, effect.Add(order.MaxLock)
		same(t, "stored", stored(t, s, 1, cuba), want)
		refuses(t, s, authority.ErrConflict, locks(effect, effect.Add(day)))
	},

	"hold": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		noticed(t, s, 1, warrant)
		effect := start.Add(10 * day)
		hold := func(ends time.Duration) txFunc {
			return func(tx authority.Tx) error {
				return tx.LockIfNoticed(deviceID(1), warrant, start, effect, effect.Add(ends))
			}
		}
		refuses(t, s, nil, hold(order.MaxHold+time.Microsecond))
		does(t, s, hold(order.MaxHold))
	},

	"appeal stops the clock": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		noticed(t, s, 1, cuba)
		appealing := func(n int, on bool) txFunc {
			return func(tx authority.Tx) error { return tx.SetAppealing(deviceID(n), cuba, on) }
		}
		refuses(t, s, authority.ErrAbsent, appealing(2, true))
		does(t, s, appealing(1, true))
		same(t, "marked", stored(t, s, 1, cuba).Appealing, true)
		refuses(t, s, authority.ErrConflict, lock(1, cuba))
		does(t, s, appealing(1, false))
		does(t, s, lock(1, cuba))
		does(t, s, appealing(1, true)) // a locked owner may appeal, too
		same(t, "marked", stored(t, s, 1, cuba).Appealing, true)
		does(t, s, lift(1, cuba, order.ByHuman))
		same(t, "nothing left to appeal", stored(t, s, 1, cuba).Appealing, false)
		refuses(t, s, authority.ErrConflict, appealing(1, true))
		refuses(t, s, authority.ErrConflict, appealing(1, false))
	},

	"an appeal takes back a lock that does not hold yet": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 3)
		noticed(t, s, 2, cuba)
		effect, later := start.Add(10*day), start.Add(19*day)
		back := func(n int, now, deadline time.Time) txFunc {
			return func(tx authority.Tx) error { return tx.WithdrawLockIfNotInEffect(deviceID(n), cuba, now, deadline) }
		}
		before := effect.Add(-time.Microsecond)
		refuses(t, s, authority.ErrAbsent, back(3, before, later))
		refuses(t, s, authority.ErrConflict, back(1, before, later)) // not locked
		wave := openWave(t, s)
		does(t, s, propose(wave, 1, cuba))
		does(t, s, func(tx authority.Tx) error { return tx.DecideIfOpen(wave, authority.WaveApproved, "kim", start, "") })
		does(t, s, lock(1, cuba))
		refuses(t, s, authority.ErrConflict, back(1, effect, later))  // it holds by now
		refuses(t, s, authority.ErrConflict, back(1, before, effect)) // the date would not be later
		does(t, s, back(1, before, later))
		want := notice(1, cuba)
		want.Deadline, want.Appealing = later, true
		same(t, "noticed again, out of its wave", stored(t, s, 1, cuba), want)
		refuses(t, s, authority.ErrConflict, back(1, before, later.Add(day)))
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error {
			return tx.LockIfNoticed(deviceID(1), cuba, start, later, later.Add(day))
		})
		does(t, s, func(tx authority.Tx) error { return tx.SetAppealing(deviceID(1), cuba, false) })
		refuses(t, s, authority.ErrConflict, lock(1, cuba)) // by the old date
		does(t, s, func(tx authority.Tx) error {
			return tx.LockIfNoticed(deviceID(1), cuba, start, later, later.Add(day))
		})

		does(t, s, lock(2, cuba)) // the device says that it holds, or an appeal is open already
		does(t, s, func(tx authority.Tx) error { return tx.ReportApplied(deviceID(2), cuba, order.Locked, 5, start, "") })
		refuses(t, s, authority.ErrConflict, back(2, before, later))
		does(t, s, func(tx authority.Tx) error { return tx.ReportApplied(deviceID(2), cuba, order.Noticed, 5, start, "") })
		does(t, s, func(tx authority.Tx) error { return tx.SetAppealing(deviceID(2), cuba, true) })
		refuses(t, s, authority.ErrConflict, back(2, before, later))
		does(t, s, lift(2, cuba, order.ByHuman))
		refuses(t, s, authority.ErrConflict, back(2, before, later))
	},

	"lift": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 3)
		noticed(t, s, 2, cuba)
		does(t, s, lock(2, cuba))
		for n := 1; n <= 2; n++ {
			want := stored(t, s, n, cuba)
			does(t, s, lift(n, cuba, order.ByCase))
			want.Stage, want.LiftedAt, want.Cause = order.Lifted, start.Add(20*day), order.ByCase
			same(t, "lifted", stored(t, s, n, cuba), want)
			refuses(t, s, authority.ErrConflict, lift(n, cuba, order.ByHuman))
			refuses(t, s, authority.ErrConflict, lock(n, cuba))
		}
		refuses(t, s, authority.ErrAbsent, lift(3, cuba, order.ByHuman))
		noticed(t, s, 1, crimea)
		refuses(t, s, nil, lift(1, crimea, 0))
		refuses(t, s, nil, lift(1, crimea, order.ByCode+1))
	},

	"report": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		noticed(t, s, 1, cuba)
		report := func(n int, st order.Stage, shown int, after time.Duration, note string) txFunc {
			return func(tx authority.Tx) error {
				return tx.ReportApplied(deviceID(n), cuba, st, shown, start.Add(after), note)
			}
		}
		refuses(t, s, authority.ErrAbsent, report(2, order.Noticed, 1, 0, ""))
		want := stored(t, s, 1, cuba)
		for i, step := range []struct {
			st    order.Stage
			shown int
			note  string
			first bool // said for the first time
		}{
			{order.Observed, 0, "", true}, {order.Observed, 0, "", false}, {order.Noticed, 1, "", true}, {order.Noticed, 2, "", false},
			{order.Noticed, 2, "deadline-not-passed", false}, {order.Locked, 3, "", true}, {order.Lifted, 3, "", true},
		} {
			after := time.Duration(i+1) * day
			does(t, s, report(1, step.st, step.shown, after, step.note))
			want.Applied, want.ShownDays, want.AppliedNote = step.st, step.shown, step.note
			if step.first {
				want.AppliedAt = start.Add(after)
			}
			same(t, "reported", stored(t, s, 1, cuba), want)
		}
		does(t, s, lift(1, cuba, order.ByEnd))
		does(t, s, report(1, order.Locked, 3, 9*day, "straggler"))
		same(t, "any stage", stored(t, s, 1, cuba).AppliedNote, "straggler")
		refuses(t, s, nil, report(1, order.Locked, -1, 9*day, ""))
	},

	"lists": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 3)
		noticed(t, s, 3, cuba)
		noticed(t, s, 2, crimea)
		noticed(t, s, 1, warrant)
		one := got(t, s, func(tx authority.Tx) ([]*restriction.Restriction, error) { return tx.Restrictions(deviceID(1)) })
		same(t, "of one device, by ground", one, []*restriction.Restriction{notice(1, crimea), notice(1, cuba), notice(1, warrant)})
		of := func(g order.Ground, after device.ID, limit int) []*restriction.Restriction {
			return got(t, s, func(tx authority.Tx) ([]*restriction.Restriction, error) { return tx.ActiveOn(g, after, limit) })
		}
		same(t, "of a ground", of(cuba, device.ID{}, 9), []*restriction.Restriction{notice(1, cuba), notice(2, cuba), notice(3, cuba)})
		does(t, s, lock(1, cuba))
		does(t, s, lift(3, cuba, order.ByRule))
		same(t, "what is lifted is left out", of(cuba, device.ID{}, 9), []*restriction.Restriction{stored(t, s, 1, cuba), notice(2, cuba)})
		same(t, "page", of(cuba, deviceID(1), 1), []*restriction.Restriction{notice(2, cuba)})
		same(t, "the kind is part of a ground", of(order.Ground{Kind: order.Warrant, ID: "cuba"}, device.ID{}, 9), []*restriction.Restriction{})
	},

	"stage counts": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 4)
		d := fullDevice(5)
		does(t, s, func(tx authority.Tx) error { return tx.InsertDevice(d) })
		noticed(t, s, 5, cuba)
		noticed(t, s, 3, crimea)
		does(t, s, lock(2, cuba))
		does(t, s, lift(3, cuba, order.ByRule))
		does(t, s, lift(3, crimea, order.ByRule))
		does(t, s, lift(4, cuba, order.ByRule))
		counts := got(t, s, func(tx authority.Tx) ([]authority.StageCount, error) { return tx.StageCounts() })
		want := map[authority.StageCount]bool{
			{Stage: order.Noticed, Devices: 1}: true, {Stage: order.Locked, Devices: 1}: true, {Stage: order.Lifted, Devices: 2}: true,
			{Territory: "UA-43", Stage: order.Noticed, Devices: 1}: true,
		}
		for _, c := range counts {
			if !want[c] {
				t.Errorf("not expected: %+v", c)
			}
			delete(want, c)
		}
		if len(want) > 0 {
			t.Errorf("not counted: %v", want)
		}
	},

	"several steps see each other": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		does(t, s, func(tx authority.Tx) error {
			steps := []txFunc{func(tx authority.Tx) error { return tx.NoticeIfFree(notice(1, cuba)) }, lock(1, cuba), lift(1, cuba, order.ByEnd)}
			for i, step := range steps {
				if err := step(tx); err != nil {
					return err
				}
				r, err := tx.Restriction(deviceID(1), cuba)
				if err != nil || r.Stage != order.Stage(i+1) {
					return errors.Join(err, errors.New("own write not seen"))
				}
			}
			return nil
		})
	},
}
