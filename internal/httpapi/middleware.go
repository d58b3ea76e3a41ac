package httpapi

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bailiwick-dev/bailiwick/internal/span"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// watched is a response whose outcome is known afterwards.
type watched struct {
	http.ResponseWriter
	began  time.Time
	status int
	bytes  int64
}

func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController through.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// edge is what every request passes, in the order of its methods.
type edge struct {
	cfg      Config
	api      *http.ServeMux
	devices  *devices
	device   *limiter
	people   *limiter
	guess    *limiter
	ends     ends          // of check-ins
	places   chan struct{} // one for each of the people's requests that are being served; nil for no bound
	count    *prometheus.HistogramVec
	accepted prometheus.Observer // count's, of check-ins that were accepted
}

// ServeHTTP names the request, finds its client, and keeps the account of it: one line and one observation, without
// address, identifier or query.
func (e *edge) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := &watched{ResponseWriter: rw, began: time.Now()}
	id := requestID()
	client := clientOf(r, e.cfg.TrustedProxies)
	w.Header()["X-Request-Id"] = []string{id}
	if checksIn(r) && e.cfg.Tracer == nil { // nearly all that comes, and it needs no context of its own
		e.recovered(w, r, client, id)
		e.account(w, r, id)
		return
	}
	timeout := e.cfg.Timeout
	switch r.URL.Path {
	case pathProduction, pathProposals, pagesProposals:
		timeout = e.cfg.ImportTimeout
	}
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), addressKey{}, client), timeout)
	defer cancel()
	ctx, sp := span.Start(span.With(ctx, e.cfg.Tracer), "request")
	defer sp.End()
	r = r.WithContext(ctx)
	e.recovered(w, r, client, id)
	e.account(w, r, id)
	span.Label(sp, "http.route", routeOf(r))
	span.Count(sp, "http.response.status_code", w.status)
}

// checksIn reports whether a request is a check-in.
func checksIn(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == protocol.PathCheckIn
}

func routeOf(r *http.Request) string {
	if r.Pattern == "" {
		return "unmatched"
	}
	return r.Pattern
}

// account notes what has become of a request.
func (e *edge) account(w *watched, r *http.Request, id string) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	route, took := routeOf(r), time.Since(w.began)
	if route == routeCheckIn && w.status == http.StatusOK {
		e.accepted.Observe(took.Seconds())
	} else {
		e.count.WithLabelValues(route, strconv.Itoa(w.status)).Observe(took.Seconds())
	}
	level := levelOf(w.status)
	if !e.cfg.Logger.Enabled(r.Context(), level) {
		return
	}
	e.cfg.Logger.LogAttrs(context.WithoutCancel(r.Context()), level, "request",
		slog.String("id", id), slog.String("method", method(r)), slog.String("route", route), slog.Int("status", w.status),
		slog.Int64("bytes", w.bytes), slog.Duration("took", took))
}

// levelOf: what is our fault is a warning; the rest, and there is much of it, is for whoever wants to see it.
func levelOf(status int) slog.Level {
	if status >= http.StatusInternalServerError {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// recovered turns a panic into a problem, and into a line for whoever has to find the fault.
func (e *edge) recovered(w *watched, r *http.Request, client netip.Addr, id string) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler {
			panic(p)
		}
		e.cfg.Logger.Error("a handler panicked", "id", id, "route", r.Pattern, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		if w.status == 0 {
			problemOf(fmt.Errorf("%v", p)).write(w)
		}
	}()
	e.dispatch(w, r, client)
}

// dispatch applies the rate of the route's kind and hands the request to the API or to the pages. What devices send as a body has limits
// of its own, see devices.
func (e *edge) dispatch(w *watched, r *http.Request, client netip.Addr) {
	h := w.Header()
	h["X-Content-Type-Options"] = noSniff
	h["Referrer-Policy"] = noReferrer
	if checksIn(r) {
		h["Content-Security-Policy"], h["Cache-Control"] = noContent, noStore
		r.Pattern = routeCheckIn
		ctx := r.Context()
		if e.cfg.Tracer == nil {
			ctx = e.ends.context(w.began)
		}
		e.devices.checkIn(ctx, w, r, client)
		return
	}
	sends := r.Method == http.MethodPost && r.URL.Path == protocol.PathEnrol
	if !ours(r.URL.Path) {
		e.forPeople(w, r, client, e.cfg.Pages)
		return
	}
	h["Content-Security-Policy"], h["Cache-Control"] = noContent, noStore
	if _, pattern := e.api.Handler(r); pattern == "" {
		if !e.rateOf(r).allows(client) {
			errTooMany().write(w)
			return
		}
		e.unmatched(w, r)
		return
	}
	if sends {
		e.api.ServeHTTP(w, r)
		return
	}
	e.forPeople(w, r, client, e.api)
}

// forPeople serves what has a rate by network, and no more at once than there are places: a server in trouble still answers whoever looks
// after it.
func (e *edge) forPeople(w http.ResponseWriter, r *http.Request, client netip.Addr, to http.Handler) {
	if !e.rateOf(r).allows(client) {
		errTooMany().write(w)
		return
	}
	if e.places != nil && !devicePaths[r.URL.Path] && !operational[r.URL.Path] {
		select {
		case e.places <- struct{}{}:
			defer func() { <-e.places }()
		default:
			errCrowded().write(w)
			return
		}
	}
	to.ServeHTTP(w, r)
}

// operational are the paths of whoever runs the server.
var operational = map[string]bool{"/metrics": true, "/healthz": true, "/readyz": true}

// ours reports whether a path belongs to this package.
func ours(path string) bool {
	return strings.HasPrefix(path, "/v1/") || operational[path]
}

// rateOf is the limiter for a kind of request.
func (e *edge) rateOf(r *http.Request) *limiter {
	switch p := r.URL.Path; {
	case devicePaths[p]:
		return e.device
	case p == pathLogin, p == pathPassword, strings.HasPrefix(p, "/v1/owner/"), !ours(p) && postsForm(r):
		return e.guess
	default:
		return e.people
	}
}

// postsForm reports whether pages will read fields from a request; they read them from these types only (http.Request.ParseForm).
func postsForm(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err != nil || kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data"
}

// unmatched says whether it was the path or the method, in our form.
func (e *edge) unmatched(w http.ResponseWriter, r *http.Request) {
	probe := &refusal{header: make(http.Header)}
	h, _ := e.api.Handler(r)
	h.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		p := newProblem(probe.status, statusNames[probe.status], "this path has no such method", "use "+probe.header.Get("Allow"))
		p.Header = http.Header{"Allow": probe.header["Allow"]}
		p.write(w)
		return
	}
	newProblem(http.StatusNotFound, statusNames[http.StatusNotFound], "there is no such path", "see /v1/openapi.json").write(w)
}

// refusal takes what ServeMux says of a request that it has no route for.
type refusal struct {
	header http.Header
	status int
}

func (p *refusal) Header() http.Header         { return p.header }
func (p *refusal) Write(b []byte) (int, error) { return len(b), nil }
func (p *refusal) WriteHeader(status int)      { p.status = status }

// requestID names a request, so that whoever reports an answer can be found in the log: it is no secret.
func requestID() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], rand.Uint64())
	return hex.EncodeToString(b[:])
}

// method keeps what clients make up out of the log.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}
