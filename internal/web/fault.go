package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// Handler is a page that may fail. Where it has written nothing yet, the sink shows the failure.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Fault is a failure as shown to a person.
type Fault struct {
	Status int
	Name   string // kebab-case
	Title  string
	Detail string
	Fix    string
}

// Sink takes the errors of all pages of one face: it logs those that are ours and shows each as a page.
type Sink struct {
	Site *Site
	// Show writes the page of a fault. An error of it is logged and ends in plain text.
	Show func(w http.ResponseWriter, r *http.Request, f Fault) error
}

// Handle makes a page an http.Handler.
func (s *Sink) Handle(page Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := page(w, r)
		if err == nil {
			return
		}
		f := FaultOf(err)
		if f.Status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
			s.Site.Logger.ErrorContext(r.Context(), "page failed", "method", r.Method, "path", r.URL.Path, "err", err)
		}
		if err := s.Show(w, r, f); err != nil {
			s.Site.Logger.ErrorContext(r.Context(), "page of a fault failed", "path", r.URL.Path, "err", err)
			http.Error(w, f.Title, f.Status)
		}
	})
}

var kindStatus = map[authority.Kind]struct {
	status int
	title  string
}{
	authority.Internal:        {http.StatusInternalServerError, "Something went wrong on our side"},
	authority.Invalid:         {http.StatusBadRequest, "That cannot be read"},
	authority.NotFound:        {http.StatusNotFound, "There is nothing here"},
	authority.Conflict:        {http.StatusConflict, "Somebody was first"},
	authority.Refused:         {http.StatusUnprocessableEntity, "That is not allowed"},
	authority.Unauthenticated: {http.StatusUnauthorized, "Please log in"},
	authority.Forbidden:       {http.StatusForbidden, "You may not do this"},
	authority.RateLimited:     {http.StatusTooManyRequests, "Too many tries"},
	authority.Unavailable:     {http.StatusServiceUnavailable, "Not available at the moment"},
}

// FaultOf maps an error to what a person is shown. It is the one place where the faces do so.
func FaultOf(err error) Fault {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return Fault{http.StatusRequestEntityTooLarge, "too-large", "That is too large", "What was sent is larger than this page takes.", "Send less."}
	}
	e := authority.AsError(err)
	k := kindStatus[e.Kind]
	return Fault{k.status, e.Name, k.title, Sentence(e.Detail), Sentence(e.Fix)}
}

// ErrNotFound is what a page returns for a path that names nothing.
var ErrNotFound = &authority.Error{Kind: authority.NotFound, Name: "not-found", Detail: "there is no such page", Fix: "go back, or start from the overview"}

// ErrRateLimited is what a page returns when a Limiter said no.
var ErrRateLimited = &authority.Error{Kind: authority.RateLimited, Name: "rate-limited", Detail: "too many tries in a short time", Fix: "wait a minute and try again"}

// Invalid returns the error of a form that was filled in wrongly.
func Invalid(detail, fix string) error {
	return &authority.Error{Kind: authority.Invalid, Name: "invalid", Detail: detail, Fix: fix}
}

// ParseForm reads a form and turns what is wrong with it into an error of the caller.
func ParseForm(r *http.Request) error {
	err := r.ParseForm()
	var tooLarge *http.MaxBytesError
	if err == nil || errors.As(err, &tooLarge) {
		return err
	}
	return Invalid("the form cannot be read", "go back and send it again")
}
