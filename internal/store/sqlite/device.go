package sqlite

import (
	"errors"
	"fmt"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/store/days"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

func (t *tx) PutProduction(rows []authority.Production) error {
	for i := range rows {
		p := &rows[i]
		_, err := t.exec(`INSERT OR REPLACE INTO production (imei, serial, model, market, consignment, consignee, shipped_on)
			VALUES (?, ?, ?, ?, ?, ?, ?)`,
			string(p.IMEI), p.Serial, p.Model, string(p.Market), p.Consignment, p.Consignee, int64(p.ShippedOn))
		if err != nil {
			return err
		}
	}
	return nil
}

const productionColumns = "imei, serial, model, market, consignment, consignee, shipped_on"

func (t *tx) Production(imei device.IMEI) (authority.Production, error) {
	var p authority.Production
	err := t.row("SELECT "+productionColumns+" FROM production WHERE imei = ?", key(string(imei)), production(&p)...)
	return p, err
}

func (t *tx) Productions(consignment string, after device.IMEI, limit int) ([]authority.Production, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	scan := func(s scanner) (p authority.Production, err error) { return p, s.Scan(production(&p)...) }
	if consignment == "" { // production records without a consignment are no consignment
		return nil, nil
	}
	return rows(t, scan, "SELECT "+productionColumns+` FROM production
		WHERE consignment = ? AND consignment <> '' AND imei > ? ORDER BY imei LIMIT ?`, consignment, string(after), limit)
}

func production(p *authority.Production) []any {
	return key(&p.IMEI, &p.Serial, &p.Model, &p.Market, &p.Consignment, &p.Consignee, &p.ShippedOn)
}

// deviceRow is a device as columns: first those that indexes are made of, then the rest, which a check-in may change.
type deviceRow struct {
	id                         []byte
	imei, serial, model, place string
	rest                       []any
}

func rowOf(d *authority.Device) (*deviceRow, error) {
	sequence, err1 := count("sequence", d.Sequence)
	unlocks, err2 := count("unlock counter", d.Unlocks)
	packed, err3 := days.Pack(d.Days)
	reasons, err4 := texts(d.Reasons)
	licences, err5 := texts(d.LicenceNames)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	r := &deviceRow{id: d.ID[:], imei: string(d.IMEI), serial: d.Serial, model: d.Model, place: string(placeOf(d))}
	var activation, activationDay, mixed any
	if a := d.Activation; a != nil {
		activation, activationDay, mixed = string(a.Territory), int64(a.Day), a.Mixed
	}
	r.rest = []any{blob(d.Key), int64(d.Attestation), int64(d.KeyCeiling), int64(d.Boot), d.Software, sequence, stamp(d.EnrolledAt), stamp(d.LastSeen),
		packed, activation, activationDay, mixed, d.ClockDoubt, unlocks, int64(d.Verdict), d.VerdictRule, reasons,
		orNull(&d.PolicyHash), stamp(d.DecidedAt), licences}
	return r, nil
}

// placeOf is the territory under which a device is counted.
func placeOf(d *authority.Device) territory.Code {
	if d.Activation != nil {
		return d.Activation.Territory
	}
	return d.Present()
}

const restColumns = `attestation_key, attestation, key_ceiling, boot, software, sequence, enrolled_at, last_seen, days, activation,
	activation_day, activation_mixed, clock_doubt, unlocks, verdict, verdict_rule, reasons, policy, decided_at, licences`

const (
	deviceColumns = `d.id, d.imei, d.serial, d.model, attestation_key, attestation, key_ceiling, boot, software, sequence, enrolled_at,
	last_seen, days, activation, activation_day, activation_mixed, clock_doubt, unlocks, verdict, verdict_rule, reasons, policy, decided_at,
	licences, d.stage, p.model, p.market, p.consignment, p.consignee, p.shipped_on`
	devicesMade = " FROM device d LEFT JOIN production p ON p.imei = d.imei"
)

func (t *tx) InsertDevice(d *authority.Device) error {
	r, err := rowOf(d)
	if err != nil {
		return err
	}
	args := append([]any{r.id, r.imei, r.serial, r.model, r.place}, r.rest...)
	_, err = t.exec("INSERT INTO device (id, imei, serial, model, place, "+restColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, args...)
	return err
}

const (
	setRest = `UPDATE device SET attestation_key = ?, attestation = ?, key_ceiling = ?, boot = ?, software = ?, sequence = ?, enrolled_at = ?,
	last_seen = ?, days = ?, activation = ?, activation_day = ?, activation_mixed = ?, clock_doubt = ?, unlocks = ?, verdict = ?,
	verdict_rule = ?, reasons = ?, policy = ?, decided_at = ?, licences = ?`
	// SQLite rewrites an index whenever one of its columns is set, changed or not. Most updates change none of them.
	setRestOnly = setRest + " WHERE id = ? AND imei = ? AND serial = ? AND model = ? AND place = ?"
	setAll      = setRest + ", imei = ?, serial = ?, model = ?, place = ? WHERE id = ?"

	deviceExists = "SELECT 1 FROM device WHERE id = ?"
)

func (t *tx) UpdateDeviceIfNewer(d *authority.Device, was uint64) error {
	r, err := rowOf(d)
	if err != nil {
		return err
	}
	stored, err := count("sequence", was)
	if err != nil {
		return err
	}
	n, err := t.exec(setRestOnly+" AND sequence = ?", append(r.rest, r.id, r.imei, r.serial, r.model, r.place, stored)...)
	if err != nil || n > 0 {
		return err
	}
	return t.guarded(deviceExists, key(r.id), setAll+" AND sequence = ?",
		append(r.rest, r.imei, r.serial, r.model, r.place, r.id, stored)...)
}

func (t *tx) PutDevice(d *authority.Device) error {
	r, err := rowOf(d)
	if err != nil {
		return err
	}
	n, err := t.exec(setRestOnly, append(r.rest, r.id, r.imei, r.serial, r.model, r.place)...)
	if err != nil || n > 0 {
		return err
	}
	return t.put(setAll, append(r.rest, r.imei, r.serial, r.model, r.place, r.id)...)
}

func (t *tx) Device(id device.ID) (*authority.Device, error) {
	return t.deviceBy("SELECT "+deviceColumns+devicesMade+" WHERE d.id = ?", id[:])
}

func (t *tx) DeviceByIMEI(imei device.IMEI) (*authority.Device, error) {
	return t.deviceBy("SELECT "+deviceColumns+devicesMade+" WHERE d.imei = ?", string(imei))
}

func (t *tx) deviceBy(query string, by any) (*authority.Device, error) {
	row := new(storedDevice)
	if err := t.row(query, key(by), row.columns()...); err != nil {
		return nil, err
	}
	return row.device()
}

// storedDevice is where a row is read into.
type storedDevice struct {
	d                    authority.Device
	attestation, ceiling int64
	boot, verdict, stage int64
	days                 []byte
	activation           *string
	activationDay        *int64
	mixed                *bool
	reasons, licences    string
	made                 made
}

func (s *storedDevice) columns() []any {
	d := &s.d
	return []any{fixed{d.ID[:]}, &d.IMEI, &d.Serial, &d.Model, &d.Key, &s.attestation, &s.ceiling, &s.boot, &d.Software, counter{&d.Sequence},
		when{&d.EnrolledAt}, when{&d.LastSeen}, &s.days, &s.activation, &s.activationDay, &s.mixed, &d.ClockDoubt,
		counter{&d.Unlocks}, &s.verdict, &d.VerdictRule, &s.reasons, maybe{d.PolicyHash[:]}, when{&d.DecidedAt}, &s.licences,
		&s.stage, &s.made.model, &s.made.market, &s.made.consignment, &s.made.consignee, &s.made.shippedOn}
}

func (s *storedDevice) device() (*authority.Device, error) {
	d := &s.d
	d.Attestation, d.KeyCeiling = policy.Attestation(s.attestation), policy.Attestation(s.ceiling)
	d.Boot, d.Verdict, d.Stage = evidence.Boot(s.boot), policy.Verdict(s.verdict), order.Stage(s.stage)
	var err1, err2, err3 error
	d.Days, err1 = days.Unpack(s.days)
	d.Reasons, err2 = readTexts[policy.Reason](s.reasons)
	d.LicenceNames, err3 = readTexts[string](s.licences)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("sqlite: device %v: %w", d.ID, err)
	}
	if len(d.Key) == 0 {
		d.Key = nil
	}
	if s.activation != nil {
		d.Activation = &territory.Activation{Territory: territory.Code(*s.activation), Day: territory.Day(*s.activationDay), Mixed: *s.mixed}
	}
	d.Made = s.made.lot()
	return d, nil
}

// made is what a production record says, all NULL when there is none.
type made struct {
	model, market, consignment, consignee *string
	shippedOn                             *int64
}

func (m *made) lot() *authority.Lot {
	if m.model == nil {
		return nil
	}
	return &authority.Lot{Model: *m.model, Market: territory.Code(*m.market), Consignment: *m.consignment, Consignee: *m.consignee,
		ShippedOn: territory.Day(*m.shippedOn)}
}

func scanDevice(s scanner) (*authority.Device, error) {
	row := new(storedDevice)
	if err := s.Scan(row.columns()...); err != nil {
		return nil, err
	}
	return row.device()
}

func (t *tx) Devices(q authority.DeviceQuery) ([]*authority.Device, error) {
	if q.Limit < 1 || q.Limit > 1000 {
		return nil, fmt.Errorf("sqlite: a list of devices has a limit of 1 to 1,000, not %d", q.Limit)
	}
	query, args := "SELECT "+deviceColumns+devicesMade+" WHERE d.id > ?", []any{q.After[:]}
	if q.Territory != territory.Unknown {
		query, args = query+" AND d.place = ?", append(args, string(q.Territory))
	}
	if q.Stage != nil {
		query, args = query+" AND d.stage = ?", append(args, int64(*q.Stage))
	}
	if q.Model != "" {
		query, args = query+" AND d.model = ?", append(args, q.Model)
	}
	if q.Consignment != "" {
		query += " AND d.imei IN (SELECT imei FROM production WHERE consignment = ? AND consignment <> '')"
		args = append(args, q.Consignment)
	}
	return rows(t, scanDevice, query+" ORDER BY d.id LIMIT ?", append(args, q.Limit)...)
}

// EachDevice reads pages rather than one long cursor, so that fn may write.
func (t *tx) EachDevice(after device.ID, fn func(*authority.Device) error) error {
	const page = 256
	for {
		list, err := t.Devices(authority.DeviceQuery{After: after, Limit: page})
		if err != nil {
			return err
		}
		for _, d := range list {
			after = d.ID
			if err := fn(d); err != nil {
				return err
			}
		}
		if len(list) < page {
			return nil
		}
	}
}

func (t *tx) CountDevices() (n int, err error) {
	return n, t.row("SELECT count(*) FROM device", nil, &n)
}

func (t *tx) AddEvent(e authority.Event) error {
	kind, id := ground(e.Ground)
	_, err := t.exec("INSERT INTO event (device, at, kind, ground_kind, ground, actor, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
		e.Device[:], stamp(e.At), e.Kind, kind, id, e.Actor, e.Detail)
	return err
}

const eventColumns = "number, device, at, kind, ground_kind, ground, actor, detail"

func (t *tx) Events(id device.ID, limit int) ([]authority.Event, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	return rows(t, scanEvent, "SELECT "+eventColumns+" FROM event WHERE device = ? ORDER BY number DESC LIMIT ?", id[:], limit)
}

func (t *tx) RecentEvents(limit int) ([]authority.Event, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	return rows(t, scanEvent, "SELECT "+eventColumns+" FROM event ORDER BY number DESC LIMIT ?", limit)
}

func scanEvent(s scanner) (e authority.Event, err error) {
	var kind int64
	err = s.Scan(&e.ID, fixed{e.Device[:]}, when{&e.At}, &e.Kind, &kind, &e.Ground.ID, &e.Actor, &e.Detail)
	e.Ground.Kind = order.GroundKind(kind)
	return e, err
}
