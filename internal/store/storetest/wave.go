package storetest

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

func openWave(t *testing.T, s authority.Store) (id int64) {
	t.Helper()
	does(t, s, func(tx authority.Tx) (err error) {
		id, err = tx.InsertWave(&authority.Wave{CreatedAt: start, PolicyHash: hash(1), State: authority.WaveOpen})
		return err
	})
	return id
}

func propose(wave int64, n int, g order.Ground) txFunc {
	return func(tx authority.Tx) error { return tx.ProposeIfNoticed(wave, deviceID(n), g) }
}

func withdraw(n int, g order.Ground) txFunc {
	return func(tx authority.Tx) error { return tx.WithdrawProposal(deviceID(n), g) }
}

func waveOf(t *testing.T, s authority.Store, id int64) *authority.Wave {
	t.Helper()
	return got(t, s, func(tx authority.Tx) (*authority.Wave, error) { return tx.Wave(id) })
}

func itemsOf(t *testing.T, s authority.Store, id int64, limit int) []device.ID {
	t.Helper()
	var list []device.ID
	for _, r := range got(t, s, func(tx authority.Tx) ([]*restriction.Restriction, error) {
		return tx.WaveItems(id, authority.RestrictionKey{}, limit)
	}) {
		if r.Wave != id {
			t.Fatalf("%v is in wave %d, listed in %d", r.Device, r.Wave, id)
		}
		list = append(list, r.Device)
	}
	return list
}

var waveTests = map[string]func(*testing.T, authority.Store){
	"one at a time": func(t *testing.T, s authority.Store) {
		missing(t, s, func(tx authority.Tx) (*authority.Wave, error) { return tx.OpenWave() })
		missing(t, s, func(tx authority.Tx) (*authority.Wave, error) { return tx.Wave(1) })
		first := openWave(t, s)
		want := &authority.Wave{ID: first, CreatedAt: start, PolicyHash: hash(1), State: authority.WaveOpen}
		same(t, "open", got(t, s, func(tx authority.Tx) (*authority.Wave, error) { return tx.OpenWave() }), want)
		same(t, "by id", waveOf(t, s, first), want)
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error {
			_, err := tx.InsertWave(&authority.Wave{State: authority.WaveOpen})
			return err
		})

		decide := func(id int64, state authority.WaveState) txFunc {
			return func(tx authority.Tx) error { return tx.DecideIfOpen(id, state, "kim", start.Add(day), "as seen") }
		}
		refuses(t, s, authority.ErrAbsent, decide(first+1, authority.WaveApproved))
		refuses(t, s, nil, decide(first, authority.WaveOpen))
		does(t, s, decide(first, authority.WaveApproved))
		want.State, want.DecidedBy, want.DecidedAt, want.Note = authority.WaveApproved, "kim", start.Add(day), "as seen"
		same(t, "decided", waveOf(t, s, first), want)
		refuses(t, s, authority.ErrConflict, decide(first, authority.WaveRejected))
		missing(t, s, func(tx authority.Tx) (*authority.Wave, error) { return tx.OpenWave() })

		second := openWave(t, s)
		waves := got(t, s, func(tx authority.Tx) ([]*authority.Wave, error) { return tx.Waves(9) })
		if len(waves) != 2 || waves[0].ID != second || waves[1].ID != first {
			t.Fatalf("newest first: %+v", waves)
		}
		same(t, "limit", len(got(t, s, func(tx authority.Tx) ([]*authority.Wave, error) { return tx.Waves(1) })), 1)
	},

	"propose": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 4)
		noticed(t, s, 3, cuba)
		does(t, s, lock(3, cuba))
		wave := openWave(t, s)
		refuses(t, s, authority.ErrAbsent, propose(wave+1, 1, cuba))
		refuses(t, s, authority.ErrAbsent, propose(wave, 4, cuba))
		refuses(t, s, authority.ErrConflict, propose(wave, 3, cuba)) // locked already
		does(t, s, propose(wave, 2, cuba))
		does(t, s, propose(wave, 1, cuba))
		refuses(t, s, authority.ErrConflict, propose(wave, 1, cuba))
		same(t, "items", itemsOf(t, s, wave, 9), []device.ID{deviceID(1), deviceID(2)})
		same(t, "limit", itemsOf(t, s, wave, 1), []device.ID{deviceID(1)})
		same(t, "size", waveOf(t, s, wave).Size, 2)

		refuses(t, s, authority.ErrConflict, withdraw(3, cuba))
		refuses(t, s, authority.ErrAbsent, withdraw(4, cuba))
		does(t, s, withdraw(1, cuba))
		refuses(t, s, authority.ErrConflict, withdraw(1, cuba))
		same(t, "size", waveOf(t, s, wave).Size, 1)
		same(t, "items", itemsOf(t, s, wave, 9), []device.ID{deviceID(2)})
		does(t, s, lift(2, cuba, order.ByRule)) // a lift comes between
		does(t, s, withdraw(2, cuba))
		same(t, "size", waveOf(t, s, wave).Size, 0)
	},

	"decide": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		noticed(t, s, 2, cuba)
		for _, state := range []authority.WaveState{authority.WaveRejected, authority.WaveApproved} {
			wave := openWave(t, s)
			does(t, s, propose(wave, 1, cuba))
			does(t, s, propose(wave, 2, cuba))
			does(t, s, func(tx authority.Tx) error { return tx.DecideIfOpen(wave, state, "kim", start, "") })
			same(t, "size is what was decided about", waveOf(t, s, wave).Size, 2)
			refuses(t, s, authority.ErrConflict, withdraw(1, cuba))
			refuses(t, s, authority.ErrConflict, propose(wave, 1, cuba))
			if left := len(itemsOf(t, s, wave, 9)); state == authority.WaveRejected && left != 0 || state == authority.WaveApproved && left != 2 {
				t.Fatalf("%d left in a wave that is %s", left, state)
			}
		}
		does(t, s, lock(1, cuba))
		if r := stored(t, s, 1, cuba); r.Wave == 0 {
			t.Fatal("a lock does not remember its wave")
		}
	},
}
