package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// brief is how long an answer waits for a job: a small one is finished by then.
const brief = 300 * time.Millisecond

type jobView struct {
	ID         int64           `json:"id"`
	Kind       string          `json:"kind" enum:"release,wave,simulation,import,retention,count,notices"`
	Subject    string          `json:"subject,omitempty" doc:"what it is about: a case, a wave, a warrant"`
	About      string          `json:"about,omitempty" doc:"what it is about, for people: the name of an import's file or of a simulation's policy, else the subject"`
	State      string          `json:"state" enum:"waiting,running,done,failed,cancelled"`
	Done       int64           `json:"done" doc:"of total"`
	Total      int64           `json:"total" doc:"as far as it is known; 0 while it is not"`
	Left       float64         `json:"left_seconds,omitempty" doc:"estimate, while it runs"`
	By         string          `json:"by"`
	CreatedAt  *time.Time      `json:"created_at,omitempty"`
	StartedAt  *time.Time      `json:"started_at,omitempty"`
	UpdatedAt  *time.Time      `json:"updated_at,omitempty"`
	FinishedAt *time.Time      `json:"finished_at,omitempty"`
	Result     json.RawMessage `json:"result,omitempty" doc:"what has come of it so far; its form is the kind's"`
	Fault      *jobFault       `json:"fault,omitempty" doc:"why it failed, or why its last step is tried again"`
}

type jobFault struct {
	Name   string `json:"name"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

func jobOf(j *authority.Job) jobView {
	v := jobView{ID: j.ID, Kind: j.Kind, Subject: j.Subject, About: j.About(), State: string(j.State), Done: j.Done, Total: j.Total, Left: j.Left().Seconds(), By: j.By,
		CreatedAt: moment(j.CreatedAt), StartedAt: moment(j.StartedAt), UpdatedAt: moment(j.UpdatedAt), FinishedAt: moment(j.FinishedAt), Result: j.Result}
	if err := j.Err(); err != nil {
		e := authority.AsError(err)
		v.Fault = &jobFault{e.Name, e.Detail, e.Fix}
	}
	return v
}

func briefly(j *authority.Job) jobView {
	v := jobOf(j)
	v.Result = nil
	return v
}

type jobInput struct {
	ID int64 `path:"id" minimum:"1"`
}

type stragglersInput struct {
	ID    string `path:"id" minLength:"1" maxLength:"64"`
	After string `query:"after" maxLength:"32" doc:"id of the last device of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type stragglerView struct {
	Device      string     `json:"device"`
	IMEI        string     `json:"imei"`
	Warrant     string     `json:"warrant"`
	LiftedAt    *time.Time `json:"lifted_at,omitempty"`
	DeliveredAt *time.Time `json:"delivered_at,omitempty" doc:"last sent to it; it has not confirmed"`
	LastSeen    *time.Time `json:"last_seen,omitempty"`
}

func stragglerOf(s authority.Straggler) stragglerView {
	return stragglerView{s.Device.String(), string(s.IMEI), s.Warrant, moment(s.LiftedAt), moment(s.DeliveredAt), moment(s.LastSeen)}
}

// accepted is an operation that begins a job.
func accepted(o huma.Operation) huma.Operation {
	o.DefaultStatus = http.StatusAccepted
	return o
}

// began answers with a job, as it is after a moment.
func (e *edge) began(ctx context.Context, j *authority.Job, err error) (*bodyOf[jobView], error) {
	if err == nil {
		if later, e := e.cfg.Authority.AwaitJob(ctx, j.ID, brief); e == nil {
			j = later
		}
	}
	return one(j, err, jobOf)
}

// jobs are long work.
func (e *edge) jobs(api huma.API) {
	a := e.cfg.Authority
	huma.Register(api, op(http.MethodGet, "/v1/jobs", "list-jobs", "Jobs, newest first, without their results"),
		func(ctx context.Context, in *limitInput) (*bodyOf[[]jobView], error) {
			all, err := a.Jobs(ctx, in.Limit)
			return list(all, err, briefly)
		})
	huma.Register(api, op(http.MethodGet, "/v1/jobs/{id}", "show-job", "A job with what has come of it so far"),
		func(ctx context.Context, in *jobInput) (*bodyOf[jobView], error) {
			j, err := a.Job(ctx, in.ID)
			return one(j, err, jobOf)
		})
	huma.Register(api, op(http.MethodPost, "/v1/jobs/{id}/cancel", "cancel-job", "Call a job off: what is done stays done"),
		func(ctx context.Context, in *jobInput) (*bodyOf[jobView], error) {
			j, err := a.CancelJob(ctx, actor(ctx), in.ID)
			return one(j, err, jobOf)
		})
	huma.Register(api, op(http.MethodGet, "/v1/warrants/{id}/stragglers", "list-stragglers", "Devices that have not confirmed the lift of a hold, by id, page by page"),
		func(ctx context.Context, in *stragglersInput) (*bodyOf[[]stragglerView], error) {
			var after device.ID
			if in.After != "" {
				var p *Problem
				if after, p = parseID(in.After); p != nil {
					return nil, p
				}
			}
			all, err := a.Stragglers(ctx, in.ID, after, in.Limit)
			return list(all, err, stragglerOf)
		})
}
