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
	stretch     = 5000   // rows that are brought over in one transaction
	told        = 50_000 // rows after which progress is told
)

// passage is what a process remembers while it brings records over, from one stretch to the next. Nothing rests on it: another process that
// goes on begins with an empty one.
type passage struct {
	progress func(what string, done, total int)
	done     int
	total    int            // 0 before it was counted
	imei     string         // production records up to this one are over
	id       []byte         // and devices up to this one
	models   map[string]int // entries of dictionaries
	findings map[string]int // by their bytes
}

func newPassage(progress func(what string, done, total int)) *passage {
	if progress == nil {
		progress = func(string, int, int) {}
	}
	p := &passage{progress: progress}
	p.forget()
	return p
}

// forget what a transaction may have found that was rolled back.
func (p *passage) forget() {
	p.imei, p.id, p.models, p.findings = "", []byte{}, map[string]int{}, map[string]int{}
}

// went tells of rows that are over.
func (p *passage) went(ctx context.Context, tx pgx.Tx, rows int) error {
	if p.total == 0 {
		if err := tx.QueryRow(ctx, "SELECT (SELECT count(*) FROM production_4) + (SELECT count(*) FROM device_4)").Scan(&p.total); err != nil {
			return err
		}
		p.total += rows // which are gone from there
	}
	before := p.done
	if p.done = min(p.done+rows, p.total); p.done == p.total || before/told != p.done/told {
		p.progress("records", p.done, p.total)
	}
	return nil
}

// compact does the first part of the step unless that was done, and brings a stretch over. When none is left it returns the last part.
func compact(ctx context.Context, tx pgx.Tx, source string, p *passage) (last string, more bool, err error) {
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
		more, err = p.bringOver(ctx, tx)
	}
	if err != nil {
		return "", false, fmt.Errorf("postgres: bringing the records over to step 5: %w", err)
	}
	return last, more, nil
}

// bringOver brings a stretch of the rows of step 4 into the tables of step 5, in the transaction that takes them from the old ones, and
// reports whether any were left. A process that is killed meanwhile has lost nothing: the next one goes on with what is left.
func (p *passage) bringOver(ctx context.Context, tx pgx.Tx) (more bool, err error) {
	moved, err := p.productions(ctx, tx)
	if err == nil && moved == 0 {
		moved, err = p.devices(ctx, tx)
	}
	switch {
	case err != nil:
		return false, err
	case moved > 0:
		return true, p.went(ctx, tx, moved)
	}
	// What comes next drops the old tables, so that nothing rests on what this process remembers.
	err = tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM production_4) OR EXISTS (SELECT 1 FROM device_4)").Scan(&more)
	p.forget()
	return more, err
}

// productions are looked for behind those that went before: the index still has these, dead, until a vacuum.
func (p *passage) productions(ctx context.Context, tx pgx.Tx) (moved int, err error) {
	const some = "(SELECT * FROM production_4 WHERE imei > $2 ORDER BY imei LIMIT $1)"
	if _, err := tx.Exec(ctx, `INSERT INTO lot (model, market, consignment, consignee, shipped_on)
		SELECT DISTINCT model, market, consignment, consignee, shipped_on FROM `+some+" AS p ON CONFLICT DO NOTHING", stretch, p.imei); err != nil {
		return 0, err
	}
	var last *string
	err = tx.QueryRow(ctx, `WITH gone AS (DELETE FROM production_4 WHERE imei IN (SELECT imei FROM `+some+` AS p) RETURNING *),
		come AS (INSERT INTO production (imei, lot, serial) SELECT left(g.imei, 14)::bigint, l.number, g.serial FROM gone g
		JOIN lot l USING (consignment, model, market, consignee, shipped_on) RETURNING imei)
		SELECT (SELECT count(*) FROM come), (SELECT max(imei) FROM gone)`, stretch, p.imei).Scan(&moved, &last)
	if last != nil {
		p.imei = *last
	}
	return moved, err
}

func (p *passage) devices(ctx context.Context, tx pgx.Tx) (moved int, err error) {
	rows, err := tx.Query(ctx, "SELECT "+columns4+" FROM device_4 WHERE id > $2 ORDER BY id LIMIT $1", stretch, p.id)
	if err != nil {
		return 0, err
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (*device4, error) {
		d := new(device4)
		return d, r.Scan(d.columns()...)
	})
	if err != nil || len(list) == 0 {
		return 0, err
	}
	p.id = list[len(list)-1].id
	return len(list), p.compacted(ctx, tx, list)
}

// compacted writes devices as they are from step 5 on, and takes the rows from which they were read away.
func (p *passage) compacted(ctx context.Context, tx pgx.Tx, list []*device4) error {
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
		n, err := p.entries(ctx, tx, d)
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

// entries looks up what a device has of dictionaries, in the transaction that brings it over, unless it is remembered.
func (p *passage) entries(ctx context.Context, tx pgx.Tx, d *authority.Device) (n record.Numbers, err error) {
	if d.Model != "" {
		model, known := p.models[d.Model]
		if !known {
			if err := tx.QueryRow(ctx, entered("model", "name", "name"), d.Model).Scan(&model); err != nil {
				return n, err
			}
			remember(p.models, d.Model, model)
		}
		n.Model = uint64(model)
	}
	f := record.FindingOf(d)
	if f.IsZero() {
		return n, nil
	}
	body, err := f.Pack()
	if err != nil {
		return n, err
	}
	finding, known := p.findings[string(body)]
	if !known {
		hash := sha256.Sum256(body)
		if err := tx.QueryRow(ctx, entered("finding", "hash", "hash, body"), hash[:], body).Scan(&finding); err != nil {
			return n, err
		}
		remember(p.findings, string(body), finding)
	}
	n.Finding = uint64(finding)
	return n, nil
}

// remember keeps an entry; past a number of them it begins anew.
func remember(known map[string]int, what string, number int) {
	if len(known) >= maxEntries {
		clear(known)
	}
	known[what] = number
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
