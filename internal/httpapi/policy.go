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

type beginImportInput struct {
	Body struct {
		Name   string `json:"name" minLength:"1" maxLength:"200"`
		SHA256 string `json:"sha256" pattern:"^[0-9a-f]{64}$" doc:"of the file"`
		Size   int64  `json:"size" minimum:"1" doc:"of the file, in bytes"`
	}
}

type importRowsInput struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		From     authority.ImportPlace `json:"from" doc:"how far the import has come"`
		To       authority.ImportPlace `json:"to" doc:"how far these lines bring it"`
		Rejected int                   `json:"rejected,omitempty" minimum:"0" doc:"faulty lines between the two, left out"`
		Lines    string                `json:"lines" maxLength:"4194304" doc:"lines of the file, without its header: CSV as POST /v1/production takes it"`
	}
}

// importView is an import, and where it goes on.
type importView struct {
	Job   jobView               `json:"job"`
	Place authority.ImportPlace `json:"place" doc:"go on here"`
}

func importOf(j *authority.Job) importView {
	v := importView{Job: jobOf(j)}
	if len(j.Cursor) > 0 {
		_ = json.Unmarshal(j.Cursor, &v.Place) // our own
	}
	return v
}

// imports bring large files in parts, and go on after a crash where they were.
func (e *edge) imports(api huma.API) {
	a := e.cfg.Authority
	huma.Register(api, accepted(op(http.MethodPost, "/v1/imports", "begin-import", "Begin the import of a file of production records, or find where it was cut short")),
		func(ctx context.Context, in *beginImportInput) (*bodyOf[importView], error) {
			j, err := a.BeginImport(ctx, actor(ctx), authority.ImportFile{Name: in.Body.Name, SHA256: in.Body.SHA256, Size: in.Body.Size})
			return one(j, err, importOf)
		})
	rows := op(http.MethodPost, "/v1/imports/{id}/rows", "import-rows", "Add or replace production records: the next lines of an import's file")
	rows.MaxBodyBytes = 6 << 20 // a character of JSON may take two bytes
	huma.Register(api, rows, func(ctx context.Context, in *importRowsInput) (*bodyOf[importView], error) {
		var records []authority.Production
		if in.Body.Lines != "" {
			var err error
			if records, err = e.cfg.ProductionLines([]byte(in.Body.Lines)); err != nil {
				return nil, newProblem(http.StatusBadRequest, "csv-faulty", err.Error(), "leave the line out, and count it as rejected")
			}
		}
		j, err := a.ImportRows(ctx, actor(ctx), in.ID, in.Body.From, in.Body.To, records, in.Body.Rejected)
		return one(j, err, importOf)
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
