package cli

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
)

type ledgerCommand struct {
	Verify  ledgerVerifyCommand  `cmd:"" help:"Check a whole ledger: signatures, every entry and tile, and that it continues what you saw before."`
	Monitor ledgerMonitorCommand `cmd:"" help:"Go on checking a ledger, and report."`
	Count   ledgerCountCommand   `cmd:"" help:"Count a ledger's orders again, from its entries alone."`
	Explain ledgerExplainCommand `cmd:"" help:"Say what one order is, and whether it holds."`
}

func (ledgerCommand) Help() string {
	return `Anybody can run these, against any server or a copy of its files. They need no account.

Examples:
  bailiwick ledger verify http://127.0.0.1:8470
  bailiwick ledger monitor http://127.0.0.1:8470 --interval 10m
  bailiwick ledger count http://127.0.0.1:8470`
}

// signers are the keys that signatures are counted by.
type signers struct {
	Key     string   `help:"Verifier key of the ledger, as you or somebody you trust noted it. When left out: the one of the state file, else what the ledger itself offers." placeholder:"VKEY"`
	Witness []string `help:"Verifier key of a witness whose cosignature must count; may be repeated." sep:"none" placeholder:"VKEY"`
	Quorum  int      `help:"How many of these witnesses must have cosigned; more than half when left out." placeholder:"N"`
}

func (s *signers) verifier(key string) (*proof.Verifier, error) {
	origin, _, _ := strings.Cut(key, "+")
	quorum := s.Quorum
	if quorum == 0 {
		quorum = ledger.Majority(len(s.Witness))
	}
	v, err := proof.New(origin, key, s.Witness, quorum)
	if err != nil {
		return nil, usageError{fmt.Errorf("the keys cannot be used: %w", err)}
	}
	return v, nil
}

// ledgerFlags are those of the commands that read a whole ledger.
type ledgerFlags struct {
	signers
	Place string `arg:"" name:"url|dir" help:"Address of a server or of its ledger; or a data folder, or a copy of the ledger's files."`
	State string `help:"File that remembers the key and the last checkpoint; one for each address, in your configuration folder, when left out." type:"path" placeholder:"FILE"`
	JSON  bool   `name:"json" help:"Write JSON."`
}

// remembered is what the state file holds.
type remembered struct {
	Key  string       `json:"key"`
	Seen *ledger.Seen `json:"seen,omitempty"`
}

// reading is a ledger that is to be read.
type reading struct {
	auditor *ledger.Auditor
	file    string
	key     string
	keyFrom string // in words
	first   bool   // the key comes from the ledger itself
	seen    *ledger.Seen
}

func (f *ledgerFlags) open(ctx context.Context, env Environment) (*reading, error) {
	source, err := ledger.Find(f.Place)
	if err != nil {
		return nil, usageError{err}
	}
	r := &reading{}
	if r.file, err = f.stateFile(env); err != nil {
		return nil, err
	}
	kept, err := readRemembered(r.file)
	if err != nil {
		return nil, err
	}
	r.seen = kept.Seen
	switch {
	case f.Key != "" && kept.Key != "" && f.Key != kept.Key:
		return nil, fmt.Errorf("%s remembers this ledger under another key:\n  %s\n  Either the ledger was replaced, or somebody shows you another one. "+
			"When you know that it is right, delete that file", r.file, kept.Key)
	case f.Key != "":
		r.key, r.keyFrom = f.Key, "given with --key"
	case kept.Key != "":
		r.key, r.keyFrom = kept.Key, "remembered from the first look"
	default:
		if r.key, err = source.ReadKey(ctx); err != nil {
			return nil, f.unreadable(ctx, "the ledger offers no key: give it with --key", err)
		}
		if strings.ContainsFunc(r.key, unicode.IsControl) { // a terminal would obey them
			return nil, errors.New("what the ledger offers is no key: give it with --key")
		}
		r.first, r.keyFrom = true, "TRUST ON FIRST USE: the ledger itself offered this key"
	}
	verifier, err := f.verifier(r.key)
	if err != nil {
		return nil, err
	}
	r.auditor = ledger.NewAuditor(source, verifier, r.seen, env.Now)
	return r, nil
}

// unreadable says in a line why nothing could be read.
func (f *ledgerFlags) unreadable(ctx context.Context, missing string, err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		if u, parseErr := url.Parse(f.Place); parseErr == nil {
			return unreachable(ctx, u, err)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New(missing)
	}
	return err
}

func (f *ledgerFlags) stateFile(env Environment) (string, error) {
	if f.State != "" {
		return f.State, nil
	}
	login, err := loginFile(env)
	if err != nil {
		return "", err
	}
	place := strings.TrimRight(f.Place, "/")
	if !strings.Contains(place, "://") {
		if place, err = filepath.Abs(place); err != nil {
			return "", err
		}
	}
	name := sha256.Sum256([]byte(place))
	return filepath.Join(filepath.Dir(login), "ledgers", hex.EncodeToString(name[:8])+".json"), nil
}

func readRemembered(file string) (kept remembered, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	} else if err != nil {
		return kept, err
	}
	if err := json.Unmarshal(text, &kept); err != nil || kept.Key == "" || kept.Seen != nil && len(kept.Seen.Root) != sha256.Size {
		return kept, fmt.Errorf("%s does not hold what was remembered of a ledger; restore it, or delete it to begin anew", file)
	}
	return kept, nil
}

// remember keeps what was found whole, whole or not at all.
func (r *reading) remember() error {
	text, err := json.MarshalIndent(remembered{Key: r.key, Seen: r.auditor.Seen()}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(r.file), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(r.file+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(r.file+".new", r.file)
}

type ledgerVerifyCommand struct {
	ledgerFlags
}

func (ledgerVerifyCommand) Help() string {
	return `Reads every entry, recomputes the root from nothing but them, compares every tile, checks the signatures, and finds the checkpoint that you
saw last at the beginning of what is there now. It ends with 1 when anything is wrong, and says what.

Without --key it trusts, at the first look, the key that the ledger itself offers, and holds it to that key from then on. Compare the key with what others
noted: a ledger that lies to you from the start can only be found so.

Examples:
  bailiwick ledger verify http://127.0.0.1:8470
  bailiwick ledger verify ./bailiwick-data --state seen.json
  bailiwick ledger verify https://trust.example.com/ledger/ --key trust.example.com/ledger+1a2b3c4d+AbCd --witness witness.example/w1+5e6f7a8b+BeFg`
}

// verifyReport is the outcome as JSON.
type verifyReport struct {
	OK         bool         `json:"ok"`
	Fault      string       `json:"fault,omitempty"` // stable name
	Detail     string       `json:"detail,omitempty"`
	Origin     string       `json:"origin,omitempty"`
	Key        string       `json:"key"`
	FirstUse   bool         `json:"trust_on_first_use"`
	Entries    uint64       `json:"entries"`
	Tiles      int          `json:"tiles"`
	Root       string       `json:"root,omitempty"` // base64
	Witnesses  []string     `json:"witnesses"`
	Checkpoint string       `json:"checkpoint,omitempty"`
	Before     *ledger.Seen `json:"before,omitempty"` // what it was held to
}

func (c *ledgerVerifyCommand) Run(ctx context.Context, env Environment) error {
	r, err := c.open(ctx, env)
	if err != nil {
		return err
	}
	var tally ledger.Tally
	found, err := tally.Audit(ctx, r.auditor)
	report := verifyReport{Key: r.key, FirstUse: r.first, Before: r.seen, Checkpoint: string(found.Signed), Witnesses: found.Witnesses}
	if err != nil {
		if report.Fault = ledger.FaultOf(err); report.Fault == "" {
			return c.unreadable(ctx, "there is no ledger at "+c.Place, err)
		}
		report.Detail, report.Witnesses = plain(err), []string{}
		return c.broken(env, &report)
	}
	report.OK, report.Origin, report.Entries, report.Tiles = true, r.auditor.Seen().Origin, found.Size, found.Tiles
	report.Root = base64.StdEncoding.EncodeToString(found.Root[:])
	if report.Witnesses == nil {
		report.Witnesses = []string{}
	}
	if err := r.remember(); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(env.Stdout, report)
	}
	w := env.Stdout
	fmt.Fprintf(w, "ledger      %s\n", oneLine(report.Origin))
	fmt.Fprintf(w, "key         %s\n            (%s)\n", r.key, r.keyFrom)
	fmt.Fprintf(w, "entries     %d, each one an order that can be read in one way only\n", found.Size)
	fmt.Fprintf(w, "tiles       %d, all with the hashes of the entries\n", found.Tiles)
	fmt.Fprintf(w, "root        %s, as signed\n", report.Root)
	fmt.Fprintf(w, "witnesses   %s\n", c.witnesses(found.Witnesses))
	fmt.Fprintf(w, "before      %s\n", before(r.seen))
	fmt.Fprintf(w, "remembered  %s\nThe ledger holds.\n", r.file)
	return nil
}

func (s *signers) witnesses(names []string) string {
	if len(s.Witness) == 0 {
		return "none asked for (give their keys with --witness)"
	}
	return fmt.Sprintf("%d of %d: %s", len(names), len(s.Witness), strings.Join(names, ", "))
}

func before(seen *ledger.Seen) string {
	if seen == nil {
		return "nothing: this is the first look"
	}
	return fmt.Sprintf("%d entries on %s, and they are still its beginning", seen.Size, seen.At.Format(time.DateTime))
}

// broken tells what is wrong, with the signed proof of it.
func (c *ledgerVerifyCommand) broken(env Environment, report *verifyReport) error {
	if c.JSON {
		return errors.Join(writeJSON(env.Stdout, report), errSaid)
	}
	fmt.Fprintf(env.Stdout, "THE LEDGER IS BROKEN: %s\n  %s\n", report.Fault, report.Detail)
	if report.Before != nil && (report.Fault == "ledger-forked" || report.Fault == "ledger-shrank") {
		fmt.Fprintf(env.Stdout, "\nKeep these two checkpoints: the same key signed both, and they contradict each other. The one seen on %s:\n\n%s\nThe one of now:\n\n%s",
			report.Before.At.Format(time.DateTime), report.Before.Signed, report.Checkpoint)
	}
	return errSaid
}

type ledgerMonitorCommand struct {
	ledgerFlags
	Interval time.Duration `help:"How long to wait between two looks." default:"1m"`
	Once     bool          `help:"Look once, and end: with 1 when the ledger is broken or cannot be read."`
}

func (ledgerMonitorCommand) Help() string {
	return `The first look reads everything, as ledger verify does; each later one reads what is new. One line a look; with --json one JSON object a line.
With --witness it also tells when the witnesses have not cosigned for two days: a server that shows an old ledger cannot have that done.

Examples:
  bailiwick ledger monitor http://127.0.0.1:8470
  bailiwick ledger monitor https://trust.example.com --interval 10m --json
  bailiwick ledger monitor https://trust.example.com --once`
}

// look is one line of the monitor.
type look struct {
	At        time.Time `json:"at"`
	Status    string    `json:"status"` // ok, stale, broken or unreadable
	Entries   uint64    `json:"entries"`
	New       uint64    `json:"new"`
	Witnesses []string  `json:"witnesses"`
	Fault     string    `json:"fault,omitempty"`
	Detail    string    `json:"detail,omitempty"`
}

func (c *ledgerMonitorCommand) Run(ctx context.Context, env Environment) error {
	if c.Interval < time.Second {
		return usageError{errors.New("--interval is at least a second")}
	}
	r, err := c.open(ctx, env)
	if err != nil {
		return err
	}
	if r.first {
		fmt.Fprintf(env.Stderr, "%s\n  %s\nCompare it with what others noted.\n", r.keyFrom, r.key)
	}
	var tally ledger.Tally
	broken := false
	for {
		l := c.look(ctx, env, r, &tally)
		if ctx.Err() != nil {
			break
		}
		broken = broken || l.Status == "broken"
		if err := c.tell(env, l); err != nil {
			return err
		}
		if c.Once {
			broken = l.Status != "ok"
			break
		}
		timer := time.NewTimer(c.Interval)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
	if broken {
		return errSaid
	}
	return nil
}

func (c *ledgerMonitorCommand) look(ctx context.Context, env Environment, r *reading, tally *ledger.Tally) look {
	known := uint64(0)
	if seen := r.auditor.Seen(); seen != nil {
		known = seen.Size
	}
	l := look{At: env.Now().UTC().Truncate(time.Second), Status: "ok", Witnesses: []string{}}
	found, err := tally.Audit(ctx, r.auditor)
	if err == nil {
		err = r.remember()
	}
	if err != nil {
		l.Status, l.Fault, l.Detail = "unreadable", ledger.FaultOf(err), plain(err)
		if l.Fault != "" {
			l.Status = "broken"
		}
		return l
	}
	l.Entries, l.New = found.Size, found.Size-known
	l.Witnesses = append(l.Witnesses, found.Witnesses...)
	if err := found.Fresh(l.At); err != nil {
		l.Status, l.Fault, l.Detail = "stale", ledger.FaultOf(err), plain(err)
	}
	return l
}

func (c *ledgerMonitorCommand) tell(env Environment, l look) error {
	if c.JSON {
		return json.NewEncoder(env.Stdout).Encode(l)
	}
	text := fmt.Sprintf("%s  %-10s  %s", l.At.Format(time.RFC3339), l.Status, l.Detail)
	switch l.Status {
	case "ok":
		text = fmt.Sprintf("%s  ok          %d entries, %d new; witnesses: %s", l.At.Format(time.RFC3339), l.Entries, l.New, c.witnesses(l.Witnesses))
	case "stale":
		text = fmt.Sprintf("%s  STALE       %d entries, %d new; %s: %s", l.At.Format(time.RFC3339), l.Entries, l.New, l.Fault, l.Detail)
	case "broken":
		text = fmt.Sprintf("%s  BROKEN      %s: %s", l.At.Format(time.RFC3339), l.Fault, l.Detail)
	}
	_, err := fmt.Fprintln(env.Stdout, text)
	return err
}
