package postgres

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/store/days"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const putProduction = `INSERT INTO production (imei, serial, model, market, consignment, consignee, shipped_on)
	SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[])
	ON CONFLICT (imei) DO UPDATE SET serial = excluded.serial, model = excluded.model, market = excluded.market,
		consignment = excluded.consignment, consignee = excluded.consignee, shipped_on = excluded.shipped_on`

// PutProduction writes all rows with one statement. Of two for one IMEI the later one counts.
func (t *tx) PutProduction(rows []authority.Production) error {
	last := make(map[device.IMEI]int, len(rows))
	for i := range rows {
		last[rows[i].IMEI] = i
	}
	var text [6][]string
	var shipped []int32
	for i := range rows {
		p := &rows[i]
		if last[p.IMEI] != i {
			continue
		}
		for column, value := range []string{string(p.IMEI), p.Serial, p.Model, string(p.Market), p.Consignment, p.Consignee} {
			text[column] = append(text[column], value)
		}
		shipped = append(shipped, int32(p.ShippedOn))
	}
	if len(shipped) == 0 {
		return nil
	}
	_, err := t.exec(putProduction, text[0], text[1], text[2], text[3], text[4], text[5], shipped)
	return err
}

const productionColumns = "imei, serial, model, market, consignment, consignee, shipped_on"

func (t *tx) Production(imei device.IMEI) (authority.Production, error) {
	var p authority.Production
	err := t.row("SELECT "+productionColumns+" FROM production WHERE imei = $1", key(string(imei)), production(&p)...)
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
		WHERE consignment = $1 AND consignment <> '' AND imei > $2 ORDER BY imei LIMIT $3`, consignment, string(after), limit)
}

func production(p *authority.Production) []any {
	return key(&p.IMEI, &p.Serial, &p.Model, &p.Market, &p.Consignment, &p.Consignee, &p.ShippedOn)
}

// deviceRow is a device as the columns that change, in the order of restColumns.
type deviceRow struct {
	sequence, unlocks                        int64
	enrolled, seen, decided                  *int64
	attestation, ceiling, boot, verdict      int16
	doubt                                    bool
	activationDay                            *int32
	mixed                                    *bool
	key, days, policy                        []byte
	software, place, rule, reasons, licences string
	activation                               *string
}

func rowOf(d *authority.Device) (r deviceRow, err error) {
	var errs [5]error
	r.sequence, errs[0] = count("sequence", d.Sequence)
	r.unlocks, errs[1] = count("unlock counter", d.Unlocks)
	r.days, errs[2] = days.Pack(d.Days)
	r.reasons, errs[3] = texts(d.Reasons)
	r.licences, errs[4] = texts(d.LicenceNames)
	if err := errors.Join(errs[:]...); err != nil {
		return r, err
	}
	// What the database would refuse must not come as far as into a batch with others.
	for _, text := range []string{string(d.IMEI), d.Serial, d.Model, d.Software, d.VerdictRule, r.reasons, r.licences} {
		if strings.IndexByte(text, 0) >= 0 || !utf8.ValidString(text) {
			return r, fmt.Errorf("postgres: device %v: %q is no text", d.ID, text)
		}
	}
	r.enrolled, r.seen, r.decided = stamp(d.EnrolledAt), stamp(d.LastSeen), stamp(d.DecidedAt)
	r.attestation, r.ceiling, r.boot, r.verdict = int16(d.Attestation), int16(d.KeyCeiling), int16(d.Boot), int16(d.Verdict)
	r.doubt, r.key, r.policy = d.ClockDoubt, blob(d.Key), orNull(&d.PolicyHash)
	r.software, r.place, r.rule = d.Software, string(placeOf(d)), d.VerdictRule
	if a := d.Activation; a != nil {
		day, mixed, territory := int32(a.Day), a.Mixed, string(a.Territory)
		r.activationDay, r.mixed, r.activation = &day, &mixed, &territory
	}
	return r, nil
}

// placeOf is the territory under which a device is counted.
func placeOf(d *authority.Device) territory.Code {
	if d.Activation != nil {
		return d.Activation.Territory
	}
	return d.Present()
}

const restColumns = `sequence, unlocks, enrolled_at, last_seen, decided_at, attestation, key_ceiling, boot, verdict, clock_doubt,
	activation_day, activation_mixed, attestation_key, days, policy, software, place, verdict_rule, reasons, licences, activation`

// args are the columns after the identity: 21 of them.
func (r *deviceRow) args() []any {
	return []any{r.sequence, r.unlocks, r.enrolled, r.seen, r.decided, r.attestation, r.ceiling, r.boot, r.verdict, r.doubt,
		r.activationDay, r.mixed, r.key, r.days, r.policy, r.software, r.place, r.rule, r.reasons, r.licences, r.activation}
}

const (
	deviceColumns = "d.id, d.imei, d.serial, d.model, d.stage, d.sequence, d.unlocks, d.enrolled_at, d.last_seen, d.decided_at, d.attestation, " +
		"d.key_ceiling, d.boot, d.verdict, d.clock_doubt, d.activation_day, d.activation_mixed, d.attestation_key, d.days, d.policy, d.software, " +
		"d.verdict_rule, d.reasons, d.licences, d.activation, p.model, p.market, p.consignment, p.consignee, p.shipped_on"
	devicesMade = " FROM device d LEFT JOIN production p ON p.imei = d.imei"
	ownRow      = " FOR NO KEY UPDATE OF d" // a transaction that may write has the rows of devices that it reads to itself

	insertDevice = "INSERT INTO device (id, imei, serial, model, " + restColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
		$12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)`
	setDevice = "UPDATE device SET imei = $2, serial = $3, model = $4, (" + restColumns + `) = ROW($5::bigint, $6::bigint, $7::bigint, $8::bigint,
		$9::bigint, $10::smallint, $11::smallint, $12::smallint, $13::smallint, $14::boolean, $15::integer, $16::boolean, $17::bytea,
		$18::bytea, $19::bytea, $20::text, $21::text, $22::text, $23::text, $24::text, $25::text) WHERE id = $1`
	deviceExists = "SELECT 1 FROM device WHERE id = $1"
)

func identified(d *authority.Device, r *deviceRow) []any {
	return append(key(d.ID[:], string(d.IMEI), d.Serial, d.Model), r.args()...)
}

func (t *tx) InsertDevice(d *authority.Device) error {
	r, err := rowOf(d)
	if err != nil {
		return err
	}
	return t.fresh(insertDevice, identified(d, &r)...)
}

func (t *tx) UpdateDeviceIfNewer(d *authority.Device, was uint64) error {
	r, err := rowOf(d)
	if err != nil {
		return err
	}
	stored, err := count("sequence", was)
	if err != nil {
		return err
	}
	return t.guarded(deviceExists, key(d.ID[:]), setDevice+" AND sequence = $26", append(identified(d, &r), stored)...)
}

func (t *tx) PutDevice(d *authority.Device) error {
	r, err := rowOf(d)
	if err != nil {
		return err
	}
	return t.put(setDevice, identified(d, &r)...)
}

func (t *tx) Device(id device.ID) (*authority.Device, error) {
	return t.deviceBy("SELECT "+deviceColumns+devicesMade+" WHERE d.id = $1", id[:])
}

func (t *tx) DeviceByIMEI(imei device.IMEI) (*authority.Device, error) {
	return t.deviceBy("SELECT "+deviceColumns+devicesMade+" WHERE d.imei = $1", string(imei))
}

func (t *tx) deviceBy(query string, by any) (*authority.Device, error) {
	if t.writes {
		query += ownRow
	}
	row := new(storedDevice)
	if err := t.row(query, key(by), row.columns()...); err != nil {
		return nil, err
	}
	return row.device()
}

// storedDevice is where a row is read into.
type storedDevice struct {
	id                                []byte
	imei, serial, model               string
	software, rule, reasons, licences string
	stage, attestation, ceiling       int16
	boot, verdict                     int16
	sequence, unlocks                 int64
	enrolled, seen, decided           pgtype.Int8
	doubt                             bool
	activationDay                     pgtype.Int4
	mixed                             pgtype.Bool
	key, days, policy                 []byte
	activation                        pgtype.Text
	made                              made
}

func (s *storedDevice) columns() []any {
	return []any{&s.id, &s.imei, &s.serial, &s.model, &s.stage, &s.sequence, &s.unlocks, &s.enrolled, &s.seen, &s.decided, &s.attestation,
		&s.ceiling, &s.boot, &s.verdict, &s.doubt, &s.activationDay, &s.mixed, &s.key, &s.days, &s.policy, &s.software,
		&s.rule, &s.reasons, &s.licences, &s.activation, &s.made.model, &s.made.market, &s.made.consignment, &s.made.consignee, &s.made.shippedOn}
}

func (s *storedDevice) device() (*authority.Device, error) {
	d := &authority.Device{
		IMEI: device.IMEI(s.imei), Serial: s.serial, Model: s.model, Key: s.key, Attestation: policy.Attestation(s.attestation),
		KeyCeiling: policy.Attestation(s.ceiling), Boot: evidence.Boot(s.boot), Software: s.software, Sequence: uint64(s.sequence),
		EnrolledAt: moment(s.enrolled), LastSeen: moment(s.seen), ClockDoubt: s.doubt, Unlocks: uint64(s.unlocks),
		Verdict: policy.Verdict(s.verdict), VerdictRule: s.rule, DecidedAt: moment(s.decided), Stage: order.Stage(s.stage),
	}
	if copy(d.ID[:], s.id) != len(d.ID) || s.policy != nil && copy(d.PolicyHash[:], s.policy) != len(d.PolicyHash) {
		return nil, fmt.Errorf("postgres: device %x has an id or a policy of another length", s.id)
	}
	var err1, err2, err3 error
	d.Days, err1 = days.Unpack(s.days)
	d.Reasons, err2 = readTexts[policy.Reason](s.reasons)
	d.LicenceNames, err3 = readTexts[string](s.licences)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("postgres: device %v: %w", d.ID, err)
	}
	if len(d.Key) == 0 {
		d.Key = nil
	}
	if s.activation.Valid {
		d.Activation = &territory.Activation{Territory: territory.Code(s.activation.String), Day: territory.Day(s.activationDay.Int32), Mixed: s.mixed.Bool}
	}
	d.Made = s.made.lot()
	return d, nil
}

// made is what a production record says, all NULL when there is none.
type made struct {
	model, market, consignment, consignee pgtype.Text
	shippedOn                             pgtype.Int4
}

func (m *made) lot() *authority.Lot {
	if !m.model.Valid {
		return nil
	}
	return &authority.Lot{Model: m.model.String, Market: territory.Code(m.market.String), Consignment: m.consignment.String,
		Consignee: m.consignee.String, ShippedOn: territory.Day(m.shippedOn.Int32)}
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
		return nil, fmt.Errorf("postgres: a list of devices has a limit of 1 to 1,000, not %d", q.Limit)
	}
	query, args := "SELECT "+deviceColumns+devicesMade+" WHERE d.id > $1", []any{q.After[:]}
	also := func(condition string, arg any) {
		args = append(args, arg)
		query += fmt.Sprintf(condition, len(args))
	}
	if q.Territory != territory.Unknown {
		also(" AND d.place = $%d", string(q.Territory))
	}
	if q.Stage != nil {
		also(" AND d.stage = $%d", int16(*q.Stage))
	}
	if q.Model != "" {
		also(" AND d.model = $%d", q.Model)
	}
	if q.Consignment != "" {
		also(" AND d.imei IN (SELECT imei FROM production WHERE consignment = $%d AND consignment <> '')", q.Consignment)
	}
	also(" ORDER BY d.id LIMIT $%d", q.Limit)
	if t.writes {
		query += ownRow
	}
	return rows(t, scanDevice, query, args...)
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
	_, err := t.exec("INSERT INTO event (device, at, kind, ground_kind, ground, actor, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		e.Device[:], stamp(e.At), e.Kind, kind, id, e.Actor, e.Detail)
	return err
}

const eventColumns = "number, device, at, kind, ground_kind, ground, actor, detail"

func (t *tx) Events(id device.ID, limit int) ([]authority.Event, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	return rows(t, scanEvent, "SELECT "+eventColumns+" FROM event WHERE device = $1 ORDER BY number DESC LIMIT $2", id[:], limit)
}

func (t *tx) RecentEvents(limit int) ([]authority.Event, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	return rows(t, scanEvent, "SELECT "+eventColumns+" FROM event ORDER BY number DESC LIMIT $1", limit)
}

func scanEvent(s scanner) (e authority.Event, err error) {
	var kind int64
	err = s.Scan(&e.ID, fixed{e.Device[:]}, when{&e.At}, &e.Kind, &kind, &e.Ground.ID, &e.Actor, &e.Detail)
	e.Ground.Kind = order.GroundKind(kind)
	return e, err
}
