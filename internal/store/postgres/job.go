package postgres

import (
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

const (
	jobColumns = `number, kind, subject, arguments, cursor, result, done, total, step, state, fault, asked_by, created_at, started_at,
	updated_at, finished_at`
	jobExists = "SELECT 1 FROM job WHERE number = $1"
)

func scanJob(s scanner) (*authority.Job, error) {
	j := new(authority.Job)
	var arguments, cursor, result []byte
	err := s.Scan(&j.ID, &j.Kind, &j.Subject, &arguments, &cursor, &result, &j.Done, &j.Total, &j.Step, &j.State, &j.Fault, &j.By,
		when{&j.CreatedAt}, when{&j.StartedAt}, when{&j.UpdatedAt}, when{&j.FinishedAt})
	j.Arguments, j.Cursor, j.Result = arguments, cursor, result
	return j, err
}

func (t *tx) InsertJob(j *authority.Job) (int64, error) {
	return t.insert(`INSERT INTO job (kind, subject, arguments, cursor, result, done, total, step, state, fault, asked_by, created_at, started_at,
		updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 'waiting', $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING RETURNING number`, j.Kind, j.Subject, blob(j.Arguments), blob(j.Cursor), blob(j.Result),
		j.Done, j.Total, j.Fault, j.By, stamp(j.CreatedAt), stamp(j.StartedAt), stamp(j.UpdatedAt))
}

func (t *tx) Job(id int64) (*authority.Job, error) {
	return first(rows(t, scanJob, "SELECT "+jobColumns+" FROM job WHERE number = $1", id))
}

func (t *tx) Jobs(limit int) ([]*authority.Job, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	return rows(t, scanJob, "SELECT "+jobColumns+" FROM job ORDER BY number DESC LIMIT $1", limit)
}

func (t *tx) UnfinishedJobs(limit int) ([]*authority.Job, error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	return rows(t, scanJob, "SELECT "+jobColumns+" FROM job WHERE finished_at IS NULL ORDER BY number LIMIT $1", limit)
}

func (t *tx) AdvanceIfAt(j *authority.Job, step int64) error {
	return t.guarded(jobExists, key(j.ID), `UPDATE job SET cursor = $1, result = $2, done = $3, total = $4, state = $5, fault = $6, started_at = $7,
		updated_at = $8, finished_at = $9, step = step + 1 WHERE number = $10 AND step = $11 AND finished_at IS NULL`,
		blob(j.Cursor), blob(j.Result), j.Done, j.Total, string(j.State), j.Fault, stamp(j.StartedAt), stamp(j.UpdatedAt), stamp(j.FinishedAt),
		j.ID, step)
}

func (t *tx) DeleteJobs(before time.Time, limit int) (int, error) {
	if err := within(limit); err != nil {
		return 0, err
	}
	n, err := t.exec("DELETE FROM job WHERE number IN (SELECT number FROM job WHERE finished_at < $1 ORDER BY number LIMIT $2)", stamp(before), limit)
	return int(n), err
}
