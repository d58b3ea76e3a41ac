package console

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

type policyView struct {
	Policy   *policy.Policy // nil when none is in force
	Document *authority.PolicyDocument
	Report   *policy.Report
	Entries  []entry
	Earlier  []*authority.PolicyDocument
	Signers  *signersView
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
	var err error
	if view.Signers, err = c.signers(r.Context()); err != nil {
		return err
	}
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
	Diff     *diffView
	Signers  *signersView
	Source   string // base64, so that the exact bytes come back
}

// checkPolicy shows what is to be published before it is: faults with their places, or tests, warnings and entries.
func (c *console) checkPolicy(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := must(o, authority.MayPublishPolicy); err != nil {
		return err
	}
	source, name, err := uploaded(r, "policy")
	if err != nil {
		return c.done(w, r, "/console/policy", "", err)
	}
	view := checkView{Name: name, Source: base64.StdEncoding.EncodeToString(source)}
	if view.Signers, err = c.signers(r.Context()); err != nil {
		return err
	}
	p, err := policy.Parse(name, source)
	if err != nil {
		if !errors.As(err, &view.Problems) {
			return err
		}
		return c.show(w, r, o, http.StatusUnprocessableEntity, "policy-check", "Check of a policy", view)
	}
	report := p.Check(c.site.Now())
	view.Policy, view.Report, view.Entries = p, &report, entries(p, c.site.Now())
	if view.Diff, err = c.against(r.Context(), p); err != nil {
		return err
	}
	return c.show(w, r, o, http.StatusOK, "policy-check", "Check of a policy", view)
}

func formError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return web.Invalid("the form cannot be read", "go back and send it again")
}

// checkedSource reads the file that the page of the check gave back.
func checkedSource(r *http.Request) (name string, source []byte, err error) {
	if err := web.ParseForm(r); err != nil {
		return "", nil, err
	}
	if source, err = base64.StdEncoding.DecodeString(r.PostFormValue("source")); err != nil {
		return "", nil, web.Invalid("the file did not come back whole", "start again with the file")
	}
	return strings.TrimSpace(r.PostFormValue("name")), source, nil
}

// publishPolicy publishes in one step, which a sandbox signs with officers' keys of its own; elsewhere the service refuses it.
func (c *console) publishPolicy(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := must(o, authority.MayPublishPolicy); err != nil {
		return err
	}
	name, source, err := checkedSource(r)
	if err != nil {
		return err
	}
	document, _, err := c.service.PublishPolicy(r.Context(), o, name, source)
	if err != nil {
		return c.done(w, r, "/console/policy", "", err)
	}
	return c.done(w, r, "/console/policy", "Published. It is in force from "+web.DateTime(document.ActivateAt)+".", nil)
}
