package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bailiwick-dev/bailiwick/internal/admission"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

const problemType = "urn:bailiwick:problem:"

// Problem is a refusal, RFC 9457.
type Problem struct {
	Type   string      `json:"type" doc:"urn:bailiwick:problem: and a name that is never given another meaning" example:"urn:bailiwick:problem:wave-decided"`
	Title  string      `json:"title" doc:"what the status means"`
	Status int         `json:"status" doc:"HTTP status"`
	Detail string      `json:"detail" doc:"what is wrong, safe to show"`
	Fix    string      `json:"fix,omitempty" doc:"what to do about it"`
	Epoch  []byte      `json:"epoch,omitempty" doc:"a fresh epoch, when that of the evidence was too old or unknown"`
	Errors []Fault     `json:"errors,omitempty" nullable:"false" doc:"one by one, when there are several"`
	Header http.Header `json:"-"`
}

// Fault is one of several things wrong.
type Fault struct {
	At      string `json:"at,omitempty" doc:"where: a field, or file:line:column" example:"body.note"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (p *Problem) Error() string { return p.Type + ": " + p.Detail }

// GetStatus, GetHeaders and ContentType are what huma asks of an error.
func (p *Problem) GetStatus() int            { return p.Status }
func (p *Problem) GetHeaders() http.Header   { return p.Header }
func (p *Problem) ContentType(string) string { return protocol.MediaTypeProblem }

// write answers with the problem.
func (p *Problem) write(w http.ResponseWriter) {
	for name, values := range p.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", protocol.MediaTypeProblem)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a client that is gone cannot be told
}

func newProblem(status int, name, detail, fix string) *Problem {
	return &Problem{Type: problemType + name, Title: http.StatusText(status), Status: status, Detail: detail, Fix: fix}
}

// Problems of the edge itself.
var statusNames = map[int]string{
	http.StatusBadRequest: "invalid", http.StatusUnauthorized: "no-session", http.StatusForbidden: "forbidden",
	http.StatusNotFound: "no-such-path", http.StatusMethodNotAllowed: "method-not-allowed", http.StatusNotAcceptable: "not-acceptable",
	http.StatusRequestTimeout: "too-slow", http.StatusRequestEntityTooLarge: "too-large", http.StatusUnsupportedMediaType: "media-type",
	http.StatusTooManyRequests: "too-many-requests", http.StatusInternalServerError: "internal", http.StatusServiceUnavailable: "unavailable",
}

var kindStatus = map[authority.Kind]int{
	authority.Internal: http.StatusInternalServerError, authority.Invalid: http.StatusBadRequest, authority.NotFound: http.StatusNotFound,
	authority.Conflict: http.StatusConflict, authority.Refused: http.StatusUnprocessableEntity,
	authority.Unauthenticated: http.StatusUnauthorized, authority.Forbidden: http.StatusForbidden,
	authority.RateLimited: http.StatusTooManyRequests, authority.Unavailable: http.StatusServiceUnavailable,
}

// problemOf is the one place where errors of the authority become HTTP.
func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var shed *admission.Shed
	if errors.As(err, &shed) {
		return busy(shed)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return retryLater(newProblem(http.StatusServiceUnavailable, "timed-out", "it took too long", "try again"))
	}
	e := authority.AsError(err)
	p = newProblem(kindStatus[e.Kind], e.Name, e.Detail, e.Fix)
	var faults policy.Problems
	if errors.As(err, &faults) {
		for _, f := range faults {
			at := f
			at.Message, at.Hint = "", ""
			p.Errors = append(p.Errors, Fault{At: strings.TrimSuffix(at.String(), ": "), Message: f.Message, Hint: f.Hint})
		}
	}
	if e.Name == authority.ErrTooOften.Name {
		return retryIn(p, 60)
	}
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return retryLater(p)
	case http.StatusUnauthorized:
		p.Header = http.Header{"Www-Authenticate": {"Bearer"}}
	}
	return p
}

// busy answers a call that was turned away before anything of it was verified.
func busy(s *admission.Shed) *Problem {
	p := errTooMany()
	if s.Class != admission.Doubted {
		p = newProblem(http.StatusServiceUnavailable, statusNames[http.StatusServiceUnavailable],
			"too many devices call at once", "come back at the time that Retry-After names: it is this device's own")
	}
	return retryIn(p, int(s.RetryAfter/time.Second))
}

// retryLater asks for another try in 5 to 34 seconds, so that those who were refused together do not come back together.
func retryLater(p *Problem) *Problem { return retryIn(p, 5+rand.IntN(30)) }

func retryIn(p *Problem, seconds int) *Problem {
	p.Header = http.Header{"Retry-After": {strconv.Itoa(seconds)}}
	return p
}

// fromHuma gives huma's own refusals, of bodies and parameters that do not fit their schema, our form. Whatever does not
// fit is 400 here.
func fromHuma(status int, detail string, errs ...error) huma.StatusError {
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest
	}
	name, ok := statusNames[status]
	if !ok {
		name = "invalid"
	}
	p := newProblem(status, name, detail, "")
	if status == http.StatusBadRequest {
		p.Fix = "see /v1/openapi.json"
	}
	if status == http.StatusInternalServerError {
		p.Detail, p.Fix = authority.AsError(errors.New(detail)).Detail, authority.AsError(errors.New(detail)).Fix
		return p
	}
	for _, err := range errs {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			p.Errors = append(p.Errors, Fault{At: d.ErrorDetail().Location, Message: d.ErrorDetail().Message})
		}
	}
	return p
}
