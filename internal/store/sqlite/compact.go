package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	_ "embed"
	"fmt"
	"sync"

	"modernc.org/sqlite"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/store/days"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/internal/store/table"
	"github.com/bailiwick-dev/bailiwick/territory"
)

//go:embed compacted.sql
var compacted string

// numberOf makes record.Number known to SQL, as bailiwick_number(id).
var numberOf = sync.OnceValue(func() error {
	return sqlite.RegisterDeterministicScalarFunction("bailiwick_number", 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		id, ok := args[0].([]byte)
		if !ok || len(id) != 16 {
			return nil, fmt.Errorf("%v is no id of a device", args[0])
		}
		return record.Number(device.ID(id)), nil
	})
})

// compaction is the part of step 5 that SQL cannot do. It runs in the transaction of its step: either all of it is there afterwards, or
// the file is as it was, and the next start begins anew.
type compaction struct {
	ctx      context.Context
	tx       *sql.Tx
	progress func(what string, done, total int)

	models   map[string]int64
	findings map[string]int64
	lots     map[authority.Lot]int64
}

const tellEvery = 50_000

func compact(ctx context.Context, tx *sql.Tx, progress func(what string, done, total int)) error {
	c := &compaction{ctx, tx, progress, map[string]int64{}, map[string]int64{}, map[authority.Lot]int64{}}
	for _, part := range []func() error{c.productions, c.devices, c.rest} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// each goes through a query with progress.
func (c *compaction) each(what, table, query string, row func(*sql.Rows) error) error {
	var total, done int
	if err := c.tx.QueryRowContext(c.ctx, "SELECT count(*) FROM "+table).Scan(&total); err != nil {
		return err
	}
	cursor, err := c.tx.QueryContext(c.ctx, query)
	if err != nil {
		return err
	}
	defer cursor.Close()
	for cursor.Next() {
		if err := row(cursor); err != nil {
			return err
		}
		if done++; done%tellEvery == 0 || done == total {
			c.progress(what, done, total)
		}
	}
	return cursor.Err()
}

func (c *compaction) productions() error {
	put, err := c.tx.PrepareContext(c.ctx, "INSERT INTO production (imei, serial, lot) VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	defer put.Close()
	return c.each("production records", "production_4", "SELECT imei, serial, model, market, consignment, consignee, shipped_on FROM production_4 ORDER BY imei",
		func(row *sql.Rows) error {
			var imei device.IMEI
			var serial string
			var l authority.Lot
			if err := row.Scan(&imei, &serial, &l.Model, &l.Market, &l.Consignment, &l.Consignee, &l.ShippedOn); err != nil {
				return err
			}
			number, err := record.IMEINumber(imei)
			if err != nil {
				return fmt.Errorf("the production record of %s cannot be kept: delete it with the release before this one, or correct it: %w", imei, err)
			}
			lot, err := entry(c, c.lots, l, "INSERT INTO lot (model, market, consignment, consignee, shipped_on) VALUES (?, ?, ?, ?, ?)",
				l.Model, string(l.Market), l.Consignment, l.Consignee, int64(l.ShippedOn))
			if err != nil {
				return err
			}
			_, err = put.ExecContext(c.ctx, number, serial, lot)
			return err
		})
}

// entry is the number of something in its dictionary.
func entry[K comparable](c *compaction, known map[K]int64, key K, insert string, args ...any) (int64, error) {
	if n, ok := known[key]; ok {
		return n, nil
	}
	result, err := c.tx.ExecContext(c.ctx, insert, args...)
	if err != nil {
		return 0, err
	}
	n, err := result.LastInsertId()
	known[key] = n
	return n, err
}

const devicesOfStep4 = `SELECT d.id, d.imei, d.place, d.stage, d.serial, d.model, attestation_key, attestation, key_ceiling, boot, software, sequence,
	enrolled_at, last_seen, days, activation, activation_day, activation_mixed, clock_doubt, unlocks, verdict, verdict_rule, reasons, policy,
	decided_at, licences, coalesce(p.lot, 0) FROM device_4 d LEFT JOIN production p ON p.imei = CAST(substr(d.imei, 1, 14) AS INTEGER) ORDER BY d.id`

func (c *compaction) devices() error {
	put, err := c.tx.PrepareContext(c.ctx, "INSERT INTO device (number, rest, imei, place, stage, lot, revision, record) VALUES (?, ?, ?, ?, ?, ?, 1, ?)")
	if err != nil {
		return err
	}
	defer put.Close()
	return c.each("devices", "device_4", devicesOfStep4, func(row *sql.Rows) error {
		var place string
		var stage, lot int64
		d, err := deviceOfStep4(row, &place, &stage, &lot)
		if err != nil {
			return err
		}
		imei, err := record.IMEINumber(d.IMEI)
		if err != nil {
			return fmt.Errorf("device %v cannot be kept: %w", d.ID, err)
		}
		numbers, err := c.numbers(d)
		if err != nil {
			return err
		}
		packed, err := record.Pack(d, numbers)
		if err != nil {
			return err
		}
		if _, err = put.ExecContext(c.ctx, record.Number(d.ID), record.Rest(d.ID), imei, place, stage, lot, packed); err != nil {
			return fmt.Errorf("device %v: %w", d.ID, err)
		}
		return nil
	})
}

func (c *compaction) numbers(d *authority.Device) (n record.Numbers, err error) {
	if d.Model != "" {
		model, err := entry(c, c.models, d.Model, "INSERT INTO model (name) VALUES (?)", d.Model)
		if err != nil {
			return n, err
		}
		n.Model = uint64(model)
	}
	finding := record.FindingOf(d)
	if finding.IsZero() {
		return n, nil
	}
	body, err := finding.Pack()
	if err != nil {
		return n, err
	}
	sum := sha256.Sum256(body)
	number, err := entry(c, c.findings, string(body), "INSERT INTO finding (hash, body) VALUES (?, ?)", sum[:], body)
	n.Finding = uint64(number)
	return n, err
}

func deviceOfStep4(row *sql.Rows, place *string, stage, lot *int64) (*authority.Device, error) {
	var (
		d                                   authority.Device
		attestation, ceiling, boot, verdict int64
		packed                              []byte
		activation                          *string
		activationDay                       *int64
		mixed                               *bool
		reasons, licences                   string
	)
	err := row.Scan(table.Fixed(d.ID[:]), &d.IMEI, place, stage, &d.Serial, &d.Model, &d.Key, &attestation, &ceiling, &boot, &d.Software,
		table.Counter(&d.Sequence), table.When(&d.EnrolledAt), table.When(&d.LastSeen), &packed, &activation, &activationDay, &mixed, &d.ClockDoubt,
		table.Counter(&d.Unlocks), &verdict, &d.VerdictRule, &reasons, table.Maybe(d.PolicyHash[:]), table.When(&d.DecidedAt), &licences, lot)
	if err != nil {
		return nil, err
	}
	d.Attestation, d.KeyCeiling = policy.Attestation(attestation), policy.Attestation(ceiling)
	d.Boot, d.Verdict = evidence.Boot(boot), policy.Verdict(verdict)
	if activation != nil {
		d.Activation = &territory.Activation{Territory: territory.Code(*activation), Day: territory.Day(*activationDay), Mixed: *mixed}
	}
	if d.Days, err = days.Unpack(packed); err == nil {
		if d.Reasons, err = table.ReadTexts[policy.Reason](reasons); err == nil {
			d.LicenceNames, err = table.ReadTexts[string](licences)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("device %v: %w", d.ID, err)
	}
	return &d, nil
}

// rest copies what refers to devices, drops the tables of before, and makes indexes and triggers.
func (c *compaction) rest() error {
	for _, table := range []struct{ name, columns string }{
		{"restriction", `ground_kind, ground, round, stage, territory, authority, reference, noticed_at, deadline, shown_days, wave, locked_at,
			effect_at, ends_at, lifted_at, cause, appealing, applied, applied_at, applied_note`},
		{"orders", "number, id, leaf, salt, kind, ground_kind, ground, issued_at, leaf_index, delivered_at, settled, refusal"},
		{"appeal", "number, ground_kind, ground, words, contact, opened_at, due_at, state, answered_by, answered_at, answer, stopped_lock"},
	} {
		_, err := c.tx.ExecContext(c.ctx, fmt.Sprintf("INSERT INTO %s (device, %s) SELECT bailiwick_number(device), %s FROM %s_4",
			table.name, table.columns, table.columns, table.name))
		if err != nil {
			return fmt.Errorf("%s: %w", table.name, err)
		}
	}
	_, err := c.tx.ExecContext(c.ctx, compacted)
	return err
}
