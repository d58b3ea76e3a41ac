package app

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/bailiwick-dev/bailiwick/internal/console"
	"github.com/bailiwick-dev/bailiwick/internal/httpapi"
	"github.com/bailiwick-dev/bailiwick/internal/ownerpage"
	"github.com/bailiwick-dev/bailiwick/internal/publicpage"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

// routes puts the edges side by side.
func (a *App) routes() (http.Handler, error) {
	api, err := httpapi.New(httpapi.Config{
		Service: a.Service, Registry: a.Registry, Logger: a.cfg.Logger, Now: a.cfg.Now, TrustedProxies: a.cfg.TrustedProxies,
		Ready: a.ready,
	})
	if err != nil {
		return nil, err
	}
	site := &web.Site{Logger: a.cfg.Logger, Now: a.cfg.Now, Address: api.Address}
	if _, err := rand.Read(site.Secret[:]); err != nil {
		return nil, err
	}
	base, err := parseBase(a.cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	site.Secure = base.Scheme == "https"
	if err := site.Complete(); err != nil {
		return nil, err
	}
	officers, err := console.New(console.Config{Site: site, Service: a.Service})
	if err != nil {
		return nil, err
	}
	owners, err := ownerpage.New(ownerpage.Config{Site: site, Service: a.Service})
	if err != nil {
		return nil, err
	}
	public, err := publicpage.New(publicpage.Config{Site: site, Service: a.Service})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, path := range httpapi.Paths() {
		mux.Handle(path, api)
	}
	mux.Handle("/console", http.RedirectHandler("/console/", http.StatusSeeOther))
	mux.Handle("/console/", officers)
	mux.Handle("/owner", owners)
	mux.Handle("/owner/", owners)
	mux.Handle("/ledger/", http.StripPrefix("/ledger", a.Ledger.Handler()))
	mux.Handle("GET /assets/", web.Assets())
	mux.Handle("/", public)
	if a.Factory != nil {
		(&sandboxHandler{factory: a.Factory, service: a.Service, store: a.store, clock: a.clock, work: a.work}).routes(mux)
	}
	return mux, nil
}

func newServer(h http.Handler, logger *slog.Logger) *http.Server { return httpapi.NewServer(h, logger) }

func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("the server's address %q is not like https://trust.example.com", s)
	}
	return u, nil
}
