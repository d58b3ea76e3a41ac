// Package publicpage is what anybody may read, at /: what the system is and what it may never do, how many notices,
// locks and lifts there were by territory, rule and day, counted from the public ledger alone, the policy in force with its
// sources, who signed it, and how to check all this without trusting the server.
package publicpage

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

// Service is what the page needs of the authority; *authority.Service is one. Its methods may be called concurrently and
// are cheap enough for every reader.
type Service interface {
	PublicReport(ctx context.Context) (*authority.PublicReport, error)
	// PolicyInForce returns authority.ErrNoPolicy when there is none.
	PolicyInForce(ctx context.Context) (*policy.Policy, *authority.PolicyDocument, error)
	// SigningKeys says whose signatures count; nobody's when it is not founded.
	SigningKeys(ctx context.Context) (*authority.SigningKeys, error)
}

// Config is what the page is made of.
type Config struct {
	Site    *web.Site // completed
	Service Service
}

//go:embed pages/*.html
var pageFiles embed.FS

// maxBody bounds a request; nothing is sent to this page.
const maxBody = 1 << 10

// chartDays is how far back the chart by days goes.
const chartDays = 90

type publicPage struct {
	site    *web.Site
	service Service
	pages   *web.Pages
}

// New returns the handler of GET /.
func New(cfg Config) (http.Handler, error) {
	if cfg.Site == nil || cfg.Service == nil {
		return nil, errors.New("publicpage: Config.Site and Config.Service are needed")
	}
	pages, err := web.NewPages(cfg.Site, pageFiles)
	if err != nil {
		return nil, err
	}
	p := &publicPage{cfg.Site, cfg.Service, pages}
	sink := &web.Sink{Site: cfg.Site, Show: p.showFault}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", sink.Handle(p.page))
	mux.Handle("/", sink.Handle(func(http.ResponseWriter, *http.Request) error { return web.ErrNotFound }))
	return web.Protect(mux, maxBody), nil
}

var navigation = []web.NavItem{
	{Name: "Figures", Href: "/#figures", Icon: "compare"},
	{Name: "Charter", Href: "/#charter", Icon: "shield"},
	{Name: "Policy", Href: "/#policy", Icon: "policy"},
	{Name: "Who signs", Href: "/#signers", Icon: "people"},
	{Name: "Check it", Href: "/#check", Icon: "check"},
	{Name: "My phone", Href: "/owner", Icon: "phone"},
}

func (p *publicPage) show(w http.ResponseWriter, status int, name, title string, data any) error {
	return p.pages.Render(w, status, name, web.Page{Title: title, Face: "public", Home: "/", Nav: navigation, Data: data})
}

func (p *publicPage) showFault(w http.ResponseWriter, r *http.Request, f web.Fault) error {
	return p.show(w, f.Status, "fault", f.Title, f)
}

type view struct {
	*authority.PublicReport
	Notices, Locks, Lifts int
	Map                   template.HTML
	Territories, Grounds  []row
	Chart                 template.HTML
	Causes                template.HTML
	Policy                *policy.Policy
	Document              *authority.PolicyDocument
	Signers               *authority.SigningKeys
	Signed                []signature
	Origins               string // scheme and host of this server, for the command that fetches the checkpoint
}

// signature is what officers have signed, in plain words.
type signature struct {
	Name         string
	Version      uint64
	Since, Until time.Time
	Over         bool
}

func signatures(k *authority.SigningKeys, now time.Time) (list []signature) {
	if !k.Founded {
		return nil
	}
	for _, s := range []struct {
		name, role string
		version    uint64
	}{{"Who the officers are", tuf.Root, k.Versions.Root}, {"Policies", tuf.Policy, k.Versions.Policy}, {"Warrants", tuf.Warrant, k.Versions.Warrant}} {
		until := k.Expires[s.role]
		list = append(list, signature{s.name, s.version, tufrepo.Made(s.role, until), until, !now.Before(until)})
	}
	return list
}

// row counts orders under a heading.
type row struct {
	Name, Anchor string
	Code         territory.Code
	Kinds        [4]int
}

// Notices and its siblings name the columns for the template.
func (r row) Notices() int { return r.Kinds[order.Notice] }
func (r row) Locks() int   { return r.Kinds[order.Lock] }
func (r row) Lifts() int   { return r.Kinds[order.Lift] }

func (p *publicPage) page(w http.ResponseWriter, r *http.Request) error {
	report, err := p.service.PublicReport(r.Context())
	if err != nil {
		return err
	}
	v := view{PublicReport: report, Notices: report.ByKind[order.Notice], Locks: report.ByKind[order.Lock], Lifts: report.ByKind[order.Lift]}
	v.Territories = rows(report.Lines, func(l authority.PublicCount) (string, territory.Code) {
		if l.Territory == territory.Unknown {
			return "no territory (holds by warrant)", ""
		}
		return web.Place(l.Territory), l.Territory
	})
	v.Grounds = rows(report.Lines, func(l authority.PublicCount) (string, territory.Code) { return web.GroundText(l.Ground), "" })
	v.Map = web.WorldMap("Orders by territory", spots(v.Territories))
	v.Chart = chart(report.Lines, territory.DayOf(p.site.Now()))
	v.Causes = causes(report.Lines)
	v.Policy, v.Document, err = p.service.PolicyInForce(r.Context())
	if err != nil && !errors.Is(err, authority.ErrNoPolicy) {
		return err
	}
	if v.Signers, err = p.service.SigningKeys(r.Context()); err != nil {
		return err
	}
	v.Signed = signatures(v.Signers, p.site.Now())
	v.Origins = here(p.site, r)
	return p.show(w, http.StatusOK, "public", "Public figures", v)
}

// here is how a reader reaches this server.
func here(site *web.Site, r *http.Request) string {
	if site.Secure || r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// rows counts lines under names, the most locks first.
func rows(lines []authority.PublicCount, name func(authority.PublicCount) (string, territory.Code)) []row {
	at := make(map[string]int)
	var list []row
	for _, l := range lines {
		n, code := name(l)
		i, known := at[n]
		if !known {
			i = len(list)
			at[n] = i
			list = append(list, row{Name: n, Code: code, Anchor: "t-" + strings.ToLower(string(code))})
		}
		if int(l.Kind) < len(list[i].Kinds) {
			list[i].Kinds[l.Kind] += l.Orders
		}
	}
	slices.SortStableFunc(list, func(a, b row) int {
		return cmp.Or(cmp.Compare(b.Locks(), a.Locks()), cmp.Compare(b.Notices(), a.Notices()), cmp.Compare(a.Name, b.Name))
	})
	return list
}

func spots(list []row) []web.Spot {
	var spots []web.Spot
	for _, r := range list {
		if r.Code == territory.Unknown {
			continue
		}
		s := web.Spot{Code: r.Code, Href: "#" + r.Anchor, Class: "noticed", Count: r.Notices(),
			Title: fmt.Sprintf("%s: %s, %s, %s", r.Name, web.Count(r.Notices(), "notice", "notices"), web.Count(r.Locks(), "lock", "locks"), web.Count(r.Lifts(), "lift", "lifts"))}
		switch {
		case r.Locks() > 0:
			s.Class, s.Count = "locked", r.Locks()
		case r.Notices() == 0:
			s.Class, s.Count = "lifted", r.Lifts()
		}
		spots = append(spots, s)
	}
	return spots
}

// chart draws notices, locks and lifts of the last days on which there were any.
func chart(lines []authority.PublicCount, today territory.Day) template.HTML {
	if len(lines) == 0 {
		return ""
	}
	first, last := lines[0].Day, lines[0].Day
	for _, l := range lines {
		first, last = min(first, l.Day), max(last, l.Day)
	}
	last = max(last, min(today, last+7))
	first = max(first, last-chartDays+1)
	days := int(last-first) + 1
	series := []web.DaySeries{
		{Name: "Notices", Class: "noticed", Counts: make([]int, days)},
		{Name: "Locks", Class: "locked", Counts: make([]int, days)},
		{Name: "Lifts", Class: "lifted", Counts: make([]int, days)},
	}
	for _, l := range lines {
		if i := int(l.Kind) - int(order.Notice); l.Day >= first && i >= 0 && i < len(series) {
			series[i].Counts[l.Day-first] += l.Orders
		}
	}
	return web.DayChart(first, series)
}

func causes(lines []authority.PublicCount) template.HTML {
	var bars []web.Bar
	for _, c := range []struct {
		cause order.Cause
		name  string
	}{
		{order.ByRule, "the rule no longer applied"}, {order.ByHuman, "a person decided"}, {order.ByCase, "a case was concluded"},
		{order.ByEnd, "the end date came"}, {order.ByCode, "an unlock code was entered"},
	} {
		n := 0
		for _, l := range lines {
			if l.Kind == order.Lift && l.Cause == c.cause {
				n += l.Orders
			}
		}
		if n > 0 {
			bars = append(bars, web.Bar{Name: c.name, Value: n, Class: "lifted"})
		}
	}
	if bars == nil {
		return ""
	}
	return web.Bars(bars)
}

// promise is a line of the Charter in plain words.
type promise struct{ Number, Title, Text string }

// Charter is DESIGN's, in plain words: what holds whatever the server says, because the device checks it itself.
func (view) Charter() []promise {
	return []promise{
		{"C1", "The way out stays open", "Emergency calls, the reason, contact, appeal, unlock code, network settings, language and accessibility work at every stage."},
		{"C2", "Nothing is wiped", "No order can delete an owner's data. Files can be saved from a locked device."},
		{"C3", "Notice first", "No lock before a notice was shown on several days and its date has passed. A date once told never moves earlier."},
		{"C4", "The device's own facts", "A rule can only lock a device that established by itself that it was first put to use in that territory."},
		{"C5", "Activation, not travel", "A device first put to use where it may be is never locked by a territory rule, wherever it goes."},
		{"C6", "In public", "An order counts only with proof that it is in the public ledger."},
		{"C7", "Two persons", "A policy or a hold counts only with the signatures of two officers, which each phone checks. Locks need a person's approval."},
		{"C8", "With an end", "Every hold and every lock has an end date, and the device lifts it by itself when it comes."},
		{"C9", "A lift wins", "A genuine lift is always accepted, without a network too. What a person lifted is not locked again for the same reason."},
		{"C10", "Doubt favours the owner", "Weak or conflicting signals, a doubtful clock, a policy that was not reviewed: nothing is restricted."},
		{"C11", "Places stay on the device", "Latitude and longitude never leave it. The protocol has no field for them."},
	}
}
