package httpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/tufrepo"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

var _ Authority = (*authority.Service)(nil)

var (
	now    = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	someID = device.ID{1, 2, 3}
	cuba   = order.Ground{Kind: order.Rule, ID: "cuba"}
	epoch  = []byte("epoch-of-today")
)

// fake answers every question with something, or with err. It keeps what it was last told.
type fake struct {
	err    error
	panics bool
	told   []any
	from   netip.Addr
	next   device.ID // behind which a list of devices goes on
}

func (f *fake) say(told ...any) error {
	if f.panics {
		panic("on purpose")
	}
	f.told = told
	return f.err
}

func (f *fake) Epoch(context.Context) protocol.EpochAnswer {
	return protocol.EpochAnswer{Epoch: epoch, Time: now}
}

func (f *fake) Enrol(_ context.Context, token []byte) (*protocol.EnrolAnswer, error) {
	return nil, f.say(string(token))
}

func (f *fake) Contact(token []byte) (authority.Contact, error) {
	return &contact{f, string(token)}, nil
}

// contact is as urgent as its token says: "known" or "claim", or not at all.
type contact struct {
	fake  *fake
	token string
}

func (c *contact) Urgency() authority.Urgency {
	switch c.token {
	case "known":
		return authority.UrgencyKnown
	case "claim":
		return authority.UrgencyClaim
	}
	return authority.UrgencyNone
}

func (c *contact) CheckIn(_ context.Context, from netip.Addr) (*protocol.CheckInAnswer, error) {
	c.fake.from = from
	return &protocol.CheckInAnswer{Epoch: epoch, Time: now, NextCheckIn: time.Hour, Sequence: 1}, c.fake.say(c.token)
}

func (f *fake) Login(_ context.Context, name, password string) (string, *authority.Officer, error) {
	return "token-" + name, &authority.Officer{Name: name, Role: "admin", CreatedAt: now}, f.say(name, password)
}
func (f *fake) Logout(_ context.Context, token string) error { return f.say(token) }

// Authenticate knows the token "kim", and "new" of somebody who has to choose a password.
func (f *fake) Authenticate(_ context.Context, token string) (*authority.Officer, error) {
	switch token {
	case "kim":
		return &authority.Officer{Name: "kim", Role: "admin"}, nil
	case "new":
		return &authority.Officer{Name: "new", Role: "officer", MustChange: true}, nil
	}
	return nil, authority.ErrNoSession
}

func (f *fake) ChangePassword(_ context.Context, o *authority.Officer, old, new string) error {
	return f.say(o.Name, old, new)
}
func (f *fake) AddOfficer(_ context.Context, by *authority.Officer, name, role string) (string, error) {
	return "one-time", f.say(by.Name, name, role)
}
func (f *fake) Officers(context.Context) ([]*authority.Officer, error) {
	return []*authority.Officer{{Name: "kim", Role: "admin", CreatedAt: now}}, f.say()
}

func (f *fake) Overview(context.Context) (*authority.Overview, error) {
	return &authority.Overview{At: now, Devices: 3, Totals: map[order.Stage]int{order.Locked: 1}, OpenWave: f.wave(),
		Stages: []authority.StageCount{{Territory: "CU", Stage: order.Locked, Devices: 1}}}, f.say()
}

func (f *fake) device() *authority.Device {
	return &authority.Device{ID: someID, IMEI: "490154203237518", Model: "M1", EnrolledAt: now,
		Activation: &territory.Activation{Territory: "CU", Day: 20000}, Days: []territory.DayRecord{{Day: 20000, Territory: "CU", Percent: 97, Agree: 3}}}
}

func (f *fake) restriction() *authority.Restriction {
	return &authority.Restriction{Device: someID, Ground: cuba, Round: 1, Stage: order.Noticed, Territory: "CU", Reference: "R-1", NoticedAt: now, Deadline: now.AddDate(0, 0, 10)}
}

func (f *fake) appeal() *authority.Appeal {
	return &authority.Appeal{ID: 5, Device: someID, Ground: cuba, Text: "No.", Contact: "me@example.org", OpenedAt: now, DueAt: now.AddDate(0, 0, 7), State: authority.AppealOpen}
}

func (f *fake) Devices(_ context.Context, q authority.DeviceQuery) ([]authority.DeviceRow, device.ID, error) {
	return []authority.DeviceRow{{Device: f.device(), Market: "MX", Stage: order.Noticed}}, f.next, f.say(q)
}
func (f *fake) FindDevice(_ context.Context, imei string) (*authority.Device, error) {
	return f.device(), f.say(imei)
}
func (f *fake) DeviceDetail(_ context.Context, id device.ID) (*authority.DeviceDetail, error) {
	return &authority.DeviceDetail{Device: f.device(), Production: &authority.Production{Market: "MX"}, Restrictions: []*authority.Restriction{f.restriction()},
		Events:   []authority.Event{{Device: someID, At: now, Kind: "noticed", Ground: cuba, Actor: "rule", Detail: "Told."}},
		Orders:   []authority.OrderRow{{Order: &authority.Order{ID: order.ID{9}, Kind: order.Notice, Ground: cuba, Sequenced: true}, State: authority.OrderSequenced}},
		Appeals:  []*authority.Appeal{f.appeal()},
		Decision: policy.Decision{Verdict: policy.Deny, Rule: "cuba", Reasons: []policy.Reason{{Code: policy.ActivatedInProhibited, Text: "Because."}}}}, f.say(id)
}
func (f *fake) AttachLicence(_ context.Context, o *authority.Officer, id device.ID, licence string, attach bool) error {
	return f.say(o.Name, id, licence, attach)
}
func (f *fake) EraseDevice(_ context.Context, o *authority.Officer, id device.ID, reason string) (int, error) {
	return 12, f.say(o.Name, id, reason)
}
func (f *fake) LiftByHuman(_ context.Context, o *authority.Officer, id device.ID, g order.Ground, reason string) error {
	return f.say(o.Name, id, g, reason)
}
func (f *fake) UnlockCode(_ context.Context, o *authority.Officer, id device.ID, challenge, why string) (string, error) {
	return "12345678", f.say(o.Name, id, challenge, why)
}

func (f *fake) CodeReport(_ context.Context, o *authority.Officer) (*authority.CodeReport, error) {
	return &authority.CodeReport{At: now, Officers: []authority.CodesOf{{Officer: "sam", Given: 3, Used: 2, Outstanding: 1}}, Unexplained: []device.ID{someID}}, f.say(o.Name)
}

func (f *fake) wave() *authority.Wave {
	return &authority.Wave{ID: 1, CreatedAt: now, State: authority.WaveOpen, Size: 2}
}
func (f *fake) Waves(_ context.Context, limit int) ([]*authority.Wave, error) {
	return []*authority.Wave{f.wave()}, f.say(limit)
}
func (f *fake) WaveDetail(_ context.Context, id int64) (*authority.WaveDetail, error) {
	return &authority.WaveDetail{Wave: f.wave(), Fleet: 9, Odd: []authority.Oddity{{Name: "size", Text: "Large.", Stops: true}}, Confirm: 2,
		ByTerritory: []authority.Count{{Name: "CU", Count: 2}},
		Samples:     []authority.WaveSample{{Restriction: f.restriction(), Device: f.device(), RuleName: "Cuba"}}}, f.say(id)
}
func (f *fake) BeginApproval(_ context.Context, o *authority.Officer, id int64, a authority.WaveApproval) (*authority.Job, error) {
	return f.job("wave"), f.say(o.Name, id, a)
}

func (f *fake) job(kind string) *authority.Job {
	return &authority.Job{ID: 5, Arguments: []byte(`{"name":"terms.yaml","source":"id: terms"}`), Kind: kind, By: "kim", State: authority.JobRunning, Done: 3, Total: 9, Result: []byte(`{"locked":2,"skipped":{}}`),
		CreatedAt: now, StartedAt: now, UpdatedAt: now.Add(time.Minute)}
}
func (f *fake) Simulate(_ context.Context, o *authority.Officer, name string, source []byte) (*authority.Job, error) {
	return f.job("simulation"), f.say(o.Name, name, string(source))
}
func (f *fake) Jobs(_ context.Context, limit int) ([]*authority.Job, error) {
	return []*authority.Job{f.job("wave")}, f.say(limit)
}
func (f *fake) Job(_ context.Context, id int64) (*authority.Job, error) {
	return f.job("wave"), f.say(id)
}
func (f *fake) AwaitJob(context.Context, int64, time.Duration) (*authority.Job, error) {
	j := f.job("wave")
	j.Result = []byte(`{"enrolled":12,"locked":2,"skipped":{}}`)
	return j, nil
}
func (f *fake) CancelJob(_ context.Context, o *authority.Officer, id int64) (*authority.Job, error) {
	j := f.job("simulation")
	j.State, j.Fault = authority.JobCancelled, `{"name":"cancelled","detail":"called off by kim"}`
	return j, f.say(o.Name, id)
}
func (f *fake) Stragglers(_ context.Context, id string, after device.ID, limit int) ([]authority.Straggler, error) {
	return []authority.Straggler{{Device: someID, IMEI: "490154203237518", Warrant: id, LiftedAt: now}}, f.say(id, after, limit)
}
func (f *fake) RejectWave(_ context.Context, o *authority.Officer, id int64, note string) error {
	return f.say(o.Name, id, note)
}

func (f *fake) kase() *authority.Case {
	return &authority.Case{ID: "case-0001", Title: "T", Consignment: "c-1", State: authority.CaseOpen, OpenedBy: "kim", OpenedAt: now}
}
func (f *fake) warrant() *authority.Warrant {
	return &authority.Warrant{ID: "warrant-0001", Case: "case-0001", DraftedBy: "kim", DraftedAt: now, EndsAt: now.AddDate(0, 2, 0)}
}
func (f *fake) Cases(_ context.Context, limit int) ([]*authority.Case, error) {
	return []*authority.Case{f.kase()}, f.say(limit)
}
func (f *fake) CaseDetail(_ context.Context, id string) (*authority.CaseDetail, error) {
	return &authority.CaseDetail{Case: f.kase(), Warrants: []*authority.Warrant{f.warrant()}, CountedAt: now, ByJob: true, Counting: f.job("count"),
		Notices: map[string]*authority.Job{"warrant-0001": f.job("notices")}}, f.say(id)
}
func (f *fake) BeginCount(_ context.Context, o *authority.Officer, id string) (*authority.Job, error) {
	return f.job("count"), f.say(o.Name, id)
}
func (f *fake) OpenCase(_ context.Context, o *authority.Officer, title, consignment string) (*authority.Case, error) {
	return f.kase(), f.say(o.Name, title, consignment)
}
func (f *fake) DraftWarrant(_ context.Context, o *authority.Officer, id, reason string, ends time.Time) (*authority.Warrant, []byte, error) {
	return f.warrant(), []byte("{}"), f.say(o.Name, id, reason, ends)
}
func (f *fake) ProposeWarrant(_ context.Context, o *authority.Officer, id string) (*authority.Warrant, []byte, error) {
	return f.warrant(), []byte("{}"), f.say(o.Name, id)
}
func (f *fake) BeginHold(_ context.Context, o *authority.Officer, id string) (*authority.Published, error) {
	return f.published(id == "warrant-0002"), f.say(o.Name, id)
}
func (f *fake) BeginConclusion(_ context.Context, o *authority.Officer, id, finding string) (*authority.Job, error) {
	return f.job("release"), f.say(o.Name, id, finding)
}

func (f *fake) Appeals(_ context.Context, state authority.AppealState, limit int) ([]authority.AppealRow, error) {
	return []authority.AppealRow{{Appeal: f.appeal(), IMEI: "490154203237518", Stage: order.Noticed}}, f.say(state, limit)
}
func (f *fake) AnswerAppeal(_ context.Context, o *authority.Officer, id int64, grant bool, answer string) error {
	return f.say(o.Name, id, grant, answer)
}

func (f *fake) document() *authority.PolicyDocument {
	return &authority.PolicyDocument{Hash: [32]byte{7}, Name: "terms.yaml", Source: []byte("id: terms\n"), ActivateAt: now, By: "kim"}
}
func (f *fake) PublishPolicy(_ context.Context, o *authority.Officer, name string, source []byte) (*authority.PolicyDocument, *policy.Report, error) {
	return f.document(), f.report(), f.say(o.Name, name, string(source))
}
func (f *fake) report() *policy.Report {
	return &policy.Report{Title: "Terms", Warnings: []policy.Warning{{Line: 3, Message: "overdue"}}}
}
func (f *fake) ProposePolicy(_ context.Context, o *authority.Officer, name string, source []byte) ([]byte, *policy.Report, error) {
	return []byte("{}"), f.report(), f.say(o.Name, name, string(source))
}
func (f *fake) Publish(_ context.Context, o *authority.Officer, proposal []byte) (*authority.Published, error) {
	return f.published(strings.Contains(string(proposal), "large")), f.say(o.Name, string(proposal))
}

// published is what came of a warrant; of one for a large cohort with a job that gives its notices.
func (f *fake) published(large bool) *authority.Published {
	out := &authority.Published{Subject: tufrepo.Warrant, Versions: tuf.Versions{Root: 1, Warrant: 7}, Signers: []string{"Ada", "Bela"}, Warrant: f.warrant()}
	if large {
		out.Notices = f.job("notices")
	}
	return out
}
func (f *fake) SigningKeys(context.Context) (*authority.SigningKeys, error) {
	return &authority.SigningKeys{Founded: true, Online: onlineKey, Threshold: 2, Versions: tuf.Versions{Policy: 3},
		Expires: map[string]time.Time{tuf.Policy: now, tuf.Snapshot: now}, Ending: []authority.RoleEnd{{Role: tuf.Policy, Ends: now}}}, f.say()
}

func (f *fake) PolicyInForce(context.Context) (*policy.Policy, *authority.PolicyDocument, error) {
	return nil, f.document(), f.say()
}
func (f *fake) PolicyHistory(_ context.Context, limit int) ([]authority.PolicyEdition, error) {
	return []authority.PolicyEdition{{Document: f.document(), ID: "terms", Version: 4, Title: "Terms", Effective: now, Signed: true, InForce: true}}, f.say(limit)
}
func (f *fake) ImportProduction(_ context.Context, o *authority.Officer, rows []authority.Production) (int, error) {
	return len(rows), f.say(o.Name, rows)
}

func (f *fake) BeginImport(_ context.Context, o *authority.Officer, file authority.ImportFile) (*authority.Job, error) {
	j := f.job("import")
	j.Cursor = []byte(`{"offset":77,"line":2}`)
	return j, f.say(o.Name, file)
}
func (f *fake) ImportRows(_ context.Context, o *authority.Officer, id int64, from, to authority.ImportPlace, rows []authority.Production, rejected int) (*authority.Job, error) {
	return f.job("import"), f.say(o.Name, id, from, to, len(rows), rejected)
}

func (f *fake) OwnerLook(_ context.Context, imei, reference string) (*authority.OwnerView, error) {
	return &authority.OwnerView{Model: "M1", Reference: reference, Stage: order.Noticed, Ground: cuba, NoticedAt: now, CanAppeal: true,
		Events: []authority.Event{{Device: someID, At: now, Kind: "noticed", Detail: "Told."}}}, f.say(imei, reference)
}
func (f *fake) FileAppeal(_ context.Context, imei, reference, text, contact string) (*authority.Appeal, error) {
	return f.appeal(), f.say(imei, reference, text, contact)
}

// readCSV stands in for the parser of production records: lines with a comma.
func readCSV(r io.Reader) ([]authority.Production, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var rows []authority.Production
	for line := range strings.Lines(string(b)) {
		if !strings.Contains(line, ",") {
			return nil, errors.New("line 2: a comma is missing")
		}
		rows = append(rows, authority.Production{Model: line})
	}
	return rows, nil
}

// served is a handler on a fake, and what it logs.
type served struct {
	http.Handler
	fake *fake
	log  *bytes.Buffer
}

func serve(t *testing.T, change func(*Config)) *served {
	t.Helper()
	s := &served{fake: new(fake), log: new(bytes.Buffer)}
	cfg := Config{Authority: s.fake, Production: readCSV, Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if change != nil {
		change(&cfg)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Handler = h
	return s
}

// ask sends one request. Headers are "Name: value".
func (s *served) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = "203.0.113.7:4711"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

const (
	isJSON = "Content-Type: application/json"
	asKim  = "Authorization: Bearer kim"
)

// wantProblem checks that an answer is the named problem, whole.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, name string) *Problem {
	t.Helper()
	var p Problem
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	if w.Code != status || p.Status != status || p.Type != "urn:bailiwick:problem:"+name || w.Header().Get("Content-Type") != "application/problem+json" ||
		p.Title != http.StatusText(status) || p.Detail == "" {
		t.Fatalf("answer %d %s %s; want %d %s", w.Code, w.Header().Get("Content-Type"), w.Body, status, name)
	}
	return &p
}

// onlineKey is the same in all tests of a run.
var onlineKey = func() tufrepo.PublicKey {
	k, err := tufrepo.NewKey(tufrepo.Ed25519, "test server", rand.Reader)
	if err != nil {
		panic(err)
	}
	return k.Public()
}()
