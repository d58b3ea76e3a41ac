package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/agent/client"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/phone"
	"github.com/bailiwick-dev/bailiwick/internal/store/pgtest"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// TestDatabaseInTrouble: while PostgreSQL is gone, read-only, full of other clients, or slow, a check-in is either made durable or refused with
// 503 and a time to come back; /readyz says that it is the store; and as soon as the database can, the server goes on by itself with all that
// it acknowledged.
func TestDatabaseInTrouble(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.Start("max_connections = 60")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	url := cluster.Database(t)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	lag, err := cluster.Lag()
	must(t, err)
	t.Cleanup(lag.Stop)
	s := serve(t, storyStart, func(c *app.Config) {
		c.Database, c.Unlimited = lag.URL(config.Database), true
	})
	var last atomic.Pointer[http.Response]
	s.http = &http.Client{Timeout: 30 * time.Second, Transport: tripper(func(r *http.Request) (*http.Response, error) {
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && r.URL.Path == protocol.PathCheckIn {
			last.Store(answer)
		}
		return answer, err
	})}
	p := s.enrolled(t, 1, phone.Madrid)
	acknowledged := s.sequence(t, p)

	var crowd []*pgx.Conn
	super := func(statements ...string) {
		c, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		for _, q := range statements {
			if _, err := c.Exec(t.Context(), q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
	}
	const ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bailiwick'"
	for _, trouble := range []struct {
		name       string
		begin, end func()
	}{
		{"gone", func() { must(t, cluster.Kill()) }, func() { must(t, cluster.Restart()) }},
		{"read-only", func() { super("ALTER DATABASE "+config.Database+" SET default_transaction_read_only = on", ours) },
			func() {
				super("SET default_transaction_read_only = off", "ALTER DATABASE "+config.Database+" RESET default_transaction_read_only", ours)
			}},
		{"out of connections", func() { crowd = fill60(t, url) }, func() {
			for _, c := range crowd {
				c.Close(context.Background())
			}
		}},
	} {
		trouble.begin()
		err := p.CheckIn(t.Context())
		var refused *client.Problem
		if !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable || last.Load().Header.Get("Retry-After") == "" {
			t.Errorf("%s: %v, Retry-After %q", trouble.name, err, last.Load().Header.Get("Retry-After"))
		}
		if answer, err := s.http.Get(s.base + "/readyz"); err != nil || answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: /readyz: %v, %v", trouble.name, answer, err)
		} else {
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if !strings.Contains(string(text), `"at":"store"`) {
				t.Errorf("%s: /readyz says %s", trouble.name, text)
			}
		}
		if answer, err := s.http.Get(s.base + "/healthz"); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%s: /healthz: %v, %v", trouble.name, answer, err)
		}
		trouble.end()
		acknowledged = s.comesBack(t, trouble.name, p, acknowledged)
	}
	lag.By(40 * time.Millisecond)
	if err := p.CheckIn(t.Context()); err != nil {
		t.Errorf("slow: %v", err)
	}
	lag.By(0)
	s.comesBack(t, "slow", p, acknowledged)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sequence is that of the last evidence of a phone that is durable.
func (s *server) sequence(t *testing.T, p *phone.Phone) uint64 {
	t.Helper()
	var d *authority.Device
	d, err := s.Service.FindDevice(t.Context(), string(p.Config().IMEI))
	must(t, err)
	return d.Sequence
}

// comesBack lets a phone check in until it succeeds, and compares with what was acknowledged before.
func (s *server) comesBack(t *testing.T, name string, p *phone.Phone, before uint64) uint64 {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; pause(t.Context(), 100*time.Millisecond) {
		err := p.CheckIn(t.Context())
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%s: it does not come back: %v", name, err)
		}
	}
	now := s.sequence(t, p)
	if now <= before {
		t.Errorf("%s: sequence %d after %d", name, now, before)
	}
	return now
}

// fill60 takes all 60 connections that there are, those of the server among them, which connects anew all the time.
func fill60(t *testing.T, url string) (crowd []*pgx.Conn) {
	t.Helper()
	var own []int64
	for end := time.Now().Add(time.Minute); len(crowd) < 60; {
		c, err := pgx.Connect(t.Context(), url)
		if err == nil {
			crowd, own = append(crowd, c), append(own, int64(c.PgConn().PID()))
			continue
		}
		if time.Now().After(end) || len(crowd) == 0 {
			t.Fatalf("%d connections could be taken: %v", len(crowd), err)
		}
		const others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND NOT pid = ANY($1)"
		if _, err := crowd[0].Exec(t.Context(), others, own); err != nil {
			t.Fatal(err)
		}
	}
	return crowd
}
