// Package escrowpage is the page on which volunteers make unlock codes with an escrow kit, when there is no server any more: device
// number, challenge and count off the locked screen go in, the code to type there comes out. It needs no network and keeps
// nothing.
//
// Whoever can reach it can make codes, so it answers only under the names of this machine's own loopback address, which keeps pages of
// other hosts out even when they have their name point here.
package escrowpage

import (
	"crypto/rand"
	"embed"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/escrow"
	"github.com/bailiwick-dev/bailiwick/internal/messages"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/unlock"
)

//go:embed pages/*.html
var pageFiles embed.FS

// maxBody bounds a form.
const maxBody = 8 << 10

type page struct {
	kit   *escrow.Kit
	pages *web.Pages
}

// New returns the handler of the page.
func New(kit *escrow.Kit, now func() time.Time) (http.Handler, error) {
	site := &web.Site{Now: now}
	if _, err := rand.Read(site.Secret[:]); err != nil {
		return nil, err
	}
	if err := site.Complete(); err != nil {
		return nil, err
	}
	pages, err := web.NewPages(site, pageFiles)
	if err != nil {
		return nil, err
	}
	p := &page{kit, pages}
	sink := &web.Sink{Site: site, Show: func(w http.ResponseWriter, r *http.Request, f web.Fault) error {
		v := p.empty(r)
		v.Wrong = v.T("escrow.wrong")
		return p.show(w, f.Status, v)
	}}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", sink.Handle(p.form))
	mux.Handle("POST /{$}", sink.Handle(p.answer))
	mux.Handle("GET /assets/", web.Assets())
	return onlyHere(web.Protect(mux, maxBody)), nil
}

// onlyHere refuses requests that name another host than a loopback address or localhost.
func onlyHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if host != "localhost" && (err != nil || !addr.IsLoopback()) {
			http.Error(w, "this page is for this machine alone", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// view is the form, with what was typed, and below it the answer.
type view struct {
	*messages.Printer
	Kit                        *escrow.Kit
	Number, Challenge, Counter string
	Wrong                      string // what is wrong; empty when nothing is
	Field                      string // and in which field
	Code                       string
	More                       []string // codes to try after it, when the count is not known
}

func (p *page) empty(r *http.Request) *view {
	return &view{Printer: messages.For(messages.Match(r.URL.Query().Get("lang"), r.Header.Get("Accept-Language"))), Kit: p.kit}
}

func (p *page) form(w http.ResponseWriter, r *http.Request) error {
	return p.show(w, http.StatusOK, p.empty(r))
}

func (p *page) answer(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	v := p.empty(r)
	v.Number, v.Challenge, v.Counter = clip(r.PostFormValue("number")), clip(r.PostFormValue("challenge")), clip(r.PostFormValue("counter"))
	if err := v.make(); err != nil {
		return p.show(w, http.StatusBadRequest, v)
	}
	return p.show(w, http.StatusOK, v)
}

var errTyped = errors.New("something is mistyped")

// make reads what was typed and makes the codes, or says what is wrong, and where.
func (v *view) make() error {
	id, err := device.ParseNumber(v.Number)
	if err != nil {
		v.Field, v.Wrong = "number", v.T("escrow.wrong-number")
		if group := device.WrongGroup(v.Number); group > 0 {
			v.Wrong = v.T("escrow.wrong-group", "Group", group)
		}
		return errTyped
	}
	if _, err := unlock.Normalise(v.Challenge); err != nil {
		v.Field, v.Wrong = "challenge", v.T("escrow.wrong-challenge")
		return errTyped
	}
	counters := escrow.Unknown()
	if strings.TrimSpace(v.Counter) != "" {
		n, err := ParseCounter(v.Counter)
		if err != nil {
			v.Field, v.Wrong = "counter", v.T("escrow.wrong-counter")
			return errTyped
		}
		counters = []uint64{n}
	}
	for i, n := range counters {
		code, err := v.Kit.Code(id, n, v.Challenge)
		if err != nil {
			return err
		}
		if code = unlock.Group(code); i == 0 {
			v.Code = code
		} else {
			v.More = append(v.More, code)
		}
	}
	return nil
}

// ParseCounter reads the count off a screen, in the digits of any script.
func ParseCounter(text string) (uint64, error) {
	var digits strings.Builder
	for _, r := range text {
		if d := device.DigitValue(r); d >= 0 {
			digits.WriteByte(byte('0' + d))
		} else if !strings.ContainsRune(" \t\u200e\u200f\u2066\u2067\u2068\u2069", r) {
			return 0, errors.New("the count has digits only")
		}
	}
	n, err := strconv.ParseUint(digits.String(), 10, 64)
	if err != nil {
		return 0, errors.New("the count is the small number below the device number on the screen")
	}
	return n, nil
}

func (p *page) show(w http.ResponseWriter, status int, v *view) error {
	var choices []web.Choice
	for _, l := range messages.Languages() {
		choices = append(choices, web.Choice{Name: l.Name, Href: "/?lang=" + l.Code, Lang: l.Code, Current: l.Code == v.Lang()})
	}
	w.Header().Add("Vary", "Accept-Language")
	return p.pages.Render(w, status, "code", web.Page{Title: v.T("escrow.title"), Lang: v.Lang(), Dir: v.Dir(), Face: "owner", Home: "/?lang=" + v.Lang(),
		Skip: v.T("escrow.skip"), Langs: choices, Label: v.T("escrow.language"), Data: v})
}

func clip(s string) string {
	if s = strings.TrimSpace(s); len(s) > 512 {
		return strings.ToValidUTF8(s[:512], "")
	}
	return s
}
