package table

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/internal/store/record"
	"github.com/bailiwick-dev/bailiwick/order"
)

const (
	// idColumns are read by identity and rest. An id is a number here, and a rest in its device's row.
	idColumns          = "device, (SELECT d.rest FROM device AS d WHERE d.number = device)"
	RestrictionColumns = idColumns + `, ground_kind, ground, round, stage, territory, authority, reference, noticed_at, deadline, shown_days,
	coalesce(wave, 0), locked_at, effect_at, ends_at, lifted_at, cause, appealing, applied, applied_at, applied_note`
	onGround          = " WHERE device = $1 AND ground_kind = $2 AND ground = $3"
	restrictionExists = "SELECT 1 FROM restriction" + onGround
)

func ScanRestriction(row Row) (*restriction.Restriction, error) {
	r := new(restriction.Restriction)
	var kind, stage, cause, applied int64
	err := row.Scan(Identity(&r.Device), Rest(&r.Device), &kind, &r.Ground.ID, &r.Round, &stage, &r.Territory, Fixed(r.Authority[:]), &r.Reference,
		When(&r.NoticedAt), When(&r.Deadline), &r.ShownDays, &r.Wave, When(&r.LockedAt), When(&r.EffectAt), When(&r.EndsAt),
		When(&r.LiftedAt), &cause, &r.Appealing, &applied, When(&r.AppliedAt), &r.AppliedNote)
	r.Ground.Kind, r.Stage, r.Cause, r.Applied = order.GroundKind(kind), order.Stage(stage), order.Cause(cause), order.Stage(applied)
	return r, err
}

func (t Tx) Restriction(id device.ID, g order.Ground) (*restriction.Restriction, error) {
	return First(List(t, ScanRestriction, "SELECT "+RestrictionColumns+" FROM restriction"+onGround, One(id, g)...))
}

func (t Tx) Restrictions(id device.ID) ([]*restriction.Restriction, error) {
	return List(t, ScanRestriction, "SELECT "+RestrictionColumns+` FROM restriction WHERE device = $1
		ORDER BY ground_kind, ground`, record.Number(id))
}

func (t Tx) ActiveOn(g order.Ground, after device.ID, limit int) ([]*restriction.Restriction, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	first, more := Behind(after)
	if !more {
		return nil, nil
	}
	return List(t, ScanRestriction, "SELECT "+RestrictionColumns+` FROM restriction
		WHERE ground_kind = $1 AND ground = $2 AND device >= $3 AND stage IN (1, 2) ORDER BY device LIMIT $4`, int64(g.Kind), g.ID, first, limit)
}

const (
	noticeInto = `INSERT INTO restriction (device, ground_kind, ground, round, stage, territory, authority, reference,
			noticed_at, deadline, shown_days, cause, appealing, applied, applied_note)`
	// anew: a new round starts with nothing shown, nothing applied and no wave.
	anew = `ON CONFLICT (device, ground_kind, ground) DO UPDATE SET round = restriction.round + 1, stage = 1, territory = excluded.territory,
			authority = excluded.authority, reference = excluded.reference, noticed_at = excluded.noticed_at,
			deadline = excluded.deadline, shown_days = 0, wave = NULL, locked_at = NULL, effect_at = NULL, ends_at = NULL,
			lifted_at = NULL, cause = 0, appealing = false, applied = 0, applied_at = NULL, applied_note = ''
		WHERE restriction.stage = 3 AND restriction.cause NOT IN (2, 3, 5)`

	// NoticeMany is what PostgreSQL gives many notices by, and returns the keys of those that it gave.
	NoticeMany = noticeInto + `
		SELECT v.device, v.kind, v.ground, 1, 1, v.territory, v.authority, v.reference, v.noticed, v.deadline, 0, 0, false, 0, ''
		FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::bigint[], $8::bigint[])
			AS v(device, kind, ground, territory, authority, reference, noticed, deadline)
		` + anew + " RETURNING device, ground_kind, ground"
)

func (t Tx) NoticeIfFree(r *restriction.Restriction) error {
	n, err := t.Exec(noticeInto+` VALUES ($1, $2, $3, 1, 1, $4, $5, $6, $7, $8, 0, 0, false, 0, '') `+anew,
		append(One(r.Device, r.Ground), string(r.Territory), r.Authority[:], r.Reference, Stamp(r.NoticedAt), Stamp(r.Deadline))...)
	if err == nil && n == 0 {
		err = authority.ErrConflict
	}
	return err
}

func (t Tx) ExtendIfNoticed(id device.ID, g order.Ground, deadline time.Time) error {
	at := Stamp(deadline)
	return Guarded(t, restrictionExists, One(id, g),
		"UPDATE restriction SET deadline = $4 WHERE device = $1 AND ground_kind = $2 AND ground = $3 AND stage = 1 AND deadline <= $4",
		append(One(id, g), at)...)
}

func (t Tx) LockIfNoticed(id device.ID, g order.Ground, lockedAt, effectAt, endsAt time.Time) error {
	return Guarded(t, restrictionExists, One(id, g), `UPDATE restriction SET stage = 2, locked_at = $4, effect_at = $5, ends_at = $6
		WHERE device = $1 AND ground_kind = $2 AND ground = $3 AND stage = 1 AND appealing = false AND deadline <= $5`,
		append(One(id, g), Stamp(lockedAt), Stamp(effectAt), Stamp(endsAt))...)
}

// WithdrawLockIfNotInEffect also leaves the wave: after the appeal another approval is needed.
func (t Tx) WithdrawLockIfNotInEffect(id device.ID, g order.Ground, now, deadline time.Time) error {
	return Guarded(t, restrictionExists, One(id, g), `UPDATE restriction SET stage = 1, appealing = true, deadline = $5, wave = NULL,
			locked_at = NULL, effect_at = NULL, ends_at = NULL
		WHERE device = $1 AND ground_kind = $2 AND ground = $3 AND stage = 2 AND appealing = false AND applied <> 2
			AND effect_at > $4 AND effect_at < $5`, append(One(id, g), Stamp(now), Stamp(deadline))...)
}

// LiftIfActive also ends the mark of an appeal: there is nothing left to stop the clock of.
func (t Tx) LiftIfActive(id device.ID, g order.Ground, at time.Time, cause order.Cause) error {
	return Guarded(t, restrictionExists, One(id, g), `UPDATE restriction SET stage = 3, lifted_at = $4, cause = $5, appealing = false
		WHERE device = $1 AND ground_kind = $2 AND ground = $3 AND stage IN (1, 2)`,
		append(One(id, g), Stamp(at), int64(cause))...)
}

// ReportApplied is called at every check-in and mostly says what is known; then nothing is written.
func (t Tx) ReportApplied(id device.ID, g order.Ground, stage order.Stage, shownDays int, at time.Time, note string) error {
	n, err := t.Exec(`UPDATE restriction SET applied = $4, shown_days = $5, applied_note = $7,
			applied_at = CASE WHEN applied = $4 AND applied_at IS NOT NULL THEN applied_at ELSE CAST($6 AS bigint) END
		WHERE device = $1 AND ground_kind = $2 AND ground = $3
			AND (applied <> $4 OR shown_days <> $5 OR applied_note <> $7 OR applied_at IS NULL)`,
		append(One(id, g), int64(stage), shownDays, Stamp(at), note)...)
	if err != nil || n > 0 {
		return err
	}
	var found int
	return Single(t, restrictionExists, One(id, g), &found)
}

func (t Tx) SetAppealing(id device.ID, g order.Ground, on bool) error {
	return Guarded(t, restrictionExists, One(id, g), `UPDATE restriction SET appealing = $4
		WHERE device = $1 AND ground_kind = $2 AND ground = $3 AND stage IN (1, 2)`, append(One(id, g), on)...)
}

// CountActiveOn counts the restrictions in force on a ground.
func (t Tx) CountActiveOn(g order.Ground) (n int, err error) {
	return n, Single(t, "SELECT count(*) FROM restriction WHERE ground_kind = $1 AND ground = $2 AND stage IN (1, 2)", key(int64(g.Kind), g.ID), &n)
}
