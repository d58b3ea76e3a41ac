package console

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

// activateLayout is how a browser sends a datetime-local field; it is read as UTC.
const activateLayout = "2006-01-02T15:04"

type policyView struct {
	Policy   *policy.Policy // nil when none is in force
	Document *authority.PolicyDocument
	Report   *policy.Report
	Entries  []entry
	Earlier  []*authority.PolicyDocument
	Decides  bool
}

// entry is a prohibited territory with how it stands today.
type entry struct {
	policy.Prohibited
	State string // "in force", "left the list", "not yet", "review overdue"
	Class string
}

func entries(p *policy.Policy, now time.Time) []entry {
	var list []entry
	for _, t := range p.Territories() {
		e := entry{t, "in force", "good"}
		switch {
		case !t.Until.IsZero() && !now.Before(t.Until):
			e.State, e.Class = "left the list", ""
		case now.Before(t.Since):
			e.State, e.Class = "not yet", ""
		case now.After(t.ReviewBy.Add(24 * time.Hour)):
			e.State, e.Class = "review overdue: supports nothing", "bad"
		}
		list = append(list, e)
	}
	return list
}

func (c *console) policyPage(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	view := policyView{Decides: o.Can(authority.MayPublishPolicy)}
	p, document, err := c.service.PolicyInForce(r.Context())
	switch {
	case errors.Is(err, authority.ErrNoPolicy):
	case err != nil:
		return err
	default:
		report := p.Check(c.site.Now())
		view.Policy, view.Document, view.Report, view.Entries = p, document, &report, entries(p, c.site.Now())
	}
	if view.Earlier, err = c.service.Policies(r.Context(), listLimit); err != nil {
		return err
	}
	return c.show(w, r, o, http.StatusOK, "policy", "Policy", view)
}

type checkView struct {
	Name     string
	Problems policy.Problems
	Policy   *policy.Policy
	Report   *policy.Report
	Entries  []entry
	Source   string // base64, so that the exact bytes come back
	Now      string // in activateLayout
}

// checkPolicy shows what is to be published before it is: faults with their places, or tests, warnings and entries.
func (c *console) checkPolicy(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := must(o, authority.MayPublishPolicy); err != nil {
		return err
	}
	file, header, err := r.FormFile("file")
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return c.done(w, r, "/console/policy", "", web.Invalid("no file was chosen", "choose a policy file"))
	}
	if err != nil {
		return formError(err)
	}
	defer file.Close()
	source, err := io.ReadAll(file)
	if err != nil {
		return formError(err)
	}
	view := checkView{Name: header.Filename, Source: base64.StdEncoding.EncodeToString(source), Now: c.site.Now().UTC().Format(activateLayout)}
	p, err := policy.Parse(header.Filename, source)
	if err != nil {
		if !errors.As(err, &view.Problems) {
			return err
		}
		return c.show(w, r, o, http.StatusUnprocessableEntity, "policy-check", "Check of a policy", view)
	}
	report := p.Check(c.site.Now())
	view.Policy, view.Report, view.Entries = p, &report, entries(p, c.site.Now())
	return c.show(w, r, o, http.StatusOK, "policy-check", "Check of a policy", view)
}

func formError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return web.Invalid("the form cannot be read", "go back and send it again")
}

func (c *console) publishPolicy(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := must(o, authority.MayPublishPolicy); err != nil {
		return err
	}
	if err := web.ParseForm(r); err != nil {
		return err
	}
	source, err := base64.StdEncoding.DecodeString(r.PostFormValue("source"))
	if err != nil {
		return web.Invalid("the file did not come back whole", "start again with the file")
	}
	document, _, err := c.service.PublishPolicy(r.Context(), o, strings.TrimSpace(r.PostFormValue("name")), source)
	if err != nil {
		return c.done(w, r, "/console/policy", "", err)
	}
	return c.done(w, r, "/console/policy", "Published. It is in force from "+web.DateTime(document.ActivateAt)+".", nil)
}
