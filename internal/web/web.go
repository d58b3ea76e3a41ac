// Package web is what the faces share: the layout and the stylesheet, the assets in the binary, drawings (map of the
// world, bars, days), sealed cookies, limits, and the one sink into which handlers return their errors.
//
// Pages are rendered on the server with html/template and work without JavaScript; htmx, served from here, only saves
// reloads. Nothing on a page comes from another host, and the Content-Security-Policy allows no inline script or style.
//
//	pages, err := web.NewPages(site, files)      // pages/*.html of one face, each defining "content"
//	mux.Handle("GET /console/{$}", sink.Handle(func(w http.ResponseWriter, r *http.Request) error {
//		return pages.Render(w, http.StatusOK, "overview", web.Page{Title: "Overview", Data: view})
//	}))
package web

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"
)

//go:generate go run ./gen assets

// Site is what the faces of one server have in common.
type Site struct {
	Name   string // what the operator calls it; "Bailiwick" when empty
	Logger *slog.Logger
	Now    func() time.Time
	Secret [32]byte // seals cookies; random per process is enough for one server, shared by several
	Secure bool     // cookies travel over TLS only; set it behind a proxy that ends TLS, too
	// Address returns the address a request came from; the connection's when nil. Behind a proxy, read its header here.
	Address func(*http.Request) netip.Addr
}

// Complete fills defaults in and says what is missing.
func (s *Site) Complete() error {
	if s.Now == nil {
		return errors.New("web: Site.Now is missing")
	}
	if s.Secret == [32]byte{} {
		return errors.New("web: Site.Secret is missing; make 32 random bytes")
	}
	if s.Name == "" {
		s.Name = "Bailiwick"
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.Address == nil {
		s.Address = connectionAddress
	}
	return nil
}

func connectionAddress(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, _ := netip.ParseAddr(host)
	return addr.Unmap()
}

// contentPolicy: everything from this server, no inline script or style, framed by nobody.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Protect wraps a face: security headers, refusal of requests that another site's page makes (Origin, Sec-Fetch-Site),
// and a bound on what a request may carry, in bytes.
func Protect(next http.Handler, maxBody int64) http.Handler {
	guard := http.NewCrossOriginProtection()
	guarded := guard.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		// Pages show one person's data; caches on the way have no business with them.
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		guarded.ServeHTTP(w, r)
	})
}

// Redirect answers a POST with the page to look at next.
func Redirect(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}
