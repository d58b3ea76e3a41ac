package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/store/days"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const (
	compactStep = 5
	// broughtOver divides the step: what comes before it makes the new tables, what comes behind it drops the old ones.
	broughtOver = "\n-- then: the records are brought over\n"
	stretch     = 2000 // rows that are brought over in one transaction
)

// compact does the first part of the step unless that was done, and brings a stretch over. When none is left it returns the last part.
func compact(ctx context.Context, tx pgx.Tx, source string) (last string, more bool, err error) {
	first, last, found := strings.Cut(source, broughtOver)
	if !found {
		return "", false, errors.New("postgres: step 5 is not in two parts")
	}
	var begun bool
	err = tx.QueryRow(ctx, "SELECT to_regclass('device_4') IS NOT NULL").Scan(&begun)
	if err == nil && !begun {
		err = run(ctx, tx, first)
	}
	if err == nil {
		more, err = bringOver(ctx, tx)
	}
	if err != nil {
		return "", false, fmt.Errorf("postgres: bringing the records over to step 5: %w", err)
	}
	return last, more, nil
}

// bringOver brings a stretch of the rows of step 4 into the tables of step 5, in the transaction that takes them from the old ones, and
// reports whether any were left. A process that is killed meanwhile has lost nothing: the next one goes on with what is left.
func bringOver(ctx context.Context, tx pgx.Tx) (more bool, err error) {
	const some = "(SELECT * FROM production_4 ORDER BY imei LIMIT $1)"
	if _, err := tx.Exec(ctx, `INSERT INTO lot (model, market, consignment, consignee, shipped_on)
		SELECT DISTINCT model, market, consignment, consignee, shipped_on FROM `+some+" AS p ON CONFLICT DO NOTHING", stretch); err != nil {
		return false, err
	}
	tag, err := tx.Exec(ctx, `WITH gone AS (DELETE FROM production_4 WHERE imei IN (SELECT imei FROM `+some+` AS p) RETURNING *)
		INSERT INTO production (imei, lot, serial) SELECT left(g.imei, 14)::bigint, l.number, g.serial FROM gone g
		JOIN lot l USING (consignment, model, market, consignee, shipped_on)`, stretch)
	if err != nil || tag.RowsAffected() > 0 {
		return true, err
	}
	rows, err := tx.Query(ctx, "SELECT "+columns4+" FROM device_4 ORDER BY id LIMIT $1", stretch)
	if err != nil {
		return false, err
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (*device4, error) {
		d := new(device4)
		return d, r.Scan(d.columns()...)
	})
	if err != nil || len(list) == 0 {
		return false, err
	}
	return true, compacted(ctx, tx, list)
}

// compacted writes devices as they are from step 5 on, and takes the rows from which they were read away.
func compacted(ctx context.Context, tx pgx.Tx, list []*device4) error {
	var ids, rests, records [][]byte
	var numbers, imeis []int64
	var stages []int16
	var places []string
	for _, old := range list {
		d, err := old.device()
		if err != nil {
			return err
		}
		imei, err := record.IMEINumber(d.IMEI)
		if err != nil {
			return fmt.Errorf("device %v: %w", d.ID, err)
		}
		n, err := entries(ctx, tx, d)
		if err != nil {
			return err
		}
		packed, err := record.AppendSmall(nil, d, n)
		if err != nil {
			return err
		}
		ids, numbers, rests = append(ids, old.id), append(numbers, record.Number(d.ID)), append(rests, record.Rest(d.ID))
		imeis, stages, places, records = append(imeis, imei), append(stages, old.stage), append(places, string(record.Place(d))), append(records, packed)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO device (number, rest, imei, stage, place, record, lot)
		SELECT v.*, coalesce((SELECT lot FROM production p WHERE p.imei = v.imei), 0)
		FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::smallint[], $5::text[], $6::bytea[]) AS v(number, rest, imei, stage, place, record)`,
		numbers, rests, imeis, stages, places, records); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DELETE FROM device_4 WHERE id = ANY($1)", ids)
	return err
}

// entries looks up what a device has of dictionaries, in the transaction that brings it over.
func entries(ctx context.Context, tx pgx.Tx, d *authority.Device) (n record.Numbers, err error) {
	if d.Model != "" {
		if err := tx.QueryRow(ctx, entered("model", "name", "name"), d.Model).Scan(&n.Model); err != nil {
			return n, err
		}
	}
	f := record.FindingOf(d)
	if f.IsZero() {
		return n, nil
	}
	body, err := f.Pack()
	if err != nil {
		return n, err
	}
	hash := sha256.Sum256(body)
	return n, tx.QueryRow(ctx, entered("finding", "hash", "hash, body"), hash[:], body).Scan(&n.Finding)
}

const columns4 = `id, imei, serial, model, stage, sequence, unlocks, enrolled_at, last_seen, decided_at, attestation, key_ceiling, boot, verdict,
	clock_doubt, activation_day, activation_mixed, attestation_key, days, policy, software, verdict_rule, reasons, licences, activation`

// device4 is a row of a device as it was at step 4.
type device4 struct {
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
}

func (s *device4) columns() []any {
	return []any{&s.id, &s.imei, &s.serial, &s.model, &s.stage, &s.sequence, &s.unlocks, &s.enrolled, &s.seen, &s.decided, &s.attestation,
		&s.ceiling, &s.boot, &s.verdict, &s.doubt, &s.activationDay, &s.mixed, &s.key, &s.days, &s.policy, &s.software,
		&s.rule, &s.reasons, &s.licences, &s.activation}
}

func (s *device4) device() (*authority.Device, error) {
	d := &authority.Device{
		IMEI: device.IMEI(s.imei), Serial: s.serial, Model: s.model, Key: s.key, Attestation: policy.Attestation(s.attestation),
		KeyCeiling: policy.Attestation(s.ceiling), Boot: evidence.Boot(s.boot), Software: s.software, Sequence: uint64(s.sequence),
		EnrolledAt: moment(s.enrolled), LastSeen: moment(s.seen), ClockDoubt: s.doubt, Unlocks: uint64(s.unlocks),
		Verdict: policy.Verdict(s.verdict), VerdictRule: s.rule, DecidedAt: moment(s.decided),
	}
	if copy(d.ID[:], s.id) != len(d.ID) || s.policy != nil && copy(d.PolicyHash[:], s.policy) != len(d.PolicyHash) {
		return nil, fmt.Errorf("postgres: device %x has an id or a policy of another length", s.id)
	}
	var err1, err2, err3 error
	d.Days, err1 = days.Unpack(s.days)
	d.Reasons, err2 = table.ReadTexts[policy.Reason](s.reasons)
	d.LicenceNames, err3 = table.ReadTexts[string](s.licences)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("postgres: device %v: %w", d.ID, err)
	}
	if len(d.Key) == 0 {
		d.Key = nil
	}
	if s.activation.Valid {
		d.Activation = &territory.Activation{Territory: territory.Code(s.activation.String), Day: territory.Day(s.activationDay.Int32), Mixed: s.mixed.Bool}
	}
	return d, nil
}

// moment reads what stamp wrote.
func moment(n pgtype.Int8) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}
