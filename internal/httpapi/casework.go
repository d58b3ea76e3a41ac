package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

type limitInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type waveInput struct {
	ID int64 `path:"id" minimum:"1"`
}

type approveInput struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		Note    string `json:"note,omitempty" maxLength:"500"`
		Confirm int    `json:"confirm,omitempty" minimum:"0" doc:"the wave's confirm, when it asks for one"`
		Shown   int    `json:"shown,omitempty" minimum:"0" doc:"locks in the wave as you saw it; if it has grown, the approval is refused"`
	}
}

type rejectInput struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		Note string `json:"note" minLength:"1" maxLength:"500"`
	}
}

// waves are locks put to a human (Charter C7).
func (e *edge) waves(api huma.API) {
	a := e.cfg.Authority
	huma.Register(api, op(http.MethodGet, "/v1/waves", "list-waves", "Waves, newest first"),
		func(ctx context.Context, in *limitInput) (*bodyOf[[]waveView], error) {
			all, err := a.Waves(ctx, in.Limit)
			return list(all, err, waveOf)
		})
	huma.Register(api, op(http.MethodGet, "/v1/waves/{id}", "show-wave", "A wave with its counts, what is odd about it, and samples"),
		func(ctx context.Context, in *waveInput) (*bodyOf[waveDetail], error) {
			w, err := a.WaveDetail(ctx, in.ID)
			return one(w, err, waveDetailOf)
		})
	huma.Register(api, accepted(op(http.MethodPost, "/v1/waves/{id}/approve", "approve-wave", "Approve a wave: a job issues its locks")),
		func(ctx context.Context, in *approveInput) (*bodyOf[jobView], error) {
			j, err := a.BeginApproval(ctx, actor(ctx), in.ID, authority.WaveApproval{Note: in.Body.Note, Confirm: in.Body.Confirm, Shown: in.Body.Shown})
			return e.began(ctx, j, err)
		})
	huma.Register(api, silent(op(http.MethodPost, "/v1/waves/{id}/reject", "reject-wave", "Reject a wave")),
		func(ctx context.Context, in *rejectInput) (*struct{}, error) {
			return none(a.RejectWave(ctx, actor(ctx), in.ID, in.Body.Note))
		})
}

type caseInput struct {
	ID string `path:"id" minLength:"1" maxLength:"64"`
}

type openCaseInput struct {
	Body struct {
		Title       string `json:"title" minLength:"1" maxLength:"200"`
		Consignment string `json:"consignment" minLength:"1" maxLength:"64"`
	}
}

type warrantInput struct {
	ID   string `path:"id" minLength:"1" maxLength:"64"`
	Body struct {
		Reason string    `json:"reason" minLength:"1" maxLength:"500" doc:"what the owner reads"`
		EndsAt time.Time `json:"ends_at"`
	}
}

// holdOutput is a warrant that came in force, with the status that says whether its notices are still being given.
type holdOutput struct {
	Status int
	Body   warrantView
}

// noticesLater is what the description of an operation says that puts a warrant in force.
const noticesLater = "Of a large cohort a job gives the notices, which the warrant's notices names; the status is 202 while it is at work."

// noticing follows the job of a publication, if it began one, for a moment, and returns the status of the answer.
func (e *edge) noticing(ctx context.Context, out *authority.Published) int {
	if out.Notices == nil {
		return http.StatusOK
	}
	if later, err := e.cfg.Authority.AwaitJob(ctx, out.Notices.ID, brief); err == nil {
		out.Follow(later)
	}
	if out.Notices.State.Finished() {
		return http.StatusOK
	}
	return http.StatusAccepted
}

type concludeInput struct {
	ID   string `path:"id" minLength:"1" maxLength:"64"`
	Body struct {
		Finding string `json:"finding" minLength:"1" maxLength:"2000"`
	}
}

// cases are investigations with holds and releases.
func (e *edge) cases(api huma.API) {
	a := e.cfg.Authority
	huma.Register(api, op(http.MethodGet, "/v1/cases", "list-cases", "Cases, newest first"),
		func(ctx context.Context, in *limitInput) (*bodyOf[[]caseView], error) {
			all, err := a.Cases(ctx, in.Limit)
			return list(all, err, caseOf)
		})
	huma.Register(api, op(http.MethodPost, "/v1/cases", "open-case", "Open a case on a consignment"),
		func(ctx context.Context, in *openCaseInput) (*bodyOf[caseView], error) {
			c, err := a.OpenCase(ctx, actor(ctx), in.Body.Title, in.Body.Consignment)
			return one(c, err, caseOf)
		})
	huma.Register(api, op(http.MethodGet, "/v1/cases/{id}", "show-case", "A case with its cohort: counted now or, when it is large, by the last job that did"),
		func(ctx context.Context, in *caseInput) (*bodyOf[caseDetail], error) {
			c, err := a.CaseDetail(ctx, in.ID)
			return one(c, err, caseDetailOf)
		})
	huma.Register(api, accepted(op(http.MethodPost, "/v1/cases/{id}/count", "count-case", "Count a case's consignment anew: a job does")),
		func(ctx context.Context, in *caseInput) (*bodyOf[jobView], error) {
			j, err := a.BeginCount(ctx, actor(ctx), in.ID)
			return e.began(ctx, j, err)
		})
	hold := op(http.MethodPost, "/v1/warrants/{id}/countersign", "countersign-warrant", "Put another officer's warrant in force at once: only a sandbox can, which holds officers' keys itself")
	hold.Description = noticesLater
	huma.Register(api, hold,
		func(ctx context.Context, in *caseInput) (*holdOutput, error) {
			out, err := a.BeginHold(ctx, actor(ctx), in.ID)
			if err != nil {
				return nil, problemOf(err)
			}
			status := e.noticing(ctx, out)
			return &holdOutput{status, warrantOf(out.Warrant, out.Notices)}, nil
		})
	huma.Register(api, accepted(op(http.MethodPost, "/v1/cases/{id}/conclude", "conclude-case", "Conclude a case: a job lifts every hold")),
		func(ctx context.Context, in *concludeInput) (*bodyOf[jobView], error) {
			j, err := a.BeginConclusion(ctx, actor(ctx), in.ID, in.Body.Finding)
			return e.began(ctx, j, err)
		})
}

type appealsInput struct {
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	State string `query:"state" enum:"open,granted,denied" doc:"all when left out"`
}

type answerInput struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		Grant  bool   `json:"grant" doc:"granted: lifted for good; denied: the deadline moves later by the time it took"`
		Answer string `json:"answer" minLength:"1" maxLength:"2000" doc:"what the owner reads"`
	}
}

// appeals are owners' objections.
func (e *edge) appeals(api huma.API) {
	a := e.cfg.Authority
	huma.Register(api, op(http.MethodGet, "/v1/appeals", "list-appeals", "Appeals, soonest due first"),
		func(ctx context.Context, in *appealsInput) (*bodyOf[[]appealRow], error) {
			all, err := a.Appeals(ctx, authority.AppealState(in.State), in.Limit)
			return list(all, err, appealRowOf)
		})
	huma.Register(api, silent(op(http.MethodPost, "/v1/appeals/{id}/answer", "answer-appeal", "Grant or deny an appeal")),
		func(ctx context.Context, in *answerInput) (*struct{}, error) {
			return none(a.AnswerAppeal(ctx, actor(ctx), in.ID, in.Body.Grant, in.Body.Answer))
		})
}
