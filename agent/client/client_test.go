package client_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/agenttest"
	"github.com/bailiwick-dev/bailiwick/agent/client"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// server is the least that a device needs: it verifies what it gets, and asks for a new epoch when told to.
type server struct {
	t         *testing.T
	phone     *agenttest.Phone
	ledger    *agenttest.Ledger
	officers  *agenttest.Officers
	expire    int // refuse so many posts for their epoch
	bare      bool
	unknown   bool // the refusals say that the epoch was never given out, as after the loss of the server's epoch key
	epochs    byte
	sequences []uint64
	override  http.HandlerFunc
}

func (s *server) epoch() []byte {
	s.epochs++
	return []byte{s.epochs, 1, 2, 3, 4, 5, 6, 7}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.override != nil {
		s.override(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	if r.Method == http.MethodPost && s.expire > 0 {
		s.expire--
		w.Header().Set("Content-Type", protocol.MediaTypeProblem)
		w.WriteHeader(http.StatusUnauthorized)
		problem := map[string]any{"type": "https://bailiwick.example/problems/epoch-expired", "title": "The epoch is too old", "detail": "sign again"}
		if s.unknown {
			problem["type"] = "https://bailiwick.example/problems/epoch-unknown"
		}
		if !s.bare {
			problem["epoch"] = s.epoch()
		}
		if err := json.NewEncoder(w).Encode(problem); err != nil {
			s.t.Error(err)
		}
		return
	}
	var answer []byte
	switch r.Method + " " + r.URL.Path {
	case "GET /base" + protocol.PathEpoch:
		answer, err = protocol.EpochAnswer{Epoch: s.epoch(), Time: s.phone.True}.Marshal()
	case "POST /base" + protocol.PathEnrol:
		answer, err = s.enrol(r, body)
	case "POST /base" + protocol.PathCheckIn:
		answer, err = s.checkIn(r, body)
	default:
		s.t.Errorf("%s %s", r.Method, r.URL.Path)
	}
	if err != nil {
		s.t.Error(err)
	}
	w.Header().Set("Content-Type", protocol.MediaType)
	if _, err := w.Write(answer); err != nil {
		s.t.Error(err)
	}
}

func (s *server) enrol(r *http.Request, body []byte) ([]byte, error) {
	if got := r.Header.Get("Content-Type"); got != protocol.MediaTypeEnrol {
		s.t.Errorf("content type %q", got)
	}
	u, err := protocol.ParseEnrolment(body)
	if err != nil {
		return nil, err
	}
	if _, err := u.Verify(s.phone.Platform().Key.Public()); err != nil {
		return nil, err
	}
	policy := protocol.Policy{
		Hash: sha256.Sum256([]byte("p")), ID: "p", Effective: s.phone.True.Add(-time.Hour),
		Observation: territory.Observation{Days: 3, Window: 5, Percent: 95},
		NoticeDays:  7, ShownDays: 3, LockDays: 30, Contact: protocol.Contact{Email: "help@maker.example"},
	}
	if err := s.officers.SignPolicy(policy); err != nil {
		return nil, err
	}
	return protocol.EnrolAnswer{
		Device: s.phone.ID(), UnlockSecret: s.phone.Secret(), Trust: s.ledger.Trust(), Epoch: s.epoch(), Time: s.phone.True,
		Policy: policy, Metadata: *s.officers.Update(s.phone.True, s.phone.True),
	}.Marshal()
}

func (s *server) checkIn(r *http.Request, body []byte) ([]byte, error) {
	if got := r.Header.Get("Content-Type"); got != evidence.MediaType {
		s.t.Errorf("content type %q", got)
	}
	u, err := evidence.Parse(body)
	if err != nil {
		return nil, err
	}
	claims, err := u.Verify(s.phone.Platform().Key.Public())
	if err != nil {
		return nil, err
	}
	if claims.Epoch[0] != s.epochs {
		s.t.Errorf("signed with epoch %d, the fresh one is %d", claims.Epoch[0], s.epochs)
	}
	s.sequences = append(s.sequences, claims.Sequence)
	return protocol.CheckInAnswer{Epoch: s.epoch(), Time: s.phone.True, NextCheckIn: time.Hour, Sequence: claims.Sequence}.Marshal()
}

func setUp(t *testing.T) (*server, client.Client, *agent.Agent) {
	t.Helper()
	phone, err := agenttest.NewPhone(1)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := agenttest.NewLedger("ledger.example/client", 1)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, phone: phone, ledger: ledger, officers: agenttest.NewOfficers("client", phone.True.AddDate(0, -1, 0))}
	hs := httptest.NewServer(s)
	t.Cleanup(hs.Close)
	a, err := agent.Open(phone.Platform())
	if err != nil {
		t.Fatal(err)
	}
	return s, client.Client{Server: hs.URL + "/base/", HTTP: hs.Client()}, a
}

func TestEnrolAndCheckIn(t *testing.T) {
	s, c, a := setUp(t)
	if err := c.Enrol(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := c.Enrol(t.Context(), a); err != nil {
		t.Fatalf("enrolled twice: %v", err)
	}
	for range 2 {
		out, err := c.CheckIn(t.Context(), a)
		if err != nil || !out.NextCheckIn.Equal(s.phone.True.Add(time.Hour)) {
			t.Fatalf("%+v, %v", out, err)
		}
	}
}

// An epoch that was too old costs one more signature, with the epoch of the problem document, or one fetched when it has none.
func TestEpochExpiredIsSignedAgainOnce(t *testing.T) {
	for _, bare := range []bool{false, true} {
		s, c, a := setUp(t)
		s.bare, s.expire = bare, 1
		if err := c.Enrol(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		s.expire = 1
		if _, err := c.CheckIn(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if first := uint64(s.phone.True.Unix()) + 1; len(s.sequences) != 1 || s.sequences[0] != first+1 {
			t.Fatalf("sequences %v: the first evidence was refused, the second taken", s.sequences)
		}
		s.expire = 2
		_, err := c.CheckIn(t.Context(), a)
		if p := new(client.Problem); !errors.As(err, &p) || p.Status != http.StatusUnauthorized || !strings.Contains(err.Error(), "sign again") {
			t.Fatalf("twice too old: %v", err)
		}
	}
}

// A server that lost its epoch key knows none of the epochs that devices hold: each device needs a fresh one once, or no lift
// would ever reach it again.
func TestEpochUnknownIsSignedAgainOnce(t *testing.T) {
	for _, bare := range []bool{false, true} {
		s, c, a := setUp(t)
		s.bare, s.unknown, s.expire = bare, true, 1
		if err := c.Enrol(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		s.expire = 1
		if _, err := c.CheckIn(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if len(s.sequences) != 1 {
			t.Fatalf("sequences %v: the first evidence was refused, the second taken", s.sequences)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"a captive portal": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, "<html>")
		}, "captive portal"},
		"an endless answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", protocol.MediaType)
			w.Write(make([]byte, protocol.MaxAnswer+1))
		}, "more than"},
		"an endless problem": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", protocol.MediaTypeProblem)
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Write(make([]byte, 1<<20))
		}, "503"},
		"a problem that is none": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", protocol.MediaTypeProblem)
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, "{")
		}, "cannot be read"},
		"a gateway": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "502 Bad Gateway"},
		"rubbish": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", protocol.MediaType)
			io.WriteString(w, "rubbish")
		}, "message-malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			s, c, a := setUp(t)
			s.override = tc.handler
			if err := c.Enrol(t.Context(), a); err == nil || !strings.Contains(err.Error(), tc.want) || a.Enrolled() {
				t.Fatalf("enrol: %v", err)
			}
			s.override = nil
			if err := c.Enrol(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			s.override = tc.handler
			if _, err := c.CheckIn(t.Context(), a); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("check in: %v", err)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	s, c, a := setUp(t)
	release := make(chan struct{})
	s.override = func(http.ResponseWriter, *http.Request) { <-release }
	defer close(release)
	c.Timeout = 50 * time.Millisecond
	if err := c.Enrol(t.Context(), a); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a server that never answers: %v", err)
	}
}

func TestServerAddress(t *testing.T) {
	_, c, a := setUp(t)
	for _, address := range []string{"", "authority.example", "http://127.0.0.1:1", "://"} {
		c.Server = address
		if err := c.Enrol(t.Context(), a); err == nil {
			t.Errorf("%q: enrolled", address)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "0": 0, "3600": time.Hour, "86400": time.Hour, "-1": 0, "1.5": 0, "99999999999999999999": 0,
		"Fri, 31 Dec 1999 23:59:59 GMT": 0,
	} {
		hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		_, err := client.Client{Server: hs.URL, HTTP: hs.Client()}.Epoch(t.Context())
		hs.Close()
		var p *client.Problem
		if !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable || p.RetryAfter != want {
			t.Errorf("%q: %v, %+v", header, err, p)
		}
	}
}
