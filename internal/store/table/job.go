package table

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

const (
	jobColumns = `number, kind, subject, arguments, cursor, result, done, total, step, state, fault, asked_by, created_at, started_at,
	updated_at, finished_at`
	jobExists = "SELECT 1 FROM job WHERE number = $1"
)

func scanJob(row Row) (*authority.Job, error) {
	j := new(authority.Job)
	var arguments, cursor, result []byte
	err := row.Scan(&j.ID, &j.Kind, &j.Subject, &arguments, &cursor, &result, &j.Done, &j.Total, &j.Step, &j.State, &j.Fault, &j.By,
		When(&j.CreatedAt), When(&j.StartedAt), When(&j.UpdatedAt), When(&j.FinishedAt))
	j.Arguments, j.Cursor, j.Result = arguments, cursor, result
	return j, err
}

func (t Tx) InsertJob(j *authority.Job) (int64, error) {
	return Insert(t, `INSERT INTO job (kind, subject, arguments, cursor, result, done, total, step, state, fault, asked_by, created_at, started_at,
		updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 'waiting', $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING RETURNING number`, j.Kind, j.Subject, Blob(j.Arguments), Blob(j.Cursor), Blob(j.Result),
		j.Done, j.Total, j.Fault, j.By, Stamp(j.CreatedAt), Stamp(j.StartedAt), Stamp(j.UpdatedAt))
}

func (t Tx) Job(id int64) (*authority.Job, error) {
	return First(List(t, scanJob, "SELECT "+jobColumns+" FROM job WHERE number = $1", id))
}

func (t Tx) Jobs(limit int) ([]*authority.Job, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	return List(t, scanJob, "SELECT "+jobColumns+" FROM job ORDER BY number DESC LIMIT $1", limit)
}

func (t Tx) UnfinishedJobs(limit int) ([]*authority.Job, error) {
	if err := Within(limit); err != nil {
		return nil, err
	}
	return List(t, scanJob, "SELECT "+jobColumns+` FROM job WHERE finished_at IS NULL
		ORDER BY CASE kind WHEN 'release' THEN 0 WHEN 'wave' THEN 0 WHEN 'notices' THEN 0 WHEN 'import' THEN 2 ELSE 1 END, number LIMIT $1`, limit)
}

func (t Tx) LastJob(kind, subject string, state authority.JobState) (*authority.Job, error) {
	const about = "SELECT " + jobColumns + " FROM job WHERE kind = $1 AND subject = $2 AND subject <> ''"
	if state == "" {
		return First(List(t, scanJob, about+" ORDER BY number DESC LIMIT 1", kind, subject))
	}
	return First(List(t, scanJob, about+" AND state = $3 ORDER BY number DESC LIMIT 1", kind, subject, string(state)))
}

func (t Tx) AdvanceIfAt(j *authority.Job, step int64) error {
	return Guarded(t, jobExists, key(j.ID), `UPDATE job SET cursor = $1, result = $2, done = $3, total = $4, state = $5, fault = $6, started_at = $7,
		updated_at = $8, finished_at = $9, step = step + 1 WHERE number = $10 AND step = $11 AND finished_at IS NULL`,
		Blob(j.Cursor), Blob(j.Result), j.Done, j.Total, string(j.State), j.Fault, Stamp(j.StartedAt), Stamp(j.UpdatedAt), Stamp(j.FinishedAt),
		j.ID, step)
}

func (t Tx) DeleteJobs(before time.Time, limit int) (int, error) {
	if err := Within(limit); err != nil {
		return 0, err
	}
	n, err := t.Exec("DELETE FROM job WHERE number IN (SELECT number FROM job WHERE finished_at < $1 ORDER BY number LIMIT $2)", Stamp(before), limit)
	return int(n), err
}
