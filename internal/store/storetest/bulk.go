package storetest

import (
	"bytes"
	"slices"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

// hits runs a write for many in a transaction and expects which guards held.
func hits(t *testing.T, s authority.Store, want []bool, fn func(authority.Tx) ([]bool, error)) {
	t.Helper()
	var hit []bool
	does(t, s, func(tx authority.Tx) (err error) { hit, err = fn(tx); return err })
	same(t, "guards that held", hit, want)
}

// settledOnes are the numbers of those orders of the devices 1 to n that are settled, ascending.
func settledOnes(t *testing.T, s authority.Store, n int) (list []order.ID) {
	t.Helper()
	for i := 1; i <= n; i++ {
		for _, o := range got(t, s, func(tx authority.Tx) ([]*authority.Order, error) { return tx.OrdersOf(deviceID(i), 99) }) {
			if o.Settled {
				list = append(list, o.ID)
			}
		}
	}
	slices.SortFunc(list, func(a, b order.ID) int { return bytes.Compare(a[:], b[:]) })
	return list
}

var bulkTests = map[string]func(*testing.T, authority.Store){
	"lift": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 7)
		noticed(t, s, 6, cuba)
		noticed(t, s, 1, crimea)
		var wave int64
		does(t, s, func(tx authority.Tx) (err error) {
			wave, err = tx.InsertWave(&authority.Wave{CreatedAt: start, State: authority.WaveOpen, PolicyHash: hash(1)})
			return err
		})
		for _, n := range []int{2, 5} { // a lock that came of a wave, and one that is in it still
			does(t, s, func(tx authority.Tx) error { return tx.ProposeIfNoticed(wave, deviceID(n), cuba) })
		}
		does(t, s, lock(2, cuba))
		does(t, s, lift(3, cuba, order.ByHuman))
		does(t, s, func(tx authority.Tx) error { return tx.SetAppealing(deviceID(4), cuba, true) })
		same(t, "active", got(t, s, func(tx authority.Tx) (int, error) { return tx.CountActiveOn(cuba) }), 5)
		hits(t, s, []bool{true, true, false, false, false, true, false, false}, func(tx authority.Tx) ([]bool, error) {
			ids := []device.ID{deviceID(2), deviceID(1), deviceID(3), deviceID(4), deviceID(5), deviceID(6), deviceID(7), deviceID(9)}
			return tx.LiftAllIfActive(cuba, ids, start.Add(20*day), order.ByCase)
		})
		for n, appealing := range map[int]bool{4: true, 5: false} {
			r := got(t, s, func(tx authority.Tx) (*restriction.Restriction, error) { return tx.Restriction(deviceID(n), cuba) })
			if r.Stage != order.Noticed || r.Appealing != appealing || (r.Wave == 0) != appealing {
				t.Errorf("device %d: %+v", n, r)
			}
			does(t, s, lift(n, cuba, order.ByCase))
		}
		for n, cause := range map[int]order.Cause{1: order.ByCase, 2: order.ByCase, 3: order.ByHuman, 6: order.ByCase} {
			r := got(t, s, func(tx authority.Tx) (*restriction.Restriction, error) { return tx.Restriction(deviceID(n), cuba) })
			if r.Stage != order.Lifted || r.Cause != cause || r.Appealing || !r.LiftedAt.Equal(start.Add(20*day)) {
				t.Errorf("device %d: %+v", n, r)
			}
		}
		same(t, "none active", got(t, s, func(tx authority.Tx) (int, error) { return tx.CountActiveOn(cuba) }), 0)
		same(t, "other ground", got(t, s, func(tx authority.Tx) (int, error) { return tx.CountActiveOn(crimea) }), 1)
		same(t, "counted", got(t, s, func(tx authority.Tx) ([]authority.StageCount, error) { return tx.StageCounts() }), []authority.StageCount{
			{Stage: order.Observed, Devices: 1}, {Stage: order.Noticed, Devices: 1}, {Stage: order.Lifted, Devices: 5}})
		hits(t, s, nil, func(tx authority.Tx) ([]bool, error) { return tx.LiftAllIfActive(cuba, nil, start, order.ByCase) })
		refuses(t, s, nil, func(tx authority.Tx) error { // a lift has a cause
			_, err := tx.LiftAllIfActive(crimea, []device.ID{deviceID(1)}, start.Add(20*day), 0)
			return err
		})
	},

	"notice": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 6)
		noticed(t, s, 1, cuba)
		noticed(t, s, 5, warrant)
		does(t, s, lock(2, warrant))
		for n, cause := range map[int]order.Cause{3: order.ByRule, 4: order.ByHuman, 5: order.ByCase} {
			does(t, s, lift(n, warrant, cause))
		}
		anew := notice(3, warrant)
		anew.NoticedAt, anew.Deadline, anew.Authority, anew.Reference = start.Add(20*day), start.Add(40*day), hash(9), "CCCC-DDDD"
		list := []*restriction.Restriction{notice(6, warrant), notice(1, warrant), notice(2, warrant), anew, notice(4, warrant), notice(5, warrant), notice(2, cuba)}
		hits(t, s, []bool{true, false, false, true, false, false, true}, func(tx authority.Tx) ([]bool, error) { return tx.NoticeAllIfFree(list) })
		hits(t, s, make([]bool, len(list)), func(tx authority.Tx) ([]bool, error) { return tx.NoticeAllIfFree(list) }) // again, nothing
		for _, r := range []*restriction.Restriction{list[0], list[3], list[6]} {
			stored := got(t, s, func(tx authority.Tx) (*restriction.Restriction, error) { return tx.Restriction(r.Device, r.Ground) })
			want := *r
			want.Stage, want.Round = order.Noticed, stored.Round
			same(t, "noticed", stored, &want)
			if again := r == anew; again != (stored.Round == 2) {
				t.Errorf("round %d", stored.Round)
			}
		}
		for n, stage := range map[int]order.Stage{1: order.Noticed, 2: order.Locked, 4: order.Lifted, 5: order.Lifted} {
			r := got(t, s, func(tx authority.Tx) (*restriction.Restriction, error) { return tx.Restriction(deviceID(n), warrant) })
			same(t, "left alone", [2]any{r.Stage, r.Round}, [2]any{stage, 1})
		}
		same(t, "counted", got(t, s, func(tx authority.Tx) ([]authority.StageCount, error) { return tx.StageCounts() }), []authority.StageCount{
			{Stage: order.Noticed, Devices: 3}, {Stage: order.Locked, Devices: 1}, {Stage: order.Lifted, Devices: 2}})
		hits(t, s, nil, func(tx authority.Tx) ([]bool, error) { return tx.NoticeAllIfFree(nil) })
		short := notice(4, crimea)
		short.Deadline = short.NoticedAt.Add(6 * day)
		for _, list := range [][]*restriction.Restriction{{notice(1, crimea), notice(9, crimea)}, {notice(1, crimea), short}} { // C3
			want := authority.ErrAbsent
			if list[1] == short {
				want = nil
			}
			refuses(t, s, want, func(tx authority.Tx) error {
				_, err := tx.NoticeAllIfFree(list)
				return err
			})
		}
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { // nothing of a list that is refused stays
			_, err := tx.Restriction(deviceID(1), crimea)
			return err
		})
	},

	"lock": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 4)
		noticed(t, s, 4, cuba)
		noticed(t, s, 1, warrant)
		does(t, s, func(tx authority.Tx) error { return tx.SetAppealing(deviceID(2), cuba, true) })
		effect := start.Add(10 * day)
		one := func(n int, g order.Ground) authority.Lock {
			return authority.Lock{Device: deviceID(n), Ground: g, LockedAt: start.Add(9 * day), EffectAt: effect, EndsAt: effect.Add(80 * day)}
		}
		early := one(3, cuba)
		early.EffectAt = effect.Add(-day)
		hits(t, s, []bool{true, false, false, true, false, true}, func(tx authority.Tx) ([]bool, error) {
			return tx.LockAllIfNoticed([]authority.Lock{one(1, cuba), one(2, cuba), early, one(1, warrant), one(9, cuba), one(4, cuba)})
		})
		r := got(t, s, func(tx authority.Tx) (*restriction.Restriction, error) { return tx.Restriction(deviceID(4), cuba) })
		same(t, "times", [3]bool{r.LockedAt.Equal(start.Add(9 * day)), r.EffectAt.Equal(effect), r.EndsAt.Equal(effect.Add(80 * day))}, [3]bool{true, true, true})
		refuses(t, s, nil, func(tx authority.Tx) error { // C8
			endless := one(3, cuba)
			endless.EndsAt = effect.Add(731 * day)
			_, err := tx.LockAllIfNoticed([]authority.Lock{endless})
			return err
		})
	},

	"orders": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 3)
		inserted(t, s, newOrder(1, 1, order.Notice, cuba, start), newOrder(2, 1, order.Lift, cuba, start), newOrder(3, 2, order.Lock, cuba, start.Add(day)),
			newOrder(4, 2, order.Notice, crimea, start), newOrder(5, 3, order.Lift, cuba, start))
		fresh := []*authority.Order{newOrder(6, 1, order.Lift, cuba, start.Add(day)), newOrder(7, 2, order.Lift, cuba, start.Add(day)),
			newOrder(8, 3, order.Notice, cuba, start.Add(day))}
		does(t, s, func(tx authority.Tx) error {
			if err := tx.InsertOrders(fresh); err != nil {
				return err
			}
			return tx.SettleReplaced(fresh)
		})
		same(t, "a lift replaces all, a notice no lift", settledOnes(t, s, 3), ids(1, 2, 3))
		for _, o := range fresh {
			same(t, "stored", got(t, s, func(tx authority.Tx) (*authority.Order, error) { return tx.Order(o.Device, o.ID) }), o)
		}
		pending := orderIDs(got(t, s, func(tx authority.Tx) ([]*authority.Order, error) { return tx.PendingOrders(99) }))
		same(t, "in the order of issue", pending, ids(1, 2, 4, 5, 3, 6, 7, 8))
		does(t, s, func(tx authority.Tx) error {
			if err := tx.InsertOrders(nil); err != nil {
				return err
			}
			return tx.SettleReplaced(nil)
		})
		both := []*authority.Order{newOrder(20, 3, order.Notice, crimea, start.Add(2*day)), newOrder(21, 3, order.Lift, crimea, start.Add(3*day))}
		does(t, s, func(tx authority.Tx) error {
			if err := tx.InsertOrders(both); err != nil {
				return err
			}
			return tx.SettleReplaced(both)
		})
		same(t, "one replaces another of the same list", settledOnes(t, s, 3), ids(1, 2, 3, 20))
		salted := newOrder(23, 2, order.Lift, crimea, start)
		salted.Salt = newOrder(22, 2, order.Lift, cuba, start).Salt
		for _, list := range [][]*authority.Order{
			{newOrder(22, 2, order.Lift, cuba, start), salted},
			{newOrder(22, 2, order.Lift, cuba, start), newOrder(22, 2, order.Lift, cuba, start)},
		} {
			refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.InsertOrders(list) })
		}
		for _, bad := range []*authority.Order{func() *authority.Order {
			o := newOrder(6, 1, order.Lift, crimea, start)
			o.Salt = hash(92)
			return o
		}(), func() *authority.Order {
			o := newOrder(10, 1, order.Lift, crimea, start)
			o.Salt = fresh[0].Salt
			return o
		}()} {
			refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error {
				return tx.InsertOrders([]*authority.Order{newOrder(9, 1, order.Lift, crimea, start), bad})
			})
		}
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error {
			return tx.InsertOrders([]*authority.Order{newOrder(9, 1, order.Lift, crimea, start), newOrder(11, 9, order.Lift, cuba, start)})
		})
	},

	"sequence": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		inserted(t, s, newOrder(1, 1, order.Lift, cuba, start), newOrder(2, 2, order.Lift, cuba, start), newOrder(3, 2, order.Lift, crimea, start))
		does(t, s, func(tx authority.Tx) error { return tx.SequenceIfPending(deviceID(2), hash(2), 7) })
		hits(t, s, []bool{true, false, false, false, true}, func(tx authority.Tx) ([]bool, error) {
			return tx.SequenceAllIfPending([]authority.Place{{Device: deviceID(2), ID: hash(3), Index: 0}, {Device: deviceID(2), ID: hash(2), Index: 8},
				{Device: deviceID(1), ID: hash(9), Index: 9}, {Device: deviceID(2), ID: hash(1), Index: 6}, {Device: deviceID(1), ID: hash(1), Index: 5}})
		})
		for n, index := range map[int]uint64{1: 5, 2: 7, 3: 0} {
			of := deviceID(min(n, 2))
			o := got(t, s, func(tx authority.Tx) (*authority.Order, error) { return tx.Order(of, hash(n)) })
			same(t, "place", [2]any{o.Sequenced, o.Index}, [2]any{true, index})
		}
	},

	"unsettled": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 4)
		inserted(t, s, newOrder(1, 1, order.Lift, warrant, start), newOrder(2, 1, order.Lift, warrant, start.Add(day)), newOrder(3, 2, order.Lift, warrant, start),
			newOrder(4, 3, order.Lift, cuba, start), newOrder(5, 4, order.Lift, warrant, start))
		does(t, s, func(tx authority.Tx) error { return tx.Settle(deviceID(2), hash(3), "") })
		list := func(after, limit int) []order.ID {
			var id device.ID
			if after > 0 {
				id = deviceID(after)
			}
			return orderIDs(got(t, s, func(tx authority.Tx) ([]*authority.Order, error) { return tx.Unsettled(warrant, id, limit) }))
		}
		same(t, "the newest of each", list(0, 9), ids(2, 5))
		same(t, "limit", list(0, 1), ids(2))
		same(t, "next page", list(1, 9), ids(5))
	},

	"events": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		list := []authority.Event{
			{Device: deviceID(1), At: start, Kind: "lifted", Ground: cuba, Actor: "ada", Detail: "One."},
			{Device: deviceID(2), At: start, Kind: "lifted", Ground: warrant, Actor: "ada", Detail: "Two."},
			{Device: deviceID(1), At: start, Kind: "lifted", Ground: crimea, Actor: "ada", Detail: "Three."},
			{At: start, Kind: "case", Actor: "ada", Detail: "Of the fleet."},
		}
		does(t, s, func(tx authority.Tx) error {
			if err := tx.AddEvents(nil); err != nil {
				return err
			}
			return tx.AddEvents(list)
		})
		stored := got(t, s, func(tx authority.Tx) ([]authority.Event, error) { return tx.RecentEvents(9) })
		for i := range stored {
			stored[i].ID = 0
		}
		same(t, "newest first", stored, []authority.Event{list[3], list[2], list[1], list[0]})
		refuses(t, s, nil, func(tx authority.Tx) error {
			return tx.AddEvents([]authority.Event{list[0], {Device: deviceID(1), At: start, Actor: "ada"}})
		})
	},

	"wave pages": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 4)
		noticed(t, s, 4, cuba)
		noticed(t, s, 2, warrant)
		does(t, s, func(tx authority.Tx) error {
			id, err := tx.InsertWave(&authority.Wave{CreatedAt: start, PolicyHash: hash(1)})
			if err != nil {
				return err
			}
			for _, k := range []authority.RestrictionKey{{Device: deviceID(1), Ground: warrant}, {Device: deviceID(2), Ground: cuba}, {Device: deviceID(1), Ground: cuba}, {Device: deviceID(4), Ground: cuba}} {
				if err := tx.ProposeIfNoticed(id, k.Device, k.Ground); err != nil {
					return err
				}
			}
			return nil
		})
		var seen []authority.RestrictionKey
		for after := (authority.RestrictionKey{}); ; {
			page := got(t, s, func(tx authority.Tx) ([]*restriction.Restriction, error) { return tx.WaveItems(1, after, 3) })
			if len(page) == 0 {
				break
			}
			for _, r := range page {
				after = authority.RestrictionKey{Device: r.Device, Ground: r.Ground}
				seen = append(seen, after)
			}
		}
		same(t, "all, once", seen, []authority.RestrictionKey{{Device: deviceID(1), Ground: cuba}, {Device: deviceID(1), Ground: warrant}, {Device: deviceID(2), Ground: cuba}, {Device: deviceID(4), Ground: cuba}})
	},
}
