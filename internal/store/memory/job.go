package memory

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

func copyJob(j *authority.Job) *authority.Job {
	c := *j
	c.Arguments, c.Cursor, c.Result = slices.Clone(j.Arguments), slices.Clone(j.Cursor), slices.Clone(j.Result)
	return &c
}

func checkJob(j *authority.Job) error {
	switch {
	case j.Kind == "" || j.By == "":
		return broken("a job has a kind and somebody who asked for it")
	case len(j.Arguments) > authority.MaxJobArguments || len(j.Cursor) > authority.MaxJobCursor || len(j.Result) > authority.MaxJobResult:
		return broken("the job is too large")
	case j.Done < 0 || j.Total < 0 || j.Done > j.Total:
		return broken("a job has done no more than all of it")
	case j.State.Finished() != !j.FinishedAt.IsZero():
		return broken("a job has an end when it is finished")
	}
	return nil
}

func (t *tx) InsertJob(j *authority.Job) (int64, error) {
	if err := t.mayWrite(); err != nil {
		return 0, err
	}
	c := copyJob(j)
	c.State, c.Step = authority.JobWaiting, 0
	if err := checkJob(c); err != nil {
		return 0, err
	}
	for _, other := range t.jobs {
		if j.Subject != "" && other.Kind == j.Kind && other.Subject == j.Subject && !other.State.Finished() {
			return 0, authority.ErrConflict
		}
	}
	was := t.lastJob
	t.undo = append(t.undo, func() { t.lastJob = was })
	t.lastJob++
	c.ID = t.lastJob
	put(t, t.jobs, c.ID, c)
	return c.ID, nil
}

func (t *tx) Job(id int64) (*authority.Job, error) {
	j, ok := t.jobs[id]
	if !ok {
		return nil, authority.ErrAbsent
	}
	return copyJob(j), nil
}

func (t *tx) Jobs(limit int) ([]*authority.Job, error) {
	return t.someJobs(limit, func(a, b *authority.Job) int { return cmp.Compare(b.ID, a.ID) }, func(*authority.Job) bool { return true })
}

func (t *tx) UnfinishedJobs(limit int) ([]*authority.Job, error) {
	rank := func(j *authority.Job) int {
		switch j.Kind {
		case authority.ReleaseJob, authority.WaveJob, authority.NoticeJob:
			return 0
		case authority.ImportJob:
			return 2
		}
		return 1
	}
	return t.someJobs(limit, func(a, b *authority.Job) int { return cmp.Or(rank(a)-rank(b), cmp.Compare(a.ID, b.ID)) }, func(j *authority.Job) bool { return !j.State.Finished() })
}

func (t *tx) someJobs(limit int, order func(a, b *authority.Job) int, fits func(*authority.Job) bool) (list []*authority.Job, err error) {
	if err := within(limit); err != nil {
		return nil, err
	}
	for _, j := range slices.SortedFunc(maps.Values(t.jobs), order) {
		if fits(j) && len(list) < limit {
			list = append(list, copyJob(j))
		}
	}
	return list, nil
}

func (t *tx) LastJob(kind, subject string, state authority.JobState) (*authority.Job, error) {
	list, err := t.someJobs(1, func(a, b *authority.Job) int { return cmp.Compare(b.ID, a.ID) }, func(j *authority.Job) bool {
		return subject != "" && j.Kind == kind && j.Subject == subject && (state == "" || j.State == state)
	})
	if err == nil && len(list) == 0 {
		err = authority.ErrAbsent
	}
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

func (t *tx) AdvanceIfAt(j *authority.Job, step int64) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	was, ok := t.jobs[j.ID]
	if !ok {
		return authority.ErrAbsent
	}
	if was.Step != step || was.State.Finished() {
		return authority.ErrConflict
	}
	next := copyJob(was)
	c := copyJob(j)
	next.Cursor, next.Result, next.Done, next.Total, next.State, next.Fault = c.Cursor, c.Result, c.Done, c.Total, c.State, c.Fault
	next.StartedAt, next.UpdatedAt, next.FinishedAt, next.Step = c.StartedAt, c.UpdatedAt, c.FinishedAt, step+1
	if err := checkJob(next); err != nil {
		return err
	}
	put(t, t.jobs, j.ID, next)
	return nil
}

func (t *tx) DeleteJobs(before time.Time, limit int) (n int, err error) {
	if err := t.mayWrite(); err != nil {
		return 0, err
	}
	list, err := t.someJobs(limit, func(a, b *authority.Job) int { return cmp.Compare(a.ID, b.ID) },
		func(j *authority.Job) bool { return j.State.Finished() && j.FinishedAt.Before(before) })
	for _, j := range list {
		drop(t, t.jobs, j.ID)
	}
	return len(list), err
}
