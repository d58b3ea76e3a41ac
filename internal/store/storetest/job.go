package storetest

import (
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

func newJob(kind, subject string) *authority.Job {
	return &authority.Job{Kind: kind, Subject: subject, By: "ada", Arguments: []byte(`{"a":1}`), State: authority.JobWaiting, Total: 10,
		CreatedAt: start, UpdatedAt: start}
}

// asked inserts a job.
func asked(t *testing.T, s authority.Store, j *authority.Job) *authority.Job {
	t.Helper()
	does(t, s, func(tx authority.Tx) (err error) {
		j.ID, err = tx.InsertJob(j)
		return err
	})
	return j
}

func advanced(j *authority.Job, step int64) txFunc {
	return func(tx authority.Tx) error { return tx.AdvanceIfAt(j, step) }
}

func jobIDs(list []*authority.Job) (ids []int64) {
	for _, j := range list {
		ids = append(ids, j.ID)
	}
	return ids
}

var jobTests = map[string]func(*testing.T, authority.Store){
	"insert": func(t *testing.T, s authority.Store) {
		missing(t, s, func(tx authority.Tx) (*authority.Job, error) { return tx.Job(1) })
		j := asked(t, s, newJob("release", "case-0001"))
		same(t, "stored", got(t, s, func(tx authority.Tx) (*authority.Job, error) { return tx.Job(j.ID) }), j)
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error {
			_, err := tx.InsertJob(newJob("release", "case-0001"))
			return err
		})
		other, free, again := asked(t, s, newJob("wave", "case-0001")), asked(t, s, newJob("simulation", "")), asked(t, s, newJob("simulation", ""))
		list := func(limit int) []int64 {
			return jobIDs(got(t, s, func(tx authority.Tx) ([]*authority.Job, error) { return tx.Jobs(limit) }))
		}
		same(t, "newest first", list(9), []int64{again.ID, free.ID, other.ID, j.ID})
		same(t, "limit", list(2), []int64{again.ID, free.ID})
		nobody := newJob("release", "case-0002")
		nobody.By = ""
		large := newJob("release", "case-0003")
		large.Arguments = make([]byte, authority.MaxJobArguments+1)
		for _, j := range []*authority.Job{nobody, large, newJob("", "")} {
			refuses(t, s, nil, func(tx authority.Tx) error { _, err := tx.InsertJob(j); return err })
		}
	},

	"advance": func(t *testing.T, s authority.Store) {
		j := asked(t, s, newJob("release", "case-0001"))
		j.Cursor, j.Result, j.Done, j.Total, j.State = []byte(`{"at":1}`), []byte(`{"n":5}`), 5, 12, authority.JobRunning
		j.StartedAt, j.UpdatedAt, j.Fault = start.Add(time.Second), start.Add(2*time.Second), "try again"
		does(t, s, advanced(j, 0))
		refuses(t, s, authority.ErrConflict, advanced(j, 0)) // somebody else did that step
		j.Step = 1
		same(t, "moved", got(t, s, func(tx authority.Tx) (*authority.Job, error) { return tx.Job(j.ID) }), j)
		refuses(t, s, authority.ErrAbsent, advanced(&authority.Job{ID: 99, State: authority.JobRunning}, 0))
		over := *j
		over.Done = 13
		refuses(t, s, nil, advanced(&over, 1))
		endless := *j
		endless.State = authority.JobDone
		refuses(t, s, nil, advanced(&endless, 1))
		j.State, j.Done, j.Fault, j.FinishedAt = authority.JobDone, 12, "", start.Add(time.Minute)
		does(t, s, advanced(j, 1))
		refuses(t, s, authority.ErrConflict, advanced(j, 2)) // it is finished
		asked(t, s, newJob("release", "case-0001"))          // another one may be about the same
	},

	"unfinished": func(t *testing.T, s authority.Store) {
		a, b, c := asked(t, s, newJob("release", "1")), asked(t, s, newJob("release", "2")), asked(t, s, newJob("release", "3"))
		unfinished := func(limit int) []int64 {
			return jobIDs(got(t, s, func(tx authority.Tx) ([]*authority.Job, error) { return tx.UnfinishedJobs(limit) }))
		}
		same(t, "oldest first", unfinished(9), []int64{a.ID, b.ID, c.ID})
		same(t, "limit", unfinished(1), []int64{a.ID})
		b.State, b.FinishedAt = authority.JobFailed, start.Add(day)
		a.State = authority.JobRunning
		does(t, s, advanced(b, 0))
		does(t, s, advanced(a, 0))
		same(t, "left", unfinished(9), []int64{a.ID, c.ID})
		forget := func(before time.Time) int {
			var n int
			does(t, s, func(tx authority.Tx) (err error) { n, err = tx.DeleteJobs(before, 10); return err })
			return n
		}
		same(t, "too young", forget(start.Add(day)), 0)
		same(t, "old enough", forget(start.Add(2*day)), 1)
		missing(t, s, func(tx authority.Tx) (*authority.Job, error) { return tx.Job(b.ID) })
		d := asked(t, s, newJob("release", "2"))
		if d.ID <= c.ID {
			t.Errorf("the number %d was given out before", d.ID)
		}
	},

	"unfinished of many kinds": func(t *testing.T, s authority.Store) {
		abandoned := asked(t, s, newJob(authority.ImportJob, "file"))
		first, second := asked(t, s, newJob(authority.SimulationJob, "")), asked(t, s, newJob(authority.RetentionJob, "daily"))
		wave, release := asked(t, s, newJob(authority.WaveJob, "7")), asked(t, s, newJob(authority.ReleaseJob, "case-0001"))
		notices := asked(t, s, newJob(authority.NoticeJob, "case-0002/1"))
		for limit, want := range map[int][]int64{
			9: {wave.ID, release.ID, notices.ID, first.ID, second.ID, abandoned.ID},
			2: {wave.ID, release.ID},
		} {
			same(t, "order", jobIDs(got(t, s, func(tx authority.Tx) ([]*authority.Job, error) { return tx.UnfinishedJobs(limit) })), want)
		}
	},

	"interrupted": func(t *testing.T, s authority.Store) {
		j := asked(t, s, newJob("release", "case-0001"))
		j.State, j.Done = authority.JobRunning, 5
		refuses(t, s, authority.ErrConflict, func(tx authority.Tx) error {
			if err := tx.AdvanceIfAt(j, 0); err != nil {
				return err
			}
			return authority.ErrConflict // what the step did beside it failed
		})
		does(t, s, advanced(j, 0))
	},
}
