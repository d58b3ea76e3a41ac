package console

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/targets"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Signing is what officers sign with keys of their own, away from this server: proposals go out and come back as files.
type Signing interface {
	SigningKeys(ctx context.Context) (*authority.SigningKeys, error)
	ProposePolicy(ctx context.Context, actor *authority.Officer, name string, source []byte) ([]byte, *policy.Report, error)
	ProposeWarrant(ctx context.Context, actor *authority.Officer, warrantID string) (*authority.Warrant, []byte, error)
	ProposeOfficers(ctx context.Context, actor *authority.Officer, change authority.OfficerChanges) ([]byte, error)
	Publish(ctx context.Context, actor *authority.Officer, proposal []byte) (*authority.Published, error)
}

// maxUpload bounds a request that carries a proposal.
const maxUpload = tufrepo.MaxProposal + 64<<10

// uploadTime is how long an officer's connection may take to bring a proposal: many devices over a slow line.
const uploadTime = 5 * time.Minute

// pathProposals is where proposals are handed in.
const pathProposals = "/console/proposals"

// sized bounds what a request may carry: a proposal brings borders and cohorts along, nothing else is large.
func sized(next http.Handler) http.Handler {
	small, large := web.Protect(next, maxBody), web.Protect(next, maxUpload)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == pathProposals {
			large.ServeHTTP(w, r)
			return
		}
		small.ServeHTTP(w, r)
	})
}

// nearEnd is how long before their end signatures are worth a warning.
const nearEnd = 30 * 24 * time.Hour

// signersView says who signs, and until when.
type signersView struct {
	*authority.SigningKeys
	Roles []roleEnd
}

// roleEnd is when the signatures of a role end.
type roleEnd struct {
	Name, Role string
	Version    uint64
	Ends       time.Time
	State      string // "good", "near", "over"
}

func (c *console) signers(ctx context.Context) (*signersView, error) {
	k, err := c.service.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	v := &signersView{SigningKeys: k}
	if !k.Founded {
		return v, nil
	}
	now := c.site.Now()
	for _, r := range []struct {
		role, name string
		version    uint64
	}{{tuf.Root, "Who the officers are", k.Versions.Root}, {tuf.Targets, "Delegation", k.Versions.Targets}, {tuf.Policy, "Policies", k.Versions.Policy}, {tuf.Warrant, "Warrants", k.Versions.Warrant}} {
		e := roleEnd{Name: r.name, Role: r.role, Version: r.version, Ends: k.Expires[r.role], State: "good"}
		switch {
		case !now.Before(e.Ends):
			e.State = "over"
		case e.Ends.Sub(now) < nearEnd:
			e.State = "near"
		}
		v.Roles = append(v.Roles, e)
	}
	return v, nil
}

// download answers with a proposal as a file.
func download(w http.ResponseWriter, name string, proposal []byte) error {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	_, err := w.Write(proposal)
	return err
}

// proposalView is a proposal that an officer handed in, to look at.
type proposalView struct {
	Name     string
	Subject  tufrepo.Subject
	Created  time.Time
	Status   tufrepo.Status
	Complete bool
	Before   tufrepo.Terms
	After    tufrepo.Terms
	Diff     *diffView
	Listing  *targets.Listing
	Hold     *targets.Hold
	Decides  bool
}

// Joins and Leaves say who comes and goes.
func (v proposalView) Joins() []tufrepo.PublicKey {
	return without(v.After.Officers, v.Before.Officers)
}

// Leaves lists those who were officers and are not in it any more.
func (v proposalView) Leaves() []tufrepo.PublicKey {
	return without(v.Before.Officers, v.After.Officers)
}

func without(list, others []tufrepo.PublicKey) (rest []tufrepo.PublicKey) {
	known := make(map[string]bool, len(others))
	for _, k := range others {
		known[k.ID()] = true
	}
	for _, k := range list {
		if !known[k.ID()] {
			rest = append(rest, k)
		}
	}
	return rest
}

// proposalRights say who hands in what; the service checks it again.
var proposalRights = map[tufrepo.Subject]authority.Right{tufrepo.Policy: authority.MayPublishPolicy, tufrepo.Warrant: authority.MayInvestigate,
	tufrepo.Founding: authority.MayManageOfficers, tufrepo.Officers: authority.MayManageOfficers}

// proposal takes an uploaded proposal: to show what is in it, or to publish it.
func (c *console) proposal(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := must(o, authority.MayInvestigate); err != nil {
		return err
	}
	control := http.NewResponseController(w)
	until := time.Now().Add(uploadTime)
	// A connection that has no deadlines (in a test) is content without.
	_, _ = control.SetReadDeadline(until), control.SetWriteDeadline(until)
	data, name, err := uploaded(r, "proposal")
	if err != nil {
		return c.backWith(w, r, err)
	}
	if r.PostFormValue("action") == "publish" {
		return c.publishProposal(w, r, o, data)
	}
	view, err := c.lookInto(r.Context(), o, name, data)
	if err != nil {
		return c.backWith(w, r, err)
	}
	return c.show(w, r, o, http.StatusOK, "proposal", "A proposal", view)
}

// uploaded reads the file of a form.
func uploaded(r *http.Request, what string) (data []byte, name string, err error) {
	file, header, err := r.FormFile("file")
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return nil, "", web.Invalid("no file was chosen", "choose a "+what+" file")
	}
	if err != nil {
		return nil, "", formError(err)
	}
	defer file.Close()
	if data, err = io.ReadAll(file); err != nil {
		return nil, "", formError(err)
	}
	return data, header.Filename, nil
}

// backWith returns to the page that the form was on, with what was wrong.
func (c *console) backWith(w http.ResponseWriter, r *http.Request, err error) error {
	return c.done(w, r, localPath(r.PostFormValue("back")), "", err)
}

func (c *console) publishProposal(w http.ResponseWriter, r *http.Request, o *authority.Officer, data []byte) error {
	out, err := c.service.Publish(r.Context(), o, data)
	if err != nil {
		return c.backWith(w, r, err)
	}
	by := " Signed by " + andAll(out.Signers) + "."
	switch {
	case out.Policy != nil:
		return c.done(w, r, "/console/policy", "Published. It is in force from "+web.DateTime(out.Policy.ActivateAt)+"."+by, nil)
	case out.Warrant != nil:
		return c.holds(w, r, out, casePath(out.Warrant.Case), by)
	case out.Subject == tufrepo.Founding:
		return c.done(w, r, "/console/officers", "Founded. Policies and warrants count from now on, with officers' signatures."+by, nil)
	case out.Subject == tufrepo.Officers:
		return c.done(w, r, "/console/officers", "Published. Phones follow the officers of now from their next check-in on."+by, nil)
	}
	return c.done(w, r, "/console/officers", "The signatures are renewed."+by, nil)
}

// andAll joins names as people do.
func andAll(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// lookInto computes again what follows from what in a proposal, as officers' own tools do.
func (c *console) lookInto(ctx context.Context, o *authority.Officer, name string, data []byte) (*proposalView, error) {
	p, err := tufrepo.ParseProposal(data)
	if err != nil {
		return nil, unsound(err)
	}
	v := &proposalView{Name: name, Subject: p.Subject(), Created: p.Created(), Status: p.Status()}
	v.Complete, v.Decides = v.Status.Complete(), o.Can(proposalRights[p.Subject()])
	if v.Status.Fault != nil {
		return nil, unsound(v.Status.Fault)
	}
	if v.Before, v.After, err = p.Terms(); err != nil {
		return nil, unsound(err)
	}
	switch p.Subject() {
	case tufrepo.Policy:
		if v.Listing, err = targets.ReadPolicies(p); err == nil && len(v.Listing.New) > 0 {
			v.Diff, err = c.against(ctx, v.Listing.New[len(v.Listing.New)-1])
		}
	case tufrepo.Warrant:
		v.Hold, err = targets.ReadWarrant(p)
	}
	if err != nil {
		return nil, unsound(err)
	}
	return v, nil
}

// unsound is what an officer is told of a proposal that does not hold.
func unsound(err error) error {
	var known *authority.Error
	if errors.As(err, &known) {
		return err
	}
	text := err.Error()
	for _, prefix := range []string{"tufrepo: ", "targets: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return web.Invalid(text, "get the proposal anew from whoever made it")
}

// diffView is what a policy changes, in words.
type diffView struct {
	Old       string // the policy in force; "" when there is none
	Changes   []diffPart
	ForOwners []diffLine
}

type diffPart struct {
	Title string
	Lines []diffLine
}

type diffLine struct{ Text, Effect string }

// diffTitles head the parts of a difference, in the order in which people read it.
var diffTitles = []struct{ part, title string }{
	{policy.PartTerritory, "Territories"}, {policy.PartNotice, "Notice"}, {policy.PartLock, "Locks"}, {policy.PartReach, "Reach"},
	{policy.PartRule, "Rules"}, {policy.PartLicence, "Licences"}, {policy.PartException, "Custom rules"}, {policy.PartMarket, "Markets"},
	{policy.PartContact, "Contact"}, {policy.PartDocument, "Document"}, {policy.PartTests, "Tests"},
}

// against compares a policy with the one in force.
func (c *console) against(ctx context.Context, p *policy.Policy) (*diffView, error) {
	old, _, err := c.service.PolicyInForce(ctx)
	if err != nil && !errors.Is(err, authority.ErrNoPolicy) {
		return nil, err
	}
	v := &diffView{}
	if old != nil {
		v.Old = old.Title + ", " + old.String()
	}
	changes := policy.Diff(old, p)
	for _, t := range diffTitles {
		part := diffPart{Title: t.title}
		for _, change := range changes {
			if change.Part == t.part {
				part.Lines = append(part.Lines, diffLine{change.Text, change.Effect.String()})
			}
		}
		if part.Lines != nil {
			v.Changes = append(v.Changes, part)
		}
	}
	for _, effect := range []policy.Effect{policy.EffectHarsher, policy.EffectDepends, policy.EffectMilder} {
		for _, change := range changes {
			if change.Effect == effect && change.Meaning != "" {
				v.ForOwners = append(v.ForOwners, diffLine{change.Meaning, effect.String()})
			}
		}
	}
	return v, nil
}

// proposePolicy gives out the proposal of a policy that was checked, for officers to sign.
func (c *console) proposePolicy(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := must(o, authority.MayPublishPolicy); err != nil {
		return err
	}
	name, source, err := checkedSource(r)
	if err != nil {
		return err
	}
	proposal, _, err := c.service.ProposePolicy(r.Context(), o, name, source)
	if err != nil {
		return c.done(w, r, "/console/policy", "", err)
	}
	return download(w, "policy-proposal.json", proposal)
}

// warrantProposal gives out the proposal of a drafted warrant, made anew on what is in force now.
func (c *console) warrantProposal(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := must(o, authority.MayInvestigate); err != nil {
		return err
	}
	id := r.PathValue("warrant")
	_, proposal, err := c.service.ProposeWarrant(r.Context(), o, id)
	if err != nil {
		return c.done(w, r, casePath(r.PathValue("id")), "", err)
	}
	return download(w, "warrant-proposal.json", proposal)
}

// renewal gives out a proposal that changes nothing and renews signatures.
func (c *console) renewal(w http.ResponseWriter, r *http.Request, o *authority.Officer) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	var proposal []byte
	var err error
	switch role := r.PostFormValue("role"); role {
	case tuf.Root, tuf.Targets:
		if err := must(o, authority.MayManageOfficers); err != nil {
			return err
		}
		proposal, err = c.service.ProposeOfficers(r.Context(), o, authority.OfficerChanges{})
	case tuf.Policy: // to propose the policy in force renews its signatures
		if err := must(o, authority.MayPublishPolicy); err != nil {
			return err
		}
		var document *authority.PolicyDocument
		if _, document, err = c.service.PolicyInForce(r.Context()); err == nil {
			proposal, _, err = c.service.ProposePolicy(r.Context(), o, document.Name, document.Source)
		}
	default:
		err = web.Invalid("there is no such role", "use the buttons of the page")
	}
	if err != nil {
		return c.done(w, r, "/console/officers", "", err)
	}
	return download(w, "renewal-proposal.json", proposal)
}
