package httpapi

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bailiwick-dev/bailiwick/internal/admission"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// New returns the handler of everything, see the package comment.
func New(cfg Config) (http.Handler, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &edge{cfg: cfg, api: http.NewServeMux(), ends: ends{after: cfg.Timeout}}
	if e.cfg.Pages == nil {
		e.cfg.Pages = http.HandlerFunc(e.unmatched)
	}
	for _, l := range []struct {
		into *(*limiter)
		rate Rate
	}{{&e.device, cfg.DeviceRate}, {&e.people, cfg.PeopleRate}, {&e.guess, cfg.GuessRate}} {
		if *l.into, err = newLimiter(l.rate, cfg.Prefixes); err != nil {
			return nil, err
		}
	}
	e.count = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bailiwick_http_request_seconds",
		Help: "Requests by route and status.", Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10}}, []string{"route", "status"})
	if err := cfg.Registry.Register(e.count); err != nil {
		return nil, err
	}
	e.accepted = e.count.WithLabelValues(routeCheckIn, strconv.Itoa(http.StatusOK))
	e.devices = &devices{authority: cfg.Authority, networks: e.device}
	if !cfg.Unbounded {
		e.devices.gate = admission.New(cfg.Admission)
		if err := e.devices.gate.Register(cfg.Registry); err != nil {
			return nil, err
		}
		e.places = make(chan struct{}, cfg.PeopleAtOnce)
	}
	e.devices.routes(e.api)
	e.operational()
	return e, e.describe()
}

// operational serves what whoever runs the server needs.
func (e *edge) operational() {
	e.api.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	e.api.HandleFunc("GET /readyz", e.readiness)
	metrics := promhttp.HandlerFor(e.cfg.Registry, promhttp.HandlerOpts{})
	e.api.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if viaUnknown(r) || !within(ClientAddress(r.Context()), e.cfg.MetricsFrom) {
			newProblem(http.StatusForbidden, "metrics-elsewhere", "metrics are not shown to this address", "ask from an address in the server's setting for metrics").write(w)
			return
		}
		metrics.ServeHTTP(w, r)
	})
}

// setHuma sets what huma keeps in variables of its package; nobody else here uses huma.
var setHuma = sync.OnceFunc(func() {
	huma.NewError = fromHuma
	huma.ValidateStrictCasing = true
})

// describe builds the JSON API with its description.
func (e *edge) describe() error {
	setHuma()
	format := huma.DefaultJSONFormat
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{OpenAPI: "3.1.0", Info: &huma.Info{
			Title: "Bailiwick", Version: e.cfg.Version,
			Description: "What officers and owners may ask of the authority. Devices speak another protocol: docs/protocol.md.",
		}},
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
	config.Components = &huma.Components{
		Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
		SecuritySchemes: map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer",
			Description: "the token of POST /v1/login"}},
	}
	api := humago.New(e.api, config)
	api.UseMiddleware(jsonOnly, e.loggedIn)
	e.accounts(api)
	e.fleet(api)
	e.waves(api)
	e.cases(api)
	e.jobs(api)
	e.appeals(api)
	e.policies(api)
	e.proposals(api)
	e.owners(api)
	e.production(api)
	e.imports(api)
	document, err := json.MarshalIndent(api.OpenAPI(), "", "  ")
	if err != nil {
		return err
	}
	e.api.HandleFunc("GET /v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(document)
	})
	return nil
}

const (
	pathLogin      = "/v1/login"
	pathPassword   = "/v1/password"
	pathLogout     = "/v1/logout"
	pathProduction = "/v1/production"
)

// op is an operation for officers; open makes it one for everybody.
func op(method, path, id, summary string) huma.Operation {
	o := huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, MaxBodyBytes: 64 << 10,
		BodyReadTimeout: -1, // the server's ReadTimeout holds
		Security:        []map[string][]string{{"bearer": {}}}}
	if method == http.MethodPost {
		o.DefaultStatus = http.StatusOK
	}
	return o
}

func open(o huma.Operation) huma.Operation {
	o.Security = nil
	return o
}

func silent(o huma.Operation) huma.Operation {
	o.DefaultStatus = http.StatusNoContent
	return o
}

// jsonOnly refuses bodies that do not say that they are JSON; a browser's form cannot be one.
func jsonOnly(ctx huma.Context, next func(huma.Context)) {
	mediaType, p, err := mime.ParseMediaType(ctx.Header("Content-Type"))
	if ctx.Operation().RequestBody == nil || err == nil && mediaType == "application/json" && (p["charset"] == "" || strings.EqualFold(p["charset"], "utf-8")) {
		next(ctx)
		return
	}
	_, w := humago.Unwrap(ctx)
	status := http.StatusUnsupportedMediaType
	newProblem(status, statusNames[status], "the content type is not application/json", "send Content-Type: application/json").write(w)
}

type officerKey struct{}

// actor is the officer who asks; operations with security have one.
func actor(ctx context.Context) *authority.Officer {
	o, _ := ctx.Value(officerKey{}).(*authority.Officer)
	return o
}

// loggedIn lets operations with security pass for officers only.
func (e *edge) loggedIn(ctx huma.Context, next func(huma.Context)) {
	if len(ctx.Operation().Security) == 0 {
		next(ctx)
		return
	}
	r, w := humago.Unwrap(ctx)
	o, err := e.officer(r)
	if err != nil {
		problemOf(err).write(w)
		return
	}
	next(huma.WithValue(ctx, officerKey{}, o))
}

// officer finds out who asks. With a one-time password an officer can only choose another one, and leave.
func (e *edge) officer(r *http.Request) (*authority.Officer, error) {
	o, err := e.cfg.Authority.Authenticate(r.Context(), bearer(r.Header.Get("Authorization")))
	if err != nil {
		return nil, err
	}
	if o.MustChange && r.URL.Path != pathPassword && r.URL.Path != pathLogout {
		return nil, authority.ErrPasswordChange
	}
	return o, nil
}

func bearer(header string) string {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// body is an answer with a body.
type bodyOf[T any] struct{ Body T }

// one answers with what the authority returned, or its problem.
func one[T, V any](v T, err error, view func(T) V) (*bodyOf[V], error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return &bodyOf[V]{view(v)}, nil
}

// list answers with a list, never null.
func list[T, V any](all []T, err error, view func(T) V) (*bodyOf[[]V], error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return &bodyOf[[]V]{each(all, view)}, nil
}

func each[T, V any](all []T, view func(T) V) []V {
	views := make([]V, len(all))
	for i, v := range all {
		views[i] = view(v)
	}
	return views
}

// none answers without a body.
func none(err error) (*struct{}, error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return nil, nil
}
