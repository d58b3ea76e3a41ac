package publicpage_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/publicpage"
	"github.com/bailiwick-dev/bailiwick/internal/web"
	"github.com/bailiwick-dev/bailiwick/internal/web/preview/staged"
	"github.com/bailiwick-dev/bailiwick/internal/web/webtest"
	"github.com/bailiwick-dev/bailiwick/order"
)

var _ publicpage.Service = (*authority.Service)(nil)

func serve(t *testing.T) (*staged.Authority, http.Handler) {
	t.Helper()
	s, err := staged.New()
	if err != nil {
		t.Fatal(err)
	}
	return s, handler(t, s)
}

func handler(t *testing.T, s publicpage.Service) http.Handler {
	t.Helper()
	site := &web.Site{Now: staged.Now, Secret: [32]byte{9}}
	if err := site.Complete(); err != nil {
		t.Fatal(err)
	}
	h, err := publicpage.New(publicpage.Config{Site: site, Service: s})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(t *testing.T, h http.Handler, path string, status int) *webtest.Page {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if w.Code != status {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	p, err := webtest.Parse(w.Body.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range p.Problems() {
		t.Error(problem)
	}
	return p
}

// sum adds up a column of the table with a caption.
func sum(t *testing.T, p *webtest.Page, caption string, column int) int {
	t.Helper()
	for _, c := range p.Find("caption") {
		if webtest.Text(c) != caption {
			continue
		}
		total := 0
		for n := range c.Parent.Descendants() {
			if n.Type != html.ElementNode || n.Data != "tr" || n.Parent.Data != "tbody" {
				continue
			}
			cells := 0
			for d := range n.ChildNodes() {
				if d.Data == "td" {
					if cells == column {
						v, err := strconv.Atoi(strings.ReplaceAll(webtest.Text(d), ",", ""))
						if err != nil {
							t.Fatal(err)
						}
						total += v
					}
					cells++
				}
			}
		}
		return total
	}
	t.Fatalf("no table %q", caption)
	return 0
}

// Whatever way the orders are counted, the sum is the ledger's.
func TestTablesAddUp(t *testing.T) {
	s, h := serve(t)
	report, err := s.PublicReport(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := get(t, h, "/", http.StatusOK)
	for column, kind := range []order.Kind{order.Notice, order.Lock, order.Lift} {
		for _, caption := range []string{"Orders by territory", "Orders by rule or warrant"} {
			if got := sum(t, p, caption, column); got != report.ByKind[kind] {
				t.Errorf("%s, column %d: %d, the ledger says %d", caption, column, got, report.ByKind[kind])
			}
		}
	}
	for _, want := range []string{"Iran", "Crimea", "warrant-0001", "no territory (holds by warrant)", "bailiwick.example/ledger", "curl http://example.com/ledger/checkpoint",
		"a case was concluded", "Executive Order 13685", "What can never happen", "C11"} {
		if !strings.Contains(p.Text(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	// Each territory with orders is on the map, and its link leads into the table.
	if n := len(p.Find("a", "href", "#t-ua-43")); n != 2 {
		t.Errorf("%d links to Crimea", n)
	}
}

// beginning is an authority whose ledger is still empty, without a policy.
type beginning struct{}

func (beginning) PublicReport(context.Context) (*authority.PublicReport, error) {
	return &authority.PublicReport{Origin: "bailiwick.example/ledger", CountedAt: staged.Today, Checkpoint: "bailiwick.example/ledger\n0\n"}, nil
}

func (beginning) PolicyInForce(context.Context) (*policy.Policy, *authority.PolicyDocument, error) {
	return nil, nil, authority.ErrNoPolicy
}

func (beginning) SigningKeys(context.Context) (*authority.SigningKeys, error) {
	return &authority.SigningKeys{}, nil
}

// Whoever reads the page learns whose signatures count, since when and until when, and where the signed files are.
func TestWhoSigns(t *testing.T) {
	s, h := serve(t)
	p := get(t, h, "/", http.StatusOK)
	for _, want := range []string{"2 of these 3 officers must sign", "signed by nora and samir", "Policies 2 31 Aug 2021 5 Oct 2022", s.Signing.Keys[0].Public().Grouped(), "bailiwick officer show --server http://example.com"} {
		if !strings.Contains(p.Text(), want) {
			t.Errorf("the page does not say %q: %s", want, p.Text())
		}
	}
	for _, file := range []string{"/metadata/1.root.json", "/metadata/timestamp.json"} {
		if len(p.Find("a", "href", file)) != 1 {
			t.Errorf("no link to %s", file)
		}
	}
	if strings.Contains(p.Text(), "sandbox") {
		t.Error("it is no sandbox")
	}
	s.SignsHere = true
	if p := get(t, h, "/", http.StatusOK); !strings.Contains(p.Text(), "Their signatures bind nobody.") {
		t.Error("a sandbox does not say so")
	}
}

func TestBeforeTheFirstOrder(t *testing.T) {
	p := get(t, handler(t, beginning{}), "/", http.StatusOK)
	if !strings.Contains(p.Text(), "No order has been given yet.") || !strings.Contains(p.Text(), "None: nothing is decided") || !strings.Contains(p.Text(), "Nobody yet: no officers have said") {
		t.Error(p.Text())
	}
}

func TestHostileLedgerStaysText(t *testing.T) {
	s, h := serve(t)
	s.Hostile = `"><script>alert(1)</script><img src=x>`
	p := get(t, h, "/", http.StatusOK)
	if len(p.Find("script")) != 1 || len(p.Find("img")) != 0 {
		t.Error("a text became an element")
	}
}

func TestFaults(t *testing.T) {
	s, h := serve(t)
	get(t, h, "/nowhere", http.StatusNotFound)
	s.Fail = authority.ErrLedgerUnavailable
	if p := get(t, h, "/", http.StatusServiceUnavailable); !strings.Contains(p.Text(), "Try again later.") {
		t.Error(p.Text())
	}
}
