package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/admission"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// slow is an authority whose check-ins take a second, and then end as the fake says.
type slow struct{ *fake }

func (s slow) Contact(token []byte) (authority.Contact, error) {
	c, err := s.fake.Contact(token)
	return slowContact{c}, err
}

func (s slow) Enrol(context.Context, []byte) (*protocol.EnrolAnswer, error) {
	time.Sleep(time.Second)
	return nil, authority.ErrAlreadyEnrolled
}

type slowContact struct{ authority.Contact }

func (c slowContact) CheckIn(context.Context, netip.Addr) (*protocol.CheckInAnswer, error) {
	time.Sleep(time.Second)
	return &protocol.CheckInAnswer{Epoch: epoch, Time: now, NextCheckIn: time.Hour, Sequence: 1}, nil
}

// With more callers than places, lifts, claims and enrolments wait for one, and plain check-ins are told when to come back.
func TestWhoIsServedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(c *Config) {
			c.Authority, c.Admission, c.Timeout = slow{new(fake)}, admission.Config{Least: 4, Most: 4}, time.Minute
		})
		type reply struct {
			what   string
			status int
			after  string
		}
		replies := make(chan reply, 100)
		ask := func(n int, what, path, token, kind string) {
			for range n {
				go func() {
					w := s.ask("POST", path, token, kind)
					replies <- reply{what, w.Code, w.Header().Get("Retry-After")}
				}()
			}
			synctest.Wait()
		}
		ask(4, "first", protocol.PathCheckIn, "x", isToken)
		ask(12, "plain", protocol.PathCheckIn, "x", isToken)
		ask(4, "known", protocol.PathCheckIn, "known", isToken)
		ask(2, "claim", protocol.PathCheckIn, "claim", isToken)
		ask(2, "enrol", protocol.PathEnrol, "x", isEnrolment)
		status := map[string]map[int]int{}
		for range 24 {
			r := <-replies
			if status[r.what] == nil {
				status[r.what] = map[int]int{}
			}
			status[r.what][r.status]++
			if seconds, err := strconv.Atoi(r.after); (r.status == 503) != (err == nil && seconds >= 1 && seconds <= 3600) {
				t.Errorf("%s: %d with Retry-After %q", r.what, r.status, r.after)
			}
		}
		for what, want := range map[string][2]int{"first": {200, 4}, "plain": {503, 12}, "known": {200, 4}, "claim": {200, 2}, "enrol": {409, 2}} {
			if status[what][want[0]] != want[1] {
				t.Errorf("%s: %v, want %d of %d", what, status[what], want[1], want[0])
			}
		}
		w := s.ask("GET", "/metrics", "")
		if w.Code == http.StatusOK {
			t.Fatal("metrics are shown to anybody")
		}
	})
}

// What proves to be nothing counts against its network. From then on the network is served while there are places to spare, and what is
// known to be urgent in any case; genuine devices behind the same address are not locked out.
func TestANetworkThatSendsNonsense(t *testing.T) {
	s := serve(t, func(c *Config) { c.DeviceRate = Rate{0.001, 3} })
	checkIn := func(token string) int { return s.ask("POST", protocol.PathCheckIn, token, isToken).Code }
	for range 50 {
		if got := checkIn("x"); got != 200 {
			t.Fatalf("a genuine device among many: %d", got)
		}
	}
	for _, err := range []error{authority.ErrBadSignature, authority.ErrEpochExpired, authority.ErrUnknownDevice, authority.ErrStoreUnavailable, authority.ErrSequenceReplayed} {
		s.fake.err = err
		checkIn("x")
	}
	if s.ask("GET", protocol.PathEpoch, "").Code != 429 {
		t.Error("three that proved to be nothing were not counted")
	}
	s.fake.err = nil
	for range 50 {
		if got := checkIn("x"); got != 200 {
			t.Fatalf("a genuine device behind a network that sends nonsense: %d", got)
		}
	}
	full := serve(t, func(c *Config) {
		c.DeviceRate, c.Admission = Rate{0.001, 1}, admission.Config{Least: 1, Most: 1} // no places to spare
	})
	full.fake.err = authority.ErrBadSignature
	full.ask("POST", protocol.PathCheckIn, "x", isToken)
	full.fake.err = nil
	wantProblem(t, full.ask("POST", protocol.PathCheckIn, "x", isToken), 429, "too-many-requests")
	if w := full.ask("POST", protocol.PathCheckIn, "known", isToken); w.Code != 200 {
		t.Errorf("a device with a lift behind such a network: %d", w.Code)
	}
}

// People find a bounded number of places, and whoever runs the server always finds one.
func TestPeopleAtOnce(t *testing.T) {
	hang, in := make(chan struct{}), make(chan struct{})
	s := serve(t, func(c *Config) {
		c.PeopleAtOnce = 1
		c.Pages = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { in <- struct{}{}; <-hang })
	})
	done := make(chan int)
	go func() { done <- s.ask("GET", "/owner", "").Code }()
	<-in
	wantProblem(t, s.ask("GET", "/owner", ""), 503, "unavailable")
	wantProblem(t, s.ask("GET", "/v1/openapi.json", ""), 503, "unavailable")
	for _, path := range []string{"/healthz", "/readyz", protocol.PathEpoch} {
		if w := s.ask("GET", path, ""); w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	close(hang)
	if got := <-done; got != 200 {
		t.Error(got)
	}
	if w := s.ask("GET", "/v1/openapi.json", ""); w.Code != 200 {
		t.Error(w.Code)
	}
}

func TestAdmissionIsMeasured(t *testing.T) {
	s := serve(t, func(c *Config) { c.MetricsFrom = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")} })
	s.ask("POST", protocol.PathCheckIn, "known", isToken)
	text := s.ask("GET", "/metrics", "").Body.String()
	for _, line := range []string{`bailiwick_admission_calls_total{class="lift",outcome="admitted"} 1`, `bailiwick_admission_calls_total{class="plain",outcome="shed"} 0`,
		"bailiwick_admission_places 256", "bailiwick_admission_inside 0", `bailiwick_admission_waiting{class="plain"} 0`, "bailiwick_admission_return_seconds 0"} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
}
