package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
)

type addressKey struct{}

// ClientAddress returns the address of the client that a request came from, as a handler behind [New] sees it: trusted
// proxies are passed over. It is the zero Addr when there is none.
func ClientAddress(ctx context.Context) netip.Addr {
	a, _ := ctx.Value(addressKey{}).(netip.Addr)
	return a
}

// clientOf finds the client's address, see the package comment.
func clientOf(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := peer.Addr().Unmap()
	if !within(client, trusted) {
		return client
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(client, trusted); i-- {
		hop, err := parseHop(strings.TrimSpace(hops[i]))
		if err != nil {
			break // nothing to the left of it can be believed
		}
		client = hop.Unmap().WithZone("")
	}
	return client
}

// parseHop reads an address; some proxies write its port behind it.
func parseHop(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err == nil {
		return a, nil
	}
	with, err := netip.ParseAddrPort(s)
	return with.Addr(), err
}

// viaUnknown reports whether a proxy passed the request on and did not say for whom, or is none that is believed: then the address
// is the proxy's, which is no reason to trust whoever is behind it.
func viaUnknown(r *http.Request) bool {
	if r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == "" {
		return false
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err != nil || ClientAddress(r.Context()) == peer.Addr().Unmap()
}

func within(a netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// prefixOf is the network that shares a rate: an IPv4 /24 or IPv6 /48.
func prefixOf(a netip.Addr) netip.Prefix {
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits) // the zero Addr gives the zero Prefix: all who have no address share a rate
	return p
}
