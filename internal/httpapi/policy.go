package httpapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
)

type policyView struct {
	Hash        string     `json:"hash" doc:"SHA-256 of the source, hexadecimal"`
	Name        string     `json:"name"`
	ActivateAt  time.Time  `json:"activate_at" doc:"in force from: the later of its publication and its effective_from"`
	By          string     `json:"by" doc:"account that published it"`
	PublishedAt *time.Time `json:"published_at,omitempty"`
	Signers     []string   `json:"signers" nullable:"false" doc:"officers who signed the metadata that listed it last"`
	Source      string     `json:"source,omitempty"`
}

type published struct {
	Policy   policyView `json:"policy"`
	Title    string     `json:"title"`
	Tests    int        `json:"tests" doc:"inline tests that passed"`
	Warnings []string   `json:"warnings" nullable:"false"`
}

func policyOf(p *authority.PolicyDocument) policyView {
	return policyView{Hash: hex.EncodeToString(p.Hash[:]), Name: p.Name, ActivateAt: p.ActivateAt, By: p.By,
		PublishedAt: moment(p.PublishedAt), Signers: append([]string{}, p.Signers...)}
}

// policies are published, and read.
func (e *edge) policies(api huma.API) {
	a := e.cfg.Authority
	huma.Register(api, op(http.MethodGet, "/v1/policy", "policy-in-force", "The policy in force, with its source"),
		func(ctx context.Context, _ *struct{}) (*bodyOf[policyView], error) {
			_, p, err := a.PolicyInForce(ctx)
			return one(p, err, func(p *authority.PolicyDocument) policyView {
				v := policyOf(p)
				v.Source = string(p.Source)
				return v
			})
		})
	huma.Register(api, op(http.MethodGet, "/v1/policies", "list-policies", "Published policies, the latest in force first"),
		func(ctx context.Context, in *limitInput) (*bodyOf[[]historyView], error) {
			all, err := a.PolicyHistory(ctx, in.Limit)
			return list(all, err, historyOf)
		})
	simulate := accepted(op(http.MethodPost, "/v1/policies/simulate", "simulate-policy",
		"Count what a policy would do to the fleet, beside the one in force; a job whose result is the counts"))
	simulate.MaxBodyBytes = 2*policy.MaxSize + 64<<10
	huma.Register(api, simulate, func(ctx context.Context, in *proposeInput) (*bodyOf[jobView], error) {
		j, err := a.Simulate(ctx, actor(ctx), in.Body.Name, []byte(in.Body.Source))
		return e.began(ctx, j, err)
	})
	publish := op(http.MethodPost, "/v1/policies", "publish-policy", "Publish a policy at once: only a sandbox can, which holds officers' keys itself")
	publish.MaxBodyBytes = 2*policy.MaxSize + 64<<10 // a character may take several bytes in JSON
	huma.Register(api, publish, func(ctx context.Context, in *proposeInput) (*bodyOf[published], error) {
		p, report, err := a.PublishPolicy(ctx, actor(ctx), in.Body.Name, []byte(in.Body.Source))
		return one(p, err, func(p *authority.PolicyDocument) published {
			v := published{Policy: policyOf(p)}
			v.Title, v.Tests, v.Warnings = told(report)
			return v
		})
	})
}

// production takes production records as CSV. It reads them as they come, so it is no operation of huma's; only its
// description is.
func (e *edge) production(api huma.API) {
	o := op(http.MethodPost, pathProduction, "import-production", "Add or replace production records")
	schema := &huma.Schema{Type: huma.TypeString}
	o.RequestBody = &huma.RequestBody{Required: true, Description: "CSV with a header line",
		Content: map[string]*huma.MediaType{"text/csv": {Schema: schema}}}
	imported := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[importResult](), true, "Import")
	problem := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	o.Responses = map[string]*huma.Response{
		"200":     {Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: imported}}},
		"default": {Description: "Error", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}},
	}
	api.OpenAPI().AddOperation(&o)
	e.api.HandleFunc("POST "+pathProduction, e.importProduction)
}

type importResult struct {
	Records int `json:"records" doc:"rows read and stored"`
}

func (e *edge) importProduction(w http.ResponseWriter, r *http.Request) {
	o, err := e.officer(r)
	if err != nil {
		problemOf(err).write(w)
		return
	}
	if t := r.Header.Get("Content-Type"); !sameType(t, "text/csv") && !sameType(t, "text/csv; charset=utf-8") {
		status := http.StatusUnsupportedMediaType
		newProblem(status, statusNames[status], "the content type is not text/csv", "send Content-Type: text/csv").write(w)
		return
	}
	control := http.NewResponseController(w)
	until := time.Now().Add(e.cfg.ImportTimeout)
	// A connection that has no deadlines (in a test) is content without.
	_, _ = control.SetReadDeadline(until), control.SetWriteDeadline(until)
	rows, err := e.cfg.Production(http.MaxBytesReader(w, r.Body, e.cfg.MaxImport))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			unreadable(err, e.cfg.MaxImport).write(w)
			return
		}
		newProblem(http.StatusBadRequest, "csv-faulty", err.Error(), "mend the line and send the file again").write(w)
		return
	}
	n, err := e.cfg.Authority.ImportProduction(r.Context(), o, rows)
	if err != nil {
		problemOf(err).write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(importResult{n})
}
