package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/store/days"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// deviceColumns are read by their numbers: see held.
const deviceColumns = "number, rest, imei, place, stage, lot, revision, record"

// held is a device's row beside its record.
type held struct {
	number, imei, stage, lot, revision int64
	place                              territory.Code
}

// device reads the row at which a statement stands into d, which may be one that was read before (package record).
func (t *tx) device(st *sqlite.Stmt, d *authority.Device) (h held, err error) {
	h = held{number: st.ColumnInt64(0), imei: st.ColumnInt64(2), stage: st.ColumnInt64(4), lot: st.ColumnInt64(5), revision: st.ColumnInt64(6)}
	buffer := t.s.buffer
	if d.ID, err = record.ID(h.number, buffer[:st.ColumnBytes(1, buffer)]); err != nil {
		return h, err
	}
	h.place = days.Code(buffer[:st.ColumnBytes(3, buffer)])
	numbers, err := record.Unpack(buffer[:st.ColumnBytes(7, buffer)], d)
	if err != nil {
		return h, fmt.Errorf("sqlite: device %v: %w", d.ID, err)
	}
	if d.IMEI, err = record.IMEI(h.imei); err != nil {
		return h, err
	}
	if d.Model, err = t.model(numbers.Model); err != nil {
		return h, err
	}
	finding, err := t.finding(numbers.Finding)
	if err != nil {
		return h, err
	}
	finding.Put(d)
	d.Stage, d.Revision = order.Stage(h.stage), uint64(h.revision)
	d.Made, err = t.lot(h.lot)
	return h, err
}

func (t *tx) deviceBy(query string, args ...any) (d *authority.Device, h held, err error) {
	d = new(authority.Device)
	found, err := t.one(func(st *sqlite.Stmt) (err error) {
		h, err = t.device(st, d)
		return err
	}, query, args...)
	if err == nil && !found {
		err = authority.ErrAbsent
	}
	if err != nil {
		return nil, h, err
	}
	return d, h, nil
}

const deviceByID = "SELECT " + deviceColumns + " FROM device WHERE number = ? AND rest = ?"

func (t *tx) Device(id device.ID) (*authority.Device, error) {
	d, _, err := t.deviceBy(deviceByID, record.Number(id), record.Rest(id))
	return d, err
}

func (t *tx) DeviceByIMEI(imei device.IMEI) (*authority.Device, error) {
	number, err := record.IMEINumber(imei)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", authority.ErrAbsent, err)
	}
	d, _, err := t.deviceBy("SELECT "+deviceColumns+" FROM device WHERE imei = ?", number)
	return d, err
}

// lotOf is the lot of an IMEI's production record, 0 without one.
const lotOf = "coalesce((SELECT lot FROM production WHERE imei = ?1), 0)"

func (t *tx) InsertDevice(d *authority.Device) error {
	imei, err := record.IMEINumber(d.IMEI)
	if err != nil {
		return err
	}
	packed, err := t.packed(d)
	if err != nil {
		return err
	}
	place := string(record.Place(d))
	_, err = t.Exec("INSERT INTO device (imei, number, rest, place, lot, record) VALUES (?1, ?2, ?3, ?4, "+lotOf+", ?5)",
		imei, record.Number(d.ID), record.Rest(d.ID), place, packed)
	if err != nil {
		return err
	}
	n, err := t.Exec("UPDATE population SET devices = devices + 1 WHERE place = ? AND stage = 0", place)
	if err == nil && n == 0 {
		_, err = t.Exec("INSERT INTO population (place, stage, devices) VALUES (?, 0, 1)", place)
	}
	return err
}

// packed is a device's record, until the next one.
func (t *tx) packed(d *authority.Device) ([]byte, error) {
	numbers, err := t.numbers(d)
	if err != nil {
		return nil, err
	}
	packed, err := record.Append(t.scratch[:0], d, numbers)
	if err == nil {
		t.scratch = packed
	}
	return packed, err
}

func (t *tx) UpdateDeviceIfNewer(d *authority.Device, was uint64) error {
	return t.replace(d, func(sequence, revision uint64) error {
		if sequence != was || d.Revision != 0 && revision != d.Revision {
			return authority.ErrConflict
		}
		return nil
	})
}

func (t *tx) PutDevice(d *authority.Device) error {
	return t.replace(d, func(uint64, uint64) error { return nil })
}

const (
	// SQLite rewrites an index whenever one of its columns is set, changed or not. Most updates change none of them.
	setRecord = "UPDATE device SET revision = revision + 1, record = ?2 WHERE number = ?1"
	setPlace  = "UPDATE device SET revision = revision + 1, record = ?2, place = ?3 WHERE number = ?1"
	setIMEI   = "UPDATE device SET revision = revision + 1, record = ?3, place = ?4, imei = ?1, lot = " + lotOf + " WHERE number = ?2"
)

// replace writes a device's record if the stored one's sequence and revision pass the guard.
func (t *tx) replace(d *authority.Device, guard func(sequence, revision uint64) error) error {
	if !t.writes && t.s != nil {
		return errReadOnly
	}
	var stored held
	var sequence uint64
	number, found := record.Number(d.ID), false
	err := t.each(func(st *sqlite.Stmt) (err error) {
		found = true
		stored.imei, stored.place = st.ColumnInt64(0), days.Code(t.s.buffer[:st.ColumnBytes(1, t.s.buffer)])
		sequence, err = record.Sequence(t.s.buffer[:st.ColumnBytes(2, t.s.buffer)])
		stored.revision = st.ColumnInt64(3)
		return err
	}, "SELECT imei, place, record, revision FROM device WHERE number = ? AND rest = ?", number, record.Rest(d.ID))
	if err != nil {
		return err
	}
	if !found {
		return authority.ErrAbsent
	}
	if err := guard(sequence, uint64(stored.revision)); err != nil {
		return err
	}
	imei, err := record.IMEINumber(d.IMEI)
	if err != nil {
		return err
	}
	packed, err := t.packed(d)
	if err != nil {
		return err
	}
	switch place := record.Place(d); {
	case imei != stored.imei:
		return table.Put(t, setIMEI, imei, number, packed, string(place))
	case place != stored.place:
		return table.Put(t, setPlace, number, packed, string(place))
	}
	return table.Put(t, setRecord, number, packed)
}

// onPath reads a page of devices. The devices of a consignment are gathered before they are sorted: a + keeps SQLite from walking through all.
var onPath = map[table.Path]string{
	table.ByNumber: "SELECT " + deviceColumns + " FROM device WHERE number >= ?1 ORDER BY number LIMIT ?2",
	table.ByPlace:  "SELECT " + deviceColumns + " FROM device WHERE number >= ?1 AND place = ?3 ORDER BY number LIMIT ?2",
	table.ByStage:  "SELECT " + deviceColumns + " FROM device WHERE number >= ?1 AND stage = ?3 AND stage <> 0 ORDER BY number LIMIT ?2",
	table.ByConsignment: "SELECT " + deviceColumns + ` FROM device WHERE +number >= ?1
		AND imei IN (SELECT imei FROM production WHERE lot IN (SELECT number FROM lot WHERE consignment = ?3)) ORDER BY +number LIMIT ?2`,
}

var errFull = errors.New("the list is full")

func (t *tx) Devices(q authority.DeviceQuery) ([]*authority.Device, device.ID, error) {
	path, err := t.PathOf(q, t.StageCounts, true)
	if err != nil {
		return nil, device.ID{}, err
	}
	return table.ListDevices(q, path, func(args []any, take func(*authority.Device) bool) error {
		var stopped error
		err := t.each(func(st *sqlite.Stmt) error {
			d := new(authority.Device)
			if _, err := t.device(st, d); err != nil {
				return err
			}
			if !take(d) {
				stopped = errFull
			}
			return stopped
		}, onPath[path], args...)
		if stopped != nil {
			return nil
		}
		return err
	})
}

func (t *tx) DevicesByIMEIs(imeis []device.IMEI) ([]*authority.Device, error) {
	list := make([]*authority.Device, len(imeis))
	for i, imei := range imeis {
		d, err := t.DeviceByIMEI(imei)
		if err != nil && !errors.Is(err, authority.ErrAbsent) {
			return nil, err
		}
		list[i] = d
	}
	return list, nil
}

// RestrictionsOfAll asks device by device: see bulk.go.
func (t *tx) RestrictionsOfAll(ids []device.ID) (all []*restriction.Restriction, err error) {
	for _, id := range slices.SortedFunc(slices.Values(ids), func(a, b device.ID) int { return bytes.Compare(a[:], b[:]) }) {
		list, err := t.Restrictions(id)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// EachDevice reads pages rather than one long cursor, so that fn may write.
func (t *tx) EachDevice(after device.ID, fn func(*authority.Device) error) error {
	const page = 512
	for {
		list, next, err := t.Devices(authority.DeviceQuery{After: after, Limit: page})
		if err != nil {
			return err
		}
		for _, d := range list {
			if err := fn(d); err != nil {
				return err
			}
		}
		if next.IsZero() {
			return nil
		}
		after = next
	}
}

// ScanDevices reads one long cursor into one Device.
func (t *tx) ScanDevices(from, to device.ID, fn func(*authority.Device) error) error {
	last := int64(math.MaxInt64)
	if !to.IsZero() {
		if last = record.Number(to); last == math.MinInt64 {
			return nil
		}
		last--
	}
	d := new(authority.Device)
	var stopped error
	err := t.each(func(st *sqlite.Stmt) error {
		if _, err := t.device(st, d); err != nil {
			return err
		}
		stopped = fn(d)
		return stopped
	}, "SELECT "+deviceColumns+" FROM device WHERE number BETWEEN ? AND ? ORDER BY number", record.Number(from), last)
	if stopped != nil {
		return stopped
	}
	return err
}

func (t *tx) CountDevices() (n int, err error) {
	return n, table.Single(t, "SELECT coalesce(sum(devices), 0) FROM population", nil, &n)
}

func (t *tx) StageCounts() ([]authority.StageCount, error) {
	scan := func(s table.Row) (c authority.StageCount, err error) {
		var place string
		var stage int64
		err = s.Scan(&place, &stage, &c.Devices)
		c.Territory, c.Stage = territory.Code(place), order.Stage(stage)
		return c, err
	}
	return table.List(t, scan, "SELECT place, stage, devices FROM population WHERE devices > 0 ORDER BY place, stage")
}

// Two plain statements instead of one with ON CONFLICT or REPLACE: for those SQLite keeps a journal, as in step 5.
const (
	addProduction = "INSERT OR IGNORE INTO production (imei, serial, lot) VALUES (?1, ?2, ?3)"
	setProduction = "UPDATE production SET serial = ?2, lot = ?3 WHERE imei = ?1"
	setLot        = "UPDATE device SET lot = ?2, revision = revision + 1 WHERE imei = ?1 AND lot <> ?2"
)

// together is how many production records are looked at together for devices that have one.
const together = 1000

func (t *tx) PutProduction(list []authority.Production) error {
	if !t.writes && t.s != nil {
		return errReadOnly
	}
	for part := range slices.Chunk(list, together) {
		if err := t.putProduction(part); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) putProduction(list []authority.Production) error {
	imeis := make([]int64, len(list))
	for i := range list {
		var err error
		if imeis[i], err = record.IMEINumber(list[i].IMEI); err != nil {
			return err
		}
	}
	enrolled, all, err := t.enrolled(slices.Min(imeis), slices.Max(imeis), 2*len(list))
	if err != nil {
		return err
	}
	for i := range list {
		p := &list[i]
		lot, err := t.lotNumber(p.Lot())
		if err != nil {
			return err
		}
		n, err := t.Exec(addProduction, imeis[i], p.Serial, lot)
		if err == nil && n == 0 {
			_, err = t.Exec(setProduction, imeis[i], p.Serial, lot)
		}
		if err == nil && (!all || enrolled[imeis[i]]) {
			_, err = t.Exec(setLot, imeis[i], lot)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enrolled is which IMEIs between two have a device; all is false when there are too many of them to tell. A factory writes IMEIs in their order, mostly
// before anything has enrolled, and one look tells of a thousand.
func (t *tx) enrolled(first, last int64, limit int) (found map[int64]bool, all bool, err error) {
	found = make(map[int64]bool)
	err = t.each(func(st *sqlite.Stmt) error {
		found[st.ColumnInt64(0)] = true
		return nil
	}, "SELECT imei FROM device WHERE imei BETWEEN ? AND ? LIMIT ?", first, last, limit)
	return found, len(found) < limit, err
}

func (t *tx) Production(imei device.IMEI) (p authority.Production, err error) {
	number, err := record.IMEINumber(imei)
	if err != nil {
		return p, fmt.Errorf("%w: %w", authority.ErrAbsent, err)
	}
	list, err := t.productions("SELECT imei, serial, lot FROM production WHERE imei = ?", number)
	if err == nil && len(list) == 0 {
		err = authority.ErrAbsent
	}
	if err != nil {
		return p, err
	}
	return list[0].Production, nil
}

func (t *tx) productions(query string, args ...any) (list []table.Lotted, err error) {
	err = t.each(func(st *sqlite.Stmt) (err error) {
		r := table.Lotted{Number: st.ColumnInt64(0), Lot: st.ColumnInt64(2)}
		r.Serial = st.ColumnText(1)
		r.IMEI, err = record.IMEI(r.Number)
		list = append(list, r)
		return err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	for i := range list {
		p := &list[i]
		l, err := t.lot(p.Lot)
		if err != nil {
			return nil, err
		}
		p.Model, p.Market, p.Consignment, p.Consignee, p.ShippedOn = l.Model, l.Market, l.Consignment, l.Consignee, l.ShippedOn
	}
	return list, nil
}

// Productions merges the lots of the consignment; most have one.
func (t *tx) Productions(consignment string, after device.IMEI, limit int) ([]authority.Production, error) {
	if err := table.Within(limit); err != nil {
		return nil, err
	}
	if consignment == "" { // production records without a consignment are no consignment
		return nil, nil
	}
	last := int64(-1)
	if after != "" {
		var err error
		if last, err = record.IMEINumber(after); err != nil {
			return nil, err
		}
	}
	lots, err := table.List(t, func(s table.Row) (n int64, err error) { return n, s.Scan(&n) }, "SELECT number FROM lot WHERE consignment = ?", consignment)
	if err != nil {
		return nil, err
	}
	return table.MergeLots(len(lots), limit, last, func(after int64, n int) (rows []table.Lotted, err error) {
		for _, lot := range lots {
			page, err := t.productions("SELECT imei, serial, lot FROM production WHERE lot = ? AND imei > ? ORDER BY imei LIMIT ?", lot, after, n)
			if err != nil {
				return nil, err
			}
			rows = append(rows, page...)
		}
		return rows, nil
	})
}
