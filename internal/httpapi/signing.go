package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Paths of what officers sign.
const (
	pathProposals = "/v1/proposals"
	pathOnlineKey = "/v1/metadata/online-key"

	pagesProposals = "/console/proposals" // where the console's pages take the same files
)

type proposeInput struct {
	Body struct {
		Name   string `json:"name" minLength:"1" maxLength:"100" example:"terms-2021-09.yaml"`
		Source string `json:"source" minLength:"1" maxLength:"1048576" doc:"the policy file, YAML"`
	}
}

type policyProposal struct {
	Proposal []byte   `json:"proposal" doc:"the proposal file, for officers to sign; base64"`
	Title    string   `json:"title"`
	Tests    int      `json:"tests" doc:"inline tests that passed"`
	Warnings []string `json:"warnings" nullable:"false"`
}

type warrantProposal struct {
	Warrant  warrantView `json:"warrant"`
	Proposal []byte      `json:"proposal" doc:"the proposal file, for officers to sign; base64; with the list of the devices"`
}

type keyView struct {
	Name  string `json:"name"`
	KeyID string `json:"key_id"`
	Type  string `json:"type" doc:"ed25519 or es256"`
}

func keyOf(k tufrepo.PublicKey) keyView { return keyView{k.Name(), k.ID(), string(k.Kind())} }

type roleView struct {
	Role      string    `json:"role"`
	Version   uint64    `json:"version"`
	Threshold int       `json:"threshold" doc:"how many different keys sign it"`
	Expires   time.Time `json:"expires"`
	Ending    bool      `json:"ending" doc:"officers' signatures end within 30 days, or have"`
}

type signingKeys struct {
	Founded   bool       `json:"founded"`
	Officers  []keyView  `json:"officers" nullable:"false" doc:"who signs policies and warrants, by name; these are no accounts"`
	Threshold int        `json:"threshold" doc:"how many of them sign everything; 0 while nothing is founded"`
	Online    keyView    `json:"online" doc:"this server's own key, which signs snapshot and timestamp alone"`
	Roles     []roleView `json:"roles" nullable:"false"`
	SignsHere bool       `json:"signs_here" doc:"the server holds officers' keys itself: a sandbox, whose signatures bind nobody"`
}

func signingKeysOf(k *authority.SigningKeys) signingKeys {
	v := signingKeys{Founded: k.Founded, Officers: each(k.Officers, keyOf), Threshold: k.Threshold, Online: keyOf(k.Online), Roles: []roleView{}, SignsHere: k.SignsHere}
	versions := map[string]uint64{tuf.Root: k.Versions.Root, tuf.Targets: k.Versions.Targets, tuf.Policy: k.Versions.Policy, tuf.Warrant: k.Versions.Warrant,
		tuf.Snapshot: k.Versions.Snapshot, tuf.Timestamp: k.Versions.Timestamp}
	for _, role := range slices.Sorted(maps.Keys(k.Expires)) {
		threshold := k.Threshold
		if role == tuf.Snapshot || role == tuf.Timestamp {
			threshold = 1
		}
		ending := slices.ContainsFunc(k.Ending, func(e authority.RoleEnd) bool { return e.Role == role })
		v.Roles = append(v.Roles, roleView{role, versions[role], threshold, k.Expires[role].UTC(), ending})
	}
	return v
}

type versionsView struct {
	Root      uint64 `json:"root"`
	Timestamp uint64 `json:"timestamp"`
	Snapshot  uint64 `json:"snapshot"`
	Targets   uint64 `json:"targets"`
	Policy    uint64 `json:"policy"`
	Warrant   uint64 `json:"warrant"`
}

type publication struct {
	Subject  string       `json:"subject" enum:"founding,officers,policy,warrant"`
	Versions versionsView `json:"versions" doc:"of the metadata in force since"`
	Signers  []string     `json:"signers" nullable:"false" doc:"officers whose signatures brought it"`
	Policy   *policyView  `json:"policy,omitempty" doc:"the policy that it brought"`
	Warrant  *warrantView `json:"warrant,omitempty" doc:"the warrant that it put in force"`
}

func publicationOf(p *authority.Published) publication {
	return publication{string(p.Subject), versionsView(p.Versions), append([]string{}, p.Signers...), maybe(p.Policy, policyOf), maybe(p.Warrant, func(w *authority.Warrant) warrantView { return warrantOf(w, p.Notices) })}
}

type historyView struct {
	policyView
	ID        string    `json:"id"`
	Version   int       `json:"version" doc:"the policy's own"`
	Title     string    `json:"title"`
	Effective time.Time `json:"effective_from"`
	Signed    bool      `json:"signed" doc:"officers' signatures list it now: it counts, or will"`
	InForce   bool      `json:"in_force"`
}

func historyOf(e authority.PolicyEdition) historyView {
	return historyView{policyOf(e.Document), e.ID, e.Version, e.Title, e.Effective.UTC(), e.Signed, e.InForce}
}

// proposals are what officers sign (Charter C7), on its way out and in.
func (e *edge) proposals(api huma.API) {
	a := e.cfg.Authority
	propose := op(http.MethodPost, "/v1/policies/proposals", "propose-policy", "Check a policy and get the proposal that officers sign")
	propose.MaxBodyBytes = 2*policy.MaxSize + 64<<10 // a character may take several bytes in JSON
	huma.Register(api, propose, func(ctx context.Context, in *proposeInput) (*bodyOf[policyProposal], error) {
		proposal, report, err := a.ProposePolicy(ctx, actor(ctx), in.Body.Name, []byte(in.Body.Source))
		return one(proposal, err, func(proposal []byte) policyProposal {
			v := policyProposal{Proposal: proposal}
			v.Title, v.Tests, v.Warnings = told(report)
			return v
		})
	})
	huma.Register(api, op(http.MethodPost, "/v1/cases/{id}/warrants", "draft-warrant", "Draft a warrant for a hold and get the proposal that officers sign"),
		func(ctx context.Context, in *warrantInput) (*bodyOf[warrantProposal], error) {
			w, proposal, err := a.DraftWarrant(ctx, actor(ctx), in.ID, in.Body.Reason, in.Body.EndsAt)
			return one(w, err, func(w *authority.Warrant) warrantProposal { return warrantProposal{warrantOf(w, nil), proposal} })
		})
	huma.Register(api, op(http.MethodPost, "/v1/warrants/{id}/proposal", "propose-warrant", "Get a drafted warrant's proposal anew, on what is in force now"),
		func(ctx context.Context, in *caseInput) (*bodyOf[warrantProposal], error) {
			w, proposal, err := a.ProposeWarrant(ctx, actor(ctx), in.ID)
			return one(w, err, func(w *authority.Warrant) warrantProposal { return warrantProposal{warrantOf(w, nil), proposal} })
		})
	huma.Register(api, op(http.MethodGet, "/v1/officers/keys", "signing-keys", "Who signs policies and warrants, and until when the signatures stand"),
		func(ctx context.Context, _ *struct{}) (*bodyOf[signingKeys], error) {
			k, err := a.SigningKeys(ctx)
			return one(k, err, signingKeysOf)
		})
	e.publication(api)
	e.onlineKey(api)
}

// told is what a report says in an answer.
func told(report *policy.Report) (title string, tests int, warnings []string) {
	warnings = []string{}
	if report == nil {
		return "", 0, warnings
	}
	for _, w := range report.Warnings {
		warnings = append(warnings, "line "+strconv.Itoa(w.Line)+": "+w.Message)
	}
	return report.Title, len(report.Tests) - report.Failed, warnings
}

// publication takes a signed proposal, of any subject. The body is the proposal file itself, which may be large, so it is no operation of
// huma's; only its description is.
func (e *edge) publication(api huma.API) {
	o := op(http.MethodPost, pathProposals, "publish-proposal", "Publish a proposal that officers have signed: founding, officers, policy or warrant")
	o.RequestBody = &huma.RequestBody{Required: true, Description: "the proposal file, as it is",
		Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}}}}
	schema := func(of reflect.Type, name string) *huma.Schema {
		return api.OpenAPI().Components.Schemas.Schema(of, true, name)
	}
	o.Description = noticesLater
	published := map[string]*huma.MediaType{"application/json": {Schema: schema(reflect.TypeFor[publication](), "Publication")}}
	o.Responses = map[string]*huma.Response{
		"200":     {Description: "OK", Content: published},
		"202":     {Description: "Accepted", Content: published},
		"default": {Description: "Error", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema(reflect.TypeFor[Problem](), "Problem")}}},
	}
	api.OpenAPI().AddOperation(&o)
	e.api.HandleFunc("POST "+pathProposals, e.publish)
}

func (e *edge) publish(w http.ResponseWriter, r *http.Request) {
	o, err := e.officer(r)
	if err != nil {
		problemOf(err).write(w)
		return
	}
	if t := r.Header.Get("Content-Type"); !sameType(t, "application/json") && !sameType(t, "application/json; charset=utf-8") {
		status := http.StatusUnsupportedMediaType
		newProblem(status, statusNames[status], "the content type is not application/json", "send Content-Type: application/json").write(w)
		return
	}
	control := http.NewResponseController(w)
	until := time.Now().Add(e.cfg.ImportTimeout)
	// A connection that has no deadlines (in a test) is content without.
	_, _ = control.SetReadDeadline(until), control.SetWriteDeadline(until)
	if r.ContentLength > tufrepo.MaxProposal {
		oversized().write(w)
		return
	}
	proposal, err := io.ReadAll(http.MaxBytesReader(w, r.Body, tufrepo.MaxProposal))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			oversized().write(w)
			return
		}
		unreadable(err, tufrepo.MaxProposal).write(w)
		return
	}
	published, err := e.cfg.Authority.Publish(r.Context(), o, proposal)
	if err != nil {
		problemOf(err).write(w)
		return
	}
	status := e.noticing(r.Context(), published)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(publicationOf(published))
}

// oversized names a proposal that is not even read.
func oversized() *Problem {
	e := authority.ErrProposalOversized
	return newProblem(http.StatusRequestEntityTooLarge, e.Name, "a proposal has at most "+strconv.Itoa(tufrepo.MaxProposal>>20)+" MiB", e.Fix)
}

// onlineKey gives the public key of the server, which the founding names: for everybody, as a public key file.
func (e *edge) onlineKey(api huma.API) {
	o := open(op(http.MethodGet, pathOnlineKey, "online-key", "The server's public online key, which the officers' root names"))
	o.Responses = map[string]*huma.Response{"200": {Description: "a public key file (PEM)",
		Content: map[string]*huma.MediaType{"application/x-pem-file": {Schema: &huma.Schema{Type: huma.TypeString}}}}}
	api.OpenAPI().AddOperation(&o)
	e.api.HandleFunc("GET "+pathOnlineKey, func(w http.ResponseWriter, r *http.Request) {
		k, err := e.cfg.Authority.SigningKeys(r.Context())
		if err != nil {
			problemOf(err).write(w)
			return
		}
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(k.Online.Marshal())
	})
}
