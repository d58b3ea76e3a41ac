package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// model is the contract of restrictions in a few lines of Go, to hold a store against. Times are whole days after start.
type model map[order.Ground]*restriction.Restriction

func (m model) notice(r *restriction.Restriction) error {
	old := m[r.Ground]
	if old != nil && (old.Active() || old.Final()) {
		return authority.ErrConflict
	}
	c := *r
	if old != nil {
		c.Round = old.Round + 1
	}
	m[r.Ground] = &c
	return nil
}

// change applies a transition to a restriction that is there and fulfils the guard.
func (m model) change(g order.Ground, guard func(*restriction.Restriction) bool, apply func(*restriction.Restriction)) error {
	r := m[g]
	switch {
	case r == nil:
		return authority.ErrAbsent
	case !guard(r):
		return authority.ErrConflict
	}
	apply(r)
	return nil
}

// testModel runs random histories of one device on store and model; every answer and every record must be the same.
func testModel(t *testing.T, s authority.Store) {
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		d := newDevice(n)
		if err := s.Update(context.Background(), func(tx authority.Tx) error { return tx.InsertDevice(d) }); err != nil {
			t.Fatal(err)
		}
		h := &history{s: s, n: n, m: model{}}
		t.Repeat(map[string]func(*rapid.T){
			"notice": h.notice, "extend": h.extend, "lock": h.lock, "take back": h.takeBack, "lift": h.lift, "appeal": h.appeal, "report": h.report, "": h.check,
		})
	})
}

type history struct {
	s authority.Store
	n int
	m model
}

func at(days int) time.Time { return start.Add(time.Duration(days) * day) }

func drawGround(t *rapid.T) order.Ground {
	return rapid.SampledFrom([]order.Ground{cuba, crimea, warrant}).Draw(t, "ground")
}

// both runs a step on the store and compares its answer with the model's.
func (h *history) both(t *rapid.T, want error, step txFunc) {
	t.Helper()
	err := h.s.Update(context.Background(), step)
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		t.Fatalf("store says %v, model %v", err, want)
	}
}

func (h *history) notice(t *rapid.T) {
	r := notice(h.n, drawGround(t))
	first := rapid.IntRange(0, 30).Draw(t, "noticed")
	r.NoticedAt, r.Deadline = at(first), at(first+rapid.IntRange(7, 20).Draw(t, "days"))
	h.both(t, h.m.notice(r), func(tx authority.Tx) error { return tx.NoticeIfFree(r) })
}

func (h *history) extend(t *rapid.T) {
	g, to := drawGround(t), at(rapid.IntRange(7, 60).Draw(t, "deadline"))
	want := h.m.change(g, func(r *restriction.Restriction) bool { return r.Stage == order.Noticed && !to.Before(r.Deadline) },
		func(r *restriction.Restriction) { r.Deadline = to })
	h.both(t, want, func(tx authority.Tx) error { return tx.ExtendIfNoticed(deviceID(h.n), g, to) })
}

func (h *history) lock(t *rapid.T) {
	g, locked, effect := drawGround(t), at(rapid.IntRange(0, 60).Draw(t, "locked")), at(rapid.IntRange(7, 60).Draw(t, "effect"))
	ends := effect.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "for")) * day)
	want := h.m.change(g,
		func(r *restriction.Restriction) bool {
			return r.Stage == order.Noticed && !r.Appealing && !r.Deadline.After(effect)
		},
		func(r *restriction.Restriction) {
			r.Stage, r.LockedAt, r.EffectAt, r.EndsAt = order.Locked, locked, effect, ends
		})
	h.both(t, want, func(tx authority.Tx) error { return tx.LockIfNoticed(deviceID(h.n), g, locked, effect, ends) })
}

func (h *history) takeBack(t *rapid.T) {
	g, now, to := drawGround(t), at(rapid.IntRange(0, 60).Draw(t, "now")), at(rapid.IntRange(7, 90).Draw(t, "deadline"))
	want := h.m.change(g,
		func(r *restriction.Restriction) bool {
			return r.Stage == order.Locked && !r.Appealing && r.Applied != order.Locked && r.EffectAt.After(now) && r.EffectAt.Before(to)
		},
		func(r *restriction.Restriction) {
			r.Stage, r.Appealing, r.Deadline, r.Wave = order.Noticed, true, to, 0
			r.LockedAt, r.EffectAt, r.EndsAt = time.Time{}, time.Time{}, time.Time{}
		})
	h.both(t, want, func(tx authority.Tx) error { return tx.WithdrawLockIfNotInEffect(deviceID(h.n), g, now, to) })
}

func (h *history) lift(t *rapid.T) {
	g, when := drawGround(t), at(rapid.IntRange(0, 99).Draw(t, "at"))
	cause := order.Cause(rapid.IntRange(int(order.ByRule), int(order.ByCode)).Draw(t, "cause"))
	want := h.m.change(g, (*restriction.Restriction).Active, func(r *restriction.Restriction) {
		r.Stage, r.LiftedAt, r.Cause, r.Appealing = order.Lifted, when, cause, false
	})
	h.both(t, want, func(tx authority.Tx) error { return tx.LiftIfActive(deviceID(h.n), g, when, cause) })
}

func (h *history) appeal(t *rapid.T) {
	g, on := drawGround(t), rapid.Bool().Draw(t, "on")
	want := h.m.change(g, (*restriction.Restriction).Active, func(r *restriction.Restriction) { r.Appealing = on })
	h.both(t, want, func(tx authority.Tx) error { return tx.SetAppealing(deviceID(h.n), g, on) })
}

func (h *history) report(t *rapid.T) {
	g, stage := drawGround(t), order.Stage(rapid.IntRange(0, 3).Draw(t, "stage"))
	shown, when, note := rapid.IntRange(0, 9).Draw(t, "shown"), at(rapid.IntRange(0, 99).Draw(t, "at")), rapid.SampledFrom([]string{"", "stale-policy"}).Draw(t, "note")
	want := h.m.change(g, func(*restriction.Restriction) bool { return true }, func(r *restriction.Restriction) {
		if r.Applied != stage || r.AppliedAt.IsZero() {
			r.AppliedAt = when
		}
		r.Applied, r.ShownDays, r.AppliedNote = stage, shown, note
	})
	h.both(t, want, func(tx authority.Tx) error { return tx.ReportApplied(deviceID(h.n), g, stage, shown, when, note) })
}

// check compares all records, and the stage under which the device is listed.
func (h *history) check(t *rapid.T) {
	var list []*restriction.Restriction
	stage, restricted := order.Observed, false
	for _, g := range []order.Ground{crimea, cuba, warrant} {
		if r := h.m[g]; r != nil {
			list = append(list, r)
			restricted = true
			if r.Active() {
				stage = max(stage, r.Stage)
			}
		}
	}
	if restricted && stage == order.Observed {
		stage = order.Lifted
	}
	err := h.s.View(context.Background(), func(tx authority.Tx) error {
		found, err := tx.Restrictions(deviceID(h.n))
		if err != nil {
			return err
		}
		if d := diff(list, found); d != "" {
			t.Fatalf("- model, + store:\n%s", d)
		}
		devices, _, err := tx.Devices(authority.DeviceQuery{Stage: &stage, After: deviceID(h.n - 1), Limit: 1})
		if err == nil && (len(devices) != 1 || devices[0].ID != deviceID(h.n)) {
			t.Fatalf("not listed under stage %d", stage)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
