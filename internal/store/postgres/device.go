package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const (
	deviceColumns = "d.number, d.rest, d.imei, d.place, d.stage, d.lot, d.record"
	ownRow        = " FOR NO KEY UPDATE OF d" // a transaction that may write has the rows of devices that it reads to itself

	selectDevice = "SELECT " + deviceColumns + " FROM device AS d WHERE d.number = $1 AND d.rest = $2"
	insertDevice = `INSERT INTO device (number, rest, imei, place, record, lot) SELECT $1::bigint, $2::bytea, $3::bigint, $4::text, $5::bytea,
		coalesce((SELECT lot FROM production WHERE imei = $3), 0)`
	setDevice = `UPDATE device SET place = $4, record = $5, imei = $3,
		lot = CASE WHEN imei = $3 THEN lot ELSE coalesce((SELECT p.lot FROM production AS p WHERE p.imei = $3), 0) END
		WHERE number = $1 AND rest = $2`
)

// storedDevice is a row of a device as it is read.
type storedDevice struct {
	number, imei int64
	lot          int32
	stage        int16
	place        string
	rest, record []byte
}

func (s *storedDevice) columns() []any {
	return []any{&s.number, &s.rest, &s.imei, &s.place, &s.stage, &s.lot, &s.record}
}

func scanDevice(s table.Row) (*storedDevice, error) {
	row := new(storedDevice)
	return row, s.Scan(row.columns()...)
}

func (s *storedDevice) id() (device.ID, error) { return record.ID(s.number, s.rest) }

// device reads a row.
func (t *tx) device(s *storedDevice) (*authority.Device, error) {
	d := new(authority.Device)
	return d, t.read(s, d)
}

// read reads a row into d, which may be one that was read before. What it has of dictionaries is looked up in the books.
func (t *tx) read(s *storedDevice, d *authority.Device) error {
	var err1, err2 error
	d.ID, err1 = s.id()
	d.IMEI, err2 = record.IMEI(s.imei)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	n, err := record.Unpack(s.record, d)
	if err != nil {
		return fmt.Errorf("postgres: device %v: %w", d.ID, err)
	}
	if d.Model, err = t.books.modelOf(t.ctx, n.Model); err != nil {
		return t.unread(err)
	}
	finding, err := t.books.findingOf(t.ctx, n.Finding)
	if err != nil {
		return t.unread(err)
	}
	finding.Put(d)
	d.Stage = order.Stage(s.stage)
	if d.Made, err = t.books.lotOf(t.ctx, int64(s.lot)); err != nil {
		return t.unread(err)
	}
	return nil
}

// unread gives an error of the books its meaning: when the database is in trouble the transaction can only be rolled back.
func (t *tx) unread(err error) error {
	if errors.Is(err, errBooks) {
		return t.failed(err)
	}
	return err
}

// written is a device's row as it is to be written.
type written struct {
	number, imei int64
	rest         []byte
	place        string
	record       []byte
}

func (w *written) args() []any { return []any{w.number, w.rest, w.imei, w.place, w.record} }

func (t *tx) written(d *authority.Device) (w written, err error) {
	// What no other store takes is not taken here either, and what the database would refuse must not come as far as a dictionary.
	for _, text := range []string{d.Serial, d.Model, d.Software} {
		if strings.IndexByte(text, 0) >= 0 || !utf8.ValidString(text) {
			return w, fmt.Errorf("postgres: device %v: %q is no text", d.ID, text)
		}
	}
	if _, err := table.Count("sequence", d.Sequence); err != nil {
		return w, err
	}
	if _, err := table.Count("unlock counter", d.Unlocks); err != nil {
		return w, err
	}
	w.number, w.rest, w.place = record.Number(d.ID), record.Rest(d.ID), string(record.Place(d))
	if w.imei, err = record.IMEINumber(d.IMEI); err != nil {
		return w, err
	}
	n, err := t.books.numbers(t.ctx, d)
	if err != nil {
		return w, t.unread(err)
	}
	w.record, err = record.AppendSmall(nil, d, n)
	return w, err
}

func (t *tx) InsertDevice(d *authority.Device) error {
	if err := t.usable(); err != nil {
		return err
	}
	w, err := t.written(d)
	if err != nil {
		return err
	}
	if err := table.Fresh(t, insertDevice, w.args()...); err != nil {
		return err
	}
	t.remember(d.ID, d.Sequence)
	return nil
}

// UpdateDeviceIfNewer compares in a row that this transaction has to itself.
func (t *tx) UpdateDeviceIfNewer(d *authority.Device, was uint64) error {
	if err := t.usable(); err != nil {
		return err
	}
	stored, known := t.sequences[d.ID]
	if !known || d.Revision != 0 {
		row, err := t.stored(selectDevice, record.Number(d.ID), record.Rest(d.ID))
		if err != nil {
			return err
		}
		if stored, err = record.Sequence(row.record); err != nil {
			return err
		}
		if !t.books.rows.still(d, row) {
			return authority.ErrConflict
		}
	}
	if stored != was {
		return authority.ErrConflict
	}
	return t.PutDevice(d)
}

func (t *tx) PutDevice(d *authority.Device) error {
	if err := t.usable(); err != nil {
		return err
	}
	w, err := t.written(d)
	if err != nil {
		return err
	}
	if err := table.Put(t, setDevice, w.args()...); err != nil {
		return err
	}
	t.remember(d.ID, d.Sequence)
	return nil
}

// remember keeps the sequence of a row that this transaction has to itself.
func (t *tx) remember(id device.ID, sequence uint64) {
	if !t.writes {
		return
	}
	if t.sequences == nil {
		t.sequences = make(map[device.ID]uint64)
	}
	t.sequences[id] = sequence
}

func (t *tx) Device(id device.ID) (*authority.Device, error) {
	return t.deviceBy(selectDevice, record.Number(id), record.Rest(id))
}

func (t *tx) DeviceByIMEI(imei device.IMEI) (*authority.Device, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	number, err := record.IMEINumber(imei)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", authority.ErrAbsent, err)
	}
	return t.deviceBy("SELECT "+deviceColumns+" FROM device AS d WHERE d.imei = $1", number)
}

func (t *tx) stored(query string, args ...any) (*storedDevice, error) {
	if t.writes {
		query += ownRow
	}
	row := new(storedDevice)
	return row, table.Single(t, query, args, row.columns()...)
}

func (t *tx) deviceBy(query string, args ...any) (*authority.Device, error) {
	row, err := t.stored(query, args...)
	if err != nil {
		return nil, err
	}
	d, err := t.device(row)
	if err == nil {
		t.remember(d.ID, d.Sequence)
	}
	return d, err
}

// onPath reads a page of devices. Where no index has them in their order, they are gathered first, so that the planner does not walk through all
// of the fleet for them.
var onPath = map[table.Path]string{
	table.ByNumber: "SELECT " + deviceColumns + " FROM device AS d WHERE d.number >= $1 ORDER BY d.number LIMIT $2",
	table.ByPlace: "SELECT " + deviceColumns + ` FROM device AS d WHERE d.number = ANY(ARRAY(SELECT k.number FROM device AS k WHERE k.place = $3))
		AND d.number >= $1 ORDER BY d.number LIMIT $2`,
	table.ByStage: "SELECT " + deviceColumns + " FROM device AS d WHERE d.number >= $1 AND d.stage = $3 AND d.stage <> 0 ORDER BY d.number LIMIT $2",
	table.ByConsignment: "SELECT " + deviceColumns + ` FROM device AS d WHERE d.number = ANY(ARRAY(SELECT k.number FROM production AS p
			CROSS JOIN LATERAL (SELECT o.number FROM device AS o WHERE o.imei = p.imei OFFSET 0) AS k
			WHERE p.lot = ANY(ARRAY(SELECT l.number FROM lot AS l WHERE l.consignment = $3))))
		AND d.number >= $1 ORDER BY d.number LIMIT $2`,
}

func (t *tx) Devices(q authority.DeviceQuery) ([]*authority.Device, device.ID, error) {
	path, err := t.PathOf(q, t.StageCounts, false)
	if err != nil {
		return nil, device.ID{}, err
	}
	query := onPath[path]
	if t.writes {
		query += ownRow
	}
	return table.ListDevices(q, path, func(first int64, limit int, take func(*authority.Device) bool) error {
		args := []any{first, limit}
		switch path {
		case table.ByPlace:
			args = append(args, string(q.Territory))
		case table.ByStage:
			args = append(args, int16(*q.Stage))
		case table.ByConsignment:
			args = append(args, q.Consignment)
		}
		page, err := t.page(query, len(args) > 2, args)
		if err != nil {
			return err
		}
		for _, row := range page {
			d, err := t.device(row)
			if err != nil {
				return err
			}
			t.remember(d.ID, d.Sequence)
			if !take(d) {
				break
			}
		}
		return nil
	})
}

func (t *tx) DevicesByIMEIs(imeis []device.IMEI) ([]*authority.Device, error) {
	numbers, places := make([]int64, 0, len(imeis)), make(map[int64][]int, len(imeis))
	for i, imei := range imeis {
		n, err := record.IMEINumber(imei)
		if err != nil {
			continue // nobody has it
		}
		if places[n] == nil {
			numbers = append(numbers, n)
		}
		places[n] = append(places[n], i)
	}
	query := "SELECT " + deviceColumns + " FROM device AS d WHERE d.imei = ANY($1)"
	if t.writes {
		query += ownRow
	}
	rows, err := table.List(t, scanDevice, query, numbers)
	if err != nil {
		return nil, err
	}
	list := make([]*authority.Device, len(imeis))
	for _, row := range rows {
		for _, i := range places[row.imei] {
			if list[i], err = t.device(row); err != nil {
				return nil, err
			}
			t.remember(list[i].ID, list[i].Sequence)
		}
	}
	return list, nil
}

func (t *tx) RestrictionsOfAll(ids []device.ID) ([]*restriction.Restriction, error) {
	numbers := make([]int64, len(ids))
	for i, id := range ids {
		numbers[i] = record.Number(id)
	}
	return table.List(t, table.ScanRestriction, "SELECT "+table.RestrictionColumns+` FROM restriction WHERE device = ANY($1)
		ORDER BY device, ground_kind, ground`, numbers)
}

// page reads rows. A choice by what some have and most have not is planned for the very values, where that can be asked for.
func (t *tx) page(query string, choice bool, args []any) ([]*storedDevice, error) {
	if choice && t.begin == "" && t.before == nil && !t.writes {
		args = append([]any{pgx.QueryExecModeDescribeExec}, args...)
	}
	return table.List(t, scanDevice, query, args...)
}

// EachDevice reads pages rather than one long cursor, so that fn may write.
func (t *tx) EachDevice(after device.ID, fn func(*authority.Device) error) error {
	const page = 256
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

// ScanDevices reads pages into one Device.
func (t *tx) ScanDevices(from, to device.ID, fn func(*authority.Device) error) error {
	const page = 1000
	first, last := record.Number(from), int64(math.MaxInt64)
	if !to.IsZero() {
		if last = record.Number(to); last == math.MinInt64 {
			return nil
		}
		last--
	}
	d := new(authority.Device)
	for {
		list, err := table.List(t, scanDevice, "SELECT "+deviceColumns+" FROM device AS d WHERE d.number BETWEEN $1 AND $2 ORDER BY d.number LIMIT $3", first, last, page)
		if err != nil {
			return err
		}
		for _, row := range list {
			if err := t.read(row, d); err != nil {
				return err
			}
			if err := fn(d); err != nil {
				return err
			}
		}
		if len(list) < page || list[page-1].number == math.MaxInt64 {
			return nil
		}
		first = list[page-1].number + 1
	}
}

// addUp makes few rows of the population when there are many. Of two servers that do so at once each takes other rows.
func addUp(ctx context.Context, c *pgx.Conn) error {
	const many, most = 2000, 200_000
	var rows int
	if err := c.QueryRow(ctx, "SELECT count(*) FROM (SELECT 1 FROM population LIMIT $1) AS p", many).Scan(&rows); err != nil || rows < many {
		return err
	}
	_, err := c.Exec(ctx, `WITH these AS MATERIALIZED (SELECT ctid FROM population LIMIT $1 FOR UPDATE SKIP LOCKED),
		gone AS (DELETE FROM population WHERE ctid = ANY(ARRAY(SELECT ctid FROM these)) RETURNING place, stage, devices)
		INSERT INTO population SELECT place, stage, sum(devices) FROM gone GROUP BY place, stage HAVING sum(devices) <> 0`, most)
	return err
}

func (t *tx) CountDevices() (n int, err error) {
	return n, table.Single(t, "SELECT coalesce(sum(devices), 0)::bigint FROM population", nil, &n)
}

func (t *tx) StageCounts() ([]authority.StageCount, error) {
	scan := func(s table.Row) (c authority.StageCount, err error) {
		var place string
		var stage int64
		err = s.Scan(&place, &stage, &c.Devices)
		c.Territory, c.Stage = territory.Code(place), order.Stage(stage)
		return c, err
	}
	return table.List(t, scan, "SELECT place, stage, sum(devices)::bigint FROM population GROUP BY place, stage HAVING sum(devices) > 0 ORDER BY place, stage")
}
