package app

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/console"
	"github.com/bailiwick-dev/bailiwick/internal/custody"
	"github.com/bailiwick-dev/bailiwick/internal/httpapi"
	"github.com/bailiwick-dev/bailiwick/internal/ownerpage"
	"github.com/bailiwick-dev/bailiwick/internal/publicpage"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

// routes puts the edges side by side: the API in front, pages behind it.
func (a *App) routes() (http.Handler, error) {
	pages, err := a.pages()
	if err != nil {
		return nil, err
	}
	cfg := httpapi.Config{
		Authority: a.Service, Pages: pages, Ready: a.ready, Logger: a.cfg.Logger, Registry: a.Registry,
		TrustedProxies: a.cfg.TrustedProxies, MetricsFrom: a.cfg.MetricsFrom, Production: readProduction, ProductionLines: readLines, Advice: a.advice,
	}
	if a.cfg.Unlimited {
		none := httpapi.Rate{PerSecond: -1}
		cfg.DeviceRate, cfg.PeopleRate, cfg.GuessRate, cfg.Unbounded = none, none, none, true
	}
	return httpapi.New(cfg)
}

// pages are what people look at in a browser, the files of the ledger and of what officers signed, and a sandbox's endpoints.
func (a *App) pages() (http.Handler, error) {
	base, err := parseBase(a.cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	site := &web.Site{Secret: a.secret, Logger: a.cfg.Logger, Now: a.cfg.Now, Secure: base.Scheme == "https",
		Address: func(r *http.Request) netip.Addr { return httpapi.ClientAddress(r.Context()) }}
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
	mux.Handle("GET /console", http.RedirectHandler("/console/", http.StatusSeeOther))
	mux.Handle("/console/", officers)
	mux.Handle("/owner", owners)
	mux.Handle("/owner/", owners)
	mux.Handle("/ledger/", http.StripPrefix("/ledger", a.Ledger.Handler()))
	signed := tufrepo.Handler(a.Service.Repository, a.Service.TargetFile)
	mux.Handle("/metadata/", signed)
	mux.Handle("/targets/", signed)
	mux.Handle("GET /assets/", web.Assets())
	mux.Handle("/", public)
	if a.Factory != nil {
		(&sandboxHandler{factory: a.Factory, service: a.Service, store: a.store, clock: a.clock, work: a.work}).routes(mux, base.Host)
	}
	return mux, nil
}

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

// readLines reads lines of such a file.
func readLines(text []byte) ([]authority.Production, error) {
	records, err := custody.ReadLines(text)
	return inOurWords(records), err
}

func inOurWords(records []custody.Record) []authority.Production {
	rows := make([]authority.Production, len(records))
	for i, record := range records {
		rows[i] = authority.Production(record)
	}
	return rows
}

// readProduction reads production records from CSV, in the words of the authority.
func readProduction(r io.Reader) ([]authority.Production, error) {
	records, err := custody.ReadRecords(r)
	return inOurWords(records), err
}
