package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/internal/traces"
	"github.com/bailiwick-dev/bailiwick/internal/verifier"
	"github.com/bailiwick-dev/bailiwick/policies"
)

type serveCommand struct {
	Data             string         `help:"Data folder; made if need be." default:"./bailiwick-data" type:"path"`
	Database         string         `help:"PostgreSQL that keeps records and ledger, instead of the data folder, for any number of servers with the same keys. A password belongs in PGPASSWORD or ~/.pgpass." env:"BAILIWICK_DATABASE" placeholder:"URL"`
	Keys             string         `help:"Folder with the keys, which all servers on a database share; keys in the data folder when left out." type:"path" placeholder:"DIR"`
	Listen           string         `help:"Address and port to listen on." default:"127.0.0.1:8470"`
	BaseURL          string         `name:"base-url" help:"Where owners and officers reach this server; http://LISTEN when left out." placeholder:"URL"`
	Sandbox          bool           `help:"Make virtual phones, trust them, and let the clock be moved on. For trying things out."`
	SandboxAnywhere  bool           `help:"Allow --sandbox on an address that other machines can reach." hidden:""`
	AttestationRoots string         `help:"PEM file with the attestation roots of your factories." type:"existingfile" placeholder:"FILE"`
	TrustedProxy     []netip.Prefix `help:"Network of proxies whose X-Forwarded-For is believed; may be repeated." placeholder:"CIDR"`
	MetricsFrom      []netip.Prefix `help:"Network that may read /metrics; may be repeated. This machine alone when left out." placeholder:"CIDR"`
	Policy           string         `help:"Policy that a sandbox publishes at its first start, instead of the sample." type:"existingfile" placeholder:"FILE"`
	Witness          []string       `help:"Witness whose cosignature the ledger needs, as its URL, a plus sign and its verifier key; may be repeated." sep:"none" placeholder:"URL+VKEY"`
	WitnessQuorum    int            `help:"How many of the witnesses must cosign; more than half when left out." placeholder:"N"`
	ResetAdmin       bool           `help:"Give the officer admin a new one-time password, when the old one is lost."`
	LogLevel         string         `help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	LogFormat        string         `help:"text, or json: one object a line." enum:"text,json" default:"text"`
	Traces           string         `help:"OpenTelemetry collector (OTLP over HTTP) to send traces to, such as http://127.0.0.1:4318. None when left out." placeholder:"URL"`
	TracesShare      float64        `help:"How much of all requests is traced, 0 to 1." default:"0.01" placeholder:"SHARE"`
	Drain            time.Duration  `help:"When told to stop, go on answering for so long while /readyz says not ready, so that a proxy sends no more." default:"0s" placeholder:"DURATION"`
	KeepDays         int            `help:"Days and territories in a device's record are kept for so many days, 7 to 90." default:"90" placeholder:"DAYS"`
	KeepRecords      int            `help:"Settled orders and lines of time lines are kept for so many days, 30 at least; 0 keeps them for ever." default:"1095" placeholder:"DAYS"`
	KeepContacts     int            `help:"How to reach an owner is kept for so many days after the answer to an appeal; 0 keeps it for ever." default:"90" placeholder:"DAYS"`
	KeepJobs         int            `help:"Jobs are kept for so many days after their end; 0 keeps them for ever." default:"90" placeholder:"DAYS"`
}

func (serveCommand) Help() string {
	return `The first start makes keys, a ledger, and the account "admin" with a one-time password that is printed once. A sandbox also makes officers'
keys of its own, and publishes the sample policy with them.

Without --sandbox the server holds no officer's key, and nobody can be restricted until officers have signed (docs/officers.md):
  1. each officer, on a machine of their own:   bailiwick officer key --name NAME -o NAME.key
  2. who they are, with all their public keys:  bailiwick officer root --officer A.pub --officer B.pub --server URL -o founding.json
  3. two of them sign it, an admin publishes:   bailiwick officer sign founding.json --key NAME.key; bailiwick officer publish founding.json
  4. in the same way the first policy:          bailiwick policy propose FILE -o proposal.json; bailiwick policy sign; bailiwick policy publish

Examples:
  bailiwick serve
  bailiwick serve --sandbox                       and bailiwick device in another terminal
  bailiwick serve --data /var/lib/bailiwick --listen 127.0.0.1:8470 --base-url https://trust.example.com \
      --trusted-proxy 127.0.0.1/32 --attestation-roots factory-roots.pem
  bailiwick serve --data /var/lib/bailiwick --database postgres://bailiwick@db.example.com/bailiwick
  bailiwick serve --data /var/lib/bailiwick --keys /etc/bailiwick/keys \
      --database "postgres://bailiwick@db1.example.com,db2.example.com/bailiwick?target_session_attrs=read-write"
  bailiwick serve --keep-days 30 --keep-records 365
  bailiwick serve --witness https://w1.example.org+w1.example.org+1a2b3c4d+BeFg --witness https://w2.example.org+w2.example.org+5e6f7a8b+BhIj`
}

func (c *serveCommand) Run(ctx context.Context, env Environment) error {
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w (choose another with --listen)", c.Listen, err)
	}
	defer listener.Close()
	if c.Drain < 0 || c.Drain > 10*time.Minute {
		return usageError{fmt.Errorf("--drain is 0s to 10m, not %v", c.Drain)}
	}
	keep, err := c.retention()
	if err != nil {
		return err
	}
	if c.Sandbox && !c.SandboxAnywhere && !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		return usageError{fmt.Errorf("--sandbox trusts phones that anybody can make, and %s can be reached by other machines: listen on 127.0.0.1", c.Listen)}
	}
	if c.Sandbox && !c.SandboxAnywhere && len(c.TrustedProxy) > 0 {
		return usageError{errors.New("--sandbox trusts phones that anybody can make and lets anybody move the clock on, and a proxy brings others here: leave out --trusted-proxy or --sandbox")}
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return usageError{err}
	}
	cfg := app.Config{
		Dir: c.Data, Database: c.Database, Keys: c.Keys, BaseURL: c.BaseURL, Sandbox: c.Sandbox, ResetAdmin: c.ResetAdmin, TrustedProxies: c.TrustedProxy, MetricsFrom: c.MetricsFrom, Now: env.Now,
		Policy: app.Document{Name: "terms-2026-11.yaml", Source: policies.Current},
		Logger: logger(env.Stderr, c.LogFormat, level), Drain: c.Drain, Retention: keep,
	}
	if cfg.Witnesses, err = c.witnesses(); err != nil {
		return err
	}
	cfg.WitnessQuorum = c.WitnessQuorum
	if cfg.BaseURL == "" {
		cfg.BaseURL = "http://" + listener.Addr().String()
	}
	if c.Policy != "" && !c.Sandbox {
		return usageError{errors.New("--policy: only a sandbox publishes a policy by itself; have two officers sign it instead, with bailiwick policy propose, sign and publish")}
	}
	if c.Policy != "" {
		cfg.Policy.Name = filepath.Base(c.Policy)
		if cfg.Policy.Source, err = readPolicy(env, c.Policy); err != nil {
			return err
		}
		if _, err := policy.Parse(cfg.Policy.Name, cfg.Policy.Source); err != nil {
			return fmt.Errorf("the policy has faults:\n%w", err)
		}
	}
	if cfg.Roots, err = readRoots(c.AttestationRoots); err != nil {
		return err
	}
	if c.Traces != "" {
		sent, err := traces.Open(c.Traces, version(), c.TracesShare)
		if err != nil {
			return usageError{err}
		}
		defer func() {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			_ = sent.Close(closing) // spans are worth less than an end in time
		}()
		cfg.Tracer = sent.Tracer()
	}
	a, err := app.Open(ctx, cfg)
	if err != nil {
		return err
	}
	keys, err := a.Service.SigningKeys(ctx)
	if err != nil {
		return errors.Join(err, a.Close())
	}
	c.greet(env, a, cfg, listener.Addr(), keys.Founded)
	defer app.Settle()()
	return errors.Join(a.Serve(ctx, listener), a.Close())
}

// retention is how long records are kept. The shortest leave what decisions and answers to owners rest on.
func (c *serveCommand) retention() (keep authority.Retention, err error) {
	const most = 100 * 365 // days
	for _, f := range []struct {
		name        string
		days, least int
		zero        bool
		most        int
	}{{"days", c.KeepDays, 7, false, evidence.MaxDays}, {"records", c.KeepRecords, 30, true, most}, {"contacts", c.KeepContacts, 1, true, most}, {"jobs", c.KeepJobs, 1, true, most}} {
		switch {
		case f.zero && f.days == 0:
		case f.days < f.least || f.days > f.most:
			return keep, usageError{fmt.Errorf("--keep-%s is %d to %d days, not %d", f.name, f.least, f.most, f.days)}
		}
	}
	const day = 24 * time.Hour
	return authority.Retention{Days: c.KeepDays, Records: time.Duration(c.KeepRecords) * day, Contacts: time.Duration(c.KeepContacts) * day, Jobs: time.Duration(c.KeepJobs) * day}, nil
}

// logger writes lines or JSON.
func logger(w io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func (c *serveCommand) witnesses() (list []ledger.Witness, err error) {
	for _, text := range c.Witness {
		w, err := ledger.ParseWitness(text)
		if err != nil {
			return nil, usageError{err}
		}
		list = append(list, w)
	}
	if c.WitnessQuorum < 0 || c.WitnessQuorum > len(list) {
		return nil, usageError{fmt.Errorf("--witness-quorum %d with %d witnesses: it is at most their number", c.WitnessQuorum, len(list))}
	}
	return list, nil
}

func (c *serveCommand) greet(env Environment, a *app.App, cfg app.Config, at net.Addr, founded bool) {
	fmt.Fprintf(env.Stdout, "Bailiwick is up.\n  public page  %[1]s/\n  owner page   %[1]s/owner\n  console      %[1]s/console/\n  data folder  %[2]s\n  ledger key   %[3]s\n", cfg.BaseURL, c.Data, a.Ledger.LogKey())
	if c.BaseURL != "" { // else the pages above say it
		fmt.Fprintf(env.Stdout, "  listens on   %s\n", at)
	}
	if db, err := pgconn.ParseConfig(c.Database); err == nil && c.Database != "" {
		fmt.Fprintf(env.Stdout, "  records in   the database %s on %s\n", db.Database, db.Host)
	}
	if a.OneTimePassword != "" {
		fmt.Fprintf(env.Stdout, "\nLog in to the console as admin with the one-time password\n\n    %s\n\nIt is shown this once, and you choose your own at the first login.\n", a.OneTimePassword)
	}
	if c.Sandbox {
		fmt.Fprintf(env.Stdout, "\nThis is a sandbox: it trusts virtual phones, its clock can be moved on, and it signs with officers' keys of its own. Make a phone with\n\n    bailiwick device --server %s\n", cfg.BaseURL)
		return
	}
	if !founded {
		fmt.Fprintf(env.Stdout, "\nNobody has said yet whose signatures count. Each officer makes a key (bailiwick officer key), one proposes the founding with\n\n    bailiwick officer root --officer A.pub --officer B.pub --server %s -o founding.json\n\ntwo sign it (bailiwick officer sign), and admin publishes it (bailiwick officer publish). Then the first policy goes the same way.\n", cfg.BaseURL)
	}
	if len(cfg.Roots) == 0 {
		fmt.Fprintln(env.Stdout, "\nNo device can enrol yet: give the roots of your factories with --attestation-roots, or try virtual phones with --sandbox.")
	}
}

func readRoots(file string) ([]*x509.Certificate, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := verifier.ParseRoots(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return roots, nil
}
