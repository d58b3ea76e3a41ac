package memory

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

type ground = restriction.Restriction

func compareGrounds(r *ground, g order.Ground) int {
	return cmp.Or(int(r.Ground.Kind)-int(g.Kind), strings.Compare(r.Ground.ID, g.ID))
}

func (t *tx) find(id device.ID, g order.Ground) (*ground, error) {
	list := t.restrictions[id]
	i, found := slices.BinarySearchFunc(list, g, compareGrounds)
	if !found {
		return nil, authority.ErrAbsent
	}
	return list[i], nil
}

// checkStored restates what stores check of every record (migrations of package sqlite).
func checkStored(r *ground) error {
	locked := !r.LockedAt.IsZero() || !r.EffectAt.IsZero() || !r.EndsAt.IsZero()
	most := order.MaxLock
	if r.Ground.Kind == order.Warrant {
		most = order.MaxHold
	}
	switch {
	case r.Deadline.Sub(r.NoticedAt) < order.MinNotice:
		return broken("a notice lasts seven days")
	case r.Stage == order.Locked && !locked, locked && (r.LockedAt.IsZero() || r.EffectAt.IsZero() || r.EndsAt.IsZero()):
		return broken("a lock has its times")
	case r.Stage == order.Noticed && locked:
		return broken("what is noticed has no lock")
	case locked && r.EffectAt.Before(r.Deadline):
		return broken("no lock before the deadline")
	case locked && (!r.EndsAt.After(r.EffectAt) || r.EndsAt.Sub(r.EffectAt) > most):
		return broken("a lock ends, and in time")
	case (r.Stage == order.Lifted) != (r.Cause >= order.ByRule && r.Cause <= order.ByCode), (r.Stage == order.Lifted) != !r.LiftedAt.IsZero():
		return broken("what is lifted has a time and a cause")
	case r.Stage == order.Lifted && r.Appealing:
		return broken("nothing to appeal when lifted")
	case r.ShownDays < 0:
		return broken("days shown are counted from 0")
	}
	return nil
}

// store puts r in its place.
func (t *tx) store(r *ground) error {
	if err := checkStored(r); err != nil {
		return err
	}
	list := slices.Clone(t.restrictions[r.Device])
	i, found := slices.BinarySearchFunc(list, r.Ground, compareGrounds)
	if found {
		list[i] = r
	} else {
		list = slices.Insert(list, i, r)
	}
	put(t, t.restrictions, r.Device, list)
	return nil
}

// move is a guarded transition of one restriction.
func (t *tx) move(id device.ID, g order.Ground, guard func(*ground) bool, to func(*ground)) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	r, err := t.find(id, g)
	if err != nil {
		return err
	}
	if !guard(r) {
		return authority.ErrConflict
	}
	next := *r
	to(&next)
	return t.store(&next)
}

func (t *tx) Restriction(id device.ID, g order.Ground) (*ground, error) {
	r, err := t.find(id, g)
	if err != nil {
		return nil, err
	}
	c := *r
	return &c, nil
}

func copies(list []*ground) []*ground {
	c := make([]*ground, len(list))
	for i, r := range list {
		one := *r
		c[i] = &one
	}
	return c
}

func (t *tx) Restrictions(id device.ID) ([]*ground, error) { return copies(t.restrictions[id]), nil }

func (t *tx) RestrictionsOfAll(ids []device.ID) (all []*ground, err error) {
	for _, id := range slices.SortedFunc(slices.Values(ids), compareIDs) {
		all = append(all, copies(t.restrictions[id])...)
	}
	return all, nil
}

// where lists restrictions in the order of devices and grounds.
func (t *tx) where(limit int, fits func(*ground) bool) ([]*ground, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	var list []*ground
	for _, of := range t.restrictions {
		for _, r := range of {
			if fits(r) {
				list = append(list, r)
			}
		}
	}
	slices.SortFunc(list, func(a, b *ground) int { return cmp.Or(compareIDs(a.Device, b.Device), compareGrounds(a, b.Ground)) })
	return copies(list[:min(limit, len(list))]), nil
}

func (t *tx) ActiveOn(g order.Ground, after device.ID, limit int) ([]*ground, error) {
	return t.where(limit, func(r *ground) bool { return r.Ground == g && r.Active() && compareIDs(r.Device, after) > 0 })
}

func (t *tx) NoticeIfFree(r *ground) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if _, known := t.devices[r.Device]; !known {
		return authority.ErrAbsent
	}
	round := 1
	if old, err := t.find(r.Device, r.Ground); err == nil {
		if old.Stage != order.Lifted || old.Cause.Final() {
			return authority.ErrConflict
		}
		round = old.Round + 1
	}
	return t.store(&ground{
		Device: r.Device, Ground: r.Ground, Round: round, Stage: order.Noticed, Territory: r.Territory, Authority: r.Authority,
		Reference: r.Reference, NoticedAt: r.NoticedAt, Deadline: r.Deadline,
	})
}

func (t *tx) ExtendIfNoticed(id device.ID, g order.Ground, deadline time.Time) error {
	return t.move(id, g, func(r *ground) bool { return r.Stage == order.Noticed && !deadline.Before(r.Deadline) },
		func(r *ground) { r.Deadline = deadline })
}

func (t *tx) LockIfNoticed(id device.ID, g order.Ground, lockedAt, effectAt, endsAt time.Time) error {
	return t.move(id, g, func(r *ground) bool { return r.Stage == order.Noticed && !r.Appealing && !r.Deadline.After(effectAt) },
		func(r *ground) { r.Stage, r.LockedAt, r.EffectAt, r.EndsAt = order.Locked, lockedAt, effectAt, endsAt })
}

func (t *tx) WithdrawLockIfNotInEffect(id device.ID, g order.Ground, now, deadline time.Time) error {
	return t.move(id, g, func(r *ground) bool {
		return r.Stage == order.Locked && !r.Appealing && r.Applied != order.Locked && r.EffectAt.After(now) && r.EffectAt.Before(deadline)
	}, func(r *ground) {
		r.Stage, r.Appealing, r.Deadline, r.Wave = order.Noticed, true, deadline, 0
		r.LockedAt, r.EffectAt, r.EndsAt = time.Time{}, time.Time{}, time.Time{}
	})
}

func (t *tx) LiftIfActive(id device.ID, g order.Ground, at time.Time, cause order.Cause) error {
	return t.move(id, g, (*ground).Active, func(r *ground) { r.Stage, r.LiftedAt, r.Cause, r.Appealing = order.Lifted, at, cause, false })
}

func (t *tx) ReportApplied(id device.ID, g order.Ground, stage order.Stage, shownDays int, at time.Time, note string) error {
	return t.move(id, g, func(*ground) bool { return true }, func(r *ground) {
		if r.Applied != stage || r.AppliedAt.IsZero() {
			r.AppliedAt = at
		}
		r.Applied, r.ShownDays, r.AppliedNote = stage, shownDays, note
	})
}

func (t *tx) SetAppealing(id device.ID, g order.Ground, on bool) error {
	return t.move(id, g, (*ground).Active, func(r *ground) { r.Appealing = on })
}

func (t *tx) StageCounts() ([]authority.StageCount, error) {
	type key struct {
		place territory.Code
		stage order.Stage
	}
	counts := map[key]int{}
	for id, d := range t.devices {
		counts[key{placeOf(d), t.stageOf(id)}]++
	}
	list := make([]authority.StageCount, 0, len(counts))
	for k, n := range counts {
		list = append(list, authority.StageCount{Territory: k.place, Stage: k.stage, Devices: n})
	}
	slices.SortFunc(list, func(a, b authority.StageCount) int {
		return cmp.Or(strings.Compare(string(a.Territory), string(b.Territory)), int(a.Stage)-int(b.Stage))
	})
	return list, nil
}
