// Package ownerpage is the page for the owner of a device, below /owner: with the IMEI and the reference off the
// device's screen it says what is restricted and why, until when, what the device itself recorded, and what to do; and
// it takes an appeal. It needs no account and speaks the owner's language.
//
// IMEI and reference are never in a URL. Between two pages they travel in a sealed cookie that ends after half an hour.
package ownerpage

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/messages"
	"github.com/bailiwick-dev/bailiwick/internal/qr"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/order"
)

// Service is what the page needs of the authority; *authority.Service is one. Its methods may be called concurrently.
type Service interface {
	// OwnerLook returns authority.ErrNoMatch when IMEI and reference do not fit together, whichever is wrong.
	OwnerLook(ctx context.Context, imei, reference string) (*authority.OwnerView, error)
	// OwnerOrder returns authority.ErrNoOrder while there is no order in the ledger.
	OwnerOrder(ctx context.Context, imei, reference string) (*order.Sealed, error)
	// OwnerLift returns authority.ErrNoOrder while no lift waits for the device.
	OwnerLift(ctx context.Context, imei, reference string) (*order.Sealed, error)
	FileAppeal(ctx context.Context, imei, reference, text, contact string) (*authority.Appeal, error)
}

// Config is what the page is made of.
type Config struct {
	Site    *web.Site // completed
	Service Service
}

//go:embed pages/*.html
var pageFiles embed.FS

// maxBody bounds a request: an appeal of 2,000 characters, percent-encoded, fits.
const maxBody = 64 << 10

// stay is how long a device stays open on somebody's screen.
const stay = 30 * time.Minute

// visit is what the sealed cookie carries.
type visit struct {
	IMEI      string `json:"i"`
	Reference string `json:"r"`
}

type ownerPage struct {
	site    *web.Site
	service Service
	pages   *web.Pages
	sink    *web.Sink
	visits  *web.Sealed
	flashes *web.Sealed
	tries   *web.Limiter
}

// New returns the handler of everything below /owner.
func New(cfg Config) (http.Handler, error) {
	if cfg.Site == nil || cfg.Service == nil {
		return nil, errors.New("ownerpage: Config.Site and Config.Service are needed")
	}
	pages, err := web.NewPages(cfg.Site, pageFiles)
	if err != nil {
		return nil, err
	}
	p := &ownerPage{site: cfg.Site, service: cfg.Service, pages: pages, flashes: web.Flashes(cfg.Site, "/owner"),
		visits: &web.Sealed{Site: cfg.Site, Name: "bailiwick-owner", Path: "/owner", Life: stay},
		tries:  web.NewLimiter(cfg.Site.Now, 6*time.Second, 10)}
	p.sink = &web.Sink{Site: cfg.Site, Show: p.showFault}
	mux := http.NewServeMux()
	for pattern, page := range map[string]web.Handler{
		"GET /owner":         p.form,
		"POST /owner":        p.look,
		"GET /owner/phone":   p.phone,
		"GET /owner/order":   p.order,
		"POST /owner/appeal": p.appeal,
		"POST /owner/close":  p.close,
		"/owner/":            func(http.ResponseWriter, *http.Request) error { return web.ErrNotFound },
	} {
		mux.Handle(pattern, p.sink.Handle(page))
	}
	return web.Protect(mux, maxBody), nil
}

// printer chooses the language: that of the link, else what the browser asks for.
func printer(r *http.Request) *messages.Printer {
	return messages.For(messages.Match(r.URL.Query().Get("lang"), r.Header.Get("Accept-Language")))
}

// link keeps the language in a path.
func link(path string, m *messages.Printer) string { return path + "?lang=" + m.Lang() }

func (p *ownerPage) show(w http.ResponseWriter, r *http.Request, status int, name string, m *messages.Printer, data any) error {
	at := "/owner"
	if name == "phone" {
		at = "/owner/phone"
	}
	var choices []web.Choice
	for _, l := range messages.Languages() {
		choices = append(choices, web.Choice{Name: l.Name, Href: at + "?lang=" + l.Code, Lang: l.Code, Current: l.Code == m.Lang()})
	}
	w.Header().Add("Vary", "Accept-Language")
	return p.pages.Render(w, status, name, web.Page{Title: m.T("owner.title"), Lang: m.Lang(), Dir: m.Dir(), Face: "owner", Home: link("/owner", m),
		Skip: m.T("owner.skip"), Langs: choices, Label: m.T("owner.language"), Flash: web.Take(p.flashes, w, r), Data: data})
}

// formView is the form that finds a phone.
type formView struct {
	*messages.Printer
	IMEI, Reference string
	Error           string
}

func (p *ownerPage) form(w http.ResponseWriter, r *http.Request) error {
	// The phone's screen may link here with its reference, which says nothing without the IMEI.
	return p.show(w, r, http.StatusOK, "form", printer(r), formView{Printer: printer(r), Reference: clip(r.URL.Query().Get("reference"), 64)})
}

func (p *ownerPage) look(w http.ResponseWriter, r *http.Request) error {
	if !p.tries.Allow(web.AddressKey(p.site.Address(r))) {
		return web.ErrRateLimited
	}
	if err := web.ParseForm(r); err != nil {
		return err
	}
	m := printer(r)
	v := visit{clip(strings.TrimSpace(r.PostFormValue("imei")), 64), clip(strings.TrimSpace(r.PostFormValue("reference")), 64)}
	_, err := p.service.OwnerLook(r.Context(), v.IMEI, v.Reference)
	if noMatch(err) {
		return p.show(w, r, http.StatusNotFound, "form", m, formView{m, v.IMEI, v.Reference, m.T("owner.error.no-match")})
	}
	if err != nil {
		return err
	}
	p.visits.Set(w, r, v)
	return web.Redirect(w, r, link("/owner/phone", m))
}

// noMatch gives one answer for a wrong IMEI, a wrong reference and one that cannot be read.
func noMatch(err error) bool {
	if errors.Is(err, authority.ErrNoMatch) {
		return true
	}
	return err != nil && authority.AsError(err).Kind == authority.Invalid
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

func (p *ownerPage) phone(w http.ResponseWriter, r *http.Request) error {
	m := printer(r)
	var v visit
	if !p.visits.Get(r, &v) {
		return web.Redirect(w, r, link("/owner", m))
	}
	if !p.tries.Allow(web.AddressKey(p.site.Address(r))) {
		return web.ErrRateLimited
	}
	return p.showPhone(w, r, http.StatusOK, v, appealForm{})
}

func (p *ownerPage) showPhone(w http.ResponseWriter, r *http.Request, status int, v visit, form appealForm) error {
	m := printer(r)
	found, err := p.service.OwnerLook(r.Context(), v.IMEI, v.Reference)
	if noMatch(err) {
		p.visits.Clear(w, r)
		return p.show(w, r, http.StatusNotFound, "form", m, formView{m, "", "", m.T("owner.error.no-match")})
	}
	if err != nil {
		return err
	}
	view := newPhoneView(m, found, p.site.Now(), form)
	if view.Lift, err = p.liftCode(r.Context(), m, v, found); err != nil {
		return err
	}
	return p.show(w, r, status, "phone", m, view)
}

// liftCode draws the lift that waits for the phone; empty when none does, or when its proof cannot be had at the moment.
func (p *ownerPage) liftCode(ctx context.Context, m *messages.Printer, v visit, found *authority.OwnerView) (template.HTML, error) {
	if found.Stage != order.Lifted {
		return "", nil
	}
	sealed, err := p.service.OwnerLift(ctx, v.IMEI, v.Reference)
	if errors.Is(err, authority.ErrNoOrder) || errors.Is(err, authority.ErrLedgerUnavailable) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	text, err := sealed.QRText()
	if err != nil {
		return "", err
	}
	return qr.SVG(text, m.T("owner.lift.alt"))
}

// order saves the newest order as a file, as the device got it.
func (p *ownerPage) order(w http.ResponseWriter, r *http.Request) error {
	var v visit
	if !p.visits.Get(r, &v) {
		return web.Redirect(w, r, link("/owner", printer(r)))
	}
	if !p.tries.Allow(web.AddressKey(p.site.Address(r))) {
		return web.ErrRateLimited
	}
	sealed, err := p.service.OwnerOrder(r.Context(), v.IMEI, v.Reference)
	if noMatch(err) || errors.Is(err, authority.ErrNoOrder) {
		return web.ErrNotFound
	} else if err != nil {
		return err
	}
	data, err := sealed.Marshal()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="order.bin"`)
	_, err = w.Write(data)
	return err
}

// appealForm is an appeal that has to be written again, with what was wrong.
type appealForm struct {
	Text, Contact string
	Error         string
}

const (
	maxAppeal  = 2000
	maxContact = 200
)

func (p *ownerPage) appeal(w http.ResponseWriter, r *http.Request) error {
	m := printer(r)
	if !p.tries.Allow(web.AddressKey(p.site.Address(r))) {
		return web.ErrRateLimited
	}
	if err := web.ParseForm(r); err != nil {
		return err
	}
	var v visit
	if !p.visits.Get(r, &v) {
		return p.show(w, r, http.StatusForbidden, "form", m, formView{Printer: m, Error: m.T("owner.error.closed")})
	}
	form := appealForm{Text: newlines(r.PostFormValue("text")), Contact: strings.TrimSpace(r.PostFormValue("contact"))}
	if n := len([]rune(form.Text)); n == 0 || n > maxAppeal || len([]rune(form.Contact)) > maxContact {
		form.Error = m.T("owner.appeal.empty")
		return p.showPhone(w, r, http.StatusBadRequest, v, form)
	}
	filed, err := p.service.FileAppeal(r.Context(), v.IMEI, v.Reference, form.Text, form.Contact)
	if err != nil {
		switch e := authority.AsError(err); e.Kind {
		case authority.Conflict, authority.Refused, authority.Invalid:
			form.Error = m.T("owner.appeal.refused")
			return p.showPhone(w, r, http.StatusConflict, v, form)
		}
		return err
	}
	text := m.T("owner.appeal.sent", "Date", m.Date(filed.DueAt))
	if filed.StoppedLock {
		text += " " + m.T("owner.appeal.stopped")
	}
	p.flashes.Set(w, r, web.Flash{Tone: "good", Text: text})
	return web.Redirect(w, r, link("/owner/phone", m))
}

// newlines gives a text from a form, which ends lines with CR LF, the ends that everything else has.
func newlines(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }

func (p *ownerPage) close(w http.ResponseWriter, r *http.Request) error {
	p.visits.Clear(w, r)
	return web.Redirect(w, r, link("/owner", printer(r)))
}

type faultView struct {
	*messages.Printer
	Text string
}

// showFault says what went wrong in the owner's language, and nothing of the inside.
func (p *ownerPage) showFault(w http.ResponseWriter, r *http.Request, f web.Fault) error {
	m := printer(r)
	text := m.T("owner.error.unavailable")
	switch f.Status {
	case http.StatusTooManyRequests:
		text = m.T("owner.error.busy")
	case http.StatusNotFound:
		return p.show(w, r, f.Status, "form", m, formView{Printer: m})
	case http.StatusRequestEntityTooLarge, http.StatusBadRequest:
		text = m.T("owner.appeal.empty")
	}
	return p.show(w, r, f.Status, "fault", m, faultView{m, text})
}
