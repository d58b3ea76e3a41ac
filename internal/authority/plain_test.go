package authority_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/store/memory"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// suspicious is a store in which every device seems to have had a restriction, to whoever reads outside an update: no check-in is plain.
type suspicious struct{ authority.Store }

func (s suspicious) View(ctx context.Context, fn func(authority.Tx) error) error {
	return s.Store.View(ctx, func(tx authority.Tx) error { return fn(suspiciousTx{tx}) })
}

type suspiciousTx struct{ authority.Tx }

func (t suspiciousTx) Device(id device.ID) (*authority.Device, error) {
	d, err := t.Tx.Device(id)
	if err == nil {
		d.Stage = order.Lifted
	}
	return d, err
}

// uncounted is a store that does not count its writes.
type uncounted struct{ authority.Store }

func (s uncounted) View(ctx context.Context, fn func(authority.Tx) error) error {
	return s.Store.View(ctx, func(tx authority.Tx) error { return fn(uncountedTx{tx}) })
}

type uncountedTx struct{ authority.Tx }

func (t uncountedTx) Device(id device.ID) (*authority.Device, error) {
	d, err := t.Tx.Device(id)
	if err == nil {
		d.Revision = 0
	}
	return d, err
}

// What a check-in leaves behind, and what it is answered, does not depend on whether it was worked out before its transaction or in it.
func TestAPlainCheckInIsLikeAnyOther(t *testing.T) {
	now := time.Date(2021, 9, 20, 9, 0, 0, 0, time.UTC)
	key := benchKey(t)
	type twin struct {
		store   *memory.DB
		service *authority.Service
	}
	twins := make([]twin, 3)
	for i := range twins {
		db := memory.New()
		twins[i].store = db
		twins[i].service, _ = service(t, []authority.Store{db, suspicious{db}, uncounted{db}}[i], now)
	}
	_, document, err := twins[0].service.PolicyInForce(ctx)
	must(t, err)
	number := 0
	rapid.Check(t, func(rt *rapid.T) {
		number++
		body := fmt.Sprintf("35%012d", number)
		imei := device.IMEI(body + string(device.CheckDigit(body)))
		start := &authority.Device{ID: device.ID{1, byte(number >> 8), byte(number)}, IMEI: imei, Key: pkixOf(t, key), KeyCeiling: policy.Genuine, EnrolledAt: now.Add(-day)}
		for _, w := range twins {
			must(t, w.store.Update(ctx, func(tx authority.Tx) error {
				if err := tx.PutProduction([]authority.Production{{IMEI: imei, Model: "M", Market: "ES"}}); err != nil {
					return err
				}
				return tx.InsertDevice(start)
			}))
		}
		place := rapid.SampledFrom([]territory.Code{"ES", "ES", "CU", territory.Unknown})
		for sequence := range uint64(rapid.IntRange(1, 12).Draw(rt, "check-ins")) {
			today := territory.DayOf(now)
			c := &evidence.Claims{Device: start.ID, Sequence: sequence + 1, Epoch: twins[0].service.Epoch(ctx).Epoch, IssuedAt: now, Software: "1",
				Boot: evidence.BootVerified, PolicyHash: document.Hash}
			if rapid.IntRange(0, 4).Draw(rt, "boot") == 0 {
				c.Boot = evidence.BootUnlocked
			}
			c.ClockDoubt = rapid.IntRange(0, 4).Draw(rt, "doubt") == 0
			at := today - 20
			for range rapid.IntRange(0, 6).Draw(rt, "days") {
				at += territory.Day(rapid.IntRange(1, 4).Draw(rt, "gap"))
				c.Days = append(c.Days, dayIn(at, place.Draw(rt, "territory")))
			}
			if rapid.IntRange(0, 3).Draw(rt, "activated") == 0 {
				c.Activation = &territory.Activation{Territory: "CU", Day: today - 5}
			}
			token, err := evidence.Sign(c, key)
			must(t, err)
			var answers [][]byte
			var records []*authority.Device
			var events [][]authority.Event
			for _, w := range twins {
				a, err := w.service.CheckIn(ctx, token, home)
				must(t, err)
				a.Metadata, a.Policy, a.Encoded = nil, nil, nil // each was founded by other officers
				b, err := a.Marshal()
				must(t, err)
				answers = append(answers, b)
				must(t, w.store.View(ctx, func(tx authority.Tx) error {
					d, err := tx.Device(start.ID)
					if err != nil {
						return err
					}
					list, err := tx.Events(start.ID, 100)
					records, events = append(records, d), append(events, list)
					return err
				}))
			}
			for i := range twins[1:] {
				if d := cmp.Diff(records[0], records[i+1], cmpopts.IgnoreFields(authority.Device{}, "Revision")); d != "" || !bytes.Equal(answers[0], answers[i+1]) {
					rt.Fatalf("check-in %d, store %d: %s\n%x\n%x", sequence, i+1, d, answers[0], answers[i+1])
				}
				if d := cmp.Diff(events[0], events[i+1], cmpopts.IgnoreFields(authority.Event{}, "ID")); d != "" {
					rt.Fatalf("check-in %d, store %d: %s", sequence, i+1, d)
				}
			}
		}
	})
}

func dayIn(at territory.Day, c territory.Code) territory.DayRecord {
	if c == territory.Unknown {
		return territory.DayRecord{Day: at}
	}
	return territory.DayRecord{Day: at, Territory: c, Percent: 99, Agree: territory.Kinds(0).With(territory.GNSS)}
}

// What somebody else wrote between the reading of a record and its update is not lost.
func TestAPlainCheckInLosesNothing(t *testing.T) {
	now := time.Date(2021, 9, 20, 9, 0, 0, 0, time.UTC)
	key := benchKey(t)
	for name, counts := range map[string]bool{"counted": true, "uncounted": false} {
		db := memory.New()
		between := &interrupted{Store: db}
		var store authority.Store = between
		if !counts {
			store = uncounted{between}
		}
		s, _ := service(t, store, now)
		id := device.ID{7}
		must(t, db.Update(ctx, func(tx authority.Tx) error {
			return tx.InsertDevice(&authority.Device{ID: id, IMEI: "350000000000027", Key: pkixOf(t, key), KeyCeiling: policy.Genuine, Attestation: policy.Genuine,
				EnrolledAt: now.Add(-day), LastSeen: now.Add(-day)})
		}))
		between.fn = func() {
			must(t, db.Update(ctx, func(tx authority.Tx) error {
				d, err := tx.Device(id)
				if err != nil {
					return err
				}
				d.Unlocks, d.LicenceNames = 5, []string{"L-1"}
				return tx.PutDevice(d)
			}))
		}
		token, err := evidence.Sign(&evidence.Claims{Device: id, Sequence: 3, Epoch: s.Epoch(ctx).Epoch, IssuedAt: now, Software: "1", Boot: evidence.BootVerified}, key)
		must(t, err)
		a, err := s.CheckIn(ctx, token, home)
		must(t, err)
		must(t, db.View(ctx, func(tx authority.Tx) error {
			d, err := tx.Device(id)
			if err == nil && (d.Unlocks != 5 || len(d.LicenceNames) != 1 || d.Sequence != 3 || a.Unlocks != 5) {
				t.Errorf("%s: %+v, answered with %d unlocks", name, d, a.Unlocks)
			}
			return err
		}))
		if between.fn != nil {
			t.Errorf("%s: nothing came between", name)
		}
	}
}

// What was erased between the reading of a record and its update does not come back with it.
func TestAPlainCheckInBringsNothingErasedBack(t *testing.T) {
	now := time.Date(2021, 9, 20, 9, 0, 0, 0, time.UTC)
	today := territory.DayOf(now)
	key := benchKey(t)
	for name, counts := range map[string]bool{"counted": true, "uncounted": false} {
		db := memory.New()
		between := &interrupted{Store: db}
		var store authority.Store = between
		if !counts {
			store = uncounted{between}
		}
		s, _ := service(t, store, now)
		id := device.ID{7}
		must(t, db.Update(ctx, func(tx authority.Tx) error {
			return tx.InsertDevice(&authority.Device{ID: id, IMEI: "350000000000027", Key: pkixOf(t, key), KeyCeiling: policy.Genuine, Attestation: policy.Genuine,
				EnrolledAt: now.Add(-9 * day), LastSeen: now.Add(-day), Days: []territory.DayRecord{dayIn(today-5, "FR"), dayIn(today-4, "DE")}})
		}))
		between.fn = func() {
			_, err := s.EraseDevice(ctx, &authority.Officer{Name: "ada", Role: "admin"}, id, "the owner asked for it")
			must(t, err)
		}
		token, err := evidence.Sign(&evidence.Claims{Device: id, Sequence: 3, Epoch: s.Epoch(ctx).Epoch, IssuedAt: now, Software: "1", Boot: evidence.BootVerified,
			Days: []territory.DayRecord{dayIn(today-1, "DE")}}, key)
		must(t, err)
		_, err = s.CheckIn(ctx, token, home)
		must(t, err)
		must(t, db.View(ctx, func(tx authority.Tx) error {
			d, err := tx.Device(id)
			if err == nil && (len(d.Days) != 1 || d.Days[0].Day != today-1 || d.Sequence != 3) {
				t.Errorf("%s: %+v", name, d)
			}
			return err
		}))
		if between.fn != nil {
			t.Errorf("%s: nothing came between", name)
		}
	}
}

// interrupted lets something happen after the next reading, once.
type interrupted struct {
	authority.Store
	fn func()
}

func (s *interrupted) View(ctx context.Context, fn func(authority.Tx) error) error {
	err := s.Store.View(ctx, fn)
	if then := s.fn; then != nil {
		s.fn = nil
		then()
	}
	return err
}
