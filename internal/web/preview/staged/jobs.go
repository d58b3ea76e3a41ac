package staged

import (
	"context"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// began is a job that somebody has just begun; number 9, or 10 for those that take their time.
func (a *Authority) began(kind, subject, result string) *authority.Job {
	j := &authority.Job{ID: 9, Kind: kind, Subject: subject, By: "nora", State: authority.JobDone, Done: 100, Total: 100, Result: []byte(result),
		CreatedAt: Today, StartedAt: Today, UpdatedAt: Today, FinishedAt: Today}
	if a.Slow {
		j.ID, j.State, j.FinishedAt = 10, authority.JobRunning, time.Time{}
		j.Done, j.Total, j.StartedAt = 310_000, 1_000_000, Today.Add(-28*time.Second)
	}
	a.last = j
	return j
}

// stagedJobs are one of every sort.
func stagedJobs() []*authority.Job {
	at := func(m int) time.Time { return Today.Add(time.Duration(m) * time.Minute) }
	return []*authority.Job{
		{ID: 7, Kind: authority.NoticeJob, Subject: "warrant-0001", By: "nora", State: authority.JobRunning, Done: 420_000, Total: 1_000_000,
			Result: []byte(`{"enrolled":371000,"noticed":370100,"before":800,"left":100}`), CreatedAt: at(-1), StartedAt: at(-1), UpdatedAt: Today},
		{ID: 6, Kind: "sorting", Subject: "1", By: "samir", State: authority.JobDone, Done: 5, Total: 5, Result: []byte(`{"sorted":5}`), CreatedAt: at(-15), StartedAt: at(-15),
			UpdatedAt: at(-14), FinishedAt: at(-14)}, // of a newer server
		{ID: 5, Kind: authority.SimulationJob, Arguments: []byte(`{"name":"terms.yaml"}`), By: "samir", State: authority.JobDone, Done: 64, Total: 64, Result: []byte(simulated()), CreatedAt: at(-20), StartedAt: at(-20),
			UpdatedAt: at(-19), FinishedAt: at(-19)},
		{ID: 4, Kind: authority.ReleaseJob, Subject: "case-0001", By: "nora", State: authority.JobRunning, Done: 310_000, Total: 1_000_000, Result: []byte(`{"lifted":310000,"stragglers":0}`),
			CreatedAt: at(-1), StartedAt: at(-1), UpdatedAt: Today},
		{ID: 3, Kind: authority.SimulationJob, By: "samir", State: authority.JobRunning, Done: 2, Total: 64, CreatedAt: at(-3), StartedAt: at(-3), UpdatedAt: at(-2)},
		{ID: 2, Kind: authority.WaveJob, Subject: "6", By: "nora", State: authority.JobFailed, Done: 12, Total: 128, Result: []byte(`{"locked":0,"skipped":{"appealed":2,"clock-doubt":1}}`), CreatedAt: at(-90), StartedAt: at(-90), UpdatedAt: at(-89), FinishedAt: at(-89),
			Fault: `{"kind":3,"name":"wave-decided","detail":"somebody has already decided this wave"}`},
		{ID: 1, Kind: authority.RetentionJob, By: "rule", State: authority.JobDone, Done: 2416, Total: 2416, Result: []byte(`{"devices":310,"orders":120,"events":4012,"contacts":3,"jobs":7}`), CreatedAt: at(-600), StartedAt: at(-600),
			UpdatedAt: at(-599), FinishedAt: at(-599)},
	}
}

// simulated is what a simulation found.
func simulated() string {
	return `{"policy":"","title":"Terms of 2021, without Sudan","at":"2021-10-14T10:20:00Z","against":"Terms of September 2021",
		"total":{"before":{"devices":2416,"unclear":9,"denied":120,"noticed":3,"locked":63},"after":{"devices":2416,"unclear":7,"denied":104,"noticed":5,"locked":60,"lifted":16}},
		"by_territory":{"IR":{"before":{"devices":80,"denied":80,"noticed":3,"locked":40},"after":{"devices":80,"denied":80,"noticed":5,"locked":40}},"SD":{"before":{"devices":16,"denied":16,"locked":3},"after":{"devices":16,"lifted":16}}},
		"by_model":{"Lark 5":{"before":{"devices":900,"denied":120,"noticed":3,"locked":63},"after":{"devices":900,"denied":104,"noticed":5,"locked":60,"lifted":16}}},
		"samples":[{"device":"` + ID(2).String() + `","model":"Lark 5","territory":"SD","rule":"sudan","what":"lifted","before":"deny","after":"permit","why":"Activated in Sudan, which is supported."}]}`
}

// Simulate is over at once.
func (a *Authority) Simulate(_ context.Context, actor *authority.Officer, name string, _ []byte) (*authority.Job, error) {
	a.called("Simulate %s %s", name, actor.Name)
	return a.began(authority.SimulationJob, "", simulated()), nil
}

func (a *Authority) Jobs(context.Context, int) ([]*authority.Job, error) { return stagedJobs(), a.Fail }

func (a *Authority) Job(_ context.Context, id int64) (*authority.Job, error) {
	if a.last != nil && a.last.ID == id {
		return a.last, a.Fail
	}
	for _, j := range stagedJobs() {
		if j.ID == id {
			return j, a.Fail
		}
	}
	return nil, authority.ErrNotFound
}

func (a *Authority) AwaitJob(ctx context.Context, id int64, _ time.Duration) (*authority.Job, error) {
	return a.Job(ctx, id)
}

func (a *Authority) CancelJob(_ context.Context, actor *authority.Officer, id int64) (*authority.Job, error) {
	if !actor.Can(authority.MayInvestigate) {
		return nil, authority.ErrForbidden
	}
	a.called("CancelJob %d %s", id, actor.Name)
	return a.Job(context.Background(), id)
}

func (a *Authority) Stragglers(_ context.Context, warrant string, after device.ID, limit int) ([]authority.Straggler, error) {
	if after != (device.ID{}) {
		return nil, a.Fail
	}
	return []authority.Straggler{{Device: ID(3), IMEI: IMEI(3), Warrant: warrant, LiftedAt: Today.Add(-48 * time.Hour), LastSeen: Today.Add(-9 * 24 * time.Hour)}}, a.Fail
}
