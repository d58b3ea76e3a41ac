package table

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/restriction"
	"github.com/bailiwick-dev/bailiwick/order"
)

const (
	waveColumns = "number, created_at, policy, state, decided_by, decided_at, note, size"
	waveExists  = "SELECT 1 FROM wave WHERE number = $1"
)

func scanWave(row Row) (*authority.Wave, error) {
	w := new(authority.Wave)
	return w, row.Scan(&w.ID, When(&w.CreatedAt), Fixed(w.PolicyHash[:]), &w.State, &w.DecidedBy, When(&w.DecidedAt), &w.Note, &w.Size)
}

func (t Tx) OpenWave() (*authority.Wave, error) {
	return First(List(t, scanWave, "SELECT "+waveColumns+" FROM wave WHERE state = 'open'"))
}

// InsertWave begins an empty open wave; one is open at a time.
func (t Tx) InsertWave(w *authority.Wave) (int64, error) {
	return Insert(t, "INSERT INTO wave (created_at, policy, state, decided_by, note, size) VALUES ($1, $2, 'open', '', $3, 0) ON CONFLICT DO NOTHING RETURNING number",
		Stamp(w.CreatedAt), w.PolicyHash[:], w.Note)
}

func (t Tx) ProposeIfNoticed(wave int64, id device.ID, g order.Ground) error {
	var found int
	if err := Single(t, waveExists, key(wave), &found); err != nil {
		return err
	}
	err := Guarded(t, restrictionExists, One(id, g), `UPDATE restriction SET wave = $4
		WHERE device = $1 AND ground_kind = $2 AND ground = $3 AND stage = 1 AND wave IS NULL
			AND EXISTS (SELECT 1 FROM wave WHERE number = $4 AND state = 'open')`, append(One(id, g), wave)...)
	if err != nil {
		return err
	}
	return Put(t, "UPDATE wave SET size = size + 1 WHERE number = $1", wave)
}

func (t Tx) WithdrawProposal(id device.ID, g order.Ground) error {
	err := Guarded(t, restrictionExists, One(id, g), `UPDATE restriction SET wave = NULL
		WHERE device = $1 AND ground_kind = $2 AND ground = $3 AND wave = (SELECT number FROM wave WHERE state = 'open')`, One(id, g)...)
	if err != nil {
		return err
	}
	return Put(t, "UPDATE wave SET size = size - 1 WHERE state = 'open'")
}

func (t Tx) Wave(id int64) (*authority.Wave, error) {
	return First(List(t, scanWave, "SELECT "+waveColumns+" FROM wave WHERE number = $1", id))
}

func (t Tx) Waves(limit int) ([]*authority.Wave, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	return List(t, scanWave, "SELECT "+waveColumns+" FROM wave ORDER BY number DESC LIMIT $1", limit)
}

func (t Tx) WaveItems(id int64, after authority.RestrictionKey, limit int) ([]*restriction.Restriction, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	return List(t, ScanRestriction, "SELECT "+RestrictionColumns+` FROM restriction WHERE wave = $1 AND (device, ground_kind, ground) > ($2, $3, $4)
		ORDER BY device, ground_kind, ground LIMIT $5`, append(append(key(id), One(after.Device, after.Ground)...), limit)...)
}

// DecideIfOpen: the size stays as what was decided about.
func (t Tx) DecideIfOpen(id int64, s authority.WaveState, by string, at time.Time, note string) error {
	err := Guarded(t, waveExists, key(id), `UPDATE wave SET state = $1, decided_by = $2, decided_at = $3, note = $4
		WHERE number = $5 AND state = 'open'`, string(s), by, Stamp(at), note, id)
	if err != nil || s != authority.WaveRejected {
		return err
	}
	_, err = t.Exec("UPDATE restriction SET wave = NULL WHERE wave = $1", id)
	return err
}
