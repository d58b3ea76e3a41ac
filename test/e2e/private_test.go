package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/traces"
)

// written is a buffer that many may write to.
type written struct {
	mu sync.Mutex
	bytes.Buffer
}

func (w *written) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Buffer.Write(b)
}

func (w *written) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.String()
}

// TestLogsAndTracesNameNobody drives a server that logs all it can and traces everything, with devices, an officer, an owner and some who are
// refused. Neither its log nor what it sends to the collector has an id, an IMEI, a serial number, a reference, a token or an address.
func TestLogsAndTracesNameNobody(t *testing.T) {
	t.Parallel()
	var sent, said written
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(&sent, r.Body) }))
	defer collector.Close()
	provider, err := traces.Open(collector.URL, "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, storyStart, func(c *app.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Tracer, c.Unlimited = provider.Tracer(), true
	})
	secrets := map[string]string{"the client's address": "127.0.0.1:", "the proxy's client": "203.0.113.77"}
	var phones []*phone.Phone
	var ids []string
	for n, at := range []phone.Place{phone.Havana, phone.Tehran, phone.Madrid} {
		p := s.enrolled(t, n, at)
		phones = append(phones, p)
		secrets["IMEI"+at.Name], secrets["serial"+at.Name], secrets["address"+at.Name] = string(p.Config().IMEI), p.Config().Serial, at.Addr().String()
		d, err := s.Service.FindDevice(t.Context(), string(p.Config().IMEI))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, d.ID.String())
		secrets["device"+at.Name] = d.ID.String()
	}
	for range 9 {
		for _, p := range phones {
			if err := errors.Join(p.Use(), p.CheckIn(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		s.clock.AdvanceTo(s.clock.Now().Add(24 * time.Hour))
		if err := errors.Join(s.Service.Sweep(t.Context()), ignore(s.Service.Sequence(t.Context()))); err != nil {
			t.Fatal(err)
		}
	}
	_, password := s.officer(t, "ada", "officer")
	secrets["the officer's password"] = password
	ask := func(path, body string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Forwarded-For", "203.0.113.77")
		answer, err := s.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return string(text)
	}
	var session struct{ Token string }
	if err := json.Unmarshal([]byte(ask("/v1/login", `{"name":"ada","password":"`+password+`"}`)), &session); err != nil || session.Token == "" {
		t.Fatal(err)
	}
	secrets["the officer's token"] = session.Token
	for n, p := range phones { // look-ups and refusals
		ask("/v1/owner/look", `{"imei":"`+string(p.Config().IMEI)+`","reference":"WRONG-REF"}`)
		ask("/v1/check-in", "not evidence of "+string(p.Config().IMEI))
		ask("/v1/devices/"+ids[n]+"/lift", `{"ground":"`+p.Config().Serial+`"}`)
	}
	secrets["a reference"] = "WRONG-REF"
	if err := provider.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"the log": said.text(), "the traces": sent.text()} {
		for what, secret := range secrets {
			if secret == "" || strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
				t.Errorf("%s tells %s: %q", where, what, around(text, secret))
			}
		}
	}
	for _, stage := range []string{`"name":"request"`, `"name":"check-in"`, `"name":"verify evidence"`, `"name":"store update"`, `"name":"answer"`, `"name":"store commit"`, "POST /v1/check-in"} {
		if !strings.Contains(sent.text(), stage) {
			t.Errorf("no span has %s", stage)
		}
	}
	if !strings.Contains(said.text(), `"route":"POST /v1/check-in"`) {
		t.Error("the log has no request: it proves nothing")
	}
}

// around is where a text has a word.
func around(text, word string) string {
	i := strings.Index(strings.ToLower(text), strings.ToLower(word))
	return text[max(0, i-80):min(len(text), max(i, 0)+120)]
}
