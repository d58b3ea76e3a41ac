// Package phonepage shows a virtual phone in a browser: its screen, as its owner would see it, and beside it the world that
// surrounds it, which the reader sets: place, networks, clock, boot state, and the passing of days.
//
// The screen only shows what the real agent says; what is locked here would be locked on a real phone, and every way out
// works. The page is a tool for people who try the system, served on loopback by `bailiwick device`.
package phonepage

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/messages"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/order"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static/phone.css
var stylesheet []byte

// Clock lets days pass. A nil Clock means that time passes only as it does outside.
type Clock interface {
	// MoveOn moves the server's and the phone's time on.
	MoveOn(ctx context.Context, hours int) error
}

// Config describes the page of one phone.
type Config struct {
	Phone    *phone.Phone
	Clock    Clock
	Now      func() time.Time // true time, as the server has it
	OwnerURL string           // the owner page; the policy's own when empty
	Lang     string           // language at the start; "" lets the browser choose
}

// Page is the handler. It serves one person.
type Page struct {
	cfg   Config
	pages *template.Template
	mux   *http.ServeMux

	mu     sync.Mutex
	set    bool   // the owner went through set-up
	lang   string // chosen on the phone
	large  bool   // larger text
	view   string // what is open on the phone: a name of views, or "" for what the stage demands
	put    bool   // the notice was put aside for now
	told   *note  // result of the last thing done on the phone
	result string // result of the last thing done in the panel
}

// note is a sentence on the phone's screen, by key.
type note struct {
	Key  string
	Args []any
	Bad  bool
}

// views that can be opened on the phone, in every stage.
var views = map[string]bool{"": true, "why": true, "contact": true, "appeal": true, "code": true, "scan": true, "network": true, "files": true, "emergency": true, "record": true, "language": true}

// New returns the page. Close the phone yourself.
func New(cfg Config) (*Page, error) {
	if cfg.Phone == nil || cfg.Now == nil {
		return nil, errors.New("phonepage: Config.Phone and Config.Now are required")
	}
	p := &Page{cfg: cfg, mux: http.NewServeMux(), lang: cfg.Lang, set: cfg.Phone.Agent().Enrolled()}
	var err error
	if p.pages, err = template.New("page").Funcs(functions).ParseFS(pageFiles, "pages/*.html"); err != nil {
		return nil, fmt.Errorf("phonepage: %w", err)
	}
	p.mux.HandleFunc("GET /{$}", p.show)
	p.mux.HandleFunc("GET /screen", p.showScreen)
	p.mux.HandleFunc("GET /phone.css", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(stylesheet)
	})
	p.mux.Handle("GET /assets/", web.Assets())
	p.mux.HandleFunc("GET /files.zip", p.saveFiles)
	for path, act := range map[string]func(*http.Request) error{
		"/phone/start": p.start, "/phone/open": p.open, "/phone/lang": p.chooseLanguage, "/phone/text": p.textSize,
		"/phone/continue": p.putAside, "/phone/code": p.enterCode, "/phone/scan": p.scan, "/phone/network": p.network, "/phone/call": p.call,
		"/world/place": p.setPlace, "/world/radio": p.setRadio, "/world/clock": p.setClock, "/world/boot": p.setBoot,
		"/world/restart": p.restart, "/world/use": p.use, "/world/check-in": p.checkIn, "/world/days": p.passDays,
	} {
		p.mux.HandleFunc("POST "+path, p.then(act))
	}
	return p, nil
}

// Handler serves the page with the protections of the other faces.
func (p *Page) Handler() http.Handler {
	forms, pictures := web.Protect(p.mux, 64<<10), web.Protect(p.mux, maxScan)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/phone/scan" {
			pictures.ServeHTTP(w, r)
			return
		}
		forms.ServeHTTP(w, r)
	})
}

// then runs an action and shows the page again.
func (p *Page) then(act func(*http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// An upload is read by its action, which has words for what is wrong with it.
		if err := r.ParseForm(); err != nil && r.URL.Path != "/phone/scan" {
			http.Error(w, "the form cannot be read", http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		p.told, p.result = nil, ""
		if err := act(r); err != nil {
			p.result = explain(err)
		}
		p.mu.Unlock()
		http.Redirect(w, r, "/#"+anchor(r.URL.Path), http.StatusSeeOther)
	}
}

// anchor keeps the part of the page in sight that was used, on narrow windows.
func anchor(path string) string {
	if strings.HasPrefix(path, "/world/") {
		return "world"
	}
	return "phone"
}

func explain(err error) string {
	if errors.Is(err, phone.ErrOffline) {
		return "The phone has no network. Switch it on under “Networks”."
	}
	return err.Error()
}

func (p *Page) show(w http.ResponseWriter, r *http.Request) { p.render(w, r, "page.html") }

// showScreen serves the phone's screen alone, which the page asks for every few seconds.
func (p *Page) showScreen(w http.ResponseWriter, r *http.Request) { p.render(w, r, "screen") }

func (p *Page) render(w http.ResponseWriter, r *http.Request, name string) {
	p.mu.Lock()
	if p.lang == "" {
		p.lang = messages.Match("", r.Header.Get("Accept-Language"))
	}
	view, err := p.viewModel()
	p.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var b strings.Builder
	if err := p.pages.ExecuteTemplate(&b, name, view); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(b.String()))
}

// ownerURL is the owner page in the phone's language.
func (p *Page) ownerURL() string {
	base := p.cfg.OwnerURL
	if base == "" {
		base = p.cfg.Phone.Agent().Screen().Contact.OwnerURL
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	q := u.Query()
	q.Set("lang", p.lang)
	u.RawQuery = q.Encode()
	return u.String()
}

// stageView is what the phone must show, whatever was open before.
func (p *Page) stageView(stage order.Stage) string {
	switch {
	case !p.set:
		return "setup"
	case p.view != "":
		return p.view
	case stage == order.Locked:
		return "locked"
	case stage == order.Noticed && !p.put:
		return "notice"
	}
	return "home"
}
