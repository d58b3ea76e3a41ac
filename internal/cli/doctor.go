package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/doctor"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

type doctorCommand struct {
	Data     string   `help:"Data folder to look at; ./bailiwick-data when nothing is named and it is there." type:"path" placeholder:"DIR"`
	Keys     string   `help:"Folder with the keys, as for serve; keys in the data folder when left out." type:"path" placeholder:"DIR"`
	Database string   `help:"PostgreSQL that keeps the records." env:"BAILIWICK_DATABASE" placeholder:"URL"`
	Server   string   `help:"Address of a running server." placeholder:"URL"`
	Witness  []string `help:"Witness of the ledger, as its URL, a plus sign and its verifier key; may be repeated." sep:"none" placeholder:"URL+VKEY"`
	Whole    bool     `help:"Read the whole ledger and hold every index of the records to its table. Takes a while."`
	JSON     bool     `name:"json" help:"Write JSON."`
}

func (doctorCommand) Help() string {
	return `Looks a server over and says of each thing whether it is well, and what to do when it is not. It changes nothing and can run beside the server: name what there is to
look at, a data folder, a database, a server's address, witnesses. It ends with 1 when there is a fault; warnings are not faults.

Run it as the server's own account, or it cannot see everything. On the server's own machine it also reads the server's metrics.

Examples:
  bailiwick doctor
  bailiwick doctor --data /var/lib/bailiwick --server http://127.0.0.1:8470
  bailiwick doctor --database postgres://bailiwick@db.example.com/bailiwick --json
  bailiwick doctor --server https://trust.example.com --witness https://w1.example.org+w1.example.org+1a2b3c4d+BeFg
  bailiwick doctor --data /var/lib/bailiwick --whole`
}

// diagnosis is the outcome as JSON.
type diagnosis struct {
	Verdict  doctor.Verdict   `json:"verdict"`
	Findings []doctor.Finding `json:"findings"`
}

func (c *doctorCommand) Run(ctx context.Context, env Environment) error {
	p := doctor.Patient{Dir: c.Data, Keys: c.Keys, Database: c.Database, Server: c.Server, Whole: c.Whole, Now: env.Now}
	for _, text := range c.Witness {
		w, err := ledger.ParseWitness(text)
		if err != nil {
			return usageError{err}
		}
		p.Witnesses = append(p.Witnesses, w)
	}
	if p.Dir == "" && p.Database == "" && p.Server == "" {
		p.Dir = "./bailiwick-data"
		if _, err := os.Stat(filepath.Join(p.Dir, sqlite.FileName)); err != nil {
			return usageError{errors.New("there is nothing to look at: name --data, --database or --server")}
		}
	}
	d := diagnosis{Findings: doctor.Examine(ctx, p)}
	d.Verdict = doctor.Worst(d.Findings)
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.JSON {
		if err := writeJSON(env.Stdout, d); err != nil {
			return err
		}
	} else {
		d.write(env.Stdout)
	}
	if d.Verdict == doctor.Fault {
		return errSaid
	}
	return nil
}

func (d diagnosis) write(w io.Writer) {
	count := make(map[doctor.Verdict]int)
	for _, f := range d.Findings {
		count[f.Verdict]++
		mark := strings.ToUpper(string(f.Verdict))
		if f.Verdict == doctor.OK {
			mark = "ok"
		}
		fmt.Fprintf(w, "%-8s %-22s %s\n", mark, f.Check, stacked(f.Detail))
		if f.Fix != "" {
			fmt.Fprintf(w, "%-31s → %s\n", "", harmless(f.Fix))
		}
	}
	fmt.Fprintf(w, "\n%d ok, %s, %s", count[doctor.OK], web.Count(count[doctor.Warning], "warning", "warnings"), web.Count(count[doctor.Fault], "fault", "faults"))
	if n := count[doctor.Unknown]; n > 0 {
		fmt.Fprintf(w, ", %d could not be looked at", n)
	}
	fmt.Fprintln(w)
}

// stacked puts lines under each other, without what a terminal would obey: some of it comes from a server that may be anybody's.
func stacked(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = harmless(line)
	}
	return strings.Join(lines, "\n"+strings.Repeat(" ", 32))
}

type healthcheckCommand struct {
	Server  string        `arg:"" optional:"" help:"Address of the server." default:"http://127.0.0.1:8470"`
	Timeout time.Duration `help:"How long to wait for the answer." default:"5s"`
}

func (healthcheckCommand) Help() string {
	return `Asks a server whether it is ready, and ends with 1 when it is not or does not answer. For containers, whose image has no shell.

Examples:
  bailiwick healthcheck
  bailiwick healthcheck http://127.0.0.1:8480 --timeout 2s`
}

func (c *healthcheckCommand) Run(ctx context.Context, env Environment) error {
	base, err := url.Parse(c.Server)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return usageError{fmt.Errorf("%q is no address of a server: write it like %s", c.Server, defaultServer)}
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("readyz").String(), nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return unreachable(ctx, base, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", whyNot(answer.Status, text))
	}
	_, err = fmt.Fprintln(env.Stdout, "ready")
	return err
}

// whyNot is what a problem says, in a line.
func whyNot(status string, text []byte) string {
	var p struct {
		Detail string
		Errors []struct{ At, Message string }
	}
	if json.Unmarshal(text, &p) != nil || p.Detail == "" {
		return status
	}
	for _, e := range p.Errors {
		p.Detail += "; " + e.At + ": " + e.Message
	}
	return harmless(p.Detail)
}
