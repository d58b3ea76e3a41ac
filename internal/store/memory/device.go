package memory

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

func (t *tx) PutProduction(rows []authority.Production) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	for _, p := range rows {
		put(t, t.production, p.IMEI, p)
	}
	return nil
}

func (t *tx) Production(imei device.IMEI) (authority.Production, error) {
	p, ok := t.production[imei]
	if !ok {
		return p, authority.ErrAbsent
	}
	return p, nil
}

func (t *tx) Productions(consignment string, after device.IMEI, limit int) (list []authority.Production, err error) {
	if err := within(limit); err != nil || consignment == "" {
		return nil, err
	}
	for _, p := range t.production {
		if p.Consignment == consignment && p.IMEI > after {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b authority.Production) int { return strings.Compare(string(a.IMEI), string(b.IMEI)) })
	return list[:min(limit, len(list))], nil
}

func (t *tx) CountProductions(consignment string, most int) (n int, err error) {
	for _, p := range t.production {
		if consignment != "" && p.Consignment == consignment && (most <= 0 || n < most) {
			n++
		}
	}
	return n, nil
}

// copyOf returns a device that shares nothing that anybody changes.
func copyOf(d *authority.Device) *authority.Device {
	c := *d
	c.Key, c.Days = bytes.Clone(d.Key), slices.Clone(d.Days)
	c.Reasons, c.LicenceNames = slices.Clone(d.Reasons), slices.Clone(d.LicenceNames)
	if d.Activation != nil {
		a := *d.Activation
		c.Activation = &a
	}
	return &c
}

// read returns a copy with what production records say.
func (t *tx) read(d *authority.Device) *authority.Device {
	c := copyOf(d)
	c.Made, c.Stage = nil, t.stageOf(d.ID)
	if p, ok := t.production[d.IMEI]; ok {
		lot := p.Lot()
		c.Made = &lot
	}
	return c
}

func checkDevice(d *authority.Device) error {
	if len(d.Days) > evidence.MaxDays {
		return broken("a device has at most %d days, not %d", evidence.MaxDays, len(d.Days))
	}
	for i, r := range d.Days {
		switch {
		case i > 0 && r.Day <= d.Days[i-1].Day:
			return broken("%v does not come after %v", r.Day, d.Days[i-1].Day)
		case r.Percent > 99, !r.Agree.Valid(), !r.Against.Valid(), r.Territory != territory.Unknown && !r.Territory.WellFormed():
			return broken("the record of %v is out of range", r.Day)
		}
	}
	return nil
}

func (t *tx) InsertDevice(d *authority.Device) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if err := checkDevice(d); err != nil {
		return err
	}
	half := [8]byte(d.ID[:8])
	if t.halves[half] {
		return authority.ErrConflict
	}
	if _, taken := t.byIMEI[d.IMEI]; taken {
		return authority.ErrConflict
	}
	c := copyOf(d)
	c.Revision = 1
	put(t, t.devices, d.ID, c)
	put(t, t.byIMEI, d.IMEI, d.ID)
	put(t, t.halves, half, true)
	return nil
}

func (t *tx) UpdateDeviceIfNewer(d *authority.Device, was uint64) error {
	stored, ok := t.devices[d.ID]
	if ok && (stored.Sequence != was || d.Revision != 0 && stored.Revision != d.Revision) {
		return authority.ErrConflict
	}
	return t.PutDevice(d)
}

func (t *tx) PutDevice(d *authority.Device) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	stored, ok := t.devices[d.ID]
	if !ok {
		return authority.ErrAbsent
	}
	if err := checkDevice(d); err != nil {
		return err
	}
	if stored.IMEI != d.IMEI {
		if _, taken := t.byIMEI[d.IMEI]; taken {
			return authority.ErrConflict
		}
		drop(t, t.byIMEI, stored.IMEI)
		put(t, t.byIMEI, d.IMEI, d.ID)
	}
	c := copyOf(d)
	c.Revision = stored.Revision + 1
	put(t, t.devices, d.ID, c)
	return nil
}

func (t *tx) Device(id device.ID) (*authority.Device, error) {
	d, ok := t.devices[id]
	if !ok {
		return nil, authority.ErrAbsent
	}
	return t.read(d), nil
}

func (t *tx) DeviceByIMEI(imei device.IMEI) (*authority.Device, error) {
	id, ok := t.byIMEI[imei]
	if !ok {
		return nil, authority.ErrAbsent
	}
	return t.Device(id)
}

// idsAfter lists the devices behind the given one, in the order of ids.
func (t *tx) idsAfter(after device.ID) []device.ID {
	ids := slices.SortedFunc(maps.Keys(t.devices), compareIDs)
	i, found := slices.BinarySearchFunc(ids, after, compareIDs)
	if found {
		i++
	}
	return ids[i:]
}

func compareIDs(a, b device.ID) int { return bytes.Compare(a[:], b[:]) }

func (t *tx) Devices(q authority.DeviceQuery) (list []*authority.Device, next device.ID, err error) {
	if q.Limit < 1 || q.Limit > 1000 {
		return nil, next, broken("a list of devices has a limit of 1 to 1,000, not %d", q.Limit)
	}
	left := authority.MaxRead
	if q.Read > 0 {
		left = min(q.Read, left)
	}
	after := q.After
	for _, id := range t.idsAfter(q.After) {
		if len(list) == q.Limit || left == 0 {
			return list, after, nil
		}
		after, left = id, left-1
		if d := t.devices[id]; t.selects(q, d) {
			list = append(list, t.read(d))
		}
	}
	return list, next, nil
}

func (t *tx) DevicesByIMEIs(imeis []device.IMEI) ([]*authority.Device, error) {
	list := make([]*authority.Device, len(imeis))
	for i, imei := range imeis {
		if id, ok := t.byIMEI[imei]; ok {
			list[i] = t.read(t.devices[id])
		}
	}
	return list, nil
}

func (t *tx) selects(q authority.DeviceQuery, d *authority.Device) bool {
	return (q.Territory == territory.Unknown || placeOf(d) == q.Territory) &&
		(q.Stage == nil || t.stageOf(d.ID) == *q.Stage) && (q.Model == "" || d.Model == q.Model) &&
		(q.Consignment == "" || t.production[d.IMEI].Consignment == q.Consignment)
}

// placeOf is the territory under which a device is counted.
func placeOf(d *authority.Device) territory.Code {
	if d.Activation != nil {
		return d.Activation.Territory
	}
	return d.Present()
}

// stageOf is the strictest stage that is not lifted; Observed without any restriction, Lifted when all are.
func (t *tx) stageOf(id device.ID) order.Stage {
	stage := order.Observed
	for _, r := range t.restrictions[id] {
		if r.Active() {
			stage = max(stage, r.Stage)
		}
	}
	if stage == order.Observed && len(t.restrictions[id]) > 0 {
		return order.Lifted
	}
	return stage
}

func (t *tx) EachDevice(after device.ID, fn func(*authority.Device) error) error {
	for _, id := range t.idsAfter(after) {
		d, ok := t.devices[id]
		if !ok {
			continue
		}
		if err := fn(t.read(d)); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) ScanDevices(from, to device.ID, fn func(*authority.Device) error) error {
	ids := slices.SortedFunc(maps.Keys(t.devices), compareIDs)
	first, _ := slices.BinarySearchFunc(ids, from, compareIDs)
	for _, id := range ids[first:] {
		if !to.IsZero() && compareIDs(id, to) >= 0 {
			return nil
		}
		if err := fn(t.read(t.devices[id])); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) CountDevices() (int, error) { return len(t.devices), nil }

func (t *tx) AddEvent(e authority.Event) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if e.Kind == "" {
		return broken("an event has a kind")
	}
	t.numbered++
	e.ID = t.numbered
	grow(t, &t.events, e)
	put(t, t.eventsOf, e.Device, append(t.eventsOf[e.Device], e))
	return nil
}

func (t *tx) Events(id device.ID, limit int) ([]authority.Event, error) {
	return newest(t.eventsOf[id], limit)
}

func (t *tx) CaseEvents(caseID string, limit int) ([]authority.Event, error) {
	var list []authority.Event
	for _, e := range t.events {
		if caseID != "" && e.Case == caseID {
			list = append(list, e)
		}
	}
	return newest(list, limit)
}

func (t *tx) RecentEvents(limit int) ([]authority.Event, error) { return newest(t.events, limit) }

func newest[T any](all []T, limit int) ([]T, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	list := slices.Clone(all[max(0, len(all)-limit):])
	slices.Reverse(list)
	return list, nil
}
