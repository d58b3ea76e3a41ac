package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/fleet"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/policies"
	"github.com/bailiwick-dev/bailiwick/protocol"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

type demoCommand struct {
	Once    bool   `help:"End after the report; exit with 1 if a lawful device was locked, a lock was missed or the Charter was broken."`
	Seed    uint64 `help:"Seed of the stories: the same seed gives the same outcome." default:"1"`
	Devices int    `help:"How many phones." default:"2000"`
	Days    int    `help:"How many simulated days." default:"60"`
	JSON    string `name:"json" help:"Write the report to this file as JSON; - is standard output." placeholder:"FILE"`
	Listen  string `help:"Address and port of the server; 127.0.0.1:8470 when left out, or another port if that one is taken." placeholder:"ADDRESS"`
	Data    string `help:"Data folder, which must be empty or new; a temporary one, deleted at the end, when left out." type:"path" placeholder:"DIR"`
}

func (demoCommand) Help() string {
	return `Starts a server on a fresh data folder and drives real agents through sixty simulated days of September and October 2021, over HTTP: phones at home,
travelling, imported, activated in prohibited territories, licensed, at borders, with foreign SIMs, wrong clocks, other systems, offline for weeks, and a
diverted consignment that is held, investigated and released. It ends with a table of ground truth against outcome, and keeps the server up to explore.

Examples:
  bailiwick demo
  bailiwick demo --once --json report.json
  bailiwick demo --devices 10000 --seed 7`
}

func (c *demoCommand) Run(ctx context.Context, env Environment) (err error) {
	cfg := fleet.Config{Seed: c.Seed, Devices: c.Devices, Days: c.Days}
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	dir, cleanUp, err := c.folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cleanUp()) }()
	listener, err := c.listen()
	if err != nil {
		return err
	}
	clock := fleet.NewClock(fleet.Start.Add(-time.Hour))
	base := "http://" + listener.Addr().String()
	watcher, err := startDemoWitness(dir, clock.Now)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, watcher.stop()) }()
	a, err := app.Open(ctx, app.Config{
		Dir: dir, BaseURL: base, Origin: demoOrigin, Sandbox: true, Witnesses: []ledger.Witness{watcher.Witness},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Policy:         app.Document{Name: "terms-2021-09.yaml", Source: policies.Terms202109},
		Now:            clock.Now, DeviceIDs: newSeededReader(c.Seed), PasswordCost: 4, ManualWork: true, Unlimited: true,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- a.Serve(serving, listener) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served, a.Close())
	}()
	officers, err := demoOfficers(ctx, a)
	if err != nil {
		return err
	}
	out := env.Stdout
	if c.JSON == "-" {
		out = env.Stderr
	}
	fmt.Fprintf(out, "Bailiwick demo: %d phones, %d days, seed %d. The server is at %s/\n", c.Devices, c.Days, c.Seed, base)
	report, err := c.simulate(ctx, env, a, cfg, clock, base, officers)
	if err != nil {
		return err
	}
	if err := report.WriteTable(out); err != nil {
		return err
	}
	if err := writeSigners(ctx, out, a); err != nil {
		return err
	}
	if err := writeReport(env, c.JSON, report); err != nil {
		return err
	}
	if c.Once {
		if !report.OK() {
			return errSaid
		}
		return nil
	}
	if err := c.explore(ctx, env, a, clock, base, officers); err != nil {
		return err
	}
	return nil
}

// writeSigners says whose signatures the phones' orders rested on.
func writeSigners(ctx context.Context, out io.Writer, a *app.App) error {
	keys, err := a.Service.SigningKeys(ctx)
	if err != nil {
		return err
	}
	repository, err := a.Service.Repository(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "signatures: %d officers have keys, %d must sign, and every phone checked it", len(keys.Officers), keys.Threshold)
	for _, role := range []string{tuf.Policy, tuf.Warrant} {
		by, err := repository.SignedBy(role)
		if err != nil {
			return err
		}
		var names []string
		for _, k := range by {
			names = append(names, k.Name())
		}
		fmt.Fprintf(out, "\n  %-7s   %s", role, strings.Join(names, ", "))
	}
	_, err = fmt.Fprintln(out)
	return err
}

// listen takes the usual port, so that the commands of the README work as they stand, unless nobody stays to use them.
func (c *demoCommand) listen() (net.Listener, error) {
	address := c.Listen
	if address == "" && !c.Once {
		if l, err := net.Listen("tcp", strings.TrimPrefix(defaultServer, "http://")); err == nil {
			return l, nil
		}
	}
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w (choose another with --listen)", address, err)
	}
	if !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
		return nil, errors.Join(usageError{fmt.Errorf("the demo trusts phones that anybody can make, and %s can be reached by other machines: listen on 127.0.0.1", address)}, l.Close())
	}
	return l, nil
}

func (c *demoCommand) simulate(ctx context.Context, env Environment, a *app.App, cfg fleet.Config, clock *fleet.Clock, base string, officers []demoOfficer) (*fleet.Report, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	transport.DisableCompression = true
	defer transport.CloseIdleConnections()
	progress := newProgress(ctx, env)
	defer progress.end()
	cfg.Server, cfg.HTTP = base, &http.Client{Transport: transport, Timeout: 30 * time.Second}
	cfg.Clock, cfg.Authority, cfg.Factory = clock, a.Service, a.Factory
	cfg.Ledger = publicLedger{base, a.Trust()}
	cfg.Officers = [2]*authority.Officer{officers[1].Officer, officers[2].Officer}
	cfg.Progress = progress
	return fleet.Run(ctx, cfg)
}

func (c *demoCommand) folder() (dir string, cleanUp func() error, err error) {
	if c.Data == "" {
		dir, err = os.MkdirTemp("", "bailiwick-demo-")
		return dir, func() error { return os.RemoveAll(dir) }, err
	}
	entries, err := os.ReadDir(c.Data)
	if err == nil && len(entries) > 0 {
		return "", nil, usageError{fmt.Errorf("%s is not empty: the demo begins with a fresh folder", c.Data)}
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", nil, err
	}
	return c.Data, func() error { return nil }, nil
}

// explore keeps the server up, with time passing as it does outside.
func (c *demoCommand) explore(ctx context.Context, env Environment, a *app.App, clock *fleet.Clock, base string, officers []demoOfficer) error {
	clock.Run()
	working, stop := context.WithCancel(ctx)
	defer stop()
	worked := make(chan error, 1)
	go func() { worked <- a.Service.Run(working) }()
	fmt.Fprintf(env.Stdout, `
What to look at now (it is the evening of %s here):
  public page   %[2]s/                counts from the ledger, by territory, rule and day
  console       %[2]s/console/        map, devices with the why of each decision, waves, the case
`, clock.Now().Format("2 January 2006"), base)
	for _, o := range officers {
		fmt.Fprintf(env.Stdout, "                log in as %-12s with the password  %s\n", o.Name, o.password)
	}
	if imei, reference := sampleOwner(ctx, a); imei != "" {
		fmt.Fprintf(env.Stdout, "  owner page    %s/owner           IMEI %s and reference %s: a locked phone's owner\n", base, imei, reference)
	}
	fmt.Fprintf(env.Stdout, `  ledger        bailiwick ledger verify %[1]s --witness %[2]s
  a phone       bailiwick device --server %[1]s --market AE --city Tehran --lang fa
                set place, SIM and clock, let days pass, and see what it shows

The server stays up until you press Ctrl-C.
`, base, a.Trust().Witnesses[0])
	<-ctx.Done()
	stop()
	if err := <-worked; err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// sampleOwner finds a locked phone whose owner page is worth a look.
func sampleOwner(ctx context.Context, a *app.App) (imei, reference string) {
	locked := order.Locked
	rows, _, err := a.Service.Devices(ctx, authority.DeviceQuery{Stage: &locked, Limit: 1})
	if err != nil || len(rows) == 0 {
		return "", ""
	}
	detail, err := a.Service.DeviceDetail(ctx, rows[0].Device.ID)
	if err != nil || len(detail.Restrictions) == 0 {
		return "", ""
	}
	return string(rows[0].Device.IMEI), detail.Restrictions[0].Reference
}

// demoOfficer is an officer whose password the demo prints.
type demoOfficer struct {
	*authority.Officer
	password string
}

// demoOfficers makes an administrator and two officers, who have chosen their passwords.
func demoOfficers(ctx context.Context, a *app.App) ([]demoOfficer, error) {
	admin, err := choosePassword(ctx, a, "admin", a.OneTimePassword)
	if err != nil {
		return nil, err
	}
	officers := []demoOfficer{admin}
	for _, name := range []string{"officer-one", "officer-two"} {
		oneTime, err := a.Service.AddOfficer(ctx, admin.Officer, name, "officer")
		if err != nil {
			return nil, err
		}
		o, err := choosePassword(ctx, a, name, oneTime)
		if err != nil {
			return nil, err
		}
		officers = append(officers, o)
	}
	return officers, nil
}

func choosePassword(ctx context.Context, a *app.App, name, oneTime string) (demoOfficer, error) {
	_, o, err := a.Service.Login(ctx, name, oneTime)
	if err != nil {
		return demoOfficer{}, err
	}
	password := "explore-" + oneTime
	if err := a.Service.ChangePassword(ctx, o, oneTime, password); err != nil {
		return demoOfficer{}, err
	}
	_, o, err = a.Service.Login(ctx, name, password)
	return demoOfficer{o, password}, err
}

// publicLedger reads the ledger as anyone can: over HTTP, with nothing but the verifier keys of ledger and witness.
type publicLedger struct {
	base  string
	trust protocol.Trust
}

func (l publicLedger) Verify(ctx context.Context) (fleet.Verified, error) {
	source, err := ledger.Remote(l.base + "/ledger/")
	if err != nil {
		return fleet.Verified{}, err
	}
	verifier, err := proof.New(l.trust.Origin, l.trust.LogKey, l.trust.Witnesses, l.trust.Quorum)
	if err != nil {
		return fleet.Verified{}, err
	}
	v := fleet.Verified{Origin: demoOrigin, Orders: map[order.ID]order.Leaf{}}
	checked, err := ledger.NewAuditor(source, verifier, nil, time.Now).Audit(ctx, func(_ uint64, raw []byte) error {
		leaf, err := order.ParseLeaf(raw)
		if err != nil {
			return err
		}
		v.Orders[order.LeafID(raw)] = leaf
		return nil
	})
	v.Size = checked.Size
	return v, err
}

// seededReader gives the same bytes for the same seed. It is for simulations alone.
type seededReader struct {
	mu     sync.Mutex
	stream *rand.ChaCha8
}

func newSeededReader(seed uint64) io.Reader {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return &seededReader{stream: rand.NewChaCha8(key)}
}

func (r *seededReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stream.Read(p)
}

// progress shows how far the simulation is: bars on a terminal, a line every ten days elsewhere.
type progress struct {
	env   Environment
	bars  *mpb.Progress
	days  *mpb.Bar
	mu    sync.Mutex
	date  time.Time
	count int64
}

func newProgress(ctx context.Context, env Environment) *progress {
	p := &progress{env: env}
	if env.Terminal {
		p.bars = mpb.NewWithContext(ctx, mpb.WithOutput(env.Stderr), mpb.WithWidth(48))
	}
	return p
}

func (p *progress) Made(phones, of int) {
	fmt.Fprintf(p.env.Stderr, "made %d phones\n", phones) // no bar is up yet
}

func (p *progress) Day(day, of int, date time.Time, checkIns int64) {
	if p.bars == nil {
		if day%10 == 0 || day == of {
			fmt.Fprintf(p.env.Stderr, "day %d of %d, %s: %d check-ins\n", day, of, date.Format(time.DateOnly), checkIns)
		}
		return
	}
	p.mu.Lock()
	p.date, p.count = date, checkIns
	p.mu.Unlock()
	if p.days == nil {
		p.days = p.bars.AddBar(int64(of),
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.date.Format("2 Jan 2006")
			}, decor.WC{W: 12})),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
				p.mu.Lock()
				defer p.mu.Unlock()
				return fmt.Sprintf("%d check-ins", p.count)
			}), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
	}
	p.days.SetCurrent(int64(day))
}

func (p *progress) Verifying() {
	p.end()
	fmt.Fprintln(p.env.Stderr, "verifying the ledger")
}

// end takes the bars down; it may be called again.
func (p *progress) end() {
	if p.bars != nil {
		if p.days != nil && !p.days.Completed() {
			p.days.Abort(false)
		}
		p.bars.Wait()
	}
}
