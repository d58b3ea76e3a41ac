package app

import (
	"encoding/json"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guarded keeps the pages of other sites away from a sandbox. Anybody who can reach it may use it without a login, and the browser of
// somebody who tries it out reaches it on behalf of any page that they visit: by a form or a script (Sec-Fetch-Site, Origin, and a
// content type that needs a preflight), or by a name that suddenly points to this machine (Host).
func guarded(host string, next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		switch {
		case !ownHost(r.Host, host):
			refuse(w, http.StatusForbidden, "sandbox-host", "a sandbox answers only to an address, to localhost, and to the name that it was started with")
		case cross.Check(r) != nil:
			refuse(w, http.StatusForbidden, "sandbox-cross-site", "a page of another site asks for this")
		case r.Method == http.MethodPost && (err != nil || kind != "application/json"):
			refuse(w, http.StatusUnsupportedMediaType, "media-type", "the content type is not application/json")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// ownHost reports whether a Host header names this server itself: by an address, which no one can redirect, by localhost, or as its
// operator does.
func ownHost(header, configured string) bool {
	name := func(hostport string) string {
		if h, _, err := net.SplitHostPort(hostport); err == nil {
			hostport = h
		}
		return strings.ToLower(strings.TrimSuffix(strings.Trim(hostport, "[]"), "."))
	}
	h := name(header)
	if _, err := netip.ParseAddr(h); err == nil {
		return true
	}
	return h == "localhost" || strings.HasSuffix(h, ".localhost") || h != "" && h == name(configured)
}

// refuse answers with a problem (RFC 9457).
func refuse(w http.ResponseWriter, status int, name, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:bailiwick:problem:" + name, "title": http.StatusText(status), "status": status, "detail": detail})
}
