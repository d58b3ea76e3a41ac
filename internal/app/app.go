// Package app puts the authority together: store, ledger, keys, services and edges from one documented configuration.
// `bailiwick serve`, the demo and the end-to-end tests share it, so that what is tested is what runs.
package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/backup"
	"github.com/bailiwick-dev/bailiwick/internal/httpapi"
	"github.com/bailiwick-dev/bailiwick/internal/ipterritory"
	"github.com/bailiwick-dev/bailiwick/internal/jobs/riverqueue"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/sandbox"
	"github.com/bailiwick-dev/bailiwick/internal/span"
	"github.com/bailiwick-dev/bailiwick/internal/store/postgres"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Config is all that a server needs to know. Fields without "required" may be left zero.
type Config struct {
	Dir            string              // data folder, required; made if need be
	Database       string              // PostgreSQL that holds records and ledger (URL or libpq string), for any number of servers; in the data folder when empty
	Keys           string              // folder of the keys, which all servers on a database share; keys in Dir when empty
	BaseURL        string              // where owners and officers reach it, such as https://trust.example.com; required
	Roots          []*x509.Certificate // attestation roots of the maker's factories
	Sandbox        bool                // make virtual phones, trust them, let the clock be moved on, and hold officers' keys
	TrustedProxies []netip.Prefix      // whose X-Forwarded-For is believed
	MetricsFrom    []netip.Prefix      // who may read /metrics; this machine when nil
	Origin         string              // the ledger's name; the host of BaseURL when empty; fixed at the first start
	Policy         Document            // published at the first start of a sandbox; elsewhere officers sign the first one, too
	ResetAdmin     bool                // give the officer "admin" a new one-time password
	Logger         *slog.Logger        // nothing is logged when nil
	Registry       *prometheus.Registry

	Witnesses     []ledger.Witness // who cosign the ledger's checkpoints; devices are told their keys when they enrol
	WitnessQuorum int              // how many of them must; more than half when 0

	Tracer trace.Tracer // makes spans of requests, of the periodic work and of commits; none when nil

	Now          func() time.Time    // time.Now when nil
	ClockEvery   time.Duration       // how often Now is compared with the database's clock; 15 s when 0
	DeviceIDs    io.Reader           // source of device ids; crypto/rand when nil; a simulation may seed it
	PasswordCost int                 // bcrypt cost; the default when 0
	Unlimited    bool                // no limits on the rate of requests; for simulations, whose phones share an address
	Drain        time.Duration       // how long a server that is told to stop goes on answering while /readyz says that it is not ready
	Retention    authority.Retention // how long records are kept; authority.DefaultRetention when zero, unless ManualWork
	ManualWork   bool                // the caller drives Service.Sequence and Service.Sweep itself (the simulator)
}

// Document is a policy file.
type Document struct {
	Name   string
	Source []byte
}

// App is a server put together.
type App struct {
	Service  *authority.Service
	Ledger   *ledger.Ledger
	Factory  *sandbox.Factory  // nil unless a sandbox
	Officers *sandbox.Officers // nil unless a sandbox
	Registry *prometheus.Registry

	// OneTimePassword is that of the officer "admin", when this start created or reset it.
	OneTimePassword string

	cfg       Config
	store     records
	queue     *riverqueue.Queue // nil unless the records are in a database: there several servers share jobs
	clock     *movable          // nil unless a sandbox
	office    *office
	watch     *watch
	stopWatch func()   // nil when nobody looks at the clock
	secret    [32]byte // of pages
	handler   http.Handler

	readiness readiness
	stopping  atomic.Bool
}

// Open makes what the first start needs and opens everything. Close must be called.
func Open(ctx context.Context, cfg Config) (_ *App, err error) {
	if cfg.Dir == "" || cfg.BaseURL == "" {
		return nil, errors.New("app: Config.Dir and Config.BaseURL are required")
	}
	if _, err := parseBase(cfg.BaseURL); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the data folder: %w", err)
	}
	settled, err := backup.Admit(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Registry == nil {
		cfg.Registry = prometheus.NewRegistry()
	}
	if cfg.Retention == (authority.Retention{}) && !cfg.ManualWork {
		cfg.Retention = authority.DefaultRetention()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &App{cfg: cfg, Registry: cfg.Registry}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if err := a.openRecords(ctx); err != nil {
		return nil, err
	}
	if err := a.store.Register(cfg.Registry); err != nil {
		return nil, err
	}
	if err := a.openSandbox(); err != nil {
		return nil, err
	}
	if err := a.startWatch(ctx); err != nil {
		return nil, err
	}
	if err := a.openService(ctx); err != nil {
		return nil, err
	}
	if a.handler, err = a.routes(); err != nil {
		return nil, err
	}
	a.handler = a.inTime(a.handler)
	if err := a.standForOffice(ctx); err != nil {
		return nil, err
	}
	if err := a.firstStart(ctx); err != nil {
		return nil, err
	}
	if settled == nil {
		return a, nil
	}
	cfg.Logger.Info("the data folder was put back from a backup; what the server itself signs goes on under later versions")
	return a, errors.Join(a.Service.SkipAhead(ctx), settled())
}

func (a *App) openSandbox() (err error) {
	if !a.cfg.Sandbox {
		return nil
	}
	dir := filepath.Join(a.cfg.Dir, "sandbox")
	if a.Factory, err = sandbox.Open(dir); err != nil {
		return err
	}
	if a.Officers, err = sandbox.OpenOfficers(filepath.Join(dir, "officers")); err != nil {
		return err
	}
	if a.clock, err = newMovable(a.cfg.Now, dir); err != nil {
		return err
	}
	a.cfg.Now = a.clock.Now
	a.cfg.Roots = append(a.cfg.Roots, a.Factory.Root())
	return nil
}

func (a *App) openService(ctx context.Context) (err error) {
	keys := a.cfg.keysDir()
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return err
	}
	if err := a.sameKeys(ctx, keys); err != nil {
		return err
	}
	master, err := secret(keys, "unlock-master.key")
	if err != nil {
		return err
	}
	epochSecret, err := secret(keys, "epoch.key")
	if err != nil {
		return err
	}
	online, err := onlineKey(filepath.Join(keys, "online.key"), strings.TrimSuffix(originOf(a.cfg.BaseURL), "/ledger"))
	if err != nil {
		return err
	}
	if err := a.openLedger(ctx); err != nil {
		return err
	}
	if err := a.bindRecords(ctx, fingerprint(master, epochSecret, online, a.Ledger.LogKey())); err != nil {
		return err
	}
	if err := a.notBehind(ctx); err != nil {
		return err
	}
	if a.secret, err = siteSecret(epochSecret); err != nil {
		return err
	}
	if err := territory.Load(); err != nil {
		return err
	}
	appraiser, err := verifier.New(a.cfg.Roots, verifier.NewEpochs(epochSecret))
	if err != nil {
		return err
	}
	var sessions time.Duration // the default
	if a.cfg.Sandbox {
		sessions = 10 * 365 * 24 * time.Hour // days pass at the push of a button there
	}
	var signer authority.Signer // none: officers sign on machines of their own
	if a.Officers != nil {
		signer = a.Officers
	}
	jobs, err := a.openQueue(ctx)
	if err != nil {
		return err
	}
	var pace authority.Pace // the default
	if a.cfg.Unlimited {
		pace.Burst = -1
	}
	a.Service, err = authority.New(authority.Config{
		Jobs: jobs, Retention: a.cfg.Retention, Pace: pace, SessionLife: sessions, Online: online, Signer: signer,
		Store: a.store, Ledger: a.Ledger, Verifier: appraiser, Now: a.cfg.Now, DeviceIDs: a.cfg.DeviceIDs,
		Logger: a.cfg.Logger, Registry: a.Registry, PasswordCost: a.cfg.PasswordCost,
		Trust:        a.Trust(),
		UnlockMaster: master, EpochSecret: epochSecret, IP: ipterritory.Lookup,
	})
	return err
}

// openLedger opens the ledger under the name that it was founded with, wherever the server is reached today.
func (a *App) openLedger(ctx context.Context) (err error) {
	dir := filepath.Join(a.cfg.Dir, "ledger")
	cosignatures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bailiwick_witness_requests_total", Help: "Cosignatures asked of witnesses, by witness and outcome.",
	}, []string{"witness", "outcome"})
	if err := a.Registry.Register(cosignatures); err != nil {
		return err
	}
	options := ledger.Options{
		Origin: a.cfg.Origin, Log: slog.New(warnings{a.cfg.Logger.Handler()}), Witnesses: a.cfg.Witnesses, Quorum: a.cfg.WitnessQuorum,
		Witnessed: func(w ledger.Witness, err error) {
			outcome := "cosigned"
			if err != nil {
				outcome = "failed"
			}
			cosignatures.WithLabelValues(w.URL, outcome).Inc()
		},
	}
	open := func() (*ledger.Ledger, error) { return ledger.Open(ctx, dir, options) }
	if db, ok := a.database(); ok {
		open = func() (*ledger.Ledger, error) { return ledger.OpenTables(a.cfg.keysDir(), db.Ledger(), options) }
	}
	a.Ledger, err = open()
	if a.cfg.Origin == "" && errors.Is(err, ledger.ErrOrigin) { // a new one
		options.Origin = originOf(a.cfg.BaseURL)
		a.Ledger, err = open()
	}
	return err
}

// Trust is what devices are told at enrolment of whose orders to follow.
func (a *App) Trust() protocol.Trust {
	t := protocol.Trust{Origin: a.Ledger.Origin(), LogKey: a.Ledger.LogKey(), Quorum: a.cfg.WitnessQuorum}
	for _, w := range a.cfg.Witnesses {
		t.Witnesses = append(t.Witnesses, w.Key)
	}
	if t.Quorum == 0 {
		t.Quorum = ledger.Majority(len(t.Witnesses))
	}
	return t
}

// warnings passes on what matters of a library's messages, and all of them when the log is for debugging.
type warnings struct{ slog.Handler }

func (h warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return h.Handler.Enabled(ctx, level) && (level >= slog.LevelWarn || h.Handler.Enabled(ctx, slog.LevelDebug))
}

// firstStart lets a sandbox's officers found what they sign and publish the first policy, and creates the first account, once. The account
// comes last: whoever reads the one-time password must get to a server that runs.
func (a *App) firstStart(ctx context.Context) (err error) {
	if err := a.Service.EnsureFounded(ctx); err != nil {
		return err
	}
	if a.Officers != nil && len(a.cfg.Policy.Source) > 0 {
		if _, err := a.Service.EnsurePolicy(ctx, a.cfg.Policy.Name, a.cfg.Policy.Source); err != nil {
			return err
		}
	}
	for _, line := range a.advice(ctx) {
		a.cfg.Logger.Warn(line)
	}
	var created bool
	a.OneTimePassword, created, err = a.Service.EnsureAdmin(ctx)
	if err == nil && a.cfg.ResetAdmin && !created {
		a.OneTimePassword, err = a.Service.ResetAdmin(ctx)
	}
	return err
}

// work does what time makes due, at once: after the sandbox's clock moved on. Where another server leads, it does that.
func (a *App) work(ctx context.Context) error {
	if !a.Leads() {
		return nil
	}
	if err := a.Service.Sweep(ctx); err != nil {
		return err
	}
	_, err := a.Service.Sequence(ctx)
	return err
}

// readiness is what was found when somebody asked last.
type readiness struct {
	mu    sync.Mutex
	asked time.Time
	err   error
}

// ready says why the server could not take evidence now, or nil. Anybody may ask, and each look costs a durable write: there is one a
// second at most. A server that is told to stop is not ready from that moment on.
func (a *App) ready(ctx context.Context) error {
	if a.stopping.Load() {
		return &httpapi.Unready{Faults: []httpapi.Fault{{At: "server", Message: "it was told to stop, and lets requests that are under way finish"}}}
	}
	r := &a.readiness
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked.IsZero() || time.Since(r.asked) >= time.Second {
		r.err = a.look(context.WithoutCancel(ctx)) // what one client gave up is no answer for the others
		r.asked = time.Now()
	}
	return r.err
}

// fullFor is how long a server is not ready after the database had no room for an update.
const fullFor = 10 * time.Second

// look tries what evidence needs.
func (a *App) look(ctx context.Context) error {
	if err := a.watch.err(); err != nil {
		return &httpapi.Unready{Err: err, Faults: []httpapi.Fault{{At: "clock", Message: "this server's clock is off the database's, or the database's cannot be read"}}}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := a.store.Update(ctx, func(tx authority.Tx) error {
		_, err := tx.NextNumber("readiness") // an update that writes nothing succeeds on a full disk, too
		return err
	})
	if errors.Is(err, postgres.ErrSchema) {
		return &httpapi.Unready{Err: err, Faults: []httpapi.Fault{{At: "store", Message: "a newer release has brought the records to another schema: start that one here, too"}}}
	} else if err != nil {
		return &httpapi.Unready{Err: err, Faults: []httpapi.Fault{{At: "store", Message: "the records cannot be written now: the disk is full or failing, or the database is away"}}}
	}
	// What tries it may need no more room, where others do.
	if room, tells := a.store.(interface{ Full(time.Duration) bool }); tells && room.Full(fullFor) {
		return &httpapi.Unready{Faults: []httpapi.Fault{{At: "store", Message: "the database's disk is full: make room there; records that need more are refused, and what was acknowledged is kept"}}}
	}
	if _, err = a.Ledger.Size(ctx); err != nil {
		return &httpapi.Unready{Err: err, Faults: []httpapi.Fault{{At: "ledger", Message: "the ledger's checkpoint cannot be read"}}}
	}
	return nil
}

// advice is what whoever runs the server should do, a sentence each: a server can be ready for evidence and still lack its officers.
func (a *App) advice(ctx context.Context) []string {
	k, err := a.Service.SigningKeys(ctx)
	switch {
	case err != nil:
		return []string{"The officers' signatures cannot be read, and nothing counts that they signed: " + err.Error()}
	case !k.Founded:
		return []string{"No officers have founded the repository of what they sign: no device can enrol, and no policy and no warrant counts. " +
			"Each officer makes a key (bailiwick officer key), one proposes the founding (bailiwick officer root), two sign it, and an administrator publishes it."}
	}
	inForce, _, err := a.Service.PolicyInForce(ctx)
	if errors.Is(err, authority.ErrNoPolicy) {
		return []string{"No policy is in force, so no device can enrol: propose one (bailiwick policy propose), have two officers sign it, and publish it."}
	}
	var lines []string
	for _, r := range k.Ending {
		lines = append(lines, fmt.Sprintf("The officers' signatures in the role %s end on %s; after that nothing is escalated. Have them renewed.",
			r.Role, r.Ends.UTC().Format(time.DateOnly)))
	}
	if err != nil {
		return lines // the store is away, which readiness tells
	}
	overdue, due := inForce.Reviews(a.cfg.Now())
	if len(overdue) > 0 {
		lines = append(lines, fmt.Sprintf("Rules of the policy in force should have been reviewed, and support no escalation until they are: %s.", strings.Join(overdue, ", ")))
	}
	if len(due) > 0 {
		lines = append(lines, fmt.Sprintf("Rules of the policy in force must be reviewed within %d days: %s.", policy.ReviewNotice, strings.Join(due, ", ")))
	}
	return lines
}

// originOf makes a ledger's name from the server's address: a URL without scheme, by custom.
func originOf(baseURL string) string {
	u, err := parseBase(baseURL)
	if err != nil {
		return "bailiwick.localhost/ledger"
	}
	return u.Host + "/ledger"
}

// Now is the server's time: moved on, in a sandbox.
func (a *App) Now() time.Time { return a.cfg.Now() }

// Handler serves everything.
func (a *App) Handler() http.Handler { return a.handler }

// Serve answers on l, and does the periodic work unless the caller does, until ctx ends. Then /readyz says that it is not ready, so that
// whoever spreads requests sends no more; after Config.Drain the listener is closed, and requests that are under way finish.
func (a *App) Serve(ctx context.Context, l net.Listener) error {
	server := httpapi.NewServer(a.handler, a.cfg.Logger)
	ended := make(chan error, 2)
	working, stopWork := context.WithCancel(span.With(context.WithoutCancel(ctx), a.cfg.Tracer)) // requests that finish may wait for it
	defer stopWork()
	jobs := 1
	go func() { ended <- server.Serve(l) }()
	if !a.cfg.ManualWork {
		jobs++
		go func() { ended <- a.Work(working) }()
	}
	noting := make(chan struct{})
	go func() { defer close(noting); a.keepNewest(working) }()
	var err error
	select {
	case <-ctx.Done():
		a.stopping.Store(true)
		select {
		case <-time.After(a.cfg.Drain):
		case err = <-ended:
			jobs--
		}
	case err = <-ended:
		jobs--
	}
	graceful, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = errors.Join(err, server.Shutdown(graceful))
	stopWork()
	<-noting
	for range jobs {
		if e := <-ended; e != nil && !errors.Is(e, http.ErrServerClosed) && !errors.Is(e, context.Canceled) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Work does the periodic work whenever this server leads, and takes its turn at jobs, until ctx ends. It is what Serve does beside answering.
func (a *App) Work(ctx context.Context) error {
	group, working := errgroup.WithContext(ctx)
	group.Go(func() error { return a.whileLeading(working, a.Service.Run) })
	if a.queue != nil {
		group.Go(func() error { return a.queue.Run(working, a.Service.StepJob) })
	}
	return group.Wait()
}

// Close closes what is open: what was acknowledged is on disk already.
func (a *App) Close() error {
	var errs []error
	if a.queue != nil {
		a.queue.Close()
	}
	if a.stopWatch != nil {
		a.stopWatch()
	}
	if a.Ledger != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if _, ok := a.database(); ok && a.handler != nil { // it was opened as a whole
			if err := a.noteNewest(ctx); err != nil {
				a.cfg.Logger.Debug("the newest checkpoint could not be noted", "error", err)
			}
		}
		errs = append(errs, a.Ledger.Close(ctx))
	}
	a.leaveOffice()
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing: %w", err)
	}
	return nil
}
