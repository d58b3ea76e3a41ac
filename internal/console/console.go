// Package console is the officers' face of the authority, below /console/: what is going on, every device with the why
// of its decision, waves to approve, cases, appeals, the policy, who signs, and who may log in.
//
// It decides nothing: every action is one method of the [Service], which checks the officer's role again. Pages work
// without JavaScript; a POST is answered with a redirect to the page that shows what came of it.
package console

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Service is what the console needs of the authority; *authority.Service is one. Its methods may be called concurrently,
// return *authority.Error or a context's error, and check the acting officer's role.
type Service interface {
	Sessions
	Reports
	Actions
	Signing
}

// Sessions are officers and their logins.
type Sessions interface {
	Login(ctx context.Context, name, password string) (token string, o *authority.Officer, err error)
	Logout(ctx context.Context, token string) error
	Authenticate(ctx context.Context, token string) (*authority.Officer, error)
	ChangePassword(ctx context.Context, o *authority.Officer, old, new string) error
	AddOfficer(ctx context.Context, by *authority.Officer, name, role string) (oneTimePassword string, err error)
	DisableOfficer(ctx context.Context, by *authority.Officer, name string) error
	Officers(ctx context.Context) ([]*authority.Officer, error)
}

// Reports read.
type Reports interface {
	Overview(ctx context.Context) (*authority.Overview, error)
	Devices(ctx context.Context, q authority.DeviceQuery) (list []authority.DeviceRow, next device.ID, err error)
	FindDevice(ctx context.Context, imei string) (*authority.Device, error)
	DeviceDetail(ctx context.Context, id device.ID) (*authority.DeviceDetail, error)
	WaitingLifts(ctx context.Context, id device.ID) ([]authority.WaitingLift, error)
	Waves(ctx context.Context, limit int) ([]*authority.Wave, error)
	WaveDetail(ctx context.Context, id int64) (*authority.WaveDetail, error)
	Cases(ctx context.Context, limit int) ([]*authority.Case, error)
	CaseDetail(ctx context.Context, id string) (*authority.CaseDetail, error)
	Appeals(ctx context.Context, state authority.AppealState, limit int) ([]authority.AppealRow, error)
	PolicyInForce(ctx context.Context) (*policy.Policy, *authority.PolicyDocument, error)
	Policies(ctx context.Context, limit int) ([]*authority.PolicyDocument, error)
	Stragglers(ctx context.Context, warrantID string, after device.ID, limit int) ([]authority.Straggler, error)
	Jobs(ctx context.Context, limit int) ([]*authority.Job, error)
	Job(ctx context.Context, id int64) (*authority.Job, error)
	AwaitJob(ctx context.Context, id int64, patience time.Duration) (*authority.Job, error)
}

// Actions change something in an officer's name.
type Actions interface {
	BeginApproval(ctx context.Context, actor *authority.Officer, id int64, a authority.WaveApproval) (*authority.Job, error)
	RejectWave(ctx context.Context, actor *authority.Officer, id int64, note string) error
	OpenCase(ctx context.Context, actor *authority.Officer, title, consignment string) (*authority.Case, error)
	DraftWarrant(ctx context.Context, actor *authority.Officer, caseID, reason string, ends time.Time) (w *authority.Warrant, proposal []byte, err error)
	BeginHold(ctx context.Context, actor *authority.Officer, warrantID string) (*authority.Published, error)
	BeginCount(ctx context.Context, actor *authority.Officer, caseID string) (*authority.Job, error)
	BeginConclusion(ctx context.Context, actor *authority.Officer, caseID, finding string) (*authority.Job, error)
	Simulate(ctx context.Context, actor *authority.Officer, name string, source []byte) (*authority.Job, error)
	CancelJob(ctx context.Context, actor *authority.Officer, id int64) (*authority.Job, error)
	AnswerAppeal(ctx context.Context, actor *authority.Officer, id int64, grant bool, answer string) error
	AttachLicence(ctx context.Context, actor *authority.Officer, id device.ID, licence string, attach bool) error
	LiftByHuman(ctx context.Context, actor *authority.Officer, id device.ID, g order.Ground, reason string) error
	UnlockCode(ctx context.Context, actor *authority.Officer, id device.ID, challenge, justification string) (code string, err error)
	PublishPolicy(ctx context.Context, actor *authority.Officer, name string, source []byte) (*authority.PolicyDocument, *policy.Report, error)
}

// Config is what the console is made of.
type Config struct {
	Site    *web.Site // completed
	Service Service
}

//go:embed pages/*.html
var pageFiles embed.FS

// maxBody bounds a request: a policy file in base64 fits.
const maxBody = 2 << 20

const sessionCookie = "bailiwick-session"

type console struct {
	site    *web.Site
	service Service
	pages   *web.Pages
	sink    *web.Sink
	flashes *web.Sealed
	tries   *web.Limiter // of logins, by address
}

// New returns the handler of everything below /console.
func New(cfg Config) (http.Handler, error) {
	if cfg.Site == nil || cfg.Service == nil {
		return nil, errors.New("console: Config.Site and Config.Service are needed")
	}
	pages, err := web.NewPages(cfg.Site, pageFiles)
	if err != nil {
		return nil, err
	}
	c := &console{site: cfg.Site, service: cfg.Service, pages: pages, flashes: web.Flashes(cfg.Site, "/console"),
		tries: web.NewLimiter(cfg.Site.Now, 6*time.Second, 10)}
	c.sink = &web.Sink{Site: cfg.Site, Show: c.showFault}
	return sized(c.routes()), nil
}

func (c *console) routes() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern string, page web.Handler) { mux.Handle(pattern, c.sink.Handle(page)) }
	officer := func(pattern string, page officerPage) { mux.Handle(pattern, c.sink.Handle(c.loggedIn(page))) }

	open("GET /console/login", c.loginPage)
	open("POST /console/login", c.login)
	open("POST /console/logout", c.logout)
	mux.Handle("GET /console", http.RedirectHandler("/console/", http.StatusSeeOther))
	officer("GET /console/password", c.passwordPage)
	officer("POST /console/password", c.changePassword)

	officer("GET /console/{$}", c.overview)
	officer("GET /console/devices", c.devices)
	officer("POST /console/devices/find", c.findDevice)
	officer("GET /console/devices/{id}", c.device)
	officer("POST /console/devices/{id}/lift", c.lift)
	officer("POST /console/devices/{id}/unlock-code", c.unlockCode)
	officer("POST /console/devices/{id}/licences", c.attachLicence)
	officer("GET /console/waves", c.waves)
	officer("GET /console/waves/{id}", c.wave)
	officer("POST /console/waves/{id}/approve", c.approveWave)
	officer("POST /console/waves/{id}/reject", c.rejectWave)
	officer("GET /console/cases", c.cases)
	officer("POST /console/cases", c.openCase)
	officer("GET /console/cases/{id}", c.caseFile)
	officer("POST /console/cases/{id}/warrant", c.draftWarrant)
	officer("GET /console/cases/{id}/warrants/{warrant}/proposal", c.warrantProposal)
	officer("POST /console/cases/{id}/countersign", c.countersign)
	officer("POST /console/cases/{id}/count", c.count)
	officer("POST /console/cases/{id}/conclude", c.conclude)
	officer("GET /console/cases/{id}/stragglers/{warrant}", c.stragglers)
	officer("GET /console/jobs", c.jobs)
	officer("GET /console/jobs/{id}", c.job)
	officer("GET /console/jobs/{id}/result.json", c.jobResult)
	officer("POST /console/jobs/{id}/cancel", c.cancelJob)
	officer("GET /console/appeals", c.appeals)
	officer("GET /console/appeals/{id}", c.appeal)
	officer("POST /console/appeals/{id}", c.answerAppeal)
	officer("GET /console/policy", c.policyPage)
	officer("POST /console/policy/check", c.checkPolicy)
	officer("POST /console/policy/proposal", c.proposePolicy)
	officer("POST /console/policy/publish", c.publishPolicy)
	officer("POST /console/policy/simulate", c.simulatePolicy)
	officer("POST "+pathProposals, c.proposal)
	officer("POST /console/renewals", c.renewal)
	officer("GET /console/officers", c.officers)
	officer("POST /console/officers", c.addOfficer)
	officer("POST /console/officers/{name}/disable", c.disableOfficer)
	officer("/console/", func(http.ResponseWriter, *http.Request, *authority.Officer) error { return web.ErrNotFound })
	return mux
}

// officerPage is a page for somebody who is logged in.
type officerPage func(w http.ResponseWriter, r *http.Request, o *authority.Officer) error

// loggedIn finds the officer of the session. Who has none is sent to the login, who still has a one-time password to
// the form that replaces it.
func (c *console) loggedIn(page officerPage) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		cookie, err := r.Cookie(sessionCookie)
		if err != nil {
			return c.askLogin(w, r)
		}
		o, err := c.service.Authenticate(r.Context(), cookie.Value)
		if err != nil {
			if authority.AsError(err).Kind == authority.Unauthenticated {
				return c.askLogin(w, r)
			}
			return err
		}
		if o.MustChange && r.URL.Path != "/console/password" {
			return web.Redirect(w, r, "/console/password")
		}
		return page(w, r, o)
	}
}

// askLogin remembers where a reader wanted to go; a form that was sent without a session is not sent again.
func (c *console) askLogin(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get("HX-Request") == "true" { // a part of a page must not become the login form
		w.Header().Set("HX-Redirect", "/console/login")
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	next := ""
	if r.Method == http.MethodGet && r.URL.Path != "/console/" {
		next = "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	return web.Redirect(w, r, "/console/login"+next)
}

// localPath returns next if it is a page of the console, and the overview otherwise.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/console/") ||
		path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") || strings.Contains(next, "\\") {
		return "/console/"
	}
	return u.RequestURI()
}

var navigation = []web.NavItem{
	{Name: "Overview", Href: "/console/", Icon: "map"},
	{Name: "Devices", Href: "/console/devices", Icon: "phone"},
	{Name: "Waves", Href: "/console/waves", Icon: "wave"},
	{Name: "Cases", Href: "/console/cases", Icon: "case"},
	{Name: "Appeals", Href: "/console/appeals", Icon: "appeal"},
	{Name: "Policy", Href: "/console/policy", Icon: "policy"},
	{Name: "Jobs", Href: "/console/jobs", Icon: "clock"},
	{Name: "Officers", Href: "/console/officers", Icon: "people"},
}

// show renders a page for an officer, with what the last action had to say.
func (c *console) show(w http.ResponseWriter, r *http.Request, o *authority.Officer, status int, name, title string, data any) error {
	page := web.Page{Title: title, Face: "console", Home: "/console/", Data: data, Flash: web.Take(c.flashes, w, r)}
	if o != nil {
		page.User, page.Role = o.Name, o.Role
		if !o.MustChange {
			page.Nav = navigationFor(r.URL.Path)
		}
	}
	return c.pages.Render(w, status, name, page)
}

func navigationFor(at string) []web.NavItem {
	items := make([]web.NavItem, 0, len(navigation))
	for _, item := range navigation {
		item.Current = at == item.Href || item.Href != "/console/" && strings.HasPrefix(at, item.Href+"/")
		items = append(items, item)
	}
	return items
}

func (c *console) showFault(w http.ResponseWriter, r *http.Request, f web.Fault) error {
	var o *authority.Officer
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		// Who is logged in keeps the navigation; who is not, or cannot be looked up, gets the bare page.
		o, _ = c.service.Authenticate(r.Context(), cookie.Value)
	}
	return c.show(w, r, o, f.Status, "fault", f.Title, f)
}

// done ends an action: it shows the next page with a message. What the officer can mend is told there as well; the rest
// goes to the sink.
func (c *console) done(w http.ResponseWriter, r *http.Request, to, good string, err error) error {
	if err == nil {
		return c.flash(w, r, to, web.Flash{Tone: "good", Text: good})
	}
	e := authority.AsError(err)
	switch {
	case e.Kind == authority.Invalid, e.Kind == authority.Conflict, e.Kind == authority.Refused,
		errors.Is(err, authority.ErrSameOfficer):
		return c.flash(w, r, to, web.Flash{Tone: "bad", Text: strings.TrimSpace(web.Sentence(e.Detail) + " " + web.Sentence(e.Fix))})
	}
	return err
}

func (c *console) flash(w http.ResponseWriter, r *http.Request, to string, f web.Flash) error {
	c.flashes.Set(w, r, f)
	return web.Redirect(w, r, to)
}

// must refuses early what the service would refuse, too.
func must(o *authority.Officer, right authority.Right) error {
	if o.Can(right) {
		return nil
	}
	return authority.ErrForbidden
}
