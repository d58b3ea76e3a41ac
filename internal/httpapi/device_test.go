package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

const (
	isToken     = "Content-Type: " + evidence.MediaType
	isEnrolment = "Content-Type: " + protocol.MediaTypeEnrol
)

func TestDevicesAreServed(t *testing.T) {
	s := serve(t, nil)
	w := s.ask("GET", protocol.PathEpoch, "")
	a, err := protocol.ParseEpochAnswer(w.Body.Bytes())
	if err != nil || w.Code != 200 || w.Header().Get("Content-Type") != protocol.MediaType || !bytes.Equal(a.Epoch, epoch) {
		t.Fatalf("epoch: %d %v %v", w.Code, a, err)
	}
	w = s.ask("POST", protocol.PathCheckIn, "token", isToken)
	c, err := protocol.ParseCheckInAnswer(w.Body.Bytes())
	if err != nil || w.Code != 200 || c.Sequence != 1 {
		t.Fatalf("check-in: %d %v %v", w.Code, c, err)
	}
	if s.fake.told[0] != "token" || s.fake.from != netip.MustParseAddr("203.0.113.7") {
		t.Errorf("the authority was told %v from %v", s.fake.told, s.fake.from)
	}
}

func TestBadDeviceInput(t *testing.T) {
	for _, tc := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		problem                  string
	}{
		{"no content type", "POST", protocol.PathCheckIn, "x", nil, 415, "media-type"},
		{"JSON", "POST", protocol.PathCheckIn, "{}", []string{isJSON}, 415, "media-type"},
		{"evidence as enrolment", "POST", protocol.PathEnrol, "x", []string{isToken}, 415, "media-type"},
		{"enrolment without its parameter", "POST", protocol.PathEnrol, "x", []string{"Content-Type: application/cose"}, 415, "media-type"},
		{"compressed", "POST", protocol.PathCheckIn, "x", []string{isToken, "Content-Encoding: gzip"}, 415, "media-type"},
		{"too large", "POST", protocol.PathCheckIn, strings.Repeat("x", evidence.MaxToken+1), []string{isToken}, 413, "too-large"},
		{"enrolment too large", "POST", protocol.PathEnrol, strings.Repeat("x", protocol.MaxEnrolment+1), []string{isEnrolment}, 413, "too-large"},
		{"wrong method", "GET", protocol.PathCheckIn, "", nil, 405, "method-not-allowed"},
		{"wrong method", "DELETE", protocol.PathEpoch, "", nil, 405, "method-not-allowed"},
		{"no such path", "GET", "/v1/nothing", "", nil, 404, "no-such-path"},
		{"no such page", "GET", "/nothing", "", nil, 404, "no-such-path"},
	} {
		s := serve(t, nil)
		p := wantProblem(t, s.ask(tc.method, tc.path, tc.body, tc.headers...), tc.status, tc.problem)
		if s.fake.told != nil {
			t.Errorf("%s: the authority was asked", tc.name)
		}
		if p.Fix == "" && tc.status != 413 {
			t.Errorf("%s: no fix", tc.name)
		}
	}
	s := serve(t, nil)
	if allow := s.ask("GET", protocol.PathCheckIn, "").Header().Get("Allow"); allow != "POST" {
		t.Errorf("Allow: %q", allow)
	}
	if w := s.ask("POST", protocol.PathCheckIn, strings.Repeat("x", evidence.MaxToken), isToken); w.Code != 200 {
		t.Errorf("the largest token: %d", w.Code)
	}
}

func TestRefusalsKeepTheirNames(t *testing.T) {
	for _, tc := range []struct {
		err    error
		status int
		name   string
	}{
		{authority.ErrMalformed, 400, "malformed"},
		{authority.ErrUnknownDevice, 422, "unknown-device"},
		{authority.ErrBadSignature, 422, "bad-signature"},
		{authority.ErrSequenceReplayed, 422, "sequence-replayed"},
		{authority.ErrEpochExpired, 422, "epoch-expired"},
		{authority.ErrEpochUnknown, 422, "epoch-unknown"},
		{authority.ErrAlreadyEnrolled, 409, "already-enrolled"},
		{authority.ErrNoSession, 401, "no-session"},
		{authority.ErrForbidden, 403, "forbidden"},
		{authority.ErrNotFound, 404, "not-found"},
		{authority.ErrStoreUnavailable, 503, "store-unavailable"},
		{&authority.Error{Kind: authority.RateLimited, Name: "slow-down", Detail: "too many"}, 429, "slow-down"},
		{fmt.Errorf("wrapped: %w", authority.ErrBadSignature), 422, "bad-signature"},
		{errors.New("secret inner workings"), 500, "internal"},
	} {
		s := serve(t, nil)
		s.fake.err = tc.err
		w := s.ask("POST", protocol.PathCheckIn, "x", isToken)
		p := wantProblem(t, w, tc.status, tc.name)
		if strings.HasPrefix(tc.name, "epoch-") != bytes.Equal(p.Epoch, epoch) {
			t.Errorf("%s: epoch %q", tc.name, p.Epoch)
		}
		if (tc.status == 429 || tc.status == 503) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After %q", tc.name, w.Header().Get("Retry-After"))
		}
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("an inner error was shown: %s", w.Body)
		}
		wantProblem(t, s.ask("POST", protocol.PathEnrol, "x", isEnrolment), tc.status, tc.name)
	}
}

func TestClientAddress(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:1::/48")}
	for _, tc := range []struct {
		name    string
		trusted []netip.Prefix
		headers []string
		want    string
	}{
		{"no header", proxies, nil, "203.0.113.7"},
		{"nobody is trusted", nil, []string{"198.51.100.1"}, "203.0.113.7"},
		{"another proxy is trusted", proxies[1:], []string{"198.51.100.1"}, "203.0.113.7"},
		{"one proxy", proxies, []string{"198.51.100.1"}, "198.51.100.1"},
		{"what the client made up is left of it", proxies, []string{"192.0.2.1, 198.51.100.1"}, "198.51.100.1"},
		{"two proxies", proxies, []string{"192.0.2.1, 198.51.100.1, 2001:db8:1::5"}, "198.51.100.1"},
		{"two lines", proxies, []string{"192.0.2.1", "198.51.100.1"}, "198.51.100.1"},
		{"IPv4 in IPv6", proxies, []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"no address", proxies, []string{"198.51.100.1, unknown"}, "203.0.113.7"},
		{"empty", proxies, []string{""}, "203.0.113.7"},
		{"with a port", proxies, []string{"192.0.2.1, 198.51.100.1:4711"}, "198.51.100.1"},
		{"IPv6 with a port", proxies, []string{"[2001:db8:2::1]:4711"}, "2001:db8:2::1"},
		{"only proxies", proxies, []string{"203.0.113.9"}, "203.0.113.9"},
	} {
		s := serve(t, func(c *Config) { c.TrustedProxies = tc.trusted })
		headers := []string{isToken}
		for _, h := range tc.headers {
			headers = append(headers, "X-Forwarded-For: "+h)
		}
		s.ask("POST", protocol.PathCheckIn, "x", headers...)
		if s.fake.from != netip.MustParseAddr(tc.want) {
			t.Errorf("%s: %v, want %s", tc.name, s.fake.from, tc.want)
		}
	}
}

func TestRates(t *testing.T) {
	s := serve(t, func(c *Config) {
		c.DeviceRate, c.PeopleRate, c.GuessRate = Rate{0.001, 3}, Rate{0.001, 2}, Rate{0.001, 1}
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
		c.Prefixes = 3
	})
	from := func(address string) func(method, path, body string, headers ...string) int {
		return func(method, path, body string, headers ...string) int {
			return s.ask(method, path, body, append(headers, "X-Forwarded-For: "+address)...).Code
		}
	}
	first, neighbour, other := from("198.51.100.1"), from("198.51.100.200"), from("192.0.2.1")
	for i, want := range []int{200, 200, 200, 429} {
		if got := first("GET", protocol.PathEpoch, ""); got != want {
			t.Errorf("epoch %d: %d", i, got)
		}
	}
	wantProblem(t, s.ask("GET", protocol.PathEpoch, "", "X-Forwarded-For: 198.51.100.1"), 429, "too-many-requests")
	if got := neighbour("GET", protocol.PathEpoch, ""); got != 429 {
		t.Errorf("same network: %d", got)
	}
	if got := other("GET", protocol.PathEpoch, ""); got != 200 {
		t.Errorf("another network: %d", got)
	}
	if got := first("GET", "/healthz", ""); got != 200 {
		t.Errorf("another kind of request: %d", got)
	}
	login := `{"name":"kim","password":"x"}`
	if got := first("POST", pathLogin, login, isJSON); got != 200 {
		t.Errorf("log-in: %d", got)
	}
	look := `{"imei":"490154203237518","reference":"R-1"}`
	if got := first("POST", "/v1/owner/look", look, isJSON); got != 429 {
		t.Errorf("a look-up after a log-in: %d", got)
	}
	// Only so many networks are remembered: the first one is forgotten after three others.
	for i := range 3 {
		from(fmt.Sprintf("192.0.%d.1", i+10))("GET", protocol.PathEpoch, "")
	}
	if got := first("GET", protocol.PathEpoch, ""); got != 200 {
		t.Errorf("forgotten network: %d", got)
	}
	free := serve(t, func(c *Config) { c.GuessRate = Rate{PerSecond: -1} })
	for range 100 {
		if w := free.ask("POST", pathLogin, login, isJSON); w.Code != 200 {
			t.Fatalf("no limit: %d", w.Code)
		}
	}
}

func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "198.51.100.1", "a, b", "::ffff:1.2.3.4, 203.0.113.1", "fe80::1%eth0", ",,,", "1.2.3.4:80"} {
		f.Add(seed)
	}
	trusted := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	f.Fuzz(func(t *testing.T, header string) {
		r := requestFrom("203.0.113.7:1", header)
		a := clientOf(r, trusted)
		if !a.IsValid() || a.Is4In6() || a.Zone() != "" {
			t.Fatalf("%q: %v", header, a)
		}
		if b := clientOf(requestFrom("198.51.100.7:1", header), trusted); b.String() != "198.51.100.7" {
			t.Fatalf("%q was believed: %v", header, b)
		}
	})
}
