package httpapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/admission"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// Authority is what this package asks of the authority; *authority.Service is it. Methods may be called concurrently, and
// return *authority.Error for everything that a caller can act on.
type Authority interface {
	ForDevices
	ForOfficers
	ForOwners
}

// ForDevices is the part that devices call.
type ForDevices interface {
	Epoch(ctx context.Context) protocol.EpochAnswer
	Enrol(ctx context.Context, token []byte) (*protocol.EnrolAnswer, error)
	Contact(token []byte) (authority.Contact, error) // reads evidence and verifies nothing yet
}

// ForOfficers is the part that needs a login.
type ForOfficers interface {
	Login(ctx context.Context, name, password string) (token string, o *authority.Officer, err error)
	Logout(ctx context.Context, token string) error
	Authenticate(ctx context.Context, token string) (*authority.Officer, error)
	ChangePassword(ctx context.Context, o *authority.Officer, old, new string) error
	AddOfficer(ctx context.Context, by *authority.Officer, name, role string) (oneTimePassword string, err error)
	Officers(ctx context.Context) ([]*authority.Officer, error)

	Overview(ctx context.Context) (*authority.Overview, error)
	Devices(ctx context.Context, q authority.DeviceQuery) (list []authority.DeviceRow, next device.ID, err error)
	FindDevice(ctx context.Context, imei string) (*authority.Device, error)
	DeviceDetail(ctx context.Context, id device.ID) (*authority.DeviceDetail, error)
	AttachLicence(ctx context.Context, actor *authority.Officer, id device.ID, licence string, attach bool) error
	EraseDevice(ctx context.Context, actor *authority.Officer, id device.ID, reason string) (records int, err error)
	LiftByHuman(ctx context.Context, actor *authority.Officer, id device.ID, g order.Ground, reason string) error
	UnlockCode(ctx context.Context, actor *authority.Officer, id device.ID, challenge, justification string) (code string, err error)
	CodeReport(ctx context.Context, actor *authority.Officer) (*authority.CodeReport, error)

	Waves(ctx context.Context, limit int) ([]*authority.Wave, error)
	WaveDetail(ctx context.Context, id int64) (*authority.WaveDetail, error)
	BeginApproval(ctx context.Context, actor *authority.Officer, id int64, a authority.WaveApproval) (*authority.Job, error)
	RejectWave(ctx context.Context, actor *authority.Officer, id int64, note string) error

	Cases(ctx context.Context, limit int) ([]*authority.Case, error)
	CaseDetail(ctx context.Context, id string) (*authority.CaseDetail, error)
	OpenCase(ctx context.Context, actor *authority.Officer, title, consignment string) (*authority.Case, error)
	DraftWarrant(ctx context.Context, actor *authority.Officer, caseID, reason string, ends time.Time) (w *authority.Warrant, proposal []byte, err error)
	ProposeWarrant(ctx context.Context, actor *authority.Officer, warrantID string) (w *authority.Warrant, proposal []byte, err error)
	BeginHold(ctx context.Context, actor *authority.Officer, warrantID string) (*authority.Published, error)
	BeginCount(ctx context.Context, actor *authority.Officer, caseID string) (*authority.Job, error)
	BeginConclusion(ctx context.Context, actor *authority.Officer, caseID, finding string) (*authority.Job, error)
	Stragglers(ctx context.Context, warrantID string, after device.ID, limit int) ([]authority.Straggler, error)

	Simulate(ctx context.Context, actor *authority.Officer, name string, source []byte) (*authority.Job, error)
	Jobs(ctx context.Context, limit int) ([]*authority.Job, error)
	Job(ctx context.Context, id int64) (*authority.Job, error)
	AwaitJob(ctx context.Context, id int64, patience time.Duration) (*authority.Job, error)
	CancelJob(ctx context.Context, actor *authority.Officer, id int64) (*authority.Job, error)

	Appeals(ctx context.Context, state authority.AppealState, limit int) ([]authority.AppealRow, error)
	AnswerAppeal(ctx context.Context, actor *authority.Officer, id int64, grant bool, answer string) error

	ProposePolicy(ctx context.Context, actor *authority.Officer, name string, source []byte) (proposal []byte, report *policy.Report, err error)
	PublishPolicy(ctx context.Context, actor *authority.Officer, name string, source []byte) (*authority.PolicyDocument, *policy.Report, error)
	Publish(ctx context.Context, actor *authority.Officer, proposal []byte) (*authority.Published, error)
	SigningKeys(ctx context.Context) (*authority.SigningKeys, error)
	PolicyInForce(ctx context.Context) (*policy.Policy, *authority.PolicyDocument, error)
	PolicyHistory(ctx context.Context, limit int) ([]authority.PolicyEdition, error)
	ImportProduction(ctx context.Context, actor *authority.Officer, rows []authority.Production) (int, error)
	BeginImport(ctx context.Context, actor *authority.Officer, f authority.ImportFile) (*authority.Job, error)
	ImportRows(ctx context.Context, actor *authority.Officer, id int64, from, to authority.ImportPlace, rows []authority.Production, rejected int) (*authority.Job, error)
}

// ForOwners is the part that needs IMEI and reference.
type ForOwners interface {
	OwnerLook(ctx context.Context, imei, reference string) (*authority.OwnerView, error)
	FileAppeal(ctx context.Context, imei, reference, text, contact string) (*authority.Appeal, error)
}

// Rate is how often one network prefix may call: PerSecond in the long run, Burst at once. The zero Rate stands for the
// default of its field; a negative PerSecond for no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Config is what the interface is made of. Fields with a default may be left zero.
type Config struct {
	Authority Authority
	// Production reads production records from CSV; package custody has the format. Its errors are shown to the officer.
	Production func(io.Reader) ([]authority.Production, error)
	// ProductionLines reads a part of such a file, at most 4 MiB of lines without a header. Its errors are shown to the officer.
	ProductionLines func([]byte) ([]authority.Production, error)
	// Pages serves every path that is not of this package: console, owner page, public page. Default: not found.
	Pages http.Handler
	// Ready says why the server cannot serve now, or nil. Default: it always can.
	Ready func(context.Context) error
	// Advice is what whoever runs the server should do although it is ready, a sentence each; told beside readiness. Default: none.
	Advice func(context.Context) []string

	Logger   *slog.Logger         // default: nothing is logged; sees no identifiers and no addresses
	Registry *prometheus.Registry // what /metrics shows, and where this package counts; default: a registry of its own

	Tracer trace.Tracer // makes a span of each request, and of its parts; default: none

	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed; default: nobody's
	MetricsFrom    []netip.Prefix // who may read /metrics; default: loopback

	// DeviceRate is for epochs, and for check-ins and enrolments that prove to be nothing; many devices share a carrier's address, and what
	// is genuine does not count. Default 200 a second, 2,000 at once.
	DeviceRate Rate
	PeopleRate Rate // officers' API and pages; default 50 a second, 500 at once
	GuessRate  Rate // what could be guessed: log-ins, owner look-ups, posted forms; default 1 a second, 30 at once
	Prefixes   int  // network prefixes remembered; default 65,536

	Admission    admission.Config // how many check-ins and enrolments are served at once, and which first
	Unbounded    bool             // serve them all at once, and people too; for simulations
	PeopleAtOnce int              // requests of the API and for pages that are served at once; default 512

	Timeout       time.Duration // of a request; default 20 s
	ImportTimeout time.Duration // of an upload of production records or of a proposal; default 5 min
	MaxImport     int64         // bytes of an upload; default 64 MiB
	Version       string        // in the OpenAPI document; default "1"
}

func (c Config) withDefaults() (Config, error) {
	if c.Authority == nil || c.Production == nil {
		return c, errors.New("httpapi: Config.Authority and Config.Production are required")
	}
	if c.Ready == nil {
		c.Ready = func(context.Context) error { return nil }
	}
	if c.Advice == nil {
		c.Advice = func(context.Context) []string { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.MetricsFrom == nil {
		c.MetricsFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	for _, r := range []struct {
		rate, fallback *Rate
	}{{&c.DeviceRate, &Rate{200, 2000}}, {&c.PeopleRate, &Rate{50, 500}}, {&c.GuessRate, &Rate{1, 30}}} {
		if *r.rate == (Rate{}) {
			*r.rate = *r.fallback
		}
		if r.rate.PerSecond >= 0 && r.rate.Burst < 1 {
			return c, errors.New("httpapi: a rate needs a burst of at least 1")
		}
	}
	if c.Prefixes <= 0 {
		c.Prefixes = 1 << 16
	}
	if c.PeopleAtOnce <= 0 {
		c.PeopleAtOnce = 512
	}
	if c.Timeout <= 0 {
		c.Timeout = 20 * time.Second
	}
	if c.ImportTimeout <= 0 {
		c.ImportTimeout = 5 * time.Minute
	}
	if c.MaxImport <= 0 {
		c.MaxImport = 64 << 20
	}
	if c.Version == "" {
		c.Version = "1"
	}
	return c, nil
}
