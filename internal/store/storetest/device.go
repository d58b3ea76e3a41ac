package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

var deviceTests = map[string]func(*testing.T, authority.Store){
	"production": func(t *testing.T, s authority.Store) {
		rows := []authority.Production{
			{IMEI: imei(1), Serial: "S1", Model: "M1", Market: "DE", Consignment: "c-1", Consignee: "Nord GmbH", ShippedOn: 20000},
			{IMEI: imei(2), Model: "M1", Market: "UA-43", Consignment: "c-1"},
			{IMEI: imei(3), Model: "M2", Consignment: "c-2"},
			{IMEI: imei(4), Model: "M2"},
		}
		does(t, s, func(tx authority.Tx) error { return tx.PutProduction(rows) })
		same(t, "record", got(t, s, func(tx authority.Tx) (authority.Production, error) { return tx.Production(imei(1)) }), rows[0])
		missing(t, s, func(tx authority.Tx) (authority.Production, error) { return tx.Production(imei(9)) })

		enrolled(t, s, 1)
		made := func() *authority.Lot {
			lot := got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.Device(deviceID(1)) }).Made
			for n, d := range listed(t, s, authority.DeviceQuery{Limit: 9}) {
				if n == 0 {
					same(t, "in a list", d.Made, lot)
				}
			}
			same(t, "by IMEI", got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.DeviceByIMEI(imei(1)) }).Made, lot)
			return lot
		}
		same(t, "of a device", made(), &authority.Lot{Model: "M1", Market: "DE", Consignment: "c-1", Consignee: "Nord GmbH", ShippedOn: 20000})
		does(t, s, func(tx authority.Tx) error {
			d, err := tx.Device(deviceID(1))
			if err != nil {
				return err
			}
			d.Made = &authority.Lot{Model: "nobody stores this"}
			return tx.PutDevice(d)
		})

		rows[0] = authority.Production{IMEI: imei(1), Model: "M3", Consignment: "c-1"}
		does(t, s, func(tx authority.Tx) error { return tx.PutProduction(rows[:1]) })
		list := func(consignment string, after device.IMEI, limit int) []authority.Production {
			return got(t, s, func(tx authority.Tx) ([]authority.Production, error) {
				return tx.Productions(consignment, after, limit)
			})
		}
		same(t, "of a device, replaced", made(), &authority.Lot{Model: "M3", Consignment: "c-1"})
		same(t, "replaced, in the order of IMEIs", list("c-1", "", 10), rows[:2])
		same(t, "limit", list("c-1", "", 1), rows[:1])
		same(t, "next page", list("c-1", imei(1), 1), rows[1:2])
		same(t, "beyond the end", list("c-1", imei(2), 1), []authority.Production{})
		same(t, "devices without a consignment are none", list("", "", 10), []authority.Production{})
	},

	"production of a few among many devices": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 9)
		rows := []authority.Production{{IMEI: imei(1), Consignment: "c-1"}, {IMEI: imei(8), Consignment: "c-1"}}
		does(t, s, func(tx authority.Tx) error { return tx.PutProduction(rows) })
		for n := 1; n <= 9; n++ {
			d := got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.Device(deviceID(n)) })
			if made := d.Made != nil && d.Made.Consignment == "c-1"; made != (n == 1 || n == 8) {
				t.Errorf("device %d: made %+v", n, d.Made)
			}
		}
		does(t, s, func(tx authority.Tx) error { return tx.PutProduction(nil) })
	},

	"insert": func(t *testing.T, s authority.Store) {
		missing(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.Device(deviceID(1)) })
		missing(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.DeviceByIMEI(imei(1)) })
		for n, d := range []*authority.Device{newDevice(1), fullDevice(2)} {
			does(t, s, func(tx authority.Tx) error { return tx.InsertDevice(d) })
			same(t, "by id", got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.Device(d.ID) }), d)
			same(t, "by IMEI", got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.DeviceByIMEI(d.IMEI) }), d)
			same(t, "count", got(t, s, func(tx authority.Tx) (int, error) { return tx.CountDevices() }), n+1)
		}
		sameID, sameIMEI, halfID := newDevice(3), newDevice(4), newDevice(5)
		sameID.ID, sameIMEI.IMEI, halfID.ID = deviceID(1), imei(1), deviceID(1)
		halfID.ID[15]++
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.InsertDevice(halfID) })
		missing(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.Device(halfID.ID) })
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.PutDevice(halfID) })
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.InsertDevice(sameID) })
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.InsertDevice(sameIMEI) })
	},

	"update if newer": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		d := fullDevice(1)
		d.Sequence = 1
		does(t, s, func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(d, 0) })
		same(t, "stored", got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.Device(d.ID) }), d)
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(d, 0) })
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(d, 2) })
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(newDevice(3), 0) })

		// Only what the check-in carried changes, and then everything does.
		d.Sequence, d.LastSeen, d.Days, d.Activation, d.Model = 2, start.Add(5*day), d.Days[:1], nil, "M9"
		does(t, s, func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(d, 1) })
		same(t, "stored", got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.Device(d.ID) }), d)
		same(t, "the other one", got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.Device(deviceID(2)) }), newDevice(2))
		d.IMEI = imei(2)
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(d, 2) })
	},

	// A check-in may be worked out from what an earlier transaction read.
	"update of an earlier revision": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		read := func() *authority.Device {
			return got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.Device(deviceID(1)) })
		}
		first := read()
		does(t, s, func(tx authority.Tx) error {
			d := *first
			d.Unlocks, d.Revision = 3, 0
			return tx.PutDevice(&d)
		})
		second := read()
		if first.Revision == 0 { // this store does not count
			same(t, "revision", second.Revision, uint64(0))
			return
		}
		if second.Revision <= first.Revision {
			t.Fatalf("revision %d after %d", second.Revision, first.Revision)
		}
		update := func(d *authority.Device) func(authority.Tx) error {
			return func(tx authority.Tx) error { return tx.UpdateDeviceIfNewer(d, 0) }
		}
		refuses(t, s, authority.ErrConflict, update(first))
		same(t, "nothing was written", read().Unlocks, uint64(3))
		does(t, s, update(second))
		refuses(t, s, authority.ErrConflict, update(second))
		does(t, s, func(tx authority.Tx) error { // what one transaction reads and writes
			d, err := tx.Device(deviceID(1))
			if err != nil {
				return err
			}
			d.Sequence = 7
			return tx.UpdateDeviceIfNewer(d, 0)
		})
	},

	"put": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		d := fullDevice(1)
		for _, sequence := range []uint64{9, 0, 1 << 62} {
			d.Sequence = sequence
			does(t, s, func(tx authority.Tx) error { return tx.PutDevice(d) })
			same(t, "stored", got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.Device(d.ID) }), d)
		}
		d.IMEI, d.Key = imei(5), []byte("another key")
		does(t, s, func(tx authority.Tx) error { return tx.PutDevice(d) })
		same(t, "stored", got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.DeviceByIMEI(imei(5)) }), d)
		missing(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.DeviceByIMEI(imei(1)) })
		refuses(t, s, authority.ErrAbsent, func(tx authority.Tx) error { return tx.PutDevice(newDevice(3)) })
	},

	"days out of order": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 1)
		for _, days := range [][]territory.DayRecord{
			{{Day: 2}, {Day: 1}}, {{Day: 2}, {Day: 2}}, {{Day: 1, Percent: 100}}, {{Day: 1, Territory: "cuba"}}, make([]territory.DayRecord, 91),
		} {
			d := newDevice(1)
			d.Days = days
			refuses(t, s, nil, func(tx authority.Tx) error { return tx.PutDevice(d) })
		}
	},

	"list": testDeviceList,
	"each": testEachDevice,
	"scan": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 300)
		for _, tc := range []struct {
			from, to    device.ID
			first, last int
		}{
			{device.ID{}, device.ID{}, 1, 300}, {deviceID(7), deviceID(280), 7, 279}, {deviceID(300), device.ID{}, 300, 300}, {deviceID(3), deviceID(3), 3, 2},
			{deviceID(301), device.ID{}, 301, 300}, {device.ID{0xff}, device.ID{0xff, 0xff}, 1, 0},
		} {
			next := tc.first
			looks(t, s, func(tx authority.Tx) error {
				return tx.ScanDevices(tc.from, tc.to, func(d *authority.Device) error {
					same(t, "scanned", d, newDevice(next))
					next++
					return nil
				})
			})
			same(t, "behind the last", next, tc.last+1)
		}
		enough := errors.New("enough")
		err := s.View(context.Background(), func(tx authority.Tx) error {
			return tx.ScanDevices(device.ID{}, device.ID{}, func(*authority.Device) error { return enough })
		})
		if !errors.Is(err, enough) {
			t.Fatalf("stopped with %v", err)
		}
	},

	"events": func(t *testing.T, s authority.Store) {
		enrolled(t, s, 2)
		events := []authority.Event{
			{Device: deviceID(1), At: start, Kind: "enrolled", Actor: "device", Detail: "Enrolled."},
			{At: start.Add(1), Kind: "policy", Actor: "kim", Detail: "A policy was published."},
			{Device: deviceID(2), At: start, Kind: "noticed", Ground: cuba, Actor: "rule", Detail: "Told."},
			{Device: deviceID(1), At: start.Add(-day), Kind: "locked", Ground: warrant, Actor: "kim", Detail: "Locked."},
		}
		events[1].At = start.Add(day)
		does(t, s, func(tx authority.Tx) error {
			for _, e := range events {
				if err := tx.AddEvent(e); err != nil {
					return err
				}
			}
			return nil
		})
		list := func(look func(authority.Tx) ([]authority.Event, error)) []authority.Event {
			found := got(t, s, look)
			for i := range found {
				if found[i].ID == 0 {
					t.Fatal("an event has no id")
				}
				found[i].ID = 0
			}
			return found
		}
		of := func(id device.ID, limit int) []authority.Event {
			return list(func(tx authority.Tx) ([]authority.Event, error) { return tx.Events(id, limit) })
		}
		same(t, "newest first", of(deviceID(1), 9), []authority.Event{events[3], events[0]})
		same(t, "limit", of(deviceID(1), 1), []authority.Event{events[3]})
		same(t, "of the fleet", of(device.ID{}, 9), []authority.Event{events[1]})
		same(t, "recent", list(func(tx authority.Tx) ([]authority.Event, error) { return tx.RecentEvents(3) }),
			[]authority.Event{events[3], events[2], events[1]})
	},
}

func testDeviceList(t *testing.T, s authority.Store) {
	here := territory.DayOf(start)
	devices := []*authority.Device{newDevice(1), newDevice(2), newDevice(3), newDevice(4), newDevice(5)}
	devices[0].Activation = &territory.Activation{Territory: "CU", Day: here}
	devices[0].Days = []territory.DayRecord{{Day: here, Territory: "MX", Percent: 99}} // travelling; activation counts
	devices[1].Days = []territory.DayRecord{{Day: here - 1, Territory: "CU", Percent: 80}, {Day: here}}
	devices[2].Model = "M2"
	devices[3].Days = []territory.DayRecord{{Day: here, Territory: "UA-43", Percent: 80}}
	devices[4].Days = []territory.DayRecord{{Day: here, Territory: "UA", Percent: 80}}
	does(t, s, func(tx authority.Tx) error {
		for _, d := range devices {
			if err := tx.InsertDevice(d); err != nil {
				return err
			}
		}
		return tx.PutProduction([]authority.Production{{IMEI: imei(1), Consignment: "c-1"}, {IMEI: imei(3), Consignment: "c-1"}, {IMEI: imei(9), Consignment: "c-1"}})
	})
	noticed(t, s, 4, cuba)
	does(t, s, lock(2, cuba))
	does(t, s, func(tx authority.Tx) error { return tx.NoticeIfFree(notice(2, crimea)) })
	does(t, s, lift(3, cuba, order.ByRule))
	does(t, s, func(tx authority.Tx) error { return tx.NoticeIfFree(notice(4, crimea)) })
	does(t, s, lift(4, cuba, order.ByRule))

	stage := func(st order.Stage) *order.Stage { return &st }
	for _, tc := range []struct {
		name string
		q    authority.DeviceQuery
		want []int
	}{
		{"all", authority.DeviceQuery{}, []int{1, 2, 3, 4, 5}},
		{"limit", authority.DeviceQuery{Limit: 2}, []int{1, 2}},
		{"after", authority.DeviceQuery{After: deviceID(2), Limit: 2}, []int{3, 4}},
		{"territory of activation, or the last decided day's", authority.DeviceQuery{Territory: "CU"}, []int{1, 2}},
		{"travelling does not count", authority.DeviceQuery{Territory: "MX"}, nil},
		{"a country is not its subdivision", authority.DeviceQuery{Territory: "UA"}, []int{5}},
		{"model", authority.DeviceQuery{Model: "M2"}, []int{3}},
		{"consignment", authority.DeviceQuery{Consignment: "c-1"}, []int{1, 3}},
		{"noticed", authority.DeviceQuery{Stage: stage(order.Noticed)}, []int{1, 4}},
		{"locked is the strictest", authority.DeviceQuery{Stage: stage(order.Locked)}, []int{2}},
		{"lifted", authority.DeviceQuery{Stage: stage(order.Lifted)}, []int{3}},
		{"never restricted", authority.DeviceQuery{Stage: stage(order.Observed)}, []int{5}},
		{"all at once", authority.DeviceQuery{Territory: "CU", Stage: stage(order.Noticed), Consignment: "c-1", Model: "M1", After: deviceID(0)}, []int{1}},
	} {
		if tc.q.Limit == 0 {
			tc.q.Limit = 1000
		}
		var found []device.ID
		for _, d := range listed(t, s, tc.q) {
			found = append(found, d.ID)
		}
		var want []device.ID
		for _, n := range tc.want {
			want = append(want, deviceID(n))
		}
		same(t, tc.name, found, want)
	}
	for n, want := range []order.Stage{order.Noticed, order.Locked, order.Lifted, order.Noticed, order.Observed} {
		d := got(t, s, func(tx authority.Tx) (*authority.Device, error) { return tx.Device(deviceID(n + 1)) })
		same(t, "stage of a device", d.Stage, want)
	}
	for _, limit := range []int{0, -1, 1001} {
		if err := s.View(context.Background(), func(tx authority.Tx) error {
			_, _, err := tx.Devices(authority.DeviceQuery{Limit: limit})
			return err
		}); err == nil {
			t.Errorf("a limit of %d was accepted", limit)
		}
	}
}

// testEachDevice goes through more devices than any page of a store is likely to hold, and changes them on the way.
func testEachDevice(t *testing.T, s authority.Store) {
	const n = 600
	enrolled(t, s, n)
	seen := 0
	does(t, s, func(tx authority.Tx) error {
		return tx.EachDevice(device.ID{}, func(d *authority.Device) error {
			if seen++; d.ID != deviceID(seen) {
				return errors.New("out of order")
			}
			d.Model = "M7"
			return tx.PutDevice(d)
		})
	})
	same(t, "seen", seen, n)
	same(t, "changed", len(listed(t, s, authority.DeviceQuery{Model: "M7", Limit: 1000})), n)

	enough := errors.New("enough")
	seen = 0
	err := s.View(context.Background(), func(tx authority.Tx) error {
		return tx.EachDevice(deviceID(590), func(*authority.Device) error {
			if seen++; seen == 3 {
				return enough
			}
			return nil
		})
	})
	if !errors.Is(err, enough) || seen != 3 {
		t.Fatalf("stopped after %d with %v", seen, err)
	}
}
